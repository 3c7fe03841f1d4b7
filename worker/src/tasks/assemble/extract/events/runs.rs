//! Sorted runs of packed events, in a file and in memory, and their merging.

use super::{
    super::spill::{Block, BlockReader, Spill, failed},
    names::Names,
    packed::{self, Packed},
};
use crate::tasks::TaskError;
use coldread_model::varint;
use std::{borrow::Cow, cmp::Ordering, collections::VecDeque};

/// Runs of one level that are merged into one of the next.
pub(super) const FAN_IN: usize = 16;
/// Bytes of a block before compression.
const BLOCK_BYTES: usize = 64 << 10;

/// Where a packed event begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) seconds: u64,
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Start {
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
    /// The block that is being filled ([`put_event`]).
    bytes: Vec<u8>,
    seconds: u64,
}

impl<'a> RunWriter<'a> {
    pub(super) fn new(spill: &'a mut Spill, level: u32) -> Self {
        let bytes = Vec::with_capacity(BLOCK_BYTES + 1024);
        Self { spill, run: Run { level, blocks: VecDeque::new() }, bytes, seconds: 0 }
    }

    pub(super) fn push(&mut self, event: Packed<'_>) -> Result<(), TaskError> {
        let difference = event.seconds.wrapping_sub(self.seconds);
        put_event(difference, &mut self.bytes, |out| out.extend_from_slice(event.bytes));
        self.seconds = event.seconds;
        if self.bytes.len() >= BLOCK_BYTES { self.block() } else { Ok(()) }
    }

    fn block(&mut self) -> Result<(), TaskError> {
        self.run.blocks.push_back(self.spill.write(&self.bytes)?);
        self.bytes.clear();
        self.seconds = 0;
        Ok(())
    }

    /// The run, if any event was written.
    pub(super) fn finish(mut self) -> Result<Option<Run>, TaskError> {
        if !self.bytes.is_empty() {
            self.block()?;
        }
        Ok((!self.run.blocks.is_empty()).then_some(self.run))
    }
}

/// Appends an event to others in order: the difference of its seconds to the last one's, its length, and the bytes that
/// `pack` appends. Gives where these begin.
#[inline]
pub(super) fn put_event(difference: u64, bytes: &mut Vec<u8>, pack: impl FnOnce(&mut Vec<u8>)) -> usize {
    varint::put(difference, bytes);
    // Most lengths take the byte that is left for them.
    let at = bytes.len();
    bytes.push(0);
    pack(bytes);
    let len = bytes.len() - at - 1;
    bytes[at] = len as u8;
    if len < 0x80 { at + 1 } else { put_length(len, at, bytes) }
}

/// The same for a longer length.
#[cold]
fn put_length(len: usize, at: usize, bytes: &mut Vec<u8>) -> usize {
    let end = bytes.len();
    varint::put(len as u64, bytes);
    let more = bytes.len() - end;
    bytes[at..].rotate_right(more);
    // The byte that was left lies behind the length now.
    bytes.remove(at + more);
    at + more
}

/// Events in order.
pub(super) enum Source<'a> {
    /// In memory, found by their starts, of which this one is next.
    Loose { bytes: Cow<'a, [u8]>, starts: Cow<'a, [Start]>, next: usize },
    /// One behind the other.
    Run(RunReader<'a>),
}

/// Reads events that lie one behind the other, in memory or in blocks of the file.
pub(super) struct RunReader<'a> {
    /// What reads blocks, and those that are still to be read.
    blocks: Option<(BlockReader, VecDeque<Block>)>,
    bytes: Cow<'a, [u8]>,
    /// Where the event behind the next one begins.
    at: usize,
    /// The seconds of the last event.
    seconds: u64,
    next: Option<Start>,
}

impl RunReader<'_> {
    /// Goes on to the next event.
    fn pass(&mut self) -> Result<(), TaskError> {
        if self.at >= self.bytes.len() {
            self.next = None;
            let Some((reader, blocks)) = &mut self.blocks else { return Ok(()) };
            let Some(block) = blocks.pop_front() else { return Ok(()) };
            self.bytes = reader.read(block)?.into();
            (self.at, self.seconds) = (0, 0);
        }
        let mut rest = &self.bytes[self.at..];
        let (difference, len) = (varint::take(&mut rest), varint::take(&mut rest));
        let (start, room) = (self.bytes.len() - rest.len(), rest.len() as u64);
        let (Some(difference), Some(len)) = (difference, len.filter(|len| *len <= room)) else {
            return Err(failed("what was written does not come back"));
        };
        self.seconds = self.seconds.wrapping_add(difference);
        self.at = start + len as usize;
        self.next = Some(Start { seconds: self.seconds, start: start as u32, len: len as u32 });
        Ok(())
    }
}

impl<'a> Source<'a> {
    /// Of events in memory, the first one's seconds being told as a difference to these.
    pub(super) fn sequence(bytes: Cow<'a, [u8]>, seconds: u64) -> Self {
        Self::Run(RunReader { blocks: None, bytes, at: 0, seconds, next: None })
    }

    fn peek(&self) -> Option<Packed<'_>> {
        match self {
            Self::Loose { bytes, starts, next } => starts.get(*next).map(|start| start.of(bytes)),
            Self::Run(run) => run.next.map(|start| start.of(&run.bytes)),
        }
    }

    fn pass(&mut self) -> Result<(), TaskError> {
        match self {
            Self::Loose { next, .. } => *next += 1,
            Self::Run(run) => run.pass()?,
        }
        Ok(())
    }
}

/// Several sources as one. Events of different runs are mostly of different times, so the order of sources, by their
/// next events, hardly changes.
pub(super) struct Merge<'a> {
    /// In order, the next event last.
    sources: Vec<Source<'a>>,
}

impl<'a> Merge<'a> {
    /// Of runs in the file and of sources in memory.
    pub(super) fn new(
        spill: Option<&Spill>,
        runs: Vec<Run>,
        held: Vec<Source<'a>>,
        names: &Names,
    ) -> Result<Self, TaskError> {
        let mut sources = held;
        for run in runs {
            let Some(spill) = spill else { return Err(failed("nothing was written")) };
            let (blocks, bytes) = (Some((spill.reader()?, run.blocks)), Cow::Borrowed(&[][..]));
            sources.push(Source::Run(RunReader { blocks, bytes, at: 0, seconds: 0, next: None }));
        }
        for source in &mut sources {
            if let Source::Run(run) = source {
                run.pass()?;
            }
        }
        sources.retain(|source| source.peek().is_some());
        sources.sort_by(|one, other| match (one.peek(), other.peek()) {
            (Some(one), Some(other)) => other.compare(one, names),
            _ => Ordering::Equal,
        });
        Ok(Self { sources })
    }

    /// Gives no more events.
    pub(super) fn clear(&mut self) {
        self.sources.clear();
    }

    pub(super) fn peek(&self) -> Option<Packed<'_>> {
        self.sources.last()?.peek()
    }

    /// Passes over the next event.
    pub(super) fn pass(&mut self, names: &Names) -> Result<(), TaskError> {
        if let Some(first) = self.sources.last_mut() {
            first.pass()?;
        }
        let Some((first, others)) = self.sources.split_last() else { return Ok(()) };
        let Some(next) = first.peek() else {
            self.sources.pop();
            return Ok(());
        };
        let goes_behind =
            |other: &Source<'_>| other.peek().is_some_and(|other| next.compare(other, names).is_gt());
        if others.last().is_some_and(goes_behind) {
            let place = others.partition_point(|other| !goes_behind(other));
            self.sources[place..].rotate_right(1);
        }
        Ok(())
    }
}
