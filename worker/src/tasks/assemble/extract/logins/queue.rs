//! Packed events one behind the other: put in at the end, taken out at the front.

use std::collections::VecDeque;

/// Bytes that were taken out and may stand before the first event, at least.
const SLACK: usize = 64 << 10;

/// Events in order, each with what is known of it.
#[derive(Debug)]
pub(super) struct Queue<T> {
    bytes: Vec<u8>,
    /// Where the first event begins.
    start: usize,
    /// What is known of each, and its length.
    events: VecDeque<(T, usize)>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), start: 0, events: VecDeque::new() }
    }
}

impl<T> Queue<T> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// How much memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() - self.start + self.events.len() * size_of::<(T, usize)>()
    }

    /// Puts one behind the others.
    #[inline]
    pub(super) fn push(&mut self, known: T, event: &[u8]) {
        // Moved to the front where that moves less than was taken out.
        if self.start >= SLACK && self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(event);
        self.events.push_back((known, event.len()));
    }

    /// What is known of the first one.
    #[inline]
    pub(super) fn front(&self) -> Option<&T> {
        self.events.front().map(|(known, _)| known)
    }

    /// The first one.
    #[inline]
    pub(super) fn first(&self) -> Option<(&T, &[u8])> {
        let (known, len) = self.events.front()?;
        Some((known, self.bytes.get(self.start..self.start + len)?))
    }

    /// Takes the first one out.
    #[inline]
    pub(super) fn pop(&mut self) {
        if let Some((_, len)) = self.events.pop_front() {
            self.start += len;
        }
    }

    /// How many come before the first one of which this is not so.
    pub(super) fn before(&self, is_before: impl Fn(&T) -> bool) -> usize {
        self.events.partition_point(|(known, _)| is_before(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Timestamp;

    #[test]
    fn events_come_out_as_they_went_in_and_their_room_is_used_again() {
        let mut queue = Queue::default();
        let event = |number: u64| number.to_string().repeat(30).into_bytes();
        let time = |number: u64| Some(Timestamp::new(number as i64, 0));
        let mut next = 0;
        for number in 0..20_000 {
            queue.push(time(number), &event(number));
            if number >= 100 {
                assert_eq!(queue.first(), Some((&time(next), &event(next)[..])));
                queue.pop();
                next += 1;
            }
        }
        assert_eq!((queue.len(), queue.before(|known| *known < time(next + 7))), (100, 7));
        assert!(queue.bytes.len() < 4 * SLACK, "{}", queue.bytes.len());
        let held = queue.bytes();
        while let Some((_, first)) = queue.first() {
            assert_eq!(first, event(next));
            queue.pop();
            next += 1;
        }
        assert_eq!((next, queue.bytes()), (20_000, 0));
        assert!(held > 100 * 120);
    }
}
