//! Huge pages, asked for only while they are cheap.
//!
//! The kernel clears a page of 2 MiB in about 0.2 ms, and 512 small ones in 0.8 ms, each with a fault of its own. But
//! a host may give a virtual machine its memory only when it is touched, and take back what is free there (free page
//! reporting of virtio-balloon). It is whole huge pages that it takes back: touching one again cost 2 to 7 ms where
//! this was measured, and small pages, which come from what the host left, 0.9 ms for as many bytes. Nothing tells
//! a program which of the two it runs on, so one is touched and timed when the first disk is opened, beside everything
//! else; until then blocks do without. Later the first huge page of a block is touched and timed, and where that was dear
//! the next blocks do without.

use memmap2::{Advice, MmapMut};
use std::{
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Bytes of a huge page on the machines that matter. With others nothing breaks, only the advice is worth less.
pub(super) const HUGE: usize = 2 << 20;
/// A huge page that took longer was dearer than small ones.
const DEAR: Duration = Duration::from_millis(1);
/// So many blocks do without after a dear page; then one is tried again, as memory that was touched stays cheap.
const REST: u32 = 256;

/// What huge pages cost lately.
struct Price {
    /// Blocks that are still to do without.
    rest: AtomicU32,
}

static PRICE: Price = Price { rest: AtomicU32::new(REST) };

impl Price {
    /// Whether the next block gets huge pages.
    fn is_fair(&self) -> bool {
        let less = |rest: u32| rest.checked_sub(1);
        self.rest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
    }

    /// Notes what one took. Whether that was too much.
    fn is_dear(&self, took: Duration) -> bool {
        let dear = took > DEAR;
        if dear {
            self.rest.store(REST, Ordering::Relaxed);
        }
        dear
    }

    /// Notes what the first one took.
    fn is_known(&self, took: Duration) {
        if !self.is_dear(took) {
            self.rest.store(0, Ordering::Relaxed);
        }
    }
}

/// Finds out what huge pages cost, once, without keeping the caller.
pub(super) fn ask_price() {
    static ASKED: Once = Once::new();
    let touch = || {
        let Ok(mut map) = MmapMut::map_anon(2 * HUGE) else { return };
        let first = map.as_ptr().align_offset(HUGE);
        if first >= HUGE || map.advise_range(Advice::HugePage, first, HUGE).is_err() {
            return;
        }
        let began = Instant::now();
        map[first] = 1;
        PRICE.is_known(began.elapsed());
    };
    // Without a thread blocks do without huge pages until one is tried.
    ASKED.call_once(|| drop(thread::Builder::new().spawn(touch)));
}

/// Gives the block of `len` bytes at `start` huge or small pages from its byte `fresh` on, whichever are cheaper. All of
/// it is advised alike: a mapping with two kinds of advice could not be grown in one piece.
///
/// # Safety
///
/// The block is one private anonymous mapping, nobody else's, and nothing was written to it from `fresh` on.
pub(super) unsafe fn pages(start: *mut u8, len: usize, fresh: usize) {
    // SAFETY: advice for a mapping that is the caller's; it changes no byte. Whoever has no huge pages ignores it.
    let advise = |advice| unsafe { libc::madvise(start.cast(), len, advice) };
    if !PRICE.is_fair() {
        advise(libc::MADV_NOHUGEPAGE);
        return;
    }
    advise(libc::MADV_HUGEPAGE);
    let skipped = start.wrapping_add(fresh).align_offset(HUGE);
    let Some(first) = fresh.checked_add(skipped).filter(|first| len.saturating_sub(*first) >= HUGE) else {
        return;
    };
    let began = Instant::now();
    // SAFETY: the byte lies inside the block, and is a zero that nobody has written yet.
    unsafe { start.add(first).write_volatile(0) };
    if PRICE.is_dear(began.elapsed()) {
        advise(libc::MADV_NOHUGEPAGE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dear_page_lets_the_next_blocks_do_without_and_then_one_tries_again() {
        let price = Price { rest: AtomicU32::new(0) };
        assert!(price.is_fair() && !price.is_dear(DEAR) && price.is_fair());
        assert!(price.is_dear(DEAR + Duration::from_nanos(1)));
        assert_eq!((0..REST + 2).filter(|_| price.is_fair()).count(), 2);
        assert!(price.is_fair());
    }

    #[test]
    fn what_is_known_of_the_first_page_counts_for_the_next_blocks() {
        let price = Price { rest: AtomicU32::new(REST) };
        assert!(!price.is_fair());
        price.is_known(DEAR);
        assert!(price.is_fair());
        price.is_known(2 * DEAR);
        assert!(!price.is_fair());
    }
}
