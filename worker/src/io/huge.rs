//! Huge pages, asked for only while they are cheap.
//!
//! The kernel clears a page of 2 MiB in about 0.2 ms, and 512 small ones in 0.8 ms, each with a fault of its own. But
//! a host may give a virtual machine its memory only when it is touched, and take back what is free there (free page
//! reporting of virtio-balloon). It is whole huge pages that it takes back: touching one again cost 2 to 7 ms where
//! this was measured, and small pages, which come from what the host left, 0.9 ms for as many bytes. Nothing tells
//! a program which of the two it runs on, so the first that are made for reads are timed, beside everything else; until then
//! blocks do without. Later the first huge page of a block is touched and timed, and where that was dear
//! twice the next blocks do without: right after much memory was freed a single one took 7 ms among others that were cheap.

use rustix::time::{ClockId, clock_gettime};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Bytes of a huge page on the machines that matter. With others nothing breaks, only the advice is worth less.
pub(super) const HUGE: usize = 2 << 20;
/// A huge page that took longer was dearer than small ones.
const DEAR: Duration = Duration::from_millis(1);
/// Pages that are timed when nothing is known yet, at most.
const TRIED: usize = 3;
/// So many dear pages say that the others are, too.
const ENOUGH: u32 = 2;
/// So many blocks do without after that; then one is tried again, as memory that was touched stays cheap.
const REST: u32 = 256;

/// What huge pages cost lately.
struct Price {
    /// Blocks that are still to do without.
    rest: AtomicU32,
    /// Dear pages since the last cheap one.
    dear: AtomicU32,
}

static PRICE: Price = Price::resting(REST);

impl Price {
    /// Nothing is known yet; so many blocks do without.
    const fn resting(rest: u32) -> Self {
        Self { rest: AtomicU32::new(rest), dear: AtomicU32::new(0) }
    }

    /// Whether the next block gets huge pages.
    fn is_fair(&self) -> bool {
        let less = |rest: u32| rest.checked_sub(1);
        self.rest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err()
    }

    /// Notes what one took. Whether that was too much.
    fn is_dear(&self, took: Duration) -> bool {
        let dear = took > DEAR;
        if !dear {
            self.dear.store(0, Ordering::Relaxed);
        } else if self.dear.fetch_add(1, Ordering::Relaxed) + 1 >= ENOUGH {
            self.dear.store(0, Ordering::Relaxed);
            self.rest.store(REST, Ordering::Relaxed);
        }
        dear
    }

    /// Finds out what they cost, by `touch`, which takes as long as one does.
    fn ask(&self, touch: impl FnMut() -> Duration) {
        let dear = std::iter::repeat_with(touch).take(TRIED).filter(|took| *took > DEAR);
        if dear.take(ENOUGH as usize).count() < ENOUGH as usize {
            self.rest.store(0, Ordering::Relaxed);
        }
    }
}

/// The processor time of this thread: what a page costs does not depend on who else wants the processor meanwhile.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Finds out what huge pages cost by the first of those that `touch` touches.
pub(super) fn ask_price(mut touch: impl FnMut()) {
    PRICE.ask(|| {
        let began = worked();
        touch();
        worked().saturating_sub(began)
    });
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
    let began = worked();
    // SAFETY: the byte lies inside the block, and is a zero that nobody has written yet.
    unsafe { start.add(first).write_volatile(0) };
    if PRICE.is_dear(worked().saturating_sub(began)) {
        advise(libc::MADV_NOHUGEPAGE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Duration = DEAR;
    const COSTLY: Duration = DEAR.saturating_mul(2);

    #[test]
    fn two_dear_pages_let_the_next_blocks_do_without_and_then_one_tries_again() {
        let price = Price::resting(0);
        assert!(price.is_fair() && !price.is_dear(CHEAP) && price.is_fair());
        // One among cheap ones says nothing.
        for _ in 0..3 {
            assert!(price.is_dear(COSTLY) && price.is_fair() && !price.is_dear(CHEAP) && price.is_fair());
        }
        assert!(price.is_dear(COSTLY) && price.is_dear(COSTLY));
        assert_eq!((0..REST + 2).filter(|_| price.is_fair()).count(), 2);
        assert!(price.is_fair());
    }

    #[test]
    fn what_the_first_pages_cost_counts_for_the_next_blocks() {
        let fair = |pages: [Duration; TRIED]| {
            let price = Price::resting(REST);
            assert!(!price.is_fair());
            let mut pages = pages.into_iter();
            price.ask(|| pages.next().unwrap());
            price.is_fair()
        };
        assert!(fair([CHEAP; TRIED]) && fair([COSTLY, CHEAP, CHEAP]) && fair([CHEAP, COSTLY, CHEAP]));
        assert!(!fair([COSTLY; TRIED]) && !fair([COSTLY, CHEAP, COSTLY]) && !fair([CHEAP, COSTLY, COSTLY]));
    }
}
