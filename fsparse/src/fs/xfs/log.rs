//! The state of the log: whether it ends with an unmount record.
//!
//! "XFS Algorithms & Data Structures", 3rd edition, "Journaling Log". Every 512-byte block of the log starts
//! with the number of the pass ("cycle") that wrote it; the head is where that number drops. It is found by
//! looking at a few dozen blocks a round, so that a log of 2 GiB takes four rounds and 1 to 2 MiB.

use super::be::Be;
use crate::machine::{Fetched, Requests};
use coldread_model::ByteRange;

pub(super) const STRUCTURE: &str = "XFS log";
const RECORD_MAGIC: u32 = 0xfeed_babe;
/// Blocks looked at in a round.
const SAMPLES: u64 = 64;
/// Blocks read at once where the head or the last record is known to be among them.
const WINDOW: u64 = 2048;
/// Bytes of a record that one header block describes.
const BYTES_A_HEADER: u32 = 32 << 10;
const UNMOUNT: u8 = 0x20;

/// What the log's end says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LogState {
    /// It ends with an unmount record, or was never written.
    Clean,
    /// It holds changes that may not have reached their places, or cannot be judged.
    Dirty(String),
    /// It could not be read: at which byte, and why.
    Unread(u64, String),
}

enum Step {
    /// Narrowing down where the cycle number changes.
    Sample,
    /// Reading every block between two that differ.
    Bracket,
    /// Reading what ends at the head.
    Tail,
}

/// Finds the head and judges what ends there.
pub(super) struct LogSearch {
    log: ByteRange,
    uuid: [u8; 16],
    blocks: u64,
    step: Step,
    outstanding: u32,
    /// Cycle of the first block, once known.
    first: Option<u32>,
    /// The head lies above `low` and not above `high`.
    low: u64,
    high: u64,
    samples: Vec<(u64, u32)>,
    window: Vec<u8>,
    verdict: Option<LogState>,
}

impl LogSearch {
    /// For a log of whole 512-byte blocks.
    pub(super) fn new(log: ByteRange, uuid: [u8; 16]) -> Self {
        Self {
            log,
            uuid,
            blocks: log.len >> 9,
            step: Step::Sample,
            outstanding: 0,
            first: None,
            low: 0,
            high: log.len >> 9,
            samples: Vec::new(),
            window: Vec::new(),
            verdict: None,
        }
    }

    /// The judgement; dirty until one was reached.
    pub(super) fn verdict(self) -> LogState {
        self.verdict.unwrap_or_else(|| LogState::Dirty("the log's head was not found".to_owned()))
    }

    fn ask(&mut self, block: u64, count: u64, ask: &mut Requests) {
        self.outstanding += 1;
        ask.push(block, ByteRange::new(self.log.start + (block << 9), count << 9));
    }

    pub(super) fn start(&mut self, ask: &mut Requests) {
        if self.blocks == 0 {
            self.verdict = Some(LogState::Dirty("the log has no blocks".to_owned()));
            return;
        }
        self.ask(0, 1, ask);
        if self.blocks > 1 {
            self.ask(self.blocks - 1, 1, ask);
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

    /// Takes an answer, whose tag is its first block.
    pub(super) fn feed(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) {
        self.outstanding = self.outstanding.saturating_sub(1);
        if let Some((bad, error)) = fetched.bad.first() {
            self.verdict.get_or_insert(LogState::Unread(bad.start, error.to_string()));
        }
        match self.step {
            Step::Sample => self.samples.push((fetched.tag, cycle(fetched.bytes))),
            Step::Bracket => {
                let cycles = fetched.bytes.chunks_exact(512).map(cycle);
                let before = cycles.take_while(|&found| Some(found) == self.first).count() as u64;
                self.high = self.high.min(fetched.tag + before);
            }
            Step::Tail => {
                let at = if fetched.tag < self.high { self.window.len() - fetched.bytes.len() } else { 0 };
                if let Some(room) = self.window.get_mut(at..at + fetched.bytes.len()) {
                    room.copy_from_slice(fetched.bytes);
                }
            }
        }
        if self.outstanding == 0 && self.verdict.is_none() {
            self.advance(ask);
        }
    }

    fn advance(&mut self, ask: &mut Requests) {
        match self.step {
            Step::Sample => {
                self.samples.sort_unstable();
                let first = *self.first.get_or_insert(self.samples.first().map_or(0, |&(_, cycle)| cycle));
                let changed = self.samples.iter().position(|&(_, cycle)| cycle != first);
                match changed {
                    Some(place) => {
                        self.high = self.samples[place].0;
                        self.low = place.checked_sub(1).map_or(self.low, |before| self.samples[before].0);
                    }
                    None if first == 0 => {
                        self.verdict = Some(LogState::Clean);
                        return;
                    }
                    None => self.low = self.samples.last().map_or(self.low, |&(block, _)| block),
                }
                self.samples.clear();
                if self.high - self.low <= 1 {
                    self.tail(ask);
                } else if self.high - self.low <= WINDOW {
                    self.step = Step::Bracket;
                    self.ask(self.low + 1, self.high - self.low - 1, ask);
                } else {
                    self.sample(ask);
                }
            }
            Step::Bracket => self.tail(ask),
            Step::Tail => self.verdict = Some(self.judge()),
        }
    }

    /// Asks for what ends at the head, which is now `high`, around the log's end if need be.
    fn tail(&mut self, ask: &mut Requests) {
        self.step = Step::Tail;
        let count = WINDOW.min(self.blocks);
        self.window = vec![0; (count << 9) as usize];
        let before = count.min(self.high);
        self.ask(self.high - before, before, ask);
        if before < count {
            self.ask(self.blocks - (count - before), count - before, ask);
        }
    }

    /// Looks for the last record and at what is in it.
    fn judge(&self) -> LogState {
        let dirty = |reason: &str| LogState::Dirty(reason.to_owned());
        let count = self.window.len() / 512;
        let block = |number: usize| Be(self.window.get(number * 512..).unwrap_or_default());
        let Some(start) = (0..count).rev().find(|&number| block(number).u32(0) == RECORD_MAGIC) else {
            return dirty("no record ends at the log's head");
        };
        let header = block(start);
        let (version, len, size) = (header.u32(8), header.u32(12), header.u32(320));
        let headers =
            if version & 2 != 0 && size > BYTES_A_HEADER { size.div_ceil(BYTES_A_HEADER) } else { 1 };
        let uuid = header.uuid(304);
        if uuid != self.uuid && uuid != [0; 16] {
            return dirty("the log belongs to another filesystem");
        }
        let data = start + headers as usize;
        if data + (len as usize).div_ceil(512) != count {
            return dirty("the last record of the log is not whole");
        }
        if header.u32(40) == 1 && block(data).u8(9) & UNMOUNT != 0 {
            LogState::Clean
        } else {
            dirty("the filesystem was not unmounted; its log holds changes")
        }
    }
}

/// The pass that wrote a block.
fn cycle(block: &[u8]) -> u32 {
    let first = Be(block).u32(0);
    if first == RECORD_MAGIC { Be(block).u32(4) } else { first }
}
