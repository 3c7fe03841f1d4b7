//! How many bytes a queue has under way.
//!
//! Buffers are new memory when they are first filled, which can cost more than the read, so a queue begins with few: a
//! near disk is as fast with [`START`] bytes under way as with ten times as many. One that is far, or slow, lets the
//! queue wait: each long wait allows for more.

use super::waiting::MAX_READ;
use std::time::Duration;

/// Bytes under way at first.
const START: u64 = 4 * MAX_READ;
/// A wait for one read that is longer asks for more reads side by side.
const LONG: Duration = Duration::from_millis(5);
/// What a long wait adds.
const MORE: u64 = 2 * MAX_READ;

/// Bytes that a queue may have under way.
#[derive(Debug)]
pub(super) struct Ahead {
    now: u64,
    most: u64,
}

impl Ahead {
    /// A few bytes, and never more than `most`.
    pub(super) fn within(most: u64) -> Self {
        Self { now: START.min(most), most }
    }

    /// Bytes that may be under way.
    pub(super) fn bytes(&self) -> u64 {
        self.now
    }

    /// Notes that there was nothing to hand out for so long although reads were under way.
    pub(super) fn waited(&mut self, time: Duration) {
        if time > LONG {
            self.now = self.now.saturating_add(MORE).min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_waits_ask_for_more_up_to_the_most() {
        let mut ahead = Ahead::within(START + 3 * MAX_READ);
        ahead.waited(LONG);
        assert_eq!(ahead.bytes(), START);
        for more in [2, 3, 3] {
            ahead.waited(2 * LONG);
            assert_eq!(ahead.bytes(), START + more * MAX_READ);
        }
        let mut little = Ahead::within(2 * MAX_READ);
        little.waited(2 * LONG);
        assert_eq!(little.bytes(), 2 * MAX_READ);
    }
}
