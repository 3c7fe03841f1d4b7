//! How much memory reading may take.

/// The least that a queue reads ahead: two of the longest reads.
const MIN_AHEAD: u64 = 2 << 20;
/// The most: enough for the deepest disk.
const MAX_AHEAD: u64 = 32 << 20;
/// The least that login events take before they are spilled.
const MIN_EVENTS: usize = 8 << 20;
/// The most: they are found by 32 bits.
const MAX_EVENTS: usize = 2 << 30;

/// Memory for bytes that were read ahead and are not taken in yet, in a task's queues and in the buffers that put
/// pieces into order, and for login events that wait to be sorted. What a task knows of a volume, its inodes and names,
/// is not counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory(u64);

impl Memory {
    /// So many bytes; each thread gets at least a few MiB, whatever is said.
    pub const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes that each of `threads` may read ahead of what it takes in: an eighth of its share. As many may wait for
    /// their turn, buffers of other sizes were needed at other times and are twice as much, and a task that runs beside
    /// it takes the other half.
    pub(crate) fn ahead(self, threads: usize) -> u64 {
        (self.0 / 8 / threads.max(1) as u64).clamp(MIN_AHEAD, MAX_AHEAD)
    }

    /// Bytes of login events that wait in memory: seven eighths, or three where content is hashed beside it. Large logs
    /// are read through a window, in the rest.
    pub(crate) fn events(self, hashing: bool) -> usize {
        let eighths = if hashing { 3 } else { 7 };
        usize::try_from(self.0 / 8 * eighths).unwrap_or(usize::MAX).clamp(MIN_EVENTS, MAX_EVENTS)
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
        assert_eq!(Memory::default().ahead(2), 8 << 20);
        assert_eq!(Memory::of(256 << 20).ahead(8), 4 << 20);
        assert_eq!(Memory::of(1).ahead(4), MIN_AHEAD);
        assert_eq!(Memory::of(u64::MAX).ahead(0), MAX_AHEAD);
        assert_eq!([false, true].map(|hashing| Memory::default().events(hashing)), [112 << 20, 48 << 20]);
        for hashing in [false, true] {
            let events = |bytes| Memory::of(bytes).events(hashing);
            assert_eq!((events(1), events(u64::MAX)), (MIN_EVENTS, MAX_EVENTS));
        }
    }
}
