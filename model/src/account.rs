//! Accounts, groups, keys and settings that decide who can log in. Never a password's hash or a private key.

use crate::{package::words, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// A user or a group.
    AccountKind {
        /// Someone who may log in.
        User = "user",
        /// A group of users.
        Group = "group",
    }
}

words! {
    /// Whether an account can be opened with a password.
    PasswordState {
        /// A password is set.
        Set = "set",
        /// A password is set and was locked.
        Locked = "locked",
        /// None can match.
        Disabled = "disabled",
        /// Anyone may enter without one.
        Empty = "empty",
    }
}

/// A user or group of one system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account {
    /// The tree it belongs to: `/` for the host, else a container's or chroot's path.
    pub root: String,
    /// User or group.
    pub kind: AccountKind,
    /// Its name.
    pub name: String,
    /// Its number: user id, group id, or on Windows the relative id.
    pub id: Option<u64>,
    /// A user's group, by number.
    pub primary_group: Option<u64>,
    /// On Windows, the security identifier.
    pub sid: Option<String>,
    /// The name for people.
    pub full_name: Option<String>,
    /// Home or profile directory.
    pub home: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
    /// For a user the groups, for a group the members; sorted.
    pub related: Vec<String>,
    /// Whether a password opens it.
    pub password: Option<PasswordState>,
    /// How the password is hashed: `yescrypt`, `sha512crypt`, `nt` … Never the hash.
    pub scheme: Option<String>,
    /// When the password was set.
    pub password_changed: Option<Timestamp>,
    /// When the password ends.
    pub password_expires: Option<Timestamp>,
    /// When the account ends.
    pub expires: Option<Timestamp>,
    /// Whether it is switched off as a whole.
    pub disabled: bool,
    /// What it may do with others' rights: rules of sudoers, `Administrators`.
    pub privileges: Vec<String>,
    /// The last login that the account database has.
    pub last_login: Option<Timestamp>,
    /// The last failed one.
    pub last_failed: Option<Timestamp>,
    /// Failed ones since the last login.
    pub failed_count: Option<u64>,
    /// Logins in all.
    pub login_count: Option<u64>,
    /// The file that says so: its path in the asset's tree.
    pub origin: Vec<u8>,
}

impl Account {
    /// An account of the host's own tree, with nothing but its name.
    pub fn new(kind: AccountKind, name: impl Into<String>, origin: impl Into<Vec<u8>>) -> Self {
        Self {
            root: "/".to_owned(),
            kind,
            name: name.into(),
            id: None,
            primary_group: None,
            sid: None,
            full_name: None,
            home: None,
            shell: None,
            related: Vec::new(),
            password: None,
            scheme: None,
            password_changed: None,
            password_expires: None,
            expires: None,
            disabled: false,
            privileges: Vec::new(),
            last_login: None,
            last_failed: None,
            failed_count: None,
            login_count: None,
            origin: origin.into(),
        }
    }
}

words! {
    /// What a key is for.
    KeyKind {
        /// Opens an account from outside.
        Authorized = "authorized",
        /// Proves the machine to its clients.
        Host = "host",
        /// A private key that was found.
        Private = "private",
    }
}

/// An SSH or other asymmetric key: what can be said of it without showing it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The tree it belongs to: `/` for the host, else a container's or chroot's path.
    pub root: String,
    /// What it is for.
    pub kind: KeyKind,
    /// Whose account it opens, or in whose home it lies.
    pub user: Option<String>,
    /// `ssh-ed25519`, `ssh-rsa` …
    pub algorithm: String,
    /// Its length in bits.
    pub bits: Option<u32>,
    /// `SHA256:` and base64 of the public key's digest; absent where the public half cannot be had.
    pub fingerprint: Option<String>,
    /// What its owner wrote beside it.
    pub comment: Option<String>,
    /// Options before an authorized key (`from="…"`, `command="…"`), in order.
    pub options: Vec<String>,
    /// For a private key, whether a passphrase protects it.
    pub encrypted: Option<bool>,
    /// The file: its path in the asset's tree.
    pub origin: Vec<u8>,
    /// The line in it, from 1; 0 where the file is the key.
    pub line: u64,
}

/// A setting that decides who can log in, e.g. sshd's `PermitRootLogin`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Setting {
    /// The tree it belongs to: `/` for the host, else a container's or chroot's path.
    pub root: String,
    /// What it configures: `sshd` …
    pub subject: String,
    /// The condition it stands under (sshd's `Match` line), if any.
    pub condition: Option<String>,
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// The file: its path in the asset's tree; empty for what holds where no file says otherwise.
    pub origin: Vec<u8>,
    /// The line in it, from 1.
    pub line: u64,
}
