//! SHA-256 of files from memory, by shape of the files; throughput is bytes of content a second.

use coldread_fsparse::{
    content::{Item, ItemEncoding, digest::DigestSink, read_items},
    source::{BlockSource, memory::MemorySource},
    survey::Extent,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const TOTAL: u64 = 64 << 20;
/// Bytes asked for and not yet hashed, as the content task has it.
const BUDGET: u64 = 32 << 20;

/// Files of `size` bytes in extents of `piece` bytes that lie in reverse, or one after the other.
fn files(size: u64, piece: u64, reversed: bool) -> Vec<Vec<Extent>> {
    let extent = |file: u64, index: u64| {
        let place = if reversed { size / piece - 1 - index } else { index };
        Extent { logical: index * piece, physical: file * size + place * piece, len: piece, unwritten: false }
    };
    (0..TOTAL / size).map(|file| (0..size / piece).map(|index| extent(file, index)).collect()).collect()
}

fn content(criterion: &mut Criterion) {
    let source = MemorySource::new((0..TOTAL).map(|i| ((i * 31) >> 5) as u8).collect());
    let mut group = criterion.benchmark_group("content");
    group.sample_size(20).throughput(Throughput::Bytes(TOTAL));
    for (name, size, piece, reversed) in [
        ("large files", 16 << 20, 16 << 20, false),
        ("files of 8 KiB", 8 << 10, 8 << 10, false),
        ("fragmented files", 4 << 20, 16 << 10, true),
    ] {
        let files = files(size, piece, reversed);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut sink = DigestSink::default();
                let mut queue = source.open_queue().expect("memory can always be read");
                let items = files.iter().enumerate().map(|(index, extents)| {
                    (index, Item { size, initialized: size, encoding: ItemEncoding::Plain, extents })
                });
                read_items(items, &mut *queue, BUDGET, &mut sink);
                assert!(sink.results.len() == files.len() && sink.results.iter().all(|(_, got)| got.is_ok()));
                sink.results
            });
        });
    }
    group.finish();
}

criterion_group!(benches, content);
criterion_main!(benches);
