//! Lines as util-linux's `logger` sends them to a log.

use crate::support::{extract, output_of};
use coldread_artifacts::Context;
use coldread_model::{LoginEvent, LoginKind, Zone};
use std::{
    net::UdpSocket,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What `logger` sends of a message, or `None` (with a word about it) where there is none that can.
fn sent(form: &[&str], message: &str) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let port = socket.local_addr().unwrap().port().to_string();
    let words = ["-n", "127.0.0.1", "-P", &port, "-d", "-t", "sshd", "--id=4711", "-p", "auth.info"];
    output_of("logger", &[&words[..], form, &[message]].concat())?;
    let mut bytes = vec![0; 4096];
    let len = socket.recv(&mut bytes).unwrap();
    bytes.truncate(len);
    while bytes.last().is_some_and(|byte| matches!(byte, 0 | b'\n')) {
        bytes.pop();
    }
    Some(bytes)
}

fn shown(event: &LoginEvent) -> (LoginKind, &str, &str, Option<u16>, Option<u32>) {
    let (user, from) = (event.user.as_deref().unwrap(), event.from.as_deref().unwrap());
    (event.kind, user, from, event.port, event.pid)
}

#[test]
fn every_form_of_a_line_is_read() {
    let messages = [
        "Failed password for root from 192.0.2.7 port 4022 ssh2",
        "Accepted publickey for anna from 2001:db8::7 port 4023 ssh2: ED25519 SHA256:abc",
    ];
    for form in [
        &["--rfc3164"][..],
        &["--rfc5424"],
        &["--rfc5424=nohost"],
        &["--rfc5424=notq"],
        &["--rfc5424", "--sd-id", "a@32473", "--sd-param", "b=\"c d: 1\"", "--msgid", "id"],
    ] {
        let mut log = Vec::new();
        for message in messages {
            let Some(line) = sent(form, message) else { return };
            log.extend(line);
            log.push(b'\n');
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let text = String::from_utf8_lossy(&log).into_owned();
        let mut found = extract("/var/log/auth.log", log, now, &Context::default());
        assert_eq!(found.gaps, [], "{text}");
        found.logins.sort_by_key(|event| event.offset);
        let rows: Vec<_> = found.logins.iter().map(shown).collect();
        let expected = [
            (LoginKind::Failed, "root", "192.0.2.7", Some(4022), Some(4711)),
            (LoginKind::Login, "anna", "2001:db8::7", Some(4023), Some(4711)),
        ];
        assert_eq!(rows, expected, "{text}");
        for (event, line) in found.logins.iter().zip(text.lines()) {
            // `<38>1 2026-11-25T23:00:00.123456+00:00 …` has a zone, `<38>Nov 25 23:00:00 …` has none.
            let Some(stamp) = line.split(' ').nth(1).filter(|_| line.starts_with("<38>1 ")) else {
                assert_eq!(event.zone, Zone::Assumed);
                continue;
            };
            let stamp: jiff::Timestamp = stamp.parse().unwrap();
            let time = event.time.unwrap();
            assert_eq!((time.seconds, time.nanos as i32), (stamp.as_second(), stamp.subsec_nanosecond()));
            assert_eq!(event.zone, Zone::Log);
        }
    }
}
