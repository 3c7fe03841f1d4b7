//! Bytes that a queue hands out: a window into memory that is shared, not copied.

use std::{fmt, ops::Deref, sync::Arc};

/// Memory that a [`Buf`] can look into: a pooled read buffer, a memory map, a vector.
pub trait Memory: Send + Sync {
    /// How many bytes it has.
    fn size(&self) -> usize;

    /// Those of a window, which lies inside. There is no way to look at all of them: others may still be read.
    fn window(&self, start: usize, len: usize) -> &[u8];

    /// How many bytes cannot be used for anything else as long as somebody looks into them. None where they stay in any
    /// case, as those of a memory map do.
    fn withheld(&self) -> usize {
        self.size()
    }
}

impl Memory for Vec<u8> {
    fn size(&self) -> usize {
        self.len()
    }

    fn window(&self, start: usize, len: usize) -> &[u8] {
        &self[start..start + len]
    }
}

/// A window into shared memory. Cloning and slicing copy no bytes; the memory goes back to its owner
/// (a pool sees it by the count of the `Arc`) when the last window is dropped.
#[derive(Clone)]
pub struct Buf {
    memory: Arc<dyn Memory>,
    start: usize,
    len: usize,
}

impl Buf {
    /// The window of `len` bytes at `start`, cut at the memory's end.
    pub fn new(memory: Arc<dyn Memory>, start: usize, len: usize) -> Self {
        let size = memory.size();
        let start = start.min(size);
        Self { memory, start, len: len.min(size - start) }
    }

    /// The part of this window from `start`, `len` bytes, cut at its end.
    pub fn slice(&self, start: usize, len: usize) -> Self {
        let start = start.min(self.len);
        Self { memory: Arc::clone(&self.memory), start: self.start + start, len: len.min(self.len - start) }
    }

    /// Prepares for being kept a while: a small window into much memory becomes a copy, so that what waits takes no more
    /// than [`KEPT_TIMES`] its bytes.
    pub fn settle(&mut self) {
        if self.memory.withheld() > self.len.saturating_mul(KEPT_TIMES) {
            *self = Self::from(self.to_vec());
        }
    }
}

/// A window that withholds at most so many times its bytes is kept as it is.
const KEPT_TIMES: usize = 2;

impl From<Vec<u8>> for Buf {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self { memory: Arc::new(bytes), start: 0, len }
    }
}

impl Deref for Buf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.memory.window(self.start, self.len)
    }
}

impl fmt::Debug for Buf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buf({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_window_lets_go_of_the_memory_behind_it_and_a_large_one_stays() {
        let memory: Arc<dyn Memory> = Arc::new((0..100).collect::<Vec<u8>>());
        let (mut small, mut large) =
            (Buf::new(Arc::clone(&memory), 10, 49), Buf::new(Arc::clone(&memory), 10, 50));
        small.settle();
        large.settle();
        assert_eq!(Arc::strong_count(&memory), 2);
        assert_eq!((small[..].to_vec(), large[..].to_vec()), ((10..59).collect(), (10..60).collect()));
    }
}
