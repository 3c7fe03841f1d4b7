//! Inodes: "XFS Algorithms & Data Structures", 3rd edition, "On-disk Inode"; the large extent counters, the
//! nanosecond counter and metadata files are those of Linux' `xfs_format.h`.

use super::{
    be::Be,
    geometry::{Geometry, Owner, SelfCheck},
};
use crate::error::ParseError;
use coldread_model::{FileKind, Timestamp};

const STRUCTURE: &str = "inode";
const MAGIC: u16 = 0x494e;
const DIFLAG_REALTIME: u16 = 1;
const DIFLAG2_BIGTIME: u64 = 1 << 3;
const DIFLAG2_NREXT64: u64 = 1 << 4;
const DIFLAG2_METADATA: u64 = 1 << 5;
/// The nanosecond counter starts where 32-bit seconds do.
const BIGTIME_EPOCH_SECONDS: i64 = 1 << 31;

/// How a fork is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Device,
    Local,
    Extents,
    Btree,
    /// A realtime group's tree in a metadata file.
    MetadataBtree,
}

impl Format {
    fn from_disk(format: u8) -> Option<Self> {
        Some(match format {
            0 => Self::Device,
            1 => Self::Local,
            2 => Self::Extents,
            3 => Self::Btree,
            5 => Self::MetadataBtree,
            _ => return None,
        })
    }
}

/// A fork as the inode holds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawFork<'a> {
    pub(super) format: Format,
    /// How many extents it says to have.
    pub(super) extents: u64,
    pub(super) bytes: &'a [u8],
}

/// An inode in use.
#[derive(Debug)]
pub(super) struct Dinode<'a> {
    pub(super) kind: FileKind,
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) nlink: u32,
    pub(super) size: u64,
    pub(super) atime: Timestamp,
    pub(super) mtime: Timestamp,
    pub(super) ctime: Timestamp,
    pub(super) crtime: Option<Timestamp>,
    /// Its data is on the realtime device.
    pub(super) realtime: bool,
    /// A file of the metadata directory tree.
    pub(super) metadata: bool,
    pub(super) data: RawFork<'a>,
    pub(super) attributes: Option<RawFork<'a>>,
}

fn timestamp(fields: Be<'_>, at: usize, bigtime: bool) -> Timestamp {
    if bigtime {
        let nanos = fields.u64(at);
        let seconds = (nanos / 1_000_000_000) as i64 - BIGTIME_EPOCH_SECONDS;
        Timestamp::new(seconds, (nanos % 1_000_000_000) as u32)
    } else {
        Timestamp::new(i64::from(fields.u32(at) as i32), fields.u32(at + 4))
    }
}

fn kind(mode: u16) -> Option<FileKind> {
    Some(match mode >> 12 {
        0o01 => FileKind::Fifo,
        0o02 => FileKind::Char,
        0o04 => FileKind::Dir,
        0o06 => FileKind::Block,
        0o10 => FileKind::File,
        0o12 => FileKind::Symlink,
        0o14 => FileKind::Socket,
        _ => return None,
    })
}

/// Reads inode `number`, whose bytes are at `at`. `None` for one that is not in use.
pub(super) fn parse<'a>(
    geometry: &Geometry,
    number: u64,
    bytes: &'a [u8],
    at: u64,
) -> Result<Option<Dinode<'a>>, ParseError> {
    let fields = Be(bytes);
    let wrong = |expected: &str, actual: u64| ParseError::corrupt(at, STRUCTURE, expected, actual);
    let (magic, mode, version) = (fields.u16(0), fields.u16(2), fields.u8(4));
    if magic != MAGIC {
        return Err(wrong("magic IN", magic.into()));
    }
    if (version == 3) != geometry.v5 || !(1..=3).contains(&version) {
        return Err(wrong("the filesystem's version of inodes", version.into()));
    }
    let owner = Some((152, Owner::Inode(number)));
    geometry.check(
        bytes,
        at,
        SelfCheck { structure: STRUCTURE, crc: 100, address: None, uuid: 160, owner },
    )?;
    if mode == 0 {
        return Ok(None);
    }
    let kind = kind(mode).ok_or_else(|| wrong("a type of file", mode.into()))?;
    let flags2 = if version == 3 { fields.u64(120) } else { 0 };
    let (bigtime, large_counts) = (flags2 & DIFLAG2_BIGTIME != 0, flags2 & DIFLAG2_NREXT64 != 0);
    let size = fields.u64(56);
    if size > i64::MAX as u64 {
        return Err(wrong("a size below 2^63", size));
    }

    let literal = bytes.get(if version == 3 { 176 } else { 100 }..).unwrap_or_default();
    let fork_offset = usize::from(fields.u8(82)) * 8;
    if fork_offset > literal.len() {
        return Err(wrong("an attribute fork inside the inode", fork_offset as u64));
    }
    let format = |format: u8| Format::from_disk(format).ok_or_else(|| wrong("a fork format", format.into()));
    let (data, attributes) = if fork_offset == 0 {
        (literal, None)
    } else {
        (&literal[..fork_offset], Some(&literal[fork_offset..]))
    };
    let (data_extents, attribute_extents) = if large_counts {
        (fields.u64(24), u64::from(fields.u32(76)))
    } else {
        (u64::from(fields.u32(76)), u64::from(fields.u16(80)))
    };
    let attributes = match attributes {
        Some(bytes) => Some(RawFork { format: format(fields.u8(83))?, extents: attribute_extents, bytes }),
        None => None,
    };
    Ok(Some(Dinode {
        kind,
        mode: mode & 0o7777,
        uid: fields.u32(8),
        gid: fields.u32(12),
        nlink: if version == 1 { u32::from(fields.u16(6)) } else { fields.u32(16) },
        size,
        atime: timestamp(fields, 32, bigtime),
        mtime: timestamp(fields, 40, bigtime),
        ctime: timestamp(fields, 48, bigtime),
        crtime: (version == 3).then(|| timestamp(fields, 144, bigtime)),
        realtime: kind == FileKind::File && fields.u16(90) & DIFLAG_REALTIME != 0,
        metadata: flags2 & DIFLAG2_METADATA != 0,
        data: RawFork { format: format(fields.u8(5))?, extents: data_extents, bytes: data },
        attributes,
    }))
}
