//! Reads that the kernel has been told of before they are made, so that the disk works while this thread's consumer
//! does: what `pread` and the memory map have in the place of a ring.

use super::waiting::{GAP, Part, Waiting};
use coldread_fsparse::source::Completion;
use coldread_model::ByteRange;
use std::collections::VecDeque;

/// So many merged reads are told of in advance: with eight, a disk read pages that lie here and there at two thirds
/// of the rate at which it did with 32.
const READS: usize = 32;
/// No more are told of once these are so many bytes.
const BYTES: u64 = 8 << 20;

/// One queue's requests: those that wait, and the reads that come next.
pub(super) struct Hinted<'a> {
    waiting: Waiting<'a>,
    told: VecDeque<(ByteRange, Vec<Part>)>,
    told_bytes: u64,
    /// Lists that were used and can be again.
    spare: Vec<Vec<Part>>,
}

impl<'a> Hinted<'a> {
    /// The requests of `waiting`.
    pub(super) fn new(waiting: Waiting<'a>) -> Self {
        Self { waiting, told: VecDeque::new(), told_bytes: 0, spare: Vec::new() }
    }

    /// Takes a request in; what is known without reading goes to `ready`.
    pub(super) fn push(&mut self, tag: u64, range: ByteRange, ready: &mut VecDeque<Completion>) {
        self.waiting.push(tag, range, ready);
    }

    /// The next read in whole blocks, and what it is for, in disk order. `hint` tells the kernel of a read; its flag
    /// says that this one is made next.
    pub(super) fn next(&mut self, mut hint: impl FnMut(ByteRange, bool)) -> Option<(ByteRange, Vec<Part>)> {
        while self.told.is_empty() || (self.told.len() < READS && self.told_bytes < BYTES) {
            let mut parts = self.spare.pop().unwrap_or_default();
            let Some(span) = self.waiting.take(&mut parts, GAP) else {
                self.spare.push(parts);
                break;
            };
            hint(span, self.told.is_empty());
            self.told_bytes += span.len;
            self.told.push_back((span, parts));
        }
        let (span, parts) = self.told.pop_front()?;
        self.told_bytes -= span.len;
        Some((span, parts))
    }

    /// Takes the list of a read back that is done.
    pub(super) fn done(&mut self, parts: Vec<Part>) {
        self.spare.push(parts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::file::DiskFile;
    use std::os::unix::fs::FileExt;

    #[test]
    fn short_reads_are_bounded_in_number_and_long_ones_in_bytes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all_at(&vec![7; 20 << 20], 0).unwrap();
        let disk = DiskFile::open(file.path()).unwrap();
        // Too far from each other to be merged, or too long for it.
        for (len, every, requests, told) in [(4 << 10, 128 << 10, 100, READS), (1 << 20, 1 << 20, 20, 8)] {
            let mut queue = Hinted::new(Waiting::new(&disk));
            let mut ready = VecDeque::new();
            for tag in 0..requests {
                queue.push(tag, ByteRange::new(tag * every, len), &mut ready);
            }
            assert!(ready.is_empty());
            let mut hints = Vec::new();
            for number in 0..requests {
                let (span, parts) = queue.next(|span, first| hints.push((span.start, first))).unwrap();
                assert_eq!((span, parts.len()), (ByteRange::new(number * every, len), 1));
                assert_eq!(hints.len(), (number as usize + told).min(requests as usize));
                queue.done(parts);
            }
            assert!(queue.next(|_, _| ()).is_none());
            assert!(hints.windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert_eq!(hints.iter().filter(|(_, first)| *first).count(), 1);
        }
    }
}
