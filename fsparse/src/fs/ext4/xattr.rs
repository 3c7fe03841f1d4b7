//! Extended attributes, in inodes and in blocks of their own.
//!
//! Sources: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Extended
//! Attributes"; for access control lists "POSIX Access Control Lists on Linux" (A. Gruenbacher) and the
//! kernel's uapi header posix_acl_xattr.h.

use super::{
    bytes::{u16_at, u32_at},
    checksum::crc32c_of,
    geometry::Geometry,
};

const MAGIC: u32 = 0xEA02_0000;
const BLOCK_HEADER_BYTES: usize = 32;
const ENTRY_BYTES: usize = 16;
/// The most bytes that a value can have.
pub(super) const MAX_VALUE_BYTES: u32 = 1 << 24;

/// Where a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Beside its entry.
    Here(&'a [u8]),
    /// In an inode of its own.
    Inode {
        /// The inode.
        number: u32,
        /// Bytes of the value.
        len: u32,
    },
}

/// An attribute as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    /// Which prefix the name has.
    pub index: u8,
    /// The name without it.
    pub name: &'a [u8],
    /// Its value.
    pub value: Value<'a>,
}

impl Attribute<'_> {
    /// Whether it holds the inode's inline content.
    pub(super) fn is_inline_content(&self) -> bool {
        self.index == 7 && self.name == b"data"
    }
}

/// The name that listxattr shows; none for attributes that are the filesystem's own.
pub(super) fn shown_name(index: u8, name: &[u8]) -> Option<Vec<u8>> {
    let prefix: &[u8] = match index {
        1 => b"user.",
        2 => return Some(b"system.posix_acl_access".to_vec()),
        3 => return Some(b"system.posix_acl_default".to_vec()),
        4 => b"trusted.",
        6 => b"security.",
        _ => return None,
    };
    Some([prefix, name].concat())
}

/// The value that getxattr shows; none where an access control list is not one.
pub(super) fn shown_value(index: u8, value: &[u8]) -> Option<Vec<u8>> {
    if matches!(index, 2 | 3) { acl(value) } else { Some(value.to_vec()) }
}

/// An access control list as stored (version 1; ids only for named users and groups) in the form that
/// getxattr gives (version 2; an id in each entry).
fn acl(stored: &[u8]) -> Option<Vec<u8>> {
    const USER: u16 = 0x02;
    const GROUP: u16 = 0x08;
    if stored.len() < 4 || u32_at(stored, 0) != 1 {
        return None;
    }
    let mut shown = 2_u32.to_le_bytes().to_vec();
    let mut rest = &stored[4..];
    while !rest.is_empty() {
        let (tag, permissions) = (u16_at(rest, 0), u16_at(rest, 2));
        let (len, id) = match tag {
            USER | GROUP => (8, u32_at(rest, 4)),
            0x01 | 0x04 | 0x10 | 0x20 => (4, u32::MAX),
            _ => return None,
        };
        rest = rest.get(len..)?;
        shown.extend_from_slice(&tag.to_le_bytes());
        shown.extend_from_slice(&permissions.to_le_bytes());
        shown.extend_from_slice(&id.to_le_bytes());
    }
    Some(shown)
}

/// Reads the attributes in the bytes after an inode's fixed part, if there are any.
pub(super) fn read_inode<'a>(tail: &'a [u8], take: impl FnMut(Attribute<'a>)) -> Result<(), String> {
    if tail.len() < 8 || u32_at(tail, 0) != MAGIC {
        return Ok(());
    }
    read_entries(&tail[4..], 0, take)
}

/// Reads a block of attributes.
pub(super) fn read_block<'a>(block: &'a [u8], take: impl FnMut(Attribute<'a>)) -> Result<(), String> {
    let h_magic = u32_at(block, 0);
    let h_blocks = u32_at(block, 8);
    if h_magic != MAGIC || h_blocks != 1 {
        return Err(format!("magic {h_magic:#x} and {h_blocks} blocks"));
    }
    read_entries(block, BLOCK_HEADER_BYTES, take)
}

/// How many inodes share a block of attributes.
pub(super) fn sharers(block: &[u8]) -> u32 {
    u32_at(block, 4)
}

/// That the checksum of the block of attributes is right, or that there is none: expected and found, else.
pub(super) fn verify_block(geometry: &Geometry, block: u64, bytes: &[u8]) -> Result<(), (String, String)> {
    if !geometry.features.metadata_csum() {
        return Ok(());
    }
    let found = u32_at(bytes, 16);
    let (head, tail) = (bytes.get(..16).unwrap_or_default(), bytes.get(20..).unwrap_or_default());
    let sum = crc32c_of(geometry.checksum_seed, &[&block.to_le_bytes(), head, &[0; 4], tail]);
    if sum == found { Ok(()) } else { Err((format!("checksum {sum:#010x}"), format!("{found:#010x}"))) }
}

/// Reads entries from byte `first` of `area`, which values are counted from too, up to the empty one.
fn read_entries<'a>(area: &'a [u8], first: usize, mut take: impl FnMut(Attribute<'a>)) -> Result<(), String> {
    let mut at = first;
    loop {
        let entry = area.get(at..).unwrap_or_default();
        if entry.len() < 4 {
            return Err(format!("entries without an end at byte {at}"));
        }
        if u32_at(entry, 0) == 0 {
            return Ok(());
        }
        let e_name_len = usize::from(entry[0]);
        let Some(name) = entry.get(ENTRY_BYTES..ENTRY_BYTES + e_name_len) else {
            return Err(format!("a name of {e_name_len} bytes past the end at byte {at}"));
        };
        let e_value_offs = usize::from(u16_at(entry, 2));
        let e_value_inum = u32_at(entry, 4);
        let e_value_size = u32_at(entry, 8);
        if e_value_size > MAX_VALUE_BYTES {
            return Err(format!("a value of {e_value_size} bytes at byte {at}"));
        }
        let value = if e_value_inum != 0 {
            Value::Inode { number: e_value_inum, len: e_value_size }
        } else if e_value_size == 0 {
            Value::Here(&[])
        } else {
            let value = area.get(e_value_offs..).and_then(|rest| rest.get(..e_value_size as usize));
            Value::Here(value.ok_or_else(|| {
                format!("a value of {e_value_size} bytes at byte {e_value_offs}, past the end")
            })?)
        };
        take(Attribute { index: entry[1], name, value });
        at += (ENTRY_BYTES + e_name_len).next_multiple_of(4);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_as_getxattr_shows_them() {
        let stored =
            [1, 0, 0, 0, 1, 0, 6, 0, 2, 0, 4, 0, 0xE8, 3, 0, 0, 4, 0, 4, 0, 0x10, 0, 4, 0, 0x20, 0, 0, 0];
        let shown = acl(&stored).unwrap();
        assert_eq!(shown.len(), 4 + 5 * 8);
        assert_eq!(shown[..12], [2, 0, 0, 0, 1, 0, 6, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        assert_eq!(shown[12..20], [2, 0, 4, 0, 0xE8, 3, 0, 0]);
        assert_eq!(acl(&stored[..stored.len() - 1]), None);
        assert_eq!(acl(&[2, 0, 0, 0]), None);
    }

    #[test]
    fn entries_of_an_inode() {
        let mut tail = vec![0; 64];
        tail[..4].copy_from_slice(&MAGIC.to_le_bytes());
        tail[4..8].copy_from_slice(&[4, 6, 44, 0]);
        tail[12] = 3;
        tail[20..24].copy_from_slice(b"name");
        tail[48..51].copy_from_slice(b"abc");
        let mut found = Vec::new();
        read_inode(&tail, |attribute| found.push(attribute)).unwrap();
        assert_eq!(found, [Attribute { index: 6, name: b"name", value: Value::Here(b"abc") }]);
        assert_eq!(shown_name(6, b"name").unwrap(), b"security.name");
        tail[6] = 60;
        assert!(read_inode(&tail, |_| ()).is_err());
        tail[3] = 0;
        assert_eq!(read_inode(&tail, |_| panic!()), Ok(()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 8..300)) {
            bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
            let _ = read_inode(&bytes, |_| ());
            let _ = read_block(&bytes, |_| ());
            let _ = acl(&bytes);
        }
    }
}
