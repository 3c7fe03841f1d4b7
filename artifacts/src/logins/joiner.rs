//! The place where events of one asset come together in the order of time, before they are stored.

use super::joining::Joining;
pub use super::joining::{Seen, known_of_user};
use coldread_model::{LoginEvent, Timestamp};

/// Makes of all events of an asset (of every root and source, sorted as [`LoginEvent`] orders them) those that are
/// kept: sessions joined with their ends, one event for what several records tell of.
///
/// It holds few events at a time. What it gives out may come in any order; events that come late are sorted in. Events
/// are passed on boxed: they are large, and go through many hands.
///
/// Before an event is made it can be asked whether it needs to be: each comes ([`Joiner::comes`]) and leaves, once those
/// came that are near it, in the same order. One that is alone as it leaves ([`Joiner::leaves`]) is kept as it is; others
/// are pushed.
pub trait Joiner {
    /// Takes notice of the next event; `first` is the number of the first one that has not left.
    fn comes(&mut self, seen: &Seen, first: u64);

    /// Whether an event that leaves, the first of all that came and have not left, is joined to none.
    fn leaves(&mut self, seen: &Seen) -> bool;

    /// Gives what no event of `time` or later can belong to: those that are alone are not pushed, so that nothing else
    /// tells how far time has come.
    fn settle(&mut self, time: Timestamp, emit: &mut dyn FnMut(Box<LoginEvent>));

    /// The next event. Gives what is ready to `emit`.
    fn push(&mut self, event: Box<LoginEvent>, emit: &mut dyn FnMut(Box<LoginEvent>));

    /// After the last event: gives what is left to `emit`.
    fn finish(&mut self, emit: &mut dyn FnMut(Box<LoginEvent>));

    /// The earliest time of what is held: nothing that is given out later is of before it, as long as what comes is in
    /// order. None where nothing is held: then only what is pushed later is given out later, with the time that it has.
    fn holds_from(&self) -> Option<Timestamp>;
}

impl Joiner for Joining {
    fn comes(&mut self, seen: &Seen, first: u64) {
        Self::comes(self, seen, first);
    }

    fn leaves(&mut self, seen: &Seen) -> bool {
        Self::leaves(self, seen)
    }

    fn settle(&mut self, time: Timestamp, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        Self::settle(self, time, emit);
    }

    fn push(&mut self, event: Box<LoginEvent>, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        Self::push(self, event, emit);
    }

    fn finish(&mut self, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        Self::finish(self, emit);
    }

    fn holds_from(&self) -> Option<Timestamp> {
        Self::holds_from(self)
    }
}

/// The joiner of an asset's events.
pub fn joiner() -> Box<dyn Joiner> {
    Box::new(Joining::default())
}
