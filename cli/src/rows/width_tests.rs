//! Tables about access fit a terminal, a row a line, whatever the rows hold.

use super::assets::KnownAsset;
use crate::output::{Row, Table};
use coldread_proto::v1::{Account, Asset, Key, LogWindow, Login, Setting, Snapshot, Time, UserLogins};

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

/// A table for a terminal of 80 characters.
fn narrow<R: Row>(row: &R) -> String {
    fits(row);
    let (mut table, mut out) = (Table::new(false, Some(80)), Vec::new());
    table.push(row, &mut out).unwrap();
    table.flush(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn assets_snapshots_and_logins_keep_what_matters() {
    let asset = "web-1.example.org".to_owned();
    let shown = narrow(&KnownAsset {
        asset: Asset {
            asset: asset.clone(),
            snapshot: "0123456789abcdef".repeat(4),
            system: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
            hostname: Some("web-1".to_owned()),
            size: 8 << 30,
            volumes: 3,
            files: Some(150_000),
            packages: Some(1500),
            logins: Some(1_000_000),
            failed_logins: Some(900_000),
            gaps: 12,
            ..Asset::default()
        },
        support: None,
    });
    for told in ["web-1.example.org", "1500", "1000000", "900000", "12", "GAPS"] {
        assert!(shown.contains(told), "{told}\n{shown}");
    }
    let shown = narrow(&Login {
        asset: asset.clone(),
        source: "authlog".to_owned(),
        kind: "failed".to_owned(),
        user: Some("someone-with-a-long-name".to_owned()),
        from: Some("2001:db8:1111:2222:3333:4444:5555:6666".to_owned()),
        tty: Some("ssh:notty".to_owned()),
        time: TIME,
        method: Some("password".to_owned()),
        ..Login::default()
    });
    assert!(shown.contains("2025-11-25 15:10:00") && shown.contains("password"), "{shown}");
    let shown = narrow(&Snapshot {
        asset: asset.clone(),
        snapshot: "0123456789abcdef".repeat(4),
        committed: TIME,
        source: "/srv/images/2025/11/web-1.img.zst".to_owned(),
        size: 8 << 30,
        files: Some(150_000),
        gaps: 12,
        hashed: true,
        ..Snapshot::default()
    });
    assert!(shown.contains("2025-11-25 15:10:00") && shown.contains("0123456789ab"), "{shown}");
    let window =
        LogWindow { asset, source: "wtmp".to_owned(), since: TIME, until: TIME, ..LogWindow::default() };
    assert!(narrow(&window).matches("2025-11-25 15:10:00").count() == 2);
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
