//! Where the log's writer stood: the block where the number of the pass drops.
//!
//! Every 512-byte block of the log starts with the number of the pass ("cycle") that wrote it. The drop is
//! found by looking at a few dozen blocks a round, so that a log of 2 GiB takes four rounds.

use super::record::cycle;
use crate::machine::{Fetched, Requests};
use coldread_model::ByteRange;

/// Blocks looked at in a round.
const SAMPLES: u64 = 64;
/// Blocks read at once where the drop is known to be among them.
const WINDOW: u64 = 2048;

/// Where the drop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// Nothing was ever written.
    Empty,
    /// Blocks before this one were written in pass `cycle`, those from it on in the one before.
    At { block: u64, cycle: u32 },
}

enum Step {
    /// Narrowing down where the cycle number changes.
    Sample,
    /// Reading every block between two that differ.
    Bracket,
}

/// Finds the drop.
pub(super) struct HeadSearch {
    log: ByteRange,
    step: Step,
    outstanding: u32,
    /// Cycle of the first block, once known.
    first: Option<u32>,
    /// The head lies above `low` and not above `high`.
    low: u64,
    high: u64,
    samples: Vec<(u64, u32)>,
}

impl HeadSearch {
    /// For a log of at least one block of 512 bytes.
    pub(super) fn new(log: ByteRange) -> Self {
        Self {
            log,
            step: Step::Sample,
            outstanding: 0,
            first: None,
            low: 0,
            high: log.len >> 9,
            samples: Vec::new(),
        }
    }

    fn ask(&mut self, block: u64, count: u64, ask: &mut Requests) {
        self.outstanding += 1;
        ask.push(block, ByteRange::new(self.log.start + (block << 9), count << 9));
    }

    pub(super) fn start(&mut self, ask: &mut Requests) {
        self.ask(0, 1, ask);
        if self.high > 1 {
            self.ask(self.high - 1, 1, ask);
        }
        self.sample(ask);
    }

    /// Asks for blocks spread over what is between `low` and `high`.
    fn sample(&mut self, ask: &mut Requests) {
        let (low, span) = (self.low, self.high - self.low);
        for part in 1..SAMPLES.min(span) {
            self.ask(low + span * part / SAMPLES.min(span), 1, ask);
        }
    }

    /// Takes an answer, whose tag is its first block; hands back the drop once it is known.
    pub(super) fn feed(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) -> Option<Head> {
        self.outstanding = self.outstanding.saturating_sub(1);
        match self.step {
            Step::Sample => self.samples.push((fetched.tag, cycle(fetched.bytes))),
            Step::Bracket => {
                let cycles = fetched.bytes.chunks_exact(512).map(cycle);
                let before = cycles.take_while(|&found| Some(found) == self.first).count() as u64;
                self.high = self.high.min(fetched.tag + before);
            }
        }
        if self.outstanding > 0 {
            return None;
        }
        if matches!(self.step, Step::Sample) {
            self.samples.sort_unstable();
            let first = *self.first.get_or_insert(self.samples.first().map_or(0, |&(_, cycle)| cycle));
            if first == 0 {
                return Some(Head::Empty);
            }
            match self.samples.iter().position(|&(_, cycle)| cycle != first) {
                Some(place) => {
                    self.high = self.samples[place].0;
                    self.low = place.checked_sub(1).map_or(self.low, |before| self.samples[before].0);
                }
                None => self.low = self.samples.last().map_or(self.low, |&(block, _)| block),
            }
            self.samples.clear();
            if self.high - self.low > WINDOW {
                self.sample(ask);
                return None;
            }
            if self.high - self.low > 1 {
                self.step = Step::Bracket;
                self.ask(self.low + 1, self.high - self.low - 1, ask);
                return None;
            }
        }
        Some(Head::At { block: self.high, cycle: self.first.unwrap_or_default() })
    }
}
