//! Login events in a short form: names by their number, numbers in as few bytes as they need.
//!
//! Fields stand in the order in which events compare. A number that may be missing is written plus one, or as zero.

use super::names::{Field, Name, Names};
use coldread_model::{
    Evidence, LoginEvent, LoginKind, LoginSource, Origin, SessionEnd, Text, Timestamp, Zone,
};
use std::cmp::Ordering;

/// That bytes are no event's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Damaged;

/// How a field is written.
enum Form {
    Time,
    Number,
    Name,
}

/// The fields up to the evidence.
const FIELDS: [Form; 19] = {
    use Form::{Name, Number, Time};
    [
        Time, Number, Number, Name, Name, Name, Number, Name, Number, Number, Number, Name, Name, Name, Name,
        Time, Number, Name, Number,
    ]
};

/// Bytes of a whole second, a source and a kind: the first three fields.
const HEAD: usize = 12;

/// Appends an event's bytes.
pub(super) fn pack(event: &LoginEvent, names: &mut Names, out: &mut Vec<u8>) {
    put_time(event.time, out);
    out.extend([event.source as u8, event.kind as u8]);
    names.put_text(Field::User, event.user.as_deref(), out);
    names.put_text(Field::From, event.from.as_deref(), out);
    names.put_text(Field::Host, event.host.as_deref(), out);
    put_number(event.port.map_or(0, |port| u64::from(port) + 1), out);
    names.put_text(Field::Tty, event.tty.as_deref(), out);
    out.extend([event.zone as u8, u8::from(event.ambiguous)]);
    put_number(event.pid.map_or(0, |pid| u64::from(pid) + 1), out);
    names.put_text(Field::Session, event.session.as_deref(), out);
    names.put_text(Field::Method, event.method.as_deref(), out);
    names.put_text(Field::Target, event.target.as_deref(), out);
    names.put_text(Field::Detail, event.detail.as_deref(), out);
    put_time(event.until, out);
    out.push(event.ended.map_or(0, |ended| ended as u8 + 1));
    names.put_path(&event.origin, out);
    put_number(event.offset, out);
    put_number(event.evidence.len() as u64, out);
    for one in &event.evidence {
        out.push(one.source as u8);
        names.put_path(&one.origin, out);
        // Mostly the lines before and after.
        put_number(zigzag(one.offset.wrapping_sub(event.offset)), out);
    }
    names.put_text(Field::Root, Some(&event.root), out);
}

/// The event of such bytes. It is made where it stays, as most of its fields are nothing.
pub(super) fn unpack(bytes: &[u8], names: &Names) -> Result<Box<LoginEvent>, Damaged> {
    let mut rest = bytes;
    let rest = &mut rest;
    let time = take_time(rest)?;
    let source = word(LoginSource::ALL, rest)?;
    let kind = word(LoginKind::ALL, rest)?;
    // Its path is known later, and nearly always the last one.
    let mut event = Box::new(LoginEvent::new(source, kind, time, names.last_path(), 0));
    for text in [&mut event.user, &mut event.from, &mut event.host] {
        take_text(rest, names, text)?;
    }
    event.port = take_optional(rest)?;
    take_text(rest, names, &mut event.tty)?;
    event.zone = word(Zone::ALL, rest)?;
    event.ambiguous = take_number(rest)? != 0;
    event.pid = take_optional(rest)?;
    for text in [&mut event.session, &mut event.method, &mut event.target, &mut event.detail] {
        take_text(rest, names, text)?;
    }
    event.until = take_time(rest)?;
    event.ended =
        take_optional::<u8>(rest)?.and_then(|ended| SessionEnd::ALL.get(usize::from(ended)).copied());
    take_path(rest, names, &mut event.origin)?;
    let offset = take_number(rest)?;
    event.offset = offset;
    let count = usize::try_from(take_number(rest)?).map_err(|_| Damaged)?;
    event.evidence.reserve_exact(count.min(bytes.len()));
    for _ in 0..count {
        let source = word(LoginSource::ALL, rest)?;
        let mut origin = event.origin.clone();
        take_path(rest, names, &mut origin)?;
        let offset = offset.wrapping_add(unzigzag(take_number(rest)?));
        event.evidence.push(Evidence { source, origin, offset });
    }
    let root = names.take(rest)?.and_then(Name::text).ok_or(Damaged)?;
    if event.root != root {
        event.root = root;
    }
    Ok(event)
}

/// As the events compare.
pub(super) fn compare(one: &[u8], other: &[u8], names: &Names) -> Ordering {
    let (rest, other_rest) = (&mut { one }, &mut { other });
    let mut fields = &FIELDS[..];
    // What is compared is mostly of one second, source and kind.
    if let (Some(start @ [1, .., 0, _, _]), Some(other_start)) =
        (one.first_chunk::<HEAD>(), other.first_chunk::<HEAD>())
        && start == other_start
    {
        (fields, *rest, *other_rest) = (&FIELDS[3..], &one[HEAD..], &other[HEAD..]);
    }
    for form in fields {
        let order = match form {
            Form::Time => take_time(rest).cmp(&take_time(other_rest)),
            Form::Number => take_number(rest).cmp(&take_number(other_rest)),
            Form::Name => bytes(rest, names).cmp(&bytes(other_rest, names)),
        };
        if order.is_ne() {
            return order;
        }
    }
    if one == other { Ordering::Equal } else { unpack(one, names).cmp(&unpack(other, names)) }
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

fn take_time(rest: &mut &[u8]) -> Result<Option<Timestamp>, Damaged> {
    if take::<1>(rest)? == [0] {
        return Ok(None);
    }
    let seconds = (u64::from_be_bytes(take(rest)?) ^ 1 << 63) as i64;
    let nanos = u32::try_from(take_number(rest)?).map_err(|_| Damaged)?;
    Ok(Some(Timestamp { seconds, nanos }))
}

/// Seven bits a byte, the lowest first.
#[inline]
pub(super) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
pub(super) fn take_number(rest: &mut &[u8]) -> Result<u64, Damaged> {
    // Nearly all are of one byte.
    if let [byte @ ..0x80, after @ ..] = *rest {
        *rest = after;
        return Ok(u64::from(*byte));
    }
    take_long_number(rest)
}

fn take_long_number(rest: &mut &[u8]) -> Result<u64, Damaged> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = take(rest)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Damaged)
}

/// A small difference as a small number, whichever way it goes.
fn zigzag(difference: u64) -> u64 {
    difference << 1 ^ (difference as i64 >> 63) as u64
}

fn unzigzag(number: u64) -> u64 {
    number >> 1 ^ (number & 1).wrapping_neg()
}

/// Reads a text, if there is one, to where there is none yet.
fn take_text<'a>(rest: &mut &'a [u8], names: &'a Names, to: &mut Option<Text>) -> Result<(), Damaged> {
    if let Some(name) = names.take(rest)? {
        *to = name.text();
    }
    Ok(())
}

/// Reads a path to where another one stands.
fn take_path<'a>(rest: &mut &'a [u8], names: &'a Names, to: &mut Origin) -> Result<(), Damaged> {
    let name = names.take(rest)?.ok_or(Damaged)?;
    if !name.is_path(to) {
        *to = name.path();
    }
    Ok(())
}

fn bytes<'a>(rest: &mut &'a [u8], names: &'a Names) -> Result<Option<&'a [u8]>, Damaged> {
    Ok(names.take(rest)?.map(Name::bytes))
}

/// A number that may be missing.
fn take_optional<T: TryFrom<u64>>(rest: &mut &[u8]) -> Result<Option<T>, Damaged> {
    let number = take_number(rest)?.checked_sub(1);
    number.map(|number| T::try_from(number).map_err(|_| Damaged)).transpose()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Damaged> {
    let (first, after) = rest.split_first_chunk().ok_or(Damaged)?;
    *rest = after;
    Ok(*first)
}

fn word<T: Copy>(all: &[T], rest: &mut &[u8]) -> Result<T, Damaged> {
    let [number] = take(rest)?;
    all.get(usize::from(number)).copied().ok_or(Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn time() -> impl Strategy<Value = Option<Timestamp>> {
        let seconds = prop::sample::select(vec![i64::MIN, -1, 0, 1, 1 << 40, i64::MAX]);
        prop::option::of((seconds, 0u32..2).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }))
    }

    prop_compose! {
        fn event()(
            (time, until) in (time(), time()),
            (source, kind) in (prop::sample::select(LoginSource::ALL), prop::sample::select(LoginKind::ALL)),
            [user, from, host, tty] in [text(), text(), text(), text()],
            [session, method, target, detail] in [text(), text(), text(), text()],
            port in prop::option::of(prop::sample::select(vec![0u16, 1, 255, 256, u16::MAX])),
            pid in prop::option::of(prop::sample::select(vec![0u32, 1, 65_536, u32::MAX])),
            zone in prop::sample::select(Zone::ALL),
            ambiguous in any::<bool>(),
            ended in prop::option::of(prop::sample::select(SessionEnd::ALL)),
            (origin, offset) in (prop::collection::vec(0u8..3, 0..3), prop::sample::select(vec![0, 127, 128, u64::MAX])),
            evidence in prop::collection::vec((prop::collection::vec(0u8..3, 0..3), 0u64..300), 0..3),
            root in prop::sample::select(vec!["/", "/x"]),
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
            pack(&one, &mut names, &mut packed[0]);
            pack(&other, &mut names, &mut packed[1]);
            let order = one.cmp(&other);
            prop_assert_eq!(compare(&packed[0], &packed[1], &names), order);
            prop_assert!(order.is_eq() || seconds(&packed[0]).cmp(&seconds(&packed[1])) != order.reverse());
            prop_assert_eq!(unpack(&packed[0], &names), Ok(Box::new(one)));
            prop_assert_eq!(unpack(&packed[1], &names), Ok(Box::new(other)));
        }

        #[test]
        fn any_bytes_are_an_event_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), other in prop::collection::vec(any::<u8>(), 0..200)) {
            let names = Names::default();
            let _ = (unpack(&bytes, &names), compare(&bytes, &other, &names));
        }
    }
}
