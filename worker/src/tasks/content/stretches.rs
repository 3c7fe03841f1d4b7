//! The streams of a plan dealt out to threads, a stretch of the disk at a time: who has read one takes the next, so that
//! all end together, however unevenly the disk serves them.

use super::{super::streams::Streams, digests::DigestRoom};
use coldread_model::Sha256Digest;
use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Bytes of a stretch, or one stream: some of the longest reads, and little beside what a thread reads ahead.
const STRETCH_BYTES: u64 = 2 << 20;
/// What a stream costs besides the bytes that it allocates, counted in such bytes.
const STREAM_BYTES: u64 = 4 << 10;

/// Streams that no thread has taken yet, in the order in which they lie, and room for their digests.
pub(super) struct Stretches<'a> {
    streams: &'a dyn Streams,
    rest: Mutex<Stretch<'a>>,
}

/// Streams that one thread hashes, by their places in the plan.
#[derive(Debug, Default)]
pub(super) struct Stretch<'a> {
    pub(super) places: Range<usize>,
    /// For each place.
    room: DigestRoom<'a>,
}

impl<'a> Stretches<'a> {
    /// All streams of a plan; there is room for the digest of each.
    pub(super) fn new(streams: &'a dyn Streams, room: DigestRoom<'a>) -> Self {
        Self { streams, rest: Mutex::new(Stretch { places: 0..room.count(), room }) }
    }

    /// The next stretch, unless all are taken.
    pub(super) fn take(&self) -> Option<Stretch<'a>> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let all = rest.places.clone();
        let mut weight = 0_u64;
        let count = all.clone().take_while(|&place| {
            let before = weight;
            let bytes = self.streams.content(place).allocated().saturating_add(STREAM_BYTES);
            weight = weight.saturating_add(bytes);
            before == 0 || weight <= STRETCH_BYTES
        });
        let count = count.count();
        let end = all.start + count;
        rest.places.start = end;
        let room = rest.room.split_off(count);
        (count > 0).then_some(Stretch { places: all.start..end, room })
    }
}

/// The stretches that one thread has taken, the last one last.
#[derive(Debug, Default)]
pub(super) struct Taken<'a>(Vec<Stretch<'a>>);

impl<'a> Taken<'a> {
    pub(super) fn add(&mut self, stretch: Stretch<'a>) {
        self.0.push(stretch);
    }

    /// Puts the digest of the stream at `place`, which is one of these stretches'.
    pub(super) fn put(&mut self, place: usize, digest: Sha256Digest) {
        let after = self.0.partition_point(|stretch| stretch.places.start <= place);
        if let Some(stretch) = after.checked_sub(1).and_then(|at| self.0.get_mut(at)) {
            stretch.room.put(place - stretch.places.start, digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{
        content::digests::DigestList,
        plan::{PlannedContent, PlannedStream},
    };
    use coldread_fsparse::survey::Extent;
    use proptest::prelude::*;

    fn stream(bytes: u64) -> PlannedStream {
        let extent = Extent { logical: 0, physical: 0, len: bytes, unwritten: false };
        PlannedStream {
            inode: 0,
            stream: Vec::new(),
            size: bytes,
            initialized: bytes,
            deleted: false,
            content: PlannedContent::Plain(vec![extent]),
        }
    }

    proptest! {
        #[test]
        fn each_stream_is_taken_once_and_each_digest_gets_to_its_place(
            sizes in prop::collection::vec(prop_oneof![0..9_u64, 0..STRETCH_BYTES, Just(u64::MAX)], 0..60),
            turns in prop::collection::vec(0..3_usize, 60),
        ) {
            let streams: Vec<_> = sizes.iter().copied().map(stream).collect();
            let mut digests = DigestList::none(streams.len());
            let stretches = Stretches::new(&streams, digests.room());
            let mut threads = [const { (Taken(Vec::new()), Vec::new()) }; 3];
            let mut next = 0;
            for turn in turns {
                let Some(stretch) = stretches.take() else { break };
                let places = stretch.places.clone();
                prop_assert!(places.start == next && !places.is_empty());
                next = places.end;
                let weight = |place: usize| u128::from(sizes[place]) + u128::from(STREAM_BYTES);
                let weight: u128 = places.clone().map(weight).sum();
                prop_assert!(places.len() == 1 || weight <= u128::from(STRETCH_BYTES));
                threads[turn].0.add(stretch);
                threads[turn].1.extend(places);
            }
            prop_assert!(next == streams.len() && stretches.take().is_none());
            let digest = |place: usize| Sha256Digest([place as u8; 32]);
            for (taken, places) in &mut threads {
                for place in places.drain(..).rev() {
                    taken.put(place, digest(place));
                }
            }
            for place in 0..streams.len() {
                prop_assert_eq!(digests.get(place), Some(digest(place)));
            }
        }
    }
}
