//! Since when the logs of a tree can have known of logins and of failures. A log that was rotated away tells nothing
//! of what came before, so that "no failure" means something only together with a time.
//!
//! Records of a state (utmp, lastlog, faillog, faillock, SAM …) say when something happened last, and cannot say that
//! nothing happened: they open no window.

use coldread_model::{LogWindow, LoginSource, Timestamp};

/// What the logs of one tree can have known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    logins: Option<Timestamp>,
    failures: Option<Timestamp>,
    /// syslog and messages: some systems write logins there and others keep them out, so that they count only where
    /// nothing better is.
    syslog: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Known {
    /// Takes one more window.
    pub(super) fn take(&mut self, window: &LogWindow) {
        let Some((since, until)) = window.span else { return };
        let earlier =
            |known: &mut Option<Timestamp>| *known = Some(known.map_or(since, |time| time.min(since)));
        let told = tells(window);
        if told.logins {
            earlier(&mut self.logins);
        }
        if told.failures {
            earlier(&mut self.failures);
        }
        if told.syslog {
            earlier(&mut self.syslog);
        }
        if told != Tells::default() {
            self.until = self.until.max(Some(until));
        }
    }

    /// Since when logins.
    pub(super) fn logins(&self) -> Option<Timestamp> {
        self.logins.or(self.syslog)
    }

    /// Since when failures.
    pub(super) fn failures(&self) -> Option<Timestamp> {
        self.failures.or(self.syslog)
    }

    /// Since when both.
    pub(super) fn both(&self) -> Option<Timestamp> {
        self.logins().zip(self.failures()).map(|(logins, failures)| logins.max(failures))
    }

    /// The last record.
    pub(super) fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// The same within `since..until`.
    pub(super) fn within(self, since: Option<Timestamp>, until: Option<Timestamp>) -> Self {
        let later = |known: Option<Timestamp>| known.map(|time| since.map_or(time, |since| time.max(since)));
        Self {
            logins: later(self.logins),
            failures: later(self.failures),
            syslog: later(self.syslog),
            until: self.until.map(|time| until.map_or(time, |until| time.min(until))),
        }
    }
}

/// What a log is told of as it happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tells {
    logins: bool,
    failures: bool,
    syslog: bool,
}

fn tells(window: &LogWindow) -> Tells {
    let name = window.origin.rsplit(|byte| *byte == b'/').next().unwrap_or_default().to_ascii_lowercase();
    let has = |part: &[u8]| name.windows(part.len()).any(|piece| piece == part);
    let (logins, failures) = match window.source {
        LoginSource::Wtmp | LoginSource::Wtmpdb => (true, false),
        LoginSource::Btmp => (false, true),
        LoginSource::Authlog => (true, true),
        // A user's own journal has what his programs say, not who logged in.
        LoginSource::Journal => (!name.starts_with(b"user-"), !name.starts_with(b"user-")),
        LoginSource::Evtx => (has(b"security") || has(b"terminalservices"), has(b"security")),
        LoginSource::Syslog => return Tells { syslog: true, ..Tells::default() },
        LoginSource::Utmp
        | LoginSource::Lastlog
        | LoginSource::Lastlog2
        | LoginSource::Faillog
        | LoginSource::Faillock
        | LoginSource::Sam => (false, false),
    };
    Tells { logins, failures, syslog: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seconds = Option<(i64, i64)>;

    fn known(windows: &[(LoginSource, &str, Seconds)]) -> Known {
        let mut known = Known::default();
        let at = |seconds| Timestamp::new(seconds, 0);
        for (source, origin, span) in windows {
            known.take(&LogWindow {
                source: *source,
                root: "/".to_owned(),
                origin: origin.as_bytes().to_vec(),
                span: span.map(|(since, until)| (at(since), at(until))),
                records: 1,
            });
        }
        known
    }

    fn seconds(known: &Known) -> [Option<i64>; 4] {
        [known.logins(), known.failures(), known.both(), known.until()]
            .map(|time| time.map(|time| time.seconds))
    }

    #[test]
    fn each_kind_is_known_since_the_first_record_of_a_log_that_would_tell() {
        let all = known(&[
            (LoginSource::Wtmp, "/var/log/wtmp", Some((10, 50))),
            (LoginSource::Wtmp, "/var/log/wtmp.1", Some((5, 10))),
            (LoginSource::Btmp, "/var/log/btmp", Some((30, 45))),
            (LoginSource::Btmp, "/var/log/btmp.1", None),
            (LoginSource::Lastlog, "/var/log/lastlog", Some((1, 99))),
            (LoginSource::Syslog, "/var/log/syslog", Some((0, 48))),
        ]);
        assert_eq!(seconds(&all), [Some(5), Some(30), Some(30), Some(50)]);
        let asked = all.within(Some(Timestamp::new(20, 0)), Some(Timestamp::new(40, 0)));
        assert_eq!(seconds(&asked), [Some(20), Some(30), Some(30), Some(40)]);
    }

    #[test]
    fn a_state_and_an_empty_log_know_nothing() {
        let none = known(&[
            (LoginSource::Lastlog, "/var/log/lastlog", Some((1, 99))),
            (LoginSource::Sam, "/Windows/System32/config/SAM", Some((1, 99))),
            (LoginSource::Btmp, "/var/log/btmp", None),
        ]);
        assert_eq!(seconds(&none), [None; 4]);
        let syslog = known(&[(LoginSource::Syslog, "/var/log/messages", Some((3, 9)))]);
        assert_eq!(seconds(&syslog), [Some(3), Some(3), Some(3), Some(9)]);
    }

    #[test]
    fn event_logs_and_journals_by_what_is_written_to_them() {
        let logs = "/Windows/System32/winevt/Logs/";
        let sessions =
            format!("{logs}Microsoft-Windows-TerminalServices-LocalSessionManager%4Operational.evtx");
        let of = |origin: &str| known(&[(LoginSource::Evtx, origin, Some((1, 2)))]);
        assert_eq!(seconds(&of(&format!("{logs}Security.evtx")))[..2], [Some(1), Some(1)]);
        assert_eq!(seconds(&of(&format!("{logs}Archive-Security-2025.evtx")))[..2], [Some(1), Some(1)]);
        assert_eq!(seconds(&of(&sessions)), [Some(1), None, None, Some(2)]);
        assert_eq!(seconds(&of(&format!("{logs}System.evtx"))), [None; 4]);
        let of = |origin: &str| known(&[(LoginSource::Journal, origin, Some((1, 2)))]);
        assert_eq!(seconds(&of("/var/log/journal/x/system.journal"))[..2], [Some(1), Some(1)]);
        assert_eq!(seconds(&of("/var/log/journal/x/user-1000.journal")), [None; 4]);
    }
}
