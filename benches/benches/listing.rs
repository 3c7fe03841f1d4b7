//! Encoding and decoding a listing's chunks; throughput is rows a second.

use benches::{alone, synthetic};
use coldread_fsparse::tree::{Tree, for_each_row};
use coldread_model::listing::{Chunk, ListingWriter};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn listing(criterion: &mut Criterion) {
    let survey = synthetic::survey(10_000).expect("150,000 names fit");
    let tree = Tree::build(&survey, synthetic::ROOT);
    let (mut writer, mut chunks) = (ListingWriter::new(), Vec::new());
    for_each_row(&tree, |row, _, _| chunks.extend(writer.push(row)));
    chunks.extend(writer.finish());
    let rows = chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
    let mut group = criterion.benchmark_group("listing");
    group.sample_size(20).throughput(Throughput::Elements(rows));
    group.bench_function("encode", |bencher| bencher.iter(|| alone::encode(&tree)));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| {
            let mut bytes = 0;
            for chunk in &chunks {
                let chunk = Chunk::decode(&chunk.stable, &chunk.volatile).expect("as it was written");
                bytes += chunk
                    .iter()
                    .map(|row| row.stable.name.len() as u64 + row.volatile.inode % 2)
                    .sum::<u64>();
            }
            bytes
        });
    });
    group.finish();
}

criterion_group!(benches, listing);
criterion_main!(benches);
