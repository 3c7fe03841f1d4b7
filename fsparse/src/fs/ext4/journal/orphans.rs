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
    inode::{generation_of, links_of, seed_of, verify},
};
use crate::{
    gap_list::GapList,
    machine::{Fetched, Requests},
    survey::Extent,
};
use coldread_model::{ByteRange, Gap, GapKind};
use std::collections::{BTreeMap, HashMap, HashSet};

/// More orphans than this one are not followed.
const MAX_ORPHANS: usize = 1 << 18;
/// Reads of the list that wait for one another: only an orphan says which is the next.
const MAX_LIST_READS: u32 = 1 << 10;
/// What such a read takes of an inode table, as orphans often lie near each other.
const WINDOW_BYTES: u64 = 64 << 10;
/// Bytes of inode tables kept for the list.
const MAX_KEPT_BYTES: usize = 16 << 20;
/// An orphan file has no more; Linux refuses larger ones.
const MAX_FILE_BYTES: u64 = 8 << 20;
/// More gaps than this one are not kept.
const MAX_GAPS: usize = 1000;
const LIST: &str = "orphan list";
const FILE: &str = "orphan file";
const UNREAD: &str = "it could not be read";
const TAIL_BYTES: usize = 8;
const TAIL_MAGIC: u32 = 0x0B10_CA04;
const DESCRIPTOR: u64 = 0;
/// A block of an inode table, in which the orphan file names inodes.
const INODES: u64 = 1;
const ORPHAN_FILE: u64 = 2;
/// Blocks of an inode table, around an inode that is looked for.
const WINDOW: u64 = 3;

/// The search for orphans.
pub(in crate::fs::ext4) struct OrphanSearch {
    geometry: Geometry,
    /// The next inode of the list; 0 at its end.
    next: u32,
    /// How often the list had to be read on.
    list_reads: u32,
    /// The orphan file's inode, and its blocks until they are asked for.
    file: u32,
    file_blocks: Vec<u64>,
    /// Blocks of the orphan file that were read.
    lists: Vec<(u64, Vec<u8>)>,
    /// What the orphan file names and where it lies is not known yet; where that is known, by block.
    named: Vec<u32>,
    named_in: BTreeMap<u64, Vec<u32>>,
    tables: HashMap<u32, Result<u64, GapKind>>,
    blocks: HashMap<u64, Option<Vec<u8>>>,
    asked: HashSet<u64>,
    seen: HashSet<u32>,
    full: bool,
    found: Orphans,
    gaps: GapList,
}

/// Something as far as it is there.
enum Lookup<T> {
    Asked,
    Missing(GapKind, &'static str),
    Found(T),
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
        let most = (MAX_FILE_BYTES / block) as usize;
        let written = || extents.iter().filter(|extent| !extent.unwritten);
        let blocks =
            written().flat_map(|extent| (0..extent.len / block).map(move |n| extent.physical / block + n));
        let mut search = Self {
            geometry: geometry.clone(),
            next: first,
            list_reads: 0,
            file: geometry.internal[4],
            file_blocks: blocks.take(most).collect(),
            lists: Vec::new(),
            named: Vec::new(),
            named_in: BTreeMap::new(),
            tables: HashMap::new(),
            blocks: HashMap::new(),
            asked: HashSet::new(),
            seen: HashSet::new(),
            full: false,
            found: Orphans::default(),
            gaps: GapList::of_at_most(MAX_GAPS),
        };
        let bytes = written().fold(0, |sum: u64, extent| sum.saturating_add(extent.len));
        if bytes > MAX_FILE_BYTES {
            let reason = format!("it has {bytes} bytes; no more than {MAX_FILE_BYTES} are read");
            search.gaps.push(Gap::new(GapKind::Limit, FILE, reason).at_inode(search.file.into()));
        }
        search.advance(ask);
        search
    }

    /// Takes an answer.
    pub(in crate::fs::ext4) fn feed(&mut self, fetched: &Fetched<'_>) {
        let (job, key) = (fetched.tag & 3, fetched.tag >> 2);
        self.asked.remove(&fetched.tag);
        if let Some((bad, error)) = fetched.fault(fetched.range) {
            self.gaps.push(Gap::new(GapKind::Io, LIST, error.to_string()).at_byte(bad.start));
        }
        let size = self.geometry.block();
        let readable = |range: ByteRange| fetched.fault(range).is_none();
        let whole = Some(fetched.bytes).filter(|_| readable(fetched.range));
        match job {
            DESCRIPTOR => {
                let group = key as u32;
                let descriptor = whole.map(|bytes| Descriptor::parse(&self.geometry, group, bytes));
                let table =
                    descriptor.ok_or(GapKind::Io).and_then(|found| match found.misplaced(&self.geometry) {
                        None => Ok(found.inode_table),
                        Some(_) => Err(GapKind::Corrupt),
                    });
                self.tables.insert(group, table);
            }
            INODES => self.classify_named(key, whole),
            WINDOW => {
                for (block, bytes) in (key..).zip(fetched.bytes.chunks_exact(size as usize)) {
                    let bytes = Some(bytes).filter(|_| readable(self.geometry.bytes_of(block, 1)));
                    self.blocks.insert(block, bytes.map(<[u8]>::to_vec));
                }
            }
            _ => self.lists.extend(whole.map(|bytes| (key, bytes.to_vec()))),
        }
    }

    /// Goes on once all that was asked for is there; asks for nothing when it is done.
    pub(in crate::fs::ext4) fn advance(&mut self, ask: &mut Requests) {
        for block in std::mem::take(&mut self.file_blocks) {
            ask.push(block << 2 | ORPHAN_FILE, self.geometry.bytes_of(block, 1));
        }
        self.read_lists(ask);
        self.follow(ask);
        for number in std::mem::take(&mut self.named) {
            match self.place(number, ask) {
                Lookup::Asked => self.named.push(number),
                Lookup::Missing(kind, reason) => self.bad(number, kind, reason),
                Lookup::Found((block, _, _)) => self.named_in.entry(block).or_default().push(number),
            }
        }
        // What lies where is known of all at once, as descriptors are read in one round.
        if self.named.is_empty() {
            let blocks: Vec<u64> = self.named_in.keys().copied().collect();
            for block in blocks {
                self.request(block << 2 | INODES, self.geometry.bytes_of(block, 1), ask);
            }
        }
    }

    /// What was found.
    pub(in crate::fs::ext4) fn finish(mut self) -> (Orphans, Vec<Gap>) {
        self.found.deleted.sort_unstable();
        self.found.truncated.sort_unstable();
        (self.found, self.gaps.finish(LIST))
    }

    /// Takes the numbers from blocks of the orphan file, whose checksums start from its inode.
    fn read_lists(&mut self, ask: &mut Requests) {
        if self.lists.is_empty() {
            return;
        }
        let raw = match self.inode(self.file, ask) {
            Lookup::Asked => return,
            Lookup::Missing(kind, reason) => {
                self.bad(self.file, kind, reason);
                self.lists.clear();
                return;
            }
            Lookup::Found(raw) => raw,
        };
        let seed = seed_of(&self.geometry, self.file, generation_of(&raw));
        let mut lists = std::mem::take(&mut self.lists);
        lists.sort_unstable_by_key(|list| list.0);
        for (block, bytes) in lists {
            let (numbers, tail) = bytes.split_at(bytes.len().saturating_sub(TAIL_BYTES));
            let sum = crc32c_of(seed, &[&block.to_le_bytes(), numbers]);
            let right = !self.geometry.features.metadata_csum() || sum == u32_at(tail, 4);
            if u32_at(tail, 0) != TAIL_MAGIC || !right {
                let reason = "the checksum or the magic number of a block of the orphan file is wrong";
                let at = self.geometry.bytes_of(block, 1).start;
                self.gaps.push(Gap::new(GapKind::Corrupt, FILE, reason).at_byte(at));
                continue;
            }
            let numbers =
                numbers.chunks_exact(4).map(|number| u32_at(number, 0)).filter(|number| *number != 0);
            self.named.extend(numbers);
        }
        let past = self.named.len().saturating_sub(MAX_ORPHANS);
        if past > 0 {
            self.named.truncate(MAX_ORPHANS);
            let reason = format!("{past} inodes more than the {MAX_ORPHANS} that are looked at");
            self.gaps.push(Gap::new(GapKind::Limit, FILE, reason));
        }
    }

    /// Follows the list as far as it is there.
    fn follow(&mut self, ask: &mut Requests) {
        while self.next != 0 {
            let number = self.next;
            let before = ask.len();
            match self.inode(number, ask) {
                Lookup::Asked => {
                    self.list_reads += u32::from(ask.len() > before);
                    if self.list_reads >= MAX_LIST_READS {
                        let reason = format!(
                            "it goes on from here: no more than {MAX_LIST_READS} reads that wait for one another are made"
                        );
                        self.gaps.push(Gap::new(GapKind::Limit, LIST, reason).at_inode(number.into()));
                        self.next = 0;
                    }
                    return;
                }
                Lookup::Missing(kind, reason) => {
                    self.bad(number, kind, reason);
                    self.next = 0;
                }
                Lookup::Found(raw) => {
                    let i_dtime = u32_at(&raw, 0x14);
                    self.next = if self.classify(number, &raw) { i_dtime } else { 0 };
                }
            }
        }
    }

    /// Takes the orphans that the orphan file names in a block of an inode table.
    fn classify_named(&mut self, block: u64, bytes: Option<&[u8]>) {
        let (block_bytes, size) = (self.geometry.block(), u64::from(self.geometry.inode_bytes));
        for number in self.named_in.remove(&block).unwrap_or_default() {
            let index = self.geometry.place_of(number).map_or(0, |(_, index)| u64::from(index));
            let start = (index * size % block_bytes) as usize;
            match bytes.and_then(|bytes| bytes.get(start..start + size as usize)) {
                Some(raw) => {
                    self.classify(number, raw);
                }
                None => self.bad(number, GapKind::Io, UNREAD),
            }
        }
    }

    /// Takes an orphan; false where it cannot be one.
    fn classify(&mut self, number: u32, raw: &[u8]) -> bool {
        if let Err(bad) = verify(&self.geometry, number, raw) {
            self.bad(number, GapKind::Corrupt, &format!("expected {}, found {}", bad.expected, bad.actual));
            return false;
        }
        let i_mode = u16_at(raw, 0);
        if i_mode == 0 {
            self.bad(number, GapKind::Corrupt, "it is not in use");
            return false;
        }
        if !self.seen.insert(number) {
            self.bad(number, GapKind::Corrupt, "it is in the list twice");
            return false;
        }
        if self.seen.len() > MAX_ORPHANS {
            if !std::mem::replace(&mut self.full, true) {
                let reason = format!("more than {MAX_ORPHANS} orphans");
                self.gaps.push(Gap::new(GapKind::Limit, LIST, reason));
            }
            return false;
        }
        if links_of(raw) == 0 {
            self.found.deleted.push(number);
        } else {
            self.found.truncated.push(number);
        }
        true
    }

    fn bad(&mut self, number: u32, kind: GapKind, reason: &str) {
        self.gaps.push(Gap::new(kind, LIST, reason).at_inode(number.into()));
    }

    /// Where an inode lies: its block, its first byte there, and its group's inode table.
    fn place(&mut self, number: u32, ask: &mut Requests) -> Lookup<(u64, usize, u64)> {
        let geometry = &self.geometry;
        let allowed = number >= geometry.first_inode || number == self.file;
        let Some((group, index)) = geometry.place_of(number).filter(|_| allowed) else {
            return Lookup::Missing(GapKind::Corrupt, "no such inode");
        };
        let table = match self.tables.get(&group) {
            Some(Ok(table)) => *table,
            Some(Err(kind)) => return Lookup::Missing(*kind, "its group's descriptor cannot be used"),
            None => {
                let start = geometry.descriptors_from(group).0.start;
                let range = ByteRange::new(start, geometry.descriptor_bytes.into());
                self.request(u64::from(group) << 2 | DESCRIPTOR, range, ask);
                return Lookup::Asked;
            }
        };
        let at = u64::from(index) * u64::from(geometry.inode_bytes);
        Lookup::Found((table + at / geometry.block(), (at % geometry.block()) as usize, table))
    }

    /// An inode, or a request for what is missing to find it.
    fn inode(&mut self, number: u32, ask: &mut Requests) -> Lookup<Vec<u8>> {
        let (block, start, table) = match self.place(number, ask) {
            Lookup::Found(place) => place,
            Lookup::Asked => return Lookup::Asked,
            Lookup::Missing(kind, reason) => return Lookup::Missing(kind, reason),
        };
        match self.blocks.get(&block) {
            Some(Some(bytes)) => {
                let end = start + usize::from(self.geometry.inode_bytes);
                Lookup::Found(bytes.get(start..end).unwrap_or_default().to_vec())
            }
            Some(None) => Lookup::Missing(GapKind::Io, UNREAD),
            None => {
                let size = self.geometry.block();
                if self.blocks.len() * size as usize > MAX_KEPT_BYTES {
                    self.blocks.clear();
                }
                let most = (WINDOW_BYTES / size).max(1);
                let first = table + (block - table) / most * most;
                let count = most.min(table + self.geometry.inode_table_blocks() - first);
                self.request(first << 2 | WINDOW, self.geometry.bytes_of(first, count), ask);
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

#[cfg(test)]
mod tests;
