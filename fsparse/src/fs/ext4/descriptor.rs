//! Block group descriptors.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Block Group
//! Descriptors".

use super::{
    bytes::{u16_at, u32_at, wide},
    checksum::{crc16, crc32c_of},
    geometry::Geometry,
};

const INODE_UNINIT: u16 = 1;
const BLOCK_UNINIT: u16 = 2;

/// What a descriptor says of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    /// Block of the block bitmap.
    pub block_bitmap: u64,
    /// Block of the inode bitmap.
    pub inode_bitmap: u64,
    /// First block of the inode table.
    pub inode_table: u64,
    /// The block bitmap was never written: all is free but the group's own metadata.
    pub blocks_unwritten: bool,
    /// Inodes from the table's start that may be in use; the rest was never written.
    pub inodes_used: u32,
    /// Checksum of the block bitmap: value and which of its bits count.
    pub block_bitmap_sum: (u32, u32),
    /// Checksum of the inode bitmap, likewise.
    pub inode_bitmap_sum: (u32, u32),
    /// Whether the descriptor's own checksum is right (or there is none): expected and found, else.
    pub checksum: Result<(), (u16, u16)>,
}

impl Descriptor {
    /// Reads the descriptor of `group`; `bytes` are as long as the geometry says.
    pub(super) fn parse(geometry: &Geometry, group: u32, bytes: &[u8]) -> Self {
        let full = bytes.len() >= 64;
        let high = |at: usize| if full { u32_at(bytes, at) } else { 0 };
        let high16 = |at: usize| if full { u32::from(u16_at(bytes, at)) } else { 0 };
        let trusted = geometry.features.descriptor_csum();
        let bg_flags = if trusted { u16_at(bytes, 0x12) } else { 0 };
        let bg_itable_unused = if trusted { u32::from(u16_at(bytes, 0x1C)) | high16(0x32) << 16 } else { 0 };
        let sum = |low: usize, up: usize| {
            let value = u32::from(u16_at(bytes, low)) | high16(up) << 16;
            (value, if full { u32::MAX } else { 0xFFFF })
        };
        let unwritten = bg_flags & INODE_UNINIT != 0;
        Self {
            block_bitmap: wide(u32_at(bytes, 0x00), high(0x20)),
            inode_bitmap: wide(u32_at(bytes, 0x04), high(0x24)),
            inode_table: wide(u32_at(bytes, 0x08), high(0x28)),
            blocks_unwritten: bg_flags & BLOCK_UNINIT != 0,
            inodes_used: if unwritten {
                0
            } else {
                geometry.inodes_per_group.saturating_sub(bg_itable_unused)
            },
            block_bitmap_sum: sum(0x18, 0x38),
            inode_bitmap_sum: sum(0x1A, 0x3A),
            checksum: verify(geometry, group, bytes),
        }
    }

    /// Which of the three places lies outside the filesystem, if one does.
    pub(super) fn misplaced(&self, geometry: &Geometry) -> Option<(&'static str, u64)> {
        [
            ("block bitmap", self.block_bitmap, 1),
            ("inode bitmap", self.inode_bitmap, 1),
            ("inode table", self.inode_table, geometry.inode_table_blocks()),
        ]
        .into_iter()
        .find(|(_, block, count)| !geometry.holds(*block, *count))
        .map(|(what, block, _)| (what, block))
    }
}

fn verify(geometry: &Geometry, group: u32, bytes: &[u8]) -> Result<(), (u16, u16)> {
    const CHECKSUM_AT: usize = 0x1E;
    let found = u16_at(bytes, CHECKSUM_AT);
    let (head, tail) = (bytes.get(..CHECKSUM_AT).unwrap_or_default(), bytes.get(0x20..).unwrap_or_default());
    let group = group.to_le_bytes();
    let expected = if geometry.features.metadata_csum() {
        crc32c_of(geometry.checksum_seed, &[&group, head, &[0, 0], tail]) as u16
    } else if geometry.features.descriptor_csum() {
        [&geometry.uuid[..], &group, head, tail].into_iter().fold(!0, crc16)
    } else {
        return Ok(());
    };
    if expected == found { Ok(()) } else { Err((expected, found)) }
}
