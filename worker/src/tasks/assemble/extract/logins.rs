//! Login events on their way through the joiner to the store.

use super::{
    collect::Batches,
    events::{EventSorter, SortedEvents},
};
use crate::tasks::{Job, TaskError};
use coldread_artifacts::logins::joiner::Joiner;
use coldread_model::{
    LoginEvent, LoginsRef, RowsRef, Timestamp,
    rows::{self, Row},
};

/// Events that come from the joiner before it is asked what can be written: few enough that they are still in the
/// processor's caches then.
const AT_ONCE: usize = 512;
/// Bytes of events that wait in memory for others that the joiner holds.
const WAITING_BYTES: usize = 16 << 20;
/// Bytes of more of them before they go to a file.
const BEYOND_BYTES: usize = 24 << 20;

/// Sends events through the joiner and writes what it gives, in order: an event is written as soon as none can come
/// that goes before it.
pub(super) fn write(
    events: SortedEvents,
    joiner: &mut dyn Joiner,
    job: &Job<'_>,
) -> Result<Vec<LoginsRef>, TaskError> {
    let mut out = Ordered::new(job);
    for event in events {
        let event = event?;
        let time = event.time;
        joiner.push(event, &mut |event| out.waiting.push(event));
        if out.waiting.len() >= out.ask_at {
            // Of what comes later none is of before this event's time.
            out.advance(joiner.holds_from().or(time))?;
        }
    }
    let mut put = Ok(());
    joiner.finish(&mut |event| {
        out.waiting.push(event);
        if out.waiting.len() >= out.ask_at && put.is_ok() {
            put = out.put_beyond(out.waiting.len());
        }
    });
    put?;
    out.finish()
}

/// Brings events into order that come nearly so.
struct Ordered<'j> {
    #[allow(clippy::vec_box)] // they come and go boxed, and sorting moves pointers alone
    waiting: Vec<Box<LoginEvent>>,
    /// How many wait when the next look is taken at what can be written.
    ask_at: usize,
    /// Where more wait than memory should hold: most of them, and the time of their last.
    beyond: EventSorter,
    last_beyond: Option<Timestamp>,
    out: Written<'j>,
}

impl<'j> Ordered<'j> {
    fn new(job: &'j Job<'j>) -> Self {
        Self {
            waiting: Vec::new(),
            ask_at: AT_ONCE,
            beyond: EventSorter::new(BEYOND_BYTES),
            last_beyond: None,
            out: Written { batches: Batches::new(job), next: Tally::default(), written: Vec::new() },
        }
    }

    /// Writes events of before `bound`.
    fn advance(&mut self, bound: Option<Timestamp>) -> Result<(), TaskError> {
        // Most come in order, which a stable sort finds.
        self.waiting.sort();
        let ready = self.waiting.partition_point(|event| event.time < bound);
        if self.beyond.is_empty() {
            for event in self.waiting.drain(..ready) {
                self.out.push(&event)?;
            }
        } else if self.last_beyond < bound {
            self.put_beyond(ready)?;
            self.empty_beyond()?;
        }
        if self.waiting.iter().map(|event| event.weight()).sum::<usize>() >= WAITING_BYTES {
            self.put_beyond(self.waiting.len())?;
        }
        self.ask_at = 2 * self.waiting.len() + AT_ONCE;
        Ok(())
    }

    /// Puts the first so many of what waits beyond memory.
    fn put_beyond(&mut self, count: usize) -> Result<(), TaskError> {
        for event in self.waiting.drain(..count) {
            self.last_beyond = self.last_beyond.max(event.time);
            self.beyond.push(&event)?;
        }
        Ok(())
    }

    fn empty_beyond(&mut self) -> Result<(), TaskError> {
        let beyond = std::mem::replace(&mut self.beyond, EventSorter::new(BEYOND_BYTES));
        for event in beyond.sorted()? {
            self.out.push(&*event?)?;
        }
        self.last_beyond = None;
        Ok(())
    }

    /// Writes the rest.
    fn finish(mut self) -> Result<Vec<LoginsRef>, TaskError> {
        if self.beyond.is_empty() {
            self.waiting.sort();
            for event in &self.waiting {
                self.out.push(event)?;
            }
        } else {
            self.put_beyond(self.waiting.len())?;
            self.empty_beyond()?;
        }
        self.out.finish()
    }
}

/// Batches that were written, with what their references say.
struct Written<'j> {
    batches: Batches<'j, LoginEvent>,
    next: Tally,
    written: Vec<LoginsRef>,
}

impl Written<'_> {
    // Equal rows are kept: a log may say the same twice, and each counts.
    fn push(&mut self, event: &LoginEvent) -> Result<(), TaskError> {
        self.next.add(event);
        if let Some(batch) = self.batches.push(event)? {
            self.written.push(std::mem::take(&mut self.next).of(batch));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<LoginsRef>, TaskError> {
        self.written.extend(self.batches.finish()?.map(|batch| self.next.of(batch)));
        Ok(self.written)
    }
}

/// What a batch's reference says of its events.
#[derive(Default)]
struct Tally {
    failed: u32,
    span: Option<(Timestamp, Timestamp)>,
}

impl Tally {
    fn add(&mut self, event: &LoginEvent) {
        self.failed += u32::from(rows::is_failed(event));
        if let Some(time) = event.time {
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
    }

    fn of(self, batch: RowsRef) -> LoginsRef {
        LoginsRef { batch, failed: self.failed, span: self.span }
    }
}
