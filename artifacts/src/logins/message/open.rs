//! An attempt that is under way: what its lines told so far. Its room is used again by the next one.

use super::{Said, Told, attempts::Log};
use crate::logins::{
    address,
    logged::{Logged, LoggedTexts},
};
use coldread_model::{LoginKind, Timestamp, Zone};

/// Seconds between two lines of one attempt: with the same number later it is another process. sshd gives a client two
/// minutes to log in.
const APART: u64 = 600;

/// Room for texts that is kept for the next attempt; a long line's is given back.
const KEPT: usize = 4096;

/// The texts of an attempt, in the order of [`LoggedTexts`].
#[derive(Clone, Copy)]
enum Field {
    User,
    From,
    Tty,
    Session,
    Method,
    Target,
    Detail,
}

const FIELDS: usize = Field::Detail as usize + 1;

/// What is known of one.
#[derive(Debug)]
pub(super) struct Open {
    kind: LoginKind,
    /// Its line that counts.
    said: Said,
    port: Option<u16>,
    text: Vec<u8>,
    /// Where each field begins and ends in it; nowhere where it is missing, as none is empty.
    fields: [(usize, usize); FIELDS],
    /// Where its other lines are.
    lines: Vec<u64>,
}

impl Default for Open {
    fn default() -> Self {
        let said = Said { pid: None, time: None, zone: Zone::Log, ambiguous: false, offset: 0 };
        let (text, lines) = (Vec::new(), Vec::new());
        Self { kind: LoginKind::Other, said, port: None, text, fields: [(0, 0); FIELDS], lines }
    }
}

impl Open {
    /// Begins with a message.
    pub(super) fn begin(&mut self, told: &Told<'_>, said: Said) {
        self.clear();
        (self.kind, self.said, self.port) = (told.kind, said, told.port);
        let LoggedTexts { user, from, tty, session, method, target, detail } = told.texts;
        for (text, field) in [user, from, tty, session, method, target, detail].into_iter().zip(0..) {
            self.set(field, text);
        }
    }

    /// Ends. Its room stays for the next one.
    pub(super) fn clear(&mut self) {
        if self.text.capacity() > KEPT {
            self.text = Vec::new();
        }
        self.text.clear();
        self.lines.clear();
    }

    fn set(&mut self, field: usize, text: Option<&[u8]>) {
        self.fields[field] = match text {
            Some(text) => {
                let start = self.text.len();
                self.text.extend_from_slice(text);
                (start, self.text.len())
            }
            None => (0, 0),
        };
    }

    fn get(&self, field: Field) -> Option<&[u8]> {
        let (start, end) = self.fields[field as usize];
        self.text.get(start..end).filter(|text| !text.is_empty())
    }

    /// Whether it has failed.
    pub(super) fn has_failed(&self) -> bool {
        self.kind == LoginKind::Failed
    }

    /// How many lines it has beside the one that counts.
    pub(super) fn others(&self) -> usize {
        self.lines.len()
    }

    /// When it was.
    pub(super) fn time(&self) -> Option<Timestamp> {
        self.said.time
    }

    /// Where it came from, as it was written.
    pub(super) fn from(&self) -> Option<&[u8]> {
        self.get(Field::From)
    }

    /// It has failed, whatever its lines say.
    pub(super) fn refuse(&mut self) {
        self.kind = LoginKind::Failed;
    }

    /// Joins a message that says more of it.
    pub(super) fn join(&mut self, told: &Told<'_>, said: Said) {
        self.lines.push(said.offset);
        let LoggedTexts { user, from, detail, .. } = told.texts;
        for (field, text) in [(Field::User, user), (Field::From, from), (Field::Detail, detail)] {
            if self.get(field).is_none() {
                self.set(field as usize, text);
            }
        }
        self.port = self.port.or(told.port);
    }

    /// Joins the message of its failure, of which the others become evidence.
    pub(super) fn fail(&mut self, told: &Told<'_>, said: Said) {
        let first = self.said.offset;
        self.join(told, said);
        if let Some(last) = self.lines.last_mut() {
            *last = first;
        }
        let texts = &told.texts;
        if texts.user.is_some() && texts.user != self.get(Field::User) {
            self.set(Field::User as usize, texts.user);
        }
        if texts.detail.is_some() {
            self.set(Field::Detail as usize, texts.detail);
        }
        self.set(Field::Tty as usize, texts.tty);
        self.set(Field::Method as usize, texts.method);
        self.kind = LoginKind::Failed;
        self.said = Said { pid: self.said.pid, ..said };
    }

    /// The event that it is by now.
    pub(super) fn logged<'a>(&'a self, log: &'a Log<'_>) -> Logged<'a> {
        let texts = LoggedTexts {
            user: self.get(Field::User),
            from: self.get(Field::From),
            tty: self.get(Field::Tty),
            session: self.get(Field::Session),
            method: self.get(Field::Method),
            target: self.get(Field::Target),
            detail: self.get(Field::Detail),
        };
        Logged { lines: &self.lines, ..log.logged(self.kind, texts, self.port, self.said) }
    }
}

/// Whether two times can be of one attempt.
pub(super) fn is_soon(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.seconds.abs_diff(other.seconds) <= APART,
        _ => true,
    }
}

/// Whether a message can be of an attempt: soon after it, and from the same address.
pub(super) fn is_of(from: Option<&[u8]>, time: Option<Timestamp>, told: &Told<'_>, said: Said) -> bool {
    let same_place = match (from, told.texts.from) {
        (Some(one), Some(other)) => one == other || address::canonical(one) == address::canonical(other),
        _ => true,
    };
    is_soon(time, said.time) && same_place
}
