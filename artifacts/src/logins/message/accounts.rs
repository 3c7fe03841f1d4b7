//! useradd and its kind.

use super::{
    Told,
    text::{split, until, value, word},
};
use coldread_model::LoginKind;

pub(super) const PROGRAMS: &[&[u8]] = &[
    b"useradd",
    b"usermod",
    b"userdel",
    b"groupadd",
    b"groupmod",
    b"groupdel",
    b"passwd",
    b"chpasswd",
    b"gpasswd",
    b"chage",
    b"chfn",
    b"chsh",
    b"newusers",
    b"groupmems",
    b"vipw",
    b"adduser",
    b"addgroup",
    b"deluser",
];

/// A name in `name=…,`, in quotes, or after `for`. None of these programs writes a password to its log, so
/// the message itself is the detail.
pub(super) fn tell<'a>(program: &'a [u8], message: &'a [u8]) -> Option<Told<'a>> {
    let kind = if message.starts_with(b"failed ") {
        LoginKind::Other
    } else if message.starts_with(b"lock user ") {
        LoginKind::Lock
    } else {
        LoginKind::AccountChange
    };
    let name = if let Some((_, rest)) = split(message, b"name=") {
        until(rest, b',')
    } else if let Some((_, rest)) = split(message, b"'") {
        until(rest, b'\'')
    } else if let Some((_, rest)) = split(message, b" for ") {
        word(rest)
    } else if let Some(rest) = message.strip_prefix(b"user ") {
        word(rest)
    } else {
        return None;
    };
    let told = Told::new(kind).user(name).tty(value(message, b"from=/dev/")).method(program);
    Some(told.detail(message))
}
