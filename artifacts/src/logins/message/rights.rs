//! sudo and su: acting with another's rights.

use super::{
    Told,
    text::{rsplit, split, value, word},
};
use coldread_model::LoginKind;
use memchr::memmem;

/// `USER : [REASON ;] TTY=… ; PWD=… ; USER=… ; COMMAND=…`. A refusal counts once, however many passwords
/// were tried for it; the detail tells how many.
pub(super) fn sudo(message: &[u8]) -> Option<Told<'_>> {
    let (user, rest) = split(message, b" : ")?;
    let user = user.trim_ascii();
    // Only what stands before the command is looked at.
    let before = split(rest, b"COMMAND=").map(|(before, _)| before);
    let fields = before.unwrap_or(rest);
    let told = |kind| {
        let told = Told::new(kind).user(user).tty(value(fields, b"TTY=")).method(b"sudo");
        told.target(value(fields, b" USER="))
    };
    let starts: [&[u8]; 4] = [b"TTY=", b"PWD=", b"HOST=", b"USER="];
    if before.is_some() && starts.iter().any(|start| fields.starts_with(start)) {
        return Some(told(LoginKind::Privilege));
    }
    let refused: [&[u8]; 5] = [
        b"incorrect password",
        b"NOT in sudoers",
        b"not allowed",
        b"a password is required",
        b"NOT authorized",
    ];
    let why = split(fields, b" ; ").map_or(fields, |(why, _)| why);
    let is_refused = refused.iter().any(|words| memmem::find(why, words).is_some());
    is_refused.then(|| told(LoginKind::Failed).detail(why))
}

pub(super) fn su(message: &[u8]) -> Option<Told<'_>> {
    let failed = message.strip_prefix(b"FAILED SU ").or_else(|| message.strip_prefix(b"FAILED su "));
    let kind = if failed.is_some() { LoginKind::Failed } else { LoginKind::Privilege };
    let told = Told::new(kind).method(b"su");
    let rest = failed.unwrap_or(message);
    if let Some(rest) = rest.strip_prefix(b"(to ") {
        let (target, rest) = split(rest, b") ")?;
        let (user, tty) = split(rest, b" on ")?;
        return Some(told.user(user).tty(tty).target(target));
    }
    if let Some(rest) = failed.or_else(|| message.strip_prefix(b"Successful su ")) {
        let (target, user) = rsplit(rest, b" by ")?;
        return Some(told.user(word(user)).target(target.strip_prefix(b"for ").unwrap_or_default()));
    }
    let (kind, rest) = match message {
        [b'+', b' ', rest @ ..] => (LoginKind::Privilege, rest),
        [b'-', b' ', rest @ ..] => (LoginKind::Failed, rest),
        _ => return None,
    };
    let (tty, users) = split(rest, b" ")?;
    let (user, target) = split(users, b":")?;
    Some(Told::new(kind).method(b"su").tty(tty).user(user).target(target))
}
