//! The shape of an XFS volume, as later tasks get it, and its addresses.

use super::{
    be::{Be, checksums},
    btree::MAX_LEVELS,
    extent::Remap,
    roots::InodeRoot,
};
use crate::error::ParseError;
use coldread_model::{
    ByteRange,
    codec::{from_bytes, to_bytes},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a survey must know of the superblock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Geometry {
    /// Version 5: checksums, and metadata that says where it belongs.
    pub(super) v5: bool,
    /// Logarithm of the block size in bytes.
    pub(super) block_log: u8,
    /// Bytes of a sector.
    pub(super) sector_bytes: u32,
    /// Logarithm of the inode size in bytes.
    pub(super) inode_log: u8,
    /// Logarithm of the allocation group size in blocks, rounded up: bits of a block number in its group.
    pub(super) ag_block_log: u8,
    /// Logarithm of the blocks of a directory block.
    pub(super) dir_block_log: u8,
    /// Blocks of every allocation group but the last.
    pub(super) ag_blocks: u32,
    /// Allocation groups, also those that a volume cut short does not hold.
    pub(super) ag_count: u32,
    /// Allocation groups of which the volume holds at least a part.
    pub(super) groups_held: u32,
    /// Blocks of the filesystem.
    pub(super) blocks: u64,
    /// Blocks of it that the volume holds.
    pub(super) held_blocks: u64,
    /// Inode number of the root directory.
    pub(super) root: u64,
    /// The internal log in bytes of the volume; empty if it is on another device.
    pub(super) log: ByteRange,
    /// UUID that metadata blocks carry.
    pub(super) uuid: [u8; 16],
    /// Whether directory entries hold a file type.
    pub(super) ftype: bool,
    /// Whether inode chunks can have holes.
    pub(super) sparse_inodes: bool,
    /// Whether there is a free inode B+tree.
    pub(super) free_inode_tree: bool,
    /// Whether there is a reverse-mapping B+tree.
    pub(super) reverse_map: bool,
    /// Whether there is a reference-count B+tree.
    pub(super) reflink: bool,
    /// Inodes that the superblock names as the filesystem's own: realtime bitmap and summary, quotas.
    pub(super) internal: Vec<u64>,
    /// Blocks that nothing refers to any more and that the kernel would free after replaying the log, in
    /// bytes of the volume.
    pub(super) freed: Vec<ByteRange>,
    /// Changes of block maps that the kernel would finish after replaying the log, by inode and in order.
    pub(super) remaps: Vec<Remap>,
    /// Inodes whose forks' trees may name another owner, by number: the log hands them over.
    pub(super) reowned: Vec<u64>,
    /// The roots of the groups' inode trees, where the probe has read them.
    pub(super) inode_roots: BTreeMap<u32, InodeRoot>,
}

impl Geometry {
    pub(super) fn to_opaque(&self) -> Vec<u8> {
        to_bytes(self)
    }

    pub(super) fn from_opaque(bytes: &[u8]) -> Result<Self, ParseError> {
        let wrong = |actual: String| ParseError::corrupt(0, "XFS geometry", "what probe made", actual);
        let geometry: Self = from_bytes("XFS geometry", bytes).map_err(|error| wrong(error.to_string()))?;
        // Shifts and divisions below rely on these; the bytes may have crossed a network.
        let sound = (9..=16).contains(&geometry.block_log)
            && (8..=11).contains(&geometry.inode_log)
            && geometry.inode_log <= geometry.block_log
            && geometry.dir_block_log <= 16 - geometry.block_log
            && (1..=32).contains(&geometry.ag_block_log)
            && geometry.ag_blocks >= 64
            && u64::from(geometry.ag_blocks) <= 1 << geometry.ag_block_log
            && geometry.ag_count > 0
            && (1..=geometry.ag_count).contains(&geometry.groups_held)
            && geometry.blocks <= u64::MAX >> geometry.block_log
            && geometry.held_blocks <= geometry.blocks
            && u64::from(geometry.ag_count - 1) * u64::from(geometry.ag_blocks) < geometry.blocks
            && (512..=1 << geometry.block_log).contains(&geometry.sector_bytes)
            && geometry.inode_roots.values().all(|root| (1..=MAX_LEVELS).contains(&root.levels));
        if sound { Ok(geometry) } else { Err(wrong("numbers out of bounds".to_owned())) }
    }

    pub(super) fn block_bytes(&self) -> u64 {
        1 << self.block_log
    }

    /// Blocks of metadata that a survey reads at most. Each belongs to one owner, so a sound volume never asks for more
    /// than it has; one that is cut short may also ask for some that it lacks.
    pub(super) fn most_metadata(&self) -> u64 {
        self.held_blocks.saturating_add(64 << 20 >> self.block_log)
    }

    /// Extents that a survey keeps at most. Where files do not share blocks, they have no more than there are blocks;
    /// where they may, each block of a tree names its owner, and so is read for one of them.
    pub(super) fn most_extents(&self) -> u64 {
        if self.reflink { u64::MAX } else { self.held_blocks.saturating_add(1 << 16) }
    }

    pub(super) fn inode_bytes(&self) -> u64 {
        1 << self.inode_log
    }

    /// Logarithm of the inodes of a block.
    pub(super) fn inodes_per_block_log(&self) -> u8 {
        self.block_log - self.inode_log
    }

    /// Bits of an inode number in its allocation group.
    fn ag_inode_log(&self) -> u8 {
        self.ag_block_log + self.inodes_per_block_log()
    }

    /// First block of a group, counted through the volume.
    pub(super) fn ag_start(&self, ag: u32) -> u64 {
        u64::from(ag) * u64::from(self.ag_blocks)
    }

    /// Blocks of a group; the last may be short.
    pub(super) fn ag_len(&self, ag: u32) -> u64 {
        self.blocks.saturating_sub(self.ag_start(ag)).min(u64::from(self.ag_blocks))
    }

    /// Blocks at a group's start that hold its superblock copy, AGF, AGI and AGFL, a sector each.
    pub(super) fn header_blocks(&self) -> u64 {
        (4 * u64::from(self.sector_bytes)).div_ceil(self.block_bytes())
    }

    /// Bytes of `count` blocks from `block`, counted through the volume.
    pub(super) fn bytes_of(&self, block: u64, count: u64) -> ByteRange {
        ByteRange::new(block << self.block_log, count << self.block_log)
    }

    /// The place of `count` blocks from block `ag_block` of a group, counted through the volume; `None`
    /// where they do not lie in the group behind its headers.
    pub(super) fn ag_place(&self, ag: u32, ag_block: u64, count: u64) -> Option<u64> {
        let inside = ag < self.ag_count
            && ag_block >= self.header_blocks()
            && ag_block.checked_add(count)? <= self.ag_len(ag);
        inside.then(|| self.ag_start(ag) + ag_block)
    }

    /// The same for a block number of the whole filesystem (group number above, block in it below).
    pub(super) fn place(&self, fs_block: u64, count: u64) -> Option<u64> {
        let ag = u32::try_from(fs_block >> self.ag_block_log).ok()?;
        self.ag_place(ag, fs_block & ((1 << self.ag_block_log) - 1), count)
    }

    /// The number of an inode from its group and its number there; `None` where it has too many bits.
    pub(super) fn inode_number(&self, ag: u32, ag_inode: u32) -> Option<u64> {
        let inside = u64::from(ag_inode) >> self.ag_inode_log() == 0;
        inside.then(|| u64::from(ag) << self.ag_inode_log() | u64::from(ag_inode))
    }

    /// The inodes that groups from `ag` up to `end` can have: the first one's number and how many.
    pub(super) fn inodes_of(&self, ag: u32, end: u32) -> (u64, u64) {
        (u64::from(ag) << self.ag_inode_log(), u64::from(end.saturating_sub(ag)) << self.ag_inode_log())
    }

    /// The bytes of `count` inodes from number `first`; `None` where they cannot be there.
    pub(super) fn inode_place(&self, first: u64, count: u64) -> Option<ByteRange> {
        let ag = u32::try_from(first >> self.ag_inode_log()).ok()?;
        let ag_inode = first & ((1 << self.ag_inode_log()) - 1);
        let per_block = self.inodes_per_block_log();
        let in_block = ag_inode & ((1 << per_block) - 1);
        let blocks = (in_block + count).div_ceil(1 << per_block);
        let block = self.ag_place(ag, ag_inode >> per_block, blocks)?;
        let start = self.bytes_of(block, 0).start + (in_block << self.inode_log);
        Some(ByteRange::new(start, count << self.inode_log))
    }

    /// Bytes of a directory block.
    pub(super) fn dir_block_bytes(&self) -> u64 {
        1 << (self.block_log + self.dir_block_log)
    }
}

/// Where a version 5 structure keeps what proves it right.
#[derive(Clone, Copy)]
pub(super) struct SelfCheck {
    pub(super) structure: &'static str,
    pub(super) crc: usize,
    /// Its address in units of 512 bytes.
    pub(super) address: Option<usize>,
    pub(super) uuid: usize,
    /// Where its owner's number is: 4 bytes (an allocation group) or 8 (an inode).
    pub(super) owner: Option<(usize, Owner)>,
}

/// Whom a metadata block belongs to.
#[derive(Clone, Copy)]
pub(super) enum Owner {
    Ag(u32),
    Inode(u64),
}

impl Geometry {
    /// Checks checksum, UUID, address and owner of a version 5 structure found at byte `at`. Version 4 has
    /// none of these, so there is nothing to check.
    pub(super) fn check(&self, bytes: &[u8], at: u64, with: SelfCheck) -> Result<(), ParseError> {
        if !self.v5 {
            return Ok(());
        }
        let corrupt = |expected: String, actual: String| {
            Err(ParseError::Corrupt { at, structure: with.structure, expected, actual })
        };
        let (stored, computed) = checksums(bytes, with.crc);
        if stored != computed {
            return corrupt(format!("checksum {computed:#010x}"), format!("{stored:#010x}"));
        }
        let fields = Be(bytes);
        if fields.uuid(with.uuid) != self.uuid {
            return corrupt("the filesystem's UUID".to_owned(), "another".to_owned());
        }
        if let Some(address) = with.address.map(|place| fields.u64(place))
            && address != at >> 9
        {
            return corrupt(format!("its own address {}", at >> 9), address.to_string());
        }
        if let Some((place, owner)) = with.owner {
            let (found, wanted) = match owner {
                Owner::Ag(ag) => (u64::from(fields.u32(place)), u64::from(ag)),
                Owner::Inode(number) => (fields.u64(place), number),
            };
            if found != wanted {
                return corrupt(format!("owner {wanted}"), found.to_string());
            }
        }
        Ok(())
    }
}
