//! Windows of a file that lies on the disk as it is, read ahead: while one is parsed, the disk reads the next ones.

use coldread_fsparse::{
    source::{Piece, ReadQueue},
    survey::Extent,
};
use coldread_model::ByteRange;
use std::collections::VecDeque;

/// A window that was asked for.
struct Coming {
    start: u64,
    bytes: Vec<u8>,
    /// Bytes that are still to come.
    left: u64,
    /// Of each request, which number up from `first`, where it lies on the volume and in the window.
    requests: Vec<(ByteRange, usize)>,
    first: u64,
    failed: bool,
}

impl Coming {
    /// Puts what a request gave in its place.
    fn take(&mut self, number: usize, offset: u64, result: Result<Piece, ()>) {
        let Some((range, at)) = self.requests.get(number) else { return };
        let skip = offset.saturating_sub(range.start);
        let place = at.saturating_add(skip as usize)..at.saturating_add(range.len as usize);
        match (result, self.bytes.get_mut(place)) {
            (Ok(Piece::Bytes(buf)), Some(room)) if buf.len() <= room.len() => {
                room[..buf.len()].copy_from_slice(&buf);
                self.left = self.left.saturating_sub(buf.len() as u64);
            }
            (Ok(Piece::Zeros(len)), Some(room)) if len <= room.len() as u64 => {
                room[..len as usize].fill(0);
                self.left = self.left.saturating_sub(len);
            }
            _ => self.failed = true,
        }
    }
}

/// Windows that were asked for, in order.
#[derive(Default)]
pub(super) struct Ahead {
    coming: VecDeque<Coming>,
    /// Requests so far: each has a number of its own.
    asked: u64,
    /// Room of a window that is no longer needed.
    spare: Vec<u8>,
}

impl Ahead {
    /// Whether nothing is under way: the queue may be used for something else.
    pub(super) fn is_idle(&self) -> bool {
        self.coming.is_empty()
    }

    /// Where the windows begin that were asked for.
    pub(super) fn expected(&self) -> impl Iterator<Item = u64> {
        self.coming.iter().map(|coming| coming.start)
    }

    /// Room for a window that is asked for next.
    pub(super) fn recycle(&mut self, bytes: Vec<u8>) {
        self.spare = bytes;
    }

    /// Asks for a window of `len` bytes at `start`, whose extents count from there.
    pub(super) fn ask(&mut self, start: u64, len: usize, extents: &[Extent], queue: &mut dyn ReadQueue) {
        let mut bytes = std::mem::take(&mut self.spare);
        let written = extents.iter().filter(|extent| !extent.unwritten && extent.len > 0);
        let requests: Vec<_> = written
            .map(|extent| (ByteRange::new(extent.physical, extent.len), extent.logical as usize))
            .collect();
        let left = requests.iter().map(|(range, _)| range.len).sum();
        if left < len as u64 {
            bytes.clear();
        }
        bytes.resize(len, 0);
        let first = self.asked;
        for (range, _) in &requests {
            queue.push(self.asked, *range);
            self.asked += 1;
        }
        self.coming.push_back(Coming { start, bytes, left, requests, first, failed: false });
    }

    /// The first window that was asked for, once it is there; nothing where it cannot be read whole. Then all others
    /// are given up too, and the queue with them.
    pub(super) fn next(&mut self, queue: &mut dyn ReadQueue) -> Option<Vec<u8>> {
        while self.coming.front().is_some_and(|first| first.left > 0 && !first.failed) {
            let Some(done) = queue.next() else { break };
            let of = |coming: &&mut Coming| {
                (coming.first..coming.first + coming.requests.len() as u64).contains(&done.tag)
            };
            if let Some(coming) = self.coming.iter_mut().find(of) {
                coming.take((done.tag - coming.first) as usize, done.offset, done.result.map_err(drop));
            }
        }
        match self.coming.pop_front() {
            Some(first) if first.left == 0 && !first.failed => Some(first.bytes),
            _ => {
                self.coming.clear();
                None
            }
        }
    }
}
