//! Reading rows of login events.

use super::{FIELDS, Field, VERSION, flag, more};
use crate::{
    login::{Evidence, LoginEvent, LoginKind, LoginSource, SessionEnd, Zone},
    rows::{MAX_ROWS, ReadRow},
    text::{Dotted, Origin, Text},
    time::Timestamp,
    varint::{self, unzigzag},
};

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
                [0 | 1] => return Err("it is of an older version: scan the source again".to_owned()),
                [other] => return Err(format!("format {other} is not known")),
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
