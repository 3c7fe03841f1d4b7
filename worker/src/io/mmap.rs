//! A memory map: windows without a copy.
//!
//! Touching a mapped page that cannot be read (a bad sector, or a file that has become shorter) kills the
//! process with `SIGBUS`. So no window is handed out untouched: `MADV_POPULATE_READ` brings its pages in
//! and reports as an error what would have been a signal, the file's size is compared again (behind the end
//! in the last page the kernel shows zeros), and a window that fails is halved down to single blocks. Linux
//! before 5.14 has no such call, and there this reader is refused.
//!
//! **The risk that stays.** A file that is cut, or a page that is evicted and then cannot be read again,
//! after its window was handed out and before it was used, is still a `SIGBUS`; and bytes that another
//! process writes change under the consumer's eyes. `--io auto` therefore never picks this reader; it is
//! for images that nobody writes.

use super::{
    file::DiskFile,
    hinted::Hinted,
    holes,
    waiting::{Filled, Waiting, answer},
};
use coldread_fsparse::source::{BlockSource, Completion, MappedRange, Memory, Piece, ReadQueue, SourceError};
use coldread_model::ByteRange;
use memmap2::{Advice, Mmap, MmapOptions};
use std::{collections::VecDeque, io, sync::Arc};

struct Map(Mmap);

impl Memory for Map {
    fn size(&self) -> usize {
        self.0.len()
    }

    fn window(&self, start: usize, len: usize) -> &[u8] {
        &self.0[start..start + len]
    }

    fn withheld(&self) -> usize {
        0
    }
}

/// A file or device read through a memory map.
pub(super) struct MmapSource {
    file: Arc<DiskFile>,
    map: Arc<Map>,
}

impl MmapSource {
    /// Maps `file`, or says why not.
    pub(super) fn new(file: Arc<DiskFile>) -> Result<Self, String> {
        let len = usize::try_from(file.size())
            .map_err(|_| "it is larger than this process can address".to_owned())?;
        // SAFETY: the map is private to us and read only. Rust wants its bytes never to change, which no
        // process can promise for a file; the module's documentation states the rule and the risk.
        let map = unsafe { MmapOptions::new().len(len).map(file.cached()) }
            .map_err(|error| format!("mmap failed: {error}"))?;
        let test = map.advise_range(Advice::PopulateRead, 0, 1);
        if test.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)) {
            return Err("a map is read safely from Linux 5.14 on (MADV_POPULATE_READ)".to_owned());
        }
        // The queue says what comes next. A hint, so its failure changes nothing.
        let _ = map.advise(Advice::Random);
        Ok(Self { file, map: Arc::new(Map(map)) })
    }

    /// Brings the pages of `span` in, up to `end`; returns what could not be had, in order.
    fn bring_in(&self, span: ByteRange, end: u64) -> Vec<(ByteRange, SourceError)> {
        let mut bad: Vec<(ByteRange, SourceError)> = Vec::new();
        let mut fail = |range: ByteRange, reason: String| match bad.last_mut() {
            Some((last, error)) if last.end() >= range.start => {
                *last = ByteRange::between(last.start, range.end());
                *error = self.file.error(*last, reason);
            }
            _ => bad.push((range, self.file.error(range, reason))),
        };
        let end = end.min(self.file.size());
        let mut todo = vec![ByteRange::between(span.start, span.end().min(end))];
        while let Some(part) = todo.pop() {
            match self.populate(part) {
                Ok(()) => {}
                Err(_) if part.len > self.file.block() => {
                    let blocks = part.len.div_ceil(self.file.block());
                    let middle = part.start + blocks / 2 * self.file.block();
                    todo.push(ByteRange::between(middle, part.end()));
                    todo.push(ByteRange::between(part.start, middle));
                }
                Err(error) => fail(part, error.to_string()),
            }
        }
        match self.file.size_now() {
            Ok(size) if size >= end => {}
            Ok(size) => {
                let gone = ByteRange::between(size.max(span.start), end);
                bad.retain(|(range, _)| range.start < gone.start);
                if let Some((last, _)) = bad.last_mut() {
                    *last = ByteRange::between(last.start, last.end().min(gone.start));
                }
                let reason = format!("it ends at {size}: it has shrunk since it was opened");
                bad.push((gone, self.file.error(gone, reason)));
            }
            Err(error) => bad = vec![(span, self.file.error(span, error.to_string()))],
        }
        bad
    }

    fn populate(&self, range: ByteRange) -> io::Result<()> {
        loop {
            match self.map.0.advise_range(Advice::PopulateRead, range.start as usize, range.len as usize) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A fault that would be a signal; "bad address" would only confuse.
                Err(error) if error.raw_os_error() == Some(libc::EFAULT) => {
                    return Err(io::Error::from_raw_os_error(libc::EIO));
                }
                other => return other,
            }
        }
    }
}

impl BlockSource for MmapSource {
    fn size_bytes(&self) -> u64 {
        self.file.size()
    }

    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError> {
        Ok(holes::map(&self.file, range))
    }

    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError> {
        let memory = Arc::clone(&self.map) as Arc<dyn Memory>;
        let requests = Hinted::new(Waiting::new(&self.file));
        Ok(Box::new(MmapQueue { source: self, memory, requests, ready: VecDeque::new() }))
    }
}

struct MmapQueue<'a> {
    source: &'a MmapSource,
    memory: Arc<dyn Memory>,
    requests: Hinted<'a>,
    ready: VecDeque<Completion>,
}

/// Brings a short window into the processor's cache that is handed out next, while its consumer parses the one before:
/// blocks of directories lie here and there, and waiting for memory takes longer than reading them.
#[cfg(target_arch = "x86_64")]
fn fetch(window: &[u8]) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    /// Longer windows are not fetched: their start is the smallest part of them, and the rest is read in order, which
    /// the processor finds out by itself.
    const MAX_FETCHED: usize = 16 << 10;
    /// Bytes of a line of the processor's cache.
    const LINE: usize = 64;
    if window.len() <= MAX_FETCHED {
        for line in window.chunks(LINE) {
            // SAFETY: it is a hint, which touches nothing that the program can see, at the start of a slice.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
        }
    }
}

/// Other processors wait.
#[cfg(not(target_arch = "x86_64"))]
fn fetch(_: &[u8]) {}

impl ReadQueue for MmapQueue<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        self.requests.push(tag, range, &mut self.ready);
    }

    fn next(&mut self) -> Option<Completion> {
        loop {
            if let Some(done) = self.next_ready() {
                return Some(done);
            }
            let source = self.source;
            let (span, parts) = self.requests.next(|span, _| {
                let inside = span.intersect(ByteRange::new(0, source.file.size()));
                // With random advice a fault brings one page; this brings them all. A hint only.
                let _ =
                    source.map.0.advise_range(Advice::WillNeed, inside.start as usize, inside.len as usize);
            })?;
            let bad = self.source.bring_in(span, super::salvage::wanted_end(&parts));
            answer(&parts, &Filled { memory: &self.memory, offset: 0, start: 0 }, &bad, &mut self.ready);
            self.requests.done(parts);
        }
    }

    fn next_ready(&mut self) -> Option<Completion> {
        let done = self.ready.pop_front()?;
        if let Some(Completion { result: Ok(Piece::Bytes(next)), .. }) = self.ready.front() {
            fetch(next);
        }
        Some(done)
    }
}
