//! Each reader on a file of 256 MiB: in order by 1 MiB and here and there by 4 KiB, with the file in the page
//! cache and without. Throughput is bytes a second.

use benches::readers::{self, Order};
use coldread_model::{ByteRange, task::IoMode};
use coldread_worker::io;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

const FILE_BYTES: u64 = 256 << 20;
/// Pages read in one pass here and there.
const PAGES: usize = 8192;

fn readers(criterion: &mut Criterion) {
    let mut file = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary file");
    let page: Vec<u8> = (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for _ in 0..FILE_BYTES >> 20 {
        file.write_all(&page).expect("room for 256 MiB");
    }
    file.as_file().sync_all().expect("written");
    let all = [ByteRange::new(0, FILE_BYTES)];
    let mut group = criterion.benchmark_group("readers");
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    for mode in [IoMode::Uring, IoMode::Pread, IoMode::Mmap] {
        for order in [Order::Sequential, Order::Random] {
            let requests = order.requests(&all, PAGES);
            group.throughput(Throughput::Bytes(requests.iter().map(|range| range.len).sum()));
            for cold in [true, false] {
                let name = format!("{} {} {}", mode.name(), order.name(), if cold { "cold" } else { "warm" });
                if let Err(reason) = once(file.path(), mode, &requests, cold) {
                    println!("skipped: readers/{name}: {reason}");
                    continue;
                }
                group.bench_function(name, |bencher| {
                    bencher.iter_custom(|times| {
                        (0..times).map(|_| once(file.path(), mode, &requests, cold).unwrap_or_default()).sum()
                    });
                });
            }
        }
    }
    group.finish();
}

/// One pass: the file is opened outside of the time taken.
fn once(
    path: &Path,
    mode: IoMode,
    requests: &[ByteRange],
    cold: bool,
) -> Result<Duration, benches::host::Failure> {
    if cold {
        readers::forget(path)?;
    }
    let opened = io::open(path, mode)?;
    let started = Instant::now();
    readers::read(&*opened.source, requests)?;
    Ok(started.elapsed())
}

criterion_group!(benches, readers);
criterion_main!(benches);
