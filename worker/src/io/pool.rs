//! Memory that reads are made into, lent to consumers and back by the count of an `Arc`.
//!
//! Reads lie one after the other in slabs of 2 MiB, each in as many bytes as it has, and a slab is used again from its
//! start once nobody has a window into it. So a queue touches little more memory than it has under way: new memory has to
//! be cleared, and may have to be lent by a host first (see [`huge`]), which can take longer than the read.
//!
//! Slabs lie on huge pages where the kernel gives some. A disk's driver is told of each page of a read, and takes only so
//! many at once: 1 MiB in 256 pages was two reads of the disk, and slower by half than one in a single page. The first
//! slab of a queue does without: who reads little is done before a huge page is cleared. Later it serves short reads alone.
//!
//! A pool makes slabs when it needs them, up to its limit; when consumers hold them all, further reads get memory of their
//! own, which is freed with the last window into it, so that a consumer that keeps bytes never stops the reader.
//!
//! The slabs of queues that have ended are [kept](Pool::end) for the next ones: content is read into those of the survey,
//! and a disk into those of the one before.

use super::{
    huge::{self, HUGE},
    spare,
};
use coldread_fsparse::source::Memory;
use memmap2::{Advice, MmapMut, MmapRaw};
use std::{
    io, iter, slice,
    sync::{Arc, Mutex, MutexGuard, Once, PoisonError},
    thread,
};

/// Bytes of a slab that serves many reads.
pub(super) const SLAB: usize = HUGE;
/// Reads start at multiples of it, as those past the page cache have to.
const PAGE: usize = 4096;
/// Longer reads are slower on small pages.
const SHORT: usize = 64 << 10;

/// Memory for reads.
pub(super) struct Slab {
    map: MmapRaw,
    /// Where its bytes start in the map.
    start: usize,
    size: usize,
    /// Whether it was to lie on a huge page.
    huge: bool,
}

impl Slab {
    /// `size` bytes on small pages.
    fn small(size: usize) -> io::Result<Self> {
        Ok(Self { map: MmapMut::map_anon(size)?.into(), start: 0, size, huge: false })
    }

    /// A huge page.
    fn huge() -> io::Result<Self> {
        let map = MmapMut::map_anon(SLAB + HUGE)?;
        let start = map.as_ptr().align_offset(HUGE);
        // A hint, as everything works without huge pages, only slower.
        let _ = map.advise_range(Advice::HugePage, start, SLAB);
        Ok(Self { map: map.into(), start, size: SLAB, huge: true })
    }

    /// Has the kernel clear its huge page, if it has one.
    fn touch(&mut self) {
        // SAFETY: the byte is the slab's, which is borrowed mutably: nobody has a part of it.
        unsafe { self.at(0).write_volatile(0) };
    }

    /// The address of its byte `offset`, which it has.
    fn at(&self, offset: usize) -> *mut u8 {
        self.map.as_mut_ptr().wrapping_add(self.start + offset)
    }
}

impl Memory for Slab {
    fn size(&self) -> usize {
        self.size
    }

    fn window(&self, start: usize, len: usize) -> &[u8] {
        let start = start.min(self.size);
        let len = len.min(self.size - start);
        // SAFETY: the bytes lie inside the map. Windows are made of the bytes of a read when it is over (`Room::memory`),
        // and nothing is read into those again before all windows are dropped (`Held::cut`).
        unsafe { slice::from_raw_parts(self.at(start), len) }
    }
}

/// The part of a slab that one read is made into.
pub(super) struct Room {
    slab: Arc<Slab>,
    start: usize,
    len: usize,
    /// The slab's number among the pool's, where it is worth telling the kernel of it.
    pub(super) number: Option<u16>,
}

impl Room {
    /// Its bytes, for a reader to fill.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `Held::cut` gave these bytes, which lie inside the slab, to this read alone, which is borrowed mutably;
        // nobody has a window into them, as those are made when the read is over. Anonymous memory starts as zeros.
        unsafe { slice::from_raw_parts_mut(self.slab.at(self.start), self.len) }
    }

    /// All of the slab, of which other reads have other parts: the kernel may be told of it, nothing else.
    pub(super) fn slab(&self) -> (*mut u8, usize) {
        (self.slab.at(0), self.slab.size)
    }

    /// What the read was made into, and where in it.
    pub(super) fn memory(self) -> (Arc<dyn Memory>, usize) {
        (self.slab, self.start)
    }
}

/// A slab of a pool.
struct Held {
    slab: Arc<Slab>,
    /// Bytes from its start on that were given to reads.
    used: usize,
}

impl Held {
    /// Starts over if no read and no consumer has a part of it, and says whether `len` bytes are left.
    fn fits(&mut self, len: usize) -> bool {
        if Arc::get_mut(&mut self.slab).is_some() {
            self.used = 0;
        }
        self.slab.size - self.used >= len
    }

    /// The next `len` bytes, which nobody else gets until all parts have come back.
    fn cut(&mut self, len: usize, number: Option<u16>) -> Option<Room> {
        let start = self.fits(len).then_some(self.used)?;
        self.used += len;
        Some(Room { slab: Arc::clone(&self.slab), start, len, number })
    }
}

/// The memory of one queue.
pub(super) struct Pool {
    /// The first one on small pages.
    slabs: Vec<Held>,
    /// So many there are at most.
    most: usize,
    /// Bytes that were asked for so far.
    asked: usize,
    /// Slabs made so far, those for one read too; counts round.
    made: u32,
}

impl Pool {
    /// A pool of at most so many slabs, and one for short reads.
    pub(super) fn of(most: u16) -> Self {
        Self { slabs: Vec::new(), most: usize::from(most) + 1, asked: 0, made: 0 }
    }

    /// How many slabs were made so far; counts round.
    pub(super) fn made(&self) -> u32 {
        self.made
    }

    /// The place of the first slab that a read of `len` bytes may lie in.
    fn first_for(&self, len: usize) -> usize {
        usize::from(len > SHORT && self.asked.saturating_add(len) > SLAB)
    }

    /// Whether there is room for a read of `len` bytes without another slab.
    pub(super) fn fits(&mut self, len: u64) -> bool {
        let len = len as usize;
        let first = self.first_for(len);
        self.slabs.iter_mut().skip(first).any(|held| held.fits(len))
    }

    /// Whether all slabs are made that there may be.
    pub(super) fn is_complete(&self) -> bool {
        self.slabs.len() >= self.most
    }

    /// Room for a read of `len` bytes (a multiple of the page size, at most [`SLAB`]).
    pub(super) fn take(&mut self, len: u64) -> io::Result<Room> {
        let len = (len as usize).next_multiple_of(PAGE);
        let first = self.first_for(len);
        self.asked = self.asked.saturating_add(len);
        let mut numbered = self.slabs.iter_mut().zip(0..).skip(first);
        let found = numbered.find_map(|(held, number)| held.cut(len, Some(number).filter(|n| *n > 0)));
        if let Some(room) = found {
            return Ok(room);
        }
        self.made = self.made.wrapping_add(1);
        if self.is_complete() || len > SLAB {
            return Ok(Room { slab: Arc::new(Slab::small(len)?), start: 0, len, number: None });
        }
        loop {
            let slab = spare_slab(!self.slabs.is_empty())?;
            self.slabs.push(Held { slab: Arc::new(slab), used: 0 });
            if self.slabs.len() > first {
                break;
            }
        }
        let number = (self.slabs.len() - 1) as u16;
        let last = self.slabs.last_mut().and_then(|held| held.cut(len, Some(number).filter(|n| *n > 0)));
        last.ok_or_else(|| io::Error::other("a new buffer is in use"))
    }

    /// Keeps the slabs for other queues, unless the memory is needed for large volumes.
    pub(super) fn end(self) {
        let most = if spare::blocks().is_roomy() { KEPT } else { 0 };
        // What consumers still have windows into is freed with the last of them.
        let slabs = self.slabs.into_iter().filter_map(|held| Arc::into_inner(held.slab));
        let given_up = ended().keep(slabs, most);
        // Not under the lock: the kernel takes its time.
        drop(given_up);
    }
}

/// Slabs that are made ready for the queue of each processor when nothing was read yet.
const READY: usize = 6;
/// All of them, at most.
const MAX_READY: usize = 16;
/// Bytes of the slabs that are kept, at most.
const KEPT: usize = 64 << 20;

/// Slabs of queues that have ended, the last one last.
struct Ended(Vec<Slab>);

static ENDED: Mutex<Ended> = Mutex::new(Ended(Vec::new()));

fn ended() -> MutexGuard<'static, Ended> {
    ENDED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ended {
    /// The last one that lies on huge pages, or on small ones.
    fn lend(&mut self, huge: bool) -> Option<Slab> {
        let place = self.0.iter().rposition(|slab| slab.huge == huge)?;
        Some(self.0.remove(place))
    }

    /// Keeps slabs. Gives those up that were there first, until the others have at most `most` bytes.
    fn keep(&mut self, slabs: impl Iterator<Item = Slab>, most: usize) -> Vec<Slab> {
        self.0.extend(slabs);
        let mut bytes = self.0.iter().map(|slab| slab.size).sum::<usize>();
        let too_many = self.0.iter().take_while(|slab| {
            let over = bytes > most;
            bytes -= slab.size;
            over
        });
        let too_many = too_many.count();
        self.0.drain(..too_many).collect()
    }
}

/// Makes some slabs ready, once, without keeping the caller: the first reads need not wait for them, as the disk would.
/// Finds out what huge pages cost by the way.
pub(super) fn prepare() {
    static PREPARED: Once = Once::new();
    let make = || {
        let queues = thread::available_parallelism().map_or(1, usize::from);
        let count = (queues * READY).min(MAX_READY);
        let mut left = iter::repeat_with(Slab::huge).take(count).map_while(Result::ok);
        let mut next = || {
            let Some(mut slab) = left.next() else { return false };
            slab.touch();
            drop(ended().keep(iter::once(slab), KEPT));
            true
        };
        huge::ask_price(|| {
            next();
        });
        while next() {}
    };
    // Without a thread blocks do without huge pages until one is tried, and each queue makes its own slabs.
    PREPARED.call_once(|| drop(thread::Builder::new().spawn(make)));
}

/// A slab that was kept, else a new one.
fn spare_slab(huge: bool) -> io::Result<Slab> {
    let kept = ended().lend(huge);
    kept.map_or_else(|| if huge { Slab::huge() } else { Slab::small(SLAB) }, Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::source::Buf;

    const MIB: u64 = 1 << 20;

    fn address(room: &mut Room) -> usize {
        room.bytes().as_ptr() as usize
    }

    /// A pool that is past its first slab.
    fn pool(most: u16) -> Pool {
        Pool { asked: SLAB, ..Pool::of(most) }
    }

    #[test]
    fn reads_lie_one_after_the_other_and_start_over_when_all_windows_are_gone() {
        let mut pool = pool(1);
        let (mut first, mut second) = (pool.take(MIB).unwrap(), pool.take(5000).unwrap());
        assert_eq!((first.number, second.number, pool.made()), (Some(1), None, 1));
        assert_eq!(first.bytes().len() as u64, MIB);
        assert_eq!(second.bytes().len(), 8192);
        let mut third = pool.take(MIB).unwrap();
        assert_eq!(address(&mut third), address(&mut first) + MIB as usize);
        assert!(!pool.fits(MIB) && pool.fits(SHORT as u64));
        // All of the slab is used: what comes now gets memory of its own.
        let other = pool.take(MIB).unwrap();
        assert_eq!((other.number, pool.made()), (None, 2));
        let place = address(&mut first);
        let (memory, start) = first.memory();
        let window = Buf::new(memory, start + 3, 4);
        let part = window.slice(1, 1);
        drop((second, third, window));
        assert_eq!(pool.take(MIB).unwrap().number, None);
        drop(part);
        let mut again = pool.take(MIB).unwrap();
        assert_eq!((again.number, address(&mut again)), (Some(1), place));
    }

    #[test]
    fn who_reads_little_gets_small_pages_and_then_short_reads_alone_do() {
        let mut pool = Pool::of(2);
        let numbers: Vec<_> = [MIB, 4096, MIB - 4096, MIB, 4096, 2 * MIB]
            .map(|len| pool.take(len).unwrap().number)
            .into_iter()
            .collect();
        assert_eq!(numbers, [None, None, None, Some(1), None, Some(1)]);
        assert_eq!((pool.slabs.len(), pool.made()), (2, 2));
        // Short reads beside many others lie with the long ones.
        let rooms: Vec<_> = (0..=SLAB / SHORT).map(|_| pool.take(SHORT as u64).unwrap()).collect();
        assert_eq!(rooms.iter().filter(|room| room.number == Some(1)).count(), 1);
        assert!(Pool::of(2).take(SLAB as u64 + 1).unwrap().number.is_none());
    }

    #[test]
    fn what_is_kept_of_ended_pools_is_bounded_and_the_last_ones() {
        let mut ended = Ended(Vec::new());
        let slabs = |sizes: &'static [usize]| sizes.iter().map(|size| Slab::small(size * PAGE).unwrap());
        for (sizes, most, given_up, left) in [
            (&[2][..], 9, &[][..], &[2][..]),
            (&[3, 4], 9, &[], &[2, 3, 4]),
            (&[1], 9, &[2], &[3, 4, 1]),
            (&[5], 5, &[3, 4, 1], &[5]),
            (&[], 0, &[5], &[]),
        ] {
            let gone = ended.keep(slabs(sizes), most * PAGE);
            assert_eq!(gone.iter().map(|slab| slab.size / PAGE).collect::<Vec<_>>(), given_up);
            assert_eq!(ended.0.iter().map(|slab| slab.size / PAGE).collect::<Vec<_>>(), left);
        }
        ended.0.extend([Slab::small(PAGE).unwrap(), Slab::huge().unwrap(), Slab::small(2 * PAGE).unwrap()]);
        let lent = [false, true, true, false].map(|huge| ended.lend(huge).map(|slab| slab.size));
        assert_eq!(lent, [Some(2 * PAGE), Some(SLAB), None, Some(PAGE)]);
    }

    #[test]
    fn reads_have_bytes_of_their_own() {
        let mut pool = Pool::of(3);
        let lens = [4096, 64 << 10, 200 << 10, MIB, 12 << 10, MIB, 1000 << 10];
        let mut rooms: Vec<_> = lens.repeat(4).into_iter().zip(1u8..).collect();
        let mut taken = Vec::new();
        for (len, byte) in rooms.drain(..) {
            let mut room = pool.take(len).unwrap();
            assert_eq!((room.bytes().len() as u64, address(&mut room) % PAGE), (len, 0));
            room.bytes().fill(byte);
            taken.push((room, byte));
        }
        for (room, byte) in &mut taken {
            assert!(room.bytes().iter().all(|one| one == byte));
        }
        for held in &pool.slabs[1..] {
            assert_eq!(held.slab.at(0) as usize % HUGE, 0);
        }
    }
}
