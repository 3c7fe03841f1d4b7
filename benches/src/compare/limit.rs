//! What the disk itself needs for the same bytes: fio replays the ranges with io_uring past the page cache.
//!
//! The ranges are those that fsparse asked for, recorded once, without the image's holes, widened to 4 KiB,
//! sorted, and merged as the reader does on a far disk (gaps of at most 64 KiB are read through, no read is longer
//! than 1 MiB; on a near one it reads less, in more pieces). fio knows all of them beforehand and waits for none, as no parser can, which learns from one read where
//! the next one is. But its buffers lie on small pages: where a disk takes only so many of them at once, long reads cost it
//! more than they cost the reader, whose buffers lie on huge ones.

use crate::{
    alone::{self, Pass},
    host::{Failure, at},
};
use coldread_fsparse::source::{SharedSource, recorded::Recorded};
use coldread_model::{ByteRange, task::IoMode};
use coldread_worker::io;
use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

const BLOCK: u64 = 4096;
const GAP: u64 = 64 << 10;
const MAX_READ: u64 = 1 << 20;
/// Reads that fio keeps under way.
const DEPTH: u64 = 64;

/// Reads for fio to do.
pub(super) struct Limit {
    log: PathBuf,
    bytes: u64,
    /// In words, for the report.
    pub(super) facts: String,
}

/// Finds the reads of an image, to be logged in a folder.
pub(super) type Find = fn(&Path, &Path) -> Result<Limit, Failure>;

/// The reads of listing an image.
pub(super) fn of_listing(image: &Path, scratch: &Path) -> Result<Limit, Failure> {
    let disk = io::open(image, IoMode::Pread)?.source;
    let (ranges, pass) = listed(&disk)?;
    let reads = merged(&ranges, disk.size_bytes(), GAP);
    let mut limit = Limit::write(image, &scratch.join("listing.iolog"), &reads)?;
    write!(limit.facts, "; fsparse asked for {} ranges in {} rounds", pass.requests, pass.rounds)?;
    Ok(limit)
}

/// The reads of every file's bytes.
pub(super) fn of_content(image: &Path, scratch: &Path) -> Result<Limit, Failure> {
    let disk = io::open(image, IoMode::Pread)?.source;
    let ranges = alone::stored(&*disk, &alone::file_ranges(&disk)?)?;
    Limit::write(image, &scratch.join("content.iolog"), &merged(&ranges, disk.size_bytes(), 0))
}

/// Both, as one list in the order of the disk: nobody can hash a file of which he has not read where it lies.
pub(super) fn of_everything(image: &Path, scratch: &Path) -> Result<Limit, Failure> {
    let disk = io::open(image, IoMode::Pread)?.source;
    let (mut ranges, _) = listed(&disk)?;
    ranges.extend(alone::stored(&*disk, &alone::file_ranges(&disk)?)?);
    Limit::write(image, &scratch.join("everything.iolog"), &merged(&ranges, disk.size_bytes(), 0))
}

/// What fsparse asks for to list an image, and what the listing told.
fn listed(disk: &SharedSource) -> Result<(Vec<ByteRange>, Pass), Failure> {
    let recorded = Arc::new(Recorded::new(Arc::clone(disk)));
    let pass = alone::list(&(Arc::clone(&recorded) as SharedSource), 1)?;
    Ok((alone::stored(&**disk, &recorded.take())?, pass))
}

impl Limit {
    /// Writes the reads in fio's second log format, by whose words a file is added, opened and read.
    fn write(image: &Path, log: &Path, reads: &[ByteRange]) -> Result<Self, Failure> {
        // The format parts fields by spaces.
        let link = log.with_extension("img");
        at(&link, std::os::unix::fs::symlink(image, &link))?;
        let name = link.to_string_lossy();
        if name.contains(char::is_whitespace) {
            return Err(Failure(format!("fio cannot replay {name}: set TMPDIR to a path without spaces")));
        }
        let mut text = format!("fio version 2 iolog\n{name} add\n{name} open\n");
        for read in reads {
            writeln!(text, "{name} read {} {}", read.start, read.len)?;
        }
        // At its end fio waits for the reads under way and does not count them (3.33): these are for that.
        for _ in 0..DEPTH {
            writeln!(text, "{name} read 0 {BLOCK}")?;
        }
        at(log, fs::write(log, text))?;
        let bytes: u64 = reads.iter().map(|read| read.len).sum();
        let facts = format!("{:.1} MiB in {} reads", bytes as f64 / f64::from(1 << 20), reads.len());
        Ok(Self { log: log.to_owned(), bytes, facts })
    }

    /// One replay; fio's own figure, without its start.
    pub(super) fn replay(&self) -> Result<Duration, Failure> {
        let mut fio = Command::new("fio");
        fio.args(["--name=limit", "--readonly", "--ioengine=io_uring", "--direct=1"])
            .args(["--replay_no_stall=1", "--output-format=json"])
            .arg(format!("--iodepth={DEPTH}"))
            .arg(format!("--read_iolog={}", self.log.display()));
        let (_, said) = super::measure::timed(&mut fio, &[0], true)?;
        // Notes may stand before the JSON.
        let start = said.find('{').unwrap_or(0);
        let json: serde_json::Value = serde_json::from_str(&said[start..])?;
        let job = &json["jobs"][0];
        if job["error"] != 0 {
            return Err(Failure(format!("fio ended with error {}", job["error"])));
        }
        let figure = |name: &str| {
            job["read"][name].as_u64().ok_or_else(|| Failure(format!("fio does not tell read.{name}")))
        };
        let (bytes, millis) = (figure("io_bytes")?, figure("runtime")?);
        whole_time(bytes, self.bytes, Duration::from_millis(millis))
    }
}

/// The time for `wanted` bytes at the rate of the `counted` ones: the reads that pad the log may overtake a
/// few of the last ones, which fio then leaves out of both its bytes and its time.
fn whole_time(counted: u64, wanted: u64, took: Duration) -> Result<Duration, Failure> {
    if counted >= wanted {
        return Ok(took);
    }
    if counted < wanted - wanted / 10 {
        return Err(Failure(format!("fio counted only {counted} of {wanted} bytes")));
    }
    Ok(took.mul_f64(wanted as f64 / counted as f64))
}

/// Whole blocks, sorted, merged over gaps of at most `gap`, cut at the file's end and at the longest read.
fn merged(ranges: &[ByteRange], size: u64, gap: u64) -> Vec<ByteRange> {
    let widened = |range: &ByteRange| {
        let end = range.end().next_multiple_of(BLOCK).min(size);
        ByteRange::between(range.start - range.start % BLOCK, end)
    };
    let mut sorted: Vec<_> = ranges.iter().map(widened).filter(|range| !range.is_empty()).collect();
    sorted.sort_unstable_by_key(|range| range.start);
    let mut runs: Vec<ByteRange> = Vec::new();
    for range in sorted {
        match runs.last_mut() {
            Some(last) if range.start <= last.end() + gap => {
                *last = ByteRange::between(last.start, last.end().max(range.end()));
            }
            _ => runs.push(range),
        }
    }
    let cut = |run: ByteRange| {
        (0..run.len.div_ceil(MAX_READ)).map(move |part| {
            let start = run.start + part * MAX_READ;
            ByteRange::between(start, run.end().min(start + MAX_READ))
        })
    };
    runs.into_iter().flat_map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_uncounted_reads_are_made_up_for_and_many_are_an_error() {
        let took = Duration::from_millis(90);
        assert_eq!(whole_time(1000, 1000, took).unwrap(), took);
        assert_eq!(whole_time(1004, 1000, took).unwrap(), took);
        assert_eq!(whole_time(900, 1000, took).unwrap(), Duration::from_millis(100));
        assert!(whole_time(899, 1000, took).is_err());
        assert_eq!(whole_time(0, 0, took).unwrap(), took);
    }

    #[test]
    fn reads_are_whole_blocks_without_overlap_and_not_too_long() {
        let range = ByteRange::new;
        let ranges = [range(9000, 10), range(5000, 10), range(4096, 1), range(1 << 20, 3 << 20), range(0, 0)];
        let size = (4 << 20) - 100;
        assert_eq!(
            merged(&ranges, size, 0),
            [
                range(4096, 8192),
                range(1 << 20, 1 << 20),
                range(2 << 20, 1 << 20),
                range(3 << 20, (1 << 20) - 100),
            ]
        );
        assert_eq!(merged(&[range(0, 1), range(GAP + BLOCK, 1)], size, GAP), [range(0, GAP + 2 * BLOCK)]);
        assert_eq!(merged(&[range(0, 1), range(GAP + 2 * BLOCK, 1)], size, GAP).len(), 2);
    }
}
