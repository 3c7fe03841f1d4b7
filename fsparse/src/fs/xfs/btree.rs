//! Blocks of the B+trees: those of an allocation group (short pointers) and those of a fork (long ones).
//!
//! "XFS Algorithms & Data Structures", 3rd edition, "Fixed Length Record B+trees", and the sections on each
//! tree for its keys and records.

use super::{
    be::Be,
    geometry::{Geometry, Owner, SelfCheck},
};
use crate::error::ParseError;

/// No tree is deeper (Linux' `XFS_BTREE_MAXLEVELS`, and room for trees of the smallest blocks).
pub(super) const MAX_LEVELS: u32 = 16;

/// The trees of an allocation group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tree {
    FreeByBlock,
    FreeBySize,
    Inode,
    FreeInode,
    ReverseMap,
    Refcount,
}

impl Tree {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FreeByBlock => "bnobt block",
            Self::FreeBySize => "cntbt block",
            Self::Inode => "inobt block",
            Self::FreeInode => "finobt block",
            Self::ReverseMap => "rmapbt block",
            Self::Refcount => "refcountbt block",
        }
    }

    fn magic(self, v5: bool) -> u32 {
        u32::from_be_bytes(*match (self, v5) {
            (Self::FreeByBlock, false) => b"ABTB",
            (Self::FreeByBlock, true) => b"AB3B",
            (Self::FreeBySize, false) => b"ABTC",
            (Self::FreeBySize, true) => b"AB3C",
            (Self::Inode, false) => b"IABT",
            (Self::Inode, true) => b"IAB3",
            (Self::FreeInode, false) => b"FIBT",
            (Self::FreeInode, true) => b"FIB3",
            (Self::ReverseMap, _) => b"RMB3",
            (Self::Refcount, _) => b"R3FC",
        })
    }

    /// Bytes of a key in a node; the reverse map has a low and a high one.
    fn key_bytes(self) -> usize {
        match self {
            Self::FreeByBlock | Self::FreeBySize => 8,
            Self::Inode | Self::FreeInode | Self::Refcount => 4,
            Self::ReverseMap => 40,
        }
    }

    /// Bytes of a record in a leaf.
    fn record_bytes(self) -> usize {
        match self {
            Self::FreeByBlock | Self::FreeBySize => 8,
            Self::Inode | Self::FreeInode => 16,
            Self::ReverseMap => 24,
            Self::Refcount => 12,
        }
    }

    /// Whether the survey wants this tree's records, or only to know which blocks it takes.
    pub(super) fn has_wanted_records(self) -> bool {
        matches!(self, Self::FreeByBlock | Self::Inode)
    }
}

/// What follows a block's header.
pub(super) enum Body<'a> {
    /// A leaf's records, one after the other.
    Records(&'a [u8]),
    /// A node's pointers to the level below.
    Pointers(&'a [u8]),
}

fn body<'a>(
    bytes: &'a [u8],
    at: u64,
    structure: &'static str,
    level: u32,
    header: usize,
    sizes: (usize, usize, usize),
) -> Result<Body<'a>, ParseError> {
    let (key, pointer, record) = sizes;
    let fields = Be(bytes);
    let (found, count) = (u32::from(fields.u16(4)), usize::from(fields.u16(6)));
    if found != level {
        return Err(ParseError::corrupt(at, structure, format!("level {level}"), found));
    }
    let room = bytes.len().saturating_sub(header);
    let (most, start, size) = if level == 0 {
        (room / record, header, record)
    } else {
        let most = room / (key + pointer);
        (most, header + most * key, pointer)
    };
    let slice = if count <= most { fields.slice(start, count * size) } else { None };
    let wrong = || ParseError::corrupt(at, structure, format!("at most {most} records"), count);
    slice.map(|held| if level == 0 { Body::Records(held) } else { Body::Pointers(held) }).ok_or_else(wrong)
}

fn check_magic(bytes: &[u8], at: u64, structure: &'static str, magic: u32) -> Result<(), ParseError> {
    let found = Be(bytes).u32(0);
    if found == magic {
        return Ok(());
    }
    Err(ParseError::corrupt(at, structure, format!("magic {magic:#010x}"), format!("{found:#010x}")))
}

/// Reads a block of a group's tree, at byte `at`, that must be of `level`.
pub(super) fn short<'a>(
    geometry: &Geometry,
    tree: Tree,
    ag: u32,
    level: u32,
    bytes: &'a [u8],
    at: u64,
) -> Result<Body<'a>, ParseError> {
    let structure = tree.name();
    check_magic(bytes, at, structure, tree.magic(geometry.v5))?;
    let owner = Some((48, Owner::Ag(ag)));
    geometry.check(bytes, at, SelfCheck { structure, crc: 52, address: Some(16), uuid: 32, owner })?;
    let header = if geometry.v5 { 56 } else { 16 };
    body(bytes, at, structure, level, header, (tree.key_bytes(), 4, tree.record_bytes()))
}

pub(super) const FORK_TREE: &str = "bmbt block";

/// Reads a block of the extent tree of an inode's fork.
pub(super) fn long<'a>(
    geometry: &Geometry,
    inode: u64,
    level: u32,
    bytes: &'a [u8],
    at: u64,
) -> Result<Body<'a>, ParseError> {
    let magic = u32::from_be_bytes(if geometry.v5 { *b"BMA3" } else { *b"BMAP" });
    check_magic(bytes, at, FORK_TREE, magic)?;
    let with = SelfCheck {
        structure: FORK_TREE,
        crc: 64,
        address: Some(24),
        uuid: 40,
        owner: geometry.reowned.binary_search(&inode).is_err().then_some((56, Owner::Inode(inode))),
    };
    geometry.check(bytes, at, with)?;
    body(bytes, at, FORK_TREE, level, if geometry.v5 { 72 } else { 24 }, (8, 8, 16))
}

/// The root of an extent tree, which lies in the inode: its level and its pointers.
pub(super) fn fork_root(fork: &[u8]) -> Option<(u32, &[u8])> {
    let fields = Be(fork);
    let (level, count) = (u32::from(fields.u16(0)), usize::from(fields.u16(2)));
    let most = fork.len().saturating_sub(4) / 16;
    let sound = level > 0 && level < MAX_LEVELS && count > 0 && count <= most;
    let pointers = fields.slice(4 + most * 8, count * 8)?;
    sound.then_some((level, pointers))
}

/// 64 inodes of a group, or fewer where the chunk has holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InodeChunk {
    /// Number in the group of the first.
    pub(super) first: u32,
    /// Four inodes a bit: not there.
    pub(super) holes: u16,
    /// An inode a bit: not in use.
    pub(super) free: u64,
}

/// The chunks of an inobt leaf.
pub(super) fn inode_chunks(geometry: &Geometry, records: &[u8]) -> impl Iterator<Item = InodeChunk> {
    let sparse = geometry.sparse_inodes;
    records.chunks_exact(16).map(move |record| {
        let fields = Be(record);
        InodeChunk {
            first: fields.u32(0),
            holes: if sparse { fields.u16(4) } else { 0 },
            free: fields.u64(8),
        }
    })
}

/// The free runs of a bnobt leaf: first block in the group, number of blocks.
pub(super) fn free_runs(records: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    records.chunks_exact(8).map(|record| (Be(record).u32(0), Be(record).u32(4)))
}
