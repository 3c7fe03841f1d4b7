//! How much there is to read of each block group: its inodes in use and its directories, as its descriptor counts them.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Block Group Descriptors".

use super::{descriptor::Descriptor, geometry::Geometry};
use crate::{
    fs::WeighMachine,
    machine::{Fetched, Machine, Requests},
};
use coldread_model::ByteRange;
use std::ops::Range;

/// More groups are not weighed: 128 TiB of usual ones, whose descriptors alone are 64 MiB. A hostile volume may say that it
/// has thousands of millions.
const MAX_GROUPS: usize = 1 << 20;

/// Reads the descriptors of some groups, in one round.
pub(super) struct Weigh {
    geometry: Geometry,
    groups: Range<u32>,
    weights: Vec<u64>,
}

impl Weigh {
    /// Of these groups; of those that there are not, nothing is said. `None` where they are too many.
    pub(super) fn of_groups(geometry: Geometry, units: &Range<u64>) -> Option<Self> {
        let bound = |unit: u64| u32::try_from(unit).unwrap_or(u32::MAX).min(geometry.groups);
        let groups = bound(units.start)..bound(units.end);
        (groups.len() <= MAX_GROUPS).then(|| Self { weights: vec![0; groups.len()], groups, geometry })
    }

    fn weight(&self, group: u32, bytes: &[u8]) -> u64 {
        let found = Descriptor::parse(&self.geometry, group, bytes);
        if found.checksum.is_err() {
            return 0;
        }
        // A directory has a block at least, and no more directories than inodes are believed.
        let directories = u64::from(found.directories.min(found.inodes_used));
        let inodes = u64::from(found.inodes_used) * u64::from(self.geometry.inode_bytes);
        inodes + directories * self.geometry.block()
    }
}

impl Machine for Weigh {
    fn start(&mut self, ask: &mut Requests) {
        let mut next = self.groups.start;
        while next < self.groups.end {
            let (range, count) = self.geometry.descriptors_from(next);
            let count = count.min(self.groups.end - next).max(1);
            let len = u64::from(count) * u64::from(self.geometry.descriptor_bytes);
            ask.push(next.into(), ByteRange::new(range.start, len));
            next += count;
        }
    }

    fn feed(&mut self, fetched: Fetched<'_>, _: &mut Requests) {
        let size = usize::from(self.geometry.descriptor_bytes);
        for (group, bytes) in (fetched.tag as u32..).zip(fetched.bytes.chunks_exact(size)) {
            let weight = self.weight(group, bytes);
            let place = group.checked_sub(self.groups.start).map(|place| place as usize);
            if let Some(kept) = place.and_then(|place| self.weights.get_mut(place)) {
                *kept = weight;
            }
        }
    }
}

impl WeighMachine for Weigh {
    fn finish(self: Box<Self>) -> Vec<u64> {
        self.weights
    }
}

#[cfg(test)]
mod tests {
    use super::{super::geometry::tests::small, *};
    use crate::{machine::run, source::BlockSource, source::memory::MemorySource};

    #[test]
    fn groups_weigh_what_is_read_of_them_and_nothing_where_that_is_unknown() {
        let mut geometry = small();
        // No checksums: what stands there counts, and all inodes may be in use.
        (geometry.features.ro_compat, geometry.inode_bytes) = (0, 256);
        let mut bytes = vec![0; 8192];
        let at = |group: usize| 2048 + 64 * group;
        (bytes[at(4) + 0x10], bytes[at(5) + 0x31]) = (3, 1);
        let all = u64::from(geometry.inodes_per_group) * 256;
        let source = MemorySource::new(bytes);
        let mut weigh = Box::new(Weigh::of_groups(geometry.clone(), &(3..6)).unwrap());
        let stats = run(&mut *weigh, &mut *source.open_queue().unwrap());
        let most = u64::from(geometry.inodes_per_group) * 1024;
        assert_eq!(weigh.finish(), [all, all + 3 * 1024, all + most]);
        assert_eq!((stats.rounds, stats.requests, stats.bytes), (1, 1, 3 * 64));
        // With checksums, zeros are damaged descriptors.
        let mut weigh = Box::new(Weigh::of_groups(small(), &(3..u64::MAX)).unwrap());
        run(&mut *weigh, &mut *source.open_queue().unwrap());
        assert_eq!(weigh.finish(), vec![0; 61]);
        let many = Geometry { groups: MAX_GROUPS as u32 + 1, ..small() };
        assert!(Weigh::of_groups(many.clone(), &(1..u64::MAX)).is_some());
        assert!(Weigh::of_groups(many, &(0..u64::MAX)).is_none());
    }
}
