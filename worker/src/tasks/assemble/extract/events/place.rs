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
    time: Option<Timestamp>,
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
        (origin != HERE).then_some(Self { time, source, origin, offset })
    }

    /// Of a packed event, likewise.
    pub(super) fn of_packed(event: Packed<'_>, names: &Names) -> Option<Self> {
        let (first, _) = packed::first(event, names).ok()?;
        let (origin, source) = (first.shape.names[Field::Origin as usize], first.shape.source);
        (origin > HERE).then_some(Self { time: first.time, source, origin, offset: first.offset })
    }

    /// Whether it comes after another. Events of one record are not told apart here.
    #[inline]
    pub(super) fn is_behind(&self, other: &Self, names: &Names) -> bool {
        let order = self.time.cmp(&other.time).then(self.source.cmp(&other.source));
        let of_file = || {
            if self.origin == other.origin {
                return self.offset.cmp(&other.offset);
            }
            match (names.get(self.origin.into()), names.get(other.origin.into())) {
                (Ok(one), Ok(other)) => one.compare(other),
                // Neither is in any order then.
                _ => Ordering::Equal,
            }
        };
        order.then_with(of_file).is_gt()
    }
}
