//! Bytes that a queue hands out: a window into memory that is shared, not copied.

use std::{fmt, ops::Deref, sync::Arc};

/// Memory that a [`Buf`] can look into: a pooled read buffer, a memory map, a vector.
pub trait Memory: Send + Sync {
    /// The bytes.
    fn bytes(&self) -> &[u8];
}

impl Memory for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
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
        let size = memory.bytes().len();
        let start = start.min(size);
        Self { memory, start, len: len.min(size - start) }
    }

    /// The part of this window from `start`, `len` bytes, cut at its end.
    pub fn slice(&self, start: usize, len: usize) -> Self {
        let start = start.min(self.len);
        Self { memory: Arc::clone(&self.memory), start: self.start + start, len: len.min(self.len - start) }
    }
}

impl From<Vec<u8>> for Buf {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        Self { memory: Arc::new(bytes), start: 0, len }
    }
}

impl Deref for Buf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.memory.bytes()[self.start..self.start + self.len]
    }
}

impl fmt::Debug for Buf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buf({} bytes)", self.len)
    }
}
