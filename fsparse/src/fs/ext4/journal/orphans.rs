//! Orphans: inodes that a mount deletes or truncates, because nobody got to finish that.
//!
//! They form a list through the inodes themselves, from the superblock on, or stand in a file of their own.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", sections "Super Block"
//! (s_last_orphan), "Index Nodes" (i_dtime) and "Orphan file".

use super::super::{
    bytes::{u16_at, u32_at},
    checksum::crc32c_of,
    descriptor::Descriptor,
    geometry::{Geometry, Orphans},
    inode::{links_of, verify},
};
use crate::{
    machine::{Fetched, Requests},
    survey::Extent,
};
use coldread_model::{ByteRange, Gap, GapKind};
use std::collections::{HashMap, HashSet};

/// More orphans than this one are not followed.
const MAX_ORPHANS: usize = 1 << 18;
/// More gaps than this one are not kept.
const MAX_GAPS: usize = 1000;
/// Blocks of inode tables kept at a time, and inodes of the orphan file looked at together.
const BATCH: usize = 1024;
const TAIL_BYTES: usize = 8;
const TAIL_MAGIC: u32 = 0x0B10_CA04;
const DESCRIPTOR: u64 = 0;
const INODE: u64 = 1;
const ORPHAN_FILE: u64 = 2;

/// The search for orphans.
pub(in crate::fs::ext4) struct OrphanSearch {
    geometry: Geometry,
    /// The next inode of the list; 0 at its end.
    next: u32,
    /// The orphan file's inode, and its blocks until they are asked for.
    file: u32,
    file_blocks: Vec<u64>,
    /// Blocks of the orphan file that were read.
    lists: Vec<(u64, Vec<u8>)>,
    wanted: Vec<u32>,
    tables: HashMap<u32, Option<u64>>,
    blocks: HashMap<u64, Option<Vec<u8>>>,
    asked: HashSet<u64>,
    seen: HashSet<u32>,
    found: Orphans,
    gaps: Vec<Gap>,
}

/// An inode as far as it is there.
enum Lookup {
    Asked,
    Missing(&'static str),
    Found(Vec<u8>),
}

impl OrphanSearch {
    /// From the list's first inode, and the extents of the orphan file.
    pub(in crate::fs::ext4) fn start(
        geometry: &Geometry,
        first: u32,
        extents: &[Extent],
        ask: &mut Requests,
    ) -> Self {
        let block = geometry.block();
        let blocks = extents.iter().filter(|extent| !extent.unwritten);
        let blocks =
            blocks.flat_map(|extent| (0..extent.len / block).map(move |n| extent.physical / block + n));
        let mut search = Self {
            geometry: geometry.clone(),
            next: first,
            file: geometry.internal[4],
            file_blocks: blocks.take(BATCH).collect(),
            lists: Vec::new(),
            wanted: Vec::new(),
            tables: HashMap::new(),
            blocks: HashMap::new(),
            asked: HashSet::new(),
            seen: HashSet::new(),
            found: Orphans::default(),
            gaps: Vec::new(),
        };
        search.advance(ask);
        search
    }

    /// Takes an answer.
    pub(in crate::fs::ext4) fn feed(&mut self, fetched: &Fetched<'_>) {
        let (job, key) = (fetched.tag & 3, fetched.tag >> 2);
        self.asked.remove(&fetched.tag);
        let bytes = match fetched.fault(fetched.range) {
            Some((bad, error)) => {
                self.gap(Gap::new(GapKind::Io, "orphan list", error.to_string()).at_byte(bad.start));
                None
            }
            None => Some(fetched.bytes),
        };
        match (job, bytes) {
            (DESCRIPTOR, bytes) => {
                let group = key as u32;
                let descriptor = bytes.map(|bytes| Descriptor::parse(&self.geometry, group, bytes));
                let usable = descriptor.filter(|found| found.misplaced(&self.geometry).is_none());
                self.tables.insert(group, usable.map(|found| found.inode_table));
            }
            (INODE, bytes) => {
                self.blocks.insert(key, bytes.map(<[u8]>::to_vec));
            }
            (_, Some(bytes)) => self.lists.push((key, bytes.to_vec())),
            (_, None) => {}
        }
    }

    /// Goes on once all that was asked for is there; asks for nothing when it is done.
    pub(in crate::fs::ext4) fn advance(&mut self, ask: &mut Requests) {
        if self.blocks.len() > 2 * BATCH {
            self.blocks.clear();
        }
        for block in std::mem::take(&mut self.file_blocks) {
            ask.push(block << 2 | ORPHAN_FILE, self.geometry.bytes_of(block, 1));
        }
        self.read_lists(ask);
        self.follow(ask);
        let mut later = self.wanted.split_off(self.wanted.len().min(BATCH));
        for number in std::mem::take(&mut self.wanted) {
            match self.inode(number, ask) {
                Lookup::Asked => later.push(number),
                Lookup::Missing(reason) => self.bad(number, reason),
                Lookup::Found(raw) => {
                    self.classify(number, &raw);
                }
            }
        }
        self.wanted = later;
    }

    /// What was found.
    pub(in crate::fs::ext4) fn finish(mut self) -> (Orphans, Vec<Gap>) {
        self.found.deleted.sort_unstable();
        self.found.truncated.sort_unstable();
        (self.found, self.gaps)
    }

    /// Takes the numbers from blocks of the orphan file, whose checksums start from its inode.
    fn read_lists(&mut self, ask: &mut Requests) {
        if self.lists.is_empty() {
            return;
        }
        let raw = match self.inode(self.file, ask) {
            Lookup::Asked => return,
            Lookup::Missing(reason) => {
                self.bad(self.file, reason);
                self.lists.clear();
                return;
            }
            Lookup::Found(raw) => raw,
        };
        let generation = raw.get(0x64..0x68).unwrap_or_default();
        let seed = crc32c_of(self.geometry.checksum_seed, &[&self.file.to_le_bytes(), generation]);
        let mut lists = std::mem::take(&mut self.lists);
        lists.sort_unstable_by_key(|list| list.0);
        for (block, bytes) in lists {
            let (numbers, tail) = bytes.split_at(bytes.len().saturating_sub(TAIL_BYTES));
            let sum = crc32c_of(seed, &[&block.to_le_bytes(), numbers]);
            let right = !self.geometry.features.metadata_csum() || sum == u32_at(tail, 4);
            if u32_at(tail, 0) != TAIL_MAGIC || !right {
                let reason = "the checksum or the magic number of a block of the orphan file is wrong";
                let at = self.geometry.bytes_of(block, 1).start;
                self.gap(Gap::new(GapKind::Corrupt, "orphan file", reason).at_byte(at));
                continue;
            }
            let numbers = numbers.chunks_exact(4).map(|number| u32_at(number, 0));
            let room = MAX_ORPHANS.saturating_sub(self.wanted.len());
            self.wanted.extend(numbers.filter(|number| *number != 0).take(room));
        }
    }

    /// Follows the list as far as it is there.
    fn follow(&mut self, ask: &mut Requests) {
        while self.next != 0 {
            let number = self.next;
            match self.inode(number, ask) {
                Lookup::Asked => return,
                Lookup::Missing(reason) => {
                    self.bad(number, reason);
                    self.next = 0;
                }
                Lookup::Found(raw) => {
                    let i_dtime = u32_at(&raw, 0x14);
                    self.next = if self.classify(number, &raw) { i_dtime } else { 0 };
                }
            }
        }
    }

    /// Takes an orphan; false where it cannot be one.
    fn classify(&mut self, number: u32, raw: &[u8]) -> bool {
        if let Err(bad) = verify(&self.geometry, number, raw) {
            self.bad(number, &format!("expected {}, found {}", bad.expected, bad.actual));
            return false;
        }
        let i_mode = u16_at(raw, 0);
        if i_mode == 0 {
            self.bad(number, "it is not in use");
            return false;
        }
        if !self.seen.insert(number) {
            self.bad(number, "it is in the list twice");
            return false;
        }
        if self.seen.len() > MAX_ORPHANS {
            let reason = format!("more than {MAX_ORPHANS} orphans");
            self.gap(Gap::new(GapKind::Limit, "orphan list", reason));
            return false;
        }
        if links_of(raw) == 0 {
            self.found.deleted.push(number);
        } else {
            self.found.truncated.push(number);
        }
        true
    }

    fn bad(&mut self, number: u32, reason: &str) {
        let gap = Gap::new(GapKind::Corrupt, "orphan list", reason);
        self.gap(gap.at_inode(number.into()));
    }

    fn gap(&mut self, gap: Gap) {
        if self.gaps.len() < MAX_GAPS {
            self.gaps.push(gap);
        }
    }

    /// An inode, or a request for what is missing to find it.
    fn inode(&mut self, number: u32, ask: &mut Requests) -> Lookup {
        let geometry = &self.geometry;
        let allowed = number >= geometry.first_inode || number == self.file;
        let Some((group, index)) = geometry.place_of(number).filter(|_| allowed) else {
            return Lookup::Missing("no such inode");
        };
        let table = match self.tables.get(&group) {
            Some(Some(table)) => *table,
            Some(None) => return Lookup::Missing("its group's descriptor cannot be used"),
            None => {
                let start = geometry.descriptors_from(group).0.start;
                let range = ByteRange::new(start, geometry.descriptor_bytes.into());
                self.request(u64::from(group) << 2 | DESCRIPTOR, range, ask);
                return Lookup::Asked;
            }
        };
        let size = u64::from(geometry.inode_bytes);
        let at = u64::from(index) * size;
        let block = table + at / geometry.block();
        match self.blocks.get(&block) {
            Some(Some(bytes)) => {
                let start = (at % geometry.block()) as usize;
                Lookup::Found(bytes.get(start..start + size as usize).unwrap_or_default().to_vec())
            }
            Some(None) => Lookup::Missing("it could not be read"),
            None => {
                let range = geometry.bytes_of(block, 1);
                self.request(block << 2 | INODE, range, ask);
                Lookup::Asked
            }
        }
    }

    /// Asks once for what several inodes need.
    fn request(&mut self, tag: u64, range: ByteRange, ask: &mut Requests) {
        if self.asked.insert(tag) {
            ask.push(tag, range);
        }
    }
}
