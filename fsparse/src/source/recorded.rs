//! A source that keeps a record of what it was asked for: to count requests and bytes exactly, and to read
//! the same ranges again by other means.

use super::{BlockSource, Completion, MappedRange, ReadQueue, SharedSource, SourceError};
use coldread_model::ByteRange;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A source and every range that was asked of it, by all queues together, in the order of asking.
pub struct Recorded {
    parent: SharedSource,
    asked: Mutex<Vec<ByteRange>>,
}

impl Recorded {
    /// `parent`, of which nothing was asked yet.
    pub fn new(parent: SharedSource) -> Self {
        Self { parent, asked: Mutex::default() }
    }

    /// Takes the ranges that were asked for since the last call, repeated ones repeatedly.
    pub fn take(&self) -> Vec<ByteRange> {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ByteRange>> {
        // A list is whole after every push, whatever became of the thread that made it.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlockSource for Recorded {
    fn size_bytes(&self) -> u64 {
        self.parent.size_bytes()
    }

    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError> {
        self.parent.map(range)
    }

    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError> {
        Ok(Box::new(RecordedQueue { source: self, queue: self.parent.open_queue()? }))
    }
}

struct RecordedQueue<'a> {
    source: &'a Recorded,
    queue: Box<dyn ReadQueue + 'a>,
}

impl ReadQueue for RecordedQueue<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        self.source.lock().push(range);
        self.queue.push(tag, range);
    }

    fn next(&mut self) -> Option<Completion> {
        self.queue.next()
    }

    fn next_ready(&mut self) -> Option<Completion> {
        self.queue.next_ready()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Piece, memory::MemorySource};
    use std::sync::Arc;

    #[test]
    fn every_range_asked_of_any_queue_is_kept_once_and_answered_as_before() {
        let source = Recorded::new(Arc::new(MemorySource::new((0..100).collect())));
        let mut answered = Vec::new();
        for (tag, start) in [(1, 90), (2, 10), (2, 10)] {
            let mut queue = source.open_queue().unwrap();
            queue.push(tag, ByteRange::new(start, 2));
            while let Some(done) = queue.next() {
                let Ok(Piece::Bytes(bytes)) = done.result else { panic!("{done:?}") };
                answered.push((done.tag, done.offset, bytes.to_vec()));
            }
        }
        assert_eq!(answered, [(1, 90, vec![90, 91]), (2, 10, vec![10, 11]), (2, 10, vec![10, 11])]);
        assert_eq!(source.take(), [ByteRange::new(90, 2), ByteRange::new(10, 2), ByteRange::new(10, 2)]);
        assert_eq!(source.take(), []);
    }
}
