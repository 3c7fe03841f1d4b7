//! utmp, wtmp and btmp.
//!
//! Source: utmp(5), "ut_type"; the layouts are in [`layout`].

mod layout;

use super::{address, text_field, window::Span};
use crate::{
    Context, Extractor, Input, Output,
    compressed::streams,
    input::{EVENTS_PER_FILE, FileGaps},
    lines::StreamError,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, LoginEvent, LoginKind, LoginSource, Origin, text::shown};
use layout::{Layout, RECORDS_ALIGN};
use std::io::{ErrorKind, Read};

const STRUCTURE: &str = "utmp record";

/// Reads utmp, wtmp and btmp, rotated and compressed ones too.
#[derive(Debug)]
pub struct Utmp;

impl Extractor for Utmp {
    fn name(&self) -> &'static str {
        "utmp"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Logins)
    }

    fn wants(&self) -> &'static [Want] {
        // wtmpdb keeps a database beside wtmp in some releases.
        const DATABASE: &[&str] = &[".db", ".db-wal", ".db-shm", ".db-journal"];
        const WANTS: &[Want] = &[
            Want::new("/run/utmp", Reading::Stream),
            Want::new("/var/run/utmp", Reading::Stream),
            Want { except: DATABASE, ..Want::new("/var/log/wtmp*", Reading::Stream) },
            Want { except: DATABASE, ..Want::new("/var/log/btmp*", Reading::Stream) },
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let name = place.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let source = match name {
            name if name.starts_with(b"btmp") => LoginSource::Btmp,
            name if name.starts_with(b"wtmp") => LoginSource::Wtmp,
            _ => LoginSource::Utmp,
        };
        let (gaps, span) = (place.gaps(STRUCTURE), Span::new(source));
        let mut records = Records { origin: place.path.into(), source, layout: None, gaps, events: 0, span };
        let align = RECORDS_ALIGN as u64;
        let result = streams(input.view, align, &mut |offset, stream| records.read(offset, stream, out));
        if let Err(error) = result {
            out.gap(place.stream_gap(STRUCTURE, &error));
        }
        records.gaps.finish(out);
        records.span.finish(&place, out);
    }
}

struct Records<'a> {
    origin: Origin,
    source: LoginSource,
    layout: Option<Layout>,
    gaps: FileGaps<'a>,
    events: u64,
    span: Span,
}

impl Records<'_> {
    fn read(&mut self, start: u64, stream: &mut dyn Read, out: &mut dyn Output) -> Result<(), StreamError> {
        let mut buffer = vec![0; RECORDS_ALIGN];
        let (mut filled, mut offset) = (0, start);
        loop {
            let result = fill(stream, &mut buffer, &mut filled);
            let layout = *self.layout.get_or_insert_with(|| Layout::of(&buffer[..filled]));
            let whole = filled / layout.size * layout.size;
            for record in buffer[..whole].chunks_exact(layout.size) {
                self.record(layout, record, offset, out)?;
                offset += layout.size as u64;
            }
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
            if !result? {
                break;
            }
        }
        if filled > 0 {
            let reason = format!("byte {offset}: the last record has {filled} bytes only");
            self.gaps.push(out, GapKind::Corrupt, reason);
        }
        Ok(())
    }

    fn record(
        &mut self,
        layout: Layout,
        record: &[u8],
        offset: u64,
        out: &mut dyn Output,
    ) -> Result<(), StreamError> {
        if record.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let kind = layout.kind(record);
        if !(0..=9).contains(&kind) {
            self.gaps.push(out, GapKind::Corrupt, format!("byte {offset}: type {kind}, 0 to 9 are known"));
            return Ok(());
        }
        self.events += 1;
        if self.events > EVENTS_PER_FILE {
            return Err(StreamError::Limit(format!("byte {offset}: more than {EVENTS_PER_FILE} records")));
        }
        let event = self.event(layout, record, kind, offset);
        // A record without a time (who was logged in before any clock) covers none.
        self.span.take(event.time.filter(|time| time.seconds > 0));
        out.login(event);
        Ok(())
    }

    fn event(&self, layout: Layout, record: &[u8], kind: i16, offset: u64) -> LoginEvent {
        let field = |at: usize, len: usize| record.get(at..at + len).and_then(text_field);
        let (line, user, host) = (field(8, 32), field(44, 32), field(76, 256));
        let kind = match (self.source, kind) {
            (LoginSource::Btmp, _) => LoginKind::Failed,
            _ => kind_of(kind, line.as_deref(), user.as_deref()),
        };
        let session = layout.session(record);
        let pid = u32::try_from(layout.pid(record)).ok().filter(|pid| *pid > 0);
        let event = LoginEvent {
            user,
            pid,
            session: (session > 0).then(|| shown(session)),
            ..LoginEvent::new(self.source, kind, Some(layout.time(record)), &self.origin, offset)
        };
        // The line `~` stands for the machine itself, and the host for its kernel's release.
        if line.as_deref().is_some_and(|line| line.starts_with('~')) {
            return LoginEvent { tty: line, detail: host, ..event };
        }
        let named = host.as_deref().and_then(|host| address::parse(host.as_bytes()));
        let known = named.or_else(|| address::of_record(layout.address(record)));
        let (from, host) = match (known, host) {
            (Some(address), host) => (Some(shown(address)), host.filter(|_| named.is_none())),
            (None, host) => (host, None),
        };
        LoginEvent { tty: line, from, host, ..event }
    }
}

/// What a record of type `kind` tells (utmp(5), "ut_type"). Shutdown and reboot are marked by name on the
/// line `~`, whatever the type.
fn kind_of(kind: i16, line: Option<&str>, user: Option<&str>) -> LoginKind {
    if line.is_some_and(|line| line.starts_with('~')) {
        match user {
            Some("shutdown") => return LoginKind::Shutdown,
            Some("reboot") => return LoginKind::Boot,
            _ => {}
        }
    }
    match kind {
        2 => LoginKind::Boot,
        3 | 4 => LoginKind::Clock,
        7 => LoginKind::Login,
        8 => LoginKind::Logout,
        _ => LoginKind::Other,
    }
}

/// Fills what is free of `buffer`; whether the stream may go on.
fn fill(stream: &mut dyn Read, buffer: &mut [u8], filled: &mut usize) -> Result<bool, StreamError> {
    while *filled < buffer.len() {
        match stream.read(&mut buffer[*filled..]) {
            Ok(0) => return Ok(false),
            Ok(got) => *filled += got,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
