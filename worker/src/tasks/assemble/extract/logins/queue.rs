//! Packed events one behind the other: put in at the end, taken out at the front.

use coldread_model::Timestamp;
use std::collections::VecDeque;

/// Bytes that were taken out and may stand before the first event, at least.
const SLACK: usize = 64 << 10;

#[derive(Debug)]
struct Place {
    time: Option<Timestamp>,
    len: usize,
}

/// Events in order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    /// Where the first event begins.
    start: usize,
    places: VecDeque<Place>,
}

impl Queue {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How much memory they take.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() - self.start + self.places.len() * size_of::<Place>()
    }

    /// Puts one behind the others.
    pub(super) fn push(&mut self, time: Option<Timestamp>, event: &[u8]) {
        // Moved to the front where that moves less than was taken out.
        if self.start >= SLACK && self.start > self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(event);
        self.places.push_back(Place { time, len: event.len() });
    }

    /// The first one.
    pub(super) fn first(&self) -> Option<(Option<Timestamp>, &[u8])> {
        let place = self.places.front()?;
        Some((place.time, self.bytes.get(self.start..self.start + place.len)?))
    }

    /// Takes the first one out.
    pub(super) fn pop(&mut self) {
        if let Some(place) = self.places.pop_front() {
            self.start += place.len;
        }
    }

    /// How many are of before `bound`.
    pub(super) fn before(&self, bound: Option<Timestamp>) -> usize {
        self.places.partition_point(|place| place.time < bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_as_they_went_in_and_their_room_is_used_again() {
        let mut queue = Queue::default();
        let event = |number: u64| number.to_string().repeat(30).into_bytes();
        let time = |number: u64| Some(Timestamp::new(number as i64, 0));
        let mut next = 0;
        for number in 0..20_000 {
            queue.push(time(number), &event(number));
            if number >= 100 {
                assert_eq!(queue.first(), Some((time(next), &event(next)[..])));
                queue.pop();
                next += 1;
            }
        }
        assert_eq!((queue.len(), queue.before(time(next + 7)), queue.before(None)), (100, 7, 0));
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
