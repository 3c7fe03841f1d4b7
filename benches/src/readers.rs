//! The three readers at work on one file: in order, or here and there.

use crate::host::{Failure, at};
use coldread_fsparse::source::{BlockSource, Piece};
use coldread_model::ByteRange;
use rustix::fs::{Advice, fadvise};
use std::{fs::File, path::Path};

/// Bytes of a request in order.
pub const SEQUENTIAL_BYTES: u64 = 1 << 20;
/// Bytes of a request here and there.
pub const RANDOM_BYTES: u64 = 4 << 10;
/// Requests kept under way.
const DEPTH: usize = 64;
/// Bytes of a line of the processor's cache.
const LINE: usize = 64;

/// In which order a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From first to last.
    Sequential,
    /// Single pages in an order that is the same every time and follows no pattern.
    Random,
}

impl Order {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Random => "random",
        }
    }

    /// The requests that read `ranges`: all of them in order, or at most `pages` pages of them.
    pub fn requests(self, ranges: &[ByteRange], pages: usize) -> Vec<ByteRange> {
        let step = if self == Self::Sequential { SEQUENTIAL_BYTES } else { RANDOM_BYTES };
        let mut requests = Vec::new();
        for range in ranges {
            let mut at = range.start;
            while at < range.end() {
                let len = step.min(range.end() - at);
                requests.push(ByteRange::new(at, len));
                at += len;
            }
        }
        if self == Self::Random {
            shuffle(&mut requests);
            requests.truncate(pages);
        }
        requests
    }
}

/// Fisher and Yates' shuffle with Marsaglia's xorshift, seeded the same every time.
fn shuffle(list: &mut [ByteRange]) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for last in (1..list.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        list.swap(last, (state % (last as u64 + 1)) as usize);
    }
}

/// Reads `requests`, 64 under way, and looks at every line of the processor's cache, as whoever parses or hashes does:
/// a map hands out bytes that nobody has read yet, a buffer such as were copied. Gives the bytes read and their lines'
/// first bytes added up, so that two readers can be held against each other.
pub fn read(source: &dyn BlockSource, requests: &[ByteRange]) -> Result<(u64, u64), Failure> {
    let mut queue = source.open_queue()?;
    let mut next = requests.iter();
    let (mut bytes, mut sum) = (0, 0_u64);
    let (mut waiting, mut under_way) = (vec![0; requests.len()], 0);
    let mut tag = 0;
    loop {
        while under_way < DEPTH
            && let Some(range) = next.next()
        {
            waiting[tag] = range.len;
            queue.push(tag as u64, *range);
            tag += 1;
            under_way += 1;
        }
        let Some(done) = queue.next() else { return Ok((bytes, sum)) };
        let piece = done.result.map_err(|error| error.error)?;
        if let Piece::Bytes(buf) = &piece {
            sum = buf.iter().step_by(LINE).fold(sum, |sum, byte| sum.wrapping_add(u64::from(*byte)));
        }
        bytes += piece.len();
        let left = &mut waiting[done.tag as usize];
        *left -= piece.len();
        if *left == 0 {
            under_way -= 1;
        }
    }
}

/// Takes a file out of the page cache, as far as nobody has it mapped. Needs no root.
pub fn forget(path: &Path) -> Result<(), Failure> {
    let file = at(path, File::open(path))?;
    at(path, file.sync_all())?;
    fadvise(&file, 0, None, Advice::DontNeed).map_err(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::source::memory::MemorySource;

    #[test]
    fn both_orders_read_what_they_are_asked_for() {
        let bytes: Vec<u8> = (0..3 << 20).map(|i: u32| (i / 4096) as u8).collect();
        let wanted: u64 = (0..768_u64).map(|page| page % 256 * 64).sum();
        let all = [ByteRange::new(0, 1 << 20), ByteRange::new(1 << 20, 2 << 20)];
        let source = MemorySource::new(bytes);
        let sequential = Order::Sequential.requests(&all, 0);
        assert_eq!(sequential.len(), 3);
        assert_eq!(read(&source, &sequential).unwrap(), (3 << 20, wanted));
        let random = Order::Random.requests(&all, 768);
        assert!(random.windows(2).any(|pair| pair[0].start > pair[1].start));
        assert_eq!(read(&source, &random).unwrap(), (3 << 20, wanted));
        assert_eq!(Order::Random.requests(&all, 5), random[..5]);
    }
}
