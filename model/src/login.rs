//! Logins, failed logins and what surrounds them.

use crate::{
    package::words,
    text::{Origin, Text},
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::{cmp::Ordering, fmt};

words! {
    /// The kind of record that tells of an event.
    LoginSource {
        /// /run/utmp: who is logged in.
        Utmp = "utmp",
        /// /var/log/wtmp: logins, logouts, boots.
        Wtmp = "wtmp",
        /// /var/log/btmp: failed logins.
        Btmp = "btmp",
        /// /var/log/lastlog: the last login of each user.
        Lastlog = "lastlog",
        /// wtmpdb's SQLite database.
        Wtmpdb = "wtmpdb",
        /// lastlog2's SQLite database.
        Lastlog2 = "lastlog2",
        /// /var/log/faillog.
        Faillog = "faillog",
        /// pam_faillock's tallies.
        Faillock = "faillock",
        /// /var/log/auth.log and /var/log/secure.
        Authlog = "authlog",
        /// /var/log/syslog and messages.
        Syslog = "syslog",
        /// The systemd journal.
        Journal = "journal",
        /// Windows event logs.
        Evtx = "evtx",
        /// Windows' account database.
        Sam = "sam",
    }
}

words! {
    /// What happened.
    LoginKind {
        /// Someone logged in.
        Login = "login",
        /// A session ended.
        Logout = "logout",
        /// An attempt to log in failed.
        Failed = "failed",
        /// The machine started.
        Boot = "boot",
        /// The machine stopped.
        Shutdown = "shutdown",
        /// An account was locked.
        Lock = "lock",
        /// Someone acted with another's rights (sudo, su).
        Privilege = "privilege",
        /// An account or group was made, changed or removed.
        AccountChange = "account-change",
        /// A key or certificate was used or changed.
        Key = "key",
        /// The clock was set.
        Clock = "clock",
        /// None of these.
        Other = "other",
    }
}

words! {
    /// What zone a time was written in.
    Zone {
        /// The record itself says so (or counts from an epoch in UTC).
        Log = "log",
        /// The disk's own zone was used.
        Disk = "disk",
        /// No zone was found on the disk: UTC was assumed.
        Assumed = "assumed",
    }
}

words! {
    /// How a session came to its end.
    SessionEnd {
        /// Its user logged out.
        Logout = "logout",
        /// The machine was shut down.
        Shutdown = "shutdown",
        /// The machine started again without having been shut down.
        Crash = "crash",
        /// It was still open when the disk was read.
        Open = "open",
    }
}

/// Another record that tells of the same event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Evidence {
    /// The kind of record.
    pub source: LoginSource,
    /// The file: its path in the asset's tree.
    pub origin: Origin,
    /// Where in that file (after decompression) the record starts, or its number where records have one.
    pub offset: u64,
}

/// One event of a login record. Ordered as `logins` lists them: by time; of one time, those of a file as it has them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LoginEvent {
    /// When, in UTC.
    pub time: Option<Timestamp>,
    /// The kind of record.
    pub source: LoginSource,
    /// What happened.
    pub kind: LoginKind,
    /// Who.
    pub user: Option<Text>,
    /// From which address (in its canonical form), or host where the record has only a name.
    pub from: Option<Text>,
    /// The client's own name for itself, where the record has it beside the address.
    pub host: Option<Text>,
    /// The client's port.
    pub port: Option<u16>,
    /// On which terminal.
    pub tty: Option<Text>,
    /// How the time's zone is known.
    pub zone: Zone,
    /// Whether the local time exists twice (a clock set back) and the earlier one was taken.
    pub ambiguous: bool,
    /// The process id that the record names.
    pub pid: Option<u32>,
    /// The session that the record names.
    pub session: Option<Text>,
    /// password, publickey, console, RDP, sudo …
    pub method: Option<Text>,
    /// Whose rights or account it was about, where that is another's than the user's.
    pub target: Option<Text>,
    /// What else the record says, in words: why an attempt failed, a key's fingerprint, a command.
    pub detail: Option<Text>,
    /// When the session that began here ended.
    pub until: Option<Timestamp>,
    /// How it ended.
    pub ended: Option<SessionEnd>,
    /// The file that says so: its path in the asset's tree.
    pub origin: Origin,
    /// Where in that file (after decompression) the record starts, or its number where records have one.
    pub offset: u64,
    /// Other records of the same event.
    pub evidence: Vec<Evidence>,
    /// The tree it belongs to: `/` for the host, else a container's or chroot's path.
    pub root: Text,
}

impl Ord for LoginEvent {
    fn cmp(&self, other: &Self) -> Ordering {
        let first = (self.time, self.source).cmp(&(other.time, other.source));
        let file = || Origin::oldest_first(&self.origin, &other.origin);
        first
            .then_with(file)
            .then_with(|| self.offset.cmp(&other.offset))
            // One record may tell of several events.
            .then_with(|| self.told().cmp(&other.told()))
    }
}

impl PartialOrd for LoginEvent {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl LoginEvent {
    /// All but when and where it was recorded.
    fn told(&self) -> impl Ord {
        let Self {
            time: _,
            source: _,
            origin: _,
            offset: _,
            kind,
            user,
            from,
            host,
            port,
            tty,
            zone,
            ambiguous,
            pid,
            session,
            method,
            target,
            detail,
            until,
            ended,
            evidence,
            root,
        } = self;
        let who = (kind, user, from, host, port, tty, zone, ambiguous, pid);
        (who, (session, method, target, detail, until, ended, evidence, root))
    }

    /// An event of the host's own tree, with nothing but its place; its time, if any, counts from an epoch in UTC.
    pub fn new(
        source: LoginSource,
        kind: LoginKind,
        time: Option<Timestamp>,
        origin: impl Into<Origin>,
        offset: u64,
    ) -> Self {
        Self {
            time,
            source,
            kind,
            user: None,
            from: None,
            host: None,
            port: None,
            tty: None,
            zone: Zone::Log,
            ambiguous: false,
            pid: None,
            session: None,
            method: None,
            target: None,
            detail: None,
            until: None,
            ended: None,
            origin: origin.into(),
            offset,
            evidence: Vec::new(),
            root: Text::new_static("/"),
        }
    }
}

/// What time a login record covers: a log that was rotated away cannot tell of what came before, so `0 failed
/// logins` means something only beside it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogWindow {
    /// The kind of record.
    pub source: LoginSource,
    /// The tree it belongs to: `/` for the host, else a container's or chroot's path.
    pub root: String,
    /// The file: its path in the asset's tree.
    pub origin: Vec<u8>,
    /// The first and the last time that a record of it carries, of whatever kind; none for an empty one.
    pub span: Option<(Timestamp, Timestamp)>,
    /// How many records it holds, those that are no login event included.
    pub records: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_differ_in_anything_are_not_equal_in_order() {
        let new = || LoginEvent::new(LoginSource::Wtmp, LoginKind::Login, None, "/a", 0);
        let (text, time) = (Some(Text::from("x")), Some(Timestamp::new(0, 0)));
        let record = Evidence { source: LoginSource::Wtmp, origin: "/a".into(), offset: 0 };
        let others = [
            LoginEvent { time, ..new() },
            LoginEvent { source: LoginSource::Btmp, ..new() },
            LoginEvent { kind: LoginKind::Logout, ..new() },
            LoginEvent { user: text.clone(), ..new() },
            LoginEvent { from: text.clone(), ..new() },
            LoginEvent { host: text.clone(), ..new() },
            LoginEvent { port: Some(0), ..new() },
            LoginEvent { tty: text.clone(), ..new() },
            LoginEvent { zone: Zone::Disk, ..new() },
            LoginEvent { ambiguous: true, ..new() },
            LoginEvent { pid: Some(0), ..new() },
            LoginEvent { session: text.clone(), ..new() },
            LoginEvent { method: text.clone(), ..new() },
            LoginEvent { target: text.clone(), ..new() },
            LoginEvent { detail: text, ..new() },
            LoginEvent { until: time, ..new() },
            LoginEvent { ended: Some(SessionEnd::Open), ..new() },
            LoginEvent { origin: "/b".into(), ..new() },
            LoginEvent { offset: 1, ..new() },
            LoginEvent { evidence: vec![record], ..new() },
            LoginEvent { root: "/b".into(), ..new() },
        ];
        for other in others {
            assert!(
                new().cmp(&other).is_ne() && other.cmp(&new()) == new().cmp(&other).reverse(),
                "{other:?}"
            );
        }
    }

    #[test]
    fn events_of_one_time_are_in_the_order_of_their_file_and_rotated_files_come_first() {
        let event = |file: &str, offset, kind| LoginEvent::new(LoginSource::Wtmp, kind, None, file, offset);
        let sorted = [
            event("/var/log/wtmp.1", 768, LoginKind::Logout),
            event("/var/log/wtmp.1", 1152, LoginKind::Login),
            event("/var/log/wtmp", 0, LoginKind::Logout),
            event("/var/log/wtmp", 384, LoginKind::Boot),
        ];
        assert!(sorted.is_sorted());
    }
}
