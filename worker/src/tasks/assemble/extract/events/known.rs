//! Reading packed events.

use super::{
    super::spill::failed,
    EventSorter,
    names::{Name, Names},
    packed::{self, Packed},
    row,
    shape::Field,
};
use crate::tasks::TaskError;
use coldread_artifacts::logins::joiner::{Seen, known_of_user};
use coldread_model::{LoginEvent, LoginKind, Timestamp, rows::login::LoginWriter};
use std::rc::Rc;

/// The names of packed events: what reads them.
#[derive(Clone)]
pub(in super::super) struct Known(pub(super) Rc<Names>);

impl Known {
    /// Whether its numbers mean the same.
    pub(in super::super) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    /// What is looked at of an event to see whether it is joined to others.
    pub(in super::super) fn see(&self, number: u64, event: Packed<'_>) -> Result<Seen, TaskError> {
        let (head, _) = packed::head(event, &self.0).map_err(damaged)?;
        let origin = head.shape.name(Field::Origin).map_err(damaged)?;
        let user = head.user.map_or(0, |user| user.number_of(known_of_user));
        let from = head.from.map_or(0, Name::number);
        let who = (user.rotate_left(32) ^ from).wrapping_mul(0x9e37_79b9_7f4a_7c15).swap_bytes();
        let (time, kind, begins) = (head.time, head.shape.kind, head.begins());
        Ok(Seen { number, time, kind, who, origin: origin.map_or(0, Name::number), begins })
    }

    /// The event.
    pub(in super::super) fn unpack(&self, event: Packed<'_>) -> Result<Box<LoginEvent>, TaskError> {
        packed::unpack(event, &self.0).map_err(damaged)
    }

    /// Appends the event's row to a batch; gives its time, what happened, and the row's hash.
    pub(in super::super) fn write_row(
        &self,
        event: Packed<'_>,
        writer: &mut LoginWriter,
        batch: &mut Vec<u8>,
    ) -> Result<(Option<Timestamp>, LoginKind, u64), TaskError> {
        let (head, hash) = row::write(event, &self.0, writer, batch).map_err(damaged)?;
        Ok((head.time, head.shape.kind, hash))
    }

    /// What sorts events of these names and others.
    pub(in super::super) fn sorter(&self, limit: usize) -> EventSorter {
        EventSorter::with(Names::clone(&self.0), limit)
    }
}

fn damaged(_: packed::Damaged) -> TaskError {
    failed("what was written does not come back")
}
