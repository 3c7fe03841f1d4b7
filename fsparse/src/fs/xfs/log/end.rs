//! The end of the log, as Linux' `xlog_find_head` and `xlog_find_tail` settle it.
//!
//! Several records may have been on their way to the disk when the machine stopped, and reach it in any
//! order and in part. What is behind the first block that did not arrive does not count, nor a record that
//! is not whole, nor one of the last eight whose checksum does not hold, nor anything behind it.

use super::{
    Fault,
    record::{BLOCK, Header, block_of, cycle, is_header},
};
use std::ops::Range;

/// Blocks that may be on their way at once: eight buffers of 256 KiB.
const IN_FLIGHT: usize = 4096;
/// Blocks of the longest record.
const LONGEST: usize = 512;
/// Records that may be on their way at once.
const BUFFERS: usize = 8;
/// Blocks before the drop of the pass number that decide what the log's end is.
pub(super) const CAREFUL: u64 = (IN_FLIGHT + (BUFFERS + 1) * LONGEST) as u64;
/// Blocks that decide whether a log ends with an unmount record: it is padded to the log's stripe unit, of 256 KiB
/// at most, and has eight blocks of header.
pub(super) const QUICK: u64 = (LONGEST + 2 * 8) as u64;

/// What the log's end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It ends with an unmount record, or holds nothing that is to be applied.
    Clean,
    /// Records from block `tail` up to block `head` hold changes that may not have reached their places.
    Dirty { tail: u64, head: u64 },
}

/// The last blocks before the drop of the pass number, around the log's end if need be.
pub(super) struct Window {
    /// Blocks of the log.
    blocks: u64,
    /// The block where the pass number drops, and the pass before it.
    drop: u64,
    cycle: u32,
    bytes: Vec<u8>,
    uuid: [u8; 16],
}

impl Window {
    /// Room for at most `most` blocks.
    pub(super) fn new(blocks: u64, drop: u64, cycle: u32, most: u64, uuid: [u8; 16]) -> Self {
        let count = most.min(blocks);
        Self { blocks, drop, cycle, bytes: vec![0; (count << 9) as usize], uuid }
    }

    /// The runs of log blocks in it: first block and count, none longer than `most`.
    pub(super) fn runs(&self, most: u64) -> Vec<(u64, u64)> {
        let count = self.count() as u64;
        let before = count.min(self.drop);
        let around = count - before;
        let split = |start: u64, len: u64| {
            (0..len.div_ceil(most)).map(move |part| (start + part * most, most.min(len - part * most)))
        };
        split(self.blocks - around, around).chain(split(self.drop - before, before)).collect()
    }

    /// Takes blocks of the log from `block` on.
    pub(super) fn fill(&mut self, block: u64, bytes: &[u8]) {
        let at = self.index(block) * BLOCK;
        if let Some(room) = self.bytes.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    fn count(&self) -> usize {
        self.bytes.len() / BLOCK
    }

    /// Place in the window of a block of the log; past the end if it is not in it.
    fn index(&self, block: u64) -> usize {
        let back = (self.drop + self.blocks - 1 - block % self.blocks) % self.blocks;
        self.count().checked_sub(back as usize + 1).unwrap_or(usize::MAX / BLOCK - LONGEST)
    }

    /// The block of the log at a place of the window.
    fn number(&self, index: usize) -> u64 {
        (self.drop + self.blocks - (self.count() - index) as u64) % self.blocks
    }

    fn block(&self, index: usize) -> &[u8] {
        self.bytes.get(index * BLOCK..(index + 1) * BLOCK).unwrap_or_default()
    }

    fn header(&self, index: usize) -> Option<Header> {
        Header::parse(self.block(index))
    }

    /// The last record that starts in `range`.
    fn last_record(&self, range: Range<usize>) -> Option<usize> {
        range.rev().find(|&index| is_header(self.block(index)))
    }

    /// Whether the record at `index` is an unmount record that ends at `end`.
    fn is_unmount(&self, index: usize, end: usize) -> bool {
        self.header(index).is_some_and(|header| {
            index + header.blocks() == end && header.is_unmount(self.block(index + header.leading_blocks))
        })
    }

    /// Whether the log ends with an unmount record right before the drop.
    pub(super) fn is_clean(&self) -> bool {
        let end = self.count();
        self.last_record(0..end)
            .is_some_and(|index| self.is_unmount(index, end) && self.check_uuid(index).is_ok())
    }

    fn check_uuid(&self, index: usize) -> Result<(), Fault> {
        // IRIX wrote none.
        match self.header(index) {
            Some(header) if header.uuid != self.uuid && header.uuid != [0; 16] => {
                Err(Fault::unreplayed("the log belongs to another filesystem"))
            }
            _ => Ok(()),
        }
    }

    /// Whether the record at `index` is whole and right, and where the next one starts.
    fn record(&self, index: usize, end: usize) -> Option<usize> {
        let header = self.header(index)?;
        let next = index + header.blocks();
        let record = self.bytes.get(index * BLOCK..next * BLOCK)?;
        (next <= end && header.sound(record) != Some(false)).then_some(next)
    }

    /// Judges the log's end.
    pub(super) fn judge(&self) -> Result<End, Fault> {
        let mut end = self.count();
        // Blocks of a record that never arrived still have the number of the pass before.
        let stale = |&index: &usize| {
            let around = self.number(index) >= self.drop;
            let expected = if around { self.cycle.checked_sub(1) } else { Some(self.cycle) };
            expected
                .and_then(|expected| expected.checked_sub(1))
                .is_some_and(|stale| cycle(self.block(index)) == stale)
        };
        if let Some(first) = (end.saturating_sub(IN_FLIGHT)..end).find(stale) {
            end = first;
        }
        let none = || Fault::corrupt("no record ends at the log's head");
        let last = self.last_record(end.saturating_sub(LONGEST)..end).ok_or_else(none)?;
        self.check_uuid(last)?;
        if self.header(last).is_none_or(|header| last + header.blocks() != end) {
            end = last;
        }
        let last = self.last_record(0..end).ok_or_else(none)?;
        if self.is_unmount(last, end) {
            return Ok(End::Clean);
        }
        let header = self.header(last).ok_or_else(none)?;
        let (last, end) = self.without_torn(last, end, self.index(block_of(header.tail_lsn)))?;
        if self.is_unmount(last, end) {
            return Ok(End::Clean);
        }
        let tail = block_of(self.header(last).ok_or_else(none)?.tail_lsn);
        let head = if end == self.count() { self.drop % self.blocks } else { self.number(end) };
        if tail >= self.blocks {
            return Err(Fault::corrupt(format!("the log's tail at block {tail} of {}", self.blocks)));
        }
        Ok(if tail == head { End::Clean } else { End::Dirty { tail, head } })
    }

    /// The last record and the log's end, after the last records have been checked.
    fn without_torn(&self, last: usize, end: usize, tail: usize) -> Result<(usize, usize), Fault> {
        let mut first = last;
        for _ in 1..BUFFERS {
            match self.last_record(0..first) {
                Some(before) if first != tail => first = before,
                _ => break,
            }
        }
        let mut at = first;
        while at < end {
            match self.record(at, end) {
                Some(next) => at = next,
                None => break,
            }
        }
        if at == end {
            return Ok((last, end));
        }
        let whole = self.last_record(0..at);
        whole.map(|last| (last, at)).ok_or_else(|| Fault::corrupt("no whole record is before the torn one"))
    }
}
