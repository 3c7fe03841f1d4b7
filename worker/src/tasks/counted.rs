//! A source that tells a task's context what is read of it, whoever reads.

use super::TaskContext;
use coldread_fsparse::source::{
    BlockSource, Completion, MappedRange, Piece, ReadQueue, SharedSource, SourceError,
};
use coldread_model::ByteRange;

/// A source whose bytes are counted as they come.
pub(super) struct Counted<'a> {
    source: SharedSource,
    context: &'a dyn TaskContext,
}

impl<'a> Counted<'a> {
    /// Counts what is read of `source`.
    pub(super) fn new(source: SharedSource, context: &'a dyn TaskContext) -> Self {
        Self { source, context }
    }
}

impl BlockSource for Counted<'_> {
    fn size_bytes(&self) -> u64 {
        self.source.size_bytes()
    }

    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError> {
        self.source.map(range)
    }

    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError> {
        Ok(Box::new(CountedQueue { queue: self.source.open_queue()?, context: self.context }))
    }
}

struct CountedQueue<'a> {
    queue: Box<dyn ReadQueue + 'a>,
    context: &'a dyn TaskContext,
}

impl CountedQueue<'_> {
    fn count(&self, next: Option<&Completion>) {
        if let Some(Completion { result: Ok(Piece::Bytes(bytes)), .. }) = next {
            self.context.progress(bytes.len() as u64);
        }
    }
}

impl ReadQueue for CountedQueue<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        self.queue.push(tag, range);
    }

    fn next(&mut self) -> Option<Completion> {
        let next = self.queue.next();
        self.count(next.as_ref());
        next
    }

    fn next_ready(&mut self) -> Option<Completion> {
        let next = self.queue.next_ready();
        self.count(next.as_ref());
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::in_memory::Objects;
    use coldread_fsparse::source::memory::MemorySource;
    use std::sync::Arc;

    #[test]
    fn what_is_read_is_counted_and_what_cannot_be_is_not() {
        let disk = MemorySource::new(vec![7; 16 << 10]).with_bad(vec![ByteRange::new(8192, 512)]);
        let context = Objects::default();
        let source = Counted::new(Arc::new(disk), &context);
        assert_eq!(source.size_bytes(), 16 << 10);
        let mut queue = source.open_queue().unwrap();
        queue.push(1, ByteRange::new(1000, 3000));
        queue.push(2, ByteRange::new(8192, 512));
        let (mut read, mut failed) = (0, 0);
        while let Some(done) = queue.next() {
            match done.result {
                Ok(piece) => read += piece.len(),
                Err(piece) => failed += piece.len,
            }
        }
        assert_eq!((read, failed, context.read()), (3000, 512, 3000));
    }
}
