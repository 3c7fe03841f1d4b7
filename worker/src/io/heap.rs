//! The program's heap, whose large blocks lie on huge pages.
//!
//! Rows of a listing are few blocks of many megabytes. On pages of 4 KiB each of them costs thousands of page
//! faults when it is first written, a third of the time of a listing from memory, and growing it copies it. Blocks
//! from [`LARGE`] bytes on are mappings of their own: the kernel is asked for huge pages (see [`huge`]; where it has
//! none, small ones serve as well), growing moves page tables instead of bytes (`mremap(2)`), and what is freed goes
//! back at once. Everything smaller is the system allocator's.

use super::huge::{self, HUGE};
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

/// A new mapping, all zeros; null where there is no memory.
fn map(size: usize) -> *mut u8 {
    let len = mapped(size);
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new private anonymous mapping touches no memory that anybody has.
    let start = unsafe { libc::mmap(ptr::null_mut(), len, access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return ptr::null_mut();
    }
    // SAFETY: the range is the mapping just made.
    unsafe { huge::pages(start.cast(), len, 0) };
    start.cast()
}

// SAFETY: blocks are either the system allocator's or whole private mappings of at least the layout's size, which
// begin at a page and are nobody else's until they are unmapped; `is_mapping` tells the two apart by the layout
// alone. Nothing here panics or allocates.
unsafe impl GlobalAlloc for HugeHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_mapping(layout.size(), layout.align()) {
            return map(layout.size());
        }
        // SAFETY: the caller's promise is the one that is asked for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_mapping(layout.size(), layout.align()) {
            return map(layout.size());
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_mapping(layout.size(), layout.align()) {
            // SAFETY: by its layout the block is a mapping of this length, and the caller gives it up. It can only
            // fail for a range that is none.
            unsafe { libc::munmap(block.cast(), mapped(layout.size())) };
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
            let (had, wanted) = (mapped(layout.size()), mapped(size));
            if had == wanted {
                return block;
            }
            // SAFETY: the block is a mapping of `had` bytes; where the kernel moves it, the caller uses the new place
            // alone.
            let moved = unsafe { libc::mremap(block.cast(), had, wanted, libc::MREMAP_MAYMOVE) };
            if moved == libc::MAP_FAILED {
                return ptr::null_mut();
            }
            if wanted > had {
                // SAFETY: the mapping is the block's alone, and what it grew by is new.
                unsafe { huge::pages(moved.cast(), wanted, had) };
            }
            return moved.cast();
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
