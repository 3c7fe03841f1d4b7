//! Freed blocks of the heap, kept for the next that need as much.
//!
//! Memory that is new to a process is cleared when it is first touched, and may have to be lent by a host first (see
//! [`super::huge`]): half of the time of a short listing. A worker goes from disk to disk and takes blocks of the same
//! sizes for each, so a few that it frees are kept as they are. A block is lent whole, though less was asked for: it
//! has room to grow in. As long as anybody has a block that is longer than all that may be kept, nothing is: large volumes
//! need the memory themselves.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes that are kept, at most.
const KEPT: usize = 64 << 20;
/// With more bytes in use than this (the rows of half a million files) there is no room for spare buffers.
const ROOMY: usize = 2 * KEPT;
/// Blocks that are kept, and blocks that are lent, at most.
const PLACES: usize = 24;

/// A mapping: its address and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) start: usize,
    pub(super) len: usize,
}

/// A few blocks, without memory of the heap.
#[derive(Debug)]
struct Blocks {
    list: [Block; PLACES],
    count: usize,
}

impl Blocks {
    const NONE: Self = Self { list: [Block { start: 0, len: 0 }; PLACES], count: 0 };

    fn all(&self) -> &[Block] {
        &self.list[..self.count]
    }

    /// Takes a block in, if there is a place.
    fn add(&mut self, block: Block) -> bool {
        let Some(place) = self.list.get_mut(self.count) else { return false };
        *place = block;
        self.count += 1;
        true
    }

    fn remove(&mut self, at: usize) -> Block {
        let block = self.list[at];
        self.count -= 1;
        self.list[at] = self.list[self.count];
        block
    }
}

/// Blocks that nobody has, and those that are longer than who has them knows.
#[derive(Debug)]
pub(super) struct Spare {
    kept: Blocks,
    lent: Blocks,
    /// Blocks in use that are longer than [`KEPT`].
    giants: usize,
    /// Bytes of the blocks in use.
    used: usize,
    /// What [`Spare::news`] has last told.
    told: Option<bool>,
}

static SPARE: Mutex<Spare> = Mutex::new(Spare::NONE);

/// The blocks of this process. Nothing may be allocated while they are held.
pub(super) fn blocks() -> MutexGuard<'static, Spare> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spare {
    const NONE: Self = Self { kept: Blocks::NONE, lent: Blocks::NONE, giants: 0, used: 0, told: None };

    /// Keeps a block that was freed. `false` where there is no room: it is the caller's to give back.
    pub(super) fn keep(&mut self, block: Block) -> bool {
        let kept: usize = self.kept.all().iter().map(|block| block.len).sum();
        self.giants == 0 && kept.saturating_add(block.len) <= KEPT && self.kept.add(block)
    }

    /// Notes that a block in use went from one length to another; 0 is none. Whether what is kept has to be given back.
    pub(super) fn resized(&mut self, from: usize, to: usize) -> bool {
        self.used = self.used.saturating_sub(from).saturating_add(to);
        match (from > KEPT, to > KEPT) {
            (false, true) => self.giants += 1,
            (true, false) => self.giants = self.giants.saturating_sub(1),
            _ => {}
        }
        to > KEPT
    }

    /// Whether so little is in use that there is room for buffers which nobody needs at the moment.
    pub(super) fn is_roomy(&self) -> bool {
        self.used <= ROOMY
    }

    /// Whether blocks are kept now, where that was not told before.
    pub(super) fn news(&mut self) -> Option<bool> {
        let keeps = self.giants == 0;
        (self.told.replace(keeps) != Some(keeps)).then_some(keeps)
    }

    /// The longest block that is kept, if it has `len` bytes and there is a place to note how long it is.
    pub(super) fn lend(&mut self, len: usize) -> Option<Block> {
        if self.lent.count == PLACES {
            return None;
        }
        let longest = (0..self.kept.count).max_by_key(|&at| self.kept.list[at].len)?;
        if self.kept.list[longest].len < len {
            return None;
        }
        let block = self.kept.remove(longest);
        self.used = self.used.saturating_add(block.len);
        if block.len > len {
            self.lent.add(block);
        }
        Some(block)
    }

    /// How long the block at `start` is, whose owner takes it to be `len` bytes long.
    pub(super) fn len_of(&self, start: usize, len: usize) -> usize {
        self.lent.all().iter().find(|block| block.start == start).map_or(len, |block| block.len)
    }

    /// The same, for a block that is given up or whose owner knows from now on.
    pub(super) fn forget(&mut self, start: usize, len: usize) -> usize {
        let at = self.lent.all().iter().position(|block| block.start == start);
        at.map_or(len, |at| self.lent.remove(at).len)
    }

    /// A block that is kept, taken out to be given back.
    pub(super) fn give_up(&mut self) -> Option<Block> {
        let last = self.kept.count.checked_sub(1)?;
        Some(self.kept.remove(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(start: usize, len: usize) -> Block {
        Block { start, len }
    }

    #[test]
    fn the_longest_is_lent_and_its_length_is_remembered() {
        let mut spare = Spare::NONE;
        assert!(spare.keep(block(1, 4)) && spare.keep(block(2, 9)) && spare.keep(block(3, 2)));
        assert_eq!(spare.lend(10), None);
        assert_eq!(spare.lend(3), Some(block(2, 9)));
        assert_eq!((spare.len_of(2, 3), spare.len_of(7, 3)), (9, 3));
        // One that is as long as was asked for needs no note.
        assert_eq!(spare.lend(4), Some(block(1, 4)));
        assert_eq!(spare.lent.count, 1);
        assert_eq!((spare.forget(2, 3), spare.forget(2, 3)), (9, 3));
        assert_eq!((spare.give_up(), spare.give_up()), (Some(block(3, 2)), None));
    }

    #[test]
    fn nothing_is_kept_while_somebody_has_a_giant() {
        let mut spare = Spare::NONE;
        assert!(spare.keep(block(1, 2)) && !spare.resized(0, KEPT) && spare.resized(KEPT, KEPT + 1));
        assert_eq!(spare.give_up(), Some(block(1, 2)));
        assert!(spare.resized(0, 2 * KEPT) && spare.resized(2 * KEPT, 3 * KEPT) && !spare.keep(block(1, 2)));
        assert_eq!((spare.news(), spare.news()), (Some(false), None));
        assert!(!spare.resized(KEPT + 1, 2) && !spare.keep(block(1, 2)) && spare.news().is_none());
        assert!(!spare.resized(3 * KEPT, 0) && spare.keep(block(1, 2)));
        assert_eq!((spare.news(), spare.news()), (Some(true), None));
    }

    #[test]
    fn there_is_room_while_little_is_in_use() {
        let mut spare = Spare::NONE;
        assert!(!spare.resized(0, KEPT) && !spare.resized(0, KEPT) && spare.is_roomy());
        assert!(!spare.resized(0, 1) && !spare.is_roomy());
        assert!(!spare.resized(KEPT, 0) && spare.keep(block(1, KEPT)) && spare.is_roomy());
        // What is lent again is in use as a whole.
        assert!(spare.lend(1).is_some() && !spare.is_roomy());
        assert!(spare.forget(1, 1) == KEPT && !spare.resized(KEPT, 0) && spare.is_roomy());
    }

    #[test]
    fn no_more_is_kept_and_lent_than_there_are_bytes_and_places() {
        let mut spare = Spare::NONE;
        assert!(spare.keep(block(1, KEPT)) && !spare.keep(block(2, 1)));
        assert!(!spare.keep(block(2, usize::MAX)));
        assert!(spare.give_up().is_some());
        assert_eq!((0..100).filter(|&start| spare.keep(block(start, 2))).count(), PLACES);
        for _ in 0..PLACES {
            assert!(spare.lend(1).is_some());
        }
        assert!(spare.keep(block(500, 2)));
        assert_eq!(spare.lend(1), None);
    }
}
