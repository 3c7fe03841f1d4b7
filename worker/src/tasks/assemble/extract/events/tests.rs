use super::{runs::FAN_IN, *};
use coldread_model::{LoginKind, LoginSource, Timestamp};
use proptest::prelude::*;

fn sorted(sorter: EventSorter) -> Vec<LoginEvent> {
    let mut events = sorter.sorted().unwrap();
    let mut all = Vec::new();
    while let Some(event) = events.peek() {
        all.push(*events.names().unpack(event).unwrap());
        events.pass().unwrap();
    }
    all
}

fn event(n: u64) -> LoginEvent {
    // Neither sorted nor without equals.
    let time = Timestamp::new((n.wrapping_mul(2_654_435_761) % 50_000) as i64, 0);
    LoginEvent::new(
        LoginSource::Btmp,
        LoginKind::Failed,
        Some(time),
        &*format!("/var/log/btmp.{}", n % 11),
        n % 7,
    )
}

#[test]
fn events_beyond_what_is_held_come_back_sorted_and_none_is_lost() {
    let mut sorter = EventSorter::new(64 << 10);
    let mut all = Vec::new();
    for n in 0..60_000 {
        sorter.push(&event(n)).unwrap();
        assert!(sorter.held.bytes() <= 64 << 10);
        all.push(event(n));
    }
    // Runs were written and merged; had they not been, there would be as many as this.
    assert!(sorter.runs.len() > 1 && sorter.runs.len() < FAN_IN + 8, "{}", sorter.runs.len());
    all.sort();
    assert!(sorted(sorter) == all);
}

#[test]
fn what_is_taken_back_is_gone_wherever_it_was() {
    // From none of it in the file to runs of several levels before and after the marks.
    for (limit, stretch) in [(24 << 20, 900), (64 << 10, 4000), (16 << 10, 9000)] {
        let mut sorter = EventSorter::new(limit);
        let mut kept = Vec::new();
        for n in 0..12 * stretch {
            if n % stretch == 0 {
                sorter.mark();
            }
            sorter.push(&event(n)).unwrap();
            if n / stretch % 3 != 1 {
                kept.push(event(n));
            } else if (n + 1) % stretch == 0 {
                sorter.take_back();
            }
        }
        assert_eq!(sorter.spill.is_some(), limit < 1 << 20);
        assert!(sorter.runs.len() < 2 * (FAN_IN + 8), "{}", sorter.runs.len());
        kept.sort();
        assert!(sorted(sorter) == kept);
    }
}

#[test]
fn logs_in_order_are_not_sorted_again() {
    let event = |file: u64, line: u64| {
        // Each file is older than the one before, and three lines are of one second.
        let second = (200 - file) * 1000 + line / 3;
        let name = format!("/var/log/auth.log.{file}");
        let time = Some(Timestamp::new(second as i64, 0));
        LoginEvent::new(LoginSource::Authlog, LoginKind::Failed, time, &*name, 100 * line)
    };
    for (limit, files) in [(24 << 20, 6), (16 << 10, 6), (24 << 20, 100)] {
        let (mut sorter, mut all) = (EventSorter::new(limit), Vec::new());
        for file in 0..files {
            sorter.mark();
            // Attempts are told late: an event in four comes behind the three that follow it. Some are repeated.
            for line in (0..400u64).map(|line| if line % 4 == 3 { line - 3 } else { line + 1 }) {
                for _ in 0..if line % 50 == 7 { 90 } else { 1 } {
                    sorter.push(&event(file, line)).unwrap();
                    all.push(event(file, line));
                }
            }
            // Two sequences serve each.
            assert_eq!(sorter.held.loose() > 0, file >= 32);
        }
        all.sort();
        assert!(sorted(sorter) == all);
    }
}

#[test]
fn few_events_need_no_file() {
    let mut sorter = EventSorter::new(24 << 20);
    for n in 0..100 {
        sorter.push(&event(n)).unwrap();
    }
    assert!(sorter.spill.is_none());
    assert!(sorted(sorter).is_sorted());
}

#[derive(Clone, Debug)]
enum Step {
    Push(Box<LoginEvent>, usize),
    Mark,
    TakeBack,
}

fn step() -> impl Strategy<Value = Step> {
    let seconds = prop_oneof![Just(None), Just(Some(i64::MIN)), (0i64..4).prop_map(Some)];
    let path = prop_oneof![9 => "[ab]{1,3}", 1 => "[ab]{600}"];
    let record = (seconds, 0u32..2, path, 0u64..3, any::<bool>());
    // Of one record some differ in what else they tell; some are too long for a length of one byte.
    let told = (prop::option::of(1u32..3), prop::option::of("x{1,2}|y{200}"), 1usize..3);
    let event = (record, told).prop_map(|((seconds, nanos, path, offset, btmp), (pid, detail, times))| {
        let source = if btmp { LoginSource::Btmp } else { LoginSource::Authlog };
        let time = seconds.map(|seconds| Timestamp { seconds, nanos });
        let event = LoginEvent::new(source, LoginKind::Failed, time, &*path, offset);
        Step::Push(Box::new(LoginEvent { pid, detail: detail.map(Into::into), ..event }), times)
    });
    prop_oneof![20 => event, 1 => Just(Step::Mark), 1 => Just(Step::TakeBack)]
}

proptest! {
    #[test]
    fn what_is_not_taken_back_comes_sorted(steps in prop::collection::vec(step(), 0..120), limits in [1usize..9000, 1usize..9000]) {
        let (mut sorter, mut kept, mut mark) = (EventSorter::new(limits[0]), Vec::new(), 0);
        for step in steps {
            match step {
                Step::Push(event, times) => {
                    for _ in 0..times {
                        sorter.push(&event).unwrap();
                        kept.push((*event).clone());
                    }
                }
                Step::Mark => {
                    sorter.mark();
                    mark = kept.len();
                }
                Step::TakeBack => {
                    sorter.take_back();
                    kept.truncate(mark);
                }
            }
        }
        kept.sort();
        let mut events = sorter.sorted().unwrap();
        let mut again = events.names().sorter(limits[1]);
        let mut all = Vec::new();
        while let Some(event) = events.peek() {
            again.push_packed(event).unwrap();
            all.push(*events.names().unpack(event).unwrap());
            events.pass().unwrap();
        }
        prop_assert_eq!(&all, &kept);
        prop_assert_eq!(sorted(again), kept);
    }
}
