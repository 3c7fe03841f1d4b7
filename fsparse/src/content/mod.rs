//! Files' bytes: what to read for a stream, in which order, and feeding them in logical order.
//!
//! [`read_items`] keeps many requests under way, in the order in which the items are given (sort them by
//! where they start on the disk), and hands each item's bytes to a [`Sink`] from first to last. What no
//! extent covers, what was never written and what lies past the initialized size is zeros and costs no read.

mod deleted;
pub mod digest;
mod plan;
mod read;

pub use deleted::intact;
pub use plan::{Allowance, Item, ItemEncoding, is_too_sparse};
pub use read::read_items;

use crate::source::Buf;
use coldread_model::ByteRange;

/// Why an item's bytes cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The source could not be read there.
    #[error("bytes {}..{} of the volume: {reason}", range.start, range.end())]
    Io {
        /// Bytes of the volume.
        range: ByteRange,
        /// The source's words.
        reason: String,
    },
    /// Compressed bytes that contradict their format.
    #[error("compressed data at byte {at} of the file: {reason}")]
    Corrupt {
        /// Byte of the file where the unit starts.
        at: u64,
        /// Where in the volume its bytes lie.
        range: ByteRange,
        /// Words.
        reason: String,
    },
}

/// Takes the bytes of items. For each item: its bytes in order, then `done`, or nothing but one place in `whole`; or at
/// any point `failed`, after which nothing more comes for it.
pub trait Sink {
    /// The next bytes of an item.
    fn bytes(&mut self, item: usize, bytes: &[u8]);
    /// So many zeros come next.
    fn zeros(&mut self, item: usize, len: u64);
    /// All of the item was given.
    fn done(&mut self, item: usize);
    /// All of some items of which nothing was given yet, a few at once.
    fn whole(&mut self, items: &[(usize, Buf)]) {
        for (item, bytes) in items {
            self.bytes(*item, bytes);
            self.done(*item);
        }
    }
    /// The rest of the item cannot be had.
    fn failed(&mut self, item: usize, error: ContentError);
    /// Whether to stop early: nothing more is asked for, and the items left are neither done nor failed.
    fn stop(&self) -> bool {
        false
    }
}
