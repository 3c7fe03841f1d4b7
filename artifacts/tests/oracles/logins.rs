//! Login records against utmpdump, last, lastb and the corpus.

use crate::support::{corpus, extract, output_of};
use coldread_artifacts::{Context, logins::joiner::joiner};
use coldread_model::{LoginEvent, LoginKind, SessionEnd, Text, Timestamp};

fn utmp_corpus(path: &str, file: &str) -> Option<(Vec<LoginEvent>, usize, String)> {
    let file = corpus("utmp")?.join(file);
    let found = extract(path, std::fs::read(&file).unwrap(), 0, &Context::default());
    Some((found.logins, found.gaps.len(), file.to_string_lossy().into_owned()))
}

/// A record as utmpdump shows it: all but its type and id, without what it pads with.
fn dumped(line: &str) -> Vec<String> {
    let fields: Vec<&str> =
        line.split('[').skip(1).map(|field| field.trim_end().trim_end_matches(']').trim()).collect();
    let pid = fields[1].trim_start_matches('0').to_owned();
    let time = fields[7].replace(',', ".").replace("+00:00", "");
    let host = if fields[5].is_empty() && fields[6] != "0.0.0.0" { fields[6] } else { fields[5] };
    vec![pid, fields[3].to_owned(), fields[4].to_owned(), host.to_owned(), time]
}

fn shown(event: &LoginEvent) -> Vec<String> {
    let text = |field: &Option<Text>| field.as_deref().unwrap_or_default().to_owned();
    let pid = event.pid.map(|pid| pid.to_string()).unwrap_or_default();
    let time = event.time.unwrap().to_string().trim_end_matches("000Z").to_owned();
    let from = [&event.host, &event.detail, &event.from].into_iter().find(|from| from.is_some());
    let from = from.unwrap_or(&None);
    vec![pid, text(&event.user), text(&event.tty), text(from), time]
}

#[test]
fn utmp_as_utmpdump_shows_it() {
    for (path, file, count) in [
        ("/var/log/wtmp", "wtmp", 70),
        ("/var/log/btmp", "btmp", 10),
        ("/run/utmp", "plaso-utmp", 14),
        ("/run/utmp", "plaso-utmp_x86_64", 6),
    ] {
        let Some((mut events, gaps, file)) = utmp_corpus(path, file) else { return };
        assert_eq!((events.len(), gaps), (count, 0), "{file}");
        events.sort_by_key(|event| event.offset);
        let Some(dump) = output_of("utmpdump", &[&file]) else { continue };
        let dump: Vec<_> = dump.lines().filter(|line| line.starts_with('[')).map(dumped).collect();
        assert_eq!(events.iter().map(shown).collect::<Vec<_>>(), dump, "{file}");
        assert!(path != "/var/log/btmp" || events.iter().all(|event| event.kind == LoginKind::Failed));
    }
}

#[test]
fn a_damaged_utmp() {
    let Some((events, gaps, _)) = utmp_corpus("/run/utmp", "plaso-utmp_corrupted") else { return };
    assert_eq!((events.len(), gaps), (2, 3));
    let bob = events.iter().find(|event| event.user.as_deref() == Some("bob")).unwrap();
    assert_eq!((bob.offset, bob.pid, bob.from.as_deref()), (1152, Some(3003), Some("10.0.0.5")));
}

/// All logins of a file as events that were joined, in the order of time.
fn joined(path: &str, bytes: Vec<u8>) -> Vec<LoginEvent> {
    let found = extract(path, bytes, 0, &Context::default());
    assert_eq!(found.gaps, []);
    let (mut joiner, mut out) = (joiner(), Vec::new());
    for event in found.logins {
        joiner.push(Box::new(event), &mut |event| out.push(*event));
    }
    joiner.finish(&mut |event| out.push(*event));
    out.sort();
    out
}

/// A time as last and lastb write it with `-F`.
fn full(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_second(time.seconds).unwrap();
    time.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// User, terminal, host, start and end of each session that `last` shows, the last first.
fn sessions_of_last(program: &str, file: &str) -> Option<Vec<[String; 5]>> {
    const DAYS: [&str; 7] = [" Mon ", " Tue ", " Wed ", " Thu ", " Fri ", " Sat ", " Sun "];
    let text = output_of(program, &["-F", "-w", "-f", file])?;
    let session = |line: &str| {
        let at = DAYS.iter().filter_map(|day| line.find(day)).min()? + 1;
        let (who, when) = line.split_at(at);
        let (start, rest) = when.split_at_checked(24)?;
        let mut who = who.split_whitespace().map(str::to_owned);
        let (user, tty) = (who.next()?, who.next()?);
        let end = rest.trim().trim_start_matches("- ").split(" (").next()?.trim();
        let is_open = end.contains("no logout") || end.starts_with("still");
        let end = if is_open { "open" } else { end };
        let is_session =
            !matches!(user.as_str(), "reboot" | "shutdown" | "runlevel") && !line.contains(" begins ");
        is_session.then(|| [user, tty, who.next().unwrap_or_default(), start.to_owned(), end.to_owned()])
    };
    Some(text.lines().filter_map(session).collect())
}

fn session(event: &LoginEvent) -> [String; 5] {
    let text = |field: &Option<Text>| field.as_deref().unwrap_or_default().to_owned();
    let end = match event.ended {
        Some(SessionEnd::Logout) => full(event.until.unwrap()),
        Some(SessionEnd::Shutdown) => "down".to_owned(),
        Some(SessionEnd::Crash) => "crash".to_owned(),
        Some(SessionEnd::Open) => "open".to_owned(),
        _ => String::new(),
    };
    [text(&event.user), text(&event.tty), text(&event.from), full(event.time.unwrap()), end]
}

#[track_caller]
fn assert_as_last_shows_it(file: &std::path::Path) -> bool {
    let Some(expected) = sessions_of_last("last", file.to_str().unwrap()) else { return false };
    let events = joined("/var/log/wtmp", std::fs::read(file).unwrap());
    let logins = events.iter().filter(|event| event.kind == LoginKind::Login);
    let mut got: Vec<_> = logins.map(session).collect();
    got.reverse();
    assert_eq!(got, expected, "{}", file.display());
    true
}

#[test]
fn sessions_of_the_corpus_as_last_shows_them() {
    let Some(folder) = corpus("utmp") else { return };
    assert_as_last_shows_it(&folder.join("wtmp"));
}

/// A record of x86-64 (utmp(5)).
fn record(kind: u8, pid: u32, line: &str, user: &str, host: &str, time: u64) -> Vec<u8> {
    let mut record = vec![0; 384];
    let mut put = |at: usize, field: &[u8]| record[at..at + field.len()].copy_from_slice(field);
    put(0, &[kind]);
    put(4, &pid.to_le_bytes());
    put(8, line.as_bytes());
    put(40, &line.as_bytes()[line.len().saturating_sub(4)..]);
    put(44, user.as_bytes());
    put(76, host.as_bytes());
    put(340, &(time as u32).to_le_bytes());
    record
}

/// Machines that start, stop and crash, with people who come, go and stay.
#[test]
fn sessions_of_made_records_as_last_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 88_172_645_463_325_252_u64;
    let mut below = |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    for round in 0..40 {
        let mut time = 1_700_000_000;
        let mut bytes = record(2, 0, "~", "reboot", "6.1.0", time);
        let mut open: Vec<(u64, u32)> = Vec::new();
        for pid in 100..100 + below(120) as u32 {
            time += 200 + below(100_000);
            match below(10) {
                0 => {
                    // Stopped or crashed, and started anew.
                    if below(2) == 0 {
                        bytes.extend(record(1, 0, "~", "shutdown", "6.1.0", time));
                        time += 200 + below(1000);
                    }
                    bytes.extend(record(2, 0, "~", "reboot", "6.1.0", time));
                    open.clear();
                }
                1..=5 => {
                    let terminal = below(12);
                    if open.iter().all(|(other, _)| *other != terminal) {
                        open.push((terminal, pid));
                        let user = ["al", "bo", "root"][below(3) as usize];
                        bytes.extend(record(7, pid, &format!("pts/{terminal}"), user, "192.0.2.1", time));
                    }
                }
                _ if !open.is_empty() => {
                    let (terminal, pid) = open.swap_remove(below(open.len() as u64) as usize);
                    bytes.extend(record(8, pid, &format!("pts/{terminal}"), "", "", time));
                }
                _ => bytes.extend(record(1, 53, "~", "runlevel", "6.1.0", time)),
            }
        }
        let file = folder.path().join(format!("wtmp{round}"));
        std::fs::write(&file, bytes).unwrap();
        if !assert_as_last_shows_it(&file) {
            return;
        }
    }
}

/// utmpdump writes records with the C library's own structure.
#[test]
fn records_that_utmpdump_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (made, text) = (folder.path().join("wtmp"), folder.path().join("text"));
    let records = (0..300_u32).map(|number| {
        let (kind, time) = ([2, 7, 8, 6, 1][number as usize % 5], 1_700_000_000 + u64::from(number) * 977);
        let (line, user) = if kind == 2 { ("~", "reboot") } else { ("pts/7", "al") };
        record(kind, number + 1, line, user, &format!("198.51.100.{}", number % 250), time)
    });
    std::fs::write(&made, records.collect::<Vec<_>>().concat()).unwrap();
    let Some(dump) = output_of("utmpdump", &[made.to_str().unwrap()]) else { return };
    std::fs::write(&text, dump).unwrap();
    let output = std::process::Command::new("utmpdump").arg("-r").arg(&text).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |bytes| {
        let found = extract("/var/log/wtmp", bytes, 0, &Context::default());
        assert_eq!((found.logins.len(), found.gaps), (300, vec![]));
        found.logins
    };
    assert_eq!(read(output.stdout), read(std::fs::read(&made).unwrap()));
}

#[test]
fn failures_as_lastb_shows_them() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("btmp");
    let user = |number: u32| ["root", "admin", "x"][number as usize % 3];
    let records = (0..500).map(|number| {
        let host = format!("198.51.100.{}", number % 250);
        record(6, number + 1, "ssh:notty", user(number), &host, 1_700_000_000 + u64::from(number / 3))
    });
    std::fs::write(&made, records.collect::<Vec<_>>().concat()).unwrap();
    let of_corpus = corpus("utmp").map(|folder| folder.join("btmp"));
    for file in [Some(made), of_corpus].into_iter().flatten() {
        let Some(mut expected) = sessions_of_last("lastb", file.to_str().unwrap()) else { return };
        expected.sort();
        let events = joined("/var/log/btmp", std::fs::read(&file).unwrap());
        assert!(events.iter().all(|event| event.kind == LoginKind::Failed));
        // A failure ends where it starts.
        let mut got: Vec<_> = events.iter().map(session).collect();
        for session in &mut got {
            session[4] = session[3].clone();
        }
        got.sort();
        assert_eq!(got, expected);
    }
}

#[test]
fn lastlog_corpus() {
    let Some((events, gaps, _)) = utmp_corpus("/var/log/lastlog", "lastlog") else { return };
    let mut events: Vec<_> = events
        .iter()
        .map(|event| (event.user.as_deref().unwrap_or_default().to_owned(), event.time.unwrap().to_string()))
        .collect();
    events.sort();
    let expected = [
        ("0", "2021-12-08T16:20:23.000000000Z"),
        ("1000", "2022-12-07T16:33:30.000000000Z"),
        ("1001", "2021-12-08T16:14:06.000000000Z"),
    ];
    assert_eq!(events, expected.map(|(user, time)| (user.to_owned(), time.to_owned())));
    println!("{gaps} gaps");
}

#[test]
fn authlog_corpus() {
    let Some(root) = corpus("syslog") else { return };
    // 2022-11-20, the year that the sources of these files name.
    let mtime = 1_668_902_400;
    for (path, file, count) in [
        ("/var/log/auth.log", "auth.log", 9),
        ("/var/log/secure", "secure", 2),
        ("/var/log/auth.log", "syslog_ssh.log", 7),
        ("/var/log/auth.log", "syslog_rsyslog", 0),
        ("/var/log/syslog", "syslog_osx", 0),
    ] {
        let bytes = std::fs::read(root.join(file)).unwrap();
        let found = extract(path, bytes, mtime, &Context::default());
        for event in &found.logins {
            println!("{event:?}");
        }
        assert_eq!((found.logins.len(), found.gaps), (count, vec![]), "{file}");
        let times: Vec<_> = found.logins.iter().map(|event| event.time.unwrap().to_string()).collect();
        match file {
            "secure" => {
                assert_eq!(times, ["2021-12-31T03:14:00.000000000Z", "2022-01-01T13:37:00.000000000Z"]);
            }
            "auth.log" => assert_eq!(times[0], "2022-11-14T06:39:01.000000000Z"),
            _ => {}
        }
    }
}

/// 16 records, one of them of two lines, and one line with a month that is none.
#[test]
fn a_syslog_over_several_years() {
    let Some(root) = corpus("syslog") else { return };
    let bytes = std::fs::read(root.join("syslog")).unwrap();
    let found = extract("/var/log/syslog", bytes, 1_416_300_000, &Context::default());
    assert_eq!((found.windows[0].records, found.gaps.len()), (16, 1), "{:?}", found.gaps);
    let (first, last) = found.windows[0].span.unwrap();
    assert_eq!(last.to_string(), "2014-11-18T08:31:20.000000000Z");
    assert!(first < last);
}
