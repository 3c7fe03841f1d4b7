//! Where an event belongs among others, told from little of it.

use super::{
    fields::Fields,
    names::{HERE, Names},
    packed::{self, Packed},
    shape::Field,
};
use coldread_model::{LoginSource, Timestamp};
use std::cmp::Ordering;

/// What tells events apart that are not of one record, in the order in which they compare.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    time: u128,
    source: LoginSource,
    /// The number of its file's path.
    origin: u16,
    offset: u64,
}

impl Place {
    /// Of an event; `None` where its path has no number.
    pub(super) fn of(event: &Fields<'_>, names: &mut Names) -> Option<Self> {
        let origin = names.path_id(event.origin);
        let Fields { time, source, offset, .. } = *event;
        (origin != HERE).then_some(Self { time: ordered(time), source, origin, offset })
    }

    /// Of a packed event, likewise.
    pub(super) fn of_packed(event: Packed<'_>, names: &Names) -> Option<Self> {
        let (first, _) = packed::first(event, names).ok()?;
        let (origin, source) = (first.shape.names[Field::Origin as usize], first.shape.source);
        (origin > HERE).then_some(Self { time: ordered(first.time), source, origin, offset: first.offset })
    }

    /// How it compares with another. Events of one record are not told apart here; what is in no order, as its path has no
    /// number, is of before.
    #[inline]
    pub(super) fn compare(&self, other: &Self, names: &Names) -> Ordering {
        // Of most events the time tells already.
        if self.time != other.time {
            return if self.time < other.time { Ordering::Less } else { Ordering::Greater };
        }
        let file = || {
            if self.origin == other.origin {
                return Ordering::Equal;
            }
            match (names.get(self.origin.into()), names.get(other.origin.into())) {
                (Ok(one), Ok(other)) => one.oldest_first(other),
                _ => Ordering::Less,
            }
        };
        let source = self.source.cmp(&other.source);
        source.then_with(file).then_with(|| self.offset.cmp(&other.offset))
    }
}

/// A time in the order of numbers.
fn ordered(time: Option<Timestamp>) -> u128 {
    time.map_or(0, |at| u128::from(packed::seconds(time)) << 33 | (u128::from(at.nanos) + 1))
}
