//! The three readers against the same bytes, faults included.

mod faults;
mod open;
mod readers;
mod spool;

use super::{file::DiskFile, mmap::MmapSource, pread::PreadSource, uring::UringSource};
use coldread_fsparse::source::{BlockSource, Completion, Piece, SourceError};
use coldread_model::ByteRange;
use std::{path::Path, process::Command, sync::Arc};

/// Bytes without pattern or period, the same on each run.
fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Writes a file out and has the page cache forget it: io_uring reads past the cache only what the cache has not.
fn forget(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    file.sync_data().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// Every reader that runs here, by name. The first one finds nothing in the cache.
fn readers(path: &Path) -> Vec<(&'static str, Arc<dyn BlockSource>)> {
    let file = || Arc::new(DiskFile::open(path).unwrap());
    forget(path);
    let mut list: Vec<(&'static str, Arc<dyn BlockSource>)> = Vec::new();
    match UringSource::new(file()) {
        Ok(source) => list.push(("uring", Arc::new(source))),
        Err(reason) => println!("skipped: uring: {reason}"),
    }
    list.push(("pread", Arc::new(PreadSource::new(file()))));
    if let Ok(source) = UringSource::new(file()) {
        list.push(("uring, from the cache", Arc::new(source)));
    }
    match MmapSource::new(file()) {
        Ok(source) => list.push(("mmap", Arc::new(source))),
        Err(reason) => println!("skipped: mmap: {reason}"),
    }
    list
}

/// What became of a request: its bytes (zeros where there are none) and the ranges that failed.
struct Answer {
    bytes: Vec<u8>,
    failed: Vec<(ByteRange, SourceError)>,
}

/// Puts pieces together and checks that they add up without overlap.
struct Collector {
    ranges: Vec<ByteRange>,
    answers: Vec<Answer>,
    covered: Vec<Vec<bool>>,
}

impl Collector {
    fn new(ranges: &[ByteRange]) -> Self {
        let answer = |range: &ByteRange| Answer { bytes: vec![0; range.len as usize], failed: Vec::new() };
        Self {
            ranges: ranges.to_vec(),
            answers: ranges.iter().map(answer).collect(),
            covered: ranges.iter().map(|range| vec![false; range.len as usize]).collect(),
        }
    }

    fn take(&mut self, done: Completion) {
        let tag = done.tag as usize;
        let at = (done.offset - self.ranges[tag].start) as usize;
        let len = match done.result {
            Ok(Piece::Bytes(buf)) => {
                self.answers[tag].bytes[at..at + buf.len()].copy_from_slice(&buf);
                buf.len()
            }
            Ok(Piece::Zeros(len)) => len as usize,
            Err(error) => {
                self.answers[tag].failed.push((ByteRange::new(done.offset, error.len), error.error));
                error.len as usize
            }
        };
        assert!(len > 0, "an empty piece");
        for byte in &mut self.covered[tag][at..at + len] {
            assert!(!*byte, "pieces overlap");
            *byte = true;
        }
    }

    fn finish(self) -> Vec<Answer> {
        assert!(self.covered.iter().flatten().all(|&byte| byte), "pieces do not add up");
        self.answers
    }
}

/// Reads `ranges`, of which the first half is pushed at once and the others one after each completion.
fn read_all(source: &dyn BlockSource, ranges: &[ByteRange]) -> Vec<Answer> {
    let mut collector = Collector::new(ranges);
    let mut queue = source.open_queue().unwrap();
    let mut rest = ranges.iter().enumerate().map(|(tag, range)| (tag as u64, *range));
    for (tag, range) in rest.by_ref().take(ranges.len() / 2) {
        queue.push(tag, range);
    }
    loop {
        let next = rest.next();
        if let Some((tag, range)) = next {
            queue.push(tag, range);
        }
        match queue.next() {
            Some(done) => collector.take(done),
            None if next.is_none() => break,
            None => {}
        }
    }
    collector.finish()
}

/// A loop device that goes away with it.
struct Loop(String);

impl Loop {
    fn over(file: &std::path::Path) -> Option<Self> {
        let made = Command::new("losetup").args(["--find", "--show"]).arg(file).output().ok()?;
        made.status.success().then(|| Self(String::from_utf8_lossy(&made.stdout).trim().to_owned()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("--detach").arg(&self.0).status();
    }
}
