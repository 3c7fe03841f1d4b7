use super::*;
use coldread_model::{LoginKind, SessionEnd};
use proptest::prelude::*;

fn join(mut events: Vec<LoginEvent>) -> Vec<LoginEvent> {
    events.sort();
    let (mut joining, mut out) = (Joining::default(), Vec::new());
    let mut bound = None;
    for event in events {
        let time = event.time;
        joining.push(Box::new(event), &mut |event| {
            assert!(event.time >= bound, "{event:?} was written too late: {bound:?}");
            out.push(*event);
        });
        let holds = joining.holds_from().or(time);
        assert!(holds >= bound, "what is held goes back from {bound:?} to {holds:?}");
        bound = holds;
    }
    joining.finish(&mut |event| {
        assert!(event.time >= bound, "{event:?} was written too late: {bound:?}");
        out.push(*event);
    });
    out.sort();
    out
}

/// `millis` after the start of a day.
fn at(source: LoginSource, kind: LoginKind, millis: i64, offset: u64) -> LoginEvent {
    let time = Timestamp::new(1_700_000_000 + millis / 1000, (millis % 1000) as u32 * 1_000_000);
    LoginEvent::new(source, kind, Some(time), &*format!("/var/log/{source}"), offset)
}

fn attempt(source: LoginSource, millis: i64, pid: u32, offset: u64) -> LoginEvent {
    let logged = is_log(source);
    LoginEvent {
        user: Some("root".into()),
        from: Some("192.0.2.1".into()),
        port: Some(50).filter(|_| logged),
        method: Some("password".into()).filter(|_| logged),
        tty: Some("ssh:notty".into()).filter(|_| !logged),
        pid: Some(pid),
        ..at(source, LoginKind::Failed, millis, offset)
    }
}

fn records(event: &LoginEvent) -> usize {
    1 + event.evidence.len()
}

#[test]
fn an_attempt_that_three_sources_tell_of_is_one() {
    let mut events = Vec::new();
    for number in 0..5 {
        let millis = 1000 * number + 700;
        events.push(attempt(LoginSource::Authlog, millis / 1000 * 1000, 7, number as u64));
        events.push(attempt(LoginSource::Btmp, millis, 7, number as u64));
        events.push(attempt(LoginSource::Journal, millis + 1, 7, number as u64));
    }
    let joined = join(events);
    assert_eq!(joined.len(), 5);
    for event in &joined {
        assert_eq!((event.source, records(event)), (LoginSource::Authlog, 3));
        assert_eq!((event.tty.as_deref(), event.port), (Some("ssh:notty"), Some(50)));
    }
}

#[test]
fn repetitions_that_are_told_at_once_stay_as_many() {
    let mut events = vec![attempt(LoginSource::Authlog, 0, 7, 0)];
    events.extend((0..4).map(|_| attempt(LoginSource::Authlog, 12_000, 7, 80)));
    events.extend((0..5).map(|number| attempt(LoginSource::Journal, 200 + 2900 * number, 7, number as u64)));
    let joined = join(events);
    assert_eq!(joined.len(), 5);
    assert!(joined.iter().all(|event| records(event) == 2));
}

#[test]
fn what_differs_is_not_joined() {
    let one = attempt(LoginSource::Authlog, 0, 7, 0);
    let btmp = attempt(LoginSource::Btmp, 100, 7, 0);
    for other in [
        LoginEvent { user: Some("al".into()), ..btmp.clone() },
        LoginEvent { from: Some("192.0.2.2".into()), ..btmp.clone() },
        LoginEvent { root: "/srv".into(), ..btmp.clone() },
        LoginEvent { kind: LoginKind::Other, ..btmp.clone() },
        attempt(LoginSource::Btmp, 31_000, 7, 0),
        attempt(LoginSource::Btmp, 3000, 8, 0),
        attempt(LoginSource::Authlog, 0, 7, 1),
        attempt(LoginSource::Journal, 0, 8, 1),
        LoginEvent { port: Some(51), ..attempt(LoginSource::Journal, 0, 7, 1) },
    ] {
        assert_eq!(join(vec![one.clone(), other]).len(), 2);
    }
    let sudo = LoginEvent { method: Some("sudo".into()), ..one };
    assert_eq!(join(vec![sudo, btmp]).len(), 2);
}

/// The beginning of an attempt, as the log before has it, and what the next log has of it.
#[test]
fn an_attempt_that_a_rotation_parts_is_one() {
    let begun = |source: LoginSource| LoginEvent {
        method: None,
        detail: Some("invalid user".into()),
        origin: format!("/var/log/{source}.1").into_bytes().into(),
        ..attempt(source, 0, 7, 900)
    };
    let tried =
        |source, millis| LoginEvent { detail: Some("invalid user".into()), ..attempt(source, millis, 7, 0) };
    let closed = |source, millis| LoginEvent { method: None, ..attempt(source, millis, 7, 0) };
    let (auth, journal, syslog) = (LoginSource::Authlog, LoginSource::Journal, LoginSource::Syslog);
    for (events, records_of_it) in [
        (vec![begun(auth), tried(auth, 0)], 2),
        (vec![begun(auth), tried(auth, 9000)], 2),
        (vec![begun(auth), closed(auth, 0)], 2),
        (vec![begun(auth), closed(auth, 9000)], 2),
        (vec![begun(auth), begun(journal), tried(auth, 9000), tried(journal, 9300)], 4),
        (vec![begun(auth), begun(syslog), tried(auth, 0), tried(syslog, 0)], 4),
        (
            vec![
                begun(auth),
                begun(syslog),
                attempt(LoginSource::Btmp, 300, 7, 0),
                tried(auth, 0),
                tried(syslog, 0),
            ],
            5,
        ),
        // The journal was not rotated.
        (vec![begun(auth), closed(auth, 9000), LoginEvent { method: None, ..tried(journal, 9300) }], 3),
        (vec![begun(auth), tried(auth, 9000), tried(journal, 9300)], 3),
    ] {
        let joined = join(events.clone());
        assert_eq!(joined.len(), 1, "{joined:#?}");
        assert_eq!(records(&joined[0]), records_of_it);
        let last = events.iter().rfind(|event| event.source == auth).unwrap();
        assert_eq!((&joined[0].time, &joined[0].method), (&last.time, &last.method));
        assert_eq!(joined[0].detail.as_deref(), Some("invalid user"));
    }
    // Later than events wait for each other: the first counts.
    let joined = join(vec![begun(auth), closed(auth, 100_000), closed(auth, 101_000)]);
    let kinds: Vec<_> = joined.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [LoginKind::Failed, LoginKind::Other, LoginKind::Failed]);
    // Others: of another port, of the same file, of a later process.
    for other in [
        LoginEvent { port: Some(51), ..tried(auth, 9000) },
        LoginEvent { origin: "/var/log/authlog.1".into(), ..tried(auth, 9000) },
        tried(auth, 700_000),
    ] {
        let joined = join(vec![begun(auth), other]);
        assert!(joined.len() == 2 && joined.iter().all(|event| event.kind == LoginKind::Failed));
    }
}

fn login(source: LoginSource, millis: i64, pid: u32, tty: Option<&str>) -> LoginEvent {
    LoginEvent {
        user: Some("al".into()),
        from: Some("192.0.2.1".into()),
        tty: tty.map(Into::into),
        pid: Some(pid),
        ..at(source, LoginKind::Login, millis, millis as u64)
    }
}

fn ended(events: &[LoginEvent], kind: LoginKind) -> Vec<(Option<SessionEnd>, Option<i64>, usize)> {
    let of_kind = events.iter().filter(|event| event.kind == kind);
    of_kind
        .map(|event| (event.ended, event.until.map(|time| time.seconds - 1_700_000_000), records(event)))
        .collect()
}

#[test]
fn a_session_has_its_end_and_all_its_evidence() {
    use LoginSource::{Authlog, Lastlog, Utmp, Wtmp};
    let logout = |source, pid, tty: Option<&str>, user: Option<&str>| LoginEvent {
        pid: Some(pid),
        tty: tty.map(Into::into),
        user: user.map(Into::into),
        ..at(source, LoginKind::Logout, 60_300, 9)
    };
    let joined = join(vec![
        login(Authlog, 1000, 70, None),
        login(Wtmp, 1400, 71, Some("pts/0")),
        login(Utmp, 1400, 71, Some("pts/0")),
        LoginEvent { pid: None, ..login(Lastlog, 1000, 0, Some("pts/0")) },
        logout(Wtmp, 71, Some("pts/0"), None),
        logout(Authlog, 70, None, Some("al")),
        login(Wtmp, 90_000, 99, Some("pts/1")),
    ]);
    let logins = ended(&joined, LoginKind::Login);
    assert_eq!(logins, [(Some(SessionEnd::Logout), Some(60), 4), (Some(SessionEnd::Open), None, 1)]);
    assert_eq!(ended(&joined, LoginKind::Logout), [(None, None, 2)]);
    let first = &joined[0];
    assert_eq!((first.source, first.tty.as_deref(), first.pid), (Authlog, Some("pts/0"), Some(70)));
    assert!(joined[1].user.as_deref() == Some("al"), "a logout is its session's user's");
}

#[test]
fn who_logs_in_in_the_second_of_another_logout_stays() {
    let on_it = |user: Option<&str>, kind, millis, offset| LoginEvent {
        user: user.map(Into::into),
        tty: Some("pts/0".into()),
        ..at(LoginSource::Wtmp, kind, millis, offset)
    };
    let joined = join(vec![
        on_it(Some("ann"), LoginKind::Login, 0, 0),
        on_it(None, LoginKind::Logout, 5000, 384),
        on_it(Some("ben"), LoginKind::Login, 5000, 768),
    ]);
    let logins = ended(&joined, LoginKind::Login);
    assert_eq!(logins, [(Some(SessionEnd::Logout), Some(5), 1), (Some(SessionEnd::Open), None, 1)]);
    // The file was rotated in the second of the login.
    let login = on_it(Some("ann"), LoginKind::Login, 5000, 768);
    let joined = join(vec![
        LoginEvent { origin: "/var/log/wtmp.1".into(), ..login },
        on_it(None, LoginKind::Logout, 5000, 0),
    ]);
    assert_eq!(ended(&joined, LoginKind::Login), [(Some(SessionEnd::Logout), Some(5), 1)]);
}

#[test]
fn the_machine_ends_sessions() {
    use LoginSource::{Journal, Wtmp};
    let joined = join(vec![
        at(Wtmp, LoginKind::Boot, 0, 0),
        at(Journal, LoginKind::Boot, 4000, 0),
        login(Wtmp, 10_000, 1, Some("tty1")),
        at(Journal, LoginKind::Shutdown, 50_000, 1),
        at(Wtmp, LoginKind::Shutdown, 55_000, 2),
        at(Wtmp, LoginKind::Boot, 100_000, 3),
        login(Wtmp, 110_000, 2, Some("tty1")),
        at(Wtmp, LoginKind::Boot, 400_000, 4),
        login(Wtmp, 410_000, 3, Some("tty1")),
        login(Wtmp, 420_000, 4, Some("tty1")),
    ]);
    let expected = [
        (Some(SessionEnd::Shutdown), Some(50), 1),
        (Some(SessionEnd::Crash), Some(400), 1),
        (None, None, 1),
        (Some(SessionEnd::Open), None, 1),
    ];
    assert_eq!(ended(&joined, LoginKind::Login), expected);
    let boots: Vec<_> = ended(&joined, LoginKind::Boot).into_iter().map(|boot| boot.2).collect();
    assert_eq!(boots, [2, 1, 1]);
    assert_eq!(ended(&joined, LoginKind::Shutdown).len(), 1);
}

#[test]
fn windows_logs_on_before_it_tells_of_its_start() {
    let session = |kind, millis: i64, id: &str| LoginEvent {
        user: Some("SYSTEM".into()),
        session: Some(id.into()),
        ..at(LoginSource::Evtx, kind, millis, millis as u64)
    };
    let joined = join(vec![
        session(LoginKind::Login, 0, "0x1"),
        at(LoginSource::Evtx, LoginKind::Shutdown, 500_000, 1),
        session(LoginKind::Login, 600_000, "0x2"),
        at(LoginSource::Evtx, LoginKind::Boot, 605_000, 2),
        session(LoginKind::Logout, 700_000, "0x2"),
        session(LoginKind::Logout, 701_000, "0x2"),
        session(LoginKind::Login, 800_000, "0x3"),
        session(LoginKind::Login, 990_000, "0x4"),
        at(LoginSource::Evtx, LoginKind::Boot, 1_000_000, 3),
        session(LoginKind::Logout, 1_010_000, "0x4"),
    ]);
    let expected = [
        (Some(SessionEnd::Shutdown), Some(500), 1),
        (Some(SessionEnd::Logout), Some(700), 1),
        (Some(SessionEnd::Crash), Some(1000), 1),
        (Some(SessionEnd::Logout), Some(1010), 1),
    ];
    assert_eq!(ended(&joined, LoginKind::Login), expected);
    assert_eq!(ended(&joined, LoginKind::Logout), [(None, None, 2), (None, None, 1)]);
}

#[test]
fn a_flood_of_sessions_stays_bounded_and_whole() {
    use LoginSource::Wtmp;
    const SESSIONS: usize = 70_000;
    let mut joining = Joining::default();
    let (mut early, mut all) = (0, 0);
    for number in 0..SESSIONS {
        let root = format!("/srv/{}", number % 3);
        let mut session = login(Wtmp, 1000 + number as i64, 1, Some(&format!("pts/{number}")));
        session.root = root.into();
        joining.push(Box::new(session), &mut |_| early += 1);
    }
    let mut open = 0;
    joining.finish(&mut |event| {
        all += 1;
        open += usize::from(event.ended == Some(SessionEnd::Open));
    });
    assert_eq!((early + all, open), (SESSIONS, 65_536));
    // Copies of one record past the bound are events of their own, and none is lost.
    let copies = (0..100).map(|number| LoginEvent {
        origin: format!("/var/log/wtmp.{number}").into_bytes().into(),
        ..login(Wtmp, 1000, 1, Some("pts/0"))
    });
    let joined = join(copies.collect());
    assert_eq!(joined.iter().map(records).collect::<Vec<_>>().iter().sum::<usize>(), 100);
    assert_eq!(joined.len(), 100_usize.div_ceil(33));
}

#[test]
fn a_session_that_takes_much_memory_is_given_at_once() {
    for (len, waits) in [(100, true), (4096, false)] {
        let event =
            LoginEvent { detail: Some("x".repeat(len).into()), ..login(LoginSource::Authlog, 0, 7, None) };
        let (mut sessions, mut given) = (Sessions::default(), Vec::new());
        sessions.push(Joined::new(Box::new(event.clone())), &mut |event| given.push(*event));
        assert_eq!((sessions.holds_from().is_some(), given.len()), (waits, usize::from(!waits)));
        sessions.finish(&mut |event| given.push(*event));
        assert_eq!(given, [event]);
    }
}

fn any_event() -> impl Strategy<Value = LoginEvent> {
    use LoginSource::{Authlog, Btmp, Evtx, Journal, Lastlog, Syslog, Utmp, Wtmp};
    let sources = prop::sample::select(vec![Authlog, Btmp, Evtx, Journal, Lastlog, Syslog, Utmp, Wtmp]);
    let kinds = prop::sample::select(LoginKind::ALL.to_vec());
    (sources, kinds, 0i64..200_000, 0u32..4, 0u8..4, prop::option::weighted(0.95, 0u64..50)).prop_map(
        |(source, kind, millis, pid, tty, offset)| LoginEvent {
            user: Some(["al", "root"][usize::from(tty % 2)].into()),
            tty: Some(format!("pts/{tty}").into()).filter(|_| tty < 3),
            pid: Some(pid).filter(|pid| *pid > 0),
            session: Some(pid.to_string().into()).filter(|_| source == Evtx),
            time: offset.and(at(source, kind, millis, 0).time),
            ..at(source, kind, millis, offset.unwrap_or(0))
        },
    )
}

proptest! {
    /// Each record is in one row, as its own place or as evidence.
    #[test]
    fn nothing_is_lost_and_nothing_is_told_twice(events in prop::collection::vec(any_event(), 0..80)) {
        let mut before: Vec<_> = events.iter().map(|event| (event.source, event.origin.clone(), event.offset)).collect();
        let mut after = Vec::new();
        for event in join(events) {
            after.push((event.source, event.origin.clone(), event.offset));
            after.extend(event.evidence.into_iter().map(|evidence| (evidence.source, evidence.origin, evidence.offset)));
        }
        before.sort();
        after.sort();
        prop_assert_eq!(before, after);
    }

    /// One file's events stay as many as they are, whatever they are.
    #[test]
    fn one_source_alone_keeps_its_count(events in prop::collection::vec(any_event(), 0..80)) {
        let events: Vec<_> = events.into_iter().filter(|event| event.source == LoginSource::Wtmp).collect();
        let count = events.len();
        prop_assert_eq!(join(events).len(), count);
    }

    /// Two logs that hold the same lines give each once.
    #[test]
    fn a_log_and_its_copy_in_the_journal(lines in prop::collection::vec((0i64..100, 1u32..5), 0..60)) {
        let log = lines.iter().enumerate().map(|(offset, (second, pid))| attempt(LoginSource::Authlog, second * 1000, *pid, offset as u64));
        let journal = lines.iter().enumerate().map(|(offset, (second, pid))| attempt(LoginSource::Journal, second * 1000 + 300, *pid, offset as u64));
        prop_assert_eq!(join(log.chain(journal).collect()).len(), lines.len());
    }
}
