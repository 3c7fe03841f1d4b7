//! Readers of logs and login records on content that is in memory, one core. Throughput is bytes of the content
//! (unpacked), and elements are its lines, records or entries.

use benches::logs::{self, Stamps};
use coldread_artifacts::{
    Context, Extractor, Input, Output,
    identity::boot::{BootDefault, BootEntry},
    logins::{journal::Journal, logged::Logged, syslog::Syslog, utmp::Utmp},
    output::{InstallTime, Mark},
    view::MemoryView,
};
use coldread_model::{
    Account, Gap, Kernel, Key, LogWindow, LoginEvent, Package, Setting, SystemIdentity, Timestamp,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::{hint::black_box, io::Write, time::Duration};

const BYTES: usize = 32 << 20;
const RECORDS: u64 = 200_000;

/// Counts events and lets them go, as one who writes them out would.
#[derive(Default)]
struct Counted {
    events: u64,
    records: u64,
    gaps: u64,
}

impl Output for Counted {
    fn package(&mut self, _: Package) {}
    fn login(&mut self, event: LoginEvent) {
        self.events += 1;
        black_box(event);
    }
    fn logged(&mut self, event: &Logged<'_>) {
        self.events += 1;
        black_box(event);
    }
    fn mark(&mut self) -> Mark {
        Mark(self.events)
    }
    fn take_back(&mut self, to: Mark) {
        self.events = to.0;
    }
    fn window(&mut self, window: LogWindow) {
        self.records += window.records;
    }
    fn account(&mut self, _: Account) {}
    fn key(&mut self, _: Key) {}
    fn setting(&mut self, _: Setting) {}
    fn system(&mut self, _: SystemIdentity) {}
    fn kernel(&mut self, _: Kernel) {}
    fn boot_entry(&mut self, _: BootEntry) {}
    fn boot_default(&mut self, _: BootDefault) {}
    fn owned(&mut self, _: &str, _: &[u8]) {}
    fn install_time(&mut self, _: InstallTime) {}
    fn gap(&mut self, _: Gap) {
        self.gaps += 1;
    }
}

fn read(extractor: &dyn Extractor, path: &str, view: &mut MemoryView, context: &Context) -> Counted {
    let mut counted = Counted::default();
    let mut input = Input::new(path.as_bytes(), "p1", view);
    input.mtime = Timestamp::new(1_764_540_000, 0);
    extractor.extract(&mut input, context, &mut counted);
    counted
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("memory takes all")
}

fn readers(criterion: &mut Criterion) {
    let context = Context::default();
    let mut group = criterion.benchmark_group("logs");
    group.sample_size(10).measurement_time(Duration::from_secs(4));
    let mut one = |name: &str, extractor: &dyn Extractor, path: &str, len: usize, bytes: Vec<u8>| {
        let mut view = MemoryView::from(bytes);
        let first = read(extractor, path, &mut view, &context);
        assert!(first.gaps == 0 && first.events > 0 && first.records > 0, "{name}");
        group.throughput(Throughput::ElementsAndBytes { elements: first.records, bytes: len as u64 });
        group.bench_function(name, |bencher| {
            bencher.iter(|| read(extractor, path, &mut view, &context));
        });
    };
    for (name, stamps) in [("rfc3164", Stamps::Rfc3164), ("rfc3339", Stamps::Rfc3339)] {
        let guesses = logs::guesses(BYTES, stamps).0;
        let packed = gzip(&guesses);
        one(&format!("auth.log {name} gzip"), &Syslog, "/var/log/auth.log.2.gz", guesses.len(), packed);
        one(&format!("auth.log {name}"), &Syslog, "/var/log/auth.log", guesses.len(), guesses);
        let system = logs::system(BYTES, stamps).0;
        one(&format!("syslog {name}"), &Syslog, "/var/log/syslog", system.len(), system);
    }
    let btmp = logs::btmp(RECORDS);
    one("btmp", &Utmp, "/var/log/btmp", btmp.len(), btmp);
    let journal = logs::journal(RECORDS);
    one("journal", &Journal, "/var/log/journal/0/system.journal", journal.len(), journal);
    group.finish();
}

criterion_group!(all, readers);
criterion_main!(all);
