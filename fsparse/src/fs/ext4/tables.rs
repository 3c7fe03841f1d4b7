//! Whether groups' inode tables are their own.
//!
//! Where the checksum of an inode holds its number, an inode of another group's table is told from one of its own. Without
//! such checksums a hostile volume's groups may all name one table, whose inodes would be told once for each. So the
//! probe holds all tables against one another, and a group that names what a group before it has is not read.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", sections "Block Group Descriptors", "Inode
//! Table", "Flexible Block Groups".

use super::{descriptor::Descriptor, geometry::Geometry};
use crate::machine::{Fetched, Requests};
use coldread_model::{ByteRange, Gap, GapKind};
use std::collections::BTreeMap;

/// Bytes of descriptors that are held against one another: those of 64 TiB, and more than such filesystems have.
const MAX_BYTES: u64 = 32 << 20;

/// Tables as they become known.
pub(super) struct TableCheck {
    geometry: Geometry,
    /// First block of the table of each group that may have inodes.
    tables: BTreeMap<u32, u64>,
    beyond: u32,
}

impl TableCheck {
    /// Asks for all descriptors; `None` where no inode can be taken for another group's.
    pub(super) fn start(geometry: &Geometry, ask: &mut Requests) -> Option<Self> {
        if geometry.groups < 2 || geometry.features.metadata_csum() && geometry.linux {
            return None;
        }
        let (mut next, mut left) = (0, MAX_BYTES);
        while next < geometry.groups {
            let (range, count) = geometry.descriptors_from(next);
            let Some(rest) = left.checked_sub(range.len) else { break };
            left = rest;
            ask.push(next.into(), range);
            next = next.saturating_add(count.max(1));
        }
        let beyond = geometry.groups.saturating_sub(next);
        Some(Self { geometry: geometry.clone(), tables: BTreeMap::new(), beyond })
    }

    /// Takes descriptors. Those that cannot be read, or that the survey does not believe, are not its matter.
    pub(super) fn feed(&mut self, fetched: &Fetched<'_>) {
        let size = usize::from(self.geometry.descriptor_bytes);
        for (group, (at, bytes)) in
            (fetched.tag as u32..).zip((0..).step_by(size).zip(fetched.bytes.chunks_exact(size)))
        {
            let range = ByteRange::new(fetched.range.start + at, size as u64);
            let found = Descriptor::parse(&self.geometry, group, bytes);
            let used = found.inodes_used > 0 || found.checksum.is_err();
            if used && fetched.fault(range).is_none() && found.misplaced(&self.geometry).is_none() {
                self.tables.insert(group, found.inode_table);
            }
        }
    }

    /// The groups whose table is, in whole or in part, that of a group before them, which stands beside each; and whether
    /// there were too many groups to say.
    pub(super) fn finish(self) -> (Vec<(u32, u32)>, Option<Gap>) {
        let blocks = self.geometry.inode_table_blocks();
        let mut owners: BTreeMap<u64, u32> = BTreeMap::new();
        let mut doubled = Vec::new();
        for (group, first) in self.tables {
            // Tables are of one length, so only the last that starts before the end can reach in.
            let other = owners.range(..first + blocks).next_back().filter(|(at, _)| **at + blocks > first);
            if let Some((_, &owner)) = other {
                doubled.push((group, owner));
            } else {
                owners.insert(first, group);
            }
        }
        let reason =
            || format!("the inode tables of {} groups are not held against one another", self.beyond);
        let gap = (self.beyond > 0).then(|| Gap::new(GapKind::Limit, "inode table", reason()));
        (doubled, gap)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::geometry::tests::small, *};

    /// Feeds descriptors whose groups have their tables at these blocks; all others at places of their own.
    fn doubled(tables: &[(u32, u32)]) -> Vec<(u32, u32)> {
        let mut geometry = small();
        geometry.features.ro_compat = 0;
        let mut ask = Requests::default();
        let mut check = TableCheck::start(&geometry, &mut ask).unwrap();
        for (tag, range) in ask.take() {
            let mut bytes = vec![0; range.len as usize];
            for (group, bytes) in (tag as u32..).zip(bytes.chunks_exact_mut(64)) {
                let own = geometry.first_block(group) as u32 + 40;
                let table = tables.iter().find(|(at, _)| *at == group).map_or(own, |(_, table)| *table);
                for (at, block) in [(0, own - 2), (4, own - 1), (8, table)] {
                    bytes[at..at + 4].copy_from_slice(&block.to_le_bytes());
                }
            }
            check.feed(&Fetched { tag, range, bytes: &bytes, bad: &[] });
        }
        let (found, gap) = check.finish();
        assert_eq!(gap, None);
        found
    }

    #[test]
    fn a_table_is_of_the_first_group_that_names_it() {
        let blocks = small().inode_table_blocks() as u32;
        assert_eq!(doubled(&[]), []);
        let third = 1 + 3 * 8192 + 40;
        assert_eq!(doubled(&[(9, third), (5, third)]), [(5, 3), (9, 3)]);
        // A part of it is enough; beside it is not.
        assert_eq!(doubled(&[(7, third + blocks - 1), (8, third - 1)]), [(7, 3), (8, 3)]);
        assert_eq!(doubled(&[(7, third + blocks), (8, third - blocks)]), []);
        // Who comes first keeps it.
        assert_eq!(doubled(&[(1, third)]), [(3, 1)]);
    }

    #[test]
    fn checksums_with_numbers_need_no_check() {
        let mut ask = Requests::default();
        let mut geometry = small();
        assert!(geometry.features.metadata_csum());
        assert!(TableCheck::start(&geometry, &mut ask).is_none() && ask.is_empty());
        geometry.features.ro_compat = 0;
        geometry.groups = 1 << 22;
        let (_, gap) = TableCheck::start(&geometry, &mut ask).unwrap().finish();
        assert_eq!(gap.map(|gap| gap.kind), Some(GapKind::Limit));
        assert!(ask.take().iter().map(|(_, range)| range.len).sum::<u64>() <= MAX_BYTES);
    }
}
