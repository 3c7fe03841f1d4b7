//! The row of a packed event, as [`coldread_model::rows::write`] writes it, without making the event.

use super::{
    names::{Name, Names},
    packed::{
        self, Damaged, HOST_ROOT, Head, evidence, has, put_number, take, take_number, take_time, take_u32,
    },
};
use coldread_model::{LoginSource, SessionEnd, Timestamp};

/// Appends the row; gives what its head says.
pub(super) fn write<'a>(packed: &'a [u8], names: &'a Names, out: &mut Vec<u8>) -> Result<Head<'a>, Damaged> {
    let mut rest = packed;
    let rest = &mut rest;
    let head = packed::head(rest, names)?;
    put_time(head.time, out);
    out.extend([head.source as u8, head.kind as u8]);
    put_text(head.user, out);
    put_text(head.from, out);
    let text = |bit: u16, rest: &mut &'a [u8], out: &mut Vec<u8>| {
        let name = if head.has(bit) { names.take(rest)? } else { None };
        put_text(name, out);
        Ok(())
    };
    text(has::HOST, rest, out)?;
    if head.has(has::PORT) {
        out.push(1);
        put_number(u16::from_le_bytes(take(rest)?).into(), out);
    } else {
        out.push(0);
    }
    text(has::TTY, rest, out)?;
    out.extend([head.zone()? as u8, u8::from(head.has(has::AMBIGUOUS))]);
    if head.has(has::PID) {
        out.push(1);
        put_number(take_u32(rest)?.into(), out);
    } else {
        out.push(0);
    }
    text(has::SESSION, rest, out)?;
    text(has::METHOD, rest, out)?;
    text(has::TARGET, rest, out)?;
    text(has::DETAIL, rest, out)?;
    put_time(if head.has(has::UNTIL) { take_time(rest)? } else { None }, out);
    if head.has(has::ENDED) {
        out.extend([1, packed::word(SessionEnd::ALL, rest)? as u8]);
    } else {
        out.push(0);
    }
    head.origin.with(|path| put_bytes(path, out));
    let offset = take_number(rest)?;
    put_number(offset, out);
    let count = if head.has(has::EVIDENCE) { take_number(rest)? } else { 0 };
    put_number(count, out);
    for _ in 0..count {
        let (source, origin, offset): (LoginSource, Name<'_>, u64) = evidence(rest, names, offset)?;
        out.push(source as u8);
        origin.with(|path| put_bytes(path, out));
        put_number(offset, out);
    }
    if head.has(has::ROOT) {
        names.take(rest)?.ok_or(Damaged)?.with(|root| put_bytes(root, out));
    } else {
        put_bytes(HOST_ROOT.as_bytes(), out);
    }
    Ok(head)
}

fn put_time(time: Option<Timestamp>, out: &mut Vec<u8>) {
    let Some(time) = time else { return out.push(0) };
    out.push(1);
    put_number((time.seconds << 1 ^ time.seconds >> 63) as u64, out);
    put_number(time.nanos.into(), out);
}

#[inline]
fn put_text(name: Option<Name<'_>>, out: &mut Vec<u8>) {
    match name {
        Some(name) => {
            out.push(1);
            name.with(|bytes| put_bytes(bytes, out));
        }
        None => out.push(0),
    }
}

#[inline]
fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
