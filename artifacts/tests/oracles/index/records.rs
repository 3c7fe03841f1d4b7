//! Login records, logs of syslog, journals.

use super::Stated;
use crate::support::extract;
use coldread_artifacts::{Context, EXTRACTORS, Wants};
use coldread_model::{Findings, LoginEvent, LoginKind, Text};

/// 2022-11-20, the year that the sources of most logs without years name.
const CHANGED: i64 = 1_668_902_400;

fn read(stated: &Stated, path: &str, changed: i64) -> Findings {
    let mut found = extract(path, stated.read(), changed, &Context::default());
    found.logins.sort_by_key(|event| event.offset);
    found
}

/// That as many records are there as is stated, and no gap where the file is whole.
fn assert_counted(stated: &Stated, found: &Findings, records: usize, gaps: usize) {
    let counted = (found.windows[0].records, found.gaps.len());
    assert_eq!(counted, (records as u64, gaps), "{}: {:?}", stated.name, found.gaps);
}

/// User, terminal, host, process and time.
fn shown(event: &LoginEvent) -> String {
    let text = |field: &Option<Text>| field.as_deref().unwrap_or("-").to_owned();
    let pid = event.pid.map_or("-".to_owned(), |pid| pid.to_string());
    let time = event.time.unwrap().to_string();
    format!("{} {} {} {pid} {}", text(&event.user), text(&event.tty), text(&event.from), &time[..19])
}

pub(super) fn utmp(stated: &Stated) {
    let path = match stated.name.as_str() {
        name @ ("btmp" | "wtmp" | "lastlog") => format!("/var/log/{name}"),
        _ => "/run/utmp".to_owned(),
    };
    let found = read(stated, &path, CHANGED);
    let records = stated.count(&["record", "event", "non-empty", "good"]).unwrap();
    // Two records that are none, and half of one at the end.
    let gaps = if stated.words.contains("CORRUPT") { 3 } else { 0 };
    let records = if stated.name == "lastlog" { stated.count(&["non-empty"]).unwrap() } else { records };
    assert_counted(stated, &found, records, gaps);
    let has = |line: &str| {
        let lines: Vec<String> = found.logins.iter().map(shown).collect();
        assert!(lines.iter().any(|one| one == line), "{}: no {line} in {lines:#?}", stated.name);
    };
    let last = found.logins.last().map(shown).unwrap();
    match stated.name.as_str() {
        "btmp" => {
            assert_eq!(last, "root ssh:notty 8.210.13.5 1865007 2021-11-30T23:02:09");
            assert!(found.logins.iter().all(|event| event.kind == LoginKind::Failed));
        }
        "lastlog" => {
            has("1001 pts/0 127.0.0.1 - 2021-12-08T16:14:06");
            has("0 tty1 - - 2021-12-08T16:20:23");
            has("1000 tty1 - - 2022-12-07T16:33:30");
        }
        "plaso-utmp" => has("LOGIN tty4 - 1115 2013-12-13T14:45:09"),
        "plaso-utmp_corrupted" => has("bob pts/0 10.0.0.5 3003 2023-11-14T22:46:40"),
        "wtmp" => assert_eq!(last, "traut :0 :0 2176 2021-11-12T10:12:54"),
        _ => {}
    }
}

pub(super) fn log(stated: &Stated) {
    let (path, changed) = match stated.name.as_str() {
        // Its last line is of 18 November of a year after 2012.
        "syslog" => ("/var/log/syslog".to_owned(), 1_416_300_000),
        "syslog_ssh.log" => ("/var/log/auth.log".to_owned(), CHANGED),
        "apt_history.log" => {
            // Ten runs of apt: of packages that came and went, no log of logins.
            let wants = Wants::of(EXTRACTORS);
            assert!(wants.of_path(b"/var/log/apt/history.log").is_empty());
            assert_eq!(stated.count(&["event"]), Some(10));
            return;
        }
        name => (format!("/var/log/{name}"), CHANGED),
    };
    let found = read(stated, &path, changed);
    let records = stated.count(&["record", "event", "line"]).unwrap_or(2);
    assert_counted(stated, &found, records, usize::from(stated.words.contains("+1 warning")));
    let (first, last) = found.windows[0].span.unwrap();
    let (first, last) = (first.to_string(), last.to_string());
    let rows: Vec<_> = found.logins.iter().map(|event| (event.kind.name(), shown(event))).collect();
    match stated.name.as_str() {
        "auth.log" => {
            assert_eq!((&first[..19], &last[..10]), ("2022-11-14T06:39:01", "2022-11-14"));
            assert_eq!(rows[0], ("other", "root - - 1 2022-11-14T06:39:01".to_owned()));
        }
        "secure" => assert_eq!((&first[..19], &last[..19]), ("2021-12-31T03:14:00", "2022-01-01T13:37:00")),
        "syslog" => assert_eq!((&first[..4], &last[..19]), ("2012", "2014-11-18T08:31:20")),
        "syslog_rsyslog" => assert_eq!(first, "2020-05-31T00:00:45.698463000Z"),
        "syslog_ssh.log" => {
            let key = "RSA 00:aa:bb:cc:dd:ee:ff:11:22:33:44:55:66:77:88:99";
            let login =
                found.logins.iter().find(|event| event.from.as_deref() == Some("192.0.2.60")).unwrap();
            assert_eq!(login.kind, LoginKind::Login);
            assert!(found.logins.iter().any(|event| event.detail.as_deref() == Some(key)));
            let failed = found.logins.iter().find(|event| event.port == Some(8759)).unwrap();
            assert_eq!(failed.kind, LoginKind::Failed);
            assert_eq!(failed.from.as_deref(), Some("1:db8:a0b:12f0::1"));
            assert!(rows.iter().any(|(kind, line)| *kind == "failed" && line.contains("188.124.3.41")));
        }
        _ => {}
    }
}

pub(super) fn journal(stated: &Stated) {
    let path = format!("/var/log/journal/5ffb8dae595f4679988508fd45d9c8c4/{}", stated.name);
    let found = read(stated, &path, CHANGED);
    let entries = stated.words.split(' ').zip(stated.words.split(' ').skip(1));
    let entries = entries.filter(|(_, noun)| *noun == "entries").find_map(|(count, _)| count.parse().ok());
    assert_counted(stated, &found, entries.unwrap(), 0);
    let (first, _) = found.windows[0].span.unwrap();
    let stamp = first.to_string().trim_end_matches("000Z").to_owned();
    assert!(stated.words.contains(&stamp), "{}: {stamp}", stated.name);
    // A desktop's output.
    assert!(found.logins.is_empty());
}
