//! How many bytes a queue has under way, and how many it reads for nothing: what a disk is like shows in its answers.
//!
//! Buffers are new memory when they are first filled, which can cost more than the read, so a queue begins with few: two
//! queues of a near disk are as fast with [`START`] bytes under way each as with ten times as many. One alone was up to a
//! quarter slower with so few, and has what two have. A disk that is far, or slow, lets a queue wait: each long wait allows
//! for more.
//!
//! A gap between two requests is read through where that costs less than another request. A disk that has answered fast
//! once is near, and bytes are what it is paid for; of another, or of one that nobody has waited for yet, requests are.

use super::waiting::{GAP, MAX_READ};
use std::time::Duration;

/// Bytes under way at first …
const START: u64 = 4 * MAX_READ;
/// … or so many while a disk has no other queue.
const ALONE: u64 = 8 * MAX_READ;
/// A wait for one read that is longer asks for more reads side by side.
const LONG: Duration = Duration::from_millis(5);
/// What a long wait adds.
const MORE: u64 = 2 * MAX_READ;
/// A disk that never answers sooner is far.
const FAR: Duration = Duration::from_millis(5);
/// The longest gap that is read through on a near disk: blocks of directories lie 32 KiB apart on XFS, and with gaps of 64
/// KiB a survey read twice what it asked for.
const NEAR_GAP: u64 = 16 << 10;

/// Bytes that a queue may have under way.
#[derive(Debug)]
pub(super) struct Ahead {
    now: u64,
    most: u64,
    /// The shortest time in which the disk has answered a read.
    soonest: Duration,
}

impl Ahead {
    /// A few bytes, and never more than `most`.
    pub(super) fn within(most: u64) -> Self {
        Self { now: START.min(most), most, soonest: Duration::MAX }
    }

    /// Bytes that may be under way, where a disk has so many queues.
    pub(super) fn bytes(&self, queues: u32) -> u64 {
        if queues > 1 { self.now } else { self.now.max(ALONE.min(self.most)) }
    }

    /// Unwanted bytes between two requests that are read through.
    pub(super) fn gap(&self) -> u64 {
        if self.soonest < FAR { NEAR_GAP } else { GAP }
    }

    /// Notes how long the disk took for a read.
    pub(super) fn answered(&mut self, time: Duration) {
        self.soonest = self.soonest.min(time);
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
        assert_eq!(ahead.bytes(2), START);
        for more in [2, 3, 3] {
            ahead.waited(2 * LONG);
            assert_eq!(ahead.bytes(2), START + more * MAX_READ);
        }
        let mut little = Ahead::within(2 * MAX_READ);
        little.waited(2 * LONG);
        assert_eq!(little.bytes(2), 2 * MAX_READ);
    }

    #[test]
    fn the_only_queue_has_as_much_under_way_as_two() {
        let mut ahead = Ahead::within(ALONE + MAX_READ);
        assert_eq!((ahead.bytes(1), 2 * ahead.bytes(2)), (ALONE, ALONE));
        for _ in 0..3 {
            ahead.waited(2 * LONG);
        }
        assert_eq!((ahead.bytes(1), ahead.bytes(2)), (ALONE + MAX_READ, ALONE + MAX_READ));
        assert_eq!(Ahead::within(2 * MAX_READ).bytes(1), 2 * MAX_READ);
    }

    #[test]
    fn a_disk_that_answered_fast_once_is_near() {
        let mut ahead = Ahead::within(START);
        assert_eq!(ahead.gap(), GAP);
        for (time, gap) in [(4 * FAR, GAP), (FAR, GAP), (FAR / 2, NEAR_GAP), (4 * FAR, NEAR_GAP)] {
            ahead.answered(time);
            assert_eq!(ahead.gap(), gap);
        }
    }
}
