//! Access control lists: from what XFS stores to what `getxattr` shows.
//!
//! On disk: Linux' `xfs_acl` in `xfs_acl.h`, big-endian, a count and entries of tag, id, permissions.
//! Shown: `posix_acl_xattr_header` and `posix_acl_xattr_entry` of `include/uapi/linux/posix_acl_xattr.h`.

use super::be::Be;

const SHOWN_VERSION: u32 = 2;
const USER: u32 = 0x02;
const GROUP: u32 = 0x08;
const NO_ID: u32 = u32::MAX;

/// The value of `system.posix_acl_access` or `system.posix_acl_default` from that of `SGI_ACL_FILE` or
/// `SGI_ACL_DEFAULT`; `None` where it is no such list.
pub(super) fn to_posix(stored: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let fields = Be(stored);
    let entries = stored.get(4..)?;
    if entries.len() != (fields.u32(0) as usize).checked_mul(12)? {
        return None;
    }
    out.clear();
    out.extend_from_slice(&SHOWN_VERSION.to_le_bytes());
    for entry in entries.chunks_exact(12) {
        let (tag, id, permissions) = (Be(entry).u32(0), Be(entry).u32(4), Be(entry).u16(8));
        let id = match tag {
            USER | GROUP => id,
            0x01 | 0x04 | 0x10 | 0x20 => NO_ID,
            _ => return None,
        };
        out.extend_from_slice(&(tag as u16).to_le_bytes());
        out.extend_from_slice(&permissions.to_le_bytes());
        out.extend_from_slice(&id.to_le_bytes());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_shown_as_getxattr_shows_it() {
        let mut stored = vec![0, 0, 0, 2];
        stored.extend([0, 0, 0, 1, 0, 0, 0, 9, 0, 7, 0, 0]);
        stored.extend([0, 0, 0, 2, 0, 0, 3, 0xe8, 0, 5, 0, 0]);
        let mut shown = Vec::new();
        assert_eq!(to_posix(&stored, &mut shown), Some(()));
        assert_eq!(shown[..4], [2, 0, 0, 0]);
        assert_eq!(shown[4..12], [1, 0, 7, 0, 255, 255, 255, 255]);
        assert_eq!(shown[12..], [2, 0, 5, 0, 0xe8, 3, 0, 0]);
    }

    #[test]
    fn a_wrong_count_or_tag_is_no_list() {
        let mut out = Vec::new();
        assert_eq!(to_posix(&[0, 0, 0, 1], &mut out), None);
        assert_eq!(to_posix(&[255; 16], &mut out), None);
        assert_eq!(to_posix(&[0, 0, 0, 1, 0, 0, 0, 64, 0, 0, 0, 0, 0, 7, 0, 0], &mut out), None);
        assert_eq!(to_posix(&[], &mut out), None);
    }
}
