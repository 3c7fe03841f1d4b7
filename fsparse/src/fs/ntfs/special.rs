//! Files that stand for something else: reparse points, and the symbolic links and devices of Interix.

use super::{
    boot::{u16_at, u32_at, u64_at},
    record::{Malformed, malformed},
    wof::Algorithm,
    wtf8::push_wtf8,
};
use coldread_model::FileKind;

/// Bytes that a reparse point has at most (MS-FSCC 2.1.2, MAXIMUM_REPARSE_DATA_BUFFER_SIZE), header included.
pub(super) const MAX_REPARSE_BYTES: u64 = 16_384 + 8;

/// Bytes that extended attributes have at most: their length is 16 bits wide (MS-FSCC 2.4.12).
pub(super) const MAX_EA_BYTES: u64 = 65_536;

/// Bytes of the signature that files of Interix start with.
const INTERIX_SIGNATURE_BYTES: u64 = 8;

/// Bytes that a file of Interix has at most: its signature and a path of 4096 characters.
const MAX_INTERIX_BYTES: u64 = INTERIX_SIGNATURE_BYTES + 2 * 4096;

/// What a file stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Special {
    /// Its kind.
    pub(super) kind: FileKind,
    /// The target of a link, or the tag of another reparse point in hex.
    pub(super) target: Vec<u8>,
    /// Major and minor number of a device.
    pub(super) device: (u32, u32),
}

impl Special {
    /// A file of this kind, without target or device.
    pub(super) fn of(kind: FileKind) -> Self {
        Self { kind, target: Vec::new(), device: (0, 0) }
    }
}

/// Whether a system file with an unnamed stream of so many bytes may be a link or device of Interix.
pub(super) fn may_be_interix(size: u64) -> bool {
    (INTERIX_SIGNATURE_BYTES + 1..=MAX_INTERIX_BYTES).contains(&size)
}

/// What a system file of Interix is, by its stream's content: symbolic links and devices.
///
/// Source: ntfs-3g, "layout.h" (INTX_FILE): a signature, then the target in UTF-16 or the device's numbers
/// in 64 bits each.
pub(super) fn interix(data: &[u8]) -> Option<Special> {
    let (signature, rest) = data.split_first_chunk::<8>()?;
    let device = |kind| {
        let numbers = (u64_at(rest, 0)? as u32, u64_at(rest, 8)? as u32);
        (rest.len() == 16).then_some(Special { device: numbers, ..Special::of(kind) })
    };
    match signature {
        b"IntxLNK\x01" => {
            let end = rest.as_chunks::<2>().0.iter().position(|unit| *unit == [0, 0]);
            let mut link = Special::of(FileKind::Symlink);
            push_wtf8(&rest[..end.map_or(rest.len(), |units| units * 2)], &mut link.target);
            Some(link)
        }
        b"IntxCHR\0" => device(FileKind::Char),
        b"IntxBLK\0" => device(FileKind::Block),
        _ => None,
    }
}

/// Tags of reparse points (MS-FSCC 2.1.2.1).
pub(super) mod tag {
    pub(in crate::fs::ntfs) const MOUNT_POINT: u32 = 0xa000_0003;
    pub(in crate::fs::ntfs) const SYMLINK: u32 = 0xa000_000c;
    pub(in crate::fs::ntfs) const LX_SYMLINK: u32 = 0xa000_001d;
    pub(in crate::fs::ntfs) const AF_UNIX: u32 = 0x8000_0023;
    pub(in crate::fs::ntfs) const LX_FIFO: u32 = 0x8000_0024;
    pub(in crate::fs::ntfs) const LX_CHR: u32 = 0x8000_0025;
    pub(in crate::fs::ntfs) const LX_BLK: u32 = 0x8000_0026;
    /// Set in tags of files that stand for another file.
    pub(in crate::fs::ntfs) const NAME_SURROGATE: u32 = 0x2000_0000;
    pub(in crate::fs::ntfs) const WOF: u32 = 0x8000_0017;
    /// IO_REPARSE_TAG_CLOUD and its fifteen variants, once [`CLOUD_VARIANT`] is masked out.
    pub(in crate::fs::ntfs) const CLOUD: u32 = 0x9000_001a;
    pub(in crate::fs::ntfs) const CLOUD_VARIANT: u32 = 0x0000_f000;
}

/// The tag of a reparse point.
pub(super) fn tag_of(reparse: &[u8]) -> Option<u32> {
    u32_at(reparse, 0)
}

/// How a file of the Windows Overlay Filter is packed, by its reparse point, or in words why its content is
/// not in itself.
///
/// Source: Windows SDK, "WOF_EXTERNAL_INFO" (version, provider) and "FILE_PROVIDER_EXTERNAL_INFO_V1"
/// (version, algorithm), which follows it.
pub(super) fn wof(value: &[u8]) -> Result<Algorithm, String> {
    const VERSION: u32 = 1;
    const PROVIDER_WIM: u32 = 1;
    const PROVIDER_FILE: u32 = 2;
    let cut = || "the Windows Overlay Filter's reparse point is cut short".to_owned();
    let field = |at| u32_at(value, at).ok_or_else(cut);
    match (field(8)?, field(12)?) {
        (VERSION, PROVIDER_WIM) => Err("the content is in a WIM image".to_owned()),
        (VERSION, PROVIDER_FILE) => {
            let (version, number) = (field(16)?, field(20)?);
            let known = Algorithm::from_number(number).filter(|_| version == VERSION);
            known.ok_or_else(|| {
                format!("compressed by algorithm {number}, version {version}, of the Windows Overlay Filter")
            })
        }
        (version, provider) => {
            Err(format!("kept by provider {provider}, version {version}, of the Windows Overlay Filter"))
        }
    }
}

/// What a reparse point stands for. A WOF-compressed file and a file whose content is in the cloud or
/// elsewhere are told apart by the caller; the latter is a [`FileKind::Reparse`] here.
///
/// Source: MS-FSCC 2.1.2.4 (symbolic links), 2.1.2.5 (mount points); for the tags of WSL, which are followed
/// by a version and the target in UTF-8, ntfs-3g's "reparse.c" as documentation.
pub(super) fn reparse(value: &[u8], ea: Option<&[u8]>) -> Result<Special, Malformed> {
    let tag = tag_of(value).ok_or(malformed("a reparse point of 8 bytes or more", value.len() as u64))?;
    let length = usize::from(u16_at(value, 4).unwrap_or(0));
    let data =
        value.get(8..8 + length).ok_or(malformed("reparse data within the attribute", length as u64))?;
    let mut special = Special::of(FileKind::Reparse);
    match tag {
        tag::SYMLINK | tag::MOUNT_POINT => {
            let junction = tag == tag::MOUNT_POINT;
            let path = data.get(if junction { 8 } else { 12 }..);
            let relative = !junction && u32_at(data, 8).is_some_and(|flags| flags & 1 != 0);
            let name = |at: usize| {
                let (start, len) = (u16_at(data, at)?, u16_at(data, at + 2)?);
                path?.get(usize::from(start)..)?.get(..usize::from(len))
            };
            let substitute = name(0).ok_or(malformed("names within the reparse data", length as u64))?;
            let shown = if substitute.is_empty() { name(4).unwrap_or_default() } else { substitute };
            push_wtf8(shown, &mut special.target);
            if special.target.starts_with(br"\??\") {
                special.target.drain(..4);
            }
            if relative {
                special.target.iter_mut().filter(|byte| **byte == b'\\').for_each(|byte| *byte = b'/');
            }
            special.kind = if junction { FileKind::Junction } else { FileKind::Symlink };
        }
        tag::LX_SYMLINK => {
            special.kind = FileKind::Symlink;
            special.target = data.get(4..).unwrap_or_default().to_vec();
        }
        tag::AF_UNIX => special.kind = FileKind::Socket,
        tag::LX_FIFO => special.kind = FileKind::Fifo,
        tag::LX_CHR | tag::LX_BLK => {
            special.kind = if tag == tag::LX_CHR { FileKind::Char } else { FileKind::Block };
            let numbers = ea_value(ea.unwrap_or_default(), b"$LXDEV").unwrap_or_default();
            let device = u32_at(numbers, 0).zip(u32_at(numbers, 4));
            special.device =
                device.ok_or(malformed("device numbers in the attribute $LXDEV", u64::from(tag)))?;
        }
        _ => special.target = format!("{tag:#010x}").into_bytes(),
    }
    Ok(special)
}

/// The value of an extended attribute.
///
/// Source: MS-FSCC 2.4.16 (FileFullEaInformation).
fn ea_value<'a>(mut list: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    loop {
        let next = u32_at(list, 0)? as usize;
        let name_length = usize::from(*list.get(5)?);
        let value_length = usize::from(u16_at(list, 6)?);
        let name = list.get(8..8 + name_length)?;
        let value = list.get(8 + name_length + 1..)?.get(..value_length)?;
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        if next == 0 {
            return None;
        }
        list = list.get(next..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn point(tag: u32, data: &[u8]) -> Vec<u8> {
        let mut out = tag.to_le_bytes().to_vec();
        out.extend((data.len() as u16).to_le_bytes());
        out.extend([0, 0]);
        out.extend(data);
        out
    }

    fn names(substitute: &str, print: &str, flags: Option<u32>) -> Vec<u8> {
        let (substitute, print) = (utf16(substitute), utf16(print));
        let mut out = Vec::new();
        for number in [0, substitute.len(), substitute.len(), print.len()] {
            out.extend((number as u16).to_le_bytes());
        }
        out.extend(flags.map(u32::to_le_bytes).into_iter().flatten());
        out.extend(substitute);
        out.extend(print);
        out
    }

    fn shown(value: &[u8], ea: &[u8]) -> (FileKind, String, (u32, u32)) {
        let special = reparse(value, Some(ea)).unwrap();
        (special.kind, String::from_utf8(special.target).unwrap(), special.device)
    }

    #[test]
    fn links_junctions_and_devices() {
        let none = (0, 0);
        for (value, want) in [
            (point(tag::SYMLINK, &names(r"..\a\b", r"..\a\b", Some(1))), (FileKind::Symlink, "../a/b", none)),
            (point(tag::SYMLINK, &names(r"\??\C:\x", r"C:\x", Some(0))), (FileKind::Symlink, r"C:\x", none)),
            (
                point(tag::MOUNT_POINT, &names(r"\??\C:\Users", "", None)),
                (FileKind::Junction, r"C:\Users", none),
            ),
            (point(tag::LX_SYMLINK, b"\x02\0\0\0/etc/x"), (FileKind::Symlink, "/etc/x", none)),
            (point(tag::LX_FIFO, b""), (FileKind::Fifo, "", none)),
            (point(tag::AF_UNIX, b""), (FileKind::Socket, "", none)),
            (point(tag::LX_BLK, b""), (FileKind::Block, "", (8, 1))),
            (point(0x8000_0013, b"dedup"), (FileKind::Reparse, "0x80000013", none)),
        ] {
            let mut ea = vec![20, 0, 0, 0, 0, 6, 3, 0];
            ea.extend(b"$OTHER\0abc\0\0");
            ea.extend([0, 0, 0, 0, 0, 6, 8, 0]);
            ea.extend(b"$LXDEV\0\x08\0\0\0\x01\0\0\0");
            assert_eq!(shown(&value, &ea), (want.0, want.1.to_owned(), want.2));
        }
        assert!(reparse(&point(tag::LX_CHR, b""), None).is_err());
        assert!(reparse(&[1, 2, 3], None).is_err());
    }

    #[test]
    fn files_of_interix() {
        let mut link = b"IntxLNK\x01".to_vec();
        link.extend(utf16("a/ß\0tail"));
        assert_eq!(
            interix(&link).map(|found| (found.kind, found.target)),
            Some((FileKind::Symlink, "a/ß".into()))
        );
        let mut device = b"IntxCHR\0".to_vec();
        device.extend([4u64.to_le_bytes(), 64u64.to_le_bytes()].concat());
        assert_eq!(interix(&device).map(|found| found.device), Some((4, 64)));
        device.push(0);
        assert_eq!(interix(&device), None);
        assert_eq!(interix(b"MZ"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(tag in 0usize..8, data in prop::collection::vec(any::<u8>(), 0..80), ea in prop::collection::vec(any::<u8>(), 0..80)) {
            let tags = [tag::SYMLINK, tag::MOUNT_POINT, tag::LX_SYMLINK, tag::LX_CHR, tag::WOF, tag::AF_UNIX, 0, 1];
            let mut value = point(tags[tag], &data);
            let _ = reparse(&value, Some(&ea));
            value.truncate(data.len());
            let _ = reparse(&value, Some(&ea));
            let _ = interix(&data);
            let _ = ea_value(&ea, b"$LXDEV");
        }
    }
}
