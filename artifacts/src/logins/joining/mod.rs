//! One event for what several records tell of, and one span for a session.
//!
//! Events come in the order of time. Two stages, each of which holds few:
//!
//! **The same event** ([`same`]). wtmp, auth.log and the journal tell of one login; btmp, auth.log and the
//! journal of one failure. Events are joined that are of one root, kind, user and address, and
//!
//! - come from two logs (auth.log, secure, syslog, the journal) with the same fields: within 2 seconds, as a text
//!   log has whole seconds; within 30 where process and port are known, as rsyslog writes `repeated` late;
//! - come from two records (utmp, wtmp, lastlog and their databases) of one terminal: within 1 second;
//! - come from a log and a record: a failure within 2 seconds, or 30 where the process is the same; a login
//!   within 5, as its record is written once its session has started. A login at a console has no address
//!   in either; a failure there must be on the same terminal.
//!
//! A log may be rotated between two lines of one attempt: the line that refuses a user and the one that tells how the
//! attempt went on, of one process and port, are one failure, within 30 seconds. What another log tells of its beginning
//! within 2 seconds belongs to it too. Where the second comes later, but within
//! ten minutes, it is no failure of its own: after that the number is another process's.
//!
//! An event takes the best of those that wait, one for one, so that five failures that two logs tell of stay
//! five. Of one file no two events are joined, and of two files of one kind only copies, to the nanosecond. Past
//! [`MAX_RECORDS`] records of one event more of them are an event of their own.
//! What is joined is told by the log, which has more to say, completed from the others, with all of them as
//! evidence.
//!
//! **Sessions** ([`sessions`]). A login ends at the next logout of its terminal (records), of its process and
//! user (logs) or of its session (Windows). Who has not logged out when the machine shuts down, ended then; when it starts without
//! having been shut down, it crashed: such a session ends at that start, the latest that it can have ended. Starts of
//! one machine within two minutes, and ends within as long, are one told by several records. A session that a
//! record opened and nothing ended is open. A new login on a terminal ends the one before, no one knows when.

mod alone;
mod rotated;
mod same;
mod sessions;

pub use alone::{Seen, known_of_user};

use alone::Alone;
use coldread_model::{LoginEvent, LoginKind, LoginSource, Text, Timestamp};
use same::Same;
use sessions::Sessions;

/// Records that are joined to one event at most: hostile disks may hold any number of copies.
const MAX_RECORDS: usize = 32;

/// Joins the events of an asset, given in the order of time.
#[derive(Debug, Default)]
pub struct Joining {
    alone: Alone,
    same: Same,
    sessions: Sessions,
}

impl Joining {
    /// Takes notice of the next event; `first` is the first one that has not left.
    pub fn comes(&mut self, seen: &Seen, first: u64) {
        self.alone.comes(seen, first);
    }

    /// Whether an event that leaves, the first of all that came, is joined to none.
    pub fn leaves(&mut self, seen: &Seen) -> bool {
        self.alone.leaves(seen)
    }

    /// Gives what no event of `time` or later can belong to.
    pub fn settle(&mut self, time: Timestamp, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        let sessions = &mut self.sessions;
        self.same.settle(time, &mut |joined| sessions.push(joined, emit));
        // What waits there comes to the sessions later.
        let time = self.same.holds_from().map_or(time, |held| held.min(time));
        self.sessions.settle(time, emit);
    }

    /// Takes the next event and gives those that are complete.
    pub fn push(&mut self, event: Box<LoginEvent>, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        let sessions = &mut self.sessions;
        self.same.push(event, &mut |joined| sessions.push(joined, emit));
    }

    /// After the last event: gives the rest.
    pub fn finish(&mut self, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        let sessions = &mut self.sessions;
        self.same.finish(&mut |joined| sessions.push(joined, emit));
        self.sessions.finish(emit);
    }

    /// The earliest time of what is held.
    pub fn holds_from(&self) -> Option<Timestamp> {
        self.same.holds_from().into_iter().chain(self.sessions.holds_from()).min()
    }
}

/// An event with what was joined to it.
#[derive(Clone, Debug)]
struct Joined {
    event: Box<LoginEvent>,
    /// The earliest time of its records: where a better one is joined, its time is taken.
    first: Option<Timestamp>,
    /// The process that logs name, where the event itself may name another.
    log_pid: Option<u32>,
    /// Whether a record of logins (utmp and its like) is among its sources.
    has_record: bool,
    /// Whether a log is.
    has_log: bool,
    /// Whether a log's file may tell the beginning of a failed attempt alone.
    begun: bool,
}

impl Joined {
    fn new(event: Box<LoginEvent>) -> Self {
        let has_log = is_log(event.source);
        let log_pid = event.pid.filter(|_| has_log);
        let (has_record, first, begun) = (is_record(event.source), event.time, is_begun(&event));
        Self { event, first, log_pid, has_record, has_log, begun }
    }

    /// Joins another to it: who has more to say goes first, whichever came first.
    fn join(&mut self, other: Self) {
        let mut rest = other.event;
        let goes_on = self.begun && !other.begun && rest.source == self.event.source;
        if rank(rest.source) < rank(self.event.source) || goes_on {
            std::mem::swap(&mut self.event, &mut rest);
        }
        complete(&mut self.event, rest);
        self.first = self.first.min(other.first);
        self.log_pid = self.log_pid.or(other.log_pid);
        self.has_record |= other.has_record;
        self.has_log |= other.has_log;
        self.begun |= other.begun;
    }
}

/// Fills what is unknown of `main`, and takes `other` and its evidence over as evidence.
fn complete(main: &mut LoginEvent, other: Box<LoginEvent>) {
    let other = *other;
    main.evidence.push(coldread_model::Evidence {
        source: other.source,
        origin: other.origin,
        offset: other.offset,
    });
    main.evidence.extend(other.evidence);
    main.evidence.sort_unstable();
    let fill = |to: &mut Option<Text>, from: Option<Text>| {
        if to.is_none() {
            *to = from;
        }
    };
    fill(&mut main.user, other.user);
    fill(&mut main.from, other.from);
    fill(&mut main.host, other.host);
    fill(&mut main.tty, other.tty);
    fill(&mut main.session, other.session);
    fill(&mut main.method, other.method);
    fill(&mut main.target, other.target);
    fill(&mut main.detail, other.detail);
    main.port = main.port.or(other.port);
    main.pid = main.pid.or(other.pid);
    if main.until.is_none() {
        (main.until, main.ended) = (other.until, other.ended);
    }
}

/// Whose words come first.
const fn rank(source: LoginSource) -> u8 {
    match source {
        LoginSource::Authlog => 0,
        LoginSource::Journal => 1,
        LoginSource::Syslog => 2,
        LoginSource::Evtx => 3,
        LoginSource::Wtmp => 4,
        LoginSource::Btmp => 5,
        LoginSource::Wtmpdb => 6,
        LoginSource::Utmp => 7,
        LoginSource::Lastlog2 => 8,
        LoginSource::Lastlog => 9,
        LoginSource::Faillog | LoginSource::Faillock | LoginSource::Sam => 10,
    }
}

const fn is_log(source: LoginSource) -> bool {
    matches!(source, LoginSource::Authlog | LoginSource::Syslog | LoginSource::Journal)
}

const fn is_record(source: LoginSource) -> bool {
    matches!(
        source,
        LoginSource::Utmp
            | LoginSource::Wtmp
            | LoginSource::Btmp
            | LoginSource::Lastlog
            | LoginSource::Lastlog2
            | LoginSource::Wtmpdb
    )
}

/// Whether an event is a failure that a log tells without how it was tried: sshd refused a user.
fn is_begun(event: &LoginEvent) -> bool {
    event.kind == LoginKind::Failed
        && event.method.is_none()
        && event.detail.is_some()
        && event.pid.is_some()
        && is_log(event.source)
}

/// Nanoseconds from one time to another, whichever is first.
fn apart(one: Timestamp, other: Timestamp) -> i128 {
    let nanos = |time: Timestamp| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanos);
    (nanos(one) - nanos(other)).abs()
}

/// Whole seconds as [`apart`] counts.
const fn seconds(count: i128) -> i128 {
    count * 1_000_000_000
}

#[cfg(test)]
mod tests;
