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
    /// Directories.
    pub directories: u32,
    /// Checksum of the block bitmap: value and which of its bits count.
    pub block_bitmap_sum: (u32, u32),
    /// Checksum of the inode bitmap, likewise.
    pub inode_bitmap_sum: (u32, u32),
    /// Whether these two are known: a copy's are old.
    pub sums_known: bool,
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
        let bg_flags = if trusted { u16_at(bytes, FLAGS_AT) } else { 0 };
        let bg_itable_unused =
            if trusted { u32::from(u16_at(bytes, UNUSED_AT)) | high16(UNUSED_HIGH_AT) << 16 } else { 0 };
        let bitmap_sum = |low: usize, up: usize| {
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
            directories: u32::from(u16_at(bytes, 0x10)) | high16(0x30) << 16,
            block_bitmap_sum: bitmap_sum(0x18, 0x38),
            inode_bitmap_sum: bitmap_sum(0x1A, 0x3A),
            sums_known: true,
            checksum: verify(geometry, group, bytes),
        }
    }

    /// Leaves only what a copy tells as well as the first: where things lie.
    pub(super) fn forget(&mut self, geometry: &Geometry) {
        self.blocks_unwritten = false;
        self.inodes_used = geometry.inodes_per_group;
        self.sums_known = false;
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

const FLAGS_AT: usize = 0x12;
const UNUSED_AT: usize = 0x1C;
const UNUSED_HIGH_AT: usize = 0x32;
const CHECKSUM_AT: usize = 0x1E;

/// The descriptor's checksum, if it has one.
fn sum(geometry: &Geometry, group: u32, bytes: &[u8]) -> Option<u16> {
    let (head, tail) = (bytes.get(..CHECKSUM_AT).unwrap_or_default(), bytes.get(0x20..).unwrap_or_default());
    let group = group.to_le_bytes();
    if geometry.features.metadata_csum() {
        Some(crc32c_of(geometry.checksum_seed, &[&group, head, &[0, 0], tail]) as u16)
    } else if geometry.features.descriptor_csum() {
        Some([&geometry.uuid[..], &group, head, tail].into_iter().fold(!0, crc16))
    } else {
        None
    }
}

fn verify(geometry: &Geometry, group: u32, bytes: &[u8]) -> Result<(), (u16, u16)> {
    let found = u16_at(bytes, CHECKSUM_AT);
    match sum(geometry, group, bytes) {
        Some(expected) if expected != found => Err((expected, found)),
        _ => Ok(()),
    }
}

/// Makes a descriptor say that its group's first `used` inodes may be in use, and that its inode bitmap has
/// this checksum.
pub(super) fn reach(geometry: &Geometry, group: u32, bytes: &mut [u8], used: u32, bitmap_sum: u32) {
    if bytes.len() < 32 || !geometry.features.descriptor_csum() {
        return;
    }
    let before = Descriptor::parse(geometry, group, bytes).inodes_used;
    let mut put = |at: usize, value: u16| {
        if let Some(field) = bytes.get_mut(at..at + 2) {
            field.copy_from_slice(&value.to_le_bytes());
        }
    };
    let unused = geometry.inodes_per_group.saturating_sub(used.max(before));
    put(UNUSED_AT, unused as u16);
    put(UNUSED_HIGH_AT, (unused >> 16) as u16);
    if geometry.features.metadata_csum() {
        put(0x1A, bitmap_sum as u16);
        put(0x3A, (bitmap_sum >> 16) as u16);
    }
    let flags = u16_at(bytes, FLAGS_AT) & !INODE_UNINIT;
    bytes[FLAGS_AT..FLAGS_AT + 2].copy_from_slice(&flags.to_le_bytes());
    if let Some(sum) = sum(geometry, group, bytes) {
        bytes[CHECKSUM_AT..CHECKSUM_AT + 2].copy_from_slice(&sum.to_le_bytes());
    }
}
