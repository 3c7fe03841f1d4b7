//! The security log.
//!
//! Source: Microsoft Learn, "Advanced security audit policy settings", the page of each event.

use super::{Reader, address, joined, words};
use crate::evtx::{Event, Header};
use coldread_model::{LoginEvent, LoginKind, Text};

pub(super) fn reader(id: u32) -> Option<Reader> {
    Some(match id {
        4624 => logon,
        4625 => failed,
        4634 | 4647 => logoff,
        4648 => explicit,
        4672 => special,
        4720 | 4722..=4726 | 4738 | 4767 | 4781 => account,
        4727..=4735 | 4737 | 4754..=4758 => group,
        4740 => locked,
        4768 | 4769 | 4771 => ticket,
        4776 => checked,
        _ => return None,
    })
}

fn owned(event: &Event, name: &str) -> Option<Text> {
    event.field(name).map(Text::new)
}

/// A field after a word.
fn told(word: &str, value: Option<&str>) -> Option<Text> {
    value.map(|value| format!("{word} {value}").into())
}

/// Where a client came from: address, port and its own name.
fn client(event: &Event, row: &mut LoginEvent) {
    row.from = event.field("IpAddress").filter(|from| !from.eq_ignore_ascii_case("LOCAL")).map(address);
    row.host = owned(event, "WorkstationName");
    row.port = event.field("IpPort").and_then(|port| port.parse().ok()).filter(|port| *port != 0);
}

fn process(event: &Event, row: &mut LoginEvent) {
    let pid = event.field("ProcessId").and_then(words::number);
    row.pid = pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0);
}

fn logon(_: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    row.kind = LoginKind::Login;
    row.user = owned(event, "TargetUserName");
    row.session = owned(event, "TargetLogonId");
    row.method = event.field("LogonType").map(words::logon_type);
    client(event, &mut row);
    process(event, &mut row);
    row.detail = joined([
        told("domain", event.field("TargetDomainName")),
        told("by", event.field("AuthenticationPackageName")),
        told("process", event.field("ProcessName")),
    ]);
    row
}

fn failed(_: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    row.kind = LoginKind::Failed;
    row.user = owned(event, "TargetUserName");
    row.method = event.field("LogonType").map(words::logon_type);
    client(event, &mut row);
    process(event, &mut row);
    let (status, sub) = (event.field("Status"), event.field("SubStatus"));
    let sub = sub.and_then(words::status);
    row.detail = joined([
        // The second status is the closer one, where there is one.
        sub.or_else(|| status.and_then(words::status)),
        told("domain", event.field("TargetDomainName")),
        told("by", event.field("AuthenticationPackageName")),
        told("process", event.field("ProcessName")),
    ]);
    row
}

fn logoff(_: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    row.kind = LoginKind::Logout;
    row.user = owned(event, "TargetUserName");
    row.session = owned(event, "TargetLogonId");
    row.method = event.field("LogonType").map(words::logon_type);
    row.detail = told("domain", event.field("TargetDomainName"));
    row
}

fn explicit(_: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    row.kind = LoginKind::Privilege;
    row.user = owned(event, "SubjectUserName");
    row.session = owned(event, "SubjectLogonId");
    row.target = owned(event, "TargetUserName");
    row.method = Some("explicit credentials".into());
    client(event, &mut row);
    process(event, &mut row);
    row.detail = joined([
        told("domain", event.field("TargetDomainName")),
        told("server", event.field("TargetServerName")),
        told("process", event.field("ProcessName")),
    ]);
    row
}

fn special(_: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    row.kind = LoginKind::Privilege;
    row.user = owned(event, "SubjectUserName");
    row.session = owned(event, "SubjectLogonId");
    row.method = Some("special privileges".into());
    let list = event
        .field("PrivilegeList")
        .map(|list| list.split_whitespace().collect::<Vec<_>>().join(", ").into());
    row.detail = joined([told("domain", event.field("SubjectDomainName")), list]);
    row
}

/// Who did it, to whom.
fn change(event: &Event, row: &mut LoginEvent) {
    row.kind = LoginKind::AccountChange;
    row.user = owned(event, "SubjectUserName");
    row.session = owned(event, "SubjectLogonId");
    row.target = owned(event, "TargetUserName");
}

fn account(header: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    change(event, &mut row);
    let what = match header.id {
        4720 => "account created",
        4722 => "account enabled",
        4723 => "password change tried by its user",
        4724 => "password reset tried",
        4725 => "account disabled",
        4726 => "account deleted",
        4738 => "account changed",
        4767 => "account unlocked",
        _ => "account renamed",
    };
    let renamed = event.field("NewTargetUserName");
    row.target = row.target.or_else(|| owned(event, "OldTargetUserName"));
    row.detail =
        joined([Some(what.into()), told("to", renamed), told("identifier", event.field("TargetSid"))]);
    row
}

fn group(header: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    change(event, &mut row);
    let what = match header.id {
        4727 | 4731 | 4754 => "group created",
        4728 | 4732 | 4756 => "member added to group",
        4729 | 4733 | 4757 => "member removed from group",
        4730 | 4734 | 4758 => "group deleted",
        _ => "group changed",
    };
    row.detail = joined([
        Some(what.into()),
        told("member", event.field("MemberName").or_else(|| event.field("MemberSid"))),
        told("identifier", event.field("TargetSid")),
    ]);
    row
}

fn locked(_: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    row.kind = LoginKind::Lock;
    row.user = owned(event, "TargetUserName");
    // Here the domain is the machine that the failed attempts came from.
    row.host = owned(event, "TargetDomainName");
    row.detail = Some("account locked".into());
    row
}

/// Tickets that a domain controller gave or refused: no logon to this machine.
fn ticket(header: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    let code = event.field("Status").and_then(words::kerberos);
    row.kind = if header.id == 4771 || code.is_some() { LoginKind::Failed } else { LoginKind::Other };
    row.user = owned(event, "TargetUserName");
    row.method = Some(words::KERBEROS.into());
    client(event, &mut row);
    let what = match header.id {
        4768 => "ticket to get tickets",
        4769 => "ticket for a service",
        _ => "pre-authentication failed",
    };
    row.detail = joined([code, Some(what.into()), told("service", event.field("ServiceName"))]);
    row
}

/// A password that NTLM checked, of which a logon tells again where it was for this machine.
fn checked(_: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    let why = event.field("Status").and_then(words::status);
    row.kind = if why.is_some() { LoginKind::Failed } else { LoginKind::Other };
    row.user = owned(event, "TargetUserName");
    row.host = owned(event, "Workstation");
    row.method = Some(words::NTLM.into());
    row.detail = why.or_else(|| Some("password checked".into()));
    row
}

/// The log was emptied: what came before cannot be known.
pub(super) fn log_cleared(header: &Header, event: &Event, mut row: LoginEvent) -> LoginEvent {
    row.user = owned(event, "SubjectUserName");
    row.session = owned(event, "SubjectLogonId");
    let log = event.field("Channel").unwrap_or(&header.channel);
    row.detail = Some(format!("the log {log} was cleared").into());
    row
}
