//! When sessions end.

use super::{Joined, MAX_RECORDS, apart, seconds};
use coldread_model::{LoginEvent, LoginKind, LoginSource, SessionEnd, Text, Timestamp, rows::Row};
use foldhash::fast::RandomState;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Sessions and logouts that are held at once, of all roots; of more the oldest of a root is given up.
const MAX_HELD: usize = 65_536;

/// Bytes of one that is held: an honest one has some hundreds, and two thousand with all its evidence. A heavier one is
/// a session whose end is not looked for.
const MAX_WEIGHT: usize = 4096;

/// Roots (containers) that are followed.
const MAX_ROOTS: usize = 4096;

/// How long another record of one logout may take.
const LOGOUT: i128 = seconds(30);

/// How far records of one start or stop of the machine may be apart.
const MACHINE: i128 = seconds(120);

/// What a session's logout can name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Terminal(Text),
    Process(u32),
    Session(Text),
}

/// The stage's state.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    roots: HashMap<Text, Machine, RandomState>,
    /// Sessions and logouts that are held.
    held: usize,
}

/// The sessions of one root.
#[derive(Debug, Default)]
struct Machine {
    open: BTreeMap<u64, Joined>,
    next: u64,
    by_key: HashMap<Key, u64>,
    /// Logouts of late, with the keys of their sessions.
    closed: VecDeque<(Joined, Vec<Key>)>,
    /// How many of them left the front so far: a number minus this is a place in `closed`.
    left: u64,
    /// The number of the last logout of each key.
    closed_by_key: HashMap<Key, u64>,
    /// The last start and the last stop, held for other records of them.
    started: Option<Joined>,
    stopped: Option<Joined>,
    /// When the machine was stopped, until it starts again.
    down: Option<Timestamp>,
}

impl Sessions {
    pub(super) fn push(&mut self, joined: Joined, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        let Some(time) = joined.event.time else { return emit(joined.event) };
        if joined.event.weight() > MAX_WEIGHT {
            return emit(joined.event);
        }
        if !self.roots.contains_key(&joined.event.root) {
            if self.roots.len() >= MAX_ROOTS {
                return emit(joined.event);
            }
            self.roots.insert(joined.event.root.clone(), Machine::default());
        }
        let Some(machine) = self.roots.get_mut(&joined.event.root) else { return };
        let before = machine.held();
        machine.forget(time, emit);
        match joined.event.kind {
            LoginKind::Login => machine.login(joined, emit),
            LoginKind::Logout => machine.logout(joined, time, emit),
            LoginKind::Boot => machine.boot(joined, time, emit),
            LoginKind::Shutdown => machine.shutdown(joined, time, emit),
            _ => emit(joined.event),
        }
        self.held = self.held - before + machine.held();
        while self.held > MAX_HELD && machine.give_up(emit) {
            self.held -= 1;
        }
    }

    /// Gives what no record of `time` or later can belong to.
    pub(super) fn settle(&mut self, time: Timestamp, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        for machine in self.roots.values_mut() {
            let before = machine.held();
            machine.forget(time, emit);
            self.held = self.held - before + machine.held();
        }
    }

    pub(super) fn finish(&mut self, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        let mut names: Vec<Text> = self.roots.keys().cloned().collect();
        names.sort_unstable();
        for name in names {
            if let Some(machine) = self.roots.remove(&name) {
                machine.finish(emit);
            }
        }
    }

    /// The earliest time of what is held.
    pub(super) fn holds_from(&self) -> Option<Timestamp> {
        self.roots.values().filter_map(Machine::holds_from).min()
    }
}

/// What a login's end may name.
fn keys_of_login(joined: &Joined) -> Vec<Key> {
    let event = &joined.event;
    if event.source == LoginSource::Evtx {
        return event.session.iter().cloned().map(Key::Session).collect();
    }
    let terminal = event.tty.as_ref().filter(|_| joined.has_record).map(|tty| Key::Terminal(tty.clone()));
    let process = joined.log_pid.map(Key::Process);
    terminal.into_iter().chain(process).collect()
}

/// Which session a logout names.
fn key_of_logout(joined: &Joined) -> Option<Key> {
    let event = &joined.event;
    match event.source {
        LoginSource::Evtx => event.session.clone().map(Key::Session),
        _ if joined.has_record => event.tty.clone().map(Key::Terminal),
        _ => joined.log_pid.map(Key::Process),
    }
}

impl Machine {
    /// Gives what no other record can belong to any more.
    fn forget(&mut self, now: Timestamp, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        let old = |joined: &Joined, most| joined.event.time.is_none_or(|time| apart(time, now) > most);
        while self.closed.front().is_some_and(|(logout, _)| old(logout, LOGOUT)) {
            self.forget_logout(emit);
        }
        for held in [&mut self.started, &mut self.stopped] {
            if held.as_ref().is_some_and(|joined| old(joined, MACHINE)) {
                emit_held(held, emit);
            }
        }
    }

    /// Sessions and logouts are each in the order in which they came.
    fn holds_from(&self) -> Option<Timestamp> {
        let open = self.open.values().next();
        let closed = self.closed.front().map(|(logout, _)| logout);
        [open, closed, self.started.as_ref(), self.stopped.as_ref()]
            .into_iter()
            .flatten()
            .filter_map(|joined| joined.first)
            .min()
    }

    fn held(&self) -> usize {
        self.open.len() + self.closed.len()
    }

    /// Gives the oldest logout, else the oldest session, without waiting further; whether there was one.
    fn give_up(&mut self, emit: &mut dyn FnMut(Box<LoginEvent>)) -> bool {
        if self.forget_logout(emit) {
            return true;
        }
        let first = self.open.keys().next().copied().and_then(|first| self.remove(first));
        first.is_some_and(|first| {
            emit(first.event);
            true
        })
    }

    fn forget_logout(&mut self, emit: &mut dyn FnMut(Box<LoginEvent>)) -> bool {
        let Some((logout, keys)) = self.closed.pop_front() else { return false };
        for key in &keys {
            if self.closed_by_key.get(key) == Some(&self.left) {
                self.closed_by_key.remove(key);
            }
        }
        self.left += 1;
        emit(logout.event);
        true
    }

    fn login(&mut self, joined: Joined, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        // lastlog alone knows of a login and of no session; wtmpdb knows the end too.
        let last_only = matches!(joined.event.source, LoginSource::Lastlog | LoginSource::Lastlog2);
        let keys = keys_of_login(&joined);
        if last_only || joined.event.until.is_some() || keys.is_empty() {
            return emit(joined.event);
        }
        let number = self.next;
        self.next += 1;
        for key in keys {
            if let Some(before) = self.by_key.insert(key, number)
                && let Some(before) = self.remove(before)
            {
                emit(before.event);
            }
        }
        self.open.insert(number, joined);
    }

    /// Takes a session out, with its keys.
    fn remove(&mut self, number: u64) -> Option<Joined> {
        let joined = self.open.remove(&number)?;
        for key in keys_of_login(&joined) {
            if self.by_key.get(&key) == Some(&number) {
                self.by_key.remove(&key);
            }
        }
        Some(joined)
    }

    fn logout(&mut self, mut logout: Joined, time: Timestamp, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        let Some(key) = key_of_logout(&logout) else { return emit(logout.event) };
        let session = self.by_key.get(&key).copied().and_then(|number| {
            let user = &self.open.get(&number)?.event.user;
            // A process number comes again; its user hardly does.
            (logout.event.user.is_none() || logout.event.user == *user).then_some(number)
        });
        if let Some(mut session) = session.and_then(|number| self.remove(number)) {
            let keys = keys_of_login(&session);
            session.event.until = Some(time);
            session.event.ended = Some(SessionEnd::Logout);
            if logout.event.user.is_none() {
                logout.event.user.clone_from(&session.event.user);
            }
            emit(session.event);
            let number = self.left + self.closed.len() as u64;
            self.closed_by_key.extend(keys.iter().map(|key| (key.clone(), number)));
            self.closed.push_back((logout, keys));
            return;
        }
        // The end of a session that another record has ended already.
        let last = self.closed_by_key.get(&key).and_then(|number| usize::try_from(number - self.left).ok());
        let twin = last.and_then(|place| self.closed.get_mut(place)).filter(|(closed, _)| {
            let other = (logout.has_record && !closed.has_record) || (logout.has_log && !closed.has_log);
            // Windows writes that a user wants to log out, and then that the session has ended.
            let windows = [&logout, closed].iter().all(|one| one.event.source == LoginSource::Evtx);
            other || windows
        });
        match twin {
            Some((closed, _)) if closed.event.evidence.len() < MAX_RECORDS => closed.join(logout),
            _ => emit(logout.event),
        }
    }

    fn boot(&mut self, boot: Joined, time: Timestamp, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        if self.down.is_none()
            && let Some(started) = &mut self.started
            && is_another_record(started, &boot)
        {
            return started.join(boot);
        }
        let (until, ended) = match self.down.take() {
            Some(down) => (down, SessionEnd::Shutdown),
            None => (time, SessionEnd::Crash),
        };
        let of_this_start = |session: &Joined| {
            // Windows' own accounts log on before its event log tells of the start.
            session.event.source == LoginSource::Evtx
                && session.event.time.is_some_and(|at| match ended {
                    SessionEnd::Crash => apart(at, time) <= MACHINE,
                    _ => at > until,
                })
        };
        // Sessions are in the order of time: those of this start are the last.
        while let Some((number, session)) = self.open.first_key_value()
            && !of_this_start(session)
        {
            let number = *number;
            if let Some(session) = self.remove(number) {
                emit(end(session, until, ended));
            }
        }
        emit_held(&mut self.stopped, emit);
        emit_held(&mut self.started, emit);
        self.started = Some(boot);
    }

    fn shutdown(&mut self, stop: Joined, time: Timestamp, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        if self.down.is_some()
            && let Some(stopped) = &mut self.stopped
            && is_another_record(stopped, &stop)
        {
            return stopped.join(stop);
        }
        self.down = Some(time);
        emit_held(&mut self.stopped, emit);
        self.stopped = Some(stop);
    }

    fn finish(mut self, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        for (_, mut session) in std::mem::take(&mut self.open) {
            if let Some(down) = self.down {
                emit(end(session, down, SessionEnd::Shutdown));
                continue;
            }
            // A log may have been cut before the end of its session; a record is there until the end.
            if session.has_record {
                session.event.ended = Some(SessionEnd::Open);
            }
            emit(session.event);
        }
        for (logout, _) in std::mem::take(&mut self.closed) {
            emit(logout.event);
        }
        emit_held(&mut self.stopped, emit);
        emit_held(&mut self.started, emit);
    }
}

/// A session that the machine's end ended. It may have started in the moment when the machine was going down.
fn end(session: Joined, until: Timestamp, ended: SessionEnd) -> Box<LoginEvent> {
    let mut event = session.event;
    event.until = Some(event.time.map_or(until, |time| until.max(time)));
    event.ended = Some(ended);
    event
}

fn emit_held(held: &mut Option<Joined>, emit: &mut dyn FnMut(Box<LoginEvent>)) {
    if let Some(joined) = held.take() {
        emit(joined.event);
    }
}

/// Whether a start or stop is told by a source that has not told of it yet.
fn is_another_record(held: &Joined, joined: &Joined) -> bool {
    let source = joined.event.source;
    held.event.source != source && held.event.evidence.iter().all(|evidence| evidence.source != source)
}
