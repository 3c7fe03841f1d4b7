use super::*;
use coldread_model::{
    LoginKind, Origin, Text, Zone,
    rows::{BatchWriter, RowsIter, WriteRow, login::LoginWriter},
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = Option<Text>> {
    // Few characters, so that texts begin alike and end early; some are too long to have a number.
    let long =
        prop::sample::select(vec!['x', 'y']).prop_map(|end| Some(format!("{}{end}", "x".repeat(600)).into()));
    let short = prop::option::of(
        prop::collection::vec(
            prop::sample::select(vec!['\0', '\u{1}', '\u{2}', 'a', 'b', '\u{80}', '€']),
            0..4,
        )
        .prop_map(|text| String::from_iter(text).into()),
    );
    prop_oneof![3 => short, 1 => long]
}

fn address() -> impl Strategy<Value = Option<Text>> {
    prop::sample::select(vec!["10.0.0.9", "10.0.0.10", "9.0.0.1", "010.0.0.1", "2001:db8::1"])
        .prop_map(|text| Some(text.into()))
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![9 => prop::collection::vec(0u8..3, 0..3), 1 => prop::collection::vec(0u8..2, 600..601)]
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    let seconds = prop::sample::select(vec![i64::MIN, -1, 0, 1, 1 << 40, i64::MAX]);
    prop::option::of((seconds, 0u32..2).prop_map(|(seconds, nanos)| Timestamp { seconds, nanos }))
}

prop_compose! {
    fn event()(
        (time, until) in (time(), time()),
        (source, kind) in (prop::sample::select(LoginSource::ALL), prop::sample::select(LoginKind::ALL)),
        [user, host, tty] in [text(), text(), text()],
        from in prop_oneof![text(), address()],
        [session, method, target, detail] in [text(), text(), text(), text()],
        port in prop::option::of(prop::sample::select(vec![0u16, 1, 255, 256, u16::MAX])),
        pid in prop::option::of(prop::sample::select(vec![0u32, 1, 65_536, u32::MAX])),
        zone in prop::sample::select(Zone::ALL),
        ambiguous in any::<bool>(),
        ended in prop::option::of(prop::sample::select(SessionEnd::ALL)),
        (origin, offset) in (path(), prop::sample::select(vec![0, 127, 128, u64::MAX])),
        evidence in prop::collection::vec((path(), 0u64..300), 0..3),
        root in prop_oneof![prop::sample::select(vec![Some("/".into()), Some("".into())]), text()],
    ) -> LoginEvent {
        let evidence = evidence.into_iter().map(|(origin, offset)| Evidence { source, origin: Origin::from(origin), offset }).collect();
        LoginEvent {
            user, from, host, port, tty, zone, ambiguous, pid, session, method, target, detail, until, ended,
            evidence, root: root.unwrap_or_default(),
            ..LoginEvent::new(source, kind, time, origin, offset)
        }
    }
}

#[test]
fn rows_have_texts_of_their_own_also_where_these_have_no_numbers() {
    let event = |end: &str| {
        let long = "x".repeat(600) + end;
        let new = LoginEvent::new(LoginSource::Authlog, LoginKind::Other, None, &*long, 0);
        LoginEvent { detail: Some(long.into()), ..new }
    };
    let (mut names, mut writer, mut batch) =
        (Names::default(), LoginWriter::default(), BatchWriter::default());
    let (mut rows, events) = (Vec::new(), ["a", "b", "b"].map(event));
    for event in &events {
        let mut bytes = Vec::new();
        pack(&Fields::of(event), &mut names, &mut bytes);
        super::super::row::write(Packed::at(None, &bytes), &names, &mut writer, &mut rows).unwrap();
        batch.push(event);
    }
    assert_eq!(Some((rows.clone(), 3)), batch.take());
    assert!(RowsIter::<LoginEvent>::new(rows).map(Result::unwrap).eq(events));
}

proptest! {
    #[test]
    fn events_come_back_and_compare_packed_as_they_do(one in event(), fields in event(), take in prop_oneof![any::<u32>(), (0u32..13).prop_map(|bit| 1 << bit)]) {
        // Another event that has some fields of the first.
        let pick = |at: u32| take >> at & 1 == 1;
        let mut other = one.clone();
        if pick(0) { other.time = fields.time; }
        if pick(1) { other.kind = fields.kind; }
        if pick(2) { other.user = fields.user; }
        if pick(3) { other.from = fields.from; }
        if pick(4) { (other.port, other.pid) = (fields.port, fields.pid); }
        if pick(5) { (other.method, other.target) = (fields.method, fields.target); }
        if pick(6) { (other.until, other.ended) = (fields.until, fields.ended); }
        if pick(7) { (other.zone, other.ambiguous, other.tty) = (fields.zone, fields.ambiguous, fields.tty); }
        if pick(8) { other.evidence = fields.evidence; }
        if pick(9) { other.origin = fields.origin; }
        if pick(10) { other.detail = fields.detail; }
        if pick(11) { other.session = fields.session; }
        if pick(12) { (other.host, other.root) = (fields.host, fields.root); }
        let mut names = Names::default();
        let mut bytes = [Vec::new(), Vec::new()];
        pack(&Fields::of(&one), &mut names, &mut bytes[0]);
        pack(&Fields::of(&other), &mut names, &mut bytes[1]);
        let packed = [Packed::at(one.time, &bytes[0]), Packed::at(other.time, &bytes[1])];
        let order = one.cmp(&other);
        prop_assert_eq!(packed[0].compare(packed[1], &names), order);
        prop_assert!(order.is_eq() || packed[0].seconds.cmp(&packed[1].seconds) != order.reverse());
        let (mut writers, mut batches) = <([LoginWriter; 2], [Vec<u8>; 2])>::default();
        for (packed, event) in [0, 0, 1, 1, 0].map(|which| (packed[which], [&one, &other][which])) {
            let wanted = writers[0].write(event, &mut batches[0]);
            let (head, hash) = super::super::row::write(packed, &names, &mut writers[1], &mut batches[1]).unwrap();
            prop_assert_eq!((head.time, head.shape.kind, hash), (event.time, event.kind, wanted));
            prop_assert_eq!(&batches[0], &batches[1]);
            prop_assert_eq!(unpack(packed, &names), Ok(Box::new(event.clone())));
        }
    }

    #[test]
    fn any_bytes_are_an_event_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), other in prop::collection::vec(any::<u8>(), 0..200)) {
        let names = Names::default();
        let (one, other) = (Packed::at(None, &bytes), Packed::at(None, &other));
        let _ = (unpack(one, &names), compare(one, other, &names));
        let _ = super::super::row::write(one, &names, &mut LoginWriter::default(), &mut Vec::new());
    }
}
