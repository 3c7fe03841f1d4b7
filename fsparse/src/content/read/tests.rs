use super::*;
use crate::{
    content::digest::{DigestSink, digest_of},
    source::{Buf, Completion, Memory},
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
    fn bytes(&self) -> &[u8] {
        &self.bytes
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
