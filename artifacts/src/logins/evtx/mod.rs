//! Windows event logs: logins, failed logins, accounts, boots.

mod security;
mod sessions;
mod system;
#[cfg(test)]
mod tests;
mod words;

use crate::{
    Context, Extractor, Input, Output,
    evtx::{self, Event, Header, STRUCTURE},
    input::{EVENTS_PER_FILE, Place},
    wants::{Reading, Want},
};
use coldread_model::{
    GapKind, LogWindow, LoginEvent, LoginKind, LoginSource, Part, Parts, Text, Timestamp, text::shown,
};
use std::net::IpAddr;

/// Reads the event logs that tell of logins.
#[derive(Debug)]
pub struct Evtx;

impl Extractor for Evtx {
    fn name(&self) -> &'static str {
        "evtx"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Logins)
    }

    fn wants(&self) -> &'static [Want] {
        const fn log(pattern: &'static str) -> Want {
            Want::windows(pattern, Reading::Stream)
        }
        // Archives of the security log have its name, a date and the same ending.
        const WANTS: &[Want] = &[
            log("/Windows/System32/winevt/Logs/Security.evtx"),
            log("/Windows/System32/winevt/Logs/Archive-Security-*.evtx"),
            log("/Windows/System32/winevt/Logs/System.evtx"),
            log("/Windows/System32/winevt/Logs/Archive-System-*.evtx"),
            log("/Windows/System32/winevt/Logs/Microsoft-Windows-TerminalServices-*%4Operational.evtx"),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let mut gaps = place.gaps(STRUCTURE);
        let mut log = Log { place, span: None, records: 0, attempt: None };
        evtx::each_record(input.view, &mut |record| {
            let read = record.and_then(|mut record| {
                let header = record.header()?;
                let of_interest = reader(&header);
                let event = if of_interest.is_some() { record.event()? } else { Event::default() };
                Ok((record.number, header, of_interest, event))
            });
            match read {
                Ok((number, header, of_interest, event)) => {
                    log.covers(header.time);
                    if log.records > EVENTS_PER_FILE {
                        gaps.push(out, GapKind::Limit, format!("more than {EVENTS_PER_FILE} records"));
                        return false;
                    }
                    if let Some(read) = of_interest {
                        let row = log.event(&header, number);
                        log.tell(read(&header, &event, row), out);
                    }
                }
                Err(error) => gaps.push(out, error.gap_kind(), error),
            }
            true
        });
        log.finish(out);
        gaps.finish(out);
    }
}

/// Makes a login event of what a record says.
type Reader = fn(&Header, &Event, LoginEvent) -> LoginEvent;

/// Who reads events of this kind.
fn reader(header: &Header) -> Option<Reader> {
    let (provider, id) = (header.provider.as_str(), header.id);
    let is = |name: &str| provider.eq_ignore_ascii_case(name);
    if is("Microsoft-Windows-Security-Auditing") {
        security::reader(id)
    } else if is("Microsoft-Windows-Eventlog") {
        (id == 1102 || id == 104).then_some(security::log_cleared as Reader)
    } else if is("Microsoft-Windows-TerminalServices-LocalSessionManager") {
        sessions::local(id)
    } else if is("Microsoft-Windows-TerminalServices-RemoteConnectionManager") {
        (id == 1149).then_some(sessions::authenticated as Reader)
    } else {
        system::reader(provider, id)
    }
}

/// One log as it is read.
struct Log<'a> {
    place: Place<'a>,
    span: Option<(Timestamp, Timestamp)>,
    records: u64,
    /// An attempt that failed as the authentication package told it, until the next event: Windows tells of
    /// the same attempt again, with more, when the logon fails for it.
    attempt: Option<LoginEvent>,
}

impl Log<'_> {
    fn covers(&mut self, time: Timestamp) {
        self.records += 1;
        self.span = Some(match self.span {
            Some((first, last)) => (first.min(time), last.max(time)),
            None => (time, time),
        });
    }

    fn event(&self, header: &Header, number: u64) -> LoginEvent {
        LoginEvent::new(LoginSource::Evtx, LoginKind::Other, Some(header.time), self.place.path, number)
    }

    fn tell(&mut self, mut event: LoginEvent, out: &mut dyn Output) {
        if let Some(before) = self.attempt.take() {
            if event.kind == LoginKind::Failed && words::is_logon(&event) && same_attempt(&before, &event) {
                event.evidence.push(coldread_model::Evidence {
                    source: before.source,
                    origin: before.origin,
                    offset: before.offset,
                });
            } else {
                out.login(before);
            }
        }
        if event.kind == LoginKind::Failed && !words::is_logon(&event) {
            self.attempt = Some(event);
        } else {
            out.login(event);
        }
    }

    fn finish(mut self, out: &mut dyn Output) {
        if let Some(event) = self.attempt.take() {
            out.login(event);
        }
        out.window(LogWindow {
            source: LoginSource::Evtx,
            root: self.place.root.to_owned(),
            origin: self.place.path.to_vec(),
            span: self.span,
            records: self.records,
        });
    }
}

/// Whether two failures are one attempt: of one user, within two seconds.
fn same_attempt(one: &LoginEvent, other: &LoginEvent) -> bool {
    let user = |event: &LoginEvent| event.user.as_ref().map(|user| user.to_lowercase());
    let near =
        one.time.zip(other.time).is_some_and(|(one, other)| (0..=2).contains(&(other.seconds - one.seconds)));
    near && user(one) == user(other)
}

/// An address in its canonical form; version 4 written as version 6 is version 4. Anything else is a name.
fn address(text: &str) -> Text {
    match text.parse::<IpAddr>() {
        Ok(address) => shown(address.to_canonical()),
        Err(_) => text.into(),
    }
}

/// Several facts in one line.
fn joined(facts: impl IntoIterator<Item = Option<Text>>) -> Option<Text> {
    let facts: Vec<Text> = facts.into_iter().flatten().collect();
    (!facts.is_empty()).then(|| facts.join("; ").into())
}
