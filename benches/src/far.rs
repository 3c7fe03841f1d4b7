//! A source that is far away: every read is answered after a fixed time, and so many are served at once, as a
//! snapshot behind a network is.

use coldread_fsparse::source::{BlockSource, Completion, MappedRange, ReadQueue, SharedSource, SourceError};
use coldread_model::ByteRange;
use std::{
    collections::{BTreeMap, VecDeque},
    thread,
    time::{Duration, Instant},
};

/// Reads under way at most.
const AT_ONCE: usize = 64;
/// Requests this near to each other are one read of at most so many bytes: the rule of Coldread's readers.
const GAP: u64 = 64 << 10;
const MAX_READ: u64 = 1 << 20;

/// A source whose answers take a while.
pub struct Far {
    near: SharedSource,
    delay: Duration,
}

impl Far {
    /// `near`, of which each read takes `delay`.
    pub fn new(near: SharedSource, delay: Duration) -> Self {
        Self { near, delay }
    }
}

impl BlockSource for Far {
    fn size_bytes(&self) -> u64 {
        self.near.size_bytes()
    }

    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError> {
        self.near.map(range)
    }

    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError> {
        Ok(Box::new(FarQueue {
            delay: self.delay,
            near: self.near.open_queue()?,
            pushed: 0,
            waiting: BTreeMap::new(),
            under_way: VecDeque::new(),
            ready: VecDeque::new(),
        }))
    }
}

/// A request: its tag and its range.
type Asked = (u64, ByteRange);

struct FarQueue<'a> {
    delay: Duration,
    near: Box<dyn ReadQueue + 'a>,
    pushed: u64,
    /// By where they start, and by their turn.
    waiting: BTreeMap<(u64, u64), Asked>,
    /// Reads and when they are answered: the first started is the first answered.
    under_way: VecDeque<(Instant, Vec<Asked>)>,
    ready: VecDeque<Completion>,
}

impl FarQueue<'_> {
    /// The next read: the lowest request with those that lie near behind it.
    fn merged(&mut self) -> Vec<Asked> {
        let mut read: Vec<Asked> = Vec::new();
        let mut span = ByteRange::default();
        while let Some(first) = self.waiting.first_entry() {
            let range = first.get().1;
            let end = range.end().max(span.end());
            if !read.is_empty() && (range.start > span.end() + GAP || end - span.start > MAX_READ) {
                break;
            }
            span = ByteRange::between(if read.is_empty() { range.start } else { span.start }, end);
            read.push(first.remove());
        }
        read
    }
}

impl ReadQueue for FarQueue<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        self.pushed += 1;
        self.waiting.insert((range.start, self.pushed), (tag, range));
    }

    fn next(&mut self) -> Option<Completion> {
        loop {
            if let Some(done) = self.ready.pop_front() {
                return Some(done);
            }
            while self.under_way.len() < AT_ONCE && !self.waiting.is_empty() {
                let read = self.merged();
                self.under_way.push_back((Instant::now() + self.delay, read));
            }
            let (due, read) = self.under_way.pop_front()?;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            for (tag, range) in read {
                self.near.push(tag, range);
            }
            while let Some(done) = self.near.next() {
                self.ready.push_back(done);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::source::{Piece, memory::MemorySource};
    use std::sync::Arc;

    #[test]
    fn every_request_is_answered_once_and_neighbours_are_one_read() {
        let near = Arc::new(MemorySource::new((0..4 << 20).map(|byte: u32| byte as u8).collect()));
        let far = Far::new(near, Duration::ZERO);
        let mut queue = far.open_queue().unwrap();
        let starts: Vec<u64> = (0..300).map(|request| request * 7919 % (4 << 20)).collect();
        for (tag, start) in starts.iter().enumerate() {
            queue.push(tag as u64, ByteRange::new(*start, 3));
        }
        let mut answered = vec![0; starts.len()];
        while let Some(done) = queue.next() {
            let Ok(Piece::Bytes(bytes)) = done.result else { panic!("{done:?}") };
            let start = starts[done.tag as usize];
            assert_eq!((done.offset, bytes[0]), (start, start as u8));
            answered[done.tag as usize] += bytes.len();
        }
        assert!(answered.iter().all(|len| *len == 3), "{answered:?}");

        let mut queue = FarQueue {
            delay: Duration::ZERO,
            near: far.near.open_queue().unwrap(),
            pushed: 0,
            waiting: BTreeMap::new(),
            under_way: VecDeque::new(),
            ready: VecDeque::new(),
        };
        for (tag, start) in [(0, 2 << 20), (1, 0), (2, GAP), (3, 2 * GAP + 9000)] {
            queue.push(tag, ByteRange::new(start, 4096));
        }
        let tags = |read: Vec<Asked>| read.into_iter().map(|(tag, _)| tag).collect::<Vec<_>>();
        assert_eq!(
            [tags(queue.merged()), tags(queue.merged()), tags(queue.merged())],
            [vec![1, 2], vec![3], vec![0]]
        );
    }
}
