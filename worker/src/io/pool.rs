//! Buffers that are lent to consumers and come back by the count of their `Arc`.
//!
//! A buffer is anonymous memory of its own, so that it starts on a page and costs nothing before it is
//! first written. Two sizes serve short and long reads. A pool makes buffers when it needs them, up to its
//! limit; when consumers hold them all, further ones are made for one read each and freed with the last
//! window into them, so that a consumer that keeps bytes never stops the reader.

use super::waiting::MAX_READ;
use coldread_fsparse::source::Memory;
use memmap2::MmapMut;
use std::{collections::VecDeque, io, sync::Arc};

/// Bytes of the smaller buffers.
const SMALL: usize = 64 << 10;

/// One buffer.
pub(super) struct Slab {
    map: MmapMut,
    /// Its number among the pool's; `None` if it serves one read only.
    pub(super) number: Option<u16>,
    /// Whether the kernel knows the buffer by its number.
    pub(super) registered: bool,
}

impl Slab {
    fn new(len: usize, number: Option<u16>) -> io::Result<Self> {
        Ok(Self { map: MmapMut::map_anon(len)?, number, registered: false })
    }

    /// Its bytes, for a reader to fill.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.map
    }
}

impl Memory for Slab {
    fn bytes(&self) -> &[u8] {
        &self.map
    }
}

/// The buffers of one queue.
pub(super) struct Pool {
    classes: [Class; 2],
    /// Buffers made so far, those that serve one read too.
    made: u32,
}

struct Class {
    size: usize,
    first_number: u16,
    limit: u16,
    made: u16,
    idle: Vec<Arc<Slab>>,
    lent: VecDeque<Arc<Slab>>,
}

impl Pool {
    /// A pool of at most `small` buffers of 64 KiB and `large` ones of [`MAX_READ`].
    pub(super) fn new(small: u16, large: u16) -> Self {
        let class = |size, first_number, limit| Class {
            size,
            first_number,
            limit,
            made: 0,
            idle: Vec::new(),
            lent: VecDeque::new(),
        };
        Self { classes: [class(SMALL, 0, small), class(MAX_READ as usize, small, large)], made: 0 }
    }

    /// How many buffers were made so far; counts round.
    pub(super) fn made(&self) -> u32 {
        self.made
    }

    /// A buffer of at least `len` bytes (at most [`MAX_READ`]) to which nobody else holds a reference.
    /// The flag says that it has just been made.
    pub(super) fn take(&mut self, len: u64) -> io::Result<(Arc<Slab>, bool)> {
        let class = &mut self.classes[usize::from(len > SMALL as u64)];
        if let Some(slab) = class.idle.pop() {
            return Ok((slab, false));
        }
        for _ in 0..class.lent.len() {
            let Some(mut slab) = class.lent.pop_front() else { break };
            if Arc::get_mut(&mut slab).is_some() {
                return Ok((slab, false));
            }
            class.lent.push_back(slab);
        }
        let number = (class.made < class.limit).then_some(class.first_number + class.made);
        let slab = Slab::new(class.size, number)?;
        self.made = self.made.wrapping_add(1);
        class.made += u16::from(number.is_some());
        Ok((Arc::new(slab), true))
    }

    /// Takes a buffer back, of which consumers may hold windows.
    pub(super) fn give(&mut self, mut slab: Arc<Slab>) {
        if slab.number.is_none() {
            return;
        }
        let class = &mut self.classes[usize::from(slab.map.len() > SMALL)];
        if Arc::get_mut(&mut slab).is_some() { class.idle.push(slab) } else { class.lent.push_back(slab) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::source::Buf;

    #[test]
    fn a_buffer_comes_back_when_its_last_window_is_dropped_and_not_before() {
        let mut pool = Pool::new(1, 1);
        let (slab, fresh) = pool.take(10).unwrap();
        assert!(fresh && slab.number == Some(0));
        let window = Buf::new(slab.clone(), 3, 4);
        let other = window.slice(1, 1);
        pool.give(slab);
        let (temporary, fresh) = pool.take(10).unwrap();
        assert!(fresh && temporary.number.is_none());
        pool.give(temporary);
        drop(window);
        assert!(pool.take(10).unwrap().0.number.is_none());
        drop(other);
        assert_eq!(pool.take(10).unwrap().0.number, Some(0));
        assert_eq!(pool.take(MAX_READ).unwrap().0.number, Some(1));
    }
}
