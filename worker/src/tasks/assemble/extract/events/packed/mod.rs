//! Login events in a short form: what most have in common by its number ([`super::shape`]), names by theirs, numbers in as
//! few bytes as they need.
//!
//! An event is its shape, its nanoseconds, its offset, user and address, then what else the shape says that it has.

use super::{
    fields::{Fields, From},
    names::{HERE, Name, Names, put_here},
    shape::{FIELDS, Field, Shape, Shaped, has},
};
use coldread_model::{
    Evidence, LoginEvent, LoginSource, SessionEnd, Timestamp,
    varint::{self, put as put_number, unzigzag, zigzag},
};
use std::cmp::Ordering;

/// That bytes are no event's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Damaged;

/// Appends an event's bytes. Its seconds are kept beside them ([`seconds`]).
pub(super) fn pack(event: &Fields<'_>, names: &mut Names, out: &mut Vec<u8>) {
    let nanos = event.time.map_or(0, |time| time.nanos);
    let records = event.evidence.len();
    let is = |bit: u8, there: bool| if there { bit } else { 0 };
    let has = is(has::TIME, event.time.is_some())
        | is(has::NANOS, nanos > 0)
        | is(has::PORT, event.port.is_some())
        | is(has::PID, event.pid.is_some())
        | is(has::UNTIL, event.until.is_some())
        | is(has::ENDED, event.ended.is_some())
        | is(has::EVIDENCE, records > 0)
        | is(has::AMBIGUOUS, event.ambiguous);
    let path = names.path_id(event.origin);
    let mut id = |field, text| names.id(field, text);
    // In the order of fields.
    let ids: [u16; FIELDS] = [
        path,
        id(Field::Host, event.host),
        id(Field::Tty, event.tty),
        id(Field::Session, event.session),
        id(Field::Method, event.method),
        id(Field::Target, event.target),
        id(Field::Detail, event.detail),
        id(Field::Root, Some(event.root.as_bytes())),
    ];
    names
        .shapes
        .put(Shape { source: event.source, kind: event.kind, zone: event.zone, has, names: ids }, out);
    if ids.contains(&HERE) {
        put_texts(event, &ids, out);
    }
    if nanos > 0 {
        put_number(nanos.into(), out);
    }
    put_number(event.offset, out);
    names.put_text(event.user, out);
    match event.from {
        From::Four(numbers) => Names::put_address(numbers, out),
        From::Text(text) => names.put_text(text, out),
    }
    if let Some(port) = event.port {
        out.extend_from_slice(&port.to_le_bytes());
    }
    if let Some(pid) = event.pid {
        put_number(pid.into(), out);
    }
    if let Some(until) = event.until {
        out.extend_from_slice(&until.seconds.to_le_bytes());
        put_number(until.nanos.into(), out);
    }
    if let Some(ended) = event.ended {
        out.push(ended as u8);
    }
    if records > 0 {
        put_number(records as u64, out);
    }
    event.evidence.each(event, |source, origin, offset| {
        out.push(source as u8);
        names.put_path(origin, out);
        // Mostly the lines before and after.
        put_number(zigzag(offset.wrapping_sub(event.offset)), out);
    });
}

/// Appends the texts that have no number.
#[cold]
fn put_texts(event: &Fields<'_>, ids: &[u16; FIELDS], out: &mut Vec<u8>) {
    let Fields { host, tty, session, method, target, detail, .. } = *event;
    let texts =
        [Some(&**event.origin), host, tty, session, method, target, detail, Some(event.root.as_bytes())];
    for ((id, text), field) in ids.iter().zip(texts).zip(0..) {
        match text {
            Some(path) if *id == HERE && field == Field::Origin as usize => put_here(path, out),
            Some(text) if *id == HERE => put_here(String::from_utf8_lossy(text).as_bytes(), out),
            _ => {}
        }
    }
}

/// A packed event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    /// Its time's [`seconds`].
    pub(super) seconds: u64,
    pub(super) bytes: &'a [u8],
}

impl<'a> Packed<'a> {
    /// Of a time and an event's bytes.
    pub(crate) fn at(time: Option<Timestamp>, bytes: &'a [u8]) -> Self {
        Self { seconds: seconds(time), bytes }
    }

    /// The event's bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

/// The seconds of a time, in the order of numbers: what most comparisons need alone.
pub(super) fn seconds(time: Option<Timestamp>) -> u64 {
    time.map_or(0, |time| time.seconds as u64 ^ 1 << 63)
}

/// What stands first of an event.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) shape: Shaped<'a>,
    pub(super) time: Option<Timestamp>,
    pub(super) offset: u64,
    pub(super) user: Option<Name<'a>>,
    pub(super) from: Option<Name<'a>>,
}

impl Head<'_> {
    /// Whether all that is told of an attempt is how it begins: no method, and no other record.
    pub(super) fn begins(&self) -> bool {
        let shape = &self.shape;
        shape.has(has::PID)
            && !shape.has(has::EVIDENCE)
            && shape.lacks(Field::Method)
            && !shape.lacks(Field::Detail)
    }
}

/// Reads a head; also gives what stands behind it.
#[inline(always)]
#[allow(clippy::inline_always)] // to hand it over in memory takes longer than to read it
pub(super) fn head<'a>(event: Packed<'a>, names: &'a Names) -> Result<(Head<'a>, &'a [u8]), Damaged> {
    let (First { shape, time, offset }, mut rest) = first(event, names)?;
    let (user, from) = (names.take(&mut rest)?, names.take(&mut rest)?);
    Ok((Head { shape, time, offset, user, from }, rest))
}

/// What tells an event's place among others.
pub(super) struct First<'a> {
    pub(super) shape: Shaped<'a>,
    pub(super) time: Option<Timestamp>,
    pub(super) offset: u64,
}

#[inline(always)]
#[allow(clippy::inline_always)] // as above
pub(super) fn first<'a>(event: Packed<'a>, names: &'a Names) -> Result<(First<'a>, &'a [u8]), Damaged> {
    let mut rest = event.bytes;
    let shape = Shaped::take(&mut rest, names)?;
    let time = if shape.has(has::TIME) {
        let nanos = if shape.has(has::NANOS) { take_u32(&mut rest)? } else { 0 };
        Some(Timestamp { seconds: (event.seconds ^ 1 << 63) as i64, nanos })
    } else {
        None
    };
    let offset = take_number(&mut rest)?;
    Ok((First { shape, time, offset }, rest))
}

/// What stands behind the head, without the evidence.
pub(super) struct Tail {
    pub(super) port: Option<u16>,
    pub(super) pid: Option<u32>,
    pub(super) until: Option<Timestamp>,
    pub(super) ended: Option<SessionEnd>,
    /// How many records follow, each to be read with [`evidence`].
    pub(super) evidence: u64,
}

/// Reads it; `rest` is left behind it.
#[inline(always)]
#[allow(clippy::inline_always)] // as above
pub(super) fn tail(shape: &Shape, rest: &mut &[u8]) -> Result<Tail, Damaged> {
    Ok(Tail {
        port: if shape.has(has::PORT) { Some(u16::from_le_bytes(take(rest)?)) } else { None },
        pid: if shape.has(has::PID) { Some(take_u32(rest)?) } else { None },
        until: if shape.has(has::UNTIL) {
            let seconds = i64::from_le_bytes(take(rest)?);
            Some(Timestamp { seconds, nanos: take_u32(rest)? })
        } else {
            None
        },
        ended: if shape.has(has::ENDED) { Some(word(SessionEnd::ALL, rest)?) } else { None },
        evidence: if shape.has(has::EVIDENCE) { take_number(rest)? } else { 0 },
    })
}

/// The event of such bytes. It is made where it stays, as most of its fields are nothing.
pub(super) fn unpack(packed: Packed<'_>, names: &Names) -> Result<Box<LoginEvent>, Damaged> {
    let (head, mut rest) = head(packed, names)?;
    let shape = &head.shape;
    let tail = tail(shape, &mut rest)?;
    let origin = shape.name(Field::Origin)?.ok_or(Damaged)?.path();
    let mut event = Box::new(LoginEvent::new(shape.source, shape.kind, head.time, origin, head.offset));
    event.user = head.user.and_then(Name::text);
    event.from = head.from.and_then(Name::text);
    event.zone = shape.zone;
    event.ambiguous = shape.has(has::AMBIGUOUS);
    let text = |field| Ok(shape.name(field)?.and_then(Name::text));
    event.host = text(Field::Host)?;
    event.tty = text(Field::Tty)?;
    event.session = text(Field::Session)?;
    event.method = text(Field::Method)?;
    event.target = text(Field::Target)?;
    event.detail = text(Field::Detail)?;
    event.root = text(Field::Root)?.ok_or(Damaged)?;
    (event.port, event.pid, event.until, event.ended) = (tail.port, tail.pid, tail.until, tail.ended);
    if tail.evidence > 0 {
        let count = usize::try_from(tail.evidence).map_err(|_| Damaged)?;
        event.evidence.reserve_exact(count.min(rest.len()));
        for _ in 0..count {
            let (source, path, offset) = evidence(&mut rest, names, head.offset)?;
            let origin = if path.is_path(&event.origin) { event.origin.clone() } else { path.path() };
            event.evidence.push(Evidence { source, origin, offset });
        }
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

/// As the events compare, which are of one second.
pub(super) fn compare(one: Packed<'_>, other: Packed<'_>, names: &Names) -> Ordering {
    match (compare_places(one, other, names), one.bytes == other.bytes) {
        (Ok(Ordering::Equal), false) => unpack(one, names).cmp(&unpack(other, names)),
        (Ok(order), _) => order,
        (Err(Damaged), _) => one.bytes.cmp(other.bytes),
    }
}

fn origin_of<'a>(first: &First<'a>) -> Result<Name<'a>, Damaged> {
    first.shape.name(Field::Origin)?.ok_or(Damaged)
}

/// As far as events differ that are not of one record.
fn compare_places(one: Packed<'_>, other: Packed<'_>, names: &Names) -> Result<Ordering, Damaged> {
    let ((one, _), (other, _)) = (first(one, names)?, first(other, names)?);
    let order = one.time.cmp(&other.time).then(one.shape.source.cmp(&other.shape.source));
    if order.is_ne() || one.shape.number().is_some() && one.shape.number() == other.shape.number() {
        return Ok(order.then(one.offset.cmp(&other.offset)));
    }
    Ok(origin_of(&one)?.oldest_first(origin_of(&other)?).then(one.offset.cmp(&other.offset)))
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
mod tests;
