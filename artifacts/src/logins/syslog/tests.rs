use super::*;
use crate::{context::ContextFile, view::MemoryView};
use coldread_model::{Findings, GapKind, LoginKind};
use proptest::prelude::*;
use std::fmt::Write;

/// 2024-01-02T00:00:00Z.
const MTIME: i64 = 1_704_153_600;

fn read(bytes: &[u8], zone: &str) -> Findings {
    let bytes = bytes.to_vec();
    let zone = ContextFile {
        path: "/etc/timezone",
        bytes: Some(zone.as_bytes().to_vec()),
        ..ContextFile::default()
    };
    let context = Context::from_files("p1", &[zone]);
    let mut found = Findings::default();
    let mut view = MemoryView::from(bytes);
    let mut input = Input::new(b"/var/log/auth.log.1", "p1", &mut view);
    input.mtime = Timestamp::new(MTIME, 0);
    Syslog.extract(&mut input, &context, &mut found);
    found
}

fn times(found: &Findings) -> Vec<String> {
    found.logins.iter().map(|event| event.time.unwrap().to_string()[..19].to_owned()).collect()
}

#[test]
fn local_times_across_a_year_and_a_clock_set_back() {
    let text = b"Oct 29 02:30:00 h sshd[1]: Failed password for root from 1.2.3.4 port 5 ssh2\n\
        Dec 31 23:30:00 h sshd[1]: Failed password for root from 1.2.3.4 port 5 ssh2\n\
        Jan  1 00:30:00 h sshd[1]: Accepted password for root from 1.2.3.4 port 5 ssh2\r\n\
        2024-01-01T12:00:00.5+00:00 h sshd[1]: Accepted password for root from 1.2.3.4 port 5 ssh2\n";
    let found = read(text, "Europe/Berlin");
    let expected =
        ["2023-10-29T00:30:00", "2023-12-31T22:30:00", "2023-12-31T23:30:00", "2024-01-01T12:00:00"];
    assert_eq!(times(&found), expected);
    let flags: Vec<_> = found.logins.iter().map(|event| (event.ambiguous, event.zone)).collect();
    assert_eq!(flags, [(true, Zone::Disk), (false, Zone::Disk), (false, Zone::Disk), (false, Zone::Log)]);
    let login = &found.logins[2];
    assert_eq!((login.kind, login.source, login.pid), (LoginKind::Login, LoginSource::Authlog, Some(1)));
    assert_eq!((login.user.as_deref(), login.from.as_deref()), (Some("root"), Some("1.2.3.4")));
    assert_eq!(login.offset, 2 * 77);
    assert_eq!(read(text, "").logins[0].zone, Zone::Assumed);
}

#[test]
fn a_log_of_years_is_read_by_what_its_end_tells() {
    // By its first line it would be of 2023.
    let line = |day: &str| {
        format!("{day} 12:00:00 h sshd[1]: Accepted password for root from 1.2.3.4 port 5 ssh2\n")
    };
    let text: String = ["Jun  1", "Mar  1", "Dec 31", "Jan  1"].map(line).concat();
    let found = read(text.as_bytes(), "UTC");
    let days = ["2022-06-01", "2023-03-01", "2023-12-31", "2024-01-01"];
    let days = days.map(|day| format!("{day}T12:00:00"));
    assert_eq!(times(&found), days);
    assert_eq!(found.windows[0].records, 4);
    assert_eq!(found.gaps, []);
}

#[test]
fn repetitions_are_as_many_events() {
    let found = read(
        b"Dec 31 23:30:00 h sshd[1]: message repeated 3 times: [ Failed password for root from 1.2.3.4 port 5 ssh2]\n\
          Dec 31 23:31:00 h last message repeated 2 times\n\
          Dec 31 23:32:00 h sshd[1]: Server listening\n\
          Dec 31 23:33:00 h last message repeated 2 times\n\
          Dec 31 23:34:00 h sshd[1]: message repeated 70000 times: [ Failed password for root from 1.2.3.4 port 5 ssh2]\n",
        "UTC",
    );
    // All of the three that are told, and of 70,000 what a log of this length may tell of.
    assert_eq!(found.logins.len(), 5 + 1 + 4096 - 3 + 246 / 64);
    let offsets: Vec<_> = found.logins[..6].iter().map(|event| event.offset).collect();
    assert_eq!(offsets, [0, 0, 0, 106, 106, 246]);
    assert_eq!(times(&found)[2..4], ["2023-12-31T23:30:00", "2023-12-31T23:31:00"]);
    assert_eq!((found.gaps.len(), found.gaps[0].kind), (1, GapKind::Limit));
}

#[test]
fn an_attempt_counts_once() {
    let failed = |text: &str| {
        let found = read(text.as_bytes(), "UTC");
        found.logins.iter().filter(|event| event.kind == LoginKind::Failed).count()
    };
    let with_key = "Jan  1 00:00:00 h sshd[7]: Invalid user bob from 1.2.3.4 port 5\n\
        Jan  1 00:00:01 h sshd[7]: Connection closed by invalid user bob 1.2.3.4 port 5 [preauth]\n";
    let with_password = "Jan  1 00:00:00 h sshd[7]: Invalid user bob from 1.2.3.4 port 5\n\
        Jan  1 00:00:01 h sshd[7]: pam_unix(sshd:auth): authentication failure; logname= uid=0 tty=ssh rhost=1.2.3.4\n\
        Jan  1 00:00:02 h sshd[7]: Failed password for invalid user bob from 1.2.3.4 port 5 ssh2\n\
        Jan  1 00:00:03 h sshd[7]: Connection closed by invalid user bob 1.2.3.4 port 5 [preauth]\n";
    assert_eq!((failed(with_key), failed(with_password)), (1, 1));
    // The process's number comes again.
    assert_eq!(failed(&[with_password, with_key, with_key].concat()), 3);
    let asked = "Jan  1 00:00:00 h sshd[7]: Failed none for invalid user bob from 1.2.3.4 port 5 ssh2\n";
    assert_eq!((failed(&[asked, with_key].concat()), failed(&[asked, with_password].concat())), (1, 1));
}

/// A client that goes away at once, or whose end the log does not tell.
#[test]
fn a_refused_user_has_failed_whatever_follows() {
    let kinds = |text: &str| {
        let mut found = read(text.as_bytes(), "UTC");
        found.logins.sort_by_key(|event| event.offset);
        found.logins.iter().map(|event| event.kind.name()).collect::<Vec<_>>()
    };
    let refused = "Jan  1 00:00:00 h sshd[7]: Invalid user bob from 1.2.3.4 port 5\n";
    let denied =
        "Jan  1 00:00:00 h sshd[7]: User al from 1.2.3.4 not allowed because not listed in AllowUsers\n";
    let timeout = "Jan  1 00:02:00 h sshd[7]: fatal: Timeout before authentication for 1.2.3.4 port 5\n";
    assert_eq!((kinds(refused), kinds(denied)), (vec!["failed"], vec!["failed"]));
    assert_eq!(kinds(&[refused, timeout].concat()), ["failed"]);
    // Without a process no one knows what follows.
    assert_eq!(kinds("Jan  1 00:00:00 h sshd: Invalid user bob from 1.2.3.4 port 5\n"), ["other"]);
    // So many others came in that it is given before its end is told.
    let line = |pid: u32| format!("Jan  1 00:00:01 h sshd[{pid}]: Invalid user x from 1.2.3.5 port {pid}\n");
    let many = (100..700).map(line).collect::<Vec<_>>().concat();
    let end = "Jan  1 00:00:09 h sshd[7]: Connection closed by invalid user bob 1.2.3.4 port 5 [preauth]\n";
    let all = kinds(&[refused, &many, end].concat());
    assert_eq!((all.iter().filter(|kind| **kind == "failed").count(), all[601]), (601, "other"));
}

#[test]
fn lines_of_an_attempt_are_its_evidence() {
    let lines = [
        "Jan  1 00:00:00 h sshd[7]: Invalid user bob from 1.2.3.4 port 5",
        "Jan  1 00:00:00 h sshd[8]: Invalid user al from 1.2.3.5 port 6",
        "Jan  1 00:00:01 h sshd[7]: pam_unix(sshd:auth): authentication failure; logname= uid=0 tty=ssh rhost=1.2.3.4",
        "Jan  1 00:00:02 h sshd[7]: Failed password for invalid user bob from 1.2.3.4 port 5 ssh2",
        "Jan  1 00:00:03 h sshd[7]: Failed password for invalid user bob from 1.2.3.4 port 5 ssh2",
        "Jan  1 00:00:04 h sshd[8]: Connection closed by invalid user al 1.2.3.5 port 6 [preauth]",
        "Jan  1 00:00:04 h sshd[7]: error: maximum authentication attempts exceeded for invalid user bob from 1.2.3.4 port 5 ssh2 [preauth]",
        "Jan  1 00:00:04 h sshd[7]: Disconnecting invalid user bob 1.2.3.4 port 5: Too many authentication failures [preauth]",
        // Another process with the number, and one that comes in.
        "Jan  1 00:00:05 h sshd[7]: Invalid user carl from 1.2.3.9 port 5",
        "Jan  1 01:00:05 h sshd[7]: Failed password for dora from 1.2.3.9 port 5 ssh2",
        "Jan  1 01:00:06 h sshd[7]: Accepted password for dora from 1.2.3.9 port 5 ssh2",
        "Jan  1 01:00:07 h sshd[7]: Disconnected from user dora 1.2.3.9 port 5",
    ];
    let text = lines.join("\n");
    let starts: Vec<u64> = lines.iter().map(|line| text.find(line).unwrap() as u64).collect();
    let line_of = |offset: u64| starts.iter().position(|start| *start == offset).unwrap();
    let mut found = read(text.as_bytes(), "UTC");
    found.logins.sort();
    let shown: Vec<_> = found
        .logins
        .iter()
        .map(|event| {
            let evidence: Vec<_> = event.evidence.iter().map(|one| line_of(one.offset)).collect();
            let user = event.user.as_deref().unwrap_or_default();
            (event.kind.name(), user, event.method.as_deref(), line_of(event.offset), evidence)
        })
        .collect();
    let password = Some("password");
    assert_eq!(
        shown,
        [
            ("failed", "bob", password, 3, vec![2, 0]),
            ("failed", "bob", password, 4, vec![6, 7]),
            ("failed", "al", None, 5, vec![1]),
            ("failed", "carl", None, 8, vec![]),
            ("failed", "dora", password, 9, vec![]),
            ("login", "dora", password, 10, vec![]),
            ("other", "dora", None, 11, vec![]),
        ]
    );
    assert_eq!(found.logins[2].detail.as_deref(), Some("invalid user"));
    assert!(found.logins.iter().all(|event| event.tty.is_none()));
    assert_eq!(found.windows[0].records, 12);
}

#[test]
fn any_number_of_attempts_are_under_way() {
    let line =
        |pid: u32| format!("Jan  1 00:00:00 h sshd[{pid}]: Invalid user bob from 1.2.3.4 port {pid}\n");
    let text: String = (1..=1000).map(line).chain((0..100).map(|_| line(1000))).collect();
    let found = read(text.as_bytes(), "UTC");
    let lines: usize = found.logins.iter().map(|event| 1 + event.evidence.len()).sum();
    assert_eq!((lines, found.logins.len()), (1100, 1000 + 100 - 16));
    let most = found.logins.iter().map(|event| event.evidence.len()).max();
    assert_eq!((most, found.gaps.len()), (Some(16), 0));
}

#[test]
fn lines_that_say_nothing_are_counted() {
    let found = read(
        b"\n\0\0\0\0Jan  1 00:00:00 h su: (to root) al on pts/0\nnonsense\n  tail of something\n\xff\xfe\n",
        "UTC",
    );
    assert_eq!(found.logins.len(), 1);
    let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.as_str()).collect();
    assert_eq!(reasons, ["3 lines without a time that is known, the first at byte 49"]);
}

#[test]
fn a_line_that_is_too_long_is_told() {
    let said = "Jan  1 00:00:00 h su: (to root) al on pts/0";
    let long = format!("Jan  1 00:00:01 h x: {}", "y".repeat(crate::lines::MAX_LINE));
    let found = read(format!("{said}\n{long}\n{long}\n{said}\n").as_bytes(), "UTC");
    assert_eq!(found.logins.len(), 2);
    let reasons: Vec<_> = found.gaps.iter().map(|gap| (gap.kind, gap.reason.as_str())).collect();
    let wanted = "2 lines of more than 65536 bytes, the first at byte 44: their ends are not read";
    assert_eq!(reasons, [(GapKind::Limit, wanted)]);
}

#[test]
fn commands_are_never_taken_over() {
    let found = read(
        b"Jan  1 00:00:00 h sudo:   al : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/mysql -pSECRET\n\
          Jan  1 00:00:00 h sudo: al : command not allowed ; TTY=pts/0 ; COMMAND=/bin/x SECRET\n\
          Jan  1 00:00:00 h sudo: al : 1 incorrect password attempt ; TTY=pts/0 ; COMMAND=x TTY=SECRET\n\
          SECRET without a time\n",
        "UTC",
    );
    assert_eq!(found.logins.len(), 3);
    assert!(!format!("{found:?}").contains("SECRET"));
}

proptest! {
    #[test]
    fn any_text_is_read(parts in prop::collection::vec(prop_oneof![
        prop::collection::vec(any::<u8>(), 0..20),
        prop::sample::select(vec!["Jan  1 00:00:00 h sshd[1]: ", "Dec 31 23:59:60 h ", "Feb 29 00:00:00 h su: (to a) b on c",
            "\n", "last message repeated 2 times\n", "9999-12-31T23:59:59-23:59 h su: (to a) b on c\n",
            "0000-01-01T00:00:00 h su: (to a) b on c\n", "Failed none for a from b port c\n"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ], 0..20)) {
        read(&parts.concat(), "Europe/Berlin");
    }
}

#[test]
fn attempts_of_many_processes_at_once_stay_apart() {
    // Some of their numbers are alike in their last bits, and all are used again once they have ended.
    let pids = || [7, 1031, 2055].into_iter().chain(3000..3240);
    let mut text = String::new();
    for round in 0..3 {
        let mut line = |minute: usize, pid: u32, what: &str| {
            let from = format!("from 192.0.2.{} port {}", pid % 250, 1000 + pid);
            writeln!(text, "Jan  1 0{round}:{minute:02}:00 h sshd[{pid}]: {what} {from}").unwrap();
        };
        pids().for_each(|pid| line(1, pid, "Invalid user test"));
        pids().for_each(|pid| line(2, pid, "Failed password for invalid user test"));
        pids().for_each(|pid| line(3, pid, "Invalid user other"));
    }
    let found = read(text.as_bytes(), "UTC");
    assert_eq!(found.logins.len(), 2 * 3 * pids().count());
    for event in &found.logins {
        let is_test = event.user.as_deref() == Some("test");
        assert_eq!(
            (event.kind, event.evidence.len()),
            (LoginKind::Failed, usize::from(is_test)),
            "{event:?}"
        );
        assert_eq!(event.from.as_deref(), Some(&*format!("192.0.2.{}", event.pid.unwrap() % 250)));
    }
}
