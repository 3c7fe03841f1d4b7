//! Login events in a short form: names by their number, numbers in as few bytes as they need.
//!
//! What every event has comes first, then a word that says which of the other fields follow. Optional numbers are
//! written only where they are.

use super::{
    fields::{Fields, From},
    names::{Field, Name, Names},
};
use coldread_model::{
    Evidence, LoginEvent, LoginKind, LoginSource, SessionEnd, Text, Timestamp, Zone,
    varint::{self, put as put_number, unzigzag, zigzag},
};
use std::cmp::Ordering;

/// That bytes are no event's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Damaged;

/// Bits of the word, in the order in which the fields follow.
pub(super) mod has {
    pub(in super::super) const HOST: u16 = 1;
    pub(in super::super) const PORT: u16 = 1 << 1;
    pub(in super::super) const TTY: u16 = 1 << 2;
    pub(in super::super) const PID: u16 = 1 << 3;
    pub(in super::super) const SESSION: u16 = 1 << 4;
    pub(in super::super) const METHOD: u16 = 1 << 5;
    pub(in super::super) const TARGET: u16 = 1 << 6;
    pub(in super::super) const DETAIL: u16 = 1 << 7;
    pub(in super::super) const UNTIL: u16 = 1 << 8;
    pub(in super::super) const ENDED: u16 = 1 << 9;
    pub(in super::super) const EVIDENCE: u16 = 1 << 10;
    /// Another root than the host's own tree.
    pub(in super::super) const ROOT: u16 = 1 << 11;
    /// No field of its own: the time exists twice.
    pub(in super::super) const AMBIGUOUS: u16 = 1 << 12;
    /// Where the zone stands.
    pub(in super::super) const ZONE: u32 = 13;
}

/// The root that is not written.
pub(super) const HOST_ROOT: &str = "/";

/// Appends an event's bytes.
pub(super) fn pack(event: &Fields<'_>, names: &mut Names, out: &mut Vec<u8>) {
    put_time(event.time, out);
    out.extend([event.source as u8, event.kind as u8]);
    names.put_path(event.origin, out);
    names.put_text(Field::User, event.user, out);
    match event.from {
        From::Four(numbers) => Names::put_address(numbers, out),
        From::Text(text) => names.put_text(Field::From, text, out),
    }
    let at = out.len();
    let mut word = (event.zone as u16) << has::ZONE;
    if event.ambiguous {
        word |= has::AMBIGUOUS;
    }
    out.extend([0; 2]);
    let mut put = |bit: u16, field: Field, text: Option<&[u8]>, out: &mut Vec<u8>| {
        if text.is_some() {
            word |= bit;
            names.put_text(field, text, out);
        }
    };
    put(has::HOST, Field::Host, event.host, out);
    if let Some(port) = event.port {
        out.extend(port.to_le_bytes());
    }
    put(has::TTY, Field::Tty, event.tty, out);
    if let Some(pid) = event.pid {
        put_number(pid.into(), out);
    }
    put(has::SESSION, Field::Session, event.session, out);
    put(has::METHOD, Field::Method, event.method, out);
    put(has::TARGET, Field::Target, event.target, out);
    put(has::DETAIL, Field::Detail, event.detail, out);
    let records = event.evidence.len();
    let mut is = |bit: u16, there: bool| word |= if there { bit } else { 0 };
    is(has::PORT, event.port.is_some());
    is(has::PID, event.pid.is_some());
    is(has::UNTIL, event.until.is_some());
    is(has::ENDED, event.ended.is_some());
    is(has::EVIDENCE, records > 0);
    is(has::ROOT, event.root != HOST_ROOT);
    out[at..at + 2].copy_from_slice(&word.to_le_bytes());
    if event.until.is_some() {
        put_time(event.until, out);
    }
    out.extend(event.ended.map(|ended| ended as u8));
    put_number(event.offset, out);
    if records > 0 {
        put_number(records as u64, out);
    }
    event.evidence.each(event, |source, origin, offset| {
        out.push(source as u8);
        names.put_path(origin, out);
        // Mostly the lines before and after.
        put_number(zigzag(offset.wrapping_sub(event.offset)), out);
    });
    if event.root != HOST_ROOT {
        names.put_text(Field::Root, Some(event.root.as_bytes()), out);
    }
}

/// What stands before the word, and the word.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) time: Option<Timestamp>,
    pub(super) source: LoginSource,
    pub(super) kind: LoginKind,
    pub(super) origin: Name<'a>,
    pub(super) user: Option<Name<'a>>,
    pub(super) from: Option<Name<'a>>,
    pub(super) word: u16,
}

impl Head<'_> {
    /// Whether a field follows.
    #[inline]
    pub(super) fn has(&self, bit: u16) -> bool {
        self.word & bit != 0
    }

    pub(super) fn zone(&self) -> Result<Zone, Damaged> {
        Zone::ALL.get(usize::from(self.word >> has::ZONE)).copied().ok_or(Damaged)
    }

    /// Whether all that is told of an attempt is how it begins: no method, and no other record.
    pub(super) fn begins(&self) -> bool {
        self.word & (has::PID | has::DETAIL | has::METHOD | has::EVIDENCE) == has::PID | has::DETAIL
    }
}

/// Reads a head; `rest` is left behind it.
#[inline]
pub(super) fn head<'a>(rest: &mut &'a [u8], names: &'a Names) -> Result<Head<'a>, Damaged> {
    Ok(Head {
        time: take_time(rest)?,
        source: word(LoginSource::ALL, rest)?,
        kind: word(LoginKind::ALL, rest)?,
        origin: names.take(rest)?.ok_or(Damaged)?,
        user: names.take(rest)?,
        from: names.take(rest)?,
        word: u16::from_le_bytes(take(rest)?),
    })
}

/// The event of such bytes. It is made where it stays, as most of its fields are nothing.
pub(super) fn unpack(bytes: &[u8], names: &Names) -> Result<Box<LoginEvent>, Damaged> {
    let mut rest = bytes;
    let rest = &mut rest;
    let head = head(rest, names)?;
    let mut event = Box::new(LoginEvent::new(head.source, head.kind, head.time, head.origin.path(), 0));
    event.user = head.user.and_then(Name::text);
    event.from = head.from.and_then(Name::text);
    event.zone = head.zone()?;
    event.ambiguous = head.has(has::AMBIGUOUS);
    let text = |bit: u16, to: &mut Option<Text>, rest: &mut _| {
        if head.has(bit) {
            *to = names.take(rest)?.and_then(Name::text);
        }
        Ok(())
    };
    text(has::HOST, &mut event.host, rest)?;
    if head.has(has::PORT) {
        event.port = Some(u16::from_le_bytes(take(rest)?));
    }
    text(has::TTY, &mut event.tty, rest)?;
    if head.has(has::PID) {
        event.pid = Some(take_u32(rest)?);
    }
    text(has::SESSION, &mut event.session, rest)?;
    text(has::METHOD, &mut event.method, rest)?;
    text(has::TARGET, &mut event.target, rest)?;
    text(has::DETAIL, &mut event.detail, rest)?;
    if head.has(has::UNTIL) {
        event.until = take_time(rest)?;
    }
    if head.has(has::ENDED) {
        event.ended = Some(word(SessionEnd::ALL, rest)?);
    }
    let offset = take_number(rest)?;
    event.offset = offset;
    if head.has(has::EVIDENCE) {
        let count = usize::try_from(take_number(rest)?).map_err(|_| Damaged)?;
        event.evidence.reserve_exact(count.min(bytes.len()));
        for _ in 0..count {
            let (source, path, offset) = evidence(rest, names, offset)?;
            let origin = if path.is_path(&event.origin) { event.origin.clone() } else { path.path() };
            event.evidence.push(Evidence { source, origin, offset });
        }
    }
    if head.has(has::ROOT) {
        event.root = names.take(rest)?.and_then(Name::text).ok_or(Damaged)?;
    }
    Ok(event)
}

/// Reads where another record lies, of an event at `offset`.
#[inline]
pub(super) fn evidence<'a>(
    rest: &mut &'a [u8],
    names: &'a Names,
    offset: u64,
) -> Result<(LoginSource, Name<'a>, u64), Damaged> {
    let source = word(LoginSource::ALL, rest)?;
    let path = names.take(rest)?.ok_or(Damaged)?;
    Ok((source, path, offset.wrapping_add(unzigzag(take_number(rest)?))))
}

/// As the events compare.
pub(super) fn compare(one: &[u8], other: &[u8], names: &Names) -> Ordering {
    match (compare_heads(one, other, names), one == other) {
        (Ok(Ordering::Equal), false) => unpack(one, names).cmp(&unpack(other, names)),
        (Ok(order), _) => order,
        (Err(Damaged), _) => one.cmp(other),
    }
}

/// Bytes of a user's name in a [`key`].
const KEY_NAME: usize = 11;
/// Each has four bits there.
const _: () = assert!(LoginSource::ALL.len() <= 16 && LoginKind::ALL.len() <= 16);

/// Orders events of one second as far as most differ; those whose keys are equal still compare. It has whether there is a
/// time, nanoseconds, source, kind, then the user's first bytes.
pub(super) fn key(event: &[u8], names: &Names) -> u128 {
    take_key(&mut { event }, names).unwrap_or(0)
}

fn take_key<'a>(rest: &mut &'a [u8], names: &'a Names) -> Result<u128, Damaged> {
    let time = take_time(rest)?.map_or(0, |time| 1 << 30 | time.nanos);
    let [source, kind] = take(rest)?;
    names.take(rest)?;
    let mut start = [0; 16];
    if let Some(user) = names.take(rest)? {
        user.with(|user| {
            let len = user.len().min(KEY_NAME);
            start[16 - KEY_NAME..][..len].copy_from_slice(&user[..len]);
        });
    }
    let before = u64::from(time) << 8 | u64::from(source << 4 | kind);
    Ok(u128::from(before) << (8 * KEY_NAME) | u128::from_be_bytes(start))
}

/// As far as most events differ, a field at a time: what is compared is of one second, and mostly of other users,
/// addresses, ports or processes.
fn compare_heads(one: &[u8], other: &[u8], names: &Names) -> Result<Ordering, Damaged> {
    let (a, b) = (&mut { one }, &mut { other });
    let first = take_time(a)?.cmp(&take_time(b)?);
    // Sources and kinds are numbered in their order.
    let first = first.then(take::<2>(a)?.cmp(&take::<2>(b)?));
    if first.is_ne() {
        return Ok(first);
    }
    // Paths come later in the order.
    names.take(a)?;
    names.take(b)?;
    for _user_then_address in 0..2 {
        let order = same(names.take(a)?, names.take(b)?);
        if order.is_ne() {
            return Ok(order);
        }
    }
    let (word, other_word) = (u16::from_le_bytes(take(a)?), u16::from_le_bytes(take(b)?));
    if word != other_word || word & (has::HOST | has::TTY) != 0 {
        return Ok(Ordering::Equal);
    }
    if word & has::PORT != 0 {
        let [port, other_port] = [take(a)?, take(b)?].map(u16::from_le_bytes);
        if port != other_port {
            return Ok(port.cmp(&other_port));
        }
    }
    if word & has::PID != 0 {
        return Ok(take_number(a)?.cmp(&take_number(b)?));
    }
    Ok(Ordering::Equal)
}

/// How two names compare that may be missing.
fn same(one: Option<Name<'_>>, other: Option<Name<'_>>) -> Ordering {
    match (one, other) {
        (Some(one), Some(other)) => one.compare(other),
        (one, other) => one.is_some().cmp(&other.is_some()),
    }
}

/// The seconds at which packed bytes start, in the order of numbers: what most comparisons need alone.
pub(super) fn seconds(packed: &[u8]) -> u64 {
    match packed {
        [1, seconds @ ..] => seconds.first_chunk().map_or(0, |seconds| u64::from_be_bytes(*seconds)),
        _ => 0,
    }
}

fn put_time(time: Option<Timestamp>, out: &mut Vec<u8>) {
    let Some(time) = time else { return out.push(0) };
    out.push(1);
    out.extend((time.seconds as u64 ^ 1 << 63).to_be_bytes());
    put_number(time.nanos.into(), out);
}

#[inline]
pub(super) fn take_time(rest: &mut &[u8]) -> Result<Option<Timestamp>, Damaged> {
    if take::<1>(rest)? == [0] {
        return Ok(None);
    }
    let seconds = (u64::from_be_bytes(take(rest)?) ^ 1 << 63) as i64;
    let nanos = take_u32(rest)?;
    Ok(Some(Timestamp { seconds, nanos }))
}

#[inline]
pub(super) fn take_number(rest: &mut &[u8]) -> Result<u64, Damaged> {
    varint::take(rest).ok_or(Damaged)
}

pub(super) fn take_u32(rest: &mut &[u8]) -> Result<u32, Damaged> {
    u32::try_from(take_number(rest)?).map_err(|_| Damaged)
}

#[inline]
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (first, after) = rest.split_first_chunk().ok_or(Damaged)?;
    *rest = after;
    Ok(*first)
}

#[inline]
pub(super) fn word<T: Copy>(all: &[T], rest: &mut &[u8]) -> Result<T, Damaged> {
    let [number] = take(rest)?;
    all.get(usize::from(number)).copied().ok_or(Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::{
        Origin,
        rows::{WriteRow, login::LoginWriter},
    };
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Option<Text>> {
        // Few characters, so that texts begin alike and end early.
        prop::option::of(
            prop::collection::vec(
                prop::sample::select(vec!['\0', '\u{1}', '\u{2}', 'a', 'b', '\u{80}', '€']),
                0..4,
            )
            .prop_map(|text| String::from_iter(text).into()),
        )
    }

    fn address() -> impl Strategy<Value = Option<Text>> {
        prop::sample::select(vec!["10.0.0.9", "10.0.0.10", "9.0.0.1", "010.0.0.1", "2001:db8::1"])
            .prop_map(|text| Some(text.into()))
    }

    fn time() -> impl Strategy<Value = Option<Timestamp>> {
        let seconds = prop::sample::select(vec![i64::MIN, -1, 0, 1, 1 << 40, i64::MAX]);
        prop::option::of((seconds, 0u32..2).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }))
    }

    prop_compose! {
        fn event()(
            (time, until) in (time(), time()),
            (source, kind) in (prop::sample::select(LoginSource::ALL), prop::sample::select(LoginKind::ALL)),
            [user, host, tty] in [text(), text(), text()],
            from in prop_oneof![text(), address()],
            [session, method, target, detail] in [text(), text(), text(), text()],
            port in prop::option::of(prop::sample::select(vec![0u16, 1, 255, 256, u16::MAX])),
            pid in prop::option::of(prop::sample::select(vec![0u32, 1, 65_536, u32::MAX])),
            zone in prop::sample::select(Zone::ALL),
            ambiguous in any::<bool>(),
            ended in prop::option::of(prop::sample::select(SessionEnd::ALL)),
            (origin, offset) in (prop::collection::vec(0u8..3, 0..3), prop::sample::select(vec![0, 127, 128, u64::MAX])),
            evidence in prop::collection::vec((prop::collection::vec(0u8..3, 0..3), 0u64..300), 0..3),
            root in prop::sample::select(vec!["/", "", "/x"]),
        ) -> LoginEvent {
            let evidence = evidence.into_iter().map(|(origin, offset)| Evidence { source, origin: Origin::from(origin), offset }).collect();
            LoginEvent {
                user, from, host, port, tty, zone, ambiguous, pid, session, method, target, detail, until, ended,
                evidence, root: root.into(),
                ..LoginEvent::new(source, kind, time, origin, offset)
            }
        }
    }

    proptest! {
        #[test]
        fn events_come_back_and_compare_packed_as_they_do(one in event(), fields in event(), take in any::<u32>()) {
            // Another event that has some fields of the first.
            let pick = |at: u32| take >> at & 1 == 1;
            let mut other = one.clone();
            if pick(0) { other.time = fields.time; }
            if pick(1) { other.kind = fields.kind; }
            if pick(2) { other.user = fields.user; }
            if pick(3) { other.from = fields.from; }
            if pick(4) { (other.port, other.pid) = (fields.port, fields.pid); }
            if pick(5) { (other.method, other.target) = (fields.method, fields.target); }
            if pick(6) { (other.until, other.ended) = (fields.until, fields.ended); }
            if pick(7) { (other.zone, other.ambiguous, other.tty) = (fields.zone, fields.ambiguous, fields.tty); }
            if pick(8) { other.evidence = fields.evidence; }
            if pick(9) { other.origin = fields.origin; }
            let mut names = Names::default();
            let mut packed = [Vec::new(), Vec::new()];
            pack(&Fields::of(&one), &mut names, &mut packed[0]);
            pack(&Fields::of(&other), &mut names, &mut packed[1]);
            let order = one.cmp(&other);
            prop_assert_eq!(compare(&packed[0], &packed[1], &names), order);
            let keys = key(&packed[0], &names).cmp(&key(&packed[1], &names));
            prop_assert!(seconds(&packed[0]) != seconds(&packed[1]) || keys == order || keys.is_eq());
            prop_assert!(order.is_eq() || seconds(&packed[0]).cmp(&seconds(&packed[1])) != order.reverse());
            let (mut writers, mut batches) = <([LoginWriter; 2], [Vec<u8>; 2])>::default();
            for (packed, event) in packed.iter().zip([one, other]) {
                let wanted = writers[0].write(&event, &mut batches[0]);
                let (head, hash) = super::super::row::write(packed, &names, &mut writers[1], &mut batches[1]).unwrap();
                prop_assert_eq!((head.time, head.kind, hash), (event.time, event.kind, wanted));
                prop_assert_eq!(&batches[0], &batches[1]);
                prop_assert_eq!(unpack(packed, &names), Ok(Box::new(event)));
            }
        }

        #[test]
        fn any_bytes_are_an_event_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), other in prop::collection::vec(any::<u8>(), 0..200)) {
            let names = Names::default();
            let _ = (unpack(&bytes, &names), compare(&bytes, &other, &names));
            let _ = super::super::row::write(&bytes, &names, &mut LoginWriter::default(), &mut Vec::new());
        }
    }
}
