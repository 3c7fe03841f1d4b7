//! Writing rows of login events.

use super::{Common, FIELDS, Field, OWN, Own, Record, VERSION, Word, flag, more, parts};
use crate::{
    boundary,
    login::LoginEvent,
    rows::WriteRow,
    varint::{self, zigzag},
};
use std::convert::Infallible;

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
        bytes.extend_from_slice(&[0; 2]);
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
                bytes.extend_from_slice(&words);
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
            bytes.extend_from_slice(&port.to_le_bytes());
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
            let [a, b, c, d] = numbers.to_be_bytes();
            bytes.extend_from_slice(&[1, a, b, c, d]);
        }
        Word::Text(text) => {
            varint::put(text.len() as u64 + 2, bytes);
            bytes.extend_from_slice(text);
        }
    }
}
