//! Login events in a batch: what a row has in common with the one before it is not written again.
//!
//! One log says nearly the same in row after row: one file, one kind, one method. A batch begins with [`VERSION`]; then
//! each row is
//!
//! | field | bytes |
//! |---|---|
//! | flags | u16, little-endian ([`flag`]): which of the following are written |
//! | more flags | u8, if [`flag::MORE`] |
//! | words | u8 each: source, kind, zone and whether the time is ambiguous; else those of the row before |
//! | second | difference to that of the last row with a time; not if [`more::TIMELESS`] |
//! | nanoseconds | number; else zero |
//! | texts | user, address, host, tty, session, method, target, detail, root, file: a text each; else those of the row before |
//! | port | u16, little-endian; else none |
//! | process | difference to that of the last row with one; else none |
//! | offset | difference to that of the row before |
//! | end of session | difference to the time's second, then nanoseconds as a number |
//! | how it ended | u8 |
//! | evidence | number of records; each its source (u8), its path as a text (none: the row's own), the difference to the row's offset |
//!
//! Numbers are [`varint`]s, differences wrap and are zigzagged. A text is a number: 0 for none, 1 before the four
//! numbers of an address of version 4, else its length and 2 before its bytes.

use super::{MAX_ROWS, ReadRow, WriteRow};
use crate::{
    boundary,
    login::{Evidence, LoginEvent, LoginKind, LoginSource, SessionEnd, Zone},
    text::{Dotted, Origin, Text, dotted},
    time::Timestamp,
    varint::{self, unzigzag, zigzag},
};
use std::convert::Infallible;

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
    /// The address of version 4 with these numbers, the first the highest byte. It is never given as a text.
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

/// Writes the rows of one batch.
#[derive(Debug, Default)]
pub struct LoginWriter {
    /// What the caller knows the common part of the last row by.
    pub like: Option<u64>,
    words: Option<[u8; 3]>,
    /// The texts of the last row: addresses, or where they lie in the batch.
    texts: [Last; FIELDS],
    seconds: i64,
    pid: u32,
    offset: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Last {
    #[default]
    Missing,
    Text(usize, usize),
    Address(u32),
}

impl LoginWriter {
    /// Appends a row and its evidence; without `common` it has that of the row before, which is there. Gives a hash of the
    /// row alone: the one before does not count. After an error of the evidence the batch is of no use.
    pub fn append<'e, E>(
        &mut self,
        common: Option<&Common<'_>>,
        row: &Own<'_>,
        evidence: impl ExactSizeIterator<Item = Result<Record<'e>, E>>,
        bytes: &mut Vec<u8>,
    ) -> Result<u64, E> {
        if bytes.is_empty() {
            bytes.push(VERSION);
        }
        let at = bytes.len();
        let (mut flags, mut rare) = (0, 0);
        bytes.extend([0; 2]);
        if row.time.is_none() || row.until.is_some() || row.ended.is_some() {
            flags |= flag::MORE;
            bytes.push(0);
        }
        if let Some(common) = common {
            let Common { source, kind, zone, ambiguous, .. } = *common;
            let words = [source as u8, kind as u8, (zone as u8) << 1 | u8::from(ambiguous)];
            if self.words != Some(words) {
                flags |= flag::WORDS;
                self.words = Some(words);
                bytes.extend(words);
            }
        }
        match row.time {
            Some(time) => {
                put_difference(time.seconds as u64, self.seconds as u64, bytes);
                self.seconds = time.seconds;
                if time.nanos > 0 {
                    flags |= flag::NANOS;
                    varint::put(time.nanos.into(), bytes);
                }
            }
            None => rare |= more::TIMELESS,
        }
        flags |= self.put(Field::User as usize, row.user, bytes);
        flags |= self.put(Field::From as usize, row.from, bytes);
        if let Some(common) = common {
            for (text, field) in common.texts.iter().zip(OWN..) {
                flags |= self.put(field, *text, bytes);
            }
        }
        if let Some(port) = row.port {
            flags |= flag::PORT;
            bytes.extend(port.to_le_bytes());
        }
        if let Some(pid) = row.pid {
            flags |= flag::PID;
            put_difference(pid.into(), self.pid.into(), bytes);
            self.pid = pid;
        }
        put_difference(row.offset, self.offset, bytes);
        self.offset = row.offset;
        if let Some(until) = row.until {
            rare |= more::UNTIL;
            put_difference(until.seconds as u64, row.time.map_or(0, |time| time.seconds) as u64, bytes);
            varint::put(until.nanos.into(), bytes);
        }
        if let Some(ended) = row.ended {
            rare |= more::ENDED;
            bytes.push(ended as u8);
        }
        if evidence.len() > 0 {
            flags |= flag::EVIDENCE;
            varint::put(evidence.len() as u64, bytes);
        }
        for one in evidence {
            let (source, path, offset) = one?;
            bytes.push(source as u8);
            put_text(path.map_or(Word::Missing, Word::Text), bytes);
            put_difference(offset, row.offset, bytes);
        }
        bytes[at..at + 2].copy_from_slice(&flags.to_le_bytes());
        if rare != 0 {
            bytes[at + 2] = rare;
        }
        Ok(self.hash(row))
    }

    /// Writes a text, unless it is that of the row before; gives its flag if it did.
    #[inline]
    fn put(&mut self, field: usize, text: Word<'_>, bytes: &mut Vec<u8>) -> u16 {
        let last = &mut self.texts[field];
        if last.is(text, bytes) {
            return 0;
        }
        put_text(text, bytes);
        *last = match text {
            Word::Missing => Last::Missing,
            Word::Address(numbers) => Last::Address(numbers),
            Word::Text(text) => Last::Text(bytes.len() - text.len(), bytes.len()),
        };
        1 << field
    }

    /// A hash of what tells a row from others.
    fn hash(&self, row: &Own<'_>) -> u64 {
        let (seconds, nanos) = row.time.map_or((0, 0), |time| (time.seconds, time.nanos));
        let (port, pid) = (row.port.unwrap_or(0), row.pid.unwrap_or(0));
        let [source, kind, _] = self.words.unwrap_or_default();
        let words = u64::from(nanos) << 32 | u64::from(source) << 16 | u64::from(kind);
        let process = u64::from(pid) << 16 | u64::from(port);
        [words, row.offset, process].into_iter().fold(boundary::mix(0, seconds as u64), boundary::mix)
    }
}

impl WriteRow<LoginEvent> for LoginWriter {
    fn write(&mut self, event: &LoginEvent, bytes: &mut Vec<u8>) -> u64 {
        let evidence = event.evidence.iter().map(|one| {
            let path = (one.origin != event.origin).then_some(&*one.origin);
            Ok::<_, Infallible>((one.source, path, one.offset))
        });
        let (common, row) = parts(event);
        self.like = None;
        match self.append(Some(&common), &row, evidence, bytes) {
            Ok(hash) => hash,
            Err(never) => match never {},
        }
    }
}

impl Last {
    fn is(self, text: Word<'_>, bytes: &[u8]) -> bool {
        match (self, text) {
            (Self::Missing, Word::Missing) => true,
            (Self::Text(start, end), Word::Text(text)) => bytes.get(start..end) == Some(text),
            (Self::Address(one), Word::Address(other)) => one == other,
            _ => false,
        }
    }
}

fn put_difference(number: u64, before: u64, bytes: &mut Vec<u8>) {
    varint::put(zigzag(number.wrapping_sub(before)), bytes);
}

#[inline]
fn put_text(text: Word<'_>, bytes: &mut Vec<u8>) {
    match text {
        Word::Missing => varint::put(0, bytes),
        Word::Address(numbers) => {
            varint::put(1, bytes);
            bytes.extend(numbers.to_be_bytes());
        }
        Word::Text(text) => {
            varint::put(text.len() as u64 + 2, bytes);
            bytes.extend_from_slice(text);
        }
    }
}

/// Reads the rows of one batch.
#[derive(Debug, Default)]
pub struct LoginReader {
    begun: bool,
    rows: u32,
    words: Option<(LoginSource, LoginKind, Zone, bool)>,
    /// All but the last, which is no text.
    texts: [Option<Text>; FIELDS - 1],
    origin: Option<Origin>,
    seconds: i64,
    pid: u32,
    offset: u64,
}

impl ReadRow<LoginEvent> for LoginReader {
    fn read(&mut self, rest: &mut &[u8]) -> Result<LoginEvent, String> {
        if !self.begun {
            match take(rest)? {
                [VERSION] => self.begun = true,
                [other] => return Err(format!("format {other} of an older version: scan the source again")),
            }
        }
        self.rows += 1;
        if self.rows > MAX_ROWS {
            return Err(format!("more than {MAX_ROWS} rows"));
        }
        let flags = u16::from_le_bytes(take(rest)?);
        let has = |bit: u16| flags & bit != 0;
        let [rare] = if has(flag::MORE) { take(rest)? } else { [0] };
        if rare & !more::ALL != 0 {
            return Err(format!("unknown flags {rare:#x}"));
        }
        if has(flag::WORDS) {
            let [source, kind, zone] = take(rest)?;
            let source = word(LoginSource::ALL, source)?;
            self.words =
                Some((source, word(LoginKind::ALL, kind)?, word(Zone::ALL, zone >> 1)?, zone & 1 == 1));
        }
        let (source, kind, zone, ambiguous) = self.words.ok_or("a first row without its source")?;
        let time = if rare & more::TIMELESS != 0 {
            None
        } else {
            self.seconds = take_difference(self.seconds as u64, rest)? as i64;
            let nanos = if has(flag::NANOS) { take_number(rest)? } else { 0 };
            Some(timestamp(self.seconds, nanos)?)
        };
        for (field, text) in self.texts.iter_mut().enumerate() {
            if has(1 << field) {
                *text = take_text(rest)?;
            }
        }
        if has(1 << Field::Origin as u16) {
            self.origin = Some(take_path(rest)?.ok_or("a row without its file")?);
        }
        let origin = self.origin.clone().ok_or("a first row without its file")?;
        let port = if has(flag::PORT) { Some(u16::from_le_bytes(take(rest)?)) } else { None };
        let pid = if has(flag::PID) {
            let pid = take_difference(self.pid.into(), rest)?;
            self.pid = u32::try_from(pid).map_err(|_| format!("process {pid}"))?;
            Some(self.pid)
        } else {
            None
        };
        self.offset = take_difference(self.offset, rest)?;
        let until = if rare & more::UNTIL != 0 {
            let seconds = take_difference(time.map_or(0, |time| time.seconds) as u64, rest)?;
            Some(timestamp(seconds as i64, take_number(rest)?)?)
        } else {
            None
        };
        let ended = if rare & more::ENDED != 0 {
            let [ended] = take(rest)?;
            Some(word(SessionEnd::ALL, ended)?)
        } else {
            None
        };
        let mut evidence = Vec::new();
        for _ in 0..if has(flag::EVIDENCE) { take_number(rest)? } else { 0 } {
            let [source] = take(rest)?;
            let source = word(LoginSource::ALL, source)?;
            let origin = take_path(rest)?.unwrap_or_else(|| origin.clone());
            evidence.push(Evidence { source, origin, offset: take_difference(self.offset, rest)? });
        }
        let text = |field: Field| self.texts[field as usize].clone();
        Ok(LoginEvent {
            user: text(Field::User),
            from: text(Field::From),
            host: text(Field::Host),
            tty: text(Field::Tty),
            session: text(Field::Session),
            method: text(Field::Method),
            target: text(Field::Target),
            detail: text(Field::Detail),
            root: text(Field::Root).ok_or("a row without its tree")?,
            port,
            pid,
            zone,
            ambiguous,
            until,
            ended,
            evidence,
            ..LoginEvent::new(source, kind, time, origin, self.offset)
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], String> {
    let (first, after) = rest.split_first_chunk().ok_or("it ends within a row")?;
    *rest = after;
    Ok(*first)
}

fn take_number(rest: &mut &[u8]) -> Result<u64, String> {
    varint::take(rest).ok_or_else(|| "it ends within a number".to_owned())
}

fn take_difference(before: u64, rest: &mut &[u8]) -> Result<u64, String> {
    Ok(before.wrapping_add(unzigzag(take_number(rest)?)))
}

fn timestamp(seconds: i64, nanos: u64) -> Result<Timestamp, String> {
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    Ok(Timestamp { seconds, nanos: nanos.ok_or("more nanoseconds than a second has")? })
}

fn word<T: Copy>(all: &[T], number: u8) -> Result<T, String> {
    all.get(usize::from(number)).copied().ok_or_else(|| format!("word {number} of {}", all.len()))
}

/// Takes the bytes of a text of so many.
fn take_bytes<'a>(len: u64, rest: &mut &'a [u8]) -> Result<&'a [u8], String> {
    let len = usize::try_from(len).ok().filter(|len| *len <= rest.len());
    let (text, after) = rest.split_at(len.ok_or("it ends within a text")?);
    *rest = after;
    Ok(text)
}

fn take_text(rest: &mut &[u8]) -> Result<Option<Text>, String> {
    let bytes = match take_number(rest)? {
        0 => return Ok(None),
        1 => return text(Dotted::new(take(rest)?).as_bytes()).map(Some),
        len => take_bytes(len - 2, rest)?,
    };
    text(bytes).map(Some)
}

fn text(bytes: &[u8]) -> Result<Text, String> {
    std::str::from_utf8(bytes).map(Text::new).map_err(|error| format!("a text: {error}"))
}

fn take_path(rest: &mut &[u8]) -> Result<Option<Origin>, String> {
    match take_number(rest)? {
        0 => Ok(None),
        1 => Err("an address for a path".to_owned()),
        len => Ok(Some(take_bytes(len - 2, rest)?.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{BatchWriter, RowsIter};
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Option<Text>> {
        prop::option::of(prop::sample::select(vec!["", "a", "b", "10.0.0.9", "x\u{80}y"]).prop_map(Text::new))
    }

    fn time() -> impl Strategy<Value = Option<Timestamp>> {
        let seconds = prop::sample::select(vec![i64::MIN, -1, 0, 1, 1 << 40, i64::MAX]);
        prop::option::weighted(
            0.8,
            (seconds, 0u32..2).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }),
        )
    }

    prop_compose! {
        fn event()(
            (time, until) in (time(), time()),
            (source, kind) in (prop::sample::select(LoginSource::ALL), prop::sample::select(LoginKind::ALL)),
            [user, from, host, tty] in [text(), text(), text(), text()],
            [session, method, target, detail] in [text(), text(), text(), text()],
            port in prop::option::of(any::<u16>()),
            pid in prop::option::of(prop::sample::select(vec![0u32, 1, 65_536, u32::MAX])),
            zone in prop::sample::select(Zone::ALL),
            ambiguous in any::<bool>(),
            ended in prop::option::of(prop::sample::select(SessionEnd::ALL)),
            (origin, offset) in (prop::sample::select(vec!["/a", "/b"]), prop::sample::select(vec![0, 127, 128, u64::MAX])),
            evidence in prop::collection::vec((prop::sample::select(vec!["/a", "", "\0"]), 0u64..300), 0..3),
            root in prop::sample::select(vec!["/", ""]),
        ) -> LoginEvent {
            let evidence = evidence.into_iter().map(|(origin, offset)| Evidence { source, origin: origin.into(), offset }).collect();
            LoginEvent {
                user, from, host, port, tty, zone, ambiguous, pid, session, method, target, detail, until, ended,
                evidence, root: root.into(),
                ..LoginEvent::new(source, kind, time, origin, offset)
            }
        }
    }

    fn batch(events: &[LoginEvent]) -> Vec<u8> {
        let mut writer = BatchWriter::default();
        for event in events {
            assert!(!writer.push(event));
        }
        writer.take().map_or_else(Vec::new, |(bytes, _)| bytes)
    }

    proptest! {
        #[test]
        fn events_come_back_whatever_came_before(events in prop::collection::vec(event(), 1..8), repeats in 1usize..3) {
            let events: Vec<_> = events.iter().flat_map(|event| std::iter::repeat_n(event.clone(), repeats)).collect();
            let bytes = batch(&events);
            let back: Result<Vec<LoginEvent>, _> = RowsIter::new(bytes.clone()).collect();
            prop_assert_eq!(back, Ok(events.clone()));
            // A row alone decides where a batch ends.
            let hash = |event: &LoginEvent, bytes: Vec<u8>| LoginWriter::default().write(event, &mut { bytes });
            let mut writer = LoginWriter::default();
            let mut before = Vec::new();
            for event in &events {
                prop_assert_eq!(writer.write(event, &mut before), hash(event, Vec::new()));
            }
            for len in 0..bytes.len() {
                let rows: Vec<Result<LoginEvent, _>> = RowsIter::new(bytes[..len].to_vec()).collect();
                let whole = rows.iter().filter(|row| row.is_ok()).count();
                prop_assert!(rows[..whole].iter().zip(&events).all(|(row, event)| row.as_ref() == Ok(event)));
                prop_assert!(whole < events.len());
            }
        }

        #[test]
        fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let bytes = [&[VERSION][..], &bytes].concat();
            prop_assert!(RowsIter::<LoginEvent>::new(bytes.clone()).count() <= bytes.len());
        }
    }

    #[test]
    fn what_rows_have_in_common_is_written_once() {
        let event = |second: i64| LoginEvent {
            user: Some("admin".into()),
            from: Some("192.0.2.7".into()),
            method: Some("password".into()),
            ..LoginEvent::new(
                LoginSource::Authlog,
                LoginKind::Failed,
                Some(Timestamp::new(1_700_000_000 + second, 0)),
                "/var/log/auth.log",
                second as u64 * 100,
            )
        };
        let [one, many] = [1, 101].map(|count| batch(&(0..count).map(event).collect::<Vec<_>>()).len());
        assert_eq!(many - one, 100 * 5);
    }

    #[test]
    fn batches_end_where_those_of_every_version_do() {
        let event = LoginEvent {
            port: Some(22),
            pid: Some(77),
            ..LoginEvent::new(
                LoginSource::Authlog,
                LoginKind::Failed,
                Some(Timestamp::new(7, 9)),
                "/log",
                300,
            )
        };
        assert_eq!(LoginWriter::default().write(&event, &mut Vec::new()), 0x4fd7_76ff_d29f_10ac);
    }

    #[test]
    fn a_batch_of_more_rows_than_one_has_is_none() {
        let event = LoginEvent::new(LoginSource::Authlog, LoginKind::Failed, None, "/log", 300);
        let mut rows = batch(&[event.clone(), event.clone()]);
        let last = rows.split_off(batch(&[event]).len());
        rows.extend(last.repeat(MAX_ROWS as usize));
        let error = RowsIter::<LoginEvent>::new(rows).find_map(Result::err).unwrap();
        assert_eq!(error.to_string(), "login batch: more than 65536 rows");
    }

    #[test]
    fn a_batch_of_another_format_says_so() {
        let error = RowsIter::<LoginEvent>::new(vec![1, 2, 3]).next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "login batch: format 1 of an older version: scan the source again");
    }
}
