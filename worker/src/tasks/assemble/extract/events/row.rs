//! The row of a packed event, as a batch has it of the event itself, without making the event.

use super::{
    names::{Name, Names},
    packed::{self, Damaged, HOST_ROOT, Head, evidence, has, take, take_number, take_time, take_u32},
};
use coldread_model::{
    LoginSource, SessionEnd,
    rows::login::{LoginRow, LoginWriter, Word},
};

/// Appends the row to a batch; gives what its head says, and the row's hash.
pub(super) fn write<'a>(
    packed: &'a [u8],
    names: &'a Names,
    writer: &mut LoginWriter,
    batch: &mut Vec<u8>,
) -> Result<(Head<'a>, u64), Damaged> {
    let mut rest = packed;
    let rest = &mut rest;
    let head = packed::head(rest, names)?;
    let word = |name: Option<Name<'a>>| name.map_or(Word::Missing, Name::word);
    let text = |bit: u16, rest: &mut &'a [u8]| {
        Ok(if head.has(bit) { word(names.take(rest)?) } else { Word::Missing })
    };
    let host = text(has::HOST, rest)?;
    let port = if head.has(has::PORT) { Some(u16::from_le_bytes(take(rest)?)) } else { None };
    let tty = text(has::TTY, rest)?;
    let pid = if head.has(has::PID) { Some(take_u32(rest)?) } else { None };
    let session = text(has::SESSION, rest)?;
    let method = text(has::METHOD, rest)?;
    let target = text(has::TARGET, rest)?;
    let detail = text(has::DETAIL, rest)?;
    let until = if head.has(has::UNTIL) { take_time(rest)? } else { None };
    let ended = if head.has(has::ENDED) { Some(packed::word(SessionEnd::ALL, rest)?) } else { None };
    let offset = take_number(rest)?;
    let count = if head.has(has::EVIDENCE) { take_number(rest)? } else { 0 };
    let mut more = *rest;
    for _ in 0..count {
        evidence(rest, names, offset)?;
    }
    let root = if head.has(has::ROOT) {
        names.take(rest)?.ok_or(Damaged)?.word()
    } else {
        Word::Text(HOST_ROOT.as_bytes())
    };
    let (user, from, origin) = (word(head.user), word(head.from), head.origin.word());
    let row = LoginRow {
        time: head.time,
        source: head.source,
        kind: head.kind,
        zone: head.zone()?,
        ambiguous: head.has(has::AMBIGUOUS),
        texts: [user, from, host, tty, session, method, target, detail, root, origin],
        port,
        pid,
        offset,
        until,
        ended,
    };
    // Each was read once already.
    let records = (0..count as usize).map(|_| -> Result<(LoginSource, &'a [u8], u64), Damaged> {
        let (source, path, offset) = evidence(&mut more, names, offset)?;
        match path.word() {
            Word::Text(path) => Ok((source, path, offset)),
            _ => Err(Damaged),
        }
    });
    let hash = writer.append(&row, records, batch)?;
    Ok((head, hash))
}
