//! Journals against journalctl, which reads what systemd-journal-remote wrote in each layout.

use crate::support::{corpus, output_of};
use coldread_artifacts::{Context, Extractor, Input, logins::journal::Journal, view::MemoryView};
use coldread_model::Findings;
use std::{fmt::Write, path::Path, process::Command};

const REMOTE: &str = "/lib/systemd/systemd-journal-remote";

fn read(path: &Path) -> Findings {
    let mut found = Findings::default();
    let mut view = MemoryView::from(std::fs::read(path).unwrap());
    let mut input = Input::new(b"/var/log/journal/0/system.journal", "p1", &mut view);
    Journal.extract(&mut input, &Context::default(), &mut found);
    found.logins.sort();
    found
}

/// Seconds and microseconds of each entry that journalctl shows, with its process, where `wanted` is in it.
fn shown(path: &Path, wanted: &str) -> Option<Vec<(String, String)>> {
    let text = output_of("journalctl", &["--file", path.to_str()?, "-o", "json", "--all", "--no-pager"])?;
    let field = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("\"{name}\":\""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    let of_line = |line: &str| Some((field(line, "__REALTIME_TIMESTAMP")?, field(line, "_PID")?));
    Some(text.lines().filter(|line| line.contains(wanted)).filter_map(of_line).collect())
}

#[test]
fn every_layout_as_journalctl_shows_it() {
    if !Path::new(REMOTE).exists() {
        println!("skipped: {REMOTE} is not installed");
        return;
    }
    let mut export = String::new();
    for number in 0..3000u64 {
        // Long ones are packed; every third is of no interest.
        let (name, user) = match number % 3 {
            0 => ("cron", "root".to_owned()),
            1 => ("sshd", "x".repeat(1 + number as usize % 1500)),
            _ => ("sshd-session", "root".to_owned()),
        };
        write!(
            export,
            "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={number}\n_BOOT_ID=5ffb8dae595f4679988508fd45d9c8c4\n\
             MESSAGE=Failed password for invalid user {user} from 192.0.2.{} port 50 ssh2\n\
             SYSLOG_IDENTIFIER={name}\n_PID={}\n_HOSTNAME=h\nPRIORITY=6\n\n",
            1_700_000_000_000_000 + number * 1_000_001,
            number % 250,
            number % 700 + 1,
        )
        .unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("export");
    std::fs::write(&source, export).unwrap();
    for (compact, keyed, packed) in
        [("0", "0", "NONE"), ("0", "1", "ZSTD"), ("1", "1", "LZ4"), ("1", "0", "XZ"), ("1", "1", "ZSTD")]
    {
        let journal = folder.path().join(format!("{compact}{keyed}{packed}.journal"));
        let status = Command::new(REMOTE)
            .env("SYSTEMD_JOURNAL_COMPACT", compact)
            .env("SYSTEMD_JOURNAL_KEYED_HASH", keyed)
            .env("SYSTEMD_JOURNAL_COMPRESS", packed)
            .arg("-o")
            .arg(&journal)
            .arg(&source)
            .output()
            .unwrap();
        assert!(status.status.success(), "{status:?}");
        let found = read(&journal);
        assert_eq!(found.gaps, []);
        assert_eq!(found.windows[0].records, 3000);
        let Some(expected) = shown(&journal, "\"SYSLOG_IDENTIFIER\":\"sshd") else { return };
        let got: Vec<_> = found
            .logins
            .iter()
            .map(|event| {
                let time = event.time.unwrap();
                let micros = time.seconds * 1_000_000 + i64::from(time.nanos / 1000);
                (micros.to_string(), event.pid.unwrap().to_string())
            })
            .collect();
        assert_eq!(got, expected, "{compact} {keyed} {packed}");
        assert!(found.logins.iter().any(|event| event.user.as_ref().is_some_and(|user| user.len() > 1000)));
    }
}

#[test]
fn the_corpus_journal() {
    let Some(folder) = corpus("journal") else { return };
    let found = read(&folder.join("user-1000.journal"));
    assert_eq!(found.gaps, []);
    let window = &found.windows[0];
    assert_eq!(window.records, 2);
    let (first, last) = window.span.unwrap();
    let shown = [first.to_string(), last.to_string()].map(|time| time[..19].to_owned());
    assert_eq!(shown, ["2023-05-19T16:22:38"; 2]);
    assert_eq!((first.nanos, found.logins.len()), (841_870_000, 0));
}
