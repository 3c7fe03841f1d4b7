//! Whether a volume is ext2, ext3 or ext4: by its superblock, or by what follows one that is lost.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", sections "Super Block", "Block Group
//! Descriptors", "Flexible Block Groups".

use super::{
    bytes::{u16_at, u32_at, wide},
    superblock::{MAGIC, MAGIC_AT, SUPERBLOCK_AT},
};

/// No group is smaller, in blocks.
const MIN_GROUP_BLOCKS: u64 = 256;

/// Whether there is the magic number of a superblock.
pub(super) fn has_superblock(head: &[u8]) -> bool {
    u16_at(head, SUPERBLOCK_AT as usize + MAGIC_AT) == MAGIC
}

/// Where a group's bitmaps (of blocks, of inodes) and its inode table start, in blocks.
#[derive(Clone, Copy)]
struct Places {
    blocks: u64,
    inodes: u64,
    table: u64,
}

impl Places {
    /// From a descriptor of 32 or 64 bytes, which lies in block `block`, before all of them.
    fn of(descriptor: &[u8], block: u64) -> Option<Self> {
        let high = |at| if descriptor.len() == 64 { u32_at(descriptor, at) } else { 0 };
        let place = |low, up| wide(u32_at(descriptor, low), high(up));
        let found = Self { blocks: place(0x00, 0x20), inodes: place(0x04, 0x24), table: place(0x08, 0x28) };
        (block < found.blocks && found.blocks < found.inodes && found.inodes < found.table).then_some(found)
    }

    fn are_in_a_row(self) -> bool {
        (self.inodes, self.table) == (self.blocks + 1, self.blocks + 2)
    }
}

/// Whether the block behind the place of the superblock holds the descriptors of at least two groups, laid out as mke2fs
/// does it: each group keeps its own things in a row, or the first one has those of its neighbours too.
pub(super) fn has_descriptors(head: &[u8]) -> bool {
    let found = |block: u64, size: usize| {
        let number = if block == 1024 { 2 } else { 1 };
        let places = |group: usize| {
            let start = (number * block) as usize + group * size;
            Places::of(head.get(start..start + size)?, number)
        };
        let (Some(first), Some(second)) = (places(0), places(1)) else { return false };
        let apart = first.are_in_a_row()
            && second.are_in_a_row()
            && second.blocks >= first.blocks.saturating_add(MIN_GROUP_BLOCKS)
            && second.blocks - first.blocks <= block * 9;
        let together = (second.blocks, second.inodes) == (first.blocks + 1, first.inodes + 1)
            && second.table > first.table
            && second.table - first.table < block * 8;
        apart || together
    };
    (10..=16).any(|log| found(1 << log, 32) || found(1 << log, 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn other_things_are_no_descriptors() {
        let numbers: Vec<u8> = (0..1_u32 << 15).flat_map(u32::to_le_bytes).collect();
        let steps: Vec<u8> = (0..1_u32 << 15).flat_map(|nth| (nth / 8).to_le_bytes()).collect();
        let even = [0, 1, 0xFF].map(|byte| vec![byte; 1 << 17]);
        for head in even.iter().chain([&Vec::new(), &numbers, &steps]) {
            assert!(!has_descriptors(head));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(part in prop::collection::vec(any::<u8>(), 128), len in 0usize..10_000) {
            let head: Vec<u8> = part.into_iter().cycle().take(len).collect();
            prop_assert!(!has_descriptors(&head) || len > 2048);
        }
    }
}
