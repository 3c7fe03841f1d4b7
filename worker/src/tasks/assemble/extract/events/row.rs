//! The row of a packed event, as a batch has it of the event itself, without making the event.

use super::{
    names::{Name, Names},
    packed::{self, Damaged, Head, Packed, evidence},
    shape::{Field, Shaped, has},
};
use coldread_model::rows::login::{Common, LoginWriter, Own, Record, Word};

/// Appends the row to a batch; gives what its head says, and the row's hash.
pub(super) fn write<'a>(
    event: Packed<'a>,
    names: &'a Names,
    writer: &mut LoginWriter,
    batch: &mut Vec<u8>,
) -> Result<(Head<'a>, u64), Damaged> {
    let (head, mut rest) = packed::head(event, names)?;
    let shape = &head.shape;
    let tail = packed::tail(shape, &mut rest)?;
    let is_like = shape.number().is_some() && shape.number() == writer.like;
    writer.like = shape.number();
    let common = if is_like { None } else { Some(common(shape)?) };
    let row = Own {
        time: head.time,
        user: word(head.user),
        from: word(head.from),
        port: tail.port,
        pid: tail.pid,
        offset: head.offset,
        until: tail.until,
        ended: tail.ended,
    };
    let origin = if tail.evidence > 0 { shape.name(Field::Origin)? } else { None };
    let count = usize::try_from(tail.evidence).map_err(|_| Damaged)?;
    let records = (0..count).map(|_| -> Result<Record<'a>, Damaged> {
        let (source, path, offset) = evidence(&mut rest, names, head.offset)?;
        if origin.is_some_and(|origin| origin.oldest_first(path).is_eq()) {
            return Ok((source, None, offset));
        }
        match path.word() {
            Word::Text(path) => Ok((source, Some(path), offset)),
            _ => Err(Damaged),
        }
    });
    let hash = writer.append(common.as_ref(), &row, records, batch)?;
    Ok((head, hash))
}

fn word(name: Option<Name<'_>>) -> Word<'_> {
    name.map_or(Word::Missing, Name::word)
}

fn common<'a>(shape: &Shaped<'a>) -> Result<Common<'a>, Damaged> {
    let text = |field| Ok(word(shape.name(field)?));
    Ok(Common {
        source: shape.source,
        kind: shape.kind,
        zone: shape.zone,
        ambiguous: shape.has(has::AMBIGUOUS),
        texts: [
            text(Field::Host)?,
            text(Field::Tty)?,
            text(Field::Session)?,
            text(Field::Method)?,
            text(Field::Target)?,
            text(Field::Detail)?,
            text(Field::Root)?,
            text(Field::Origin)?,
        ],
    })
}
