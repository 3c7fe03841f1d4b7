//! SHA-256 of several messages at once.
//!
//! Each round of a block needs the one before it, so that a single message keeps the processor's unit for it busy for half
//! of the time. Two messages, a block of each in turn, do not wait for each other: a third more bytes in the same time.
//! Source: FIPS 180-4, sections 5.1.1 (padding), 5.3.3 (initial value) and 6.2.

use coldread_model::Sha256Digest;
use sha2::block_api::compress256;
use std::slice;

const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Bytes of a block.
const BLOCK: usize = 64;
/// Bytes of the message's length in its last block.
const LENGTH: usize = 8;

/// A message under way.
struct Lane<'a, T> {
    name: T,
    state: [u32; 8],
    /// Whole blocks that are left of the message.
    blocks: &'a [[u8; BLOCK]],
    /// What follows them: the bytes that fill no block, and the padding.
    end: [[u8; BLOCK]; 2],
    /// Where what is left of `end` starts, and where it ends.
    ending: (usize, usize),
}

impl<'a, T> Lane<'a, T> {
    fn new(name: T, message: &'a [u8]) -> Self {
        let (blocks, rest) = message.as_chunks();
        let mut end = [[0; BLOCK]; 2];
        let count = if rest.len() < BLOCK - LENGTH { 1 } else { 2 };
        end[0][..rest.len()].copy_from_slice(rest);
        end[0][rest.len()] = 0x80;
        // No message in memory has as many bits as would not fit.
        let bits = (message.len() as u64).wrapping_mul(8);
        end[count - 1][BLOCK - LENGTH..].copy_from_slice(&bits.to_be_bytes());
        Self { name, state: INITIAL, blocks, end, ending: (0, count) }
    }

    /// Blocks that come next, one after the other in memory; none once all are done.
    fn next(&self) -> &[[u8; BLOCK]] {
        if self.blocks.is_empty() { &self.end[self.ending.0..self.ending.1] } else { self.blocks }
    }

    /// Notes that the first `count` of them are done.
    fn pass(&mut self, count: usize) {
        match self.blocks.get(count..) {
            Some(blocks) if !self.blocks.is_empty() => self.blocks = blocks,
            _ => self.ending.0 += count,
        }
    }

    fn is_done(&self) -> bool {
        self.next().is_empty()
    }

    /// Does what is left.
    fn finish(mut self) -> (T, Sha256Digest) {
        compress256(&mut self.state, self.blocks);
        compress256(&mut self.state, &self.end[self.ending.0..self.ending.1]);
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        (self.name, Sha256Digest(digest))
    }
}

/// Does as many blocks of both as come next of each.
fn advance<T>(one: &mut Lane<'_, T>, other: &mut Lane<'_, T>) {
    let (mut first, mut second) = (one.state, other.state);
    let mut count = 0;
    for (block, beside) in one.next().iter().zip(other.next()) {
        compress256(&mut first, slice::from_ref(block));
        compress256(&mut second, slice::from_ref(beside));
        count += 1;
    }
    (one.state, other.state) = (first, second);
    one.pass(count);
    other.pass(count);
}

/// Tells the digest of each message, with its name, in the order in which they are done.
pub(super) fn digests<'a, T>(
    messages: impl IntoIterator<Item = (T, &'a [u8])>,
    mut tell: impl FnMut(T, Sha256Digest),
) {
    let mut tell = |lane: Lane<'a, T>| {
        let (name, digest) = lane.finish();
        tell(name, digest);
    };
    let mut waiting: Option<Lane<'a, T>> = None;
    for (name, message) in messages {
        let mut lane = Lane::new(name, message);
        let Some(mut other) = waiting.take() else {
            waiting = Some(lane);
            continue;
        };
        while !lane.is_done() && !other.is_done() {
            advance(&mut lane, &mut other);
        }
        for lane in [other, lane] {
            if lane.is_done() { tell(lane) } else { waiting = Some(lane) }
        }
    }
    waiting.into_iter().for_each(tell);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    fn check(lens: &[usize]) {
        let messages: Vec<Vec<u8>> = lens
            .iter()
            .enumerate()
            .map(|(n, len)| (0..*len).map(|at| (at * 31 + n * 7) as u8).collect())
            .collect();
        let mut got = vec![None; lens.len()];
        digests(messages.iter().map(Vec::as_slice).enumerate(), |name, digest| {
            assert_eq!(got[name].replace(digest), None, "message {name} twice");
        });
        for (message, got) in messages.iter().zip(got) {
            assert_eq!(
                got,
                Some(Sha256Digest(Sha256::digest(message).into())),
                "{} of {lens:?}",
                message.len()
            );
        }
    }

    #[test]
    fn every_length_around_a_block_is_padded_as_it_has_to_be() {
        for len in 0..=200 {
            check(&[len]);
            check(&[len, 200 - len]);
        }
    }

    proptest! {
        #[test]
        fn messages_beside_each_other_are_hashed_as_each_alone(lens in prop::collection::vec(0usize..2000, 0..40)) {
            check(&lens);
        }
    }
}
