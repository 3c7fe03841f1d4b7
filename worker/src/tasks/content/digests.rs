//! Digests of streams, by their places in a plan and by their indexes in a survey.

use coldread_model::Sha256Digest;
use std::mem;

/// No stream.
pub(in super::super) const NO_STREAM: u32 = u32::MAX;

/// Bytes of a digest.
const LEN: usize = 32;

/// Digests by place, as far as they are made. A list of `Option`s would be written whole before the first digest is
/// made; zeroed bytes take memory as they are filled.
#[derive(Debug, Default)]
pub(in super::super) struct DigestList {
    bytes: Vec<u8>,
    made: Vec<bool>,
}

/// Room for the digests of some places in a row.
#[derive(Debug, Default)]
pub(super) struct DigestRoom<'a> {
    bytes: &'a mut [u8],
    made: &'a mut [bool],
}

impl DigestList {
    /// None yet, for `count` places.
    pub(super) fn none(count: usize) -> Self {
        Self { bytes: vec![0; count * LEN], made: vec![false; count] }
    }

    /// The digest of a place, if it was made.
    pub(super) fn get(&self, place: usize) -> Option<Sha256Digest> {
        let made = self.made.get(place).is_some_and(|made| *made);
        self.bytes.as_chunks().0.get(place).filter(|_| made).map(|bytes| Sha256Digest(*bytes))
    }

    /// Room for all of them.
    pub(super) fn room(&mut self) -> DigestRoom<'_> {
        DigestRoom { bytes: &mut self.bytes, made: &mut self.made }
    }

    fn append(&mut self, mut other: Self) {
        if self.made.is_empty() {
            *self = other;
        } else {
            self.bytes.append(&mut other.bytes);
            self.made.append(&mut other.made);
        }
    }
}

impl DigestRoom<'_> {
    /// How many places it is for.
    pub(super) fn count(&self) -> usize {
        self.made.len()
    }

    /// Takes the room for the first `count` places off, which it has.
    pub(super) fn split_off(&mut self, count: usize) -> Self {
        let (bytes, later_bytes) = mem::take(&mut self.bytes).split_at_mut(count * LEN);
        let (made, later_made) = mem::take(&mut self.made).split_at_mut(count);
        (self.bytes, self.made) = (later_bytes, later_made);
        Self { bytes, made }
    }

    /// Puts in the digest of the place at `index`; nothing where there is no such place.
    pub(super) fn put(&mut self, index: usize, digest: Sha256Digest) {
        let bytes = self.bytes.as_chunks_mut::<LEN>().0.get_mut(index);
        if let (Some(bytes), Some(made)) = (bytes, self.made.get_mut(index)) {
            (*bytes, *made) = (digest.0, true);
        }
    }
}

/// Digests by the index of the stream in its survey.
pub(in super::super) struct Digests {
    /// For each stream its place among the digests; [`NO_STREAM`] for none.
    places: Vec<u32>,
    list: DigestList,
}

impl Digests {
    /// None yet, of a survey with `count` streams.
    pub(in super::super) fn none(count: usize) -> Self {
        Self { places: vec![NO_STREAM; count], list: DigestList::default() }
    }

    /// Takes in those of streams that were hashed in the order of a plan.
    pub(in super::super) fn add(&mut self, plan: &[u32], digests: DigestList) {
        // A survey's indexes fit 32 bits.
        for (place, stream) in (self.list.made.len() as u32..).zip(plan) {
            self.places[*stream as usize] = place;
        }
        self.list.append(digests);
    }

    pub(in super::super) fn get(&self, stream: u32) -> Option<Sha256Digest> {
        self.list.get(*self.places.get(stream as usize)? as usize)
    }
}
