use super::*;
use crate::{
    content::digest::{DigestSink, digest_of},
    source::{Buf, Completion, Memory, PieceError, SourceError},
    survey::Extent,
};
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Bytes of a buffer that is read into.
const BLOCK: usize = 64 << 10;

/// A buffer that counts as long as it is there.
struct Block {
    bytes: Vec<u8>,
    there: Arc<AtomicUsize>,
}

impl Memory for Block {
    fn size(&self) -> usize {
        self.bytes.len()
    }
    fn window(&self, start: usize, len: usize) -> &[u8] {
        &self.bytes[start..start + len]
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        self.there.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Answers the last request first, each out of a buffer of its own that has much more in it.
#[derive(Default)]
struct Backwards {
    asked: Vec<(u64, ByteRange)>,
    there: Arc<AtomicUsize>,
    most: usize,
}

impl ReadQueue for Backwards {
    fn push(&mut self, tag: u64, range: ByteRange) {
        self.asked.push((tag, range));
    }

    fn next(&mut self) -> Option<Completion> {
        let (tag, range) = self.asked.pop()?;
        self.most = self.most.max(1 + self.there.fetch_add(1, Ordering::Relaxed));
        let block = Block { bytes: vec![range.start as u8; BLOCK], there: Arc::clone(&self.there) };
        let result = Ok(Piece::Bytes(Buf::new(Arc::new(block), 5, range.len as usize)));
        Some(Completion { tag, offset: range.start, result })
    }
}

#[test]
fn pieces_that_wait_for_their_turn_keep_no_buffer() {
    let extents: Vec<_> = (0..100)
        .map(|at| Extent { logical: at * 1000, physical: (at * 77) << 20 | at, len: 1000, unwritten: false })
        .collect();
    let size = 100_000;
    let item = Item { size, initialized: size, encoding: ItemEncoding::Plain, extents: &extents };
    let (mut queue, mut sink) = (Backwards::default(), DigestSink::default());
    read_items([(0, item)], &mut queue, size, &mut sink);
    let bytes: Vec<u8> = (0..100).flat_map(|at| [at; 1000]).collect();
    assert_eq!(sink.results, [(0, Ok(digest_of(&bytes, size)))]);
    // The one that came last, while the one before it is fed.
    assert!(queue.most <= 2, "{} buffers", queue.most);
    assert_eq!(queue.there.load(Ordering::Relaxed), 0);
}

/// Bytes of all files that were asked for and are not hashed yet: now, and the most there were.
#[derive(Default)]
struct Open {
    now: Cell<u64>,
    most: Cell<u64>,
}

/// Answers first what lies first.
struct Sorted<'a> {
    asked: Vec<(u64, ByteRange)>,
    open: &'a Open,
}

impl ReadQueue for Sorted<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        self.asked.push((tag, range));
        self.open.now.set(self.open.now.get() + range.len);
        self.open.most.set(self.open.most.get().max(self.open.now.get()));
    }

    fn next(&mut self) -> Option<Completion> {
        let first = (0..self.asked.len()).min_by_key(|at| self.asked[*at].1.start)?;
        let (tag, range) = self.asked.remove(first);
        Some(Completion { tag, offset: range.start, result: Ok(Piece::Zeros(range.len)) })
    }
}

/// Counts files of two blocks.
struct Closing<'a> {
    open: &'a Open,
    done: u32,
}

impl Sink for Closing<'_> {
    fn bytes(&mut self, _: usize, _: &[u8]) {}
    fn zeros(&mut self, _: usize, _: u64) {}
    fn done(&mut self, _: usize) {
        self.done += 1;
        self.open.now.set(self.open.now.get() - 8192);
    }
    fn failed(&mut self, item: usize, error: ContentError) {
        panic!("{item}: {error}");
    }
}

#[test]
fn compressed_units_that_are_not_whole_yet_count() {
    // The first halves of all files lie before the second ones.
    let half = |file: u64, half: u64| Extent {
        logical: 4096 * half,
        physical: (half << 30) + 4096 * file,
        len: 4096,
        unwritten: false,
    };
    let extents: Vec<_> = (0..100).map(|file| [half(file, 0), half(file, 1)]).collect();
    for budget in [1, 40_000] {
        let open = Open::default();
        let (mut queue, mut sink) =
            (Sorted { asked: Vec::new(), open: &open }, Closing { open: &open, done: 0 });
        let encoding = ItemEncoding::Lznt1 { unit_bytes: 65536 };
        let items = extents.iter().map(|extents| Item { size: 65536, initialized: 65536, encoding, extents });
        read_items(items.enumerate(), &mut queue, budget, &mut sink);
        assert_eq!((sink.done, open.now.get()), (100, 0));
        assert!(open.most.get() <= budget + 8192, "{} bytes of {budget}", open.most.get());
    }
}

/// Answers each request in two parts, the second one first, or with an error for the first; the last request is not
/// answered.
#[derive(Default)]
struct InParts {
    asked: Vec<(u64, ByteRange)>,
    ready: Vec<Completion>,
}

impl ReadQueue for InParts {
    fn push(&mut self, tag: u64, range: ByteRange) {
        self.asked.push((tag, range));
    }

    fn next(&mut self) -> Option<Completion> {
        if self.ready.is_empty() && self.asked.len() > 1 {
            let (tag, range) = self.asked.remove(0);
            let half = range.len / 2;
            let first = if range.start == 0 {
                Ok(Piece::Zeros(half))
            } else {
                let error = SourceError::Io { context: "read".to_owned(), reason: "bad sector".to_owned() };
                Err(PieceError { len: half, error })
            };
            let bytes = vec![7; (range.len - half) as usize];
            let second = Buf::new(Arc::new(bytes), 0, (range.len - half) as usize);
            self.ready.push(Completion { tag, offset: range.start, result: first });
            self.ready.push(Completion { tag, offset: range.start + half, result: Ok(Piece::Bytes(second)) });
        }
        self.ready.pop()
    }
}

#[test]
fn a_file_of_one_read_may_come_in_parts_or_not_at_all() {
    let files = [0, 100, 200].map(|physical| [Extent { logical: 0, physical, len: 9, unwritten: false }]);
    let items =
        files.iter().map(|extents| Item { size: 9, initialized: 9, encoding: ItemEncoding::Plain, extents });
    let mut sink = DigestSink::default();
    read_items(items.enumerate(), &mut InParts::default(), 1 << 20, &mut sink);
    sink.results.sort_by_key(|result| result.0);
    let [(0, whole), (1, bad), (2, lost)] = &sink.results[..] else { panic!("{:?}", sink.results) };
    assert_eq!(*whole, Ok(digest_of(&[0, 0, 0, 0, 7, 7, 7, 7, 7], 9)));
    assert!(matches!(bad, Err(ContentError::Io { range, .. }) if *range == ByteRange::new(100, 4)));
    assert!(matches!(lost, Err(ContentError::Io { reason, .. }) if reason.contains("ended")));
}
