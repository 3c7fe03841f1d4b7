//! Positioned reads through the page cache: for kernels and containers that refuse io_uring, for file
//! systems without `O_DIRECT`, and for files that are in the cache already.
//!
//! The kernel's own read-ahead is switched off (`POSIX_FADV_RANDOM`): the queue knows better what comes
//! next and tells the kernel of merged reads in advance (`POSIX_FADV_WILLNEED`; see [`super::hinted`]).

use super::{
    file::{DiskFile, RawRead},
    hinted::Hinted,
    holes,
    pool::Pool,
    salvage,
    waiting::{Filled, Part, Waiting, answer},
};
use coldread_fsparse::source::{BlockSource, Completion, MappedRange, Memory, ReadQueue, SourceError};
use coldread_model::ByteRange;
use rustix::fs::{Advice, fadvise};
use std::{collections::VecDeque, num::NonZeroU64, sync::Arc};

/// Slabs that a queue keeps at most: it reads one thing at a time.
const SLABS: u16 = 8;

/// A file or device read by `pread(2)`.
pub(super) struct PreadSource {
    file: Arc<DiskFile>,
    /// What is really read; tests put a failing disk here.
    raw: Arc<dyn RawRead>,
}

impl PreadSource {
    /// Reads `file`.
    pub(super) fn new(file: Arc<DiskFile>) -> Self {
        // A hint: file systems that do not take it read as they always do.
        let _ = fadvise(file.cached(), 0, None, Advice::Random);
        Self { raw: Arc::clone(&file) as Arc<dyn RawRead>, file }
    }

    /// Reads `raw` in the place of the file's bytes.
    #[cfg(test)]
    pub(super) fn over(file: Arc<DiskFile>, raw: Arc<dyn RawRead>) -> Self {
        Self { file, raw }
    }
}

impl BlockSource for PreadSource {
    fn size_bytes(&self) -> u64 {
        self.file.size()
    }

    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError> {
        Ok(holes::map(&self.file, range))
    }

    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError> {
        Ok(Box::new(PreadQueue {
            source: self,
            requests: Hinted::new(Waiting::new(&self.file)),
            pool: Pool::of(self.file.slabs().min(SLABS)),
            ready: VecDeque::new(),
        }))
    }
}

struct PreadQueue<'a> {
    source: &'a PreadSource,
    requests: Hinted<'a>,
    pool: Pool,
    ready: VecDeque<Completion>,
}

impl PreadQueue<'_> {
    fn read(&mut self, span: ByteRange, parts: &[Part]) {
        let file = &self.source.file;
        let mut room = match self.pool.take(span.len) {
            Ok(room) => room,
            Err(error) => {
                let bad = [(span, file.error(span, format!("no memory for it: {error}")))];
                let memory: Arc<dyn Memory> = Arc::new(Vec::new());
                let none = Filled { memory: &memory, offset: 0, start: span.start };
                answer(parts, &none, &bad, &mut self.ready);
                return;
            }
        };
        let end = salvage::wanted_end(parts);
        let bad = salvage::read(&*self.source.raw, file, room.bytes(), span, end, 0);
        let (memory, offset) = room.memory();
        answer(parts, &Filled { memory: &memory, offset, start: span.start }, &bad, &mut self.ready);
    }
}

impl ReadQueue for PreadQueue<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        self.requests.push(tag, range, &mut self.ready);
    }

    fn next(&mut self) -> Option<Completion> {
        loop {
            if let Some(done) = self.ready.pop_front() {
                return Some(done);
            }
            let file = self.source.file.cached();
            let (span, parts) = self.requests.next(|span, first| {
                // A read that is made at once gains nothing from a hint.
                if !first {
                    let _ = fadvise(file, span.start, NonZeroU64::new(span.len), Advice::WillNeed);
                }
            })?;
            self.read(span, &parts);
            self.requests.done(parts);
        }
    }

    fn next_ready(&mut self) -> Option<Completion> {
        self.ready.pop_front()
    }
}

impl Drop for PreadQueue<'_> {
    fn drop(&mut self) {
        std::mem::replace(&mut self.pool, Pool::of(0)).end();
    }
}
