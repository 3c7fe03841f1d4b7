//! What a message of syslog or the journal tells of logins.
//!
//! One attempt writes several lines; one of them counts as the `login` or `failed`. For sshd it is `Accepted …` and
//! `Failed …`; an attempt that ends before authentication without a `Failed` line (a client without a fitting key)
//! fails where its connection closes, one of a user whom sshd refuses (`Invalid user …`) also where nothing follows; the
//! other lines of a failure are its evidence ([`attempts`]). For su, sudo and
//! login it is the program's own line, for all other services PAM's; the other lines are kept as `other`.
//!
//! Sources: the messages in OpenSSH `auth.c`, `auth2.c` and `packet.c`; dropbear `svr-auth*.c`; Linux-PAM
//! `pam_unix_sess.c`, `support.c` and `pam_faillock.c`; sudoers(5), "LOG FORMAT"; util-linux and shadow `su`
//! and `login`; systemd `logind-session.c`; shadow's `useradd`, `usermod`, `userdel` and their like; vsftpd
//! and dovecot. Commands are never taken over: they may hold secrets.

mod accounts;
mod attempts;
mod console;
mod open;
mod pam;
mod repeats;
mod rights;
mod servers;
mod sshd;
mod text;

use super::logged::LoggedTexts;
use coldread_model::LoginKind;
use text::number;

pub(super) use attempts::{Attempts, Said};
pub(super) use repeats::{Repeats, last_repeated, repeated};
pub(super) use text::number as whole_number;

/// What a message tells. Texts are parts of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told<'a> {
    pub kind: LoginKind,
    pub texts: LoggedTexts<'a>,
    pub port: Option<u16>,
    /// What it is of its process's attempt.
    pub step: Step,
    /// How many equal events the message sums up.
    pub times: u32,
}

/// Which part of an attempt a message of sshd tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// None, or all of it.
    Alone,
    /// What leads to a failure.
    Before,
    /// The same of a user who cannot come in: the failure itself where nothing follows.
    Refused,
    /// The failure.
    Failed,
    /// What comes of a failure.
    After,
    /// The end of a connection that was not authenticated: the failure itself, unless `Failed` came before.
    End,
    /// The success.
    Accepted,
}

impl<'a> Told<'a> {
    fn new(kind: LoginKind) -> Self {
        Self { kind, texts: LoggedTexts::default(), port: None, step: Step::Alone, times: 1 }
    }

    fn step(mut self, step: Step) -> Self {
        self.step = step;
        self
    }

    fn user(mut self, user: &'a [u8]) -> Self {
        self.texts.user = Some(user).filter(|user| !user.is_empty());
        self
    }

    fn from(mut self, from: &'a [u8]) -> Self {
        self.texts.from = Some(from).filter(|from| !from.is_empty());
        self
    }

    fn port(mut self, port: &[u8]) -> Self {
        self.port = number(port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        self
    }

    fn tty(mut self, tty: &'a [u8]) -> Self {
        let tty = tty.strip_prefix(b"/dev/").unwrap_or(tty);
        self.texts.tty = Some(tty).filter(|tty| !tty.is_empty());
        self
    }

    fn method(mut self, method: &'a [u8]) -> Self {
        self.texts.method = Some(method).filter(|method| !method.is_empty());
        self
    }

    fn session(mut self, session: &'a [u8]) -> Self {
        self.texts.session = Some(session).filter(|session| !session.is_empty());
        self
    }

    fn target(mut self, target: &'a [u8]) -> Self {
        self.texts.target = Some(target).filter(|target| !target.is_empty());
        self
    }

    fn detail(mut self, detail: &'a [u8]) -> Self {
        self.texts.detail = Some(detail).filter(|detail| !detail.is_empty());
        self
    }
}

/// What `program`'s message tells, if it is of logins at all.
pub(super) fn tell<'a>(program: &'a [u8], message: &'a [u8]) -> Option<Told<'a>> {
    if message.starts_with(b"pam_") {
        return pam::tell(message);
    }
    match program {
        b"sshd" | b"sshd-session" | b"sshd-auth" => sshd::tell(message),
        b"sudo" => rights::sudo(message),
        b"su" => rights::su(message),
        b"login" => console::login(message),
        b"systemd-logind" | b"elogind-daemon" | b"elogind" => console::logind(message),
        b"kernel" => console::kernel(message),
        b"dropbear" => servers::dropbear(message),
        b"vsftpd" => servers::vsftpd(message),
        b"dovecot" => servers::dovecot(message),
        _ if accounts::PROGRAMS.contains(&program) => accounts::tell(program, message),
        _ => pam::tell_with_old_tag(program, message),
    }
}

/// Programs whose messages are looked at whatever they say. Messages of others count where they begin with
/// one of [`TELLING_STARTS`].
pub(super) const PROGRAMS: &[&[u8]] = &[
    b"sshd",
    b"sshd-session",
    b"sshd-auth",
    b"sudo",
    b"su",
    b"login",
    b"systemd-logind",
    b"elogind-daemon",
    b"elogind",
    b"dropbear",
    b"vsftpd",
    b"dovecot",
];

/// What messages of any program may begin with that tell of logins.
pub(super) const TELLING_STARTS: &[&[u8]] = &[b"pam_", b"Linux version "];

/// Whether messages of this program are looked at whatever they say.
pub(super) fn is_telling(program: &[u8]) -> bool {
    PROGRAMS.contains(&program) || accounts::PROGRAMS.contains(&program)
}

#[cfg(test)]
mod tests;
