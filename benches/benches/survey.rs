//! What an inode and what a directory entry cost to survey, from memory, on one thread.
//!
//! The times shown are of one inode, or of one entry: a pass over the volume divided by their number.

use benches::{
    alone,
    images::Kind,
    small::{self, Shape},
};
use criterion::{Criterion, criterion_group, criterion_main};
use std::time::{Duration, Instant};

fn surveys(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("survey");
    group.sample_size(20);
    for kind in [Kind::Ext4, Kind::Xfs, Kind::Ntfs] {
        for shape in [Shape::Inodes, Shape::Names] {
            let name = format!("{} per {}", kind.name(), shape.name());
            let opened = small::source(kind, shape).and_then(|source| alone::volumes(&source));
            let (volumes, _) = match opened {
                Ok(opened) => opened,
                Err(reason) => {
                    println!("skipped: survey/{name}: {reason}");
                    continue;
                }
            };
            let count = volumes.iter().try_fold(0, |sum, volume| {
                alone::survey(volume, 1).map(|(survey, _)| {
                    sum + if shape == Shape::Inodes { survey.inodes.len() } else { survey.entries.len() }
                })
            });
            let Ok(count @ 20_000..) = count else {
                println!("skipped: survey/{name}: the image does not hold what it should; delete it");
                continue;
            };
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|times| {
                    let mut took = Duration::ZERO;
                    for _ in 0..times {
                        let started = Instant::now();
                        for volume in &volumes {
                            std::hint::black_box(alone::survey(volume, 1).map(|(survey, _)| survey).ok());
                        }
                        took += started.elapsed();
                    }
                    took.div_f64(count as f64)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, surveys);
criterion_main!(benches);
