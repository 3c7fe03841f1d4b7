//! The journal's file: where its blocks lie, the reading of them, and patches that point into them.

use super::{
    Change,
    control::MAGIC_BYTES,
    log::{Cause, Fault, Log, Write},
    superblock::JournalSuperblock,
};
use crate::{
    error::ParseError,
    gap_list::GapList,
    machine::{Fetched, Requests},
    survey::{Encoding, Extent, Survey},
};
use std::collections::{BTreeMap, VecDeque};

use coldread_model::{
    ByteRange, Gap, GapKind,
    task::{Patch, PatchContent},
};

/// The longest request.
const PIECE_BYTES: u64 = 1 << 20;
/// Journals are not read beyond; mke2fs makes none over 1 GiB, and the kernel none over 4.
const MAX_BYTES: u64 = 4 << 30;
/// No more of the area of fast commits is read; it has 1 MiB where nobody asks for more.
const MAX_FAST_BYTES: u64 = 64 << 20;
/// Blocks of the journal that may be given new content.
const MAX_SPARE: u32 = 1 << 16;
/// More gaps than this one are not kept.
const MAX_GAPS: usize = 1000;
/// A patch is no longer, so that offsets of its fixups stay small.
const MAX_PATCH_BYTES: u64 = 1 << 30;

/// Where the journal's blocks lie.
#[derive(Clone, Debug, Default)]
pub(in crate::fs::ext4) struct JournalFile {
    block_bytes: u64,
    size: u64,
    extents: Vec<Extent>,
}

impl JournalFile {
    /// From what a survey of the journal's inode alone found.
    pub(in crate::fs::ext4) fn of(survey: &Survey, block_bytes: u32) -> Result<Self, ParseError> {
        let inode = survey.inodes.first();
        let stream = inode.and_then(|inode| survey.streams_of(inode).first());
        let Some(stream) = stream.filter(|stream| matches!(stream.encoding, Encoding::Plain(_))) else {
            const STRUCTURE: &str = "journal inode";
            let Some(gap) = survey.gaps.first() else {
                return Err(ParseError::corrupt(0, STRUCTURE, "a file", "not a file"));
            };
            let (at, reason) = (gap.at.unwrap_or_default(), gap.reason.clone());
            return Err(match gap.kind {
                GapKind::Io => ParseError::Io { at, structure: STRUCTURE, reason },
                GapKind::Unsupported => ParseError::unsupported(STRUCTURE, reason),
                _ => ParseError::corrupt(at, STRUCTURE, "a file", reason),
            });
        };
        let extents = survey.extents_of(stream).to_vec();
        Ok(Self { block_bytes: block_bytes.into(), size: stream.size, extents })
    }

    /// Number of blocks by its size.
    pub(super) fn blocks(&self) -> u64 {
        self.size / self.block_bytes.max(1)
    }

    /// Where the first block lies.
    pub(in crate::fs::ext4) fn first(&self) -> Result<u64, ParseError> {
        self.place(0).ok_or_else(|| ParseError::corrupt(0, "journal inode", "a first block", "none"))
    }

    /// Where a block lies: byte of the volume.
    pub(super) fn place(&self, block: u32) -> Option<u64> {
        let at = u64::from(block) * self.block_bytes;
        let next = self.extents.partition_point(|extent| extent.logical <= at);
        let extent = self.extents.get(next.checked_sub(1)?)?;
        let skip = at - extent.logical;
        (skip < extent.len && !extent.unwritten).then(|| extent.physical + skip)
    }

    /// That each of so many blocks has a place.
    pub(super) fn check(&self, blocks: u32) -> Result<(), ParseError> {
        let bytes = u64::from(blocks) * self.block_bytes;
        if bytes > MAX_BYTES {
            return Err(ParseError::unsupported("journal", format!("a journal of {bytes} bytes")));
        }
        let mut end = 0;
        for extent in &self.extents {
            if extent.logical > end || extent.unwritten {
                break;
            }
            end = end.max(extent.logical + extent.len);
        }
        if end < bytes {
            let at = self.extents.first().map_or(0, |extent| extent.physical);
            return Err(ParseError::corrupt(at, "journal inode", format!("{bytes} mapped bytes"), end));
        }
        Ok(())
    }

    /// Asks for a run of blocks; each answer's tag is the first block in it.
    pub(super) fn ask(&self, first: u32, count: u32, ask: &mut Requests) {
        let (mut at, end) = (first, first.saturating_add(count));
        while at < end {
            let Some(place) = self.place(at) else { return };
            let logical = u64::from(at) * self.block_bytes;
            let next = self.extents.partition_point(|extent| extent.logical <= logical);
            let extent = &self.extents[next - 1];
            let left = (extent.logical + extent.len - logical) / self.block_bytes;
            let most = (PIECE_BYTES / self.block_bytes).min(u64::from(end - at));
            let run = left.clamp(1, most);
            ask.push(at.into(), ByteRange::new(place, run * self.block_bytes));
            at += run as u32;
        }
    }

    /// Gives each block of an answer to [`JournalFile::ask`], or why it could not be read.
    pub(super) fn each(&self, fetched: &Fetched<'_>, mut take: impl FnMut(u32, Result<&[u8], String>)) {
        let size = self.block_bytes;
        for (index, bytes) in fetched.bytes.chunks_exact(size as usize).enumerate() {
            let block = fetched.tag as u32 + index as u32;
            let range = ByteRange::new(fetched.range.start + index as u64 * size, size);
            take(block, fetched.fault(range).map_or(Ok(bytes), |(_, error)| Err(error.to_string())));
        }
    }

    /// The gap that records what is wrong with the log.
    pub(super) fn gap(&self, fault: &Fault) -> Gap {
        let place = self.place(fault.block).unwrap_or_default();
        let (kind, reason) = match &fault.cause {
            Cause::Unreadable(reason) => (GapKind::Io, reason.clone()),
            Cause::Corrupt(expected, found) => {
                (GapKind::Corrupt, format!("expected {expected}, found {found}"))
            }
            Cause::TooMuch => (GapKind::Limit, "it names more blocks than it has room for".to_owned()),
        };
        Gap::new(kind, "journal", format!("block {}: {reason}", fault.block)).at_byte(place)
    }

    /// Patches for what is written, sorted, neighbours joined; with a gap for each write outside the
    /// filesystem, which has so many blocks, and one for all that its volume, which holds so many, is too short for.
    pub(super) fn patches(
        &self,
        writes: &[Write],
        (blocks, held): (u64, u64),
        gaps: &mut GapList,
    ) -> Vec<Patch> {
        let size = self.block_bytes;
        let mut patches: Vec<Patch> = Vec::new();
        let past = writes.iter().filter(|write| (held..blocks).contains(&write.block)).count();
        if past > 0 {
            let reason = format!("it writes {past} blocks past the volume's end");
            gaps.push(Gap::new(GapKind::Io, "journal", reason).at_byte(held.saturating_mul(size)));
        }
        for write in writes.iter().filter(|write| !(held..blocks).contains(&write.block)) {
            let from = self.place(write.from).filter(|_| write.block < blocks);
            let Some(source) = from else {
                let reason = format!("it writes block {} of {blocks}", write.block);
                let place = self.place(write.from).unwrap_or_default();
                gaps.push(Gap::new(GapKind::Corrupt, "journal", reason).at_byte(place));
                continue;
            };
            let at = write.block * size;
            let joined = patches.last_mut().filter(|last| {
                let PatchContent::Moved { from, .. } = &last.content else { return false };
                last.at + last.len == at && from + last.len == source && last.len + size <= MAX_PATCH_BYTES
            });
            let patch = if let Some(last) = joined {
                last.len += size;
                last
            } else {
                let content = PatchContent::Moved { from: source, fixups: Vec::new() };
                patches.push(Patch { at, len: size, content });
                let Some(last) = patches.last_mut() else { continue };
                last
            };
            if let PatchContent::Moved { fixups, .. } = &mut patch.content
                && write.escaped
            {
                fixups.push(((at - patch.at) as u32, MAGIC_BYTES.to_vec()));
            }
        }
        patches
    }
}

/// The log of a journal while it is read.
pub(in crate::fs::ext4) struct LogReader {
    file: JournalFile,
    log: Log,
}

impl LogReader {
    /// From the journal's first block, whose answer this is; asks for all others.
    pub(in crate::fs::ext4) fn start(
        file: JournalFile,
        block_bytes: u32,
        fetched: &Fetched<'_>,
        ask: &mut Requests,
    ) -> Result<Self, ParseError> {
        let at = fetched.range.start;
        if let Some((bad, error)) = fetched.fault(fetched.range) {
            let (at, reason) = (bad.start, error.to_string());
            return Err(ParseError::Io { at, structure: "journal superblock", reason });
        }
        let journal = JournalSuperblock::parse(fetched.bytes, at, block_bytes, file.blocks())?;
        file.check(journal.blocks)?;
        if journal.start != 0 {
            file.ask(journal.first, journal.last - journal.first, ask);
        }
        Ok(Self { log: Log::new(journal), file })
    }

    /// Takes blocks of the log.
    pub(in crate::fs::ext4) fn feed(&mut self, fetched: &Fetched<'_>) {
        let log = &mut self.log;
        self.file.each(fetched, |block, bytes| match bytes {
            Ok(bytes) => log.take(block, bytes),
            Err(reason) => log.miss(block, reason),
        });
    }

    /// What the log, which is read, changes in a filesystem of so many blocks, so many of which the volume holds.
    pub(in crate::fs::ext4) fn finish(self, blocks: u64, held: u64) -> Result<Replayed, Box<Gap>> {
        let replay = self.log.replay().map_err(|fault| Box::new(self.file.gap(&fault)))?;
        let mut gaps = GapList::of_at_most(MAX_GAPS);
        for fault in &replay.faults {
            gaps.push(self.file.gap(fault));
        }
        let patches = self.file.patches(&replay.writes, (blocks, held), &mut gaps);
        let journal = self.log.journal().clone();
        let gaps = gaps.finish("journal");
        Ok(Replayed { patches, gaps, next: replay.next, journal, file: self.file })
    }
}

/// The area of fast commits while it is read.
pub(in crate::fs::ext4) struct FastReader {
    replayed: Replayed,
    blocks: BTreeMap<u32, Result<Vec<u8>, String>>,
}

impl FastReader {
    /// Asks for the area behind a log that was replayed; gives that back where there is none.
    pub(in crate::fs::ext4) fn start(replayed: Replayed, ask: &mut Requests) -> Result<Self, Box<Replayed>> {
        let journal = &replayed.journal;
        // Recovery comes to fast commits only behind a log that it has replayed in full.
        let area = journal.fast.filter(|_| journal.start != 0 && replayed.gaps.is_empty());
        let Some(first) = area else { return Err(Box::new(replayed)) };
        let most = MAX_FAST_BYTES / u64::from(journal.block_bytes);
        let count = u64::from(journal.blocks - first).min(most) as u32;
        replayed.file.ask(first, count, ask);
        Ok(Self { replayed, blocks: BTreeMap::new() })
    }

    /// Takes blocks of the area.
    pub(in crate::fs::ext4) fn feed(&mut self, fetched: &Fetched<'_>) {
        let blocks = &mut self.blocks;
        self.replayed.file.each(fetched, |block, bytes| {
            blocks.insert(block, bytes.map(<[u8]>::to_vec));
        });
    }

    /// What the area, which is read, changes; where it is damaged, that is a gap of the replay.
    pub(in crate::fs::ext4) fn finish(mut self, inode_bytes: u16) -> (Replayed, Vec<Change>) {
        let readable = self.blocks.values().map_while(|bytes| bytes.as_deref().ok());
        let area: Vec<&[u8]> = readable.collect();
        let fault = self.blocks.iter().nth(area.len()).map(|(block, bytes)| (*block, bytes.as_ref().err()));
        let read = super::fast::read(&area, self.replayed.next, inode_bytes.into());
        let first = self.blocks.keys().next().copied().unwrap_or_default();
        let (block, cause) = match (read, fault) {
            (Ok(changes), None) => return (self.replayed, changes),
            (Ok(changes), Some(_)) if !changes.is_empty() => return (self.replayed, changes),
            (_, Some((block, reason))) => (block, Cause::Unreadable(reason.cloned().unwrap_or_default())),
            (Err(reason), None) => (first, Cause::Corrupt("fast commits".to_owned(), reason)),
        };
        let gap = self.replayed.file.gap(&Fault { block, cause });
        self.replayed.gaps.push(gap);
        (self.replayed, Vec::new())
    }
}

/// A log that was replayed.
pub(in crate::fs::ext4) struct Replayed {
    /// What it changes.
    pub patches: Vec<Patch>,
    /// What of it could not be applied.
    pub gaps: Vec<Gap>,
    /// The number that the next transaction would have had, which fast commits after the log carry.
    pub next: u32,
    /// The journal.
    pub journal: JournalSuperblock,
    /// Its file.
    pub file: JournalFile,
}

impl Replayed {
    /// Blocks of the journal's log, which nothing reads once it is replayed: numbers of the volume.
    pub(in crate::fs::ext4) fn spare(&self) -> VecDeque<u64> {
        let journal = &self.journal;
        let log = (journal.first..journal.last).take(MAX_SPARE as usize);
        let places = log.filter_map(|block| self.file.place(block));
        places.map(|place| place / u64::from(journal.block_bytes)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_could_not_be_read_is_not_called_damaged() {
        let of = |kind| {
            let gaps = vec![Gap::new(kind, "inode", "a bad sector").at_byte(4096)];
            let survey = Survey { gaps, ..Survey::default() };
            JournalFile::of(&survey, 4096).err().map(|error| error.to_gap().kind)
        };
        for kind in [GapKind::Io, GapKind::Unsupported, GapKind::Corrupt] {
            assert_eq!(of(kind), Some(kind));
        }
        let none = JournalFile::of(&Survey::default(), 4096).err();
        assert_eq!(none.map(|error| error.to_gap().kind), Some(GapKind::Corrupt));
    }
}
