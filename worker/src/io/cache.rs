//! How much of a file is in the page cache: all of it, judged from samples, or one range.

use super::file::DiskFile;
use coldread_model::ByteRange;
use memmap2::MmapOptions;
use rustix::fs::{SeekFrom, seek};
use std::os::{fd::AsRawFd, unix::fs::MetadataExt};

/// Number of places looked at, spread evenly.
const SAMPLES: u64 = 64;
/// Bytes looked at in each.
const SAMPLE: u64 = 256 << 10;
/// Number of cachestat(2), the same on every architecture since Linux 6.5.
const SYS_CACHESTAT: libc::c_long = 451;

#[repr(C)]
struct CachestatRange {
    off: u64,
    len: u64,
}

/// `struct cachestat` of include/uapi/linux/mman.h, all in pages: cached, dirty, under writeback, evicted,
/// recently evicted.
type Cachestat = [u64; 5];

/// The cached percentage of the file's data, holes apart; `None` where it cannot be known or all is hole.
pub(super) fn cached_percent(file: &DiskFile) -> Option<u64> {
    let size = file.size();
    let page = page_bytes();
    let (mut seen, mut cached) = (0, 0);
    for sample in 0..SAMPLES {
        let room = size.saturating_sub(SAMPLE);
        let at = (u128::from(room) * u128::from(sample) / u128::from(SAMPLES - 1)) as u64 & !(page - 1);
        let len = SAMPLE.min(size - at);
        if file.is_sparse() && seek(file.cached(), SeekFrom::Data(at)).is_ok_and(|data| data >= at + len) {
            continue;
        }
        let pages = len.div_ceil(page);
        cached += cachestat(file, at, len).or_else(|| mincore(file, at, len))?.min(pages);
        seen += pages;
        if room == 0 {
            break;
        }
    }
    (seen > 0).then(|| cached * 100 / seen)
}

/// Whether every page of a range is in the page cache, as far as the kernel tells it (Linux 6.5).
pub(super) fn is_cached(file: &DiskFile, range: ByteRange) -> bool {
    let page = page_bytes();
    let pages = range.end().div_ceil(page) - range.start / page;
    cachestat(file, range.start, range.len).is_some_and(|cached| cached >= pages)
}

/// Bytes of a page, a power of two.
fn page_bytes() -> u64 {
    // SAFETY: the call takes a number and returns one.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).ok().filter(|bytes| bytes.is_power_of_two()).unwrap_or(4096)
}

fn cachestat(file: &DiskFile, at: u64, len: u64) -> Option<u64> {
    let range = CachestatRange { off: at, len };
    let mut stat: Cachestat = [0; 5];
    // SAFETY: both structures are the kernel's, live for the call, and the file is open.
    let done = unsafe {
        libc::syscall(SYS_CACHESTAT, file.cached().as_raw_fd(), &raw const range, &raw mut stat, 0u32)
    };
    (done == 0).then_some(stat[0])
}

fn mincore(file: &DiskFile, at: u64, len: u64) -> Option<u64> {
    // The kernel tells anyone but the owner that every page is there (mm/mincore.c, can_do_mincore).
    let owner = file.cached().metadata().ok()?.uid();
    let user = rustix::process::geteuid();
    if !user.is_root() && user.as_raw() != owner {
        return None;
    }
    // SAFETY: the bytes of this map are never looked at.
    let map = unsafe { MmapOptions::new().offset(at).len(len as usize).map(file.cached()) }.ok()?;
    let mut pages = vec![0u8; len.div_ceil(page_bytes()) as usize];
    // SAFETY: the map starts on a page (`at` is a multiple of one) and `pages` has a byte for each of its.
    let done = unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), map.len(), pages.as_mut_ptr().cast()) };
    (done == 0).then(|| pages.iter().filter(|&&page| page & 1 == 1).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_just_written_is_in_the_cache_by_both_measures() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![1; 1 << 20]).unwrap();
        let disk = DiskFile::open(file.path()).unwrap();
        assert_eq!(mincore(&disk, 0, 1 << 20), Some((1 << 20) / page_bytes()));
        match cachestat(&disk, 0, 1 << 20) {
            Some(pages) => assert_eq!(pages, (1 << 20) / page_bytes()),
            None => println!("skipped: this kernel has no cachestat"),
        }
        assert_eq!(cached_percent(&disk), Some(100));
        if cachestat(&disk, 0, 1).is_some() {
            assert!(is_cached(&disk, ByteRange::new(5000, 70_000)));
            file.as_file().set_len(2 << 20).unwrap();
            assert!(!is_cached(&disk, ByteRange::new((1 << 20) - 1, 2)));
        }
    }
}
