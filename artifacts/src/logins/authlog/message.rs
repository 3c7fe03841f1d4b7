//! What a message of syslog tells of logins.
//!
//! One attempt writes several lines; one of them counts as the `login` or `failed`, the others are kept as
//! `other`. For sshd it is `Accepted …` and `Failed …`; an attempt that ends before authentication without a
//! `Failed` line (a client without a fitting key) fails where its connection closes. For su, sudo and login
//! it is the program's own line, for all other services PAM's.
//!
//! Sources: the messages in OpenSSH `auth.c`, `auth2.c` and `packet.c`; Linux-PAM `pam_unix_sess.c` and
//! `support.c`; sudoers(5), "LOG FORMAT"; util-linux and shadow `su` and `login`; systemd `logind-session.c`;
//! shadow's `useradd`, `usermod`, `userdel` and their like. Commands are never taken over: they may hold secrets.

use super::header::number;
use coldread_model::LoginKind;
use memchr::memmem;

/// What a message tells. Texts are parts of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told<'a> {
    pub kind: LoginKind,
    pub user: Option<&'a [u8]>,
    pub from: Option<&'a [u8]>,
    pub tty: Option<&'a [u8]>,
    pub session: Option<&'a [u8]>,
    pub method: Option<&'a [u8]>,
    /// sshd's end of a connection that was not authenticated: failed, unless a `Failed` line said so before.
    pub unauthenticated_end: bool,
}

impl<'a> Told<'a> {
    fn new(kind: LoginKind) -> Self {
        let unauthenticated_end = false;
        Self { kind, user: None, from: None, tty: None, session: None, method: None, unauthenticated_end }
    }

    fn user(mut self, user: &'a [u8]) -> Self {
        self.user = Some(user).filter(|user| !user.is_empty());
        self
    }

    fn from(mut self, from: &'a [u8]) -> Self {
        self.from = Some(from).filter(|from| !from.is_empty());
        self
    }

    fn tty(mut self, tty: &'a [u8]) -> Self {
        let tty = tty.strip_prefix(b"/dev/").unwrap_or(tty);
        self.tty = Some(tty).filter(|tty| !tty.is_empty());
        self
    }

    fn method(mut self, method: &'a [u8]) -> Self {
        self.method = Some(method).filter(|method| !method.is_empty());
        self
    }
}

/// What `program`'s message tells, if it is of logins at all.
pub(super) fn tell<'a>(program: &'a [u8], message: &'a [u8]) -> Option<Told<'a>> {
    if message.starts_with(b"pam_") {
        return pam(message);
    }
    match program {
        b"sshd" | b"sshd-session" | b"sshd-auth" => sshd(message),
        b"sudo" => sudo(message),
        b"su" => su(message),
        b"login" => login(message),
        b"systemd-logind" => logind(message),
        b"useradd" | b"usermod" | b"userdel" | b"groupadd" | b"groupmod" | b"groupdel" | b"passwd"
        | b"chpasswd" | b"gpasswd" | b"chage" | b"chfn" | b"chsh" | b"newusers" => account(program, message),
        _ => None,
    }
}

/// The count and the message of `message repeated N times: [ … ]` (rsyslog).
pub(super) fn repeated(message: &[u8]) -> Option<(u32, &[u8])> {
    let (count, rest) = split(message.strip_prefix(b"message repeated ")?, b" times: [")?;
    Some((number(count)?, rest.strip_suffix(b"]").unwrap_or(rest).trim_ascii()))
}

/// The count of `last message repeated N times` (sysklogd).
pub(super) fn last_repeated(message: &[u8]) -> Option<u32> {
    number(message.strip_prefix(b"last message repeated ")?.strip_suffix(b" times")?)
}

fn sshd(message: &[u8]) -> Option<Told<'_>> {
    if let Some(rest) = message.strip_prefix(b"Accepted ") {
        let (method, rest) = split(rest, b" for ")?;
        let (user, rest) = split(rest, b" from ")?;
        return Some(Told::new(LoginKind::Login).user(user).from(word(rest)).method(method));
    }
    if let Some(rest) = message.strip_prefix(b"Failed ") {
        let (method, rest) = split(rest, b" for ")?;
        let (user, from) = user_from(rest.strip_prefix(b"invalid user ").unwrap_or(rest))?;
        return Some(Told::new(LoginKind::Failed).user(user).from(from).method(method));
    }
    for start in [&b"Invalid user "[..], b"Illegal user ", b"User "] {
        if let Some(rest) = message.strip_prefix(start) {
            let (user, from) = user_from(rest)?;
            return Some(Told::new(LoginKind::Other).user(user).from(from));
        }
    }
    for start in
        [&b"Connection closed by "[..], b"Connection reset by ", b"Disconnected from ", b"Disconnecting "]
    {
        let Some(rest) = message.strip_prefix(start) else { continue };
        for (who, unauthenticated_end) in
            [(&b"invalid user "[..], true), (b"authenticating user ", true), (b"user ", false)]
        {
            let Some(rest) = rest.strip_prefix(who) else { continue };
            let (place, _) = rsplit(rest, b" port ")?;
            let (user, from) = rsplit(place, b" ").unwrap_or((&[], place));
            let told = Told::new(LoginKind::Other).user(user).from(from);
            return Some(Told { unauthenticated_end, ..told });
        }
        return None;
    }
    let rest = message.strip_prefix(b"error: ").unwrap_or(message);
    let rest = rest.strip_prefix(b"maximum authentication attempts exceeded for ")?;
    let (user, from) = user_from(rest.strip_prefix(b"invalid user ").unwrap_or(rest))?;
    Some(Told::new(LoginKind::Other).user(user).from(from))
}

/// `USER from ADDRESS …`: a name may hold anything, so the last ` from ` counts.
fn user_from(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (user, from) = match text.strip_prefix(b"from ") {
        Some(from) => (&text[..0], from),
        None => rsplit(text, b" from ")?,
    };
    Some((user, word(from)))
}

/// `pam_unix(SERVICE:TYPE): …` and its relatives.
fn pam(message: &[u8]) -> Option<Told<'_>> {
    let (tag, text) = split(message, b"): ").or_else(|| split(message, b") "))?;
    let (service, step) = split(split(tag, b"(")?.1, b":")?;
    let text = text.trim_ascii_start();
    // Sessions that are no login of their own: another's rights, or jobs.
    let with_rights = matches!(service, b"su" | b"su-l" | b"sudo" | b"sudo-i" | b"runuser" | b"runuser-l");
    let job = matches!(service, b"cron" | b"crond" | b"atd" | b"systemd-user" | b"polkit-1");
    if let Some(rest) = text.strip_prefix(b"session opened for user ") {
        let told_elsewhere = with_rights || job || service == b"sshd";
        let kind = if told_elsewhere { LoginKind::Other } else { LoginKind::Login };
        return Some(Told::new(kind).user(user_of_session(rest)).method(service));
    }
    if let Some(rest) = text.strip_prefix(b"session closed for user ") {
        let kind = if with_rights || job { LoginKind::Other } else { LoginKind::Logout };
        return Some(Told::new(kind).user(user_of_session(rest)).method(service));
    }
    if let Some(rest) = text.strip_prefix(b"authentication failure;") {
        let told_elsewhere = with_rights || matches!(service, b"sshd" | b"login" | b"remote");
        let kind = if told_elsewhere { LoginKind::Other } else { LoginKind::Failed };
        let told = Told::new(kind).method(service).tty(value(rest, b"tty=")).from(value(rest, b"rhost="));
        let who = value(rest, b" user=");
        return Some(told.user(if who.is_empty() { value(rest, b"ruser=") } else { who }));
    }
    if let Some(rest) = text.strip_prefix(b"Consecutive login failures for user ") {
        return Some(Told::new(LoginKind::Lock).user(word(rest)).method(service));
    }
    if step == b"chauthtok" && text.starts_with(b"password changed for ") {
        return Some(Told::new(LoginKind::AccountChange).user(&text[21..]).method(service));
    }
    None
}

/// The name in `root(uid=0) by …` or `root by …`.
fn user_of_session(text: &[u8]) -> &[u8] {
    let name = word(text);
    &name[..memchr::memchr(b'(', name).unwrap_or(name.len())]
}

fn sudo(message: &[u8]) -> Option<Told<'_>> {
    let (user, rest) = split(message, b" : ")?;
    let user = user.trim_ascii();
    // Only what stands before the command is looked at.
    let before = split(rest, b"COMMAND=").map(|(before, _)| before);
    let tty = value(before.unwrap_or(rest), b"TTY=");
    let kind = match before {
        Some(before) if before.starts_with(b"TTY=") || before.starts_with(b"PWD=") => LoginKind::Privilege,
        Some(before) if before.starts_with(b"HOST=") || before.starts_with(b"USER=") => LoginKind::Privilege,
        _ => {
            let refused: [&[u8]; 5] = [
                b"incorrect password",
                b"NOT in sudoers",
                b"not allowed",
                b"a password is required",
                b"NOT authorized",
            ];
            if !refused.iter().any(|words| memmem::find(before.unwrap_or(rest), words).is_some()) {
                return None;
            }
            LoginKind::Failed
        }
    };
    Some(Told::new(kind).user(user).tty(tty).method(b"sudo"))
}

fn su(message: &[u8]) -> Option<Told<'_>> {
    let failed = message.strip_prefix(b"FAILED SU ").or_else(|| message.strip_prefix(b"FAILED su "));
    let kind = if failed.is_some() { LoginKind::Failed } else { LoginKind::Privilege };
    let told = Told::new(kind).method(b"su");
    let rest = failed.unwrap_or(message);
    if rest.starts_with(b"(to ") {
        let (user, tty) = split(split(rest, b") ")?.1, b" on ")?;
        return Some(told.user(user).tty(tty));
    }
    if failed.is_some() || message.starts_with(b"Successful su ") {
        return Some(told.user(word(rsplit(rest, b" by ")?.1)));
    }
    let (kind, rest) = match message {
        [b'+', b' ', rest @ ..] => (LoginKind::Privilege, rest),
        [b'-', b' ', rest @ ..] => (LoginKind::Failed, rest),
        _ => return None,
    };
    let (tty, users) = split(rest, b" ")?;
    Some(Told::new(kind).method(b"su").tty(tty).user(split(users, b":")?.0))
}

fn login(message: &[u8]) -> Option<Told<'_>> {
    if let Some(rest) = message.strip_prefix(b"FAILED LOGIN ") {
        let tty = split(rest, b"on '").map_or(&[][..], |(_, rest)| quoted_end(rest));
        let tty =
            if tty.is_empty() { split(rest, b"FROM ").map_or(tty, |(_, rest)| word(rest)) } else { tty };
        let (_, user) = split(rest, b" FOR ")?;
        let user = user
            .strip_prefix(b"'")
            .map_or_else(|| split(user, b",").map_or(user, |(user, _)| user), quoted_end);
        return Some(Told::new(LoginKind::Failed).user(user).tty(tty).method(b"login"));
    }
    if let Some(rest) = message.strip_prefix(b"LOGIN ON ") {
        let (tty, rest) = split(rest, b" BY ")?;
        let from = split(rest, b" FROM ").map_or(&[][..], |(_, from)| word(from));
        return Some(Told::new(LoginKind::Other).user(word(rest)).tty(tty).from(from).method(b"login"));
    }
    let rest = message.strip_prefix(b"ROOT LOGIN ")?;
    let tty = rest.strip_prefix(b"ON ").or_else(|| rest.strip_prefix(b"on ")).unwrap_or(rest);
    let tty = tty.strip_prefix(b"'").map_or_else(|| word(tty), quoted_end);
    Some(Told::new(LoginKind::Other).user(b"root").tty(tty).method(b"login"))
}

fn logind(message: &[u8]) -> Option<Told<'_>> {
    if let Some(rest) = message.strip_prefix(b"New session ") {
        let (session, user) = split(rest, b" of user ")?;
        // systemd 257 and later go on with the session's class and type.
        let user = word(user);
        let user = user.strip_suffix(b".").unwrap_or(user);
        return Some(Told {
            session: Some(unquote(session)),
            ..Told::new(LoginKind::Other).user(unquote(user))
        });
    }
    if let Some(rest) = message.strip_prefix(b"Removed session ") {
        let session = rest.strip_suffix(b".").unwrap_or(rest);
        return Some(Told { session: Some(unquote(session)), ..Told::new(LoginKind::Other) });
    }
    let down: [&[u8]; 3] = [b"System is powering down", b"System is rebooting", b"System is halting"];
    down.iter().any(|start| message.starts_with(start)).then(|| Told::new(LoginKind::Shutdown))
}

/// useradd and its kind: a name in `name=…,`, in quotes, or after `for`.
fn account<'a>(program: &'a [u8], message: &'a [u8]) -> Option<Told<'a>> {
    let kind = if message.starts_with(b"failed ") {
        LoginKind::Other
    } else if message.starts_with(b"lock user ") {
        LoginKind::Lock
    } else {
        LoginKind::AccountChange
    };
    let name = if let Some((_, rest)) = split(message, b"name=") {
        split(rest, b",").map_or(rest, |(name, _)| name)
    } else if let Some((_, rest)) = split(message, b"'") {
        quoted_end(rest)
    } else if let Some((_, rest)) = split(message, b" for ") {
        word(rest)
    } else if let Some(rest) = message.strip_prefix(b"user ") {
        word(rest)
    } else {
        return None;
    };
    Some(Told::new(kind).user(name).tty(value(message, b"from=/dev/")).method(program))
}

/// What follows `key`, up to a space, a comma or a semicolon; nothing where the key is missing.
fn value<'a>(text: &'a [u8], key: &[u8]) -> &'a [u8] {
    let Some((_, rest)) = split(text, key) else { return &[] };
    let end = rest.iter().position(|byte| matches!(byte, b' ' | b',' | b';')).unwrap_or(rest.len());
    &rest[..end]
}

fn word(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(b' ', text).unwrap_or(text.len())]
}

fn quoted_end(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(b'\'', text).unwrap_or(text.len())]
}

fn unquote(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"'").map_or(text, quoted_end)
}

fn split<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::find(text, mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

fn rsplit<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memmem::rfind(text, mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
