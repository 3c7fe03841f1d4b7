//! What belongs to block groups: descriptors, bitmaps, inode tables.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", sections "Block Group
//! Descriptors", "Block and Inode Bitmaps", "Inode Table".

use super::{
    checksum::crc32c,
    copies::Doubt,
    descriptor::Descriptor,
    scan::{Job, PIECE_BYTES, Scan},
};
use crate::machine::{Fetched, Requests};
use coldread_model::{ByteRange, Gap, GapKind};

/// A bitmap that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bitmap {
    group: u32,
    block: u64,
    inodes: bool,
    /// Its checksum, value and which bits count; none where the descriptor that holds it is damaged.
    sum: Option<(u32, u32)>,
}

impl Scan {
    /// Asks for the descriptors of every group that is surveyed or holds an inode that is wanted.
    pub(super) fn ask_descriptors(&mut self, ask: &mut Requests) {
        let mut next = self.groups.start;
        while next < self.groups.end {
            let (mut range, mut count) = self.geometry.descriptors_from(next);
            count = count.min(self.groups.end - next).max(1);
            range.len = u64::from(count) * u64::from(self.geometry.descriptor_bytes);
            self.ask(Job::Descriptors { first: next }, range, ask);
            next += count;
        }
        let mut groups: Vec<u32> = self
            .numbers
            .iter()
            .filter_map(|number| self.geometry.place_of(*number))
            .map(|place| place.0)
            .collect();
        groups.dedup();
        for group in groups {
            let range = self.descriptor_range(group);
            self.ask(Job::Descriptors { first: group }, range, ask);
        }
    }

    /// Where one group's descriptor lies.
    pub(super) fn descriptor_range(&self, group: u32) -> ByteRange {
        let (range, _) = self.geometry.descriptors_from(group);
        ByteRange::new(range.start, u64::from(self.geometry.descriptor_bytes))
    }

    pub(super) fn feed_descriptors(&mut self, first: u32, fetched: &Fetched<'_>, ask: &mut Requests) {
        let size = usize::from(self.geometry.descriptor_bytes);
        let mut found = Vec::new();
        for (index, bytes) in fetched.bytes.chunks_exact(size).enumerate() {
            let group = first + index as u32;
            let range = ByteRange::new(fetched.range.start + (index * size) as u64, size as u64);
            if !self.single {
                self.out.metadata.insert(self.geometry.base_metadata(group));
            } else if self.names {
                self.out.metadata.insert(range);
            }
            if self.unreadable(0, "group descriptor", range, fetched) {
                self.ask_copy(Doubt::new(group, range, GapKind::Io, None), ask);
                continue;
            }
            let mut descriptor = Descriptor::parse(&self.geometry, group, bytes);
            if let Err((expected, found)) = descriptor.checksum {
                let wrong = (format!("checksum {expected:#06x}"), format!("{found:#06x}"));
                self.corrupt(0, "group descriptor", range, &wrong);
            }
            let misplaced = descriptor.misplaced(&self.geometry);
            if let Some((what, block)) = misplaced {
                let wrong = (format!("the {what} inside the filesystem"), format!("block {block}"));
                self.corrupt(0, "group descriptor", range, &wrong);
            }
            if misplaced.is_none() && descriptor.checksum.is_ok() {
                found.push((group, descriptor));
                continue;
            }
            // Counts and flags of a damaged descriptor would hide inodes.
            descriptor.forget(&self.geometry);
            let usable = misplaced.is_none().then_some(descriptor);
            self.ask_copy(Doubt::new(group, range, GapKind::Corrupt, usable), ask);
        }
        self.take_descriptors(found, ask);
    }

    /// Goes on with descriptors that say where their groups are.
    pub(super) fn take_descriptors(&mut self, found: Vec<(u32, Descriptor)>, ask: &mut Requests) {
        let mut bitmaps = Vec::new();
        for (group, descriptor) in found {
            self.tables.insert(group, descriptor.inode_table);
            if self.single {
                self.ask_single_inodes(group, &descriptor, ask);
            } else {
                self.take_group(group, descriptor, &mut bitmaps, ask);
            }
        }
        self.ask_bitmaps(bitmaps, ask);
    }

    /// Records that nothing is known of a group's inodes.
    pub(super) fn lost_inodes(&mut self, group: u32, kind: GapKind, range: ByteRange) {
        let reason = format!("group {group}: its descriptor does not say where it is");
        let count = u64::from(self.geometry.inodes_per_group);
        let gap = Gap::new(kind, "inode table", reason).at_byte(range.start);
        self.lose(u64::from(group) * count + 1, count, gap);
    }

    fn take_group(&mut self, group: u32, found: Descriptor, bitmaps: &mut Vec<Bitmap>, ask: &mut Requests) {
        let known = found.sums_known;
        let geometry = &self.geometry;
        let table_blocks = geometry.inode_table_blocks();
        for (block, count) in
            [(found.block_bitmap, 1), (found.inode_bitmap, 1), (found.inode_table, table_blocks)]
        {
            self.out.metadata.insert(geometry.bytes_of(block, count));
        }
        let mmp = geometry.mmp_block;
        let start = geometry.first_block(group);
        if mmp > start && mmp < start + geometry.blocks_in(group) {
            self.out.metadata.insert(geometry.bytes_of(mmp, 1));
        }
        if found.blocks_unwritten {
            self.free_but_metadata(group, &found);
        } else {
            bitmaps.push(Bitmap {
                group,
                block: found.block_bitmap,
                inodes: false,
                sum: known.then_some(found.block_bitmap_sum),
            });
        }
        if found.inodes_used == 0 {
            return;
        }
        if let Some(gap) = self.doubled(group, &found) {
            let first = u64::from(group) * u64::from(self.geometry.inodes_per_group) + 1;
            self.lose(first, found.inodes_used.into(), gap);
            return;
        }
        bitmaps.push(Bitmap {
            group,
            block: found.inode_bitmap,
            inodes: true,
            sum: known.then_some(found.inode_bitmap_sum),
        });
        let size = u64::from(self.geometry.inode_bytes);
        let per_piece = (PIECE_BYTES / size) as u32;
        let first_number = group * self.geometry.inodes_per_group + 1;
        let table = self.geometry.bytes_of(found.inode_table, 1).start;
        let held = self.geometry.volume_bytes.saturating_sub(table) / size;
        let past = u64::from(found.inodes_used).saturating_sub(held);
        let held = found.inodes_used - past as u32;
        let reason = format!("group {group}: {past} inodes from this one on lie past the volume's end");
        let gap = Gap::new(GapKind::Io, "inode table", reason).at_byte(table + u64::from(held) * size);
        self.lose(u64::from(first_number + held), past, gap);
        let mut index = 0;
        while index < held {
            let count = per_piece.min(held - index);
            let range = ByteRange::new(table + u64::from(index) * size, u64::from(count) * size);
            self.ask(Job::Inodes { first: first_number + index }, range, ask);
            index += count;
        }
    }

    /// Why none of a group's inodes are known, where its inode table is another's.
    fn doubled(&self, group: u32, found: &Descriptor) -> Option<Gap> {
        let doubled = &self.geometry.doubled;
        let at = doubled.binary_search_by_key(&group, |pair| pair.0).ok()?;
        let reason =
            format!("group {group}: expected a table of its own, found that of group {}", doubled[at].1);
        let range = self.geometry.bytes_of(found.inode_table, 1);
        Some(Gap::new(GapKind::Corrupt, "inode table", reason).at_byte(range.start))
    }

    fn ask_single_inodes(&mut self, group: u32, found: &Descriptor, ask: &mut Requests) {
        let per_group = self.geometry.inodes_per_group;
        let from = self.numbers.partition_point(|number| (number - 1) / per_group < group);
        let to = self.numbers.partition_point(|number| (number - 1) / per_group <= group);
        let doubled = self.doubled(group, found);
        for index in from..to {
            let number = self.numbers[index];
            match (self.inode_range(number), &doubled) {
                (Some(range), None) if (number - 1) % per_group < found.inodes_used => {
                    if self.names {
                        self.out.metadata.insert(range);
                    }
                    self.ask(Job::Inodes { first: number }, range, ask);
                }
                (Some(_), Some(gap)) if found.inodes_used > 0 => {
                    self.gap(gap.clone().at_inode(number.into()));
                }
                _ => self.not_in_use(number),
            }
        }
    }

    /// Where an inode lies, if its group's descriptor was read.
    pub(super) fn inode_range(&self, number: u32) -> Option<ByteRange> {
        let (group, index) = self.geometry.place_of(number)?;
        let table = self.tables.get(&group)?;
        let size = u64::from(self.geometry.inode_bytes);
        Some(ByteRange::new(self.geometry.bytes_of(*table, 1).start + u64::from(index) * size, size))
    }

    /// The free blocks of a group whose block bitmap was never written.
    fn free_but_metadata(&mut self, group: u32, found: &Descriptor) {
        let geometry = &self.geometry;
        let all = geometry.bytes_of(geometry.first_block(group), geometry.blocks_in(group));
        let mut used = vec![
            geometry.base_metadata(group),
            geometry.bytes_of(found.block_bitmap, 1),
            geometry.bytes_of(found.inode_bitmap, 1),
            geometry.bytes_of(found.inode_table, geometry.inode_table_blocks()),
        ];
        used.sort_unstable();
        let mut at = all.start;
        for part in used {
            self.out.free.insert(ByteRange::between(at, part.start.min(all.end())));
            at = at.max(part.end());
        }
        self.out.free.insert(ByteRange::between(at, all.end()));
    }

    /// Asks for bitmaps; those in a row with one request.
    fn ask_bitmaps(&mut self, mut bitmaps: Vec<Bitmap>, ask: &mut Requests) {
        bitmaps.sort_unstable_by_key(|bitmap| bitmap.block);
        let most = (PIECE_BYTES / self.geometry.block()) as usize;
        let mut rest = &bitmaps[..];
        while let Some(first) = rest.first() {
            let follows = |(index, bitmap): &(usize, &Bitmap)| bitmap.block == first.block + *index as u64;
            let count = rest.iter().enumerate().take(most).take_while(follows).count();
            let (run, others) = rest.split_at(count);
            let range = self.geometry.bytes_of(first.block, count as u64);
            self.ask(Job::Bitmaps(run.to_vec()), range, ask);
            rest = others;
        }
    }

    pub(super) fn feed_bitmaps(&mut self, bitmaps: &[Bitmap], fetched: &Fetched<'_>) {
        let size = self.geometry.block_bytes as usize;
        for (bitmap, bytes) in bitmaps.iter().zip(fetched.bytes.chunks_exact(size)) {
            let structure = if bitmap.inodes { "inode bitmap" } else { "block bitmap" };
            let range = self.geometry.bytes_of(bitmap.block, 1);
            if self.unreadable(0, structure, range, fetched) {
                continue;
            }
            let bits = if bitmap.inodes {
                self.geometry.inodes_per_group
            } else {
                self.geometry.blocks_per_group / self.geometry.cluster_blocks
            };
            let covered = bytes.get(..bits as usize / 8).unwrap_or_default();
            if self.geometry.features.metadata_csum() {
                let Some((found, mask)) = bitmap.sum else {
                    // It may never have been written: only inodes with a right checksum are taken.
                    if bitmap.inodes {
                        self.in_use.insert(bitmap.group, Vec::new());
                    }
                    continue;
                };
                let sum = crc32c(self.geometry.checksum_seed, covered) & mask;
                if sum != found & mask {
                    let wrong = (format!("checksum {sum:#010x}"), format!("{found:#010x}"));
                    self.corrupt(0, structure, range, &wrong);
                    continue;
                }
            }
            if bitmap.inodes {
                self.in_use.insert(
                    bitmap.group,
                    bytes.get(..bits.div_ceil(8) as usize).unwrap_or_default().to_vec(),
                );
            } else {
                self.free_clusters(bitmap.group, bytes);
            }
        }
    }

    /// The ranges that a block bitmap calls free.
    fn free_clusters(&mut self, group: u32, bitmap: &[u8]) {
        let geometry = &self.geometry;
        let cluster = u64::from(geometry.cluster_blocks);
        let start = geometry.first_block(group);
        let blocks = geometry.blocks_in(group);
        let clusters = blocks.div_ceil(cluster).min(bitmap.len() as u64 * 8);
        let mut at = 0;
        while at < clusters {
            let byte = bitmap[(at / 8) as usize];
            if at % 8 == 0 && byte == 0xFF {
                at += 8;
                continue;
            }
            if byte >> (at % 8) & 1 == 1 {
                at += 1;
                continue;
            }
            let from = at;
            while at < clusters {
                let byte = bitmap[(at / 8) as usize];
                if at % 8 == 0 && byte == 0 {
                    at += 8;
                } else if byte >> (at % 8) & 1 == 0 {
                    at += 1;
                } else {
                    break;
                }
            }
            let end = (at * cluster).min(blocks);
            self.out
                .free
                .insert(geometry.bytes_of(start + from * cluster, end.saturating_sub(from * cluster)));
        }
    }

    pub(super) fn feed_inodes(&mut self, first: u32, fetched: &Fetched<'_>, ask: &mut Requests) {
        let size = usize::from(self.geometry.inode_bytes);
        for (index, raw) in fetched.bytes.chunks_exact(size).enumerate() {
            let number = first + index as u32;
            if number > self.geometry.inodes {
                break;
            }
            let range = ByteRange::new(fetched.range.start + (index * size) as u64, size as u64);
            match fetched.fault(range) {
                Some((_, error)) => {
                    let gap = Gap::new(GapKind::Io, "inode", error.to_string());
                    self.doubtful.push((number, gap.at_inode(number.into()).at_byte(range.start)));
                }
                None => self.take_inode(number, raw, range, ask),
            }
        }
    }
}
