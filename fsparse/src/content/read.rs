//! Keeping reads under way and putting their pieces into order.

mod alone;
mod unpack;

use super::{
    ContentError, Item, ItemEncoding, Sink,
    plan::{Step, Steps},
};
use crate::{
    fs::ntfs::wof::{Unpacker, WofError, chunks::Chunks},
    source::{Buf, Piece, ReadQueue},
    under_way::UnderWay,
};
use alone::only_read;
use coldread_model::ByteRange;
use std::collections::BTreeMap;
use unpack::unpack;

/// Bytes of one request.
const REQUEST_BYTES: u64 = 1 << 20;
/// Items under way at once: bounds what small files hold besides their bytes.
const MAX_ACTIVE: usize = 8192;
/// Requests since the oldest that is under way: one that hangs must not let others go on for ever.
const MAX_SPAN: usize = 1 << 16;

/// A piece that arrived before its turn.
enum Early {
    Piece(Piece),
    Failed(ContentError, u64),
}

impl Early {
    fn len(&self) -> u64 {
        match self {
            Self::Piece(piece) => piece.len(),
            Self::Failed(_, len) => *len,
        }
    }
}

/// An item of which something was asked or is still to be fed.
struct Active<'a> {
    item: usize,
    /// Goes ahead and asks; `rest` is what is left of its current step.
    asking: Steps<'a>,
    rest: Option<ByteRange>,
    asked_all: bool,
    /// Position in the bytes asked for, counted over the item's reads.
    asked: u64,
    /// Goes behind and feeds.
    feeding: Steps<'a>,
    step: Option<Step>,
    fed: u64,
    early: BTreeMap<u64, Early>,
    packed: Vec<u8>,
    packed_range: ByteRange,
    /// Apart, as few have any: thousands of items are under way.
    chunks: Option<Box<Chunks>>,
    outstanding: u32,
    failed: bool,
}

/// Whose a request is.
enum Asker<'a> {
    /// The item in this slot.
    Slot(usize),
    /// An item of which there is nothing else, and its index.
    Alone(usize, Item<'a>),
}

/// A request under way.
struct Request<'a> {
    asker: Asker<'a>,
    /// Position of its first byte in the bytes asked for.
    position: u64,
    range: ByteRange,
    left: u64,
}

/// Reads `items` in the order given and feeds `sink`, with at most about `budget` bytes asked for and not
/// yet fed, those of compressed units that are not whole yet included. `items` gives index and item; the index
/// comes back in the sink's calls.
pub fn read_items<'a>(
    items: impl IntoIterator<Item = (usize, Item<'a>)>,
    queue: &mut dyn ReadQueue,
    budget: u64,
    sink: &mut dyn Sink,
) {
    let mut reader = Reader {
        slots: Vec::new(),
        free: Vec::new(),
        asking: Vec::new(),
        requests: UnderWay::default(),
        alone: 0,
        whole: Vec::new(),
        held: 0,
        unpacked: Vec::new(),
        unpacker: Unpacker::default(),
    };
    let mut items = items.into_iter().fuse();
    while !sink.stop() {
        // What a unit lacks may not be asked for yet, however much there is of it.
        while (reader.held < budget.max(1) && reader.requests.span() < MAX_SPAN) || reader.requests.is_empty()
        {
            if !reader.ask_next(queue) {
                if reader.slots.len() - reader.free.len() + reader.alone >= MAX_ACTIVE {
                    break;
                }
                let Some((index, item)) = items.next() else { break };
                if let Some(range) = only_read(&item) {
                    reader.ask_alone(index, item, range, queue);
                    continue;
                }
                let slot = reader.activate(index, item);
                reader.asking.push(slot);
                reader.feed(slot, sink);
            }
        }
        let ready = queue.next_ready();
        if ready.is_none() {
            reader.feed_whole(sink);
        }
        let Some(done) = ready.or_else(|| queue.next()) else {
            if reader.requests.is_empty() {
                break;
            }
            reader.give_up(sink);
            break;
        };
        let Some(request) = reader.requests.get(done.tag) else { continue };
        let slot = match &request.asker {
            Asker::Slot(slot) => *slot,
            Asker::Alone(index, item) => {
                let (index, item) = (*index, item.clone());
                match done.result {
                    Ok(piece) if piece.len() == request.range.len => {
                        reader.feed_alone(done.tag, index, piece, sink);
                        continue;
                    }
                    _ => reader.divide(done.tag, index, item),
                }
            }
        };
        let Some(request) = reader.requests.get(done.tag) else { continue };
        let position = request.position + done.offset.saturating_sub(request.range.start);
        let early = match done.result {
            Ok(piece) => Early::Piece(piece),
            Err(error) => {
                let range = ByteRange::new(done.offset, error.len);
                Early::Failed(ContentError::Io { range, reason: error.error.to_string() }, error.len)
            }
        };
        request.left = request.left.saturating_sub(early.len());
        if request.left == 0 {
            reader.requests.remove(done.tag);
            if let Some(active) = &mut reader.slots[slot] {
                active.outstanding -= 1;
            }
        }
        if let Some(active) = &mut reader.slots[slot] {
            active.early.insert(position, early);
        }
        reader.feed(slot, sink);
        // What has to wait for its turn must not keep all that was read with it from being read into again: the budget
        // counts its own bytes alone.
        let waiting = reader.slots[slot].as_mut().and_then(|active| active.early.get_mut(&position));
        if let Some(Early::Piece(Piece::Bytes(bytes))) = waiting {
            bytes.settle();
        }
    }
}

struct Reader<'a> {
    slots: Vec<Option<Active<'a>>>,
    free: Vec<usize>,
    /// The slot that still has something to ask, if any: items ask one after the other.
    asking: Vec<usize>,
    requests: UnderWay<Request<'a>>,
    /// How many of them are of items alone.
    alone: usize,
    /// Such items of which all is there: they are fed before anything is waited for.
    whole: Vec<(usize, Buf)>,
    /// Bytes asked for and not yet fed or unpacked.
    held: u64,
    unpacked: Vec<u8>,
    unpacker: Unpacker,
}

impl<'a> Reader<'a> {
    fn activate(&mut self, index: usize, item: Item<'a>) -> usize {
        let steps = Steps::new(item);
        let active = Active {
            item: index,
            asking: steps.clone(),
            rest: None,
            asked_all: false,
            asked: 0,
            feeding: steps,
            step: None,
            fed: 0,
            early: BTreeMap::new(),
            packed: Vec::new(),
            packed_range: ByteRange::default(),
            chunks: None,
            outstanding: 0,
            failed: false,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(active);
        slot
    }

    /// Asks for the next bytes of the item whose turn it is; false where no item has any left to ask for.
    fn ask_next(&mut self, queue: &mut dyn ReadQueue) -> bool {
        while let Some(&slot) = self.asking.first() {
            let Some(active) = &mut self.slots[slot] else {
                self.asking.remove(0);
                continue;
            };
            while active.rest.is_none() && !active.asked_all && !active.failed {
                match active.asking.next() {
                    Some(Step::Read(range) | Step::Packed(range) | Step::Chunks(range)) => {
                        active.rest = Some(range);
                    }
                    Some(Step::Zeros(_) | Step::Unpack { .. } | Step::InlineChunks | Step::EndOfChunks) => {}
                    None => active.asked_all = true,
                }
            }
            let Some(rest) = active.rest.filter(|_| !active.failed) else {
                self.asking.remove(0);
                continue;
            };
            let range = ByteRange::new(rest.start, rest.len.min(REQUEST_BYTES));
            active.rest = Some(ByteRange::between(range.end(), rest.end())).filter(|rest| !rest.is_empty());
            let request =
                Request { asker: Asker::Slot(slot), position: active.asked, range, left: range.len };
            active.asked += range.len;
            active.outstanding += 1;
            self.held += range.len;
            queue.push(self.requests.add(request), range);
            return true;
        }
        false
    }

    /// Feeds what is there in order; frees the slot when the item is over and nothing is outstanding.
    fn feed(&mut self, slot: usize, sink: &mut dyn Sink) {
        let Some(active) = &mut self.slots[slot] else { return };
        while !active.failed {
            if active.step.is_none() {
                active.step = active.feeding.next();
            }
            match active.step {
                None => break,
                Some(Step::Zeros(len)) => {
                    sink.zeros(active.item, len);
                    active.step = None;
                }
                Some(Step::Unpack { at, len, keep }) => {
                    self.held = self.held.saturating_sub(active.packed.len() as u64);
                    if let Err(reason) = unpack(&active.packed, &mut self.unpacked, keep) {
                        let range = active.packed_range;
                        sink.failed(active.item, ContentError::Corrupt { at, range, reason });
                        active.packed.clear();
                        active.failed = true;
                        break;
                    }
                    sink.bytes(active.item, &self.unpacked);
                    if (self.unpacked.len() as u64) < len {
                        sink.zeros(active.item, len - self.unpacked.len() as u64);
                    }
                    active.packed.clear();
                    active.step = None;
                }
                Some(Step::InlineChunks) => {
                    let bytes = match active.feeding.encoding() {
                        ItemEncoding::WofInline(_, bytes) => bytes,
                        _ => &[],
                    };
                    active.unpack_chunks(bytes, &mut self.unpacker, &mut self.unpacked, sink);
                    active.step = Some(Step::EndOfChunks);
                }
                Some(Step::EndOfChunks) => {
                    if active.chunks.as_ref().is_none_or(|chunks| !chunks.is_over()) {
                        active.chunks_failed(WofError::Short, sink);
                    }
                    active.step = None;
                }
                Some(Step::Chunks(range)) => {
                    let Some(early) = active.early.remove(&active.fed) else { break };
                    self.held = self.held.saturating_sub(early.len());
                    active.fed += early.len();
                    let left = ByteRange::between(range.start.saturating_add(early.len()), range.end());
                    active.packed_range = range;
                    match early {
                        Early::Piece(Piece::Bytes(bytes)) => {
                            active.unpack_chunks(&bytes, &mut self.unpacker, &mut self.unpacked, sink);
                        }
                        Early::Piece(Piece::Zeros(len)) => {
                            // At most a request's bytes.
                            let zeros = vec![0; len as usize];
                            active.unpack_chunks(&zeros, &mut self.unpacker, &mut self.unpacked, sink);
                        }
                        Early::Failed(error, _) => {
                            sink.failed(active.item, error);
                            active.failed = true;
                        }
                    }
                    active.step = (!left.is_empty()).then_some(Step::Chunks(left));
                }
                Some(Step::Read(range) | Step::Packed(range)) => {
                    let Some(early) = active.early.remove(&active.fed) else { break };
                    let packed = matches!(active.step, Some(Step::Packed(_)));
                    let piece = match early {
                        Early::Piece(piece) => piece,
                        Early::Failed(error, len) => {
                            self.held = self.held.saturating_sub(len);
                            sink.failed(active.item, error);
                            active.failed = true;
                            break;
                        }
                    };
                    let len = piece.len();
                    if !packed {
                        self.held = self.held.saturating_sub(len);
                    }
                    if packed && active.packed.is_empty() {
                        active.packed_range = range;
                    }
                    match piece {
                        Piece::Bytes(bytes) if packed => active.packed.extend_from_slice(&bytes),
                        Piece::Bytes(bytes) => sink.bytes(active.item, &bytes),
                        // A unit has at most a few clusters; its length was bounded when it was planned.
                        Piece::Zeros(len) if packed => {
                            active.packed.resize(active.packed.len() + len as usize, 0);
                        }
                        Piece::Zeros(len) => sink.zeros(active.item, len),
                    }
                    active.fed += len;
                    let left = ByteRange::between(range.start.saturating_add(len), range.end());
                    active.step = (!left.is_empty()).then_some(if packed {
                        Step::Packed(left)
                    } else {
                        Step::Read(left)
                    });
                }
            }
        }
        if active.failed {
            let early = std::mem::take(&mut active.early).into_values();
            let dropped = early.fold(active.packed.len() as u64, |sum, early| sum + early.len());
            self.held = self.held.saturating_sub(dropped);
            active.packed.clear();
        }
        if active.packed.is_empty() {
            // Thousands of items may wait between two units.
            active.packed = Vec::new();
        }
        let over = active.failed || active.step.is_none();
        if over && active.outstanding == 0 {
            if !active.failed {
                sink.done(active.item);
            }
            self.slots[slot] = None;
            self.asking.retain(|&asking| asking != slot);
            self.free.push(slot);
        }
    }

    /// The queue ended with requests outstanding: each item concerned fails.
    fn give_up(&mut self, sink: &mut dyn Sink) {
        let slots = self.slots.iter_mut().filter_map(Option::take);
        let in_slots = slots.filter(|active| !active.failed).map(|active| active.item);
        let alone = self.requests.take_all().filter_map(|request| match request.asker {
            Asker::Alone(index, _) => Some(index),
            Asker::Slot(_) => None,
        });
        for item in in_slots.chain(alone) {
            let reason = "the queue ended before its requests".to_owned();
            sink.failed(item, ContentError::Io { range: ByteRange::default(), reason });
        }
    }
}

#[cfg(test)]
mod tests;
