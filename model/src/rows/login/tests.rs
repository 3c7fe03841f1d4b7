use super::*;
use crate::{
    login::Evidence,
    rows::{BatchWriter, MAX_ROWS, RowsIter, WriteRow},
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Option<Text>> {
    prop::option::of(prop::sample::select(vec!["", "a", "b", "10.0.0.9", "x\u{80}y"]).prop_map(Text::new))
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    let seconds = prop::sample::select(vec![i64::MIN, -1, 0, 1, 1 << 40, i64::MAX]);
    prop::option::weighted(0.8, (seconds, 0u32..2).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }))
}

prop_compose! {
    fn event()(
        (time, until) in (time(), time()),
        (source, kind) in (prop::sample::select(LoginSource::ALL), prop::sample::select(LoginKind::ALL)),
        [user, from, host, tty] in [text(), text(), text(), text()],
        [session, method, target, detail] in [text(), text(), text(), text()],
        port in prop::option::of(any::<u16>()),
        pid in prop::option::of(prop::sample::select(vec![0u32, 1, 65_536, u32::MAX])),
        zone in prop::sample::select(Zone::ALL),
        ambiguous in any::<bool>(),
        ended in prop::option::of(prop::sample::select(SessionEnd::ALL)),
        (origin, offset) in (prop::sample::select(vec!["/a", "/b"]), prop::sample::select(vec![0, 127, 128, u64::MAX])),
        evidence in prop::collection::vec((prop::sample::select(vec!["/a", "", "\0"]), 0u64..300), 0..3),
        root in prop::sample::select(vec!["/", ""]),
    ) -> LoginEvent {
        let evidence = evidence.into_iter().map(|(origin, offset)| Evidence { source, origin: origin.into(), offset }).collect();
        LoginEvent {
            user, from, host, port, tty, zone, ambiguous, pid, session, method, target, detail, until, ended,
            evidence, root: root.into(),
            ..LoginEvent::new(source, kind, time, origin, offset)
        }
    }
}

fn batch(events: &[LoginEvent]) -> Vec<u8> {
    let mut writer = BatchWriter::default();
    for event in events {
        assert!(!writer.push(event));
    }
    writer.take().map_or_else(Vec::new, |(bytes, _)| bytes)
}

proptest! {
    #[test]
    fn events_come_back_whatever_came_before(events in prop::collection::vec(event(), 1..8), repeats in 1usize..3) {
        let events: Vec<_> = events.iter().flat_map(|event| std::iter::repeat_n(event.clone(), repeats)).collect();
        let bytes = batch(&events);
        let back: Result<Vec<LoginEvent>, _> = RowsIter::new(bytes.clone()).collect();
        prop_assert_eq!(back, Ok(events.clone()));
        // A row alone decides where a batch ends.
        let hash = |event: &LoginEvent, bytes: Vec<u8>| LoginWriter::default().write(event, &mut { bytes });
        let mut writer = LoginWriter::default();
        let mut before = Vec::new();
        for event in &events {
            prop_assert_eq!(writer.write(event, &mut before), hash(event, Vec::new()));
        }
        for len in 0..bytes.len() {
            let rows: Vec<Result<LoginEvent, _>> = RowsIter::new(bytes[..len].to_vec()).collect();
            let whole = rows.iter().filter(|row| row.is_ok()).count();
            prop_assert!(rows[..whole].iter().zip(&events).all(|(row, event)| row.as_ref() == Ok(event)));
            prop_assert!(whole < events.len());
        }
    }

    #[test]
    fn any_bytes_are_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&[VERSION][..], &bytes].concat();
        prop_assert!(RowsIter::<LoginEvent>::new(bytes.clone()).count() <= bytes.len());
    }
}

#[test]
fn what_rows_have_in_common_is_written_once() {
    let event = |second: i64| LoginEvent {
        user: Some("admin".into()),
        from: Some("192.0.2.7".into()),
        method: Some("password".into()),
        ..LoginEvent::new(
            LoginSource::Authlog,
            LoginKind::Failed,
            Some(Timestamp::new(1_700_000_000 + second, 0)),
            "/var/log/auth.log",
            second as u64 * 100,
        )
    };
    let [one, many] = [1, 101].map(|count| batch(&(0..count).map(event).collect::<Vec<_>>()).len());
    assert_eq!(many - one, 100 * 5);
}

#[test]
fn batches_end_where_those_of_every_version_do() {
    let event = LoginEvent {
        port: Some(22),
        pid: Some(77),
        ..LoginEvent::new(LoginSource::Authlog, LoginKind::Failed, Some(Timestamp::new(7, 9)), "/log", 300)
    };
    assert_eq!(LoginWriter::default().write(&event, &mut Vec::new()), 0x4fd7_76ff_d29f_10ac);
}

#[test]
fn a_batch_of_more_rows_than_one_has_is_none() {
    let event = LoginEvent::new(LoginSource::Authlog, LoginKind::Failed, None, "/log", 300);
    let mut rows = batch(&[event.clone(), event.clone()]);
    let last = rows.split_off(batch(&[event]).len());
    rows.extend(last.repeat(MAX_ROWS as usize));
    let error = RowsIter::<LoginEvent>::new(rows).find_map(Result::err).unwrap();
    assert_eq!(error.to_string(), "login batch: more than 65536 rows");
}

#[test]
fn a_batch_of_another_format_says_so() {
    let error = RowsIter::<LoginEvent>::new(vec![1, 2, 3]).next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "login batch: it is of an older version: scan the source again");
    let error = RowsIter::<LoginEvent>::new(vec![3, 2, 3]).next().unwrap().unwrap_err();
    assert_eq!(error.to_string(), "login batch: format 3 is not known");
}
