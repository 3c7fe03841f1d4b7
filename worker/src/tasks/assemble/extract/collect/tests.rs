use super::*;
use crate::{
    memory::Memory,
    tasks::{disks::Disks, in_memory::Objects},
};
use coldread_artifacts::logins::joiner::Seen;
use coldread_model::{LoginKind, LoginSource, PackageOrigin, PackageType, Timestamp};

/// Holds every hundredth event back to the end, as one that waits for a session's end would.
#[derive(Default)]
#[allow(clippy::vec_box)] // they come and go boxed
struct Late(Vec<Box<LoginEvent>>, u64);

impl Joiner for Late {
    fn comes(&mut self, _: &Seen, _: u64) {}
    fn settle(&mut self, _: Timestamp, _: &mut dyn FnMut(Box<LoginEvent>)) {}
    fn leaves(&mut self, seen: &Seen) -> bool {
        // So that half of them are kept as they are.
        seen.number.is_multiple_of(2)
    }
    fn push(&mut self, event: Box<LoginEvent>, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        self.1 += 1;
        if self.1.is_multiple_of(100) {
            self.0.push(event);
        } else {
            emit(event);
        }
    }
    fn finish(&mut self, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        for event in self.0.drain(..) {
            emit(event);
        }
    }
    fn holds_from(&self) -> Option<Timestamp> {
        self.0.first()?.time
    }
}

fn event(n: i64) -> LoginEvent {
    let kind = if n % 3 == 0 { LoginKind::Failed } else { LoginKind::Login };
    // Some are too long to be kept by number where they are packed.
    let detail = (n % 5 > 0).then(|| n.to_string().repeat(if n % 97 < 2 { 200 } else { 1 }).into());
    LoginEvent {
        detail,
        ..LoginEvent::new(LoginSource::Btmp, kind, Some(Timestamp::new(n, 0)), "/var/log/btmp", 0)
    }
}

#[test]
fn a_hundred_thousand_events_are_stored_in_order_with_their_spans_and_late_ones_in_their_place() {
    const EVENTS: i64 = 120_000;
    let (memory, disks) = (Objects::default(), Disks::within(1 << 20));
    let job = Job { disks: &disks, threads: 1, memory: Memory::default(), context: &memory };
    let mut collector = Collector::new(SystemIdentity::default(), Vec::new(), job.memory.events(false));
    for n in (0..EVENTS).rev() {
        collector.login(event(n));
    }
    let written = collector.finish(&job, &mut Late::default()).unwrap();
    let logins = &written.found.logins;
    assert!(logins.len() > 1);
    assert_eq!(written.found.failed_logins(), EVENTS as u64 / 3);
    let stored: Vec<LoginEvent> = memory.rows(logins.iter().map(|batch| batch.batch));
    assert!(stored.into_iter().eq((0..EVENTS).map(event)));
    let spans: Vec<_> = logins.iter().map(|batch| batch.span.unwrap()).collect();
    assert!(spans.windows(2).all(|pair| pair[0].1 < pair[1].0));
    assert_eq!((spans[0].0.seconds, spans[spans.len() - 1].1.seconds), (0, EVENTS - 1));
}

#[test]
fn packages_are_told_once_with_their_owners() {
    let (memory, disks) = (Objects::default(), Disks::within(1 << 20));
    let job = Job { disks: &disks, threads: 1, memory: Memory::default(), context: &memory };
    let mut collector = Collector::new(SystemIdentity::default(), Vec::new(), job.memory.events(false));
    let origin = PackageOrigin { volume: "p1".to_owned(), path: b"/lib/x/METADATA".to_vec(), sha256: None };
    let package = Package::new(PackageType::Pypi, "x", "1", origin);
    collector.package(package.clone());
    collector.package(package.clone());
    collector.owned("deb:python3-x", b"/usr/lib/x/METADATA");
    let written = collector.finish(&job, &mut *coldread_artifacts::logins::joiner::joiner()).unwrap();
    let stored: Vec<Package> = memory.rows(written.found.packages);
    assert_eq!(stored, [Package { owner: Some("deb:python3-x".to_owned()), ..package }]);
    assert_eq!(written.found.installed, 1);
}

/// Holds single events for a long time, and long after the last one was given.
#[derive(Default)]
#[allow(clippy::vec_box)] // they come and go boxed
struct Bursts(Vec<Box<LoginEvent>>);

impl Joiner for Bursts {
    fn comes(&mut self, _: &Seen, _: u64) {}
    fn settle(&mut self, time: Timestamp, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        let is_ready = |event: &mut Box<LoginEvent>| event.time.unwrap().seconds + 9000 < time.seconds;
        // In no order.
        let ready: Vec<_> = self.0.extract_if(.., is_ready).collect();
        ready.into_iter().rev().for_each(emit);
    }
    fn leaves(&mut self, seen: &Seen) -> bool {
        !matches!(seen.number % 20_000, 1 | 40)
    }
    fn push(&mut self, event: Box<LoginEvent>, _: &mut dyn FnMut(Box<LoginEvent>)) {
        self.0.push(event);
    }
    fn finish(&mut self, emit: &mut dyn FnMut(Box<LoginEvent>)) {
        self.0.drain(..).for_each(emit);
    }
    fn holds_from(&self) -> Option<Timestamp> {
        self.0.first()?.time
    }
}

#[test]
fn what_is_held_now_and_then_comes_in_its_place() {
    let (memory, disks) = (Objects::default(), Disks::within(1 << 20));
    let job = Job { disks: &disks, threads: 1, memory: Memory::default(), context: &memory };
    let mut collector = Collector::new(SystemIdentity::default(), Vec::new(), job.memory.events(false));
    // While the joiner holds an event, more wait than memory should hold.
    let long = |n: i64| LoginEvent { target: Some("x".repeat(2500).into()), ..event(n) };
    let all = || (0..50_000).map(|n| if n < 12_000 { long(n) } else { event(n) });
    for event in all() {
        collector.login(event);
    }
    let written = collector.finish(&job, &mut Bursts::default()).unwrap();
    let stored: Vec<LoginEvent> = memory.rows(written.found.logins.iter().map(|batch| batch.batch));
    assert!(stored.into_iter().eq(all()));
}
