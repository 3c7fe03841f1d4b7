//! Items that one request asks for: most files are small.
//!
//! They get no slot unless their bytes come in parts. To keep account of each took a quarter of the time in which it is
//! hashed.

use super::{
    super::{
        Item, Sink,
        plan::{Step, Steps},
    },
    Asker, REQUEST_BYTES, Reader, Request,
};
use crate::source::{Piece, ReadQueue};
use coldread_model::ByteRange;

/// The bytes of the volume that an item is, where a single request asks for all of it.
pub(super) fn only_read(item: &Item<'_>) -> Option<ByteRange> {
    match Steps::new(item.clone()).next() {
        Some(Step::Read(range)) if range.len == item.size && range.len <= REQUEST_BYTES => Some(range),
        _ => None,
    }
}

/// So many items are fed at once, at most.
const AT_ONCE: usize = 32;

impl<'a> Reader<'a> {
    /// Asks for all of an item.
    pub(super) fn ask_alone(
        &mut self,
        index: usize,
        item: Item<'a>,
        range: ByteRange,
        queue: &mut dyn ReadQueue,
    ) {
        let request = Request { asker: Asker::Alone(index, item), position: 0, range, left: range.len };
        self.alone += 1;
        self.held += range.len;
        queue.push(self.requests.add(request), range);
    }

    /// Feeds all of an item, with others that came with it.
    pub(super) fn feed_alone(&mut self, tag: u64, index: usize, piece: Piece, sink: &mut dyn Sink) {
        self.requests.remove(tag);
        self.alone -= 1;
        self.held = self.held.saturating_sub(piece.len());
        match piece {
            Piece::Bytes(bytes) => {
                self.whole.push((index, bytes));
                if self.whole.len() >= AT_ONCE {
                    self.feed_whole(sink);
                }
            }
            Piece::Zeros(len) => {
                sink.zeros(index, len);
                sink.done(index);
            }
        }
    }

    /// Feeds the items of which all is there.
    pub(super) fn feed_whole(&mut self, sink: &mut dyn Sink) {
        if !self.whole.is_empty() {
            sink.whole(&self.whole);
            self.whole.clear();
        }
    }

    /// Gives an item a slot, as if it had asked from there.
    pub(super) fn divide(&mut self, tag: u64, index: usize, item: Item<'a>) -> usize {
        let slot = self.activate(index, item);
        self.alone -= 1;
        if let (Some(active), Some(request)) = (&mut self.slots[slot], self.requests.get(tag)) {
            (active.asked_all, active.asked, active.outstanding) = (true, request.range.len, 1);
            request.asker = Asker::Slot(slot);
        }
        slot
    }
}
