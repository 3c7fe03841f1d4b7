//! The log: whether it ends with an unmount record, and what it changes if not.
//!
//! "XFS Algorithms & Data Structures", 3rd edition, "Journaling Log"; the rules of recovery are those of
//! Linux' `xfs_log_recover.c` and the `*_item_recover.c` beside it. Rounds: where the writer stood
//! ([`head`]), the log's end ([`end`]), all records between tail and head ([`stream`], [`record`]), whose
//! operations make up transactions ([`transaction`]) of items ([`item`]) that come down to the last writer
//! of every place ([`merge`]); then those places, to which the changes are applied ([`patch`], [`apply`]).

mod apply;
mod end;
mod head;
mod intent;
mod item;
mod le;
mod merge;
mod patch;
mod record;
mod stream;
mod transaction;

use super::{extent::Remap, geometry::Geometry};
use crate::machine::{Fetched, Requests};
use coldread_model::{ByteRange, Gap, GapKind, VolumeState, task::Patch};
use end::{CAREFUL, End, QUICK, Window};
use head::{Head, HeadSearch};
use merge::Merge;
use patch::Patches;
use stream::Stream;
use transaction::Transactions;

pub(super) const STRUCTURE: &str = "XFS log";
/// No log is longer.
const MAX_LOG_BYTES: u64 = 2 << 30;
/// Blocks of a request.
const PIECE: u64 = 2048;

/// Why the log is not replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    kind: GapKind,
    at: Option<u64>,
    reason: String,
}

impl Fault {
    fn new(kind: GapKind, reason: impl Into<String>) -> Self {
        Self { kind, at: None, reason: reason.into() }
    }

    fn corrupt(reason: impl Into<String>) -> Self {
        Self::new(GapKind::Corrupt, reason)
    }

    fn unsupported(reason: impl Into<String>) -> Self {
        Self::new(GapKind::Unsupported, reason)
    }

    fn unreplayed(reason: impl Into<String>) -> Self {
        Self::new(GapKind::Unreplayed, reason)
    }

    fn limit(reason: impl Into<String>) -> Self {
        Self::new(GapKind::Limit, reason)
    }

    fn unread(at: u64, reason: impl Into<String>) -> Self {
        Self { at: Some(at), ..Self::new(GapKind::Io, reason) }
    }

    fn to_gap(&self) -> Gap {
        let gap = Gap::new(self.kind, STRUCTURE, self.reason.clone());
        match self.at {
            Some(at) => gap.at_byte(at),
            None => gap,
        }
    }
}

/// What of the volume the replay must know.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) geometry: Geometry,
    pub(super) volume_bytes: u64,
    /// The UUID that the log carries.
    pub(super) uuid: [u8; 16],
    /// Metadata carries another UUID.
    pub(super) meta_uuid: bool,
}

impl Shape {
    /// Room for at most `most` blocks of the log before a drop of the pass number.
    fn window(&self, (block, cycle): (u64, u32), most: u64) -> Window {
        Window::new(self.geometry.log.len >> 9, block, cycle, most, self.uuid)
    }
}

/// What became of the log.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) state: VolumeState,
    /// Why that state; empty when clean.
    pub(super) reason: String,
    /// Sorted by place, without overlap.
    pub(super) patches: Vec<Patch>,
    pub(super) gaps: Vec<Gap>,
    /// What the kernel does when it finishes what the log left open.
    pub(super) unfinished: Unfinished,
}

/// What the kernel does when it finishes what the log left open.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// Blocks that become free.
    pub(super) freed: Vec<ByteRange>,
    /// Changes of block maps, in order.
    pub(super) remaps: Vec<Remap>,
    /// Inodes that become owners of the blocks of their forks' trees, by number.
    pub(super) owners: Vec<u64>,
}

impl Outcome {
    /// Nothing is applied.
    pub(super) fn unreplayed(reason: String, gaps: Vec<Gap>) -> Self {
        let (patches, unfinished) = (Vec::new(), Unfinished::default());
        Self { state: VolumeState::Unreplayed, reason, patches, gaps, unfinished }
    }
}

enum Step {
    Head(HeadSearch),
    Window { window: Window, outstanding: usize },
    Stream { stream: Stream, transactions: Transactions, merge: Box<Merge> },
    Blocks(Patches),
    Clean,
    Refused(Fault),
}

/// Reads and applies the log of one volume.
pub(super) struct Replay {
    shape: Shape,
    log: ByteRange,
    step: Step,
    /// Known once the log was read.
    transactions: u64,
    gaps: Vec<Gap>,
    unfinished: Unfinished,
}

impl Replay {
    /// For a volume whose log is inside it.
    pub(super) fn new(shape: Shape) -> Self {
        let log = shape.geometry.log;
        let step = if log.len < 512 {
            Step::Refused(Fault::corrupt("the log has no blocks"))
        } else if log.len > MAX_LOG_BYTES {
            Step::Refused(Fault::limit(format!("a log of {} bytes", log.len)))
        } else {
            Step::Head(HeadSearch::new(log, QUICK))
        };
        Self { shape, log, step, transactions: 0, gaps: Vec::new(), unfinished: Unfinished::default() }
    }

    pub(super) fn start(&mut self, ask: &mut Requests) {
        if let Step::Head(search) = &mut self.step {
            search.start(ask);
        }
    }

    /// Takes an answer.
    pub(super) fn feed(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) {
        if let Err(fault) = self.advance(fetched, ask) {
            self.step = Step::Refused(fault);
        }
    }

    fn advance(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) -> Result<(), Fault> {
        if let (Some((bad, error)), Step::Head(_) | Step::Window { .. }) = (fetched.bad.first(), &self.step) {
            return Err(Fault::unread(bad.start, error.to_string()));
        }
        match &mut self.step {
            Step::Head(search) => match search.feed(fetched, ask) {
                Some(Head::Empty) => self.step = Step::Clean,
                Some(Head::At { block, cycle }) => {
                    // An unmount record right before the drop ends most logs, and is at hand already.
                    let mut quick = self.shape.window((block, cycle), QUICK);
                    let runs = quick.runs(PIECE);
                    let whole = runs
                        .iter()
                        .all(|&(block, count)| search.copy(block, count, |at, bytes| quick.fill(at, bytes)));
                    if whole && quick.is_clean() {
                        self.step = Step::Clean;
                        return Ok(());
                    }
                    let window = self.shape.window((block, cycle), CAREFUL);
                    let runs = window.runs(PIECE);
                    for &(block, count) in &runs {
                        ask.push(block, ByteRange::new(self.log.start + (block << 9), count << 9));
                    }
                    self.step = Step::Window { window, outstanding: runs.len() };
                }
                None => {}
            },
            Step::Window { window, outstanding } => {
                window.fill(fetched.tag, fetched.bytes);
                *outstanding -= 1;
                if *outstanding > 0 {
                    return Ok(());
                }
                match window.judge()? {
                    End::Clean => self.step = Step::Clean,
                    End::Dirty { tail, head } => {
                        let mut stream = Stream::new(self.log, tail, head);
                        stream.ask(ask);
                        let merge = Box::new(Merge::new(self.shape.clone()));
                        self.step = Step::Stream { stream, transactions: Transactions::default(), merge };
                    }
                }
            }
            Step::Stream { .. } => self.records(fetched, ask)?,
            Step::Blocks(patches) => patches.feed(&self.shape, fetched),
            Step::Clean | Step::Refused(_) => {}
        }
        Ok(())
    }

    /// Takes the records that an answer completes.
    fn records(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) -> Result<(), Fault> {
        let Step::Stream { stream, transactions, merge } = &mut self.step else { return Ok(()) };
        stream.feed(fetched)?;
        loop {
            match stream.next(&self.shape) {
                Ok(Some(record)) => {
                    let mut commit = |done| merge.commit(done);
                    let (lsn, operations) = (record.header.lsn, record.header.operations);
                    transactions.record(lsn, operations, &record.data, &mut commit)?;
                }
                Ok(None) => break,
                Err(damage) if damage.run_over => {
                    *transactions = Transactions::default();
                    **merge = Merge::new(self.shape.clone());
                    if !stream.skip_damage() {
                        return Err(damage.fault);
                    }
                }
                Err(damage) => return Err(damage.fault),
            }
        }
        if !stream.is_done() {
            stream.ask(ask);
            return Ok(());
        }
        let merge = std::mem::replace(&mut **merge, Merge::new(self.shape.clone()));
        self.transactions = merge.transactions;
        let (changes, intents, gaps) = merge.into_changes();
        self.gaps = gaps;
        let (unfinished, untold) = intents.finish(&self.shape);
        self.gaps.extend(untold);
        self.unfinished = unfinished;
        let patches = Patches::new(changes)?;
        patches.ask(ask);
        self.step = Step::Blocks(patches);
        Ok(())
    }

    /// What became of the log. Called once nothing is outstanding.
    pub(super) fn finish(self) -> Outcome {
        let refused = |fault: Fault, log: ByteRange| {
            let reason = match fault.kind {
                GapKind::Io => format!("the log could not be read: {}", fault.reason),
                _ => format!("the log is not replayed: {}", fault.reason),
            };
            let gap = fault.to_gap();
            Outcome::unreplayed(reason, vec![if fault.at.is_some() { gap } else { gap.at_byte(log.start) }])
        };
        match self.step {
            Step::Clean => Outcome {
                state: VolumeState::Clean,
                reason: String::new(),
                patches: Vec::new(),
                gaps: Vec::new(),
                unfinished: Unfinished::default(),
            },
            Step::Blocks(patches) => {
                let mut gaps = self.gaps;
                gaps.extend(patches.gaps.finish(STRUCTURE));
                let mut patches = patches.done;
                patches.sort_unstable_by_key(|patch| patch.at);
                let applied = format!("{} transactions of the log applied", self.transactions);
                let (state, reason) = if gaps.is_empty() {
                    (VolumeState::Replayed, applied)
                } else {
                    let reason = format!("{applied}; {} changes could not be", gaps.len());
                    (VolumeState::Partial, reason)
                };
                Outcome { state, reason, patches, gaps, unfinished: self.unfinished }
            }
            Step::Refused(fault) => refused(fault, self.log),
            _ => refused(Fault::corrupt("the log's end was not reached"), self.log),
        }
    }
}
