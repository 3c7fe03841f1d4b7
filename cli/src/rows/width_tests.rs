//! Tables about access fit a terminal, a row a line, whatever the rows hold.

use crate::output::{Row, Table};
use coldread_proto::v1::{Account, Key, LogWindow, Setting, Time, UserLogins};

const TIME: Option<Time> = Some(Time { seconds: 1_764_083_400, nanos: 123_456_789 });

#[track_caller]
fn fits<R: Row>(row: &R) {
    for terminal in [80, 120] {
        let (mut table, mut out) = (Table::new(false, Some(terminal)), Vec::new());
        for _ in 0..3 {
            table.push(row, &mut out).unwrap();
        }
        table.flush(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().count(), 5, "{} at {terminal}:\n{text}", R::NOUN);
        for line in text.lines() {
            assert!(line.chars().count() <= terminal, "{} at {terminal}:\n{text}", R::NOUN);
        }
    }
}

#[test]
fn accounts_keys_and_settings_fit() {
    let many = |word: &str| vec![word.repeat(20); 9];
    let asset = "web-1.example.org".to_owned();
    fits(&Account {
        asset: asset.clone(),
        kind: "group".to_owned(),
        name: "someone-with-a-long-name".to_owned(),
        id: Some(u64::from(u32::MAX)),
        shell: Some("/usr/sbin/nologin".to_owned()),
        password: Some("disabled".to_owned()),
        scheme: Some("gost-yescrypt".to_owned()),
        password_changed: TIME,
        privileges: many("ALL=(ALL) ALL "),
        ..Account::default()
    });
    fits(&Key {
        asset: asset.clone(),
        kind: "authorized".to_owned(),
        user: Some("someone-with-a-long-name".to_owned()),
        algorithm: "sk-ecdsa-sha2-nistp256@openssh.com".to_owned(),
        bits: Some(16_384),
        fingerprint: Some(format!("SHA256:{}", "x".repeat(43))),
        comment: Some("someone@example.org ".repeat(9)),
        encrypted: Some(false),
        origin: b"/home/someone-with-a-long-name/.ssh/authorized_keys".to_vec(),
        ..Key::default()
    });
    fits(&Setting {
        asset,
        subject: "sudoers".to_owned(),
        name: "ChallengeResponseAuthentication".to_owned(),
        value: "a b ".repeat(90),
        condition: Some("User anna Address 10.0.0.0/8".to_owned()),
        origin: b"/etc/ssh/sshd_config.d/99-local.conf".to_vec(),
        line: 1234,
        ..Setting::default()
    });
}

#[test]
fn sums_and_windows_fit() {
    let asset = "web-1.example.org".to_owned();
    fits(&UserLogins {
        asset: asset.clone(),
        user: Some("someone-with-a-long-name".to_owned()),
        logins: 1_000_000,
        failures: 2_000_000,
        last_login: TIME,
        last_failure: TIME,
        addresses: vec!["2001:db8:1111:2222:3333:4444:5555:6666".to_owned(); 9],
        ..UserLogins::default()
    });
    fits(&LogWindow {
        asset,
        source: "lastlog2".to_owned(),
        origin: b"/Windows/System32/winevt/Logs/Microsoft-Windows-TerminalServices%4Operational.evtx"
            .to_vec(),
        since: TIME,
        until: TIME,
        records: 12_345_678,
        ..LogWindow::default()
    });
}
