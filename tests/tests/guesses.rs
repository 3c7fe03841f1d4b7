//! A server at which passwords are guessed: its auth.log and btmp tell of the same attempts, more than memory should
//! hold. The log has 24 MiB of text; `COLDREAD_LOG_MIB=300` makes the scene as large as such servers are, with 200,000
//! records in btmp.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
    thread,
    time::{Duration, UNIX_EPOCH},
};
use tests::{ask, host, program::Running};

/// What a scan may hold at most.
const MEMORY_KIB: u64 = 200 << 10;

/// Guesses a second.
const RATE: u64 = 8;

/// 2025-11-01T00:00:00Z.
const START: u64 = 1_761_955_200;

const NAMES: [&str; 5] = ["admin", "test", "oracle", "ubuntu", "postgres"];

struct Guess {
    time: u64,
    user: &'static str,
    last: u64,
    pid: u64,
}

fn guess(number: u64) -> Guess {
    let user = NAMES[(number * 31 % 7).min(4) as usize];
    Guess { time: START + number / RATE, user, last: number * 17 % 254 + 1, pid: 1000 + number % 60_000 }
}

/// Three lines for each guess; with how many there are.
fn write_log(path: &Path, bytes: usize) -> u64 {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let (mut number, mut written, mut lines) = (0, 0, String::new());
    while written < bytes {
        let Guess { time, user, last, pid } = guess(number);
        let of_month = time - START;
        let (day, hour, minute) = (of_month / 86_400 + 1, of_month / 3600 % 24, of_month / 60 % 60);
        let start = format!("Nov {day:2} {hour:02}:{minute:02}:{:02} web sshd[{pid}]: ", of_month % 60);
        let from = format!("203.0.113.{last} port {}", 30_000 + number % 30_000);
        lines.clear();
        writeln!(lines, "{start}Invalid user {user} from {from}").unwrap();
        writeln!(lines, "{start}Failed password for invalid user {user} from {from} ssh2").unwrap();
        writeln!(lines, "{start}Connection closed by invalid user {user} {from} [preauth]").unwrap();
        file.write_all(lines.as_bytes()).unwrap();
        written += lines.len();
        number += 1;
    }
    // Its last line tells no year; the file does.
    let ended = UNIX_EPOCH + Duration::from_secs(guess(number).time);
    file.into_inner().unwrap().set_modified(ended).unwrap();
    number
}

/// Records of the last guesses, as x86-64 lays them out (utmp(5)).
fn write_btmp(path: &Path, guesses: std::ops::Range<u64>) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    for number in guesses {
        let Guess { time, user, last, pid } = guess(number);
        let mut record = [0; 384];
        let mut put = |at: usize, field: &[u8]| record[at..at + field.len()].copy_from_slice(field);
        put(0, &[6]);
        put(4, &(pid as u32).to_le_bytes());
        put(8, b"ssh:notty");
        put(44, user.as_bytes());
        put(76, format!("203.0.113.{last}").as_bytes());
        put(340, &(time as u32).to_le_bytes());
        put(344, &((number * 7919 % 900_000) as u32).to_le_bytes());
        put(348, &[203, 0, 113, last as u8]);
        file.write_all(&record).unwrap();
    }
    file.into_inner().unwrap();
}

/// The most that a process has held so far, in KiB.
fn peak(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[test]
fn every_guess_counts_once_in_bounded_memory() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let mib: usize = std::env::var("COLDREAD_LOG_MIB").map_or(24, |mib| mib.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("var/log")).unwrap();
    let guesses = write_log(&tree.join("var/log/auth.log"), mib << 20);
    let recorded = (guesses - (200_000 * mib as u64 / 300).min(guesses))..guesses;
    write_btmp(&tree.join("var/log/btmp"), recorded.clone());
    let image = dir.path().join("disk.img");
    File::create(&image).unwrap().set_len((mib as u64 * 2 + 64) << 20).unwrap();
    host::tool(
        "mke2fs",
        &["-q".as_ref(), "-t".as_ref(), "ext4".as_ref(), "-d".as_ref(), tree.as_os_str(), image.as_os_str()],
    );
    fs::remove_dir_all(&tree).unwrap();

    let (place, _store) = ask::store();
    let mut scan = Running::start(&mut place.scan_command(&image, "web", &["--only", "logins"]));
    let mut most = 0;
    while scan.is_running() {
        most = peak(scan.id()).unwrap_or(most).max(most);
        thread::sleep(Duration::from_millis(5));
    }
    let told = scan.finish().exits(0).stderr;
    // The log is what was read, and none of it twice.
    let read = told.split(" MiB read").next().and_then(|text| text.rsplit(' ').next());
    let read: f64 = read.unwrap_or_default().parse().unwrap_or_else(|_| panic!("{told}"));
    assert!((mib as f64..mib as f64 * 1.5).contains(&read), "{told}");
    println!(
        "{mib} MiB of text, {guesses} guesses, {} records: {most} KiB at most",
        recorded.end - recorded.start
    );
    assert!(most > 0 && most < MEMORY_KIB, "{most} KiB");

    let mut expected = BTreeMap::new();
    for number in 0..guesses {
        *expected.entry(guess(number).user.to_owned()).or_insert(0_u64) += 1;
    }
    let (mut found, mut joined) = (BTreeMap::new(), 0);
    let answer = place.run(&["logins", "--failed", "-o", "ndjson"]).exits(0);
    for line in answer.text().lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        *found.entry(row["user"].as_str().unwrap().to_owned()).or_insert(0_u64) += 1;
        assert_eq!(row["source"], "authlog", "{row}");
        // The three lines of the log, and the record.
        let evidence = row["evidence"].as_array().unwrap();
        let records = evidence.iter().filter(|one| one["source"] == "btmp").count() as u64;
        assert_eq!(evidence.len() as u64, 2 + records, "{row}");
        joined += records;
    }
    assert_eq!(found, expected);
    assert_eq!(joined, recorded.end - recorded.start);
}
