//! The data blocks of a directory: asked for, put together where they are split, read for names.

use super::{
    dir,
    extent::Mapping,
    fork::ForkKind,
    job::Job,
    pace::Part,
    survey::{Surveyor, blocks, readable},
};
use crate::{
    error::ParseError,
    machine::{Fetched, Requests},
};
use coldread_model::ByteRange;

/// A directory block that lies in several extents.
pub(super) struct SplitBlock {
    place: ByteRange,
    /// None until the first part is there.
    bytes: Vec<u8>,
    missing: u32,
    fault: Option<ParseError>,
}

impl Surveyor {
    /// Asks for a directory's data blocks: whole ones together, split ones part by part.
    pub(super) fn ask_for_names(&mut self, id: usize, job: &mut Job, ask: &mut Requests) {
        let limit = dir::LEAF_OFFSET_BYTES >> self.geometry.block_log;
        let unit = 1 << self.geometry.dir_block_log;
        let mappings = std::mem::take(&mut job.data.mappings);
        let count =
            mappings.iter().filter_map(|mapping| mapping.before(limit)).map(|mapping| mapping.count).sum();
        if let Err(gap) = self.spend(count, dir::DATA_BLOCK) {
            self.fail_with(job, ForkKind::Data, *gap);
            return;
        }
        // Parts of a directory block of which more is to come.
        let mut parts: Vec<Mapping> = Vec::new();
        for mapping in mappings.iter().filter_map(|mapping| mapping.before(limit)) {
            let mut rest = mapping;
            while rest.count > 0 {
                let in_block = rest.offset % unit;
                let count = if in_block == 0 && rest.count >= unit {
                    let count = rest.count - rest.count % unit;
                    let whole = self.geometry.bytes_of(rest.block, count);
                    self.broken(job, &mut parts);
                    job.outstanding += self.want(Part::Dir { job: id }, whole, ask);
                    count
                } else {
                    let count = rest.count.min(unit - in_block);
                    if parts.last().is_some_and(|last| last.end() != rest.offset) || in_block == 0 {
                        self.broken(job, &mut parts);
                    }
                    parts.push(Mapping { count, ..rest });
                    if in_block + count == unit {
                        self.ask_for_split(id, job, &mut parts, ask);
                    }
                    count
                };
                rest.offset += count;
                rest.block += count;
                rest.count -= count;
            }
        }
        self.broken(job, &mut parts);
    }

    /// Records parts of a directory block that never became whole.
    fn broken(&mut self, job: &Job, parts: &mut Vec<Mapping>) {
        if let Some(first) = parts.first() {
            let place = self.geometry.bytes_of(first.block, first.count);
            let (expected, actual) = ("whole directory blocks", "a hole in one");
            let error = ParseError::corrupt(place.start, dir::DATA_BLOCK, expected, actual);
            self.found.error(&error, Some(job.inode.number), place);
            parts.clear();
        }
    }

    /// Asks for the parts of one directory block.
    fn ask_for_split(&mut self, id: usize, job: &mut Job, parts: &mut Vec<Mapping>, ask: &mut Requests) {
        let unit = 1 << self.geometry.dir_block_log;
        if parts.first().is_none_or(|first| first.offset % unit != 0) {
            self.broken(job, parts);
            return;
        }
        let place = self.geometry.bytes_of(parts[0].block, parts[0].count);
        let block = self.dir_blocks.insert(SplitBlock {
            place,
            bytes: Vec::new(),
            missing: parts.len() as u32,
            fault: None,
        });
        let mut at = 0;
        for part in parts.drain(..) {
            let range = self.geometry.bytes_of(part.block, part.count);
            job.outstanding += self.want(Part::Split { job: id, block, at }, range, ask);
            at += range.len as usize;
        }
    }

    /// Takes whole directory blocks.
    pub(super) fn dir_blocks(&mut self, id: usize, fetched: &Fetched<'_>) {
        let Some(mut job) = self.jobs.check_out(id) else { return };
        job.outstanding -= 1;
        for (bytes, range) in blocks(fetched, self.geometry.dir_block_bytes()) {
            let fault = readable(fetched, range, dir::DATA_BLOCK).err();
            self.names(job.inode.number, bytes, range, fault);
        }
        self.done_or_back(id, job);
    }

    /// Takes a part of a split directory block.
    pub(super) fn dir_part(&mut self, id: usize, block: usize, at: usize, fetched: &Fetched<'_>) {
        let Some(mut job) = self.jobs.check_out(id) else { return };
        job.outstanding -= 1;
        if let Some(mut split) = self.dir_blocks.check_out(block) {
            split.bytes.resize(self.geometry.dir_block_bytes() as usize, 0);
            if let Some(room) = split.bytes.get_mut(at..at + fetched.bytes.len()) {
                room.copy_from_slice(fetched.bytes);
            }
            if let Err(error) = readable(fetched, fetched.range, dir::DATA_BLOCK) {
                split.fault = Some(error);
            }
            split.missing -= 1;
            if split.missing == 0 {
                self.dir_blocks.release(block);
                self.names(job.inode.number, &split.bytes, split.place, split.fault);
            } else {
                self.dir_blocks.check_in(block, split);
            }
        }
        self.done_or_back(id, job);
    }

    /// Takes the names of one directory block that starts at `place`.
    fn names(&mut self, number: u64, bytes: &[u8], place: ByteRange, fault: Option<ParseError>) {
        let found = &mut self.found;
        let mut sink = |name: &[u8], child| found.entry(number, child, name);
        let read = match fault {
            Some(error) => Err(error),
            None => dir::data_block(&self.geometry, number, bytes, place.start, &mut sink),
        };
        if let Err(error) = read {
            self.found.error(&error, Some(number), place);
        }
    }
}
