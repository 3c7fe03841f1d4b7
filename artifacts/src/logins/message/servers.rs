//! Servers with words of their own: dropbear, vsftpd, dovecot.

use super::{
    Told,
    text::{rsplit, split, until, value},
};
use coldread_model::LoginKind;

/// `Password auth succeeded for 'USER' from ADDRESS:PORT` and its like.
pub(super) fn dropbear(message: &[u8]) -> Option<Told<'_>> {
    const STARTS: &[(&[u8], LoginKind, &[u8])] = &[
        (b"Password auth succeeded for ", LoginKind::Login, b"password"),
        (b"PAM password auth succeeded for ", LoginKind::Login, b"password"),
        (b"Pubkey auth succeeded for ", LoginKind::Login, b"publickey"),
        (b"Bad password attempt for ", LoginKind::Failed, b"password"),
        (b"Bad PAM password attempt for ", LoginKind::Failed, b"password"),
        (b"Login attempt for nonexistent user ", LoginKind::Failed, b""),
        (b"Login attempt with wrong user ", LoginKind::Failed, b""),
    ];
    let (start, kind, method) = STARTS.iter().find(|(start, ..)| message.starts_with(start))?;
    let rest = &message[start.len()..];
    let (who, place) =
        rest.strip_prefix(b"from ").map(|place| (&rest[..0], place)).or_else(|| rsplit(rest, b" from "))?;
    let (from, port) = rsplit(place, b":")?;
    let user = who.strip_prefix(b"'").map_or(&[][..], |who| until(who, b'\''));
    let key = split(who, b" with key ").map_or(&[][..], |(_, key)| key);
    Some(Told::new(*kind).user(user).from(from).port(port).method(method).detail(key))
}

/// `[USER] OK LOGIN: Client "ADDRESS"`.
pub(super) fn vsftpd(message: &[u8]) -> Option<Told<'_>> {
    let (user, rest) = split(message.strip_prefix(b"[")?, b"] ")?;
    let (kind, rest) = if let Some(rest) = rest.strip_prefix(b"OK LOGIN: Client \"") {
        (LoginKind::Login, rest)
    } else {
        // PAM tells of the failure too, unless the server has users of its own.
        (LoginKind::Other, rest.strip_prefix(b"FAIL LOGIN: Client \"")?)
    };
    Some(Told::new(kind).user(user).from(until(rest, b'"')).method(b"vsftpd"))
}

/// `imap-login: Login: user=<USER>, method=PLAIN, rip=ADDRESS, …`.
pub(super) fn dovecot(message: &[u8]) -> Option<Told<'_>> {
    let (service, rest) = split(message, b": ")?;
    service.ends_with(b"-login").then_some(())?;
    let (words, fields) = split(rest, b"user=<")?;
    let kind = if words.starts_with(b"Login: ") {
        LoginKind::Login
    } else if memchr::memmem::find(words, b"auth failed").is_some() {
        LoginKind::Failed
    } else {
        return None;
    };
    let told = Told::new(kind).user(until(fields, b'>')).from(value(fields, b" rip=")).method(service);
    // `Disconnected (auth failed, 2 attempts in 5 secs)`: how many is told, one connection counts once.
    let why = split(words, b"(").map_or(&[][..], |(_, why)| until(why, b')'));
    Some(told.detail(why))
}
