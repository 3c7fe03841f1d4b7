//! Login events on their way through the joiner to the store.
//!
//! Most of an attacked server's events are joined to nothing. They stay packed from where they were sorted to their row;
//! only the others are made.

mod queue;

use super::{
    collect::Batches,
    events::{EventSorter, Known, Packed, SortedEvents},
};
use crate::tasks::{Job, TaskError};
use coldread_artifacts::logins::joiner::{Joiner, Seen};
use coldread_model::{
    LoginEvent, LoginKind, LoginsRef, RowsRef, Timestamp,
    rows::{self, Row},
};
use queue::Queue;

/// Events that are ready before the joiner is asked what can be written: few enough that they are still in the
/// processor's caches then.
const AT_ONCE: usize = 512;
/// Events that are near at once: of a flood of more the first leave early.
const MAX_NEAR: usize = 32_768;
/// Bytes of them, likewise.
const NEAR_BYTES: usize = 16 << 20;
/// Bytes of events that wait in memory for others that the joiner holds.
const WAITING_BYTES: usize = 16 << 20;
/// Bytes of more of them before they go to a file.
const BEYOND_BYTES: usize = 24 << 20;

/// Sends events through the joiner and writes what it gives, in order: an event is written as soon as none can come
/// that goes before it.
pub(super) fn write(
    mut events: SortedEvents,
    joiner: &mut dyn Joiner,
    job: &Job<'_>,
) -> Result<Vec<LoginsRef>, TaskError> {
    let known = events.names().clone();
    let mut out = Ordered::new(job, known.clone());
    let mut near = Near::default();
    let mut number = 0;
    while let Some(event) = events.peek() {
        number += 1;
        let seen = known.see(number, event)?;
        near.push(seen, event.bytes());
        events.pass()?;
        joiner.comes(&seen, near.front().map_or(number, |first| first.number));
        while is_flood(&near) || near.front().is_some_and(|first| first.is_far_from(seen.time)) {
            out.leave(&mut near, joiner)?;
        }
        if out.is_to_look() {
            // Of what comes later none is of before the first event that is near.
            let first = near.front().map_or(seen.time, |first| first.time);
            if let Some(time) = first {
                joiner.settle(time, &mut |event| out.take(event));
            }
            match joiner.holds_from() {
                Some(held) => out.advance(first.min(Some(held)))?,
                None => out.write_all()?,
            }
        }
    }
    while near.len() > 0 {
        out.leave(&mut near, joiner)?;
    }
    let mut put = Ok(());
    joiner.finish(&mut |event| {
        out.take(event);
        if out.is_to_look() && put.is_ok() {
            put = out.put_beyond(out.joined.len(), out.alone.len());
        }
    });
    put?;
    out.finish()
}

/// Events that others may be joined to that are still to come.
type Near = Queue<Seen>;

/// Whether more are near than may be at once.
fn is_flood(near: &Near) -> bool {
    near.len() > MAX_NEAR || near.bytes() > NEAR_BYTES
}

/// Brings events into order that come nearly so.
struct Ordered<'j> {
    known: Known,
    /// What came from the joiner.
    #[allow(clippy::vec_box)] // they come and go boxed, and sorting moves pointers alone
    joined: Vec<Box<LoginEvent>>,
    /// Their bytes, about.
    joined_bytes: usize,
    /// What is joined to nothing, in order.
    alone: Queue<Option<Timestamp>>,
    /// Whether nothing is known to wait here or in the joiner: what leaves then and is joined to nothing is written at
    /// once.
    is_direct: bool,
    /// How many wait when the next look is taken at what can be written.
    ask_at: usize,
    /// Where more wait than memory should hold: most of them, and the time of their last.
    beyond: Option<EventSorter>,
    last_beyond: Option<Timestamp>,
    out: Written<'j>,
}

impl<'j> Ordered<'j> {
    fn new(job: &'j Job<'j>, known: Known) -> Self {
        Self {
            known,
            joined: Vec::new(),
            joined_bytes: 0,
            alone: Queue::default(),
            is_direct: false,
            ask_at: AT_ONCE,
            beyond: None,
            last_beyond: None,
            out: Written {
                batches: Batches::new(job),
                next: Tally::default(),
                written: Vec::new(),
                known: None,
            },
        }
    }

    fn ready(&self) -> usize {
        self.joined.len() + self.alone.len()
    }

    fn bytes(&self) -> usize {
        self.joined_bytes + self.alone.bytes()
    }

    /// Whether to look at what can be written.
    fn is_to_look(&self) -> bool {
        self.ready() >= self.ask_at || self.bytes() >= WAITING_BYTES
    }

    /// Takes what comes from the joiner.
    fn take(&mut self, event: Box<LoginEvent>) {
        self.joined_bytes += event.weight();
        self.joined.push(event);
    }

    /// Takes the first event of those that are near.
    fn leave(&mut self, near: &mut Near, joiner: &mut dyn Joiner) -> Result<(), TaskError> {
        if let Some((seen, event)) = near.first() {
            if !joiner.leaves(seen) {
                self.is_direct = false;
                let event = self.known.unpack(Packed::at(seen.time, event))?;
                joiner.push(event, &mut |event| self.take(event));
            } else if self.is_direct {
                self.out.push_packed(Packed::at(seen.time, event), &self.known)?;
            } else {
                self.alone.push(seen.time, event);
            }
        }
        near.pop();
        Ok(())
    }

    /// Writes events of before `bound`.
    fn advance(&mut self, bound: Option<Timestamp>) -> Result<(), TaskError> {
        // Most come in order, which a stable sort finds.
        self.joined.sort();
        let joined = self.joined.partition_point(|event| event.time < bound);
        let alone = self.alone.before(|time| *time < bound);
        if self.beyond.is_none() {
            self.write(joined, alone)?;
        } else if self.last_beyond < bound {
            self.put_beyond(joined, alone)?;
            self.empty_beyond()?;
        }
        if self.bytes() >= WAITING_BYTES {
            self.put_beyond(self.joined.len(), self.alone.len())?;
        }
        self.ask_at = 2 * self.ready() + AT_ONCE;
        Ok(())
    }

    /// Writes the first so many of what waits, in order: of those from the joiner, which are sorted, and of the others.
    fn write(&mut self, joined: usize, alone: usize) -> Result<(), TaskError> {
        let mut left = alone;
        for event in self.joined.drain(..joined) {
            self.joined_bytes -= event.weight();
            while left > 0
                && let Some((&time, other)) = self.alone.first()
                && (time < event.time
                    || time == event.time && *self.known.unpack(Packed::at(time, other))? < *event)
            {
                self.out.push_packed(Packed::at(time, other), &self.known)?;
                self.alone.pop();
                left -= 1;
            }
            self.out.push(&event)?;
        }
        for _ in 0..left {
            if let Some((&time, event)) = self.alone.first() {
                self.out.push_packed(Packed::at(time, event), &self.known)?;
            }
            self.alone.pop();
        }
        Ok(())
    }

    /// Puts the first so many of what waits beyond memory.
    fn put_beyond(&mut self, joined: usize, alone: usize) -> Result<(), TaskError> {
        let beyond = self.beyond.get_or_insert_with(|| self.known.sorter(BEYOND_BYTES));
        for event in self.joined.drain(..joined) {
            self.joined_bytes -= event.weight();
            self.last_beyond = self.last_beyond.max(event.time);
            beyond.push(&event)?;
        }
        for _ in 0..alone {
            if let Some((&time, event)) = self.alone.first() {
                self.last_beyond = self.last_beyond.max(time);
                beyond.push_packed(Packed::at(time, event))?;
            }
            self.alone.pop();
        }
        Ok(())
    }

    fn empty_beyond(&mut self) -> Result<(), TaskError> {
        if let Some(beyond) = self.beyond.take() {
            let mut events = beyond.sorted()?;
            let known = events.names().clone();
            while let Some(event) = events.peek() {
                self.out.push_packed(event, &known)?;
                events.pass()?;
            }
        }
        self.last_beyond = None;
        Ok(())
    }

    /// Writes all that waits: the joiner holds nothing, and what it is given from now on goes after all of it.
    fn write_all(&mut self) -> Result<(), TaskError> {
        let (joined, alone) = (self.joined.len(), self.alone.len());
        if self.beyond.is_none() {
            self.joined.sort();
            self.write(joined, alone)?;
        } else {
            self.put_beyond(joined, alone)?;
            self.empty_beyond()?;
        }
        self.ask_at = AT_ONCE;
        self.is_direct = true;
        Ok(())
    }

    /// Writes the rest.
    fn finish(mut self) -> Result<Vec<LoginsRef>, TaskError> {
        self.write_all()?;
        self.out.finish()
    }
}

/// Batches that were written, with what their references say.
struct Written<'j> {
    batches: Batches<'j, LoginEvent>,
    next: Tally,
    written: Vec<LoginsRef>,
    /// What the last packed event was read with.
    known: Option<Known>,
}

impl Written<'_> {
    // Equal rows are kept: a log may say the same twice, and each counts.
    fn push(&mut self, event: &LoginEvent) -> Result<(), TaskError> {
        self.next.add(event.time, event.kind);
        let batch = self.batches.push(event)?;
        self.end(batch);
        Ok(())
    }

    /// The same for a packed event.
    fn push_packed(&mut self, event: Packed<'_>, known: &Known) -> Result<(), TaskError> {
        let next = &mut self.next;
        let is_other = self.known.as_ref().is_none_or(|last| !last.is(known));
        if is_other {
            self.known = Some(known.clone());
        }
        let batch = self.batches.push_written(|writer, bytes| {
            if is_other {
                // Its numbers may mean something else.
                writer.like = None;
            }
            let (time, kind, hash) = known.write_row(event, writer, bytes)?;
            next.add(time, kind);
            Ok(hash)
        })?;
        self.end(batch);
        Ok(())
    }

    fn end(&mut self, batch: Option<RowsRef>) {
        if let Some(batch) = batch {
            self.written.push(std::mem::take(&mut self.next).of(batch));
        }
    }

    fn finish(mut self) -> Result<Vec<LoginsRef>, TaskError> {
        let batch = self.batches.finish()?;
        self.end(batch);
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
    fn add(&mut self, time: Option<Timestamp>, kind: LoginKind) {
        self.failed += u32::from(rows::is_failed(kind));
        if let Some(time) = time {
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
    }

    fn of(self, batch: RowsRef) -> LoginsRef {
        LoginsRef { batch, failed: self.failed, span: self.span }
    }
}
