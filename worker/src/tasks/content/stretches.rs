//! The streams of a plan dealt out to threads, a stretch of the disk at a time: who has read one takes the next, so that
//! all end together, however unevenly the disk serves them.

use super::{super::streams::Streams, Hashed, digests::DigestList};
use coldread_fsparse::content::ContentError;
use coldread_model::Sha256Digest;
use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Bytes of a stretch, or one stream: some of the longest reads, and little beside what a thread reads ahead.
const STRETCH_BYTES: u64 = 2 << 20;
/// What a stream costs besides the bytes that it allocates, counted in such bytes.
const STREAM_BYTES: u64 = 4 << 10;

/// Streams that no thread has taken yet, in the order in which they lie.
pub(super) struct Stretches<'a> {
    streams: &'a dyn Streams,
    /// Their places in the plan.
    rest: Mutex<Range<usize>>,
}

impl<'a> Stretches<'a> {
    /// All streams of a plan.
    pub(super) fn new(streams: &'a dyn Streams) -> Self {
        Self { streams, rest: Mutex::new(0..streams.count()) }
    }

    /// The places of the next stretch, unless all are taken.
    pub(super) fn take(&self) -> Option<Range<usize>> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let mut weight = 0_u64;
        let count = rest.clone().take_while(|&place| {
            let before = weight;
            let bytes = self.streams.content(place).allocated().saturating_add(STREAM_BYTES);
            weight = weight.saturating_add(bytes);
            before == 0 || weight <= STRETCH_BYTES
        });
        let start = rest.start;
        rest.start += count.count();
        Some(start..rest.start).filter(|taken| !taken.is_empty())
    }
}

/// A stretch that a thread hashes.
struct Stretch {
    hashed: Hashed,
    places: Range<usize>,
    /// Streams of which it is not known yet what becomes of them.
    left: usize,
}

/// The stretches that one thread has taken and not ended, the last one last.
pub(super) struct Taken<'a> {
    stretches: Vec<Stretch>,
    /// Takes in what has ended.
    tell: &'a (dyn Fn(Hashed) + Sync),
}

impl<'a> Taken<'a> {
    /// None yet.
    pub(super) fn new(tell: &'a (dyn Fn(Hashed) + Sync)) -> Self {
        Self { stretches: Vec::new(), tell }
    }

    /// Adds one that lies behind all others.
    pub(super) fn add(&mut self, places: Range<usize>) {
        let left = places.len();
        let hashed = Hashed { first: places.start, digests: DigestList::none(left), failed: Vec::new() };
        self.stretches.push(Stretch { hashed, places, left });
    }

    /// Puts what became of the stream at `place`, which is one of these stretches'.
    pub(super) fn put(&mut self, place: usize, result: Result<Sha256Digest, ContentError>) {
        let after = self.stretches.partition_point(|stretch| stretch.places.start <= place);
        let Some(at) = after.checked_sub(1) else { return };
        let stretch = &mut self.stretches[at];
        match result {
            Ok(digest) => stretch.hashed.digests.put(place - stretch.places.start, digest),
            Err(error) => stretch.hashed.failed.push((place, error)),
        }
        stretch.left -= 1;
        if stretch.left == 0 {
            (self.tell)(self.stretches.remove(at).hashed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{
        content::digests::InOrder,
        plan::{PlannedContent, PlannedStream},
    };
    use coldread_fsparse::survey::Extent;
    use coldread_model::ByteRange;
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
            let told = Mutex::new(InOrder::default());
            let tell = |hashed: Hashed| {
                assert!(hashed.failed.iter().all(|(place, _)| (hashed.first..).contains(place)));
                told.lock().unwrap().add(hashed.first, hashed.digests);
            };
            let stretches = Stretches::new(&streams);
            let mut threads = [const { Vec::new() }; 3];
            let mut taken = [(); 3].map(|()| Taken::new(&tell));
            let mut next = 0;
            for turn in turns {
                let Some(places) = stretches.take() else { break };
                prop_assert!(places.start == next && !places.is_empty());
                next = places.end;
                let weight = |place: usize| u128::from(sizes[place]) + u128::from(STREAM_BYTES);
                let weight: u128 = places.clone().map(weight).sum();
                prop_assert!(places.len() == 1 || weight <= u128::from(STRETCH_BYTES));
                threads[turn].extend(places.clone());
                taken[turn].add(places);
            }
            prop_assert!(next == streams.len() && stretches.take().is_none());
            let digest = |place: usize| Sha256Digest([place as u8; 32]);
            let bad = |place: usize| place % 7 == 3;
            for (taken, places) in taken.iter_mut().zip(&mut threads) {
                for place in places.drain(..).rev() {
                    let range = ByteRange::new(0, 1);
                    let error = ContentError::Io { range, reason: String::new() };
                    taken.put(place, if bad(place) { Err(error) } else { Ok(digest(place)) });
                }
                prop_assert!(taken.stretches.is_empty());
            }
            drop(taken);
            let digests = told.into_inner().unwrap().into_list();
            for place in 0..streams.len() {
                prop_assert_eq!(digests.get(place), Some(digest(place)).filter(|_| !bad(place)));
            }
        }
    }
}
