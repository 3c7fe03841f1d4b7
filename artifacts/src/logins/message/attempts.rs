//! From what messages tell to events. The lines that one process of sshd writes of an attempt are one event with all of
//! them as evidence: the one that counts, or the first of them where the log ends before it.
//!
//! Whom sshd refuses (`Invalid user …`) has failed, whether the client tries a password, goes away, or nothing more is
//! told of it. Where its lines lie in two files, as the log was rotated between them, each file has a failure of the
//! attempt: the joining of events makes one of them.

use super::{Step, Told};
use crate::logins::{address, text_of};
use coldread_model::{Evidence, LoginEvent, LoginKind, LoginSource, Origin, Text, Timestamp, Zone};
use std::collections::HashMap;

/// Attempts that are under way at once; of more the oldest is given as it is.
const OPEN: usize = 256;

/// Refused attempts that were given while under way, and are remembered so that their ends do not count again.
const GIVEN: usize = 16_384;

/// Lines that are joined to one attempt; a process that writes more of them is none that sshd starts.
const LINES: usize = 16;

/// Seconds between two lines of one attempt: with the same number later it is another process. sshd gives a client two
/// minutes to log in.
const APART: i64 = 600;

/// What is known of a message beside its words.
#[derive(Clone, Copy, Debug)]
pub(in crate::logins) struct Said<'a> {
    pub pid: Option<u32>,
    pub time: Option<Timestamp>,
    pub zone: Zone,
    pub ambiguous: bool,
    pub source: LoginSource,
    pub path: &'a Origin,
    pub offset: u64,
}

/// The attempts that are under way.
pub(in crate::logins) struct Attempts {
    /// Their processes; 0 where none is. The slot that is filled next holds the oldest.
    pids: [u32; OPEN],
    events: Vec<Option<LoginEvent>>,
    /// Which of them are of users whom sshd refuses.
    refused: [bool; OPEN],
    next: usize,
    /// Processes of refused attempts that made room for others, with where they came from and when.
    given: HashMap<u32, (Option<Text>, Option<Timestamp>)>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            pids: [0; OPEN],
            events: vec![None; OPEN],
            refused: [false; OPEN],
            next: 0,
            given: HashMap::new(),
        }
    }
}

impl Attempts {
    /// Takes a message; gives the events that are complete, of which it may be one.
    pub(in crate::logins) fn take(
        &mut self,
        told: &Told<'_>,
        said: Said<'_>,
        emit: &mut dyn FnMut(LoginEvent),
    ) {
        let pid = said.pid.filter(|pid| *pid > 0 && told.step != Step::Alone);
        let Some(pid) = pid else { return emit(event(told, said)) };
        let slot = self.slot(pid);
        let slot = slot.filter(|slot| {
            let open = self.events[*slot].as_ref();
            let same = open.is_some_and(|open| is_of(open.from.as_ref(), open.time, told, said));
            if !same {
                self.release(*slot, emit);
            }
            same
        });
        match slot {
            Some(slot) => self.go_on(slot, told, said, emit),
            None if self.was_given(pid, told, said) => {
                emit(LoginEvent { kind: LoginKind::Other, ..event(told, said) });
            }
            None => match told.step {
                Step::Before | Step::Refused | Step::Failed => self.hold(pid, told, said, emit),
                Step::End => emit(LoginEvent { kind: LoginKind::Failed, ..event(told, said) }),
                Step::Alone | Step::After | Step::Accepted => emit(event(told, said)),
            },
        }
    }

    /// The slot of a process. Most lines are of the process that came last; else all are compared, many at once.
    fn slot(&self, pid: u32) -> Option<usize> {
        let last = (self.next + OPEN - 1) % OPEN;
        if self.pids[last] == pid {
            return Some(last);
        }
        let is_open = self.pids.iter().map(|known| u32::from(*known == pid)).sum::<u32>() > 0;
        is_open.then(|| self.pids.iter().position(|known| *known == pid))?
    }

    /// Takes a message of an attempt that is under way.
    fn go_on(&mut self, slot: usize, told: &Told<'_>, said: Said<'_>, emit: &mut dyn FnMut(LoginEvent)) {
        let Some(open) = &mut self.events[slot] else { return };
        let has_failed = open.kind == LoginKind::Failed;
        let is_refused = told.step == Step::Refused;
        match told.step {
            // The next attempt of one connection.
            Step::Before | Step::Refused | Step::Failed if has_failed => {
                self.refused[slot] = is_refused;
                emit(std::mem::replace(open, event(told, said)));
            }
            Step::Failed => fail(open, told, said),
            Step::End => {
                if has_failed {
                    join(open, told, said);
                } else {
                    fail(open, told, said);
                }
                self.release(slot, emit);
            }
            Step::Before | Step::Refused | Step::After if open.evidence.len() < LINES => {
                self.refused[slot] |= is_refused;
                join(open, told, said);
            }
            Step::Before | Step::Refused | Step::After => emit(event(told, said)),
            Step::Alone | Step::Accepted => {
                self.release(slot, emit);
                emit(event(told, said));
            }
        }
    }

    /// After the last message: gives what is under way.
    pub(in crate::logins) fn finish(&mut self, emit: &mut dyn FnMut(LoginEvent)) {
        for slot in 0..OPEN {
            self.release(slot, emit);
        }
    }

    /// Holds an attempt. The oldest makes room for it: one that was refused counts, and what comes of it does not.
    fn hold(&mut self, pid: u32, told: &Told<'_>, said: Said<'_>, emit: &mut dyn FnMut(LoginEvent)) {
        let slot = self.next;
        if self.refused[slot]
            && let Some(open) = &self.events[slot]
            && open.kind == LoginKind::Other
        {
            if self.given.len() >= GIVEN {
                self.given.retain(|_, (_, time)| is_soon(*time, said.time));
            }
            if self.given.len() < GIVEN {
                self.given.insert(self.pids[slot], (open.from.clone(), open.time));
            } else {
                self.refused[slot] = false;
            }
        }
        self.release(slot, emit);
        self.pids[slot] = pid;
        self.refused[slot] = told.step == Step::Refused;
        self.events[slot] = Some(event(told, said));
        self.next = (slot + 1) % OPEN;
    }

    fn release(&mut self, slot: usize, emit: &mut dyn FnMut(LoginEvent)) {
        self.pids[slot] = 0;
        let refused = std::mem::take(&mut self.refused[slot]);
        if let Some(mut event) = self.events[slot].take() {
            if refused {
                event.kind = LoginKind::Failed;
            }
            emit(event);
        }
    }

    /// Whether a message tells the end of an attempt that was given as a failure already.
    fn was_given(&mut self, pid: u32, told: &Told<'_>, said: Said<'_>) -> bool {
        if self.given.is_empty() {
            return false;
        }
        let Some((from, time)) = self.given.remove(&pid) else { return false };
        matches!(told.step, Step::Failed | Step::End) && is_of(from.as_ref(), time, told, said)
    }
}

/// Whether two times can be of one attempt.
fn is_soon(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.seconds.abs_diff(other.seconds) <= APART.unsigned_abs(),
        _ => true,
    }
}

/// Whether a message can be of the attempt: soon after it, and from the same address.
fn is_of(from: Option<&Text>, time: Option<Timestamp>, told: &Told<'_>, said: Said<'_>) -> bool {
    let same_place = match (from, told.from) {
        (Some(one), Some(other)) => one.as_bytes() == other || *one == address::canonical(other),
        _ => true,
    };
    is_soon(time, said.time) && same_place
}

/// The event that a message alone is.
fn event(told: &Told<'_>, said: Said<'_>) -> LoginEvent {
    LoginEvent {
        user: text(told.user),
        from: told.from.map(address::canonical),
        port: told.port,
        tty: text(told.tty),
        zone: said.zone,
        ambiguous: said.ambiguous,
        pid: said.pid,
        session: text(told.session),
        method: text(told.method),
        target: text(told.target),
        detail: text(told.detail),
        ..LoginEvent::new(said.source, told.kind, said.time, said.path, said.offset)
    }
}

fn text(field: Option<&[u8]>) -> Option<Text> {
    field.map(text_of)
}

/// Joins a message that says more of an attempt.
fn join(open: &mut LoginEvent, told: &Told<'_>, said: Said<'_>) {
    let origin = said.path.clone();
    open.evidence.push(Evidence { source: said.source, origin, offset: said.offset });
    fill(&mut open.user, told.user, text_of);
    fill(&mut open.from, told.from, address::canonical);
    fill(&mut open.detail, told.detail, text_of);
    open.port = open.port.or(told.port);
}

fn fill(field: &mut Option<Text>, told: Option<&[u8]>, make: impl Fn(&[u8]) -> Text) {
    if field.is_none() {
        *field = told.map(make);
    }
}

/// What led to it becomes evidence of the failure that a message tells.
fn fail(open: &mut LoginEvent, told: &Told<'_>, said: Said<'_>) {
    join(open, told, said);
    if let Some(last) = open.evidence.last_mut() {
        std::mem::swap(&mut last.offset, &mut open.offset);
    }
    if told.user.is_some_and(|user| open.user.as_ref().is_none_or(|known| known.as_bytes() != user)) {
        open.user = text(told.user);
    }
    if told.detail.is_some() {
        open.detail = text(told.detail);
    }
    open.kind = LoginKind::Failed;
    (open.time, open.zone, open.ambiguous) = (said.time, said.zone, said.ambiguous);
    (open.tty, open.method) = (text(told.tty), text(told.method));
}
