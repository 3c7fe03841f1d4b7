//! Which events are one.

use super::{Joined, MAX_RECORDS, apart, is_begun, is_log, is_record, rotated::Rotated, seconds};
use coldread_model::{LoginEvent, LoginKind, LoginSource, Origin, Timestamp, rows::Row};
use foldhash::fast::{FixedState, RandomState};
use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    hash::{BuildHasher, Hash, Hasher},
};

/// How long an event waits for others.
const HOLD: i128 = seconds(30);

/// Events that wait at once: of a flood of more the oldest leave early.
const MAX_HELD: usize = 32_768;
/// Bytes of them, likewise.
const HELD_BYTES: usize = 32 << 20;

/// Of those that could be the same so many are compared, the latest first: a flood of attempts from one
/// address in one moment may stay more than one row each, and is never less.
const MAX_COMPARED: usize = 256;

/// How far apart events of two processes, or of none that is known, may be at most.
const OF_OTHERS: i128 = seconds(5);

/// Numbers for which a list's room is kept: most lists have one.
const SPARE: usize = 8;

/// What a record holds of a name at most.
pub(super) const RECORD_NAME: usize = 32;

/// An event that waits.
#[derive(Debug)]
struct Held {
    joined: Joined,
    bytes: usize,
    /// Its sources with their files, and their times, where it has been joined to another.
    members: Vec<(LoginSource, Origin, Timestamp)>,
    /// Under what it is found: its own keys …
    keys: Keys,
    /// … and those of what was joined to it.
    more_keys: Vec<u64>,
}

/// Of the event, and of its process.
type Keys = [Option<u64>; 2];

impl Held {
    /// Its sources with their files, and their times.
    fn members(&self) -> impl Iterator<Item = Member<'_>> {
        let event = &self.joined.event;
        let alone = event.time.filter(|_| self.members.is_empty());
        let alone = alone.map(|time| (event.source, &event.origin, time));
        alone.into_iter().chain(self.members.iter().map(|(source, origin, time)| (*source, origin, *time)))
    }

    fn is_found_by(&self, key: u64) -> bool {
        self.keys.contains(&Some(key)) || self.more_keys.contains(&key)
    }
}

type Member<'a> = (LoginSource, &'a Origin, Timestamp);

/// The stage's state: what waits, in the order of time, and where to find it.
#[derive(Debug, Default)]
pub(super) struct Same {
    held: VecDeque<Held>,
    /// Bytes of what is held, as it came.
    bytes: usize,
    /// How many left the front so far: a number minus this is a place in `held`.
    left: u64,
    /// Numbers of those with one root, kind, user and address, and of those of one process among them.
    by_key: HashMap<u64, VecDeque<u64>, RandomState>,
    /// Room of lists that became empty, for new ones.
    spare: Vec<VecDeque<u64>>,
    /// Attempts of which a file told the beginning alone, and that wait no longer.
    rotated: Rotated,
}

impl Same {
    pub(super) fn push(&mut self, mut event: Box<LoginEvent>, emit: &mut dyn FnMut(Joined)) {
        let Some(time) = event.time else { return emit(Joined::new(event)) };
        while self.held.len() >= MAX_HELD || self.bytes > HELD_BYTES {
            self.release(emit);
        }
        self.settle(time, emit);
        let mut keys = keys_of(&event);
        if !self.rotated.is_empty() && self.rotated.take(&event, time, keys[1]) {
            event.kind = LoginKind::Other;
            keys = keys_of(&event);
        }
        if !is_log(event.source) && !is_record(event.source) {
            // Events of other systems wait only so that all leave in order.
            return self.hold(event, [None; 2]);
        }
        if let Some(place) = self.best(&event, time, &keys) {
            let number = self.left + place as u64;
            let held = &mut self.held[place];
            if let (true, Some(first)) = (held.members.is_empty(), held.joined.event.time) {
                let own = &held.joined.event;
                held.members.push((own.source, own.origin.clone(), first));
            }
            held.members.push((event.source, event.origin.clone(), time));
            held.joined.join(Joined::new(event));
            for key in keys.into_iter().flatten() {
                if !held.is_found_by(key) {
                    held.more_keys.push(key);
                    list(&mut self.by_key, &mut self.spare, key).push_back(number);
                }
            }
        } else {
            self.hold(event, keys);
        }
    }

    /// Gives what is too old to be one with an event of `time`.
    pub(super) fn settle(&mut self, time: Timestamp, emit: &mut dyn FnMut(Joined)) {
        let is_old = |held: &Held| held.joined.event.time.is_some_and(|first| apart(first, time) > HOLD);
        while self.held.front().is_some_and(is_old) {
            self.release(emit);
        }
    }

    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(Joined)) {
        while !self.held.is_empty() {
            self.release(emit);
        }
    }

    /// The earliest time of what is held: they are in the order in which they came.
    pub(super) fn holds_from(&self) -> Option<Timestamp> {
        self.held.front()?.joined.first
    }

    fn hold(&mut self, event: Box<LoginEvent>, keys: Keys) {
        for key in keys.into_iter().flatten() {
            let number = self.left + self.held.len() as u64;
            list(&mut self.by_key, &mut self.spare, key).push_back(number);
        }
        let (members, more_keys, bytes) = (Vec::new(), Vec::new(), event.weight());
        self.bytes += bytes;
        self.held.push_back(Held { joined: Joined::new(event), bytes, members, keys, more_keys });
    }

    fn release(&mut self, emit: &mut dyn FnMut(Joined)) {
        let Some(first) = self.held.pop_front() else { return };
        self.bytes -= first.bytes;
        for key in first.keys.into_iter().flatten().chain(first.more_keys) {
            let Entry::Occupied(mut numbers) = self.by_key.entry(key) else { continue };
            // Nearly always the first: only what was joined late stands further behind.
            if let Some(at) = numbers.get().iter().position(|number| *number == self.left) {
                numbers.get_mut().remove(at);
            }
            if numbers.get().is_empty() {
                let numbers = numbers.remove();
                if numbers.capacity() <= SPARE {
                    self.spare.push(numbers);
                }
            }
        }
        self.left += 1;
        if first.joined.begun {
            self.rotated.put(&first.joined.event, first.keys[1]);
        }
        emit(first.joined);
    }

    /// The place of the one that is the same as `event`, if there is one: of the same process rather than
    /// of another, the nearest in time, the oldest.
    fn best(&self, event: &LoginEvent, time: Timestamp, [any, process]: &Keys) -> Option<usize> {
        let near = |key: &u64, most: i128| {
            let numbers = self.by_key.get(key).into_iter().flatten().rev();
            let places = numbers.filter_map(|number| usize::try_from(number - self.left).ok());
            let held = places.filter_map(|place| Some((place, self.held.get(place)?)));
            let within = held.take_while(move |(_, held)| {
                held.joined.event.time.is_some_and(|at| apart(at, time) <= most)
            });
            let fitting =
                within.take(MAX_COMPARED).filter_map(|(place, held)| Some((fit(held, event, time)?, place)));
            fitting.min().map(|(_, place)| place)
        };
        // Whatever is found by its process is found by the rest of what must be equal too.
        let any = any.as_ref().filter(|any| self.by_key.contains_key(any))?;
        let of_process = process.as_ref().and_then(|key| near(key, HOLD));
        of_process.or_else(|| near(any, OF_OTHERS))
    }
}

/// The numbers under a key.
fn list<'a>(
    by_key: &'a mut HashMap<u64, VecDeque<u64>, RandomState>,
    spare: &mut Vec<VecDeque<u64>>,
    key: u64,
) -> &'a mut VecDeque<u64> {
    by_key.entry(key).or_insert_with(|| spare.pop().unwrap_or_default())
}

/// Root, kind, user and address, which must be equal in any case; and the same with the process.
fn keys_of(event: &LoginEvent) -> Keys {
    // The same keys in every process: results do not depend on chance.
    let mut hasher = FixedState::default().build_hasher();
    event.root.hash(&mut hasher);
    event.kind.hash(&mut hasher);
    name(event.user.as_deref()).hash(&mut hasher);
    event.from.hash(&mut hasher);
    let any = hasher.finish();
    let process = event.pid.map(|pid| {
        pid.hash(&mut hasher);
        hasher.finish()
    });
    [Some(any), process]
}

/// A user's name as far as records hold one.
pub(super) fn name(user: Option<&str>) -> Option<&[u8]> {
    user.map(|user| &user.as_bytes()[..user.len().min(RECORD_NAME)])
}

/// How well `event` fits to what is held: smaller is better, `None` where it is another.
fn fit(held: &Held, event: &LoginEvent, time: Timestamp) -> Option<(bool, i128)> {
    let other = &held.joined.event;
    if held.members.len() > MAX_RECORDS {
        return None;
    }
    let equal = other.root == event.root
        && other.kind == event.kind
        && name(other.user.as_deref()) == name(event.user.as_deref())
        && other.from == event.from;
    if !equal {
        return None;
    }
    if (held.joined.begun || is_begun(event)) && held.joined.log_pid == event.pid {
        let mut of_source = held.members().filter(|(source, ..)| *source == event.source);
        let of_port = other.port.is_none() || event.port.is_none() || other.port == event.port;
        match (of_source.next(), of_source.next(), held.joined.first) {
            (Some((_, origin, at)), None, _)
                if of_port && *origin != event.origin && apart(at, time) <= HOLD =>
            {
                return Some((false, apart(at, time)));
            }
            // A copy of the beginning, of an attempt whose end the first log has told by now.
            (None, None, Some(first))
                if of_port
                    && held.joined.begun
                    && is_begun(event)
                    && other.detail == event.detail
                    && apart(first, time) <= seconds(2) =>
            {
                return Some((false, apart(first, time)));
            }
            _ => {}
        }
    }
    let copy = |(_, origin, at): Member<'_>| *origin != event.origin && at == time;
    let mut of_kind = held.members().filter(|(source, ..)| *source == event.source);
    if !of_kind.all(copy) || held.members().any(|(_, origin, _)| *origin == event.origin) {
        return None;
    }
    let member = |wanted: fn(LoginSource) -> bool| held.members().find(|(source, ..)| wanted(*source));
    let same_pid = event.pid.is_some() && (other.pid == event.pid || held.joined.log_pid == event.pid);
    // Against one of its own kind first: that says more than one of the other.
    let (distance, most) = if let Some((.., at)) =
        member(if is_log(event.source) { is_log } else { is_record })
    {
        let same =
            if is_log(event.source) { same_line(&held.joined, event) } else { same_terminal(other, event) };
        let most = match (is_log(event.source), same_pid && event.port.is_some()) {
            (true, true) => HOLD,
            (true, false) => seconds(2),
            (false, _) => seconds(1),
        };
        (same.then(|| apart(at, time))?, most)
    } else {
        (apart(other.time?, time), across(other, event, same_pid)?)
    };
    (distance <= most).then_some((!same_pid, distance))
}

/// Whether two lines say the same in all that both can know.
fn same_line(held: &Joined, event: &LoginEvent) -> bool {
    let other = &held.event;
    // What was completed from a record is not of the line.
    let (tty, session) = if held.has_record {
        (
            event.tty.is_none() || other.tty == event.tty,
            event.session.is_none() || other.session == event.session,
        )
    } else {
        (other.tty == event.tty, other.session == event.session)
    };
    held.log_pid == event.pid
        && other.port == event.port
        && other.method == event.method
        && other.target == event.target
        && other.detail == event.detail
        && tty
        && session
}

fn same_terminal(other: &LoginEvent, event: &LoginEvent) -> bool {
    let pids = [other.pid, event.pid];
    let apart_by_pid = matches!(pids, [Some(one), Some(two)] if one != two) && is_record(other.source);
    other.tty == event.tty && other.tty.is_some() && !apart_by_pid
}

/// How far a log's event and a record's may be apart; `None` where they cannot be one.
fn across(other: &LoginEvent, event: &LoginEvent, same_pid: bool) -> Option<i128> {
    let terminals = [other.tty.as_deref(), event.tty.as_deref()];
    let (log, record) = if is_log(event.source) { (event, other) } else { (other, event) };
    match event.kind {
        LoginKind::Failed => {
            let of_terminal = matches!(terminals, [Some(one), Some(two)] if one == two);
            // sudo and su are no logins: no record has them.
            let attempt = !matches!(log.method.as_deref(), Some("sudo" | "su" | "publickey"));
            (attempt && record.source == LoginSource::Btmp && (event.from.is_some() || of_terminal))
                .then_some(if same_pid { HOLD } else { seconds(2) })
        }
        LoginKind::Login => {
            let fits = matches!(terminals, [Some(one), Some(two)] if one == two) || log.tty.is_none();
            fits.then_some(seconds(5))
        }
        _ => None,
    }
}
