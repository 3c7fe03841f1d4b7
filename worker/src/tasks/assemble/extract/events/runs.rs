//! Sorted runs of packed events, in memory and in a file, and their merging.

use super::{
    super::spill::{Block, BlockReader, Spill, failed},
    names::Names,
    packed::{self, Packed},
};
use crate::tasks::TaskError;
use coldread_model::varint;
use std::{cmp::Ordering, collections::VecDeque};

/// Runs of one level that are merged into one of the next.
pub(super) const FAN_IN: usize = 16;
/// Bytes of a block before compression.
const BLOCK_BYTES: usize = 64 << 10;

/// Where a packed event lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) seconds: u64,
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Place {
    pub(super) fn of(self, bytes: &[u8]) -> Packed<'_> {
        let (start, len) = (self.start as usize, self.len as usize);
        Packed { seconds: self.seconds, bytes: &bytes[start..start + len] }
    }
}

impl Packed<'_> {
    /// As the events compare.
    pub(super) fn compare(self, other: Self, names: &Names) -> Ordering {
        self.seconds.cmp(&other.seconds).then_with(|| packed::compare(self, other, names))
    }
}

/// A sorted run in the file.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) level: u32,
    blocks: VecDeque<Block>,
}

/// A level of which there are so many runs that they are merged.
pub(super) fn full_level(runs: &[Run]) -> Option<u32> {
    let count = |level| runs.iter().filter(|run| run.level == level).count();
    runs.iter().map(|run| run.level).find(|level| count(*level) >= FAN_IN)
}

/// Writes a run.
pub(super) struct RunWriter<'a> {
    spill: &'a mut Spill,
    run: Run,
    /// The block that is being filled: before each event the difference of its seconds to the last one's and its length.
    bytes: Vec<u8>,
    seconds: u64,
}

impl<'a> RunWriter<'a> {
    pub(super) fn new(spill: &'a mut Spill, level: u32) -> Self {
        let bytes = Vec::with_capacity(BLOCK_BYTES + 1024);
        Self { spill, run: Run { level, blocks: VecDeque::new() }, bytes, seconds: 0 }
    }

    pub(super) fn push(&mut self, event: Packed<'_>) -> Result<(), TaskError> {
        varint::put(event.seconds.wrapping_sub(self.seconds), &mut self.bytes);
        varint::put(event.bytes.len() as u64, &mut self.bytes);
        self.seconds = event.seconds;
        self.bytes.extend_from_slice(event.bytes);
        if self.bytes.len() >= BLOCK_BYTES { self.block() } else { Ok(()) }
    }

    fn block(&mut self) -> Result<(), TaskError> {
        self.run.blocks.push_back(self.spill.write(&self.bytes)?);
        self.bytes.clear();
        self.seconds = 0;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Run, TaskError> {
        if !self.bytes.is_empty() {
            self.block()?;
        }
        Ok(self.run)
    }
}

/// Events in order.
pub(super) enum Source {
    /// In memory.
    Held { bytes: Vec<u8>, places: std::vec::IntoIter<Place> },
    /// In the file; `next` lies in `bytes`, and what follows it begins at `at`.
    Run { reader: BlockReader, blocks: VecDeque<Block>, bytes: Vec<u8>, at: usize, next: Option<Place> },
}

impl Source {
    pub(super) fn peek(&self) -> Option<Packed<'_>> {
        match self {
            Self::Held { bytes, places } => places.as_slice().first().map(|place| place.of(bytes)),
            Self::Run { bytes, next, .. } => next.map(|place| place.of(bytes)),
        }
    }

    pub(super) fn pass(&mut self) -> Result<(), TaskError> {
        match self {
            Self::Held { places, .. } => {
                places.next();
            }
            Self::Run { reader, blocks, bytes, at, next } => {
                let mut last = next.take().map_or(0, |place| place.seconds);
                if *at >= bytes.len() {
                    let Some(block) = blocks.pop_front() else { return Ok(()) };
                    *bytes = reader.read(block)?;
                    (*at, last) = (0, 0);
                }
                let mut rest = &bytes[*at..];
                let (seconds, len) = (varint::take(&mut rest), varint::take(&mut rest));
                let (start, room) = (bytes.len() - rest.len(), rest.len() as u64);
                let (Some(seconds), Some(len)) = (seconds, len.filter(|len| *len <= room)) else {
                    return Err(failed("what was written does not come back"));
                };
                let seconds = last.wrapping_add(seconds);
                let place = Place { seconds, start: start as u32, len: len as u32 };
                *at = start + len as usize;
                *next = Some(place);
            }
        }
        Ok(())
    }
}

/// Several sources as one. Events of different runs are mostly of different times, so the order of sources, by their
/// next events, hardly changes.
#[derive(Default)]
pub(super) struct Merge {
    /// In order, the next event last.
    pub(super) sources: Vec<Source>,
}

impl Merge {
    pub(super) fn open(spill: &Spill, runs: Vec<Run>) -> Result<Self, TaskError> {
        let open = |run: Run| {
            let (bytes, blocks) = (Vec::new(), run.blocks);
            let mut source = Source::Run { reader: spill.reader()?, blocks, bytes, at: 0, next: None };
            source.pass()?;
            Ok(source)
        };
        Ok(Self { sources: runs.into_iter().map(open).collect::<Result<_, _>>()? })
    }

    pub(super) fn start(&mut self, names: &Names) {
        self.sources.retain(|source| source.peek().is_some());
        self.sources.sort_by(|one, other| match (one.peek(), other.peek()) {
            (Some(one), Some(other)) => other.compare(one, names),
            _ => Ordering::Equal,
        });
    }

    pub(super) fn peek(&self) -> Option<Packed<'_>> {
        self.sources.last()?.peek()
    }

    /// Passes over the next event.
    pub(super) fn pass(&mut self, names: &Names) -> Result<(), TaskError> {
        let Some(first) = self.sources.last_mut() else { return Ok(()) };
        first.pass()?;
        let mut place = self.sources.len() - 1;
        let Some(next) = self.sources[place].peek() else {
            self.sources.pop();
            return Ok(());
        };
        let is_behind =
            |place: usize| self.sources[place].peek().is_some_and(|other| next.compare(other, names).is_gt());
        while place > 0 && is_behind(place - 1) {
            place -= 1;
        }
        self.sources[place..].rotate_right(1);
        Ok(())
    }
}
