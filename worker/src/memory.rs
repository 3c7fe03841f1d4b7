//! How much memory reading may take.

/// The least that a queue reads ahead: two of the longest reads.
const MIN_AHEAD: u64 = 2 << 20;
/// The most: enough for the deepest disk.
const MAX_AHEAD: u64 = 32 << 20;

/// Memory for bytes that were read ahead and are not taken in yet, in a task's queues and in the buffers that put
/// pieces into order. What a task knows of a volume, its inodes and names, is not counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory(u64);

impl Memory {
    /// So many bytes; each thread gets at least a few MiB, whatever is said.
    pub const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes that each of `threads` may read ahead of what it takes in: half in its queue, half waiting for their
    /// turn, and as much again for the task that runs beside it.
    pub(crate) fn ahead(self, threads: usize) -> u64 {
        (self.0 / 4 / threads.max(1) as u64).clamp(MIN_AHEAD, MAX_AHEAD)
    }
}

impl Default for Memory {
    /// 128 MiB.
    fn default() -> Self {
        Self(128 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_what_there_is_within_bounds() {
        assert_eq!(Memory::default().ahead(2), 16 << 20);
        assert_eq!(Memory::of(256 << 20).ahead(8), 8 << 20);
        assert_eq!(Memory::of(1).ahead(4), MIN_AHEAD);
        assert_eq!(Memory::of(u64::MAX).ahead(0), MAX_AHEAD);
    }
}
