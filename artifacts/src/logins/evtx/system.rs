//! The system log: boots, shutdowns, services that were installed.
//!
//! Source: Microsoft Learn, "Event IDs 41, 1074, 6005, 6006, 6008" (shutdown event tracker), "Event 7045".

use super::{Reader, joined};
use crate::{
    evtx::{Event, Header},
    secrets::masked,
};
use coldread_model::{LoginEvent, LoginKind, Text};

pub(super) fn reader(provider: &str, id: u32) -> Option<Reader> {
    let is = |name: &str| provider.eq_ignore_ascii_case(name);
    match id {
        6005 | 6006 | 6008 if is("EventLog") => Some(event_log),
        1074 if is("User32") => Some(requested),
        41 if is("Microsoft-Windows-Kernel-Power") => Some(unclean),
        7045 if is("Service Control Manager") => Some(service),
        _ => None,
    }
}

/// The event log's own start and stop, which are the machine's.
fn event_log(header: &Header, _: &Event, mut row: LoginEvent) -> LoginEvent {
    match header.id {
        6005 => row.kind = LoginKind::Boot,
        6006 => row.kind = LoginKind::Shutdown,
        // Written at the boot after it: the time is not that of the end.
        _ => row.detail = Some("the shutdown before was unexpected".into()),
    }
    row
}

fn unclean(_: &Header, _: &Event, mut row: LoginEvent) -> LoginEvent {
    row.detail = Some("restarted without having been shut down".into());
    row
}

/// Who asked for a shutdown or restart, and why.
fn requested(_: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    let user = event.field("param7");
    row.user = user.map(|user| user.rsplit('\\').next().unwrap_or(user).into());
    let fact = |word: &str, name: &str| event.field(name).map(|value| format!("{word} {value}").into());
    row.detail = joined([
        Some("shutdown requested".into()),
        fact("as", "param5"),
        fact("process", "param1"),
        fact("reason", "param3"),
    ]);
    row
}

/// A service was installed: how intruders stay, and how remote tools start.
fn service(header: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    row.user = header.user.as_deref().map(Text::new);
    row.target = event.field("AccountName").map(Text::new);
    let fact = |word: &str, name: &str| event.field(name).map(|value| format!("{word} {value}").into());
    row.detail = joined([
        fact("service installed:", "ServiceName"),
        event.field("ImagePath").map(|image| format!("image {}", masked(image)).into()),
        fact("start", "StartType"),
    ]);
    row
}
