//! SHA-256 of items as their bytes come in.

mod lanes;

use super::{ContentError, Sink};
use crate::source::Buf;
use coldread_model::Sha256Digest;
use sha2::{Digest, Sha256};
use std::collections::HashMap;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// Hashes items; the results are in the order in which the items ended.
#[derive(Default)]
pub struct DigestSink {
    running: HashMap<usize, Sha256>,
    /// Item and its digest, or why there is none.
    pub results: Vec<(usize, Result<Sha256Digest, ContentError>)>,
}

impl Sink for DigestSink {
    fn bytes(&mut self, item: usize, bytes: &[u8]) {
        self.running.entry(item).or_default().update(bytes);
    }

    fn zeros(&mut self, item: usize, len: u64) {
        let hasher = self.running.entry(item).or_default();
        let mut left = len;
        while left > 0 {
            let now = left.min(ZEROS.len() as u64);
            hasher.update(&ZEROS[..now as usize]);
            left -= now;
        }
    }

    fn done(&mut self, item: usize) {
        let hasher = self.running.remove(&item).unwrap_or_default();
        self.results.push((item, Ok(Sha256Digest(hasher.finalize().into()))));
    }

    fn whole(&mut self, items: &[(usize, Buf)]) {
        let messages = items.iter().map(|(item, bytes)| (*item, &bytes[..]));
        lanes::digests(messages, |item, digest| self.results.push((item, Ok(digest))));
    }

    fn failed(&mut self, item: usize, error: ContentError) {
        self.running.remove(&item);
        self.results.push((item, Err(error)));
    }
}

/// The digest of bytes that are at hand, followed by zeros up to `size` (inline data).
pub fn digest_of(bytes: &[u8], size: u64) -> Sha256Digest {
    let mut sink = DigestSink::default();
    let at_hand = bytes.len().min(usize::try_from(size).unwrap_or(usize::MAX));
    sink.bytes(0, &bytes[..at_hand]);
    sink.zeros(0, size - at_hand as u64);
    let hasher = sink.running.remove(&0).unwrap_or_default();
    Sha256Digest(hasher.finalize().into())
}

#[cfg(test)]
mod tests;
