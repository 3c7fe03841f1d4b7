//! The systemd journal: the messages of logins in its binary files, and the time that they cover.
//!
//! Source: "Journal File Format" (systemd.io/JOURNAL_FILE_FORMAT), the section named at each structure;
//! systemd.journal-fields(7).
//!
//! A file is read once from start to end, object by object, and not by its hash tables: a few large reads
//! instead of many that wait for one another, and what a crash left without an index is found too. An entry
//! is only a list of references to data objects, most of which are of no interest: the few that name a
//! program of logins are remembered as they pass by, and only entries that refer to one are looked at, or to one that
//! cannot be read.

mod bytes;
mod fields;
mod hash;
mod header;
mod lz4;
mod object;

use super::{
    message::{self, Attempts, Repeats, Said},
    window::Span,
};
use crate::{
    Context, Extractor, Input, Output,
    input::{EVENTS_PER_FILE, FileGaps},
    view::ViewError,
    wants::{Reading, Want},
};
use bytes::Bytes;
use coldread_model::{GapKind, LoginSource, Origin, Timestamp, Zone};
use fields::{Fields, Interest};
use header::{Header, State};
use object::{ENTRY_FIXED, HEADER, Kind, Object};

const STRUCTURE: &str = "journal object";

/// Bytes of a file that are read: journald itself ends a file at 4 GiB at most.
const MAX_BYTES: u64 = 8 << 30;

/// Fields of one entry that are looked at; journald itself writes no more.
const MAX_FIELDS: usize = 1024;

/// Why a journal or a part of it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum JournalError {
    #[error("{0}")]
    View(#[from] ViewError),
    #[error("{0}")]
    Corrupt(String),
    #[error("{0}")]
    Unsupported(String),
    /// A bound of one object.
    #[error("{0}")]
    Limit(String),
    /// A bound of the whole file: nothing more of it is read.
    #[error("{0}")]
    Full(String),
}

impl JournalError {
    const fn gap_kind(&self) -> GapKind {
        match self {
            Self::View(error) => error.gap_kind(),
            Self::Corrupt(_) => GapKind::Corrupt,
            Self::Unsupported(_) => GapKind::Unsupported,
            Self::Limit(_) | Self::Full(_) => GapKind::Limit,
        }
    }
}

/// Reads journal files, those of a machine that crashed too.
#[derive(Debug)]
pub struct Journal;

impl Extractor for Journal {
    fn name(&self) -> &'static str {
        "journal"
    }

    fn version(&self) -> u32 {
        5
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Logins)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/var/log/journal/*/*.journal", Reading::Ranges),
            Want::new("/var/log/journal/*/*.journal~", Reading::Ranges),
            Want::new("/run/log/journal/*/*.journal", Reading::Ranges),
            Want::new("/run/log/journal/*/*.journal~", Reading::Ranges),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let origin = Origin::from(place.path);
        let mut span = Span::new(LoginSource::Journal);
        let mut bytes = Bytes::new(input.view);
        if bytes.len() > 0 {
            let opened = bytes.ahead(0, header::READ_BYTES).and_then(Header::read);
            match opened {
                Ok(header) => {
                    let gaps = place.gaps(STRUCTURE);
                    let mut pass = Pass {
                        bytes,
                        header,
                        interest: Interest::default(),
                        attempts: Attempts::new(LoginSource::Journal, &origin),
                        repeats: Repeats::default(),
                        gaps,
                        events: 0,
                        span,
                    };
                    if let Err(error) = pass.run(out) {
                        out.gap(place.gap(error.gap_kind(), STRUCTURE, error));
                    }
                    pass.attempts.finish(&mut |event| out.logged(event));
                    if let Some(reason) = pass.repeats.left_out() {
                        out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
                    }
                    pass.gaps.finish(out);
                    span = pass.span;
                }
                Err(error) => out.gap(place.gap(error.gap_kind(), "journal header", error)),
            }
        }
        span.finish(&place, out);
    }
}

/// One pass over a file.
struct Pass<'a> {
    bytes: Bytes<'a>,
    header: Header,
    interest: Interest,
    attempts: Attempts<'a>,
    repeats: Repeats,
    gaps: FileGaps<'a>,
    events: u64,
    span: Span,
}

impl Pass<'_> {
    fn run(&mut self, out: &mut dyn Output) -> Result<(), JournalError> {
        let len = self.bytes.len();
        let mut at = self.header.size;
        if len > MAX_BYTES {
            let reason = format!("{len} bytes, at most {MAX_BYTES} are read");
            self.gaps.push(out, GapKind::Limit, reason);
        }
        let len = len.min(MAX_BYTES);
        while at.saturating_add(HEADER as u64) <= len {
            let head = match self.bytes.ahead(at, HEADER) {
                Ok(head) => head,
                Err(error) => {
                    let Some(next) = self.pass_over(at, error, out)? else { break };
                    at = next;
                    continue;
                }
            };
            let Some(object) = Object::read(head, at, len) else {
                let unused = head.iter().all(|byte| *byte == 0);
                if unused && at > self.header.tail {
                    break;
                }
                let next = match self.next_object(at) {
                    Err(error) => self.pass_over(at, error, out)?,
                    next => next?,
                };
                let Some(next) = next else {
                    // After the last object that was counted there is what a crash left half-written.
                    if at <= self.header.tail {
                        self.gaps.push(out, GapKind::Corrupt, format!("byte {at}: no object from here on"));
                    }
                    break;
                };
                self.gaps.push(out, GapKind::Corrupt, format!("bytes {at}..{next}: no object"));
                at = next;
                continue;
            };
            let result = match object.kind {
                Kind::Data => self.interest.data(&mut self.bytes, &self.header, at, object),
                Kind::Entry => self.entry(at, object.size, out),
                _ => Ok(()),
            };
            match result {
                Err(error @ (JournalError::Corrupt(_) | JournalError::Limit(_))) => {
                    self.gaps.push(out, error.gap_kind(), format!("byte {at}: {error}"));
                }
                Err(error @ JournalError::View(ViewError::Io { .. })) => {
                    if object.kind == Kind::Data {
                        self.interest.suspect(at);
                    }
                    let Some(next) = self.pass_over(at, error, out)? else { break };
                    at = next;
                    continue;
                }
                other => other?,
            }
            at = at.saturating_add(object.size).next_multiple_of(8);
        }
        let (found, counted) = (self.span.records(), self.header.entries);
        if found < counted || (found > counted && self.header.state != State::Online) {
            // Those in places that could not be read are missing for that, and not for damage.
            let is_lost = found < counted && !self.bytes.is_whole();
            let kind = if is_lost { GapKind::Io } else { GapKind::Corrupt };
            self.gaps.push(out, kind, format!("{found} entries found, {counted} counted by the header"));
        }
        Ok(())
    }

    /// Tells what cannot be read at `at`, and gives the next place where an object is behind it.
    fn pass_over(
        &mut self,
        at: u64,
        error: JournalError,
        out: &mut dyn Output,
    ) -> Result<Option<u64>, JournalError> {
        let (mut at, mut error) = (at, error);
        loop {
            let JournalError::View(ViewError::Io { range, .. }) = &error else { return Err(error) };
            // Never back, whatever a view says of its error.
            at = range.end().max(at.saturating_add(8));
            self.gaps.push(out, error.gap_kind(), &error);
            match self.next_object(at.next_multiple_of(8) - 8) {
                Err(next) => error = next,
                next => return next,
            }
        }
    }

    /// The next place after `at` where an object is that another follows, or the end of what is used.
    fn next_object(&mut self, at: u64) -> Result<Option<u64>, JournalError> {
        let len = self.bytes.len().min(MAX_BYTES);
        let mut next = at.saturating_add(8);
        while next.saturating_add(HEADER as u64) <= len {
            if self.bytes.held(next, HEADER).is_none() {
                // A hole holds no object.
                let Some(data) = self.bytes.data_from(next) else { return Ok(None) };
                next = next.max(data / 8 * 8);
            }
            let here = Object::read(self.bytes.ahead(next, HEADER)?, next, len);
            if let Some(here) = here {
                let after = next.saturating_add(here.size).next_multiple_of(8);
                // What is not at hand cannot speak against it.
                let followed = self.bytes.held(after, HEADER).is_none_or(|head| {
                    head.iter().all(|byte| *byte == 0) || Object::read(head, after, len).is_some()
                });
                if followed {
                    return Ok(Some(next));
                }
            }
            next += 8;
        }
        Ok(None)
    }

    /// "Entry Objects".
    fn entry(&mut self, at: u64, size: u64, out: &mut dyn Output) -> Result<(), JournalError> {
        let item = if self.header.compact { 4 } else { 16 };
        let items = (size - ENTRY_FIXED) / item;
        let fixed = self.bytes.ahead(at, ENTRY_FIXED as usize)?;
        let micros = u64::from_le_bytes(super::bytes_at(fixed, 24));
        // systemd's own bound of times.
        if micros == 0 || micros >= 1 << 55 {
            return Err(JournalError::Corrupt(format!("an entry of {micros} microseconds since 1970")));
        }
        let time = Timestamp::new((micros / 1_000_000) as i64, (micros % 1_000_000) as u32 * 1000);
        self.span.take(Some(time));
        if items > MAX_FIELDS as u64 {
            self.gaps.push(out, GapKind::Limit, format!("byte {at}: an entry of {items} fields"));
            return Ok(());
        }
        let all_read = self.bytes.is_whole();
        let list = self.bytes.ahead(at + ENTRY_FIXED, (items * item) as usize)?;
        let offset_of = |item: &[u8]| match item.len() {
            4 => u64::from(u32::from_le_bytes(super::bytes_at(item, 0))),
            _ => u64::from_le_bytes(super::bytes_at(item, 0)),
        };
        let offsets = list.chunks_exact(item as usize).map(offset_of);
        let tells = offsets.clone().any(|offset| self.interest.holds(offset));
        if !tells && all_read {
            return Ok(());
        }
        let offsets: Vec<u64> = offsets.collect();
        if !tells && !offsets.iter().any(|offset| self.bytes.is_bad(*offset)) {
            return Ok(());
        }
        let mut fields = Fields::default();
        for offset in offsets {
            let looked = self.interest.look(&mut self.bytes, &self.header, offset);
            match looked {
                Ok(looked) => fields.put(looked),
                Err(
                    error @ (JournalError::Corrupt(_)
                    | JournalError::Unsupported(_)
                    | JournalError::Limit(_)
                    | JournalError::View(ViewError::Io { .. })),
                ) => {
                    let reason = format!("byte {at}: a field at {offset}: {error}");
                    self.gaps.push(out, error.gap_kind(), reason);
                }
                Err(error) => return Err(error),
            }
        }
        self.event(&fields, at, time, out)
    }

    fn event(
        &mut self,
        fields: &Fields,
        at: u64,
        time: Timestamp,
        out: &mut dyn Output,
    ) -> Result<(), JournalError> {
        let Some(text) = fields.message.as_deref() else { return Ok(()) };
        let text = text.trim_ascii();
        let Some(told) = message::tell(fields.program(), text) else { return Ok(()) };
        let times = self.repeats.take(told.times, at);
        self.events += u64::from(times);
        if self.events > EVENTS_PER_FILE {
            return Err(JournalError::Full(format!("byte {at}: more than {EVENTS_PER_FILE} events")));
        }
        let said =
            Said { pid: fields.pid(), time: Some(time), zone: Zone::Log, ambiguous: false, offset: at };
        for _ in 0..times {
            self.attempts.take(&told, said, &mut |event| out.logged(event));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
