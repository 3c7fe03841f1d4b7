//! Logins, failed logins and what surrounds them.

use crate::{package::words, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// One event of a login record. Ordered as `logins` lists them: by time first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LoginEvent {
    /// When, in UTC.
    pub time: Option<Timestamp>,
    /// The kind of record.
    pub source: LoginSource,
    /// What happened.
    pub kind: LoginKind,
    /// Who.
    pub user: Option<String>,
    /// From which address or host.
    pub from: Option<String>,
    /// On which terminal.
    pub tty: Option<String>,
    /// How the time's zone is known.
    pub zone: Zone,
    /// Whether the local time exists twice (a clock set back) and the earlier one was taken.
    pub ambiguous: bool,
    /// The process id that the record names.
    pub pid: Option<u32>,
    /// The session that the record names.
    pub session: Option<String>,
    /// password, publickey, console, sudo …
    pub method: Option<String>,
    /// The file that says so: its path in the asset's tree.
    pub origin: Vec<u8>,
    /// Where in that file (after decompression) the record starts.
    pub offset: u64,
}
