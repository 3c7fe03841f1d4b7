//! The shape of a filesystem: what later tasks need of the superblock, and where block groups keep things.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", sections "Block Groups",
//! "Flexible Block Groups", "Meta Block Groups", "Block Group Descriptors" (the layout of their copies).

use super::features::{
    COMPAT_SPARSE_SUPER2, Features, INCOMPAT_64BIT, INCOMPAT_META_BG, RO_COMPAT_SPARSE_SUPER,
};
use crate::error::ParseError;
use coldread_model::{ByteRange, codec};
use serde::{Deserialize, Serialize};

/// The root directory's inode.
pub(super) const ROOT_INODE: u32 = 2;

/// The shape of one filesystem. Numbers are as the superblock has them, checked by [`Geometry::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Geometry {
    /// Bytes of the volume.
    pub volume_bytes: u64,
    /// Bytes of a block: 1 to 64 KiB.
    pub block_bytes: u32,
    /// Number of blocks as the superblock has it: a volume that is cut short holds fewer, [`Geometry::held`].
    pub blocks: u64,
    /// The block that group 0 starts with.
    pub first_data_block: u32,
    /// Blocks of a group.
    pub blocks_per_group: u32,
    /// Blocks that a bit of the block bitmap stands for (1 without bigalloc).
    pub cluster_blocks: u32,
    /// Inodes of a group.
    pub inodes_per_group: u32,
    /// Number of inodes, and the highest inode number.
    pub inodes: u32,
    /// Bytes of an inode.
    pub inode_bytes: u16,
    /// Bytes of a group descriptor.
    pub descriptor_bytes: u16,
    /// Groups that keep their bitmaps and inode tables together.
    pub flex_groups: u32,
    /// Number of groups.
    pub groups: u32,
    /// First block of descriptors that lies in its own meta block group.
    pub first_meta_group: u32,
    /// Blocks kept free for the descriptor table to grow into.
    pub reserved_descriptor_blocks: u16,
    /// The groups with copies of the superblock under sparse_super2.
    pub backup_groups: [u32; 2],
    /// Feature words.
    pub features: Features,
    /// What metadata checksums start from.
    pub checksum_seed: u32,
    /// The UUID.
    pub uuid: [u8; 16],
    /// The first inode that is not reserved.
    pub first_inode: u32,
    /// Journal, quota and orphan files; 0 where there is none.
    pub internal: [u32; 5],
    /// The block of multiple mount protection; 0 if there is none.
    pub mmp_block: u64,
    /// Made by Linux: other systems' inodes carry no checksums.
    pub linux: bool,
    /// Seed of directory hashes.
    pub hash_seed: [u32; 4],
    /// Directory hashes take bytes as unsigned.
    pub hash_unsigned: bool,
    /// Directory hash of new directories.
    pub hash_version: u8,
    /// Inodes that a mount deletes or truncates.
    pub orphans: Orphans,
    /// Groups whose inode table is one of a group before, which stands beside each; sorted.
    pub doubled: Vec<(u32, u32)>,
}

/// Inodes that a mount deletes or truncates, because nobody got to finish that. Both lists are sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Orphans {
    /// No name refers to them: their blocks are free.
    pub deleted: Vec<u32>,
    /// Their blocks behind the size are free.
    pub truncated: Vec<u32>,
}

impl Geometry {
    /// The geometry from a task's input.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ParseError> {
        let geometry: Self = codec::from_bytes("ext4 geometry", bytes)
            .map_err(|error| ParseError::corrupt(0, "ext4 geometry", "an encoded geometry", error))?;
        geometry.check()?;
        Ok(geometry)
    }

    /// How many groups `blocks` blocks make, but no more than the volume has room for (rounded up to whole
    /// flexible groups, whose first group keeps the tables of the others).
    pub(super) fn count_groups(&self, blocks: u64) -> u32 {
        let per_group = u64::from(self.blocks_per_group.max(1));
        let first = u64::from(self.first_data_block);
        let said = blocks.saturating_sub(first).div_ceil(per_group);
        let there = self.held().saturating_sub(first).div_ceil(per_group);
        let there = there.next_multiple_of(u64::from(self.flex_groups.max(1)));
        u32::try_from(said.min(there)).unwrap_or(u32::MAX)
    }

    /// What the kernel checks before it mounts: every number that others are divided by or counted with.
    pub(super) fn check(&self) -> Result<(), ParseError> {
        let wrong = |what: &'static str, expected: String, actual: u64| {
            Err(ParseError::corrupt(
                super::superblock::SUPERBLOCK_AT,
                "superblock",
                format!("{what} {expected}"),
                actual,
            ))
        };
        let block = self.block_bytes;
        if !block.is_power_of_two() || !(1024..=65536).contains(&block) {
            return wrong("block size", "from 1 to 64 KiB".to_owned(), block.into());
        }
        let bits = u64::from(block) * 8;
        if !self.cluster_blocks.is_power_of_two() || self.cluster_blocks > 1 << 19 {
            return wrong("cluster size", "up to 512 MiB".to_owned(), self.cluster_blocks.into());
        }
        let ratio = u64::from(self.cluster_blocks);
        let per_group = u64::from(self.blocks_per_group);
        if per_group == 0 || !per_group.is_multiple_of(ratio) || per_group / ratio > bits {
            return wrong("blocks per group", format!("from 1 to {}", bits * ratio), per_group);
        }
        let inode = u32::from(self.inode_bytes);
        if inode < 128 || !inode.is_power_of_two() || inode > block {
            return wrong("inode size", format!("from 128 to {block}"), inode.into());
        }
        let inodes = u64::from(self.inodes_per_group);
        if inodes == 0 || inodes > bits || self.inode_table_blocks() >= per_group {
            return wrong("inodes per group", format!("from 1 to {bits}, smaller than a group"), inodes);
        }
        let descriptor = u32::from(self.descriptor_bytes);
        let least = if self.features.incompat & INCOMPAT_64BIT == 0 { 32 } else { 64 };
        if !descriptor.is_power_of_two() || descriptor < least || descriptor > 1024 {
            return wrong("descriptor size", format!("from {least} to 1024"), descriptor.into());
        }
        let held = self.held();
        if u64::from(self.first_data_block) >= held || self.groups == 0 {
            return wrong("first data block", format!("before {held}"), self.first_data_block.into());
        }
        if self.blocks > (1 << 63) / u64::from(block) {
            return wrong("blocks", "up to 2^63 bytes".to_owned(), self.blocks);
        }
        if self.flex_groups == 0 || self.flex_groups > 1024 || self.groups > self.count_groups(u64::MAX) {
            return wrong("groups", "inside the volume".to_owned(), self.groups.into());
        }
        // The kernel holds the product to the number of inodes; numbers of inodes have 32 bits.
        if u64::from(self.groups) * inodes > u32::MAX.into() {
            return wrong("groups", format!("of {inodes} inodes, up to 2^32 in all"), self.groups.into());
        }
        if self.first_inode < 11 {
            return wrong("first inode", "at least 11".to_owned(), self.first_inode.into());
        }
        Ok(())
    }

    /// Bytes of a block.
    pub(super) fn block(&self) -> u64 {
        u64::from(self.block_bytes)
    }

    /// Number of blocks that are inside the volume.
    pub(super) fn held(&self) -> u64 {
        self.blocks.min(self.volume_bytes / self.block().max(1))
    }

    /// The inodes that only groups past the volume's end would hold: the first one's number and how many.
    pub(super) fn inodes_past_end(&self) -> (u64, u64) {
        let held = u64::from(self.groups) * u64::from(self.inodes_per_group);
        let past = if self.held() < self.blocks { u64::from(self.inodes).saturating_sub(held) } else { 0 };
        (held + 1, past)
    }

    /// Bytes that a bit of the block bitmap stands for.
    pub(super) fn cluster(&self) -> u64 {
        u64::from(self.cluster_blocks) * self.block()
    }

    /// The bytes of `count` blocks from `block`.
    pub(super) fn bytes_of(&self, block: u64, count: u64) -> ByteRange {
        ByteRange::new(block.saturating_mul(self.block()), count.saturating_mul(self.block()))
    }

    /// Whether all of `count` blocks from `block` can hold what an inode or descriptor refers to.
    pub(super) fn holds(&self, block: u64, count: u64) -> bool {
        block > u64::from(self.first_data_block)
            && count > 0
            && block.checked_add(count).is_some_and(|end| end <= self.blocks)
    }

    /// Blocks of a group's inode table.
    pub(super) fn inode_table_blocks(&self) -> u64 {
        (u64::from(self.inodes_per_group) * u64::from(self.inode_bytes)).div_ceil(self.block())
    }

    /// The first block of a group.
    pub(super) fn first_block(&self, group: u32) -> u64 {
        u64::from(self.first_data_block) + u64::from(group) * u64::from(self.blocks_per_group)
    }

    /// Blocks of a group that are inside the filesystem.
    pub(super) fn blocks_in(&self, group: u32) -> u64 {
        self.blocks.saturating_sub(self.first_block(group)).min(u64::from(self.blocks_per_group))
    }

    /// Group and place in it of an inode that exists.
    pub(super) fn place_of(&self, inode: u32) -> Option<(u32, u32)> {
        let index = inode.checked_sub(1).filter(|_| inode <= self.inodes)?;
        let group = index / self.inodes_per_group;
        (group < self.groups).then_some((group, index % self.inodes_per_group))
    }

    /// Whether an inode is the filesystem's own.
    pub(super) fn is_internal(&self, inode: u32) -> bool {
        inode != ROOT_INODE && (inode < self.first_inode || self.internal.contains(&inode))
    }

    pub(super) fn descriptors_per_block(&self) -> u32 {
        self.block_bytes / u32::from(self.descriptor_bytes)
    }

    /// Whether the descriptor of a group lies in its own meta block group.
    pub(super) fn in_meta_group(&self, group: u32) -> bool {
        self.features.incompat & INCOMPAT_META_BG != 0
            && group / self.descriptors_per_block() >= self.first_meta_group
    }

    /// The block of the first superblock.
    fn superblock_block(&self) -> u64 {
        u64::from(self.block_bytes == 1024)
    }

    /// Where descriptors of groups from `group` on lie together: their bytes and how many groups they are.
    pub(super) fn descriptors_from(&self, group: u32) -> (ByteRange, u32) {
        let size = u64::from(self.descriptor_bytes);
        let per_block = self.descriptors_per_block();
        let rest = self.groups.saturating_sub(group);
        if !self.in_meta_group(group) {
            let meta = self.features.incompat & INCOMPAT_META_BG != 0;
            let end = if meta { self.first_meta_group.saturating_mul(per_block) } else { u32::MAX };
            let count = rest.min(end - group).min(((1 << 20) / size) as u32);
            let table = (self.superblock_block() + 1) * self.block();
            return (ByteRange::new(table + u64::from(group) * size, u64::from(count) * size), count);
        }
        let index = group % per_block;
        let first_group = group - index;
        let mut block = self.first_block(first_group) + u64::from(self.has_superblock(first_group));
        // With 1 KiB clusters-of-blocks group 0 starts at block 0, before the superblock's own block.
        if self.block_bytes == 1024 && first_group == 0 && self.first_data_block == 0 {
            block += 1;
        }
        let count = rest.min(per_block - index);
        (ByteRange::new(block * self.block() + u64::from(index) * size, u64::from(count) * size), count)
    }

    /// Whether a group starts with a copy of the superblock.
    pub(super) fn has_superblock(&self, group: u32) -> bool {
        let power_of = |base: u32| {
            let mut power = base;
            while power < group && power < u32::MAX / base {
                power *= base;
            }
            power == group
        };
        if group == 0 {
            true
        } else if self.features.compat & COMPAT_SPARSE_SUPER2 != 0 {
            self.backup_groups.contains(&group)
        } else {
            group == 1
                || self.features.ro_compat & RO_COMPAT_SPARSE_SUPER == 0
                || [3, 5, 7].into_iter().any(power_of)
        }
    }

    /// The bytes at a group's start that hold copies of superblock and descriptors, room to grow included.
    pub(super) fn base_metadata(&self, group: u32) -> ByteRange {
        let per_block = self.descriptors_per_block();
        let superblock = u64::from(self.has_superblock(group));
        let meta = self.features.incompat & INCOMPAT_META_BG != 0;
        let table = if self.in_meta_group(group) {
            let index = group % per_block;
            u64::from(index < 2 || index == per_block - 1)
        } else if superblock == 0 {
            0
        } else if meta {
            u64::from(self.first_meta_group) + u64::from(self.reserved_descriptor_blocks)
        } else {
            u64::from(self.groups.div_ceil(per_block)) + u64::from(self.reserved_descriptor_blocks)
        };
        let first = self.first_block(group);
        let end = first.saturating_add(superblock + table).min(first + self.blocks_in(group));
        if group == 0 {
            // The boot block before the superblock belongs to the filesystem as well.
            let late = u64::from(self.block_bytes == 1024 && self.first_data_block == 0);
            return ByteRange::between(0, (end + late).saturating_mul(self.block()));
        }
        ByteRange::between(first * self.block(), end * self.block())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A filesystem of 64 groups of 8192 blocks of 1 KiB.
    pub(crate) fn small() -> Geometry {
        Geometry {
            volume_bytes: 64 * 8192 * 1024 + 1024,
            block_bytes: 1024,
            blocks: 64 * 8192 + 1,
            first_data_block: 1,
            blocks_per_group: 8192,
            cluster_blocks: 1,
            inodes_per_group: 2048,
            inodes: 64 * 2048,
            inode_bytes: 256,
            descriptor_bytes: 64,
            flex_groups: 16,
            groups: 64,
            first_meta_group: 0,
            reserved_descriptor_blocks: 256,
            backup_groups: [0; 2],
            features: Features { compat: 0x3c, incompat: 0x2c2, ro_compat: 0x46b },
            checksum_seed: 1,
            uuid: [7; 16],
            first_inode: 11,
            internal: [8, 0, 0, 0, 0],
            mmp_block: 0,
            linux: true,
            hash_seed: [0; 4],
            hash_unsigned: false,
            hash_version: 1,
            orphans: Orphans::default(),
            doubled: Vec::new(),
        }
    }

    #[test]
    fn numbers_of_inodes_have_32_bits() {
        // 4 TiB, which an image's header says in a few bytes: inodes of the last groups would be those of the first.
        let groups = 1 << 22;
        let blocks = u64::from(groups) * 8192 + 1;
        let huge = Geometry { volume_bytes: blocks * 1024, blocks, groups, inodes: u32::MAX, ..small() };
        assert!(matches!(huge.check(), Err(ParseError::Corrupt { .. })), "{:?}", huge.check());
        let blocks = u64::from(groups / 4) * 8192 + 1;
        let large = Geometry { volume_bytes: blocks * 1024, blocks, groups: groups / 4, ..huge };
        assert_eq!(large.check(), Ok(()));
    }

    #[test]
    fn copies_lie_in_powers_of_three_five_and_seven() {
        let geometry = small();
        let with: Vec<u32> = (0..64).filter(|group| geometry.has_superblock(*group)).collect();
        assert_eq!(with, [0, 1, 3, 5, 7, 9, 25, 27, 49]);
        let two = Geometry {
            features: Features { compat: COMPAT_SPARSE_SUPER2, ..geometry.features },
            backup_groups: [1, 63],
            ..geometry
        };
        assert_eq!((0..64).filter(|group| two.has_superblock(*group)).collect::<Vec<_>>(), [0, 1, 63]);
    }

    #[test]
    fn descriptors_are_found_with_and_without_meta_groups() {
        let geometry = small();
        assert_eq!(geometry.descriptors_from(3), (ByteRange::new(2048 + 192, 61 * 64), 61));
        let mut meta = geometry.clone();
        meta.features.incompat |= INCOMPAT_META_BG;
        meta.first_meta_group = 1;
        assert_eq!(meta.descriptors_from(0), (ByteRange::new(2048, 1024), 16));
        // Group 16 has no copy of the superblock: its first block holds the descriptors.
        assert_eq!(meta.descriptors_from(18), (ByteRange::new((1 + 16 * 8192) * 1024 + 128, 14 * 64), 14));
    }

    #[test]
    fn numbers_that_would_divide_by_zero_or_never_end_are_refused() {
        let good = small();
        assert_eq!(good.check(), Ok(()));
        for bad in [
            Geometry { block_bytes: 0, ..good.clone() },
            Geometry { blocks_per_group: 0, ..good.clone() },
            Geometry { blocks_per_group: 8193, ..good.clone() },
            Geometry { inodes_per_group: 0, ..good.clone() },
            Geometry { inodes_per_group: 8192, inode_bytes: 1024, ..good.clone() },
            Geometry { inode_bytes: 96, ..good.clone() },
            Geometry { descriptor_bytes: 0, ..good.clone() },
            Geometry { groups: 0, ..good.clone() },
            Geometry { groups: u32::MAX, ..good.clone() },
            Geometry { flex_groups: 0, ..good.clone() },
            Geometry { first_data_block: u32::MAX, ..good.clone() },
            Geometry { cluster_blocks: 0, ..good.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
        assert_eq!(Geometry::decode(&codec::to_bytes(&good)), Ok(good.clone()));
        assert!(Geometry::decode(&codec::to_bytes(&Geometry { blocks_per_group: 0, ..good })).is_err());
    }
}
