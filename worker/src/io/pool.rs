//! Buffers that are lent to consumers and come back by the count of their `Arc`.
//!
//! A buffer is a part of anonymous memory, so that it starts on a page and costs nothing before it is first
//! written. Three sizes serve short and long reads; the long ones lie on huge pages where the kernel gives some. A disk's
//! driver is told of each page of a read, and takes only so many at once: 1 MiB in 256 pages was two reads of the
//! disk, and slower by half than one in a single page.
//!
//! A pool makes buffers when it needs them, up to its limit; when consumers hold them all, further ones are made for
//! one read each and freed with the last window into them, so that a consumer that keeps bytes never stops the reader.
//!
//! Memory that is new has to be cleared, which can take longer than the read. So the pools of queues that have ended are
//! [kept](Pool::end) for the next ones: content is read into the buffers of the survey, and a disk into those of the one
//! before.

use super::{huge::HUGE, spare, waiting::MAX_READ};
use coldread_fsparse::source::Memory;
use memmap2::{Advice, MmapMut, MmapRaw};
use std::{
    collections::VecDeque,
    io, slice,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Bytes of the buffers of each size.
const SIZES: [usize; 3] = [64 << 10, 256 << 10, MAX_READ as usize];
/// The size of the longest ones.
const LONG: usize = SIZES[2];

/// The place in [`SIZES`] of the shortest that holds `len` bytes.
fn size_for(len: u64) -> usize {
    SIZES.iter().position(|size| len <= *size as u64).unwrap_or(SIZES.len() - 1)
}

/// Bytes of the buffer that a read of `len` bytes takes.
pub(super) fn room_for(len: u64) -> u64 {
    SIZES[size_for(len)] as u64
}

/// Memory that buffers are cut from.
struct Region {
    map: Arc<MmapRaw>,
    /// Where the next buffer starts.
    next: usize,
}

impl Region {
    /// Memory for `len` bytes of buffers of `size`.
    fn new(len: usize, size: usize) -> io::Result<Self> {
        // Shorter reads gain nothing from huge pages, and a few of them would have a whole one cleared.
        if len < HUGE || size < LONG {
            return Ok(Self { map: Arc::new(MmapMut::map_anon(len)?.into()), next: 0 });
        }
        let map = MmapMut::map_anon(len + HUGE)?;
        let next = map.as_ptr().align_offset(HUGE);
        // Who reads little is done before a huge page is cleared: the first buffers do without. A hint, as everything
        // works without huge pages, only slower.
        let _ = map.advise_range(Advice::HugePage, next + HUGE, len - HUGE);
        Ok(Self { map: Arc::new(map.into()), next })
    }

    /// The next `len` bytes, which nobody else gets. The region has to have them.
    fn cut(&mut self, len: usize) -> Option<Cut> {
        let start = self.next;
        self.next = start.checked_add(len).filter(|end| *end <= self.map.len())?;
        Some(Cut { map: Arc::clone(&self.map), start, len })
    }
}

/// A part of a region that is one buffer's alone.
struct Cut {
    map: Arc<MmapRaw>,
    start: usize,
    len: usize,
}

/// One buffer.
pub(super) struct Slab {
    cut: Cut,
    /// Its number among the pool's; `None` if it serves one read only.
    pub(super) number: Option<u16>,
}

impl Slab {
    /// Its bytes, for a reader to fill.
    pub(super) fn room(&mut self) -> &mut [u8] {
        let Cut { map, start, len } = &self.cut;
        // SAFETY: `Region::cut` gave these bytes, which lie inside the map, to this buffer alone, and the buffer is
        // borrowed mutably. The map lives as long as the buffer, and anonymous memory starts as zeros.
        unsafe { slice::from_raw_parts_mut(map.as_mut_ptr().add(*start), *len) }
    }
}

impl Memory for Slab {
    fn bytes(&self) -> &[u8] {
        let Cut { map, start, len } = &self.cut;
        // SAFETY: as in `room`; who writes to these bytes borrows the buffer mutably.
        unsafe { slice::from_raw_parts(map.as_ptr().add(*start), *len) }
    }
}

/// Bytes of the buffers in pools that are kept, at most.
const KEPT: usize = 64 << 20;
/// Pools that are kept, at most.
const PLACES: usize = 16;

/// Pools of queues that have ended, the last one last.
struct Ended(Vec<Pool>);

static ENDED: Mutex<Ended> = Mutex::new(Ended(Vec::new()));

fn ended() -> MutexGuard<'static, Ended> {
    ENDED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ended {
    /// The last one with these limits.
    fn lend(&mut self, limits: [u16; 3]) -> Option<Pool> {
        let limits_of = |pool: &Pool| pool.classes.each_ref().map(|class| class.limit);
        let place = self.0.iter().rposition(|pool| limits_of(pool) == limits)?;
        Some(self.0.remove(place))
    }

    /// Keeps a pool that has buffers. The first ones go until the others are few enough and have at most `most` bytes.
    fn keep(&mut self, pool: Pool, most: usize) {
        if pool.bytes() > 0 {
            self.0.push(pool);
        }
        let (mut count, mut bytes) = (self.0.len(), self.0.iter().map(Pool::bytes).sum::<usize>());
        while count > PLACES || bytes > most {
            bytes -= self.0.remove(0).bytes();
            count -= 1;
        }
    }
}

/// The buffers of one queue.
#[derive(Default)]
pub(super) struct Pool {
    classes: [Class; 3],
    /// Buffers made so far, those that serve one read too.
    made: u32,
}

#[derive(Default)]
struct Class {
    size: usize,
    first_number: u16,
    limit: u16,
    made: u16,
    /// Where the buffers that have a number come from, once there is one.
    region: Option<Region>,
    idle: Vec<Arc<Slab>>,
    lent: VecDeque<Arc<Slab>>,
}

impl Class {
    /// The buffer that is lent the longest, if it has come back.
    fn first_back(&mut self) -> Option<Arc<Slab>> {
        let is_back = self.lent.front_mut().is_some_and(|slab| Arc::get_mut(slab).is_some());
        if is_back { self.lent.pop_front() } else { None }
    }

    /// A new buffer: one with a number as long as there are some, else one for a single read.
    fn make(&mut self) -> io::Result<Slab> {
        let number = (self.made < self.limit).then_some(self.first_number + self.made);
        let cut = if number.is_some() {
            let region = match &mut self.region {
                Some(region) => region,
                none => none.insert(Region::new(usize::from(self.limit) * self.size, self.size)?),
            };
            region.cut(self.size)
        } else {
            Region::new(self.size, self.size)?.cut(self.size)
        };
        let cut = cut.ok_or_else(|| io::Error::other("its buffers are used up"))?;
        self.made += u16::from(number.is_some());
        Ok(Slab { cut, number })
    }
}

impl Pool {
    /// A pool of at most so many buffers of each size: that of a queue that has ended, if it had as many.
    pub(super) fn with(limits: [u16; 3]) -> Self {
        ended().lend(limits).unwrap_or_else(|| Self::new(limits))
    }

    /// Keeps the pool for another queue, unless the memory is needed for large volumes. Consumers may still hold windows.
    pub(super) fn end(self) {
        let most = if spare::blocks().is_roomy() { KEPT } else { 0 };
        ended().keep(self.at_rest(), most);
    }

    /// The same, with the buffers that have come back put aside.
    fn at_rest(mut self) -> Self {
        for class in &mut self.classes {
            for mut slab in std::mem::take(&mut class.lent) {
                let is_back = Arc::get_mut(&mut slab).is_some();
                if is_back { class.idle.push(slab) } else { class.lent.push_back(slab) }
            }
        }
        self
    }

    /// Bytes of its buffers, those that serve one read left out.
    fn bytes(&self) -> usize {
        self.classes.iter().map(|class| usize::from(class.made) * class.size).sum()
    }

    fn new(limits: [u16; 3]) -> Self {
        let class = |size, first_number, limit| Class {
            size,
            first_number,
            limit,
            made: 0,
            region: None,
            idle: Vec::new(),
            lent: VecDeque::new(),
        };
        let [short, middle, long] = limits;
        let classes = [
            class(SIZES[0], 0, short),
            class(SIZES[1], short, middle),
            class(SIZES[2], short + middle, long),
        ];
        Self { classes, made: 0 }
    }

    /// How many buffers were made so far; counts round.
    pub(super) fn made(&self) -> u32 {
        self.made
    }

    /// A buffer of at least `len` bytes (at most [`MAX_READ`]) to which nobody else holds a reference.
    pub(super) fn take(&mut self, len: u64) -> io::Result<Arc<Slab>> {
        let class = &mut self.classes[size_for(len)];
        // The one that was lent first comes back first, and may still be in the processor's cache.
        if let Some(slab) = class.first_back().or_else(|| class.idle.pop()) {
            return Ok(slab);
        }
        for _ in 1..class.lent.len() {
            class.lent.rotate_left(1);
            if let Some(slab) = class.first_back() {
                return Ok(slab);
            }
        }
        let slab = class.make()?;
        self.made = self.made.wrapping_add(1);
        Ok(Arc::new(slab))
    }

    /// Takes a buffer back, of which consumers may hold windows.
    pub(super) fn give(&mut self, mut slab: Arc<Slab>) {
        if slab.number.is_none() {
            return;
        }
        let class = &mut self.classes[size_for(slab.cut.len as u64)];
        if Arc::get_mut(&mut slab).is_some() { class.idle.push(slab) } else { class.lent.push_back(slab) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::source::Buf;

    #[test]
    fn a_buffer_comes_back_when_its_last_window_is_dropped_and_not_before() {
        let mut pool = Pool::new([1, 1, 1]);
        let slab = pool.take(10).unwrap();
        assert_eq!((slab.number, pool.made()), (Some(0), 1));
        let window = Buf::new(slab.clone(), 3, 4);
        let other = window.slice(1, 1);
        pool.give(slab);
        let temporary = pool.take(10).unwrap();
        assert_eq!((temporary.number, pool.made()), (None, 2));
        pool.give(temporary);
        drop(window);
        assert!(pool.take(10).unwrap().number.is_none());
        drop(other);
        assert_eq!(pool.take(10).unwrap().number, Some(0));
        assert_eq!(pool.take(SIZES[1] as u64).unwrap().number, Some(1));
        assert_eq!(pool.take(MAX_READ).unwrap().number, Some(2));
    }

    /// A pool with three long buffers at most, of which so many were used, those without a number too.
    fn used(long: usize) -> Pool {
        let mut pool = Pool::new([1, 1, 3]);
        let slabs: Vec<_> = (0..long).map(|_| pool.take(MAX_READ).unwrap()).collect();
        for slab in slabs {
            pool.give(slab);
        }
        pool
    }

    #[test]
    fn what_is_kept_of_ended_pools_is_bounded_and_the_last_ones() {
        let mut ended = Ended(Vec::new());
        let sizes = |ended: &Ended| ended.0.iter().map(|pool| pool.bytes() / LONG).collect::<Vec<_>>();
        for (long, most, left) in [
            (2, KEPT, &[2][..]),
            (4, 5 * LONG, &[2, 3]),
            (0, 5 * LONG, &[2, 3]),
            (1, 5 * LONG, &[3, 1]),
            (1, 4 * LONG, &[1, 1]),
            (0, 0, &[]),
        ] {
            ended.keep(used(long), most);
            assert_eq!(sizes(&ended), left);
        }
        for long in [1; PLACES + 2].into_iter().chain([2]) {
            ended.keep(used(long), KEPT);
        }
        assert_eq!((ended.0.len(), sizes(&ended).last()), (PLACES, Some(&2)));
    }

    #[test]
    fn a_pool_is_handed_on_without_the_buffers_that_are_held() {
        let mut pool = Pool::new([1, 1, 3]);
        let (slab, other) = (pool.take(MAX_READ).unwrap(), pool.take(MAX_READ).unwrap());
        let (window, first) = (Buf::new(slab.clone(), 0, 1), other.bytes().as_ptr());
        pool.give(slab);
        pool.give(other);
        let mut ended = Ended(Vec::new());
        ended.keep(pool.at_rest(), KEPT);
        assert!(ended.lend([1, 1, 2]).is_none());
        let mut pool = ended.lend([1, 1, 3]).unwrap();
        assert!(ended.lend([1, 1, 3]).is_none());
        assert_eq!(pool.take(MAX_READ).unwrap().bytes().as_ptr(), first);
        assert_eq!(pool.made(), 2);
        drop(window);
        assert_eq!((pool.take(MAX_READ).unwrap().number, pool.made()), (Some(2), 2));
    }

    #[test]
    fn buffers_are_zeros_of_their_own() {
        let mut pool = Pool::new([3; 3]);
        let mut slabs: Vec<_> = SIZES.iter().flat_map(|len| [*len as u64; 5]).zip(1u8..).collect();
        let mut taken = Vec::new();
        for (len, byte) in slabs.drain(..) {
            let mut slab = pool.take(len).unwrap();
            let room = Arc::get_mut(&mut slab).unwrap().room();
            assert!(room.len() as u64 == len && room.iter().all(|byte| *byte == 0));
            room.fill(byte);
            taken.push((slab, byte));
        }
        assert!(taken.iter().all(|(slab, byte)| slab.bytes().iter().all(|one| one == byte)));
        // Long ones start where a huge page or its other half does, short ones on a page.
        for (slab, _) in &taken {
            let (at, len) = (slab.bytes().as_ptr() as usize, slab.bytes().len());
            assert_eq!(at % if len == LONG && slab.number.is_some() { len } else { 4096 }, 0);
        }
    }
}
