//! A source in memory, with bad sectors if wanted: for tests and for small things that were unpacked.

use super::{
    BlockSource, Buf, Completion, MappedRange, Mapping, Memory, Piece, PieceError, ReadQueue, SourceError,
};
use coldread_model::ByteRange;
use std::{collections::VecDeque, sync::Arc};

/// Bytes in memory. Ranges declared bad answer with an error for just those bytes.
#[derive(Clone)]
pub struct MemorySource {
    memory: Arc<dyn Memory>,
    bad: Vec<ByteRange>,
}

impl MemorySource {
    /// A source of these bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { memory: Arc::new(bytes), bad: Vec::new() }
    }

    /// The same bytes, of which `bad` (sorted, disjoint) cannot be read.
    pub fn with_bad(mut self, bad: Vec<ByteRange>) -> Self {
        self.bad = bad;
        self
    }
}

impl BlockSource for MemorySource {
    fn size_bytes(&self) -> u64 {
        self.memory.size() as u64
    }

    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError> {
        Ok(vec![MappedRange { range, mapping: Mapping::Data }])
    }

    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError> {
        Ok(Box::new(MemoryQueue { source: self, ready: VecDeque::new() }))
    }
}

struct MemoryQueue<'a> {
    source: &'a MemorySource,
    ready: VecDeque<Completion>,
}

impl ReadQueue for MemoryQueue<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        let size = self.source.size_bytes();
        let inside = range.intersect(ByteRange::new(0, size));
        let mut at = range.start;
        let fail = |ready: &mut VecDeque<Completion>, part: ByteRange, error: SourceError| {
            if !part.is_empty() {
                let result = Err(PieceError { len: part.len, error });
                ready.push_back(Completion { tag, offset: part.start, result });
            }
        };
        let bytes = |ready: &mut VecDeque<Completion>, part: ByteRange| {
            if !part.is_empty() {
                let buf = Buf::new(Arc::clone(&self.source.memory), part.start as usize, part.len as usize);
                ready.push_back(Completion { tag, offset: part.start, result: Ok(Piece::Bytes(buf)) });
            }
        };
        for bad in &self.source.bad {
            let part = bad.intersect(inside);
            if part.is_empty() || part.start < at {
                continue;
            }
            bytes(&mut self.ready, ByteRange::between(at, part.start));
            let error = SourceError::Io { context: "read".to_owned(), reason: "bad sector".to_owned() };
            fail(&mut self.ready, part, error);
            at = part.end();
        }
        bytes(&mut self.ready, ByteRange::between(at, inside.end()));
        let past = ByteRange::between(range.start.max(size), range.end());
        fail(&mut self.ready, past, SourceError::PastEnd { range, size });
    }

    fn next(&mut self) -> Option<Completion> {
        self.ready.pop_front()
    }

    fn next_ready(&mut self) -> Option<Completion> {
        self.ready.pop_front()
    }
}
