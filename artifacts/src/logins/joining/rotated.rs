//! Attempts whose lines a rotation of their log parted, where the later line comes after the first has left.

use super::{apart, same::name};
use coldread_model::{LoginEvent, LoginKind, LoginSource, Origin, Text, Timestamp};
use std::collections::VecDeque;

/// How long sshd may let a client try, and more.
const ATTEMPT: i128 = super::seconds(600);

/// Of more the oldest are forgotten: what comes of them counts again.
const MAX_KEPT: usize = 1024;

/// The beginning of an attempt.
#[derive(Debug)]
struct Begun {
    /// Of root, kind, user, address and process.
    key: u64,
    root: Text,
    user: Option<Text>,
    from: Option<Text>,
    pid: Option<u32>,
    port: Option<u16>,
    time: Timestamp,
    source: LoginSource,
    origin: Origin,
}

/// Those that were counted as failures and may go on in another file, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Rotated(VecDeque<Begun>);

impl Rotated {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps a failure of which nothing else is told.
    pub(super) fn put(&mut self, event: &LoginEvent, key: Option<u64>) {
        let (Some(key), Some(time), true) = (key, event.time, event.evidence.is_empty()) else { return };
        if self.0.len() >= MAX_KEPT {
            self.0.pop_front();
        }
        self.0.push_back(Begun {
            key,
            root: event.root.clone(),
            user: event.user.clone(),
            from: event.from.clone(),
            pid: event.pid,
            port: event.port,
            time,
            source: event.source,
            origin: event.origin.clone(),
        });
    }

    /// Whether an event tells how an attempt went on; that one is forgotten then.
    pub(super) fn take(&mut self, event: &LoginEvent, time: Timestamp, key: Option<u64>) -> bool {
        while self.0.front().is_some_and(|begun| apart(begun.time, time) > ATTEMPT) {
            self.0.pop_front();
        }
        if event.kind != LoginKind::Failed {
            return false;
        }
        let place = self.0.iter().position(|begun| {
            Some(begun.key) == key
                && begun.root == event.root
                && name(begun.user.as_deref()) == name(event.user.as_deref())
                && begun.from == event.from
                && begun.pid == event.pid
                && begun.source == event.source
                && begun.origin != event.origin
                && (begun.port.is_none() || event.port.is_none() || begun.port == event.port)
        });
        place.is_some_and(|place| self.0.remove(place).is_some())
    }
}
