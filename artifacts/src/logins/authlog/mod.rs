//! /var/log/auth.log (Debian) and /var/log/secure (Red Hat): syslog's authentication messages.
//!
//! A file is read twice where its lines carry no year: once to count the year ends in it, once for the
//! events, so that memory does not grow with it.

mod header;
mod message;
mod year;

use crate::{
    Context, Extractor, Input, Output,
    compressed::streams,
    input::{EVENTS_PER_FILE, Place},
    lines::{Line, Lines, StreamError},
    view::FileView,
    wants::{Reading, Want},
    zone::{Converter, DiskZone},
};
use coldread_model::{GapKind, LoginEvent, LoginKind, LoginSource, Timestamp, Zone};
use header::{Header, Stamp};
use message::Told;
use year::YearCounter;

const STRUCTURE: &str = "syslog line";

/// Events that one `repeated N times` may stand for.
const MAX_REPEATS: u32 = 65_536;

/// Processes of sshd whose failures are remembered until their connections end.
const RECENT: usize = 256;

/// Reads auth.log and secure, rotated and compressed ones too.
#[derive(Debug)]
pub struct Authlog;

impl Extractor for Authlog {
    fn name(&self) -> &'static str {
        "authlog"
    }

    fn version(&self) -> u32 {
        1
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Logins)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/var/log/auth.log*", Reading::Stream),
            Want::new("/var/log/secure*", Reading::Stream),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let place = input.place();
        let converter = context.zone.converter();
        // What stops the first pass stops the second at the same place, and is told there.
        let mut years = YearCounter::default();
        let _ = each_line(input.view, &mut |line| {
            if let Some(stamp) = header::yearless(strip_nuls(line.bytes)) {
                years.next(stamp);
            }
            Ok(())
        });
        let mut log = Log {
            place,
            zone: &context.zone,
            first_year: years.first_year(input.mtime, &converter),
            converter,
            years: YearCounter::default(),
            failed: Recent::default(),
            last: None,
            events: 0,
            unread: (0, 0),
        };
        if let Err(error) = each_line(input.view, &mut |line| log.line(line, out)) {
            out.gap(place.stream_gap(STRUCTURE, &error));
        }
        if let (count @ 1.., offset) = log.unread {
            let reason = format!("{count} lines without a time that is known, the first at byte {offset}");
            out.gap(place.gap(GapKind::Corrupt, STRUCTURE, reason));
        }
    }
}

fn each_line(
    view: &mut dyn FileView,
    each: &mut dyn FnMut(Line<'_>) -> Result<(), StreamError>,
) -> Result<(), StreamError> {
    streams(view, 1, &mut |offset, stream| {
        let mut lines = Lines::new(stream, offset);
        while let Some(line) = lines.next_line()? {
            each(line)?;
        }
        Ok(())
    })
}

/// A crash leaves zeros where lines were to be.
fn strip_nuls(line: &[u8]) -> &[u8] {
    &line[line.iter().position(|byte| *byte != 0).unwrap_or(line.len())..]
}

/// Processes seen of late; the oldest is forgotten.
struct Recent {
    pids: [u32; RECENT],
    next: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self { pids: [0; RECENT], next: 0 }
    }
}

impl Recent {
    fn insert(&mut self, pid: u32) {
        if !self.pids.contains(&pid) {
            self.pids[self.next % RECENT] = pid;
            self.next = self.next.wrapping_add(1);
        }
    }
}

/// One pass over a log.
struct Log<'a> {
    place: Place<'a>,
    zone: &'a DiskZone,
    first_year: i32,
    converter: Converter<'a>,
    years: YearCounter,
    failed: Recent,
    /// The event of the line before, for `last message repeated`.
    last: Option<LoginEvent>,
    events: u64,
    /// How many lines could not be read, and where the first is.
    unread: (u64, u64),
}

impl Log<'_> {
    fn line(&mut self, line: Line<'_>, out: &mut dyn Output) -> Result<(), StreamError> {
        let text = strip_nuls(line.bytes);
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        let Some(header) = header::parse(text) else {
            if self.unread.0 == 0 {
                self.unread.1 = line.offset;
            }
            self.unread.0 += 1;
            return Ok(());
        };
        let years = match header.stamp {
            Stamp::Yearless(stamp) => self.years.next(stamp),
            _ => 0,
        };
        let (count, event) = if header.program.is_empty()
            && let Some(count) = message::last_repeated(header.message)
        {
            let event = self.last.take();
            (count, event.map(|event| self.timed(event, header.stamp, years, line.offset)))
        } else {
            let (count, message) = message::repeated(header.message).unwrap_or((1, header.message));
            let told = message::tell(header.program, message);
            (count, told.map(|told| self.event(&header, told, years, line.offset)))
        };
        if let Some(event) = &event {
            self.emit(event, count, out)?;
        }
        self.last = event;
        Ok(())
    }

    fn emit(&mut self, event: &LoginEvent, count: u32, out: &mut dyn Output) -> Result<(), StreamError> {
        if count > MAX_REPEATS {
            let reason = format!("byte {}: repeated {count} times, counted as {MAX_REPEATS}", event.offset);
            out.gap(self.place.gap(GapKind::Limit, STRUCTURE, reason));
        }
        let count = count.min(MAX_REPEATS);
        self.events += u64::from(count);
        if self.events > EVENTS_PER_FILE {
            return Err(StreamError::Limit(format!(
                "byte {}: more than {EVENTS_PER_FILE} events",
                event.offset
            )));
        }
        for _ in 0..count {
            out.login(event.clone());
        }
        Ok(())
    }

    fn event(&mut self, header: &Header<'_>, told: Told<'_>, years: i32, offset: u64) -> LoginEvent {
        let mut kind = told.kind;
        if let Some(pid) = header.pid.filter(|pid| *pid > 0) {
            if told.unauthenticated_end && !self.failed.pids.contains(&pid) {
                kind = LoginKind::Failed;
            } else if kind == LoginKind::Failed {
                self.failed.insert(pid);
            }
        }
        let text = |field: Option<&[u8]>| field.map(|field| String::from_utf8_lossy(field).into_owned());
        let event = LoginEvent {
            user: text(told.user),
            from: text(told.from),
            tty: text(told.tty),
            pid: header.pid,
            session: text(told.session),
            method: text(told.method),
            ..LoginEvent::new(LoginSource::Authlog, kind, None, self.place.path, offset)
        };
        self.timed(event, header.stamp, years, offset)
    }

    /// The event at the time of a line.
    fn timed(&mut self, mut event: LoginEvent, stamp: Stamp, years: i32, offset: u64) -> LoginEvent {
        event.offset = offset;
        (event.time, event.zone, event.ambiguous) = self.time(stamp, years);
        event
    }

    fn time(&mut self, stamp: Stamp, years: i32) -> (Option<Timestamp>, Zone, bool) {
        let (local, nanos) = match stamp {
            Stamp::Absolute(time) => return (Some(time), Zone::Log, false),
            Stamp::Local(local, nanos) => (Some(local), nanos),
            Stamp::Yearless(stamp) => {
                (year::local(stamp, self.first_year.saturating_add(years)), stamp.nanos)
            }
        };
        let time = local.and_then(|local| self.converter.to_utc(local, nanos));
        let ambiguous = time.is_some_and(|(_, ambiguous)| ambiguous);
        (time.map(|(time, _)| time), self.zone.known, ambiguous)
    }
}

#[cfg(test)]
mod tests;
