//! Digests of streams, by their places in a plan and by their indexes in a survey.

use super::Hashed;
use coldread_fsparse::content::ContentError;
use coldread_model::Sha256Digest;
use std::collections::BTreeMap;

/// No stream.
pub(in super::super) const NO_STREAM: u32 = u32::MAX;

/// Bytes of a digest.
const LEN: usize = 32;

/// Digests of places in a row, as far as they could be made.
#[derive(Debug, Default)]
pub(in super::super) struct DigestList {
    bytes: Vec<u8>,
    made: Vec<bool>,
}

impl DigestList {
    /// None yet, for `count` places.
    pub(super) fn none(count: usize) -> Self {
        Self { bytes: vec![0; count * LEN], made: vec![false; count] }
    }

    /// No place yet, and room for so many: the memory is taken as they come.
    fn with_room(count: usize) -> Self {
        Self { bytes: Vec::with_capacity(count * LEN), made: Vec::with_capacity(count) }
    }

    /// How many places it is for.
    fn count(&self) -> usize {
        self.made.len()
    }

    /// The digest of a place, if it was made.
    pub(super) fn get(&self, place: usize) -> Option<Sha256Digest> {
        let made = self.made.get(place).is_some_and(|made| *made);
        self.bytes.as_chunks().0.get(place).filter(|_| made).map(|bytes| Sha256Digest(*bytes))
    }

    /// Puts in the digest of the place at `index`; nothing where there is no such place.
    pub(super) fn put(&mut self, index: usize, digest: Sha256Digest) {
        let bytes = self.bytes.as_chunks_mut::<LEN>().0.get_mut(index);
        if let (Some(bytes), Some(made)) = (bytes, self.made.get_mut(index)) {
            (*bytes, *made) = (digest.0, true);
        }
    }

    fn append(&mut self, mut other: Self) {
        self.bytes.append(&mut other.bytes);
        self.made.append(&mut other.made);
    }
}

/// Digests from the first place on, as far as nothing is missing between them. What is hashed beside it comes in any order.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    list: DigestList,
    /// What came before its turn, by its first place.
    waiting: BTreeMap<usize, DigestList>,
}

impl InOrder {
    /// None yet, of `count` places.
    pub(super) fn with_room(count: usize) -> Self {
        Self { list: DigestList::with_room(count), waiting: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, first: usize, digests: DigestList) {
        self.waiting.insert(first, digests);
        while let Some(next) = self.waiting.remove(&self.list.count()) {
            self.list.append(next);
        }
    }

    /// The digests, as far as they are in order.
    pub(super) fn into_list(self) -> DigestList {
        self.list
    }
}

/// Digests by the index of the stream in its survey.
pub(in super::super) struct Digests {
    /// For each stream its place among the digests; [`NO_STREAM`] for none.
    places: Vec<u32>,
    known: InOrder,
}

impl Digests {
    /// None yet, of a survey with `count` streams, of which those in `plan` are hashed in this order.
    pub(in super::super) fn expected<'a>(count: usize, plan: impl Iterator<Item = &'a u32>) -> Self {
        let mut places = vec![NO_STREAM; count];
        // A survey's indexes fit 32 bits.
        let mut planned = 0;
        for stream in plan {
            places[*stream as usize] = planned;
            planned += 1;
        }
        Self { places, known: InOrder::with_room(planned as usize) }
    }

    /// Takes in digests that were made. Gives the streams that could not be read, by their places.
    pub(in super::super) fn add(&mut self, hashed: Hashed) -> Vec<(usize, ContentError)> {
        self.known.add(hashed.first, hashed.digests);
        hashed.failed
    }

    /// Of how many places from the first on it is known what became of them.
    pub(in super::super) fn known(&self) -> usize {
        self.known.list.count()
    }

    /// How many places have to be known for the digest of a stream; 0 where there will be none.
    pub(in super::super) fn needed(&self, stream: u32) -> usize {
        let place = self.places.get(stream as usize).filter(|place| **place != NO_STREAM);
        place.map_or(0, |place| *place as usize + 1)
    }

    pub(in super::super) fn get(&self, stream: u32) -> Option<Sha256Digest> {
        self.known.list.get(*self.places.get(stream as usize)? as usize)
    }
}

#[cfg(test)]
impl Hashed {
    /// Digests of so many places from `first` on, each a byte over and over; 0 for none.
    pub(in super::super) fn of(first: usize, bytes: &[u8]) -> Self {
        let mut digests = DigestList::none(bytes.len());
        for (index, byte) in bytes.iter().enumerate().filter(|(_, byte)| **byte > 0) {
            digests.put(index, Sha256Digest([*byte; 32]));
        }
        Self { first, digests, failed: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_known_once_those_before_them_are() {
        let mut digests = Digests::expected(6, [4, 0, 5, 2].iter());
        assert_eq!([0, 1, 2, 3, 4, 5, NO_STREAM].map(|stream| digests.needed(stream)), [2, 0, 4, 0, 1, 3, 0]);
        for (first, bytes, known) in [(3, &[9][..], 0), (1, &[7, 0], 0), (0, &[6], 4)] {
            digests.add(Hashed::of(first, bytes));
            assert_eq!(digests.known(), known);
        }
        let found = [0, 1, 2, 3, 4, 5, NO_STREAM].map(|stream| digests.get(stream).map(|digest| digest.0[0]));
        assert_eq!(found, [Some(7), None, Some(9), None, Some(6), None, None]);
    }
}
