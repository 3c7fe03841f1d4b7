use super::{Loop, forget, noise, read_all, readers};
use crate::io::{
    file::{DiskFile, RawRead},
    pread::PreadSource,
    uring::UringSource,
};
use coldread_fsparse::source::BlockSource;
use coldread_model::ByteRange;
use proptest::prelude::*;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tempfile::NamedTempFile;

const BLOCK: u64 = 4096;
const SIZE: usize = 3 << 20;

/// A disk with bad blocks that reads short, is interrupted, and fails any read that touches a bad block.
struct BadDisk {
    bytes: Vec<u8>,
    bad: Vec<u64>,
    errno: i32,
    whims: bool,
    calls: AtomicU64,
}

impl BadDisk {
    fn hits(&self, range: ByteRange) -> bool {
        self.bad.iter().any(|block| !ByteRange::new(block * BLOCK, BLOCK).intersect(range).is_empty())
    }
}

impl RawRead for BadDisk {
    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.whims && call % 5 == 1 {
            return Err(io::Error::from_raw_os_error(libc::EINTR));
        }
        if self.whims && call % 5 == 3 {
            return Err(io::Error::from_raw_os_error(libc::EAGAIN));
        }
        let left = self.bytes.len().saturating_sub(offset as usize);
        let mut len = room.len().min(left);
        if self.whims && call.is_multiple_of(2) {
            len = len.min(1 + (call as usize * 7919) % 50_000);
        }
        if self.hits(ByteRange::new(offset, len as u64)) {
            return Err(io::Error::from_raw_os_error(self.errno));
        }
        room[..len].copy_from_slice(&self.bytes[offset as usize..][..len]);
        Ok(len)
    }

    fn alignment(&self) -> usize {
        1
    }
}

/// The bad disk behind `pread`, and behind io_uring with completions that fail as the disk would.
fn sources(bad: &[u64], errno: i32, whims: bool) -> (Vec<u8>, NamedTempFile, Vec<Arc<dyn BlockSource>>) {
    let bytes = noise(SIZE, 5);
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    forget(file.path());
    file.as_file().sync_all().unwrap();
    let disk = || {
        let calls = AtomicU64::new(0);
        Arc::new(BadDisk { bytes: bytes.clone(), bad: bad.to_vec(), errno, whims, calls })
    };
    let open = || Arc::new(DiskFile::open(file.path()).unwrap());
    let mut list: Vec<Arc<dyn BlockSource>> = vec![Arc::new(PreadSource::over(open(), disk()))];
    match UringSource::new(open()) {
        Ok(source) => {
            let judge = disk();
            let count = AtomicU64::new(0);
            let distort = move |span, result| {
                let turn = count.fetch_add(1, Ordering::Relaxed);
                match turn % 4 {
                    _ if judge.hits(span) => -errno,
                    0 if whims => -libc::EINTR,
                    1 if whims => -libc::EAGAIN,
                    2 if whims => result / 3,
                    _ => result,
                }
            };
            list.push(Arc::new(source.distorted(Box::new(distort), disk())));
        }
        Err(reason) => println!("skipped: uring: {reason}"),
    }
    (bytes, file, list)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn exactly_the_bad_blocks_are_missing(
        bad in prop::collection::vec(0u64..SIZE as u64 / BLOCK, 0..12),
        ranges in prop::collection::vec((0u64..SIZE as u64 - 1, 1u64..400_000), 1..25),
        whims: bool,
    ) {
        let (bytes, _file, sources) = sources(&bad, libc::EIO, whims);
        let ranges: Vec<ByteRange> = ranges
            .into_iter()
            .map(|(at, len)| ByteRange::new(at, len).intersect(ByteRange::new(0, SIZE as u64)))
            .collect();
        for source in sources {
            for (range, answer) in ranges.iter().zip(read_all(&*source, &ranges)) {
                let is_bad = |at: u64| bad.contains(&(at / BLOCK));
                for at in range.start..range.end() {
                    let failed = answer.failed.iter().any(|(part, _)| part.start <= at && at < part.end());
                    prop_assert_eq!(failed, is_bad(at), "byte {} of {:?}", at, range);
                    let byte = answer.bytes[(at - range.start) as usize];
                    prop_assert!(failed || byte == bytes[at as usize], "byte {at} of {range:?}");
                }
            }
        }
    }
}

#[test]
fn a_bad_sector_is_one_error_of_each_request_that_holds_it() {
    let (_, _file, sources) = sources(&[10], libc::EIO, false);
    for source in sources {
        let ranges = [ByteRange::new(0, 300_000), ByteRange::new(41_000, 100), ByteRange::new(50_000, 9)];
        let answers = read_all(&*source, &ranges);
        let failed = |index: usize| answers[index].failed.iter().map(|(part, _)| *part).collect::<Vec<_>>();
        assert_eq!(failed(0), [ByteRange::new(40_960, 4096)]);
        assert_eq!(failed(1), [ByteRange::new(41_000, 100)]);
        assert_eq!(failed(2), []);
        let error = &answers[0].failed[0].1;
        assert!(error.to_string().contains("4096 bytes at 40960"), "{error}");
    }
}

#[test]
fn an_error_of_the_whole_disk_is_not_tried_block_by_block() {
    let bytes = noise(SIZE, 5);
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let calls = AtomicU64::new(0);
    let bad = (0..SIZE as u64 / BLOCK).collect();
    let disk = Arc::new(BadDisk { bytes, bad, errno: libc::ENODEV, whims: false, calls });
    let source = PreadSource::over(
        Arc::new(DiskFile::open(file.path()).unwrap()),
        Arc::clone(&disk) as Arc<dyn RawRead>,
    );
    let answers = read_all(&source, &[ByteRange::new(0, SIZE as u64)]);
    assert_eq!(answers[0].failed.iter().map(|(part, _)| part.len).sum::<u64>(), SIZE as u64);
    assert_eq!(disk.calls.load(Ordering::Relaxed), 3);
}

#[test]
fn a_file_system_that_refuses_direct_reads_is_read_through_the_cache() {
    let bytes = noise(SIZE, 5);
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    forget(file.path());
    let disk = Arc::new(DiskFile::open(file.path()).unwrap());
    if disk.direct().is_none() {
        println!("skipped: this file system has no O_DIRECT to refuse");
        return;
    }
    let source = match UringSource::new(Arc::clone(&disk)) {
        Ok(source) => source,
        Err(reason) => return println!("skipped: uring: {reason}"),
    };
    let refuse = Box::new(|_, _| -libc::EINVAL);
    let source = source.distorted(refuse, Arc::clone(&disk) as Arc<dyn RawRead>);
    let answers = read_all(&source, &[ByteRange::new(5, 2_000_000)]);
    assert!(answers[0].failed.is_empty() && answers[0].bytes == bytes[5..2_000_005]);
    assert!(disk.direct().is_none());
}

#[test]
fn a_real_device_that_fails_costs_the_blocks_that_fail() {
    // A loop device whose file was cut behind its back fails all reads past the cut, as a bad disk does.
    let bytes = noise(SIZE, 13);
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &bytes).unwrap();
    let Some(device) = Loop::over(file.path()) else {
        println!("skipped: no loop device can be made here (it needs root and losetup)");
        return;
    };
    let cut = 2_000_000 / BLOCK * BLOCK;
    file.as_file().set_len(cut).unwrap();
    let list = readers(device.0.as_ref());
    assert!(!list.is_empty());
    for (name, source) in list {
        let ranges =
            [ByteRange::new(1_900_000, 500_000), ByteRange::new(7, 100), ByteRange::new(2_100_001, 9)];
        for (range, answer) in ranges.iter().zip(read_all(&*source, &ranges)) {
            let gone = ByteRange::between(range.start.max(cut), range.end());
            let lost: u64 = answer.failed.iter().map(|(part, _)| part.len).sum();
            assert_eq!(lost, gone.len, "{name}: {:?}", answer.failed);
            assert!(answer.failed.iter().all(|(part, _)| gone.contains(*part)), "{name}");
            let kept = (range.len - gone.len) as usize;
            assert!(answer.bytes[..kept] == bytes[range.start as usize..][..kept], "{name}");
        }
    }
}
