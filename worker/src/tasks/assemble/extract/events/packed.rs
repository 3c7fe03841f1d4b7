//! Login events in a short form whose bytes are in the order of the events.
//!
//! The head holds the fields by which events are nearly always told apart, from the time to how the session ended, such
//! that comparing heads byte by byte compares the events: numbers with their highest byte first, texts up to a mark
//! that no byte of theirs is below. The tail holds where the event was found, with names by their number.

use super::names::Names;
use coldread_model::{Evidence, LoginEvent, LoginKind, LoginSource, SessionEnd, Timestamp, Zone};

/// What ends a text.
const END: u8 = 0;
/// What stands before a byte of a text that is `END` or `ESCAPE` itself, plus one.
const ESCAPE: u8 = 1;

/// That bytes are no event's.
struct Damaged;

/// Appends an event's bytes; gives the length of the head.
pub(super) fn pack(event: &LoginEvent, names: &mut Names, out: &mut Vec<u8>) -> usize {
    let start = out.len();
    put_time(event.time, out);
    out.extend([event.source as u8, event.kind as u8]);
    for text in [&event.user, &event.from, &event.host] {
        put_text(text.as_deref(), out);
    }
    match event.port {
        Some(port) => {
            let [high, low] = port.to_be_bytes();
            out.extend([1, high, low]);
        }
        None => out.push(0),
    }
    put_text(event.tty.as_deref(), out);
    out.extend([event.zone as u8, u8::from(event.ambiguous)]);
    match event.pid {
        Some(pid) => {
            out.push(1);
            out.extend(pid.to_be_bytes());
        }
        None => out.push(0),
    }
    for text in [&event.session, &event.method, &event.target, &event.detail] {
        put_text(text.as_deref(), out);
    }
    put_time(event.until, out);
    out.push(event.ended.map_or(0, |ended| ended as u8 + 1));
    let head = out.len() - start;
    names.put(&event.origin, out);
    put_number(event.offset, out);
    put_number(event.evidence.len() as u64, out);
    for one in &event.evidence {
        out.push(one.source as u8);
        names.put(&one.origin, out);
        put_number(one.offset, out);
    }
    names.put(event.root.as_bytes(), out);
    head
}

/// The event of such bytes; `None` where they are none.
pub(super) fn unpack(bytes: &[u8], names: &Names) -> Option<LoginEvent> {
    let mut rest = bytes;
    let rest = &mut rest;
    let time = take_time(rest).ok()?;
    let source = word(LoginSource::ALL, rest)?;
    let kind = word(LoginKind::ALL, rest)?;
    let (user, from, host) = (take_text(rest).ok()?, take_text(rest).ok()?, take_text(rest).ok()?);
    let port = if take_flag(rest)? { Some(u16::from_be_bytes(take(rest)?)) } else { None };
    let tty = take_text(rest).ok()?;
    let zone = word(Zone::ALL, rest)?;
    let ambiguous = take_flag(rest)?;
    let pid = if take_flag(rest)? { Some(u32::from_be_bytes(take(rest)?)) } else { None };
    let (session, method) = (take_text(rest).ok()?, take_text(rest).ok()?);
    let (target, detail) = (take_text(rest).ok()?, take_text(rest).ok()?);
    let until = take_time(rest).ok()?;
    let ended = match take::<1>(rest)? {
        [0] => None,
        [number] => Some(*SessionEnd::ALL.get(usize::from(number) - 1)?),
    };
    let origin = names.take(rest)?.to_vec();
    let offset = take_number(rest)?;
    let count = usize::try_from(take_number(rest)?).ok()?;
    // Each takes at least three bytes.
    let mut evidence = Vec::with_capacity(count.min(rest.len() / 3));
    for _ in 0..count {
        let source = word(LoginSource::ALL, rest)?;
        evidence.push(Evidence { source, origin: names.take(rest)?.to_vec(), offset: take_number(rest)? });
    }
    let root = String::from_utf8(names.take(rest)?.to_vec()).ok()?;
    Some(LoginEvent {
        time,
        source,
        kind,
        user,
        from,
        host,
        port,
        tty,
        zone,
        ambiguous,
        pid,
        session,
        method,
        target,
        detail,
        until,
        ended,
        origin,
        offset,
        evidence,
        root,
    })
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
    out.extend(time.nanos.to_be_bytes());
}

fn take_time(rest: &mut &[u8]) -> Result<Option<Timestamp>, Damaged> {
    if !take_flag(rest).ok_or(Damaged)? {
        return Ok(None);
    }
    let (seconds, nanos) = take(rest).zip(take(rest)).ok_or(Damaged)?;
    let seconds = (u64::from_be_bytes(seconds) ^ 1 << 63) as i64;
    Ok(Some(Timestamp { seconds, nanos: u32::from_be_bytes(nanos) }))
}

fn put_text(text: Option<&str>, out: &mut Vec<u8>) {
    let Some(text) = text else { return out.push(0) };
    out.push(1);
    if text.bytes().all(|byte| byte > ESCAPE) {
        out.extend_from_slice(text.as_bytes());
    } else {
        for byte in text.bytes() {
            if byte <= ESCAPE {
                out.extend([ESCAPE, byte + 1]);
            } else {
                out.push(byte);
            }
        }
    }
    out.push(END);
}

fn take_text(rest: &mut &[u8]) -> Result<Option<String>, Damaged> {
    if !take_flag(rest).ok_or(Damaged)? {
        return Ok(None);
    }
    let end = rest.iter().position(|byte| *byte <= ESCAPE).ok_or(Damaged)?;
    if rest[end] == END {
        let text = std::str::from_utf8(&rest[..end]).map_err(|_| Damaged)?.to_owned();
        *rest = &rest[end + 1..];
        return Ok(Some(text));
    }
    let mut text = Vec::new();
    loop {
        match take::<1>(rest).ok_or(Damaged)? {
            [END] => return String::from_utf8(text).map(Some).map_err(|_| Damaged),
            [ESCAPE] => {
                let [byte] = take(rest).ok_or(Damaged)?;
                text.push(byte.checked_sub(1).ok_or(Damaged)?);
            }
            [byte] => text.push(byte),
        }
    }
}

/// Seven bits a byte, the lowest first.
pub(super) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn take_number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let [byte] = take(rest)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

fn take_flag(rest: &mut &[u8]) -> Option<bool> {
    take::<1>(rest).map(|[flag]| flag != 0)
}

fn word<T: Copy>(all: &[T], rest: &mut &[u8]) -> Option<T> {
    let [number] = take(rest)?;
    all.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text() -> impl Strategy<Value = Option<String>> {
        // Few characters, so that texts begin alike and end early; those that are escaped among them.
        prop::option::of(
            prop::collection::vec(
                prop::sample::select(vec!['\0', '\u{1}', '\u{2}', 'a', 'b', '\u{80}', '€']),
                0..4,
            )
            .prop_map(String::from_iter),
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
            let evidence = evidence.into_iter().map(|(origin, offset)| Evidence { source, origin, offset }).collect();
            LoginEvent {
                user, from, host, port, tty, zone, ambiguous, pid, session, method, target, detail, until, ended,
                evidence, root: root.to_owned(),
                ..LoginEvent::new(source, kind, time, origin, offset)
            }
        }
    }

    proptest! {
        #[test]
        fn events_come_back_and_heads_are_in_their_order(one in event(), fields in event(), take in any::<u32>()) {
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
            let heads = [pack(&one, &mut names, &mut packed[0]), pack(&other, &mut names, &mut packed[1])];
            prop_assert_eq!(unpack(&packed[0], &names), Some(one.clone()));
            prop_assert_eq!(unpack(&packed[1], &names), Some(other.clone()));
            let order = packed[0][..heads[0]].cmp(&packed[1][..heads[1]]);
            if order.is_eq() {
                let rest = LoginEvent { origin: one.origin.clone(), offset: one.offset, evidence: one.evidence.clone(), ..other };
                prop_assert_eq!(rest, one);
            } else {
                prop_assert_eq!(order, one.cmp(&other));
                prop_assert!(seconds(&packed[0]).cmp(&seconds(&packed[1])) != order.reverse());
            }
        }

        #[test]
        fn any_bytes_are_an_event_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes, &Names::default());
        }
    }
}
