//! Login records against utmpdump and the corpus.

use crate::support::{corpus, extract, output_of};
use coldread_artifacts::Context;
use coldread_model::{LoginEvent, LoginKind};

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
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
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

#[test]
fn lastlog_corpus() {
    let Some((events, gaps, _)) = utmp_corpus("/var/log/lastlog", "lastlog") else { return };
    let mut events: Vec<_> =
        events.iter().map(|event| (event.user.clone().unwrap(), event.time.unwrap().to_string())).collect();
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
