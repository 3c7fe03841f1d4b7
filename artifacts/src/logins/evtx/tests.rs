use super::*;
use crate::{
    evtx::build::{LogBuilder, Told},
    view::MemoryView,
};
use coldread_model::Findings;

const SECURITY: &str = "Microsoft-Windows-Security-Auditing";
const START: u64 = 133_000_000_000_000_000;

fn read(log: Vec<u8>) -> Findings {
    let mut found = Findings::default();
    let mut view = MemoryView::from(log);
    Evtx.extract(&mut Input::new(b"/Windows/x.evtx", "p1", &mut view), &Context::default(), &mut found);
    found
}

/// Provider, number and fields of an event.
type Row<'a> = (&'a str, u16, &'a [(&'a str, &'a str)]);

fn log(events: &[Row<'_>]) -> Findings {
    let mut builder = LogBuilder::new();
    for (index, (provider, id, fields)) in events.iter().enumerate() {
        let time = START + index as u64 * 10_000_000;
        builder.event(index as u64 + 1, Told { provider, id: *id, time, fields });
    }
    let found = read(builder.build());
    assert_eq!(found.gaps, []);
    found
}

#[test]
fn logons_and_failures() {
    let found = log(&[
        (
            SECURITY,
            4624,
            &[
                ("TargetUserName", "alice"),
                ("TargetDomainName", "CORP"),
                ("TargetLogonId", "0x1a2b"),
                ("LogonType", "10"),
                ("WorkstationName", "LAPTOP"),
                ("IpAddress", "::ffff:192.0.2.7"),
                ("IpPort", "50123"),
                ("ProcessId", "0x1c4"),
                ("AuthenticationPackageName", "Negotiate"),
            ],
        ),
        (
            SECURITY,
            4625,
            &[
                ("TargetUserName", "root"),
                ("Status", "0xc000006d"),
                ("SubStatus", "0xc0000064"),
                ("LogonType", "3"),
                ("IpAddress", "-"),
                ("IpPort", "0"),
            ],
        ),
        (SECURITY, 4634, &[("TargetUserName", "alice"), ("TargetLogonId", "0x1a2b"), ("LogonType", "10")]),
        (SECURITY, 4688, &[("NewProcessName", "cmd.exe")]),
    ]);
    let [logon, failed, logoff] = found.logins.as_slice() else { panic!("{:?}", found.logins) };
    assert_eq!((logon.kind, logon.user.as_deref()), (LoginKind::Login, Some("alice")));
    assert_eq!((logon.from.as_deref(), logon.port), (Some("192.0.2.7"), Some(50_123)));
    assert_eq!((logon.host.as_deref(), logon.method.as_deref()), (Some("LAPTOP"), Some("rdp")));
    assert_eq!((logon.session.as_deref(), logon.pid, logon.offset), (Some("0x1a2b"), Some(452), 1));
    assert_eq!(logon.detail.as_deref(), Some("domain CORP; by Negotiate"));
    assert_eq!((failed.kind, failed.detail.as_deref()), (LoginKind::Failed, Some("no such user")));
    assert_eq!((failed.from.as_deref(), failed.port), (None, None));
    assert_eq!((logoff.kind, logoff.session.as_deref()), (LoginKind::Logout, Some("0x1a2b")));
    let window = &found.windows[0];
    assert_eq!(window.records, 4);
    let last = Timestamp::from_filetime(START + 30_000_000);
    assert_eq!(window.span, Some((Timestamp::from_filetime(START), last)));
}

#[test]
fn one_attempt_told_by_the_package_and_the_logon_is_one_failure() {
    let checked = [("TargetUserName", "Bob"), ("Workstation", "KALI"), ("Status", "0xc000006a")];
    let failed = [("TargetUserName", "bob"), ("SubStatus", "0xc000006a"), ("LogonType", "3")];
    let other = [("TargetUserName", "eve"), ("SubStatus", "0xc000006a"), ("LogonType", "3")];
    let found = log(&[
        (SECURITY, 4776, &checked),
        (SECURITY, 4625, &failed),
        (SECURITY, 4776, &checked),
        (SECURITY, 4625, &other),
        (SECURITY, 4776, &checked),
        (SECURITY, 4776, &[("TargetUserName", "Bob"), ("Status", "0x0")]),
    ]);
    let told: Vec<_> = found
        .logins
        .iter()
        .map(|event| {
            (event.offset, event.kind.name(), event.method.as_deref().unwrap(), event.evidence.len())
        })
        .collect();
    assert_eq!(
        told,
        [
            (2, "failed", "network", 1),
            (3, "failed", "ntlm", 0),
            (4, "failed", "network", 0),
            (5, "failed", "ntlm", 0),
            (6, "other", "ntlm", 0)
        ]
    );
    assert_eq!(found.logins[0].evidence[0].offset, 1);
}

#[test]
fn accounts_groups_and_locks() {
    let subject = [("SubjectUserName", "admin"), ("TargetUserName", "new"), ("MemberSid", "S-1-5-21-1-1001")];
    let events: Vec<_> =
        [4720, 4726, 4732, 4733, 4767].iter().map(|id| (SECURITY, *id, &subject[..])).collect();
    let found = log(&events);
    assert!(found.logins.iter().all(|event| event.kind == LoginKind::AccountChange));
    assert!(found.logins.iter().all(|event| event.user.as_deref() == Some("admin")));
    let told: Vec<_> = found.logins.iter().map(|event| event.detail.as_deref().unwrap()).collect();
    assert_eq!(
        told,
        [
            "account created",
            "account deleted",
            "member added to group; member S-1-5-21-1-1001",
            "member removed from group; member S-1-5-21-1-1001",
            "account unlocked"
        ]
    );
    let found = log(&[
        (SECURITY, 4740, &[("TargetUserName", "bob"), ("TargetDomainName", "KALI")]),
        (SECURITY, 4771, &[("TargetUserName", "bob"), ("Status", "0x18"), ("IpAddress", "::1")]),
        (SECURITY, 4768, &[("TargetUserName", "bob"), ("Status", "0x0")]),
        (SECURITY, 4672, &[("SubjectUserName", "bob"), ("PrivilegeList", "SeA\n\t\tSeB")]),
        (SECURITY, 4648, &[("SubjectUserName", "bob"), ("TargetUserName", "root")]),
    ]);
    let kinds: Vec<_> = found.logins.iter().map(|event| event.kind.name()).collect();
    assert_eq!(kinds, ["lock", "failed", "other", "privilege", "privilege"]);
    assert_eq!(found.logins[0].host.as_deref(), Some("KALI"));
    assert_eq!(found.logins[1].detail.as_deref(), Some("wrong password; pre-authentication failed"));
    assert_eq!(found.logins[3].detail.as_deref(), Some("SeA, SeB"));
    assert_eq!(found.logins[4].target.as_deref(), Some("root"));
}

#[test]
fn remote_sessions_boots_and_services() {
    let local = "Microsoft-Windows-TerminalServices-LocalSessionManager";
    let remote = "Microsoft-Windows-TerminalServices-RemoteConnectionManager";
    let mut builder = LogBuilder::new();
    let session = [("User", "CORP\\alice"), ("SessionID", "3"), ("Address", "198.51.100.9")];
    let console = [("User", "PC\\bob"), ("SessionID", "1"), ("Address", "LOCAL")];
    for (number, provider, id, fields) in [
        (1, local, 21, &session[..]),
        (2, local, 24, &session),
        (3, local, 25, &session),
        (4, local, 23, &session[..2]),
        (5, local, 21, &console),
        (6, remote, 1149, &[("Param1", "alice"), ("Param2", "CORP"), ("Param3", "198.51.100.9")]),
        (7, local, 22, &session),
        (8, "EventLog", 6005, &[]),
        (9, "EventLog", 6006, &[]),
        (10, "EventLog", 6008, &[]),
        (11, "Other", 6005, &[]),
        (
            12,
            "Service Control Manager",
            7045,
            &[("ServiceName", "evil"), ("ImagePath", "c:\\x"), ("AccountName", "LocalSystem")],
        ),
        (13, "Microsoft-Windows-Eventlog", 1102, &[("SubjectUserName", "eve")]),
    ] {
        builder.user_event(number, Told { provider, id, time: START, fields });
    }
    let found = read(builder.build());
    assert_eq!(found.gaps, []);
    let told: Vec<_> = found.logins.iter().map(|event| (event.offset, event.kind.name())).collect();
    let expected = [
        (1, "login"),
        (2, "other"),
        (3, "login"),
        (4, "logout"),
        (5, "login"),
        (6, "other"),
        (8, "boot"),
        (9, "shutdown"),
        (10, "other"),
        (12, "other"),
        (13, "other"),
    ];
    assert_eq!(told, expected);
    let first = &found.logins[0];
    assert_eq!((first.user.as_deref(), first.from.as_deref()), (Some("alice"), Some("198.51.100.9")));
    assert_eq!((first.session.as_deref(), first.method.as_deref()), (Some("3"), Some("rdp")));
    let console = &found.logins[4];
    assert_eq!((console.from.as_deref(), console.method.as_deref()), (None, Some("console")));
    assert_eq!(found.logins[9].detail.as_deref(), Some("service installed: evil; image c:\\x"));
    assert_eq!(found.logins[10].detail.as_deref(), Some("the log Security was cleared"));
}
