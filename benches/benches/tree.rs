//! Joining a survey's names to a tree; throughput is names a second.

use benches::synthetic;
use coldread_fsparse::tree::{Tree, for_each_row};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn join(criterion: &mut Criterion) {
    let survey = synthetic::survey(10_000).expect("150,000 names fit");
    let mut group = criterion.benchmark_group("tree");
    group.sample_size(20).throughput(Throughput::Elements(survey.entries.len() as u64));
    group.bench_function("join", |bencher| bencher.iter(|| Tree::build(&survey, synthetic::ROOT)));
    let tree = Tree::build(&survey, synthetic::ROOT);
    group.bench_function("rows in listing order", |bencher| {
        bencher.iter(|| {
            let mut bytes = 0;
            for_each_row(&tree, |row, _, _| {
                bytes += row.stable.name.len() as u64 + row.volatile.fingerprint % 2;
            });
            bytes
        });
    });
    group.finish();
}

criterion_group!(benches, join);
criterion_main!(benches);
