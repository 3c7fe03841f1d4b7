//! A part of a source as a source of its own: a partition.

use super::{BlockSource, Completion, MappedRange, PieceError, ReadQueue, SharedSource, SourceError};
use coldread_model::ByteRange;
use std::collections::VecDeque;

/// The bytes `range` of `parent`, counted from 0. A range that reaches past the parent's end keeps its size;
/// what lies past the end answers with the parent's error.
#[derive(Clone)]
pub struct Slice {
    parent: SharedSource,
    range: ByteRange,
}

impl Slice {
    /// The part `range` of `parent`.
    pub fn new(parent: SharedSource, range: ByteRange) -> Self {
        Self { parent, range }
    }

    /// The part of the parent that `range` of this slice is, cut at the slice's end.
    fn translate(&self, range: ByteRange) -> ByteRange {
        let inside = range.intersect(ByteRange::new(0, self.range.len));
        ByteRange::new(self.range.start.saturating_add(inside.start), inside.len)
    }
}

impl BlockSource for Slice {
    fn size_bytes(&self) -> u64 {
        self.range.len
    }

    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError> {
        let mut mapped = self.parent.map(self.translate(range))?;
        for part in &mut mapped {
            part.range.start -= self.range.start;
        }
        Ok(mapped)
    }

    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError> {
        Ok(Box::new(SliceQueue { slice: self, queue: self.parent.open_queue()?, failed: VecDeque::new() }))
    }
}

struct SliceQueue<'a> {
    slice: &'a Slice,
    queue: Box<dyn ReadQueue + 'a>,
    failed: VecDeque<Completion>,
}

impl ReadQueue for SliceQueue<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        let size = self.slice.range.len;
        let inside = self.slice.translate(range);
        if !inside.is_empty() {
            self.queue.push(tag, inside);
        }
        let past = ByteRange::between(range.start.max(size), range.end());
        if !past.is_empty() {
            let result = Err(PieceError { len: past.len, error: SourceError::PastEnd { range, size } });
            self.failed.push_back(Completion { tag, offset: past.start, result });
        }
    }

    fn next(&mut self) -> Option<Completion> {
        if let Some(failed) = self.failed.pop_front() {
            return Some(failed);
        }
        let mut completion = self.queue.next()?;
        completion.offset -= self.slice.range.start;
        Some(completion)
    }

    fn next_ready(&mut self) -> Option<Completion> {
        let mut completion = self.queue.next_ready()?;
        completion.offset -= self.slice.range.start;
        Some(completion)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Piece, memory::MemorySource};
    use std::sync::Arc;

    #[test]
    fn a_slice_counts_from_its_own_start_and_ends_at_its_own_end() {
        let disk = MemorySource::new((0..100).collect()).with_bad(vec![ByteRange::new(15, 2)]);
        let slice = Slice::new(Arc::new(disk), ByteRange::new(10, 20));
        let mut queue = slice.open_queue().unwrap();
        queue.push(7, ByteRange::new(2, 25));
        let mut seen = Vec::new();
        while let Some(done) = queue.next() {
            assert_eq!(done.tag, 7);
            seen.push(match done.result {
                Ok(Piece::Bytes(buf)) => (done.offset, buf.len() as u64, Some(buf[0])),
                Ok(Piece::Zeros(len)) => (done.offset, len, Some(0)),
                Err(error) => (done.offset, error.len, None),
            });
        }
        seen.sort_unstable();
        assert_eq!(seen, [(2, 3, Some(12)), (5, 2, None), (7, 13, Some(17)), (20, 7, None)]);
    }
}
