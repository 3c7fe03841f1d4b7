//! Requests that wait to be read, and how they are merged.
//!
//! A request is cut at the source's end (the rest is an error), at holes of [`GAP`] and more (they are
//! zeros that nobody reads), and into parts whose whole blocks fit [`MAX_READ`]. Parts wait in disk order.
//! A read takes the lowest one and every following one that starts inside it or at most a gap behind it, as long as the
//! read stays within [`MAX_READ`]. How long a gap may be is the reader's to say: up to [`GAP`] where another request
//! costs more than reading 64 KiB, less on a near disk. Parts that overlap share the read.

use super::{file::DiskFile, holes::Holes};
use coldread_fsparse::source::{Buf, Completion, Mapping, Memory, Piece, PieceError, SourceError};
use coldread_model::ByteRange;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

/// Unwanted bytes that are read through between two requests, at most.
pub(super) const GAP: u64 = 64 << 10;
/// No read is longer.
pub(super) const MAX_READ: u64 = 1 << 20;

/// A part of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// The bytes.
    pub(super) range: ByteRange,
    /// The request's tag.
    pub(super) tag: u64,
}

/// The parts of one queue's requests that are not yet being read.
pub(super) struct Waiting<'a> {
    file: &'a DiskFile,
    holes: Holes,
    parts: BinaryHeap<Reverse<Part>>,
}

impl<'a> Waiting<'a> {
    /// No request yet.
    pub(super) fn new(file: &'a DiskFile) -> Self {
        Self { file, holes: Holes::default(), parts: BinaryHeap::new() }
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Takes a request in; what is known without reading goes to `ready`.
    pub(super) fn push(&mut self, tag: u64, range: ByteRange, ready: &mut VecDeque<Completion>) {
        let size = self.file.size();
        let inside = range.intersect(ByteRange::new(0, size));
        let mut read_from = inside.start;
        let mut at = inside.start;
        while at < inside.end() {
            let part = self.holes.first(self.file, ByteRange::between(at, inside.end()));
            at = part.range.end();
            let worth_it = part.range.len >= GAP || part.range == inside;
            if part.mapping == Mapping::Zero && worth_it {
                self.cut(tag, ByteRange::between(read_from, part.range.start));
                let result = Ok(Piece::Zeros(part.range.len));
                ready.push_back(Completion { tag, offset: part.range.start, result });
                read_from = at;
            }
        }
        self.cut(tag, ByteRange::between(read_from, inside.end()));
        let past = ByteRange::between(range.start.max(size), range.end());
        if !past.is_empty() {
            let result = Err(PieceError { len: past.len, error: SourceError::PastEnd { range, size } });
            ready.push_back(Completion { tag, offset: past.start, result });
        }
    }

    /// Queues `range` in parts that fit a read.
    fn cut(&mut self, tag: u64, range: ByteRange) {
        let mut at = range.start;
        while at < range.end() {
            let end =
                self.file.widened(ByteRange::new(at, 0)).start.saturating_add(MAX_READ).min(range.end());
            self.parts.push(Reverse(Part { range: ByteRange::between(at, end), tag }));
            at = end;
        }
    }

    /// The next read in whole blocks, and into `parts` (cleared first) what it is for, in disk order. Up to `gap`
    /// unwanted bytes between two of them are read through.
    pub(super) fn take(&mut self, parts: &mut Vec<Part>, gap: u64) -> Option<ByteRange> {
        parts.clear();
        let Reverse(first) = self.parts.pop()?;
        parts.push(first);
        let mut span = self.file.widened(first.range);
        while let Some(Reverse(next)) = self.parts.peek() {
            let wide = self.file.widened(next.range);
            let joined = ByteRange::between(span.start, span.end().max(wide.end()));
            if wide.start > span.end().saturating_add(gap) || joined.len > MAX_READ {
                break;
            }
            span = joined;
            parts.push(*next);
            self.parts.pop();
        }
        Some(span)
    }
}

/// Bytes of the source that were read.
pub(super) struct Filled<'a> {
    /// Where they are now,
    pub(super) memory: &'a Arc<dyn Memory>,
    /// from this byte of it on,
    pub(super) offset: usize,
    /// and where in the source the first of them lies.
    pub(super) start: u64,
}

/// Answers `parts` out of what was read, apart from `bad` (sorted, disjoint), which holds the parts that could not be.
pub(super) fn answer(
    parts: &[Part],
    filled: &Filled<'_>,
    bad: &[(ByteRange, SourceError)],
    ready: &mut VecDeque<Completion>,
) {
    for part in parts {
        let mut at = part.range.start;
        let mut good = |from: u64, to: u64| {
            if from < to {
                let at = filled.offset + (from - filled.start) as usize;
                let buf = Buf::new(Arc::clone(filled.memory), at, (to - from) as usize);
                ready.push_back(Completion { tag: part.tag, offset: from, result: Ok(Piece::Bytes(buf)) });
            }
        };
        if bad.is_empty() {
            good(at, part.range.end());
            continue;
        }
        let mut failed = Vec::new();
        for (range, error) in bad {
            let hit = range.intersect(part.range);
            if hit.is_empty() {
                continue;
            }
            good(at, hit.start);
            at = hit.end();
            let result = Err(PieceError { len: hit.len, error: error.clone() });
            failed.push(Completion { tag: part.tag, offset: hit.start, result });
        }
        good(at, part.range.end());
        ready.extend(failed);
    }
}
