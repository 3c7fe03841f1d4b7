//! Copies of the superblock and of group descriptors, and what they are good for where the first are damaged.
//!
//! A copy knows where things lie. What changes while a filesystem is in use (which inodes of a group were ever
//! written, checksums of bitmaps, whether the journal is needed, orphans) is only in the first: after a copy was
//! taken, all of that is unknown.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", sections "Super Block" (the copies
//! under sparse_super and sparse_super2), "Meta Block Groups", "Block Group Descriptors".

use super::{
    bytes::{u16_at, u32_at},
    descriptor::Descriptor,
    features::COMPAT_SPARSE_SUPER2,
    geometry::Geometry,
    scan::{Job, Scan},
    superblock::{SUPERBLOCK_BYTES, Superblock},
};
use crate::{
    error::ParseError,
    machine::{Fetched, Requests},
};
use coldread_model::{ByteRange, Gap, GapKind};

/// Groups that have a copy under sparse_super; without it every group has one.
const GROUPS: [u64; 10] = [1, 3, 5, 7, 9, 25, 27, 49, 81, 125];
/// How many copies of one descriptor are tried.
const MAX_TRIES: u32 = 3;
/// Where a superblock names its own group.
const GROUP_AT: usize = 0x5A;

/// A shape that a filesystem may have: bytes of a block, first data block, blocks of a group.
type Shape = (u64, u64, u64);

/// Where copies of the superblock of a volume may lie, likely ones first. `damaged` is what stands in the place of
/// the first one, which may still tell the shape.
pub(super) fn superblock_places(damaged: &[u8], volume_bytes: u64) -> Vec<u64> {
    let mut shapes: Vec<Shape> = Vec::new();
    let s_log_block_size = u32_at(damaged, 0x18);
    if s_log_block_size <= 6 {
        let block = 1024 << s_log_block_size;
        shapes.push((block, u32_at(damaged, 0x14).min(1).into(), u32_at(damaged, 0x20).into()));
    }
    for log in [2, 0, 1, 3, 4, 5, 6] {
        let block = 1024 << log;
        shapes.push((block, u64::from(log == 0), block * 8));
    }
    let mut places: Vec<u64> = Vec::new();
    for (block, first, per_group) in shapes {
        let blocks = volume_bytes / block;
        let last = blocks.saturating_sub(first + 1).checked_div(per_group).unwrap_or_default();
        let said = [u32_at(damaged, 0x24C).into(), u32_at(damaged, 0x250).into()];
        for group in GROUPS.into_iter().chain([last]).chain(said).filter(|group| (1..=last).contains(group)) {
            let at = (first + group * per_group) * block;
            if at.saturating_add(SUPERBLOCK_BYTES) <= volume_bytes && !places.contains(&at) {
                places.push(at);
            }
        }
    }
    places
}

/// Reads a copy that lies at byte `at`: it must be the one of the group that it names.
pub(super) fn parse_copy(bytes: &[u8], at: u64, volume_bytes: u64) -> Result<(Superblock, u32), ParseError> {
    let found = Superblock::parse(bytes, volume_bytes)?;
    let group = u32::from(u16_at(bytes, GROUP_AT));
    let wanted = found.geometry.first_block(group).saturating_mul(found.geometry.block());
    if group == 0 || wanted != at {
        let expected = format!("the copy of the group at byte {at}");
        return Err(ParseError::corrupt(at, "superblock", expected, format!("that of group {group}")));
    }
    Ok((found, group))
}

impl Geometry {
    /// Where the `nth` copy of a group's descriptor lies.
    fn descriptor_copy(&self, group: u32, nth: u32) -> Option<ByteRange> {
        let size = u64::from(self.descriptor_bytes);
        let at = if self.in_meta_group(group) {
            let per_block = self.descriptors_per_block();
            let index = group % per_block;
            let holder = group - index + *[1, per_block - 1].get(nth as usize)?;
            if holder >= self.groups {
                return None;
            }
            let block = self.first_block(holder) + u64::from(self.has_superblock(holder));
            block * self.block() + u64::from(index) * size
        } else {
            let holder = if self.features.compat & COMPAT_SPARSE_SUPER2 != 0 {
                *self.backup_groups.get(nth as usize)?
            } else {
                // 1, 3 and 5, or 1, 2 and 3.
                (1..8).filter(|group| self.has_superblock(*group)).nth(nth as usize)?
            };
            if holder == 0 || holder >= self.groups {
                return None;
            }
            (self.first_block(holder) + 1) * self.block() + u64::from(group) * size
        };
        Some(ByteRange::new(at, size))
    }
}

/// A descriptor that is damaged or could not be read.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    group: u32,
    /// Where it lies.
    at: ByteRange,
    /// Why it is doubted.
    kind: GapKind,
    /// It, where at least the places that it names are possible.
    usable: Option<Descriptor>,
    /// Copies tried.
    tried: u32,
}

impl Doubt {
    pub(super) fn new(group: u32, at: ByteRange, kind: GapKind, usable: Option<Descriptor>) -> Self {
        Self { group, at, kind, usable, tried: 0 }
    }

    /// The group.
    pub(super) fn group(&self) -> u32 {
        self.group
    }

    /// The descriptor, where at least the places that it names are possible.
    pub(super) fn usable(&self) -> Option<Descriptor> {
        self.usable
    }

    /// Where the next copy lies that is to be tried, if one is left.
    pub(super) fn next_copy(&mut self, geometry: &Geometry) -> Option<ByteRange> {
        let copy = geometry.descriptor_copy(self.group, self.tried).filter(|_| self.tried < MAX_TRIES);
        self.tried += u32::from(copy.is_some());
        copy
    }

    /// What a copy tells, if it is right.
    pub(super) fn judge_copy(&self, geometry: &Geometry, fetched: &Fetched<'_>) -> Option<Descriptor> {
        let mut found = Descriptor::parse(geometry, self.group, fetched.bytes);
        let good = fetched.fault(fetched.range).is_none()
            && found.checksum.is_ok()
            && found.misplaced(geometry).is_none();
        found.forget(geometry);
        good.then_some(found)
    }
}

impl Scan {
    /// Asks for the next copy of a descriptor, or goes on with what there is.
    pub(super) fn ask_copy(&mut self, mut doubt: Doubt, ask: &mut Requests) {
        if let Some(range) = doubt.next_copy(&self.geometry) {
            self.ask(Job::DescriptorCopy(doubt), range, ask);
            return;
        }
        match doubt.usable {
            Some(descriptor) => self.take_descriptors(vec![(doubt.group, descriptor)], ask),
            None => self.lost_inodes(doubt.group, doubt.kind, doubt.at),
        }
    }

    pub(super) fn feed_copy(&mut self, doubt: Doubt, fetched: &Fetched<'_>, ask: &mut Requests) {
        let Some(found) = doubt.judge_copy(&self.geometry, fetched) else {
            self.ask_copy(doubt, ask);
            return;
        };
        let same = doubt.usable.is_some_and(|first| first.inode_table == found.inode_table);
        if !same {
            let reason = format!("group {}: the copy at byte {} is used", doubt.group, fetched.range.start);
            self.gap(Gap::new(doubt.kind, "group descriptor", reason).at_byte(doubt.at.start));
        }
        self.take_descriptors(vec![(doubt.group, found)], ask);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::geometry::tests::small, *};

    #[test]
    fn copies_are_looked_for_where_mke2fs_puts_them() {
        let places = superblock_places(&[0; 1024], 1 << 30);
        for at in [(1 + 8192) << 10, (1 + 3 * 8192) << 10, 32768 << 12, (3 * 32768) << 12, 16384 << 11] {
            assert!(places.contains(&at), "{at}");
        }
        assert!(places.len() < 100 && places.iter().all(|at| at + 1024 <= 1 << 30));
        // Groups of another size, which the damaged one still tells.
        let mut damaged = vec![0; 1024];
        damaged[0x14] = 1;
        damaged[0x20..0x24].copy_from_slice(&1024_u32.to_le_bytes());
        assert_eq!(superblock_places(&damaged, 8 << 20)[..2], [1025 << 10, (1 + 3 * 1024) << 10]);
        assert_eq!(superblock_places(&[0xFF; 1024], 4096), [] as [u64; 0]);
        assert_eq!(superblock_places(&[], 0), [] as [u64; 0]);
    }

    #[test]
    fn copies_of_descriptors_lie_behind_those_of_the_superblock() {
        let mut geometry = small();
        let copy = |geometry: &Geometry, group, nth| {
            geometry.descriptor_copy(group, nth).map(|range| (range.start >> 10, range.start % 1024))
        };
        assert_eq!(copy(&geometry, 3, 0), Some((1 + 8192 + 1, 192)));
        assert_eq!(copy(&geometry, 17, 1), Some((1 + 3 * 8192 + 1 + 1, 64)));
        assert_eq!(copy(&geometry, 3, 8), None);
        geometry.features.incompat |= 0x10;
        // 16 descriptors in a block: in the first, second and last group of each 16.
        assert_eq!(copy(&geometry, 18, 0), Some((1 + 17 * 8192, 128)));
        assert_eq!(copy(&geometry, 18, 1), Some((1 + 31 * 8192, 128)));
        assert_eq!(copy(&geometry, 18, 2), None);
        assert_eq!(copy(&geometry, 2, 0), Some((1 + 8192 + 1, 128)));
    }
}
