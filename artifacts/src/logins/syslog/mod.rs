//! Logs of syslog: auth.log (Debian) and secure (Red Hat) with the messages of authentication, and those
//! that hold all or the rest (syslog, messages, …).
//!
//! The year of lines that carry none is known at the end: the last line was written when the file was last changed, or
//! when it was rotated, if its name or its gzip header says so earlier. The first line nearly always tells the same year,
//! so a file is read by that once; where its end tells another, what was read is taken back, and read by the other.

mod end;
mod header;
mod structured;
mod year;

use super::{
    message::{self, Attempts, Repeats, Said, Told},
    window::Span,
};
use crate::{
    Context, Extractor, Input, Output,
    compressed::streams,
    input::EVENTS_PER_FILE,
    lines::{Line, Lines, MAX_LINE, StreamError},
    view::FileView,
    wants::{Reading, Want},
    zone::{Converter, DiskZone, LocalSeconds},
};
use coldread_model::{GapKind, LoginSource, Origin, Timestamp, Zone};
use header::{Heads, Stamp, Yearless};
use year::YearCounter;

const STRUCTURE: &str = "syslog line";

/// Reads logs of syslog, rotated and compressed ones too.
#[derive(Debug)]
pub struct Syslog;

impl Extractor for Syslog {
    fn name(&self) -> &'static str {
        "syslog"
    }

    fn version(&self) -> u32 {
        6
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Logins)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/var/log/auth.log*", Reading::Stream),
            Want::new("/var/log/secure*", Reading::Stream),
            Want::new("/var/log/authlog*", Reading::Stream),
            Want::new("/var/log/sshd.log*", Reading::Stream),
            Want::new("/var/log/syslog*", Reading::Stream),
            Want::new("/var/log/messages*", Reading::Stream),
            Want::new("/var/log/daemon.log*", Reading::Stream),
            Want::new("/var/log/user.log*", Reading::Stream),
            Want::new("/var/log/kern.log*", Reading::Stream),
            Want::new("/var/log/mail.log*", Reading::Stream),
            Want::new("/var/log/maillog*", Reading::Stream),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let place = input.place();
        let origin = Origin::from(place.path);
        let end = end::of(place.path, input.mtime, input.view);
        let mut log = Log::new(&origin, &context.zone, end);
        let mark = out.mark();
        let mut read = log.read(input.view, out);
        if let Some(year) = log.first_year {
            let years = match read {
                Ok(()) => log.years,
                // There may be lines past the bound that was reached.
                Err(_) => count_years(input.view),
            };
            let first_year = years.first_year(end, &log.converter);
            if year != first_year {
                out.take_back(mark);
                log = Log { first_year: Some(first_year), ..Log::new(&origin, &context.zone, end) };
                read = log.read(input.view, out);
            }
        }
        if let Err(error) = read {
            out.gap(place.stream_gap(STRUCTURE, &error));
        }
        if let Some(reason) = log.repeats.left_out() {
            out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
        }
        if let Some(Lacking { lines, first }) = log.unread {
            let reason = format!("{lines} lines without a time that is known, the first at byte {first}");
            out.gap(place.gap(GapKind::Corrupt, STRUCTURE, reason));
        }
        if let Some(Lacking { lines, first }) = log.cut {
            let reason = format!(
                "{lines} lines of more than {MAX_LINE} bytes, the first at byte {first}: their ends are not read"
            );
            out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
        }
        log.span.finish(&place, out);
    }
}

/// Logs of authentication alone are `authlog`; those that hold more are `syslog`.
fn source_of(path: &[u8]) -> LoginSource {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let of_authentication: [&[u8]; 4] = [b"auth.log", b"secure", b"authlog", b"sshd.log"];
    if of_authentication.iter().any(|start| name.starts_with(start)) {
        LoginSource::Authlog
    } else {
        LoginSource::Syslog
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

/// The years that pass in a log, as far as it can be read.
fn count_years(view: &mut dyn FileView) -> YearCounter {
    let mut years = YearCounter::default();
    // What stops it here stopped the reading of events at the same place, and is told there.
    let _ = each_line(view, &mut |line| {
        years.line(strip_nuls(line.bytes));
        Ok(())
    });
    years
}

/// A crash leaves zeros where lines were to be.
fn strip_nuls(line: &[u8]) -> &[u8] {
    &line[line.iter().position(|byte| *byte != 0).unwrap_or(line.len())..]
}

/// Lines that could not be read, or not to their ends.
#[derive(Clone, Copy)]
struct Lacking {
    lines: u64,
    /// Where the first of them is.
    first: u64,
}

impl Lacking {
    fn add(of: &mut Option<Self>, offset: u64) {
        of.get_or_insert(Self { lines: 0, first: offset }).lines += 1;
    }
}

/// One pass over a log.
struct Log<'a> {
    zone: &'a DiskZone,
    /// When its last line was written at the latest.
    end: Timestamp,
    /// The year in which it begins: until it is read to its end, the one that its first line without a year tells.
    first_year: Option<i32>,
    converter: Converter<'a>,
    years: YearCounter,
    heads: Heads,
    /// The last second that was read of the disk's clock, as the line has it, and when that was: in a busy log many
    /// lines are of one.
    second: Option<(Stamp, Option<(Timestamp, bool)>)>,
    /// The last day without a year that was read, in the year that it is of, and its midnight.
    midnight: Option<((i32, u8, u8), LocalSeconds)>,
    attempts: Attempts<'a>,
    repeats: Repeats,
    /// The line before if it told of logins, for `last message repeated`.
    last: Vec<u8>,
    events: u64,
    unread: Option<Lacking>,
    cut: Option<Lacking>,
    /// Whether the line before was read, so that an indented one goes on with it.
    in_record: bool,
    span: Span,
}

impl<'a> Log<'a> {
    fn new(origin: &'a Origin, zone: &'a DiskZone, end: Timestamp) -> Self {
        let source = source_of(origin);
        Self {
            zone,
            end,
            first_year: None,
            converter: zone.converter(),
            years: YearCounter::default(),
            heads: Heads::default(),
            second: None,
            midnight: None,
            attempts: Attempts::new(source, origin),
            repeats: Repeats::default(),
            last: Vec::new(),
            events: 0,
            span: Span::new(source),
            unread: None,
            cut: None,
            in_record: false,
        }
    }

    /// Reads all of it.
    fn read(&mut self, view: &mut dyn FileView, out: &mut dyn Output) -> Result<(), StreamError> {
        let read = each_line(view, &mut |line| self.line(line, out));
        self.attempts.finish(&mut |event| out.logged(event));
        read
    }

    fn line(&mut self, line: Line<'_>, out: &mut dyn Output) -> Result<(), StreamError> {
        let text = strip_nuls(line.bytes);
        if text.trim_ascii().is_empty() {
            return Ok(());
        }
        let Some(header) = self.heads.parse(text) else {
            if self.in_record && matches!(text.first(), Some(b' ' | b'\t')) {
                return Ok(());
            }
            self.in_record = false;
            Lacking::add(&mut self.unread, line.offset);
            return Ok(());
        };
        self.in_record = true;
        if line.cut {
            Lacking::add(&mut self.cut, line.offset);
        }
        let (time, zone, ambiguous) = self.time(header.stamp);
        self.span.take(time);
        let said = Said { pid: header.pid, time, zone, ambiguous, offset: line.offset };
        if header.program.is_empty()
            && let Some(count) = message::last_repeated(header.message)
        {
            let last = std::mem::take(&mut self.last);
            let result = self.repeat(&last, count, said, out);
            self.last = last;
            return result;
        }
        let (count, message) = message::repeated(header.message).unwrap_or((1, header.message));
        self.last.clear();
        let Some(told) = message::tell(header.program, message) else { return Ok(()) };
        self.last.extend_from_slice(text);
        self.take(&told, count, said, out)
    }

    /// What `last` told, so many times more.
    fn repeat(
        &mut self,
        last: &[u8],
        count: u32,
        said: Said,
        out: &mut dyn Output,
    ) -> Result<(), StreamError> {
        let Some(header) = header::parse(last) else { return Ok(()) };
        let (_, message) = message::repeated(header.message).unwrap_or((1, header.message));
        match message::tell(header.program, message) {
            Some(told) => self.take(&told, count, Said { pid: header.pid, ..said }, out),
            None => Ok(()),
        }
    }

    /// Takes what a line tells, so many times.
    fn take(
        &mut self,
        told: &Told<'_>,
        count: u32,
        said: Said,
        out: &mut dyn Output,
    ) -> Result<(), StreamError> {
        let count = self.repeats.take(count.saturating_mul(told.times), said.offset);
        self.events += u64::from(count);
        if self.events > EVENTS_PER_FILE {
            let reason = format!("byte {}: more than {EVENTS_PER_FILE} events", said.offset);
            return Err(StreamError::Limit(reason));
        }
        for _ in 0..count {
            self.attempts.take(told, said, &mut |event| out.logged(event));
        }
        Ok(())
    }

    fn time(&mut self, stamp: Stamp) -> (Option<Timestamp>, Zone, bool) {
        let (second, nanos) = match stamp {
            Stamp::Absolute(time) => return (Some(time), Zone::Log, false),
            Stamp::Local(local, nanos) => (Stamp::Local(local, 0), nanos),
            Stamp::Yearless(stamp) => (Stamp::Yearless(Yearless { nanos: 0, ..stamp }), stamp.nanos),
        };
        // No year ends between two lines of one second.
        let known = self.second.filter(|(last, _)| *last == second);
        let (_, time) = known.unwrap_or_else(|| (second, self.utc(second)));
        self.second = Some((second, time));
        let ambiguous = time.is_some_and(|(_, ambiguous)| ambiguous);
        (time.map(|(time, _)| Timestamp::new(time.seconds, nanos)), self.zone.known, ambiguous)
    }

    /// When the disk's clock showed this, and whether it did so twice.
    fn utc(&mut self, second: Stamp) -> Option<(Timestamp, bool)> {
        let local = match second {
            Stamp::Absolute(time) => return Some((time, false)),
            Stamp::Local(local, _) => local,
            Stamp::Yearless(stamp) => {
                let years = self.years.next(stamp);
                let told = || self.years.first_year(self.end, &self.converter);
                let day =
                    (self.first_year.get_or_insert_with(told).saturating_add(years), stamp.month, stamp.day);
                let midnight = match self.midnight {
                    Some((known, midnight)) if known == day => midnight,
                    _ => year::local(Yearless { clock: (0, 0, 0), ..stamp }, day.0)?,
                };
                self.midnight = Some((day, midnight));
                let (hour, minute, second) = stamp.clock;
                LocalSeconds(midnight.0 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second))
            }
        };
        self.converter.to_utc(local, 0)
    }
}

#[cfg(test)]
mod tests;
