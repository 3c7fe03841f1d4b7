//! Sorting login events: attacked servers have millions, more than memory should hold.
//!
//! Events are packed as they come. Those that come in order stay so, the places of others are sorted. Past a bound all go
//! to a file as a sorted run, and the runs are merged. They compare by a few fields of their bytes; only where these are
//! the same, events are made again.

mod fields;
mod held;
mod known;
mod names;
mod packed;
mod place;
mod row;
mod runs;
mod shape;

use super::spill::Spill;
use crate::tasks::TaskError;
use coldread_artifacts::logins::logged::Logged;
use coldread_model::LoginEvent;
use fields::Fields;
use held::Held;
pub(super) use known::Known;
use names::Names;
pub(super) use packed::Packed;
use place::Place;
use runs::{Merge, Run, RunWriter, full_level};
use std::rc::Rc;

/// Takes events in any order.
pub(super) struct EventSorter {
    names: Names,
    held: Held,
    limit: usize,
    runs: Vec<Run>,
    spill: Option<Spill>,
    /// Since when events can be taken back.
    mark: Mark,
}

/// How much there is at a place to which events can be taken back.
#[derive(Debug, Default)]
struct Mark {
    held: held::Mark,
    runs: usize,
}

impl EventSorter {
    /// Holds about so many bytes in memory.
    pub(super) fn new(limit: usize) -> Self {
        Self::with(Names::default(), limit)
    }

    fn with(names: Names, limit: usize) -> Self {
        let (held, mark) = (Held::default(), Mark::default());
        Self { names, held, limit, runs: Vec::new(), spill: None, mark }
    }

    /// Events from here on can be taken back.
    pub(super) fn mark(&mut self) {
        self.mark = Mark { held: self.held.mark(), runs: self.runs.len() };
    }

    /// Takes back the events since the mark. Their room in the file stays taken.
    pub(super) fn take_back(&mut self) {
        self.held.take_back(&self.mark.held);
        self.runs.truncate(self.mark.runs);
    }

    /// Adds an event.
    pub(super) fn push(&mut self, event: &LoginEvent) -> Result<(), TaskError> {
        self.pack(&Fields::of(event))
    }

    /// Adds an event of a log's lines.
    pub(super) fn push_logged(&mut self, event: &Logged<'_>) -> Result<(), TaskError> {
        self.pack(&Fields::of_logged(event, event.place().as_ref()))
    }

    fn pack(&mut self, fields: &Fields<'_>) -> Result<(), TaskError> {
        let place = Place::of(fields, &mut self.names);
        let pack = |names: &mut Names, out: &mut Vec<u8>| packed::pack(fields, names, out);
        self.held.push(packed::seconds(fields.time), place, &mut self.names, pack);
        self.bound()
    }

    /// Adds a packed event of which this one knows the names.
    pub(super) fn push_packed(&mut self, event: Packed<'_>) -> Result<(), TaskError> {
        let place = Place::of_packed(event, &self.names);
        let copy = |_: &mut Names, out: &mut Vec<u8>| out.extend_from_slice(event.bytes);
        self.held.push(event.seconds, place, &mut self.names, copy);
        self.bound()
    }

    fn bound(&mut self) -> Result<(), TaskError> {
        if self.held.bytes() >= self.limit { self.spill() } else { Ok(()) }
    }

    /// Writes all that is held to the file. What can be taken back is in runs of its own, which come last.
    fn spill(&mut self) -> Result<(), TaskError> {
        let mut spill = self.spill.take().map_or_else(Spill::new, Ok)?;
        let mut since = self.runs.split_off(self.mark.runs.min(self.runs.len()));
        let mut before = std::mem::take(&mut self.runs);
        let mark = std::mem::take(&mut self.mark.held);
        self.held.sort(&mark, &self.names);
        for (held, runs) in [(self.held.before(&mark), &mut before), (self.held.since(&mark), &mut since)] {
            runs.extend(self.write(&mut spill, 0, Vec::new(), held)?);
            while let Some(level) = full_level(runs) {
                let full = runs.extract_if(.., |run| run.level == level).collect();
                runs.extend(self.write(&mut spill, level + 1, full, Vec::new())?);
            }
        }
        self.held = Held::default();
        self.mark.runs = before.len();
        before.append(&mut since);
        (self.runs, self.spill) = (before, Some(spill));
        Ok(())
    }

    /// Writes runs and what is held as one run, if there is any of it.
    fn write(
        &self,
        spill: &mut Spill,
        level: u32,
        runs: Vec<Run>,
        held: Vec<runs::Source<'_>>,
    ) -> Result<Option<Run>, TaskError> {
        let mut merge = Merge::new(Some(spill), runs, held, &self.names)?;
        let mut run = RunWriter::new(spill, level);
        while let Some(next) = merge.peek() {
            run.push(next)?;
            merge.pass(&self.names)?;
        }
        run.finish()
    }

    /// All events in order.
    pub(super) fn sorted(self) -> Result<SortedEvents, TaskError> {
        let held = self.held.into_sources(&self.names);
        let merge = Merge::new(self.spill.as_ref(), self.runs, held, &self.names)?;
        Ok(SortedEvents { names: Known(Rc::new(self.names)), merge })
    }
}

/// Sorted events as one sequence.
pub(super) struct SortedEvents {
    names: Known,
    merge: Merge<'static>,
}

impl SortedEvents {
    /// What packed events are read with.
    pub(super) fn names(&self) -> &Known {
        &self.names
    }

    /// The next event, packed.
    pub(super) fn peek(&self) -> Option<Packed<'_>> {
        self.merge.peek()
    }

    /// Passes over the next event; there is none after an error.
    pub(super) fn pass(&mut self) -> Result<(), TaskError> {
        let passed = self.merge.pass(&self.names.0);
        if passed.is_err() {
            self.merge.clear();
        }
        passed
    }
}

#[cfg(test)]
mod tests;
