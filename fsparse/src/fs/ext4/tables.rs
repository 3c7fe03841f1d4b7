//! Whether groups' inode tables are their own.
//!
//! Where the checksum of an inode holds its number, an inode of another group's table is told from one of its own. Without
//! such checksums a hostile volume's groups may all name one table, whose inodes would be told once for each. So the
//! probe holds all tables against one another, and a group that names what a group before it has is not read.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", sections "Block Group Descriptors", "Inode
//! Table", "Flexible Block Groups".

use super::{copies::Doubt, descriptor::Descriptor, geometry::Geometry};
use crate::machine::{Fetched, Requests};
use coldread_model::{ByteRange, GapKind};
use std::collections::BTreeMap;

/// Bytes of descriptors that are asked for together: those of 16 TiB.
const BATCH_BYTES: u64 = 4 << 20;
/// Marks the tags of copies; the rest of the tag is the doubt's place in the list.
const COPY_TAG: u64 = 1 << 63;

/// Tables as they become known.
pub(super) struct TableCheck {
    geometry: Geometry,
    /// The groups that may have inodes, and the first block of each one's table.
    tables: Vec<(u32, u64)>,
    /// The first group whose descriptor was not asked for.
    next: u32,
    /// Descriptors that are to be known by a copy, and those of which one is asked for.
    doubts: Vec<Doubt>,
    asked: Vec<Doubt>,
}

impl TableCheck {
    /// Asks for the first descriptors; `None` where no inode can be taken for another group's.
    pub(super) fn start(geometry: &Geometry, ask: &mut Requests) -> Option<Self> {
        if geometry.groups < 2 || geometry.features.metadata_csum() && geometry.linux {
            return None;
        }
        let (tables, doubts, asked) = (Vec::new(), Vec::new(), Vec::new());
        let mut check = Self { geometry: geometry.clone(), tables, next: 0, doubts, asked };
        check.advance(ask);
        Some(check)
    }

    /// Goes on once all that was asked for is there; asks for nothing when it is done.
    pub(super) fn advance(&mut self, ask: &mut Requests) {
        self.asked.clear();
        for mut doubt in std::mem::take(&mut self.doubts) {
            match (doubt.next_copy(&self.geometry), doubt.usable()) {
                (Some(range), _) => {
                    ask.push(COPY_TAG | self.asked.len() as u64, range);
                    self.asked.push(doubt);
                }
                (None, Some(found)) => self.tables.push((doubt.group(), found.inode_table)),
                // The survey tells that nothing says where it is.
                (None, None) => {}
            }
        }
        let mut left = BATCH_BYTES;
        while self.next < self.geometry.groups {
            let (range, count) = self.geometry.descriptors_from(self.next);
            let Some(rest) = left.checked_sub(range.len) else { break };
            left = rest;
            ask.push(self.next.into(), range);
            self.next = self.next.saturating_add(count.max(1));
        }
    }

    /// Takes descriptors, or a copy of one.
    pub(super) fn feed(&mut self, fetched: &Fetched<'_>) {
        if fetched.tag & COPY_TAG != 0 {
            let asked = (fetched.tag & !COPY_TAG) as usize;
            let Some(doubt) = self.asked.get(asked) else { return };
            match doubt.judge_copy(&self.geometry, fetched) {
                Some(found) => self.tables.push((doubt.group(), found.inode_table)),
                None => self.doubts.push(doubt.clone()),
            }
            return;
        }
        let size = usize::from(self.geometry.descriptor_bytes);
        for (group, (at, bytes)) in
            (fetched.tag as u32..).zip((0..).step_by(size).zip(fetched.bytes.chunks_exact(size)))
        {
            let range = ByteRange::new(fetched.range.start + at, size as u64);
            if fetched.fault(range).is_some() {
                self.doubts.push(Doubt::new(group, range, GapKind::Io, None));
                continue;
            }
            let found = Descriptor::parse(&self.geometry, group, bytes);
            let is_placed = found.misplaced(&self.geometry).is_none();
            if !is_placed || found.checksum.is_err() {
                let usable = is_placed.then_some(found);
                self.doubts.push(Doubt::new(group, range, GapKind::Corrupt, usable));
            } else if found.inodes_used > 0 {
                self.tables.push((group, found.inode_table));
            }
        }
    }

    /// The groups whose table is, in whole or in part, that of a group before them, which stands beside each.
    pub(super) fn finish(mut self) -> Vec<(u32, u32)> {
        let blocks = self.geometry.inode_table_blocks();
        self.tables.sort_unstable();
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
        doubled
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
        check.finish()
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
        let geometry = small();
        assert!(geometry.features.metadata_csum());
        assert!(TableCheck::start(&geometry, &mut ask).is_none() && ask.is_empty());
    }

    #[test]
    fn all_descriptors_are_read_a_few_at_a_time() {
        let mut geometry = small();
        geometry.features.ro_compat = 0;
        geometry.groups = 1 << 18;
        let mut ask = Requests::default();
        let mut check = TableCheck::start(&geometry, &mut ask).unwrap();
        let mut bytes = 0;
        while !ask.is_empty() {
            let asked = ask.take();
            let together: u64 = asked.iter().map(|(_, range)| range.len).sum();
            assert!(together <= BATCH_BYTES, "{together}");
            bytes += together;
            for (tag, range) in asked {
                // All in one place, which is another one only in the last group.
                let mut descriptors = vec![0; range.len as usize];
                for (group, descriptor) in (tag as u32..).zip(descriptors.chunks_exact_mut(64)) {
                    let table: u32 = if group + 1 == geometry.groups { 5000 } else { 100 };
                    for at in [0, 4, 8] {
                        descriptor[at..at + 4].copy_from_slice(&table.to_le_bytes());
                    }
                }
                check.feed(&Fetched { tag, range, bytes: &descriptors, bad: &[] });
            }
            check.advance(&mut ask);
        }
        assert_eq!(bytes, u64::from(geometry.groups) * 64);
        let doubled = check.finish();
        assert_eq!((doubled.len(), doubled[0]), (geometry.groups as usize - 2, (1, 0)));
    }
}
