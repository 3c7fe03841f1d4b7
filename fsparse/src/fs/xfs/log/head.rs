//! Where the log's writer stood: the block where the number of the pass drops.
//!
//! Every 512-byte block of the log starts with the number of the pass ("cycle") that wrote it. The drop is
//! found by looking at blocks spread over the log, then at all between two that differ and at those before them:
//! two rounds, however long the log is.

use super::record::cycle;
use crate::machine::{Fetched, Requests};
use coldread_model::ByteRange;

/// How many blocks are looked at first.
const SAMPLES: std::ops::RangeInclusive<u64> = 64..=512;
/// Blocks that may lie between two of them, as far as that many are enough.
const APART: u64 = 2048;
/// Blocks of a request.
const PIECE: u64 = 4096;

/// Where the drop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// Nothing was ever written.
    Empty,
    /// Blocks before this one were written in pass `cycle`, those from it on in the one before.
    At { block: u64, cycle: u32 },
}

enum Step {
    /// Narrowing down where the number of the pass changes.
    Sample,
    /// Reading every block between two that differ, and those before.
    Bracket,
}

/// Finds the drop.
pub(super) struct HeadSearch {
    log: ByteRange,
    step: Step,
    outstanding: u32,
    /// Pass of the first block, once known.
    first: u32,
    /// The head lies above `low` and not above `high`.
    low: u64,
    high: u64,
    samples: Vec<(u64, u32)>,
    /// Blocks before the head to be read with it.
    before: u64,
    /// What was read around the head: first block, bytes.
    held: Vec<(u64, Vec<u8>)>,
}

impl HeadSearch {
    /// For a log of at least one block of 512 bytes; `before` blocks before the head are read with it.
    pub(super) fn new(log: ByteRange, before: u64) -> Self {
        Self {
            log,
            step: Step::Sample,
            outstanding: 0,
            first: 0,
            low: 0,
            high: log.len >> 9,
            samples: Vec::new(),
            before: before.min(log.len >> 9),
            held: Vec::new(),
        }
    }

    fn blocks(&self) -> u64 {
        self.log.len >> 9
    }

    fn ask(&mut self, block: u64, count: u64, ask: &mut Requests) {
        self.outstanding += 1;
        ask.push(block, ByteRange::new(self.log.start + (block << 9), count << 9));
    }

    /// Asks for the first block, the last, and some between.
    pub(super) fn start(&mut self, ask: &mut Requests) {
        let blocks = self.blocks();
        self.ask(0, 1, ask);
        if blocks > 1 {
            self.ask(blocks - 1, 1, ask);
        }
        let parts = (blocks / APART).clamp(*SAMPLES.start(), *SAMPLES.end()).min(blocks);
        for part in 1..parts {
            self.ask(blocks * part / parts, 1, ask);
        }
    }

    /// Asks for every block where the head may be, and for those before it, around the log's end if need be.
    fn bracket(&mut self, ask: &mut Requests) {
        self.step = Step::Bracket;
        let start = (self.low + 1).saturating_sub(self.before);
        let around = self.before.saturating_sub(self.low + 1);
        for (start, end) in [(self.blocks() - around, self.blocks()), (start, self.high)] {
            for first in (start..end).step_by(PIECE as usize) {
                self.ask(first, PIECE.min(end - first), ask);
            }
        }
    }

    /// Takes an answer, whose tag is its first block; hands back the drop once it is known.
    pub(super) fn feed(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) -> Option<Head> {
        self.outstanding = self.outstanding.saturating_sub(1);
        match self.step {
            Step::Sample => self.samples.push((fetched.tag, cycle(fetched.bytes))),
            Step::Bracket => self.held.push((fetched.tag, fetched.bytes.to_vec())),
        }
        if self.outstanding > 0 {
            return None;
        }
        if matches!(self.step, Step::Sample) {
            self.samples.sort_unstable();
            self.first = self.samples.first().map_or(0, |&(_, cycle)| cycle);
            if self.first == 0 {
                return Some(Head::Empty);
            }
            let differs = self.samples.iter().position(|&(_, cycle)| cycle != self.first);
            let end = differs.unwrap_or(self.samples.len());
            self.high = self.samples.get(end).map_or(self.high, |&(block, _)| block);
            self.low = end.checked_sub(1).map_or(0, |last| self.samples[last].0);
            self.bracket(ask);
            return None;
        }
        let drop = (self.low + 1..self.high).find(|&block| self.held(block).map(cycle) != Some(self.first));
        Some(Head::At { block: drop.unwrap_or(self.high), cycle: self.first })
    }

    /// A block around the head.
    fn held(&self, block: u64) -> Option<&[u8]> {
        self.held.iter().find_map(|(first, bytes)| {
            let at = usize::try_from(block.checked_sub(*first)?).ok()?.checked_mul(512)?;
            bytes.get(at..at + 512)
        })
    }

    /// Whether `count` blocks from `block` on were read around the head; hands each to `take`.
    pub(super) fn copy(&self, block: u64, count: u64, mut take: impl FnMut(u64, &[u8])) -> bool {
        (block..block + count).all(|block| self.held(block).map(|bytes| take(block, bytes)).is_some())
    }
}
