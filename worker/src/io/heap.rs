//! The program's heap, whose large blocks lie on huge pages.
//!
//! Rows of a listing are few blocks of many megabytes. On pages of 4 KiB each of them costs thousands of page
//! faults when it is first written, a third of the time of a listing from memory, and growing it copies it. Blocks
//! from [`LARGE`] bytes on are mappings of their own: the kernel is asked for huge pages (see [`huge`]; where it has
//! none, small ones serve as well), growing moves page tables instead of bytes (`mremap(2)`), and a few that are
//! freed are kept for the next (see [`spare`]). Everything smaller is the system allocator's, which is told to keep as
//! much of what is freed (see [`keep_small`]).

use super::{
    huge::{self, HUGE},
    spare::{self, Block, Spare},
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    ptr,
};

/// Blocks of so many bytes and more are mappings: smaller ones would have most of a huge page cleared for nothing.
const LARGE: usize = HUGE;
/// A mapping begins at a page; what must lie on more is the system allocator's.
const MAX_ALIGN: usize = 4096;

/// The heap; a program takes it with `#[global_allocator]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct HugeHeap;

/// Whether a block is a mapping. A block's layout is all that decides, so that it is the same when it is freed.
fn is_mapping(size: usize, align: usize) -> bool {
    size >= LARGE && align <= MAX_ALIGN
}

/// The length of a block's mapping. Layouts end below `isize::MAX`, so this cannot overflow.
fn mapped(size: usize) -> usize {
    size.next_multiple_of(HUGE)
}

/// Bytes of freed small blocks that the system allocator keeps at the end of each of its heaps.
const KEPT_SMALL: i32 = 32 << 20;
/// The same while large volumes need the memory.
const KEPT_SMALL_BESIDE_GIANTS: i32 = 1 << 20;

/// Lets the system allocator keep what was freed as long as [`spare`] does. By itself it maps each block of 128 KiB and
/// more alone, and gives back at once what lies free at its heap's end: vectors that grow to some hundred KiB, volume after
/// volume, had all their pages cleared each time, which was a sixth of a listing from memory.
fn follow(spare: &mut Spare) {
    match spare.news() {
        Some(true) => keep_small(KEPT_SMALL),
        Some(false) => keep_small(KEPT_SMALL_BESIDE_GIANTS),
        None => {}
    }
}

/// Tells the system allocator how many freed bytes to keep, and that no block of its own is to be a mapping.
#[cfg(target_env = "gnu")]
fn keep_small(bytes: i32) {
    // SAFETY: it sets two numbers of the system allocator, which takes locks of its own and calls nobody.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE as i32);
        libc::mallopt(libc::M_TRIM_THRESHOLD, bytes);
    }
}

/// Others have no such numbers.
#[cfg(not(target_env = "gnu"))]
fn keep_small(_: i32) {}

impl HugeHeap {
    /// Lets threads share the system allocator's heaps, two processors one. By itself it has eight for each, and what one
    /// thread frees is no use to another: objects go from thread to thread on their way to the store, and each heap that they
    /// pass had its pages cleared, half of all page faults of a scan. To be called before other threads are started.
    #[cfg(target_env = "gnu")]
    pub fn share_heaps() {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let heaps = i32::try_from(processors.div_ceil(2)).unwrap_or(i32::MAX);
        // SAFETY: it sets a number of the system allocator, which takes locks of its own and calls nobody.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, heaps) };
    }

    /// Other allocators have no such heaps.
    #[cfg(not(target_env = "gnu"))]
    pub fn share_heaps() {}
}

/// A new mapping, all zeros; null where there is no memory. Who asks for zeros may leave most of them alone, as the
/// index of the store does: a huge page is cleared for those who will write.
fn map(size: usize, zeros: bool) -> *mut u8 {
    let len = mapped(size);
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new private anonymous mapping touches no memory that anybody has.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return ptr::null_mut();
    }
    if !zeros {
        // SAFETY: the range is the mapping just made.
        unsafe { huge::pages(start.cast(), len, 0) };
    }
    start.cast()
}

/// Gives a mapping back to the kernel.
///
/// # Safety
///
/// The mapping is of this length, and nobody uses it any more.
unsafe fn unmap(start: *mut u8, len: usize) {
    // SAFETY: the caller's promise. It can only fail for a range that is none.
    unsafe { libc::munmap(start.cast(), len) };
}

/// A mapping for `size` bytes, and whether it is new and so all zeros: one that was kept, else a new one. Null where
/// there is no memory.
fn take(size: usize, zeros: bool) -> (*mut u8, bool) {
    let wanted = mapped(size);
    let mut spare = spare::blocks();
    if let Some(block) = spare.lend(wanted) {
        return (ptr::with_exposed_provenance_mut(block.start), false);
    }
    if spare.resized(0, wanted) {
        give_back(&mut spare);
    }
    follow(&mut spare);
    drop(spare);
    let start = map(size, zeros);
    if start.is_null() {
        spare::blocks().resized(wanted, 0);
    }
    (start, true)
}

/// Gives everything back that is kept.
fn give_back(spare: &mut Spare) {
    while let Some(Block { start, len }) = spare.give_up() {
        // SAFETY: what is kept are whole mappings that were freed.
        unsafe { unmap(ptr::with_exposed_provenance_mut(start), len) };
    }
}

// SAFETY: blocks are either the system allocator's or whole private mappings of at least the layout's size, which
// begin at a page and are nobody else's until they are freed; `is_mapping` tells the two apart by the layout alone.
// A mapping is as long as the layout says unless it was lent longer, which `spare` notes. Nothing here panics or
// allocates.
unsafe impl GlobalAlloc for HugeHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_mapping(layout.size(), layout.align()) {
            return take(layout.size(), false).0;
        }
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_mapping(layout.size(), layout.align()) {
            let (block, fresh) = take(layout.size(), true);
            if !fresh {
                // SAFETY: the block has so many bytes, and is the caller's alone.
                unsafe { block.write_bytes(0, layout.size()) };
            }
            return block;
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_mapping(layout.size(), layout.align()) {
            let start = block.expose_provenance();
            let mut spare = spare::blocks();
            let len = spare.forget(start, mapped(layout.size()));
            spare.resized(len, 0);
            follow(&mut spare);
            if !spare.keep(Block { start, len }) {
                // SAFETY: by its layout the block is a mapping, of this length, and the caller gives it up.
                unsafe { unmap(block, len) };
            }
            return;
        }
        // SAFETY: by its layout the block is the system allocator's.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, new) = (is_mapping(layout.size(), layout.align()), is_mapping(size, layout.align()));
        if !old && !new {
            // SAFETY: by its layout the block is the system allocator's, and stays it.
            return unsafe { System.realloc(block, layout, size) };
        }
        if old && new {
            // SAFETY: by its layout the block is a mapping, and the caller uses the new place alone.
            return unsafe { resize(block, mapped(layout.size()), mapped(size)) };
        }
        // SAFETY: the caller promises that `size` rounded up to the alignment is no more than `isize::MAX`.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: `size` is not zero, the caller promises.
        let fresh = unsafe { self.alloc(wanted) };
        if !fresh.is_null() {
            // SAFETY: both blocks are at least so long, and the new one is nobody else's.
            unsafe { ptr::copy_nonoverlapping(block, fresh, layout.size().min(size)) };
            // SAFETY: the block is of this layout, and from now on the new one is used.
            unsafe { self.dealloc(block, layout) };
        }
        fresh
    }
}

/// Makes a mapping longer or shorter; null, and the mapping as it was, where there is no memory.
///
/// # Safety
///
/// The block is a mapping of the heap of which its owner has `said` bytes, and uses the new place alone.
unsafe fn resize(block: *mut u8, said: usize, wanted: usize) -> *mut u8 {
    let start = block.expose_provenance();
    let mut spare = spare::blocks();
    let had = spare.len_of(start, said);
    if had == wanted {
        spare.forget(start, said);
        return block;
    }
    // It was lent longer than was asked for, and stays so.
    if had > said && wanted < had {
        return block;
    }
    if spare.resized(had, wanted) {
        give_back(&mut spare);
    }
    follow(&mut spare);
    // SAFETY: the block is a mapping of `had` bytes; where the kernel moves it, the caller uses the new place alone.
    let moved = unsafe { libc::mremap(block.cast(), had, wanted, libc::MREMAP_MAYMOVE) };
    if moved == libc::MAP_FAILED {
        spare.resized(wanted, had);
        return ptr::null_mut();
    }
    spare.forget(start, said);
    drop(spare);
    if wanted > had {
        // SAFETY: the mapping is the block's alone, and what it grew by is new.
        unsafe { huge::pages(moved.cast(), wanted, had) };
    }
    moved.cast()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A block that checks what it holds each time it changes.
    struct Block {
        start: *mut u8,
        layout: Layout,
    }

    impl Block {
        fn new(size: usize, align: usize, zeroed: bool) -> Self {
            let layout = Layout::from_size_align(size, align).unwrap();
            // SAFETY: the size is not zero.
            let start =
                unsafe { if zeroed { HugeHeap.alloc_zeroed(layout) } else { HugeHeap.alloc(layout) } };
            assert!(!start.is_null());
            assert_eq!(start as usize % align, 0);
            Self { start, layout }
        }

        fn bytes(&mut self) -> &mut [u8] {
            // SAFETY: the block has so many bytes, written by `fill` or zeroed.
            unsafe { std::slice::from_raw_parts_mut(self.start, self.layout.size()) }
        }

        fn resize(&mut self, size: usize) {
            // SAFETY: the block is of this layout, and only the new place is used from here on.
            self.start = unsafe { HugeHeap.realloc(self.start, self.layout, size) };
            assert!(!self.start.is_null());
            self.layout = Layout::from_size_align(size, self.layout.align()).unwrap();
            assert_eq!(self.start as usize % self.layout.align(), 0);
        }
    }

    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: the block is of this layout and not used again.
            unsafe { HugeHeap.dealloc(self.start, self.layout) };
        }
    }

    /// Each byte of a block tells its place, at the ends of every 64 KiB.
    fn mark(block: &mut Block) {
        let places = block.bytes().chunks_mut(64 << 10).enumerate();
        places.for_each(|(at, part)| (part[0], part[part.len() - 1]) = (at as u8, !(at as u8)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_block_keeps_its_bytes_over_every_border(
            sizes in prop::collection::vec(prop_oneof![1..9000_usize, LARGE - 70_000..LARGE + 70_000, LARGE..6 * LARGE], 2..8),
            align in (0..13_u32).prop_map(|power| 1 << power),
        ) {
            let mut block = Block::new(sizes[0], align, false);
            mark(&mut block);
            for sizes in sizes.windows(2) {
                block.resize(sizes[1]);
                let whole = sizes[0].min(sizes[1]) / (64 << 10);
                for (at, part) in block.bytes().chunks(64 << 10).take(whole).enumerate() {
                    prop_assert_eq!((part[0], part[part.len() - 1]), (at as u8, !(at as u8)));
                }
                mark(&mut block);
            }
        }
    }

    #[test]
    fn threads_that_take_and_free_blocks_never_share_one() {
        let work = |seed: usize| {
            let mut blocks = Vec::new();
            let mut number = seed;
            for round in 0..200_usize {
                number =
                    number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let size = LARGE + (number >> 40) % (5 * LARGE);
                let mut block = match blocks.len() {
                    3.. => blocks.swap_remove(round % 3),
                    _ => Block::new(size, 8, false),
                };
                if block.layout.size() != size {
                    block.resize(size);
                }
                block.bytes()[0] = seed as u8;
                block.bytes()[size - 1] = seed as u8;
                blocks.push(block);
                if round % 7 == 0 {
                    blocks.clear();
                }
                for block in &mut blocks {
                    let size = block.layout.size();
                    assert_eq!((block.bytes()[0], block.bytes()[size - 1]), (seed as u8, seed as u8));
                }
            }
        };
        std::thread::scope(|scope| {
            for seed in 1..5 {
                scope.spawn(move || work(seed));
            }
        });
    }

    #[test]
    fn a_zeroed_block_is_zeros_even_where_one_was_freed() {
        for size in [100, LARGE, LARGE + 1] {
            Block::new(size, 8, true).bytes().fill(1);
            assert!(Block::new(size, 8, true).bytes().iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn more_than_there_is_gives_null() {
        let layout = Layout::from_size_align(isize::MAX as usize - 4096, 8).unwrap();
        // SAFETY: the size is not zero; a null is not used.
        assert!(unsafe { HugeHeap.alloc(layout) }.is_null());
        let mut block = Block::new(LARGE, 8, true);
        // SAFETY: a null leaves the block as it is.
        assert!(unsafe { HugeHeap.realloc(block.start, block.layout, isize::MAX as usize - 4096) }.is_null());
        assert_eq!(block.bytes()[LARGE - 1], 0);
    }
}
