//! login, systemd-logind and the kernel's first word.

use super::{
    Told,
    text::{split, unquote, until, word},
};
use coldread_model::LoginKind;

pub(super) fn login(message: &[u8]) -> Option<Told<'_>> {
    if let Some(rest) = message.strip_prefix(b"FAILED LOGIN ") {
        let tty = split(rest, b"on '").map_or(&[][..], |(_, rest)| until(rest, b'\''));
        let tty =
            if tty.is_empty() { split(rest, b"FROM ").map_or(tty, |(_, rest)| word(rest)) } else { tty };
        let (_, user) = split(rest, b" FOR ")?;
        let user = if user.starts_with(b"'") { unquote(user) } else { until(user, b',') };
        return Some(Told::new(LoginKind::Failed).user(user).tty(tty).method(b"login"));
    }
    if let Some(rest) = message.strip_prefix(b"LOGIN ON ") {
        let (tty, rest) = split(rest, b" BY ")?;
        let from = split(rest, b" FROM ").map_or(&[][..], |(_, from)| word(from));
        return Some(Told::new(LoginKind::Other).user(word(rest)).tty(tty).from(from).method(b"login"));
    }
    let rest = message.strip_prefix(b"ROOT LOGIN ")?.trim_ascii_start();
    let tty = rest.strip_prefix(b"ON ").or_else(|| rest.strip_prefix(b"on ")).unwrap_or(rest);
    let tty = if tty.starts_with(b"'") { unquote(tty) } else { word(tty) };
    Some(Told::new(LoginKind::Other).user(b"root").tty(tty).method(b"login"))
}

pub(super) fn logind(message: &[u8]) -> Option<Told<'_>> {
    if let Some(rest) = message.strip_prefix(b"New session ") {
        let (session, user) = split(rest, b" of user ")?;
        // systemd 257 and later go on with the session's class and type.
        let user = word(user);
        let user = user.strip_suffix(b".").unwrap_or(user);
        return Some(Told::new(LoginKind::Other).user(unquote(user)).session(unquote(session)));
    }
    if let Some(rest) = message.strip_prefix(b"Removed session ") {
        let session = rest.strip_suffix(b".").unwrap_or(rest);
        return Some(Told::new(LoginKind::Other).session(unquote(session)));
    }
    let down: [&[u8]; 3] = [b"System is powering down", b"System is rebooting", b"System is halting"];
    down.iter().any(|start| message.starts_with(start)).then(|| Told::new(LoginKind::Shutdown))
}

/// `[    0.000000] Linux version RELEASE …`: the machine started. The journal has it without the clock.
pub(super) fn kernel(message: &[u8]) -> Option<Told<'_>> {
    let text = match message.strip_prefix(b"[") {
        Some(rest) => split(rest, b"] ")?.1,
        None => message,
    };
    let release = word(text.strip_prefix(b"Linux version ")?);
    Some(Told::new(LoginKind::Boot).detail(release))
}
