//! From what messages tell to events. The lines that one process of sshd writes of an attempt are one event with all of
//! them as evidence: the one that counts, or the first of them where the log ends before it.
//!
//! Whom sshd refuses (`Invalid user …`) has failed, whether the client tries a password, goes away, or nothing more is
//! told of it. Where its lines lie in two files, as the log was rotated between them, each file has a failure of the
//! attempt: the joining of events makes one of them.

use super::{
    Step, Told,
    open::{Open, is_of, is_soon},
};
use crate::logins::{
    address,
    logged::{Logged, LoggedTexts},
};
use coldread_model::{LoginKind, LoginSource, Origin, Text, Timestamp, Zone};
use std::collections::HashMap;

/// Attempts that are under way at once; of more the oldest is given as it is.
const OPEN: usize = 256;

/// Processes that are under way are counted by the last bits of their numbers: most others are told from them so.
const COUNTS: usize = 1024;

/// Refused attempts that were given while under way, and are remembered so that their ends do not count again.
const GIVEN: usize = 16_384;

/// Lines that are joined to one attempt; a process that writes more of them is none that sshd starts.
const LINES: usize = 16;

/// What is known of a message beside its words.
#[derive(Clone, Copy, Debug)]
pub(in crate::logins) struct Said {
    pub pid: Option<u32>,
    pub time: Option<Timestamp>,
    pub zone: Zone,
    pub ambiguous: bool,
    pub offset: u64,
}

/// Takes the events that are complete.
type Emit<'e> = &'e mut dyn FnMut(&Logged<'_>);

/// What all events of a log have in common.
#[derive(Debug)]
pub(super) struct Log<'a> {
    source: LoginSource,
    origin: &'a Origin,
    root: Text,
}

impl Log<'_> {
    /// An event of one line.
    pub(super) fn logged<'b>(
        &'b self,
        kind: LoginKind,
        texts: LoggedTexts<'b>,
        port: Option<u16>,
        said: Said,
    ) -> Logged<'b> {
        let Said { pid, time, zone, ambiguous, offset } = said;
        let Self { source, origin, ref root } = *self;
        Logged { time, source, kind, zone, ambiguous, pid, port, texts, origin, offset, lines: &[], root }
    }

    /// The event that a message alone is.
    fn event<'b>(&'b self, told: &Told<'b>, said: Said) -> Logged<'b> {
        self.logged(told.kind, told.texts, told.port, said)
    }
}

/// The attempts of a log that are under way.
pub(in crate::logins) struct Attempts<'a> {
    log: Log<'a>,
    /// Their processes; 0 where none is. The slot that is filled next holds the oldest.
    pids: [u32; OPEN],
    counts: Box<[u16; COUNTS]>,
    open: Vec<Open>,
    /// Which of them are of users whom sshd refuses.
    refused: [bool; OPEN],
    next: usize,
    /// Processes of refused attempts that made room for others, with where they came from and when.
    given: HashMap<u32, (Option<Text>, Option<Timestamp>)>,
}

impl<'a> Attempts<'a> {
    /// Of a log with this path.
    pub(in crate::logins) fn new(source: LoginSource, origin: &'a Origin) -> Self {
        Self {
            log: Log { source, origin, root: Text::new_static("/") },
            pids: [0; OPEN],
            counts: Box::new([0; COUNTS]),
            open: (0..OPEN).map(|_| Open::default()).collect(),
            refused: [false; OPEN],
            next: 0,
            given: HashMap::new(),
        }
    }

    /// Takes a message; gives the events that are complete, of which it may be one.
    pub(in crate::logins) fn take(&mut self, told: &Told<'_>, said: Said, emit: Emit<'_>) {
        let pid = said.pid.filter(|pid| *pid > 0 && told.step != Step::Alone);
        let Some(pid) = pid else { return emit(&self.log.event(told, said)) };
        let slot = self.slot(pid);
        let slot = slot.filter(|slot| {
            let open = &self.open[*slot];
            let same = is_of(open.from(), open.time(), told, said);
            if !same {
                self.release(*slot, emit);
            }
            same
        });
        match slot {
            Some(slot) => self.go_on(slot, told, said, emit),
            None if self.was_given(pid, told, said) => {
                emit(&Logged { kind: LoginKind::Other, ..self.log.event(told, said) });
            }
            None => match told.step {
                Step::Before | Step::Refused | Step::Failed => self.hold(pid, told, said, emit),
                Step::End => emit(&Logged { kind: LoginKind::Failed, ..self.log.event(told, said) }),
                Step::Alone | Step::After | Step::Accepted => emit(&self.log.event(told, said)),
            },
        }
    }

    /// The slot of a process. Most lines are of the process that came last, or of a new one.
    fn slot(&self, pid: u32) -> Option<usize> {
        let last = (self.next + OPEN - 1) % OPEN;
        if self.pids[last] == pid {
            return Some(last);
        }
        let is_new = self.counts[pid as usize % COUNTS] == 0;
        if is_new { None } else { self.pids.iter().position(|known| *known == pid) }
    }

    /// Takes a message of an attempt that is under way.
    fn go_on(&mut self, slot: usize, told: &Told<'_>, said: Said, emit: Emit<'_>) {
        let open = &mut self.open[slot];
        let is_refused = told.step == Step::Refused;
        match told.step {
            // The next attempt of one connection.
            Step::Before | Step::Refused | Step::Failed if open.has_failed() => {
                self.refused[slot] = is_refused;
                emit(&open.logged(&self.log));
                open.begin(told, said);
            }
            Step::Failed => open.fail(told, said),
            Step::End => {
                if open.has_failed() {
                    open.join(told, said);
                } else {
                    open.fail(told, said);
                }
                self.release(slot, emit);
            }
            Step::Before | Step::Refused | Step::After if open.others() < LINES => {
                self.refused[slot] |= is_refused;
                open.join(told, said);
            }
            Step::Before | Step::Refused | Step::After => emit(&self.log.event(told, said)),
            Step::Alone | Step::Accepted => {
                self.release(slot, emit);
                emit(&self.log.event(told, said));
            }
        }
    }

    /// After the last message: gives what is under way.
    pub(in crate::logins) fn finish(&mut self, emit: Emit<'_>) {
        for slot in 0..OPEN {
            self.release(slot, emit);
        }
    }

    /// Holds an attempt. The oldest makes room for it: one that was refused counts, and what comes of it does not.
    fn hold(&mut self, pid: u32, told: &Told<'_>, said: Said, emit: Emit<'_>) {
        let slot = self.next;
        let open = &self.open[slot];
        if self.refused[slot] && !open.has_failed() {
            if self.given.len() >= GIVEN {
                self.given.retain(|_, (_, time)| is_soon(*time, said.time));
            }
            if self.given.len() < GIVEN {
                let from = open.from().map(address::canonical);
                self.given.insert(self.pids[slot], (from, open.time()));
            } else {
                self.refused[slot] = false;
            }
        }
        self.release(slot, emit);
        self.pids[slot] = pid;
        self.counts[pid as usize % COUNTS] += 1;
        self.refused[slot] = told.step == Step::Refused;
        self.open[slot].begin(told, said);
        self.next = (slot + 1) % OPEN;
    }

    /// Gives an attempt, if the slot holds one.
    fn release(&mut self, slot: usize, emit: Emit<'_>) {
        let is_refused = std::mem::take(&mut self.refused[slot]);
        let pid = std::mem::take(&mut self.pids[slot]);
        if pid != 0 {
            self.counts[pid as usize % COUNTS] -= 1;
            let open = &mut self.open[slot];
            if is_refused {
                open.refuse();
            }
            emit(&open.logged(&self.log));
            open.clear();
        }
    }

    /// Whether a message tells the end of an attempt that was given as a failure already.
    fn was_given(&mut self, pid: u32, told: &Told<'_>, said: Said) -> bool {
        if self.given.is_empty() {
            return false;
        }
        let Some((from, time)) = self.given.remove(&pid) else { return false };
        let from = from.as_ref().map(|from| from.as_bytes());
        matches!(told.step, Step::Failed | Step::End) && is_of(from, time, told, said)
    }
}
