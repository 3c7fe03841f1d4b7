//! Logs and login records made up without a machine: a server that is being guessed at, one that is quiet, and a
//! journal of both.

use std::{collections::HashMap, fmt::Write, hash::Hasher};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// How a log writes its times.
#[derive(Clone, Copy, Debug)]
pub enum Stamps {
    /// `Nov 14 06:39:01`.
    Rfc3164,
    /// `2025-11-14T06:39:01.123456+01:00`.
    Rfc3339,
}

/// The time of a line in a November.
fn stamp(out: &mut String, stamps: Stamps, number: u64) {
    let second = number / 8 % (DAY * 30);
    let (day, hour, minute) = (second / DAY + 1, second % DAY / 3600, second % 3600 / 60);
    match stamps {
        Stamps::Rfc3164 => {
            put(out, format_args!("Nov {day:2} {hour:02}:{minute:02}:{:02} ", second % 60));
        }
        Stamps::Rfc3339 => {
            let (second, micros) = (second % 60, number * 7919 % 1_000_000);
            put(out, format_args!("2025-11-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}+01:00 "));
        }
    }
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a string takes all");
}

/// The messages of one guess, and its process.
fn guess(number: u64) -> (u64, [String; 5]) {
    const NAMES: [&str; 6] = ["admin", "test", "oracle", "ubuntu", "postgres", "git"];
    let name = NAMES[(number * 31 % 6) as usize];
    let from = format!("203.0.113.{}", number * 17 % 254 + 1);
    let port = 30_000 + number * 13 % 30_000;
    let messages = [
        format!("Invalid user {name} from {from} port {port}"),
        "pam_unix(sshd:auth): check pass; user unknown".to_owned(),
        format!(
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={from} "
        ),
        format!("Failed password for invalid user {name} from {from} port {port} ssh2"),
        format!("Connection closed by invalid user {name} {from} port {port} [preauth]"),
    ];
    (1000 + number % 60_000, messages)
}

/// What a quiet server writes: program, process, message.
fn quiet(number: u64) -> (&'static str, u64, String) {
    match number % 5 {
        0 => (
            "CRON",
            1000 + number % 60_000,
            "(root) CMD (command -v debian-sa1 > /dev/null && debian-sa1 1 1)".to_owned(),
        ),
        1 => ("kernel", 0, format!("[{number}.529312] eth0: renamed from veth{number:x}")),
        2 => ("systemd", 1, format!("Started session-{number}.scope - Session {number} of User backup.")),
        3 => ("dhclient", 702, format!("DHCPACK of 192.0.2.{} from 192.0.2.1", number % 250)),
        _ => (
            "app",
            811,
            format!("request id={number:08x} path=/api/v1/items status=200 took={}ms", number % 90),
        ),
    }
}

/// An auth.log of about so many bytes in which nearly every line is of a guess; with how many guesses it holds.
pub fn guesses(bytes: usize, stamps: Stamps) -> (Vec<u8>, u64) {
    let (mut text, mut number) = (String::with_capacity(bytes + 1024), 0);
    while text.len() < bytes {
        let (pid, messages) = guess(number);
        for message in messages {
            stamp(&mut text, stamps, number);
            put(&mut text, format_args!("web sshd[{pid}]: {message}\n"));
        }
        number += 1;
    }
    (text.into_bytes(), number)
}

/// A syslog of about so many bytes with a guess after every thousand lines; with how many lines it holds.
pub fn system(bytes: usize, stamps: Stamps) -> (Vec<u8>, u64) {
    let (mut text, mut number) = (String::with_capacity(bytes + 1024), 0);
    while text.len() < bytes {
        stamp(&mut text, stamps, number);
        let (program, pid, message) = quiet(number);
        if number % 1000 == 0 {
            put(&mut text, format_args!("web sshd[{pid}]: {}\n", guess(number).1[3]));
        } else if pid == 0 {
            put(&mut text, format_args!("web {program}: {message}\n"));
        } else {
            put(&mut text, format_args!("web {program}[{pid}]: {message}\n"));
        }
        number += 1;
    }
    (text.into_bytes(), number)
}

/// A btmp of x86-64 with so many records (utmp(5)).
pub fn btmp(records: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(384 * records as usize);
    for number in 0..records {
        let mut record = [0; 384];
        let mut put = |at: usize, field: &[u8]| record[at..at + field.len()].copy_from_slice(field);
        let host = number * 17 % 254 + 1;
        put(0, &6u16.to_le_bytes());
        put(4, &(1000 + (number % 60_000) as u32).to_le_bytes());
        put(8, b"ssh:notty");
        put(44, b"admin");
        put(76, format!("203.0.113.{host}").as_bytes());
        put(340, &(1_762_000_000 + (number / 8) as u32).to_le_bytes());
        put(344, &((number * 7919 % 1_000_000) as u32).to_le_bytes());
        put(348, &[203, 0, 113, host as u8]);
        bytes.extend(record);
    }
    bytes
}

/// A closed journal of so many entries in the regular layout with keyed hashes, one in five of sshd
/// ("Journal File Format", systemd.io/JOURNAL_FILE_FORMAT). Hash tables and entry arrays, which are not needed to read
/// it in order, are left out.
pub fn journal(entries: u64) -> Vec<u8> {
    let mut journal = Journal { bytes: vec![0; 256], places: HashMap::new(), last: 0 };
    for number in 0..entries {
        let (program, pid, message) = match number % 5 {
            0 => {
                let (pid, messages) = guess(number);
                ("sshd", pid, messages[(number / 5 % 5) as usize].clone())
            }
            _ => quiet(number),
        };
        journal.entry(
            1_762_000_000_000_000 + number * 125_000,
            &[
                "_TRANSPORT=syslog".to_owned(),
                "PRIORITY=6".to_owned(),
                "_HOSTNAME=web".to_owned(),
                "_UID=0".to_owned(),
                format!("SYSLOG_IDENTIFIER={program}"),
                format!("_COMM={program}"),
                format!("_EXE=/usr/sbin/{program}"),
                format!("_PID={pid}"),
                format!("MESSAGE={message}"),
                format!("_SOURCE_REALTIME_TIMESTAMP={}", 1_762_000_000_000_000 + number * 125_000 - 17),
            ],
        );
    }
    journal.finish(entries)
}

const FILE_ID: [u8; 16] = *b"0123456789abcdef";

struct Journal {
    bytes: Vec<u8>,
    places: HashMap<String, u64>,
    last: u64,
}

impl Journal {
    fn object(&mut self, kind: u8, body: &[u8]) -> u64 {
        self.last = self.bytes.len() as u64;
        self.bytes.extend([kind, 0, 0, 0, 0, 0, 0, 0]);
        self.bytes.extend((16 + body.len() as u64).to_le_bytes());
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.last
    }

    fn data(&mut self, text: &str) -> u64 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let mut body = hash(text.as_bytes()).to_le_bytes().to_vec();
        body.resize(48, 0);
        body.extend(text.as_bytes());
        let place = self.object(1, &body);
        self.places.insert(text.to_owned(), place);
        place
    }

    fn entry(&mut self, micros: u64, fields: &[String]) {
        let mut body = vec![0; 48];
        body[8..16].copy_from_slice(&micros.to_le_bytes());
        for field in fields {
            body.extend(self.data(field).to_le_bytes());
            body.extend([0; 8]);
        }
        self.object(3, &body);
    }

    fn finish(mut self, entries: u64) -> Vec<u8> {
        let mut put = |at: usize, field: &[u8]| self.bytes[at..at + field.len()].copy_from_slice(field);
        put(0, b"LPKSHHRH");
        // Hashes are keyed; the file is closed.
        put(12, &4u32.to_le_bytes());
        put(16, &[0]);
        put(24, &FILE_ID);
        put(88, &256u64.to_le_bytes());
        put(136, &self.last.to_le_bytes());
        put(152, &entries.to_le_bytes());
        self.bytes
    }
}

/// SipHash-2-4 with the file's id as its key; what replaced this hasher in the standard library has fewer rounds.
#[allow(deprecated)]
fn hash(text: &[u8]) -> u64 {
    let key = u128::from_le_bytes(FILE_ID);
    let mut hasher = std::hash::SipHasher::new_with_keys(key as u64, (key >> 64) as u64);
    hasher.write(text);
    hasher.finish()
}
