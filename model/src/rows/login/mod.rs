//! Login events in a batch: what a row has in common with the one before it is not written again.
//!
//! One log says nearly the same in row after row: one file, one kind, one method. A batch begins with its format's number; then
//! each row is
//!
//! | field | bytes |
//! |---|---|
//! | flags | u16, little-endian: which of the following are written |
//! | more flags | u8, if the flags say so |
//! | words | u8 each: source, kind, zone and whether the time is ambiguous; else those of the row before |
//! | second | difference to that of the last row with a time; not where there is no time |
//! | nanoseconds | number; else zero |
//! | texts | user, address, host, tty, session, method, target, detail, root, file: a text each; else those of the row before |
//! | port | u16, little-endian; else none |
//! | process | difference to that of the last row with one; else none |
//! | offset | difference to that of the row before |
//! | end of session | difference to the time's second, then nanoseconds as a number |
//! | how it ended | u8 |
//! | evidence | number of records; each its source (u8), its path as a text (none: the row's own), the difference to the row's offset |
//!
//! Numbers are [`crate::varint`]s, differences wrap and are zigzagged. A text is a number: 0 for none, 1 before the four
//! numbers of an address of version 4, else its length and 2 before its bytes.

mod read;
mod write;

pub use read::LoginReader;
pub use write::LoginWriter;

use crate::{
    login::{LoginEvent, LoginKind, LoginSource, SessionEnd, Zone},
    text::{Text, dotted},
    time::Timestamp,
};

/// What a batch begins with. Batches of before this format begin with 0 or 1.
const VERSION: u8 = 2;

/// Bits of a row's flags. The lower ones are those of texts, in their order.
mod flag {
    pub(super) const WORDS: u16 = 1 << 10;
    pub(super) const NANOS: u16 = 1 << 11;
    pub(super) const PORT: u16 = 1 << 12;
    pub(super) const PID: u16 = 1 << 13;
    pub(super) const EVIDENCE: u16 = 1 << 14;
    pub(super) const MORE: u16 = 1 << 15;
}

/// Bits of what few rows have.
mod more {
    pub(super) const TIMELESS: u8 = 1;
    pub(super) const UNTIL: u8 = 1 << 1;
    pub(super) const ENDED: u8 = 1 << 2;
    pub(super) const ALL: u8 = TIMELESS | UNTIL | ENDED;
}

/// The texts of a row.
#[derive(Clone, Copy)]
enum Field {
    User,
    From,
    Host,
    Tty,
    Session,
    Method,
    Target,
    Detail,
    Root,
    Origin,
}

/// How many there are.
const FIELDS: usize = Field::Origin as usize + 1;
/// How many are a row's own, and how many it may have in common with others.
const OWN: usize = Field::Host as usize;
const COMMON: usize = FIELDS - OWN;

/// A text of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// None.
    Missing,
    /// These bytes.
    Text(&'a [u8]),
    /// The address of version 4 with these numbers, the first the highest byte. As where an event came from it is never
    /// given as a text.
    Address(u32),
}

impl<'a> Word<'a> {
    fn text(text: Option<&'a Text>) -> Self {
        text.map_or(Self::Missing, |text| Self::Text(text.as_bytes()))
    }

    /// Where an address may stand.
    fn address(text: Option<&'a Text>) -> Self {
        let address = text.and_then(|text| dotted(text.as_bytes()));
        address.map_or_else(|| Self::text(text), |numbers| Self::Address(u32::from_be_bytes(numbers)))
    }
}

/// What rows of one log mostly have in common. Texts lie elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Common<'a> {
    /// [`LoginEvent::source`]
    pub source: LoginSource,
    /// [`LoginEvent::kind`]
    pub kind: LoginKind,
    /// [`LoginEvent::zone`]
    pub zone: Zone,
    /// [`LoginEvent::ambiguous`]
    pub ambiguous: bool,
    /// Host, tty, session, method, target, detail, root and origin of the event.
    pub texts: [Word<'a>; COMMON],
}

/// What a row has of its own. Its evidence comes beside it.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// [`LoginEvent::time`]
    pub time: Option<Timestamp>,
    /// [`LoginEvent::user`]
    pub user: Word<'a>,
    /// [`LoginEvent::from`]
    pub from: Word<'a>,
    /// [`LoginEvent::port`]
    pub port: Option<u16>,
    /// [`LoginEvent::pid`]
    pub pid: Option<u32>,
    /// [`LoginEvent::offset`]
    pub offset: u64,
    /// [`LoginEvent::until`]
    pub until: Option<Timestamp>,
    /// [`LoginEvent::ended`]
    pub ended: Option<SessionEnd>,
}

/// Another record of a row: its source, its path if it is not the row's own, its offset.
pub type Record<'a> = (LoginSource, Option<&'a [u8]>, u64);

fn parts(event: &LoginEvent) -> (Common<'_>, Own<'_>) {
    let common = Common {
        source: event.source,
        kind: event.kind,
        zone: event.zone,
        ambiguous: event.ambiguous,
        texts: [
            Word::text(event.host.as_ref()),
            Word::text(event.tty.as_ref()),
            Word::text(event.session.as_ref()),
            Word::text(event.method.as_ref()),
            Word::text(event.target.as_ref()),
            Word::text(event.detail.as_ref()),
            Word::text(Some(&event.root)),
            Word::Text(&event.origin),
        ],
    };
    let own = Own {
        time: event.time,
        user: Word::text(event.user.as_ref()),
        from: Word::address(event.from.as_ref()),
        port: event.port,
        pid: event.pid,
        offset: event.offset,
        until: event.until,
        ended: event.ended,
    };
    (common, own)
}

#[cfg(test)]
mod tests;
