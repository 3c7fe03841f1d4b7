//! The logs of remote desktop (Terminal Services).
//!
//! Source: the manifests of Microsoft-Windows-TerminalServices-LocalSessionManager and
//! -RemoteConnectionManager, as Windows' own viewer shows their messages.

use super::{Reader, address, joined};
use crate::evtx::{Event, Header};
use coldread_model::{LoginEvent, LoginKind, Text};

/// Sessions on this machine, at its console too.
pub(super) fn local(id: u32) -> Option<Reader> {
    matches!(id, 21 | 23 | 24 | 25).then_some(session as Reader)
}

fn session(header: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    let (kind, what) = match header.id {
        21 => (LoginKind::Login, None),
        23 => (LoginKind::Logout, None),
        24 => (LoginKind::Other, Some("session disconnected")),
        _ => (LoginKind::Login, Some("session reconnected")),
    };
    row.kind = kind;
    let domain = user(event.field("User"), &mut row);
    row.session = event.field("SessionID").map(Text::new);
    let from = event.field("Address");
    let is_local = from == Some("LOCAL");
    row.from = from.filter(|_| !is_local).map(address);
    // A logoff does not say where its session came from.
    row.method = from.map(|_| if is_local { "console" } else { "rdp" }.into());
    row.detail = joined([what.map(Text::new), domain]);
    row
}

/// A client proved who it is, before it has a session.
pub(super) fn authenticated(_: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    user(event.field("Param1"), &mut row);
    let domain = event.field("Param2").map(|domain| format!("domain {domain}").into());
    row.from = event.field("Param3").map(address);
    row.method = Some("rdp".into());
    row.detail = joined([Some("remote desktop: authenticated".into()), domain]);
    row
}

/// Takes `DOMAIN\user` apart; gives the domain as a fact.
fn user(text: Option<&str>, row: &mut LoginEvent) -> Option<Text> {
    let text = text?;
    let (domain, user) = text.split_once('\\').map_or((None, text), |(domain, user)| (Some(domain), user));
    row.user = Some(user.into());
    domain.map(|domain| format!("domain {domain}").into())
}
