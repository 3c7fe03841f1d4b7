use super::{Collector, noise, read_all, readers};
use crate::io::{file::DiskFile, uring::UringSource, waiting::MAX_READ};
use coldread_fsparse::source::{BlockSource, Mapping, Piece, SourceError};
use coldread_model::ByteRange;
use proptest::prelude::*;
use std::{
    collections::{BTreeSet, VecDeque},
    io::Write,
    os::unix::fs::FileExt,
    sync::{Arc, OnceLock},
};
use tempfile::NamedTempFile;

/// A file with an unaligned end: noise, a long hole, noise.
struct Sample {
    file: NamedTempFile,
    bytes: Vec<u8>,
}

fn sample() -> &'static Sample {
    static SAMPLE: OnceLock<Sample> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let mut bytes = noise(6_000_123, 7);
        bytes[2 << 20..4 << 20].fill(0);
        let file = NamedTempFile::new().unwrap();
        file.as_file().set_len(bytes.len() as u64).unwrap();
        file.as_file().write_all_at(&bytes[..2 << 20], 0).unwrap();
        file.as_file().write_all_at(&bytes[4 << 20..], 4 << 20).unwrap();
        file.as_file().sync_all().unwrap();
        Sample { file, bytes }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn readers_agree_with_the_bytes(
        ranges in prop::collection::vec((0u64..6_100_000, prop_oneof![0u64..9000, 0u64..2_500_000]), 0..60)
    ) {
        let sample = sample();
        let size = sample.bytes.len() as u64;
        let ranges: Vec<ByteRange> = ranges.into_iter().map(|(at, len)| ByteRange::new(at, len)).collect();
        for (name, source) in readers(sample.file.path()) {
            for (range, answer) in ranges.iter().zip(read_all(&*source, &ranges)) {
                let inside = range.intersect(ByteRange::new(0, size));
                let expected = &sample.bytes[inside.start.min(size) as usize..][..inside.len as usize];
                prop_assert!(answer.bytes[..inside.len as usize] == *expected, "{name}: wrong bytes in {range:?}");
                let past = ByteRange::between(range.start.max(size), range.end());
                if past.is_empty() {
                    prop_assert!(answer.failed.is_empty(), "{name}: {:?}", answer.failed);
                } else {
                    let error = SourceError::PastEnd { range: *range, size };
                    prop_assert_eq!(answer.failed, [(past, error)], "{}", name);
                }
            }
        }
    }
}

#[test]
fn an_aligned_mebibyte_comes_as_one_piece_without_a_copy() {
    let sample = sample();
    for (name, source) in readers(sample.file.path()) {
        let mut queue = source.open_queue().unwrap();
        queue.push(1, ByteRange::new(4096, MAX_READ));
        let done = queue.next().unwrap();
        assert!(matches!(done.result, Ok(Piece::Bytes(buf)) if buf.len() as u64 == MAX_READ), "{name}");
        assert!(queue.next().is_none());
    }
}

#[test]
fn what_memory_has_is_copied_into_the_same_buffers() {
    const COUNT: u64 = 16;
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&noise((COUNT * MAX_READ) as usize, 5)).unwrap();
    let disk = Arc::new(DiskFile::open(file.path()).unwrap());
    let all = ByteRange::new(0, COUNT * MAX_READ);
    if disk.direct().is_none() || !crate::io::cache::is_cached(&disk, all) {
        println!(
            "skipped: this file system has no O_DIRECT, or the kernel does not tell what it has in memory"
        );
        return;
    }
    let Ok(source) = UringSource::new(disk) else {
        println!("skipped: no io_uring");
        return;
    };
    let mut queue = source.open_queue().unwrap();
    for at in 0..COUNT {
        queue.push(at, ByteRange::new(at * MAX_READ, MAX_READ));
    }
    let mut places = BTreeSet::new();
    while let Some(done) = queue.next() {
        let Ok(Piece::Bytes(buf)) = done.result else { panic!("{:?}", done.result) };
        places.insert(buf.as_ptr() as usize);
    }
    // One is handed out while the other is filled, and a slab starts over when both of its reads are gone: two slabs by
    // turns, after the one for who reads little.
    assert!(places.len() <= 6, "{} places", places.len());
}

#[test]
fn holes_are_zeros_that_nobody_reads() {
    let sample = sample();
    let disk = DiskFile::open(sample.file.path()).unwrap();
    if crate::io::holes::map(&disk, ByteRange::new(0, 6_000_000)).len() == 1 {
        println!("skipped: this file system tells of no holes");
        return;
    }
    for (name, source) in readers(sample.file.path()) {
        let mut queue = source.open_queue().unwrap();
        queue.push(1, ByteRange::new(3 << 20, 5));
        assert!(matches!(queue.next().unwrap().result, Ok(Piece::Zeros(5))), "{name}");
        let parts = source.map(ByteRange::new(0, sample.bytes.len() as u64)).unwrap();
        let kinds: Vec<Mapping> = parts.iter().map(|part| part.mapping).collect();
        assert_eq!(kinds, [Mapping::Data, Mapping::Zero, Mapping::Data], "{name}");
    }
}

#[test]
fn windows_keep_their_bytes_while_the_queue_reads_on() {
    let bytes = noise(64 << 20, 3);
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    file.as_file().sync_all().unwrap();
    for (name, source) in readers(file.path()) {
        let mut held = VecDeque::new();
        let mut queue = source.open_queue().unwrap();
        // Three times what a queue keeps in buffers is held while it reads on.
        for round in 0..3 {
            for at in (0..bytes.len() as u64).step_by(96 << 10) {
                queue.push(round, ByteRange::new(at, if at % 5 == 0 { 3000 } else { 96 << 10 }));
            }
            while let Some(done) = queue.next() {
                let Ok(Piece::Bytes(buf)) = done.result else {
                    assert_eq!((done.offset, name), (bytes.len() as u64, name), "{:?}", done.result);
                    continue;
                };
                held.push_back((done.offset as usize, buf));
            }
        }
        drop(queue);
        for (at, buf) in held {
            assert!(bytes[at..at + buf.len()] == *buf, "{name}: bytes at {at} changed");
        }
    }
}

#[test]
fn a_queue_may_be_dropped_with_reads_under_way() {
    let sample = sample();
    let size = sample.bytes.len() as u64;
    for (name, source) in readers(sample.file.path()) {
        for round in 0..200u64 {
            let mut queue = source.open_queue().unwrap();
            for step in 0..40 {
                let at = (round * 131_071 + step * 1_000_003) % (size - 70_000);
                queue.push(at, ByteRange::new(at, 1 + (step * 3001) % 70_000));
            }
            let mut held = Vec::new();
            for _ in 0..round % 7 {
                held.extend(queue.next());
            }
            drop(queue);
            // Memory that the kernel wrote to after its release would be someone else's by now.
            let other = noise(1 << 16, round);
            for done in held {
                let at = done.offset as usize;
                match done.result.unwrap() {
                    Piece::Bytes(buf) => assert!(sample.bytes[at..at + buf.len()] == *buf, "{name}"),
                    Piece::Zeros(len) => assert!(sample.bytes[at..at + len as usize].iter().all(|&b| b == 0)),
                }
            }
            assert!(other == noise(1 << 16, round));
        }
    }
}

#[test]
fn queues_of_one_source_work_side_by_side() {
    let sample = sample();
    for (_, source) in readers(sample.file.path()) {
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let source = &source;
                scope.spawn(move || {
                    let ranges: Vec<ByteRange> =
                        (0..50).map(|step| ByteRange::new(thread * 4096 + step * 119_000, 50_000)).collect();
                    for (range, answer) in ranges.iter().zip(read_all(&**source, &ranges)) {
                        assert!(answer.failed.is_empty());
                        assert!(sample.bytes[range.start as usize..range.end() as usize] == answer.bytes);
                    }
                });
            }
        });
    }
}

#[test]
fn a_file_that_shrinks_costs_the_pieces_that_are_gone() {
    let bytes = noise(3 << 20, 11);
    let file = NamedTempFile::new().unwrap();
    for cut in [1_000_000, 1 << 20, 0] {
        std::fs::write(file.path(), &bytes).unwrap();
        file.as_file().sync_all().unwrap();
        let list = readers(file.path());
        file.as_file().set_len(cut).unwrap();
        for (name, source) in list {
            let ranges =
                [ByteRange::new(0, 500), ByteRange::new(900_000, 300_000), ByteRange::new(2 << 20, 9)];
            for (range, answer) in ranges.iter().zip(read_all(&*source, &ranges)) {
                let gone = ByteRange::between(range.start.max(cut), range.end());
                let lost: u64 = answer.failed.iter().map(|(part, _)| part.len).sum();
                assert_eq!(lost, gone.len, "{name}, cut at {cut}: {:?}", answer.failed);
                for (part, error) in &answer.failed {
                    assert!(gone.contains(*part), "{name}");
                    assert!(error.to_string().contains("shrunk"), "{name}: {error}");
                }
                let kept = (range.len - gone.len) as usize;
                assert!(answer.bytes[..kept] == bytes[range.start as usize..][..kept], "{name}");
            }
        }
    }
}

#[test]
fn requests_that_join_later_need_no_barrier() {
    let sample = sample();
    for (name, source) in readers(sample.file.path()) {
        let ranges: Vec<ByteRange> = (0..30).map(|step| ByteRange::new(step * 70_001, 100)).collect();
        let mut collector = Collector::new(&ranges);
        let mut queue = source.open_queue().unwrap();
        queue.push(0, ranges[0]);
        let mut asked = 1;
        while let Some(done) = queue.next() {
            collector.take(done);
            if asked < ranges.len() {
                queue.push(asked as u64, ranges[asked]);
                asked += 1;
            }
        }
        for (range, answer) in ranges.iter().zip(collector.finish()) {
            assert!(sample.bytes[range.start as usize..][..100] == answer.bytes, "{name}");
        }
    }
}

#[test]
fn a_source_knows_how_many_of_its_queues_are_open() {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(1 << 20).unwrap();
    let Ok(source) = UringSource::new(Arc::new(DiskFile::open(file.path()).unwrap())) else {
        println!("skipped: no io_uring");
        return;
    };
    let first = source.open_queue().unwrap();
    let second = source.open_queue().unwrap();
    assert_eq!(source.queues(), 2);
    drop(first);
    assert_eq!(source.queues(), 1);
    drop(second);
    assert_eq!(source.queues(), 0);
}
