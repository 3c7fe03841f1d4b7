//! Which events are joined to no other, told from little of each: most of a guessing attack are, and need not be made.
//!
//! Events that are one are of one user and address, of different files, and near in time ([`super::same`]). So an
//! event is alone if none of another file that could be of the same user and address came while it was near. Who could be
//! the same shares a place of a table with others by chance: then both are joined as ever, to nothing.
//!
//! What is not told here: logins, logouts, starts and stops of the machine, of which sessions are made, are never alone;
//! nor is the beginning of an attempt that may go on in another file, nor what may be its end ([`super::rotated`]).

use super::same::RECORD_NAME;
use coldread_model::{LoginKind, Timestamp};

/// Seconds in which events can be one, and more: whole seconds are compared here.
const NEAR: u64 = 32;

/// Seconds in which an attempt can go on in another file, and more.
const ATTEMPT: i64 = 700;

/// Places for what is known of users and addresses.
const PLACES: usize = 8192;

/// What is looked at of an event.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Which of all events it is, in the order of time; the first is 1.
    pub number: u64,
    /// Its time.
    pub time: Option<Timestamp>,
    /// What happened.
    pub kind: LoginKind,
    /// A hash of its user, as far as [`known_of_user`] goes, and its address.
    pub who: u64,
    /// A number or a hash of its file's path.
    pub origin: u64,
    /// Whether it names a process and a detail, but no method and no other record: how an attempt begins.
    pub begins: bool,
}

impl Seen {
    /// The kind is left out: it may change while events are joined.
    fn place(&self) -> usize {
        (self.who % PLACES as u64) as usize
    }

    /// Whether no event from `time` on can be one with it. Both are in the order of time.
    pub fn is_far_from(&self, time: Option<Timestamp>) -> bool {
        match (self.time, time) {
            (Some(one), Some(other)) => one.seconds.abs_diff(other.seconds) > NEAR,
            _ => true,
        }
    }
}

/// What of a user's name counts where events are compared.
pub fn known_of_user(name: &[u8]) -> &[u8] {
    &name[..name.len().min(RECORD_NAME)]
}

/// Follows events in the order of time: each comes, is near for a while, and leaves.
#[derive(Debug)]
pub(super) struct Alone {
    places: Vec<Place>,
    /// For each place when the last attempt began, in seconds.
    begun: Vec<i64>,
}

/// Events that share a place: their numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// The last one, and its file.
    last: u64,
    origin: u64,
    /// The last one of another file than that.
    other: u64,
    /// Up to here those that have not left may be one with others.
    together: u64,
}

impl Default for Alone {
    fn default() -> Self {
        Self { places: vec![Place::default(); PLACES], begun: vec![i64::MIN; PLACES] }
    }
}

impl Alone {
    /// Takes the next event; `first` is the first one that has not left.
    pub(super) fn comes(&mut self, seen: &Seen, first: u64) {
        let place = &mut self.places[seen.place()];
        if place.last < first {
            // None is near that shares the place.
            (place.origin, place.other) = (seen.origin, 0);
        } else if place.origin != seen.origin {
            (place.origin, place.other, place.together) = (seen.origin, place.last, seen.number);
        } else if place.other >= first {
            place.together = seen.number;
        }
        place.last = seen.number;
    }

    /// Whether an event that leaves, the first one of all, is joined to none.
    pub(super) fn leaves(&mut self, seen: &Seen) -> bool {
        use LoginKind::{Boot, Failed, Login, Logout, Other, Shutdown};
        let Some(time) = seen.time else { return true };
        let place = seen.place();
        let begun = &mut self.begun[place];
        if seen.kind == Failed && seen.begins {
            *begun = time.seconds;
            return false;
        }
        let goes_on = matches!(seen.kind, Failed | Other) && time.seconds.saturating_sub(*begun) <= ATTEMPT;
        let of_session = matches!(seen.kind, Login | Logout | Boot | Shutdown);
        !goes_on && !of_session && self.places[place].together < seen.number
    }
}

#[cfg(test)]
mod tests {
    use super::super::Joining;
    use super::*;
    use coldread_model::{LoginEvent, LoginSource};
    use foldhash::fast::FixedState;
    use proptest::prelude::*;
    use std::{collections::VecDeque, hash::BuildHasher};

    fn seen(event: &LoginEvent, number: u64) -> Seen {
        let hash = FixedState::default();
        let user = event.user.as_deref().map(|user| known_of_user(user.as_bytes()));
        let begins = event.pid.is_some()
            && event.detail.is_some()
            && event.method.is_none()
            && event.evidence.is_empty();
        let (time, kind) = (event.time, event.kind);
        let (who, origin) = (hash.hash_one((user, &event.from)), hash.hash_one(&event.origin));
        Seen { number, time, kind, who, origin, begins }
    }

    /// What comes of events, and how many of them were alone.
    fn join(mut events: Vec<LoginEvent>, alone: bool) -> (Vec<LoginEvent>, usize) {
        events.sort();
        let (mut joining, mut out, mut left) = (Joining::default(), Vec::new(), 0);
        let mut near: VecDeque<(Seen, LoginEvent)> = VecDeque::new();
        let mut leave =
            |joining: &mut Joining, out: &mut Vec<LoginEvent>, (seen, event): (Seen, LoginEvent)| {
                if alone && joining.leaves(&seen) {
                    left += 1;
                    out.push(event);
                } else {
                    joining.push(Box::new(event), &mut |event| out.push(*event));
                }
            };
        for (event, number) in events.into_iter().zip(1..) {
            let seen = seen(&event, number);
            joining.comes(&seen, near.front().map_or(number, |(first, _)| first.number));
            near.push_back((seen, event));
            if let (true, Some(time)) = (alone, near.front().and_then(|(first, _)| first.time)) {
                joining.settle(time, &mut |event| out.push(*event));
            }
            while near.front().is_some_and(|(first, _)| first.is_far_from(seen.time)) {
                if let Some(first) = near.pop_front() {
                    leave(&mut joining, &mut out, first);
                }
            }
        }
        for first in near {
            leave(&mut joining, &mut out, first);
        }
        joining.finish(&mut |event| out.push(*event));
        out.sort();
        (out, left)
    }

    fn any_event() -> impl Strategy<Value = LoginEvent> {
        use LoginSource::{Authlog, Btmp, Evtx, Journal, Wtmp};
        let sources = prop::sample::select(vec![Authlog, Authlog, Btmp, Evtx, Journal, Wtmp]);
        let kinds = prop::sample::select(vec![
            LoginKind::Failed,
            LoginKind::Failed,
            LoginKind::Other,
            LoginKind::Login,
            LoginKind::Logout,
            LoginKind::Boot,
        ]);
        let names = (0u8..3, 0u8..5, 0u8..3, 0u8..4);
        (sources, kinds, prop::option::weighted(0.95, 0i64..900), 0u32..3, names, any::<bool>()).prop_map(
            |(source, kind, second, pid, (file, user, from, offset), begins)| LoginEvent {
                // Some differ only where no record holds them.
                user: Some(format!("{}{user}", "x".repeat(29 + usize::from(user))).into()),
                from: Some(format!("192.0.2.{from}").into()).filter(|_| from > 0),
                pid: Some(pid).filter(|pid| *pid > 0),
                method: Some("password".into()).filter(|_| !begins),
                detail: Some("invalid user".into()),
                ..LoginEvent::new(
                    source,
                    kind,
                    second.map(|second| Timestamp::new(second, 0)),
                    &*format!("/var/log/{source}.{file}"),
                    offset.into(),
                )
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_alone_changes_nothing(events in prop::collection::vec(any_event(), 0..60)) {
            prop_assert_eq!(join(events.clone(), true).0, join(events, false).0);
        }
    }

    #[test]
    fn one_log_is_alone_and_two_are_where_they_meet() {
        let event = |source, second, user: u64| LoginEvent {
            user: Some(format!("user{user}").into()),
            method: Some("password".into()),
            ..LoginEvent::new(
                source,
                LoginKind::Failed,
                Some(Timestamp::new(second, 0)),
                &*format!("/{source}"),
                second as u64,
            )
        };
        let mut events: Vec<_> =
            (0..3000).map(|second| event(LoginSource::Authlog, second, second as u64 % 100)).collect();
        assert_eq!(join(events.clone(), true), (events.clone(), 3000));
        // Of user 3 in the second 1503, of 77 in 1477, and of one whom no other record knows.
        events.extend([3, 77, 100].map(|user| event(LoginSource::Btmp, 1504, user)));
        assert_eq!(join(events, true).1, 2999);
    }
}
