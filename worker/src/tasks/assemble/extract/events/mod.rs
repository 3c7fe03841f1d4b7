//! Sorting login events: attacked servers have millions, more than memory should hold.
//!
//! Events are packed as they come and lie behind one another; what is sorted is where each begins. Past a bound they go
//! to a file as a sorted run, and the runs are merged. They compare by a few fields of their bytes; only where these are
//! the same, events are made again.

mod fields;
mod known;
mod names;
mod packed;
mod row;
mod runs;
mod shape;

use super::spill::{Spill, failed};
use crate::tasks::TaskError;
use coldread_artifacts::logins::logged::Logged;
use coldread_model::LoginEvent;
use fields::Fields;
pub(super) use known::Known;
use names::Names;
pub(super) use packed::Packed;
use runs::{Merge, Place, Run, RunWriter, Source, full_level};
use std::{ops::Range, rc::Rc};

/// Events of one second that are sorted by keys at hand: no log of ordinary lines has as many, and each key takes memory.
const MAX_KEYED: usize = 1 << 14;

/// Takes events in any order.
pub(super) struct EventSorter {
    names: Names,
    bytes: Vec<u8>,
    places: Vec<Place>,
    limit: usize,
    runs: Vec<Run>,
    spill: Option<Spill>,
    /// Since when events can be taken back.
    mark: Held,
}

/// How much is held at a place to which events can be taken back.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    bytes: usize,
    places: usize,
    runs: usize,
}

impl EventSorter {
    /// Holds about so many bytes in memory.
    pub(super) fn new(limit: usize) -> Self {
        Self::with(Names::default(), limit)
    }

    fn with(names: Names, limit: usize) -> Self {
        let (bytes, places, mark) = (Vec::new(), Vec::new(), Held::default());
        Self { names, bytes, places, limit, runs: Vec::new(), spill: None, mark }
    }

    /// Events from here on can be taken back.
    pub(super) fn mark(&mut self) {
        self.mark = Held { bytes: self.bytes.len(), places: self.places.len(), runs: self.runs.len() };
    }

    /// Takes back the events since the mark. Their room in the file stays taken.
    pub(super) fn take_back(&mut self) {
        self.bytes.truncate(self.mark.bytes);
        self.places.truncate(self.mark.places);
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
        let start = self.bytes.len();
        packed::pack(fields, &mut self.names, &mut self.bytes);
        self.place(packed::seconds(fields.time), start)
    }

    /// Adds a packed event of which this one knows the names.
    pub(super) fn push_packed(&mut self, event: Packed<'_>) -> Result<(), TaskError> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(event.bytes);
        self.place(event.seconds, start)
    }

    /// Takes in the event of such seconds that lies from `start` on.
    fn place(&mut self, seconds: u64, start: usize) -> Result<(), TaskError> {
        let number = |number: usize| u32::try_from(number).map_err(failed);
        self.places.push(Place { seconds, start: number(start)?, len: number(self.bytes.len() - start)? });
        let held = self.bytes.len() + self.places.len() * size_of::<Place>();
        if held >= self.limit { self.spill() } else { Ok(()) }
    }

    /// Sorts a part of what is held.
    fn sort(&mut self, part: Range<usize>) {
        let (bytes, names) = (&self.bytes, &self.names);
        let places = self.places.get_mut(part).unwrap_or_default();
        // Records come nearly in the order of time: a stable sort finds what is in order already.
        places.sort_by_key(|place| place.seconds);
        let mut keyed = Vec::new();
        for second in places.chunk_by_mut(|one, other| one.seconds == other.seconds) {
            let full = |one: &Place, other: &Place| one.of(bytes).compare(other.of(bytes), names);
            if second.len() > MAX_KEYED {
                second.sort_unstable_by(full);
            } else if second.len() > 1 {
                keyed.extend(second.iter().map(|place| (packed::key(place.of(bytes), names), *place)));
                keyed.sort_unstable_by(|(key, place), (other_key, other)| {
                    key.cmp(other_key).then_with(|| full(place, other))
                });
                for (place, (_, sorted)) in second.iter_mut().zip(keyed.drain(..)) {
                    *place = sorted;
                }
            }
        }
    }

    /// Writes all that is held to the file. What can be taken back is in runs of its own, which come last.
    fn spill(&mut self) -> Result<(), TaskError> {
        let mut spill = self.spill.take().map_or_else(Spill::new, Ok)?;
        let mut since = self.runs.split_off(self.mark.runs.min(self.runs.len()));
        let mut before = std::mem::take(&mut self.runs);
        let mark = self.mark.places.min(self.places.len());
        for (part, runs) in [(0..mark, &mut before), (mark..self.places.len(), &mut since)] {
            if !part.is_empty() {
                self.sort(part.clone());
                runs.push(self.write(part, &mut spill)?);
            }
            while let Some(level) = full_level(runs) {
                let full = runs.extract_if(.., |run| run.level == level).collect();
                let mut merge = Merge::open(&spill, full)?;
                merge.start(&self.names);
                let mut run = RunWriter::new(&mut spill, level + 1);
                while let Some(next) = merge.peek() {
                    run.push(next)?;
                    merge.pass(&self.names)?;
                }
                runs.push(run.finish()?);
            }
        }
        self.bytes.clear();
        self.places.clear();
        self.mark = Held { runs: before.len(), ..Held::default() };
        before.append(&mut since);
        (self.runs, self.spill) = (before, Some(spill));
        Ok(())
    }

    /// Writes a sorted part of what is held.
    fn write(&self, part: Range<usize>, spill: &mut Spill) -> Result<Run, TaskError> {
        let mut run = RunWriter::new(spill, 0);
        for place in &self.places[part] {
            run.push(place.of(&self.bytes))?;
        }
        run.finish()
    }

    /// All events in order.
    pub(super) fn sorted(mut self) -> Result<SortedEvents, TaskError> {
        self.sort(0..self.places.len());
        let mut merge = match &self.spill {
            Some(spill) => Merge::open(spill, self.runs)?,
            None => Merge::default(),
        };
        merge.sources.push(Source::Held { bytes: self.bytes, places: self.places.into_iter() });
        merge.start(&self.names);
        Ok(SortedEvents { names: Known(Rc::new(self.names)), merge })
    }
}

/// Sorted events as one sequence.
pub(super) struct SortedEvents {
    names: Known,
    merge: Merge,
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
            self.merge.sources.clear();
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::{runs::FAN_IN, *};
    use coldread_model::{LoginKind, LoginSource, Timestamp};

    fn sorted(sorter: EventSorter) -> Vec<LoginEvent> {
        let mut events = sorter.sorted().unwrap();
        let mut all = Vec::new();
        while let Some(event) = events.peek() {
            all.push(*events.names().unpack(event).unwrap());
            events.pass().unwrap();
        }
        all
    }

    #[test]
    fn a_second_of_any_number_of_events_is_sorted() {
        let mut sorter = EventSorter::new(16 << 20);
        let event = |n: u64| LoginEvent { time: None, ..event(n) };
        let mut all: Vec<_> = (0..MAX_KEYED as u64 * 2).rev().map(event).collect();
        for event in &all {
            sorter.push(event).unwrap();
        }
        all.sort();
        assert_eq!(sorted(sorter), all);
    }

    fn event(n: u64) -> LoginEvent {
        // Neither sorted nor without equals; of one second some differ in their tails alone.
        let time = Timestamp::new((n.wrapping_mul(2_654_435_761) % 50_000) as i64, 0);
        LoginEvent::new(
            LoginSource::Btmp,
            LoginKind::Failed,
            Some(time),
            &*format!("/var/log/btmp.{}", n % 11),
            n % 7,
        )
    }

    #[test]
    fn events_beyond_what_is_held_come_back_sorted_and_none_is_lost() {
        let mut sorter = EventSorter::new(64 << 10);
        let mut all = Vec::new();
        for n in 0..60_000 {
            sorter.push(&event(n)).unwrap();
            assert!(sorter.bytes.len() <= 64 << 10);
            all.push(event(n));
        }
        // Runs were written and merged; had they not been, there would be as many as this.
        assert!(sorter.runs.len() > 1 && sorter.runs.len() < FAN_IN + 8, "{}", sorter.runs.len());
        all.sort();
        assert!(sorted(sorter) == all);
    }

    #[test]
    fn what_is_taken_back_is_gone_wherever_it_was() {
        // From none of it in the file to runs of several levels before and after the marks.
        for (limit, stretch) in [(24 << 20, 900), (64 << 10, 1100), (16 << 10, 9000)] {
            let mut sorter = EventSorter::new(limit);
            let mut kept = Vec::new();
            for n in 0..12 * stretch {
                if n % stretch == 0 {
                    sorter.mark();
                }
                sorter.push(&event(n)).unwrap();
                if n / stretch % 3 != 1 {
                    kept.push(event(n));
                } else if (n + 1) % stretch == 0 {
                    sorter.take_back();
                }
            }
            assert_eq!(sorter.spill.is_some(), limit < 1 << 20);
            assert!(sorter.runs.len() < 2 * (FAN_IN + 8), "{}", sorter.runs.len());
            kept.sort();
            assert!(sorted(sorter) == kept);
        }
    }

    #[test]
    fn few_events_need_no_file() {
        let mut sorter = EventSorter::new(24 << 20);
        for n in 0..100 {
            sorter.push(&event(n)).unwrap();
        }
        assert!(sorter.spill.is_none());
        assert!(sorted(sorter).is_sorted());
    }
}
