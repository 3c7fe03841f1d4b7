//! Gaps: what could not be read, where, and why.

use crate::package::words;
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// Why something was not read. The kinds of error never become each other.
    GapKind {
        /// The source could not be read there.
        Io = "io",
        /// A feature, format or scheme that this version does not read.
        Unsupported = "unsupported",
        /// Bytes that contradict their format.
        Corrupt = "corrupt",
        /// Something the disk refers to and does not hold.
        NotFound = "not-found",
        /// A bound on size, depth or number was reached.
        Limit = "limit",
        /// A file far larger than what it allocates: no digest is made.
        Sparse = "sparse",
        /// Encrypted, and no key is at hand.
        Encrypted = "encrypted",
        /// A journal or log holds changes that were not applied.
        Unreplayed = "unreplayed",
        /// The source changed while it was read.
        Live = "live",
        /// A part of the scan that failed at every try: nothing is known of what it would have read.
        Failed = "failed",
        /// Another library reads the same file otherwise, and it is not known which of the two is right.
        Disagreement = "disagreement",
        /// Another library reads the same file otherwise, and it is known why this reading is the kernel's.
        Explained = "explained",
    }
}

impl GapKind {
    /// Whether something is missing or in doubt because of it: a scan with such gaps is not whole.
    pub const fn is_loss(self) -> bool {
        !matches!(self, Self::Explained)
    }
}

/// Bytes of a reason that are kept.
pub const MAX_REASON: usize = 2048;

/// One thing that could not be read. Ordered as `gaps` lists them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Gap {
    /// The volume, or empty where it concerns the whole source.
    pub volume: String,
    /// Path of the file concerned, in bytes, if one is known.
    pub path: Option<Vec<u8>>,
    /// Inode or MFT record number, if one is concerned.
    pub inode: Option<u64>,
    /// Byte offset in the volume (in the source where `volume` is empty), if known.
    pub at: Option<u64>,
    /// What kind of failure.
    pub kind: GapKind,
    /// The structure or format concerned, by the name its specification has for it.
    pub structure: String,
    /// The reason in words.
    pub reason: String,
}

impl Gap {
    /// A gap of `kind` in `structure` with its reason, of which no more than [`MAX_REASON`] bytes are kept: it may quote
    /// what a disk says. Place it with the `at_…` methods.
    pub fn new(kind: GapKind, structure: impl Into<String>, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.len() > MAX_REASON {
            reason.truncate(reason.floor_char_boundary(MAX_REASON));
            reason.push('…');
            reason.shrink_to_fit();
        }
        Self {
            volume: String::new(),
            path: None,
            inode: None,
            at: None,
            kind,
            structure: structure.into(),
            reason,
        }
    }

    /// Names the inode.
    pub fn at_inode(mut self, inode: u64) -> Self {
        self.inode = Some(inode);
        self
    }

    /// Names the byte offset.
    pub fn at_byte(mut self, at: u64) -> Self {
        self.at = Some(at);
        self
    }

    /// Names the volume.
    pub fn in_volume(mut self, volume: &str) -> Self {
        volume.clone_into(&mut self.volume);
        self
    }

    /// Names the path.
    pub fn at_path(mut self, path: &[u8]) -> Self {
        self.path = Some(path.to_vec());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_quotes_a_book_is_cut_between_characters() {
        let gap = Gap::new(GapKind::Corrupt, "text", format!("x{}", "é".repeat(60_000)));
        assert_eq!((gap.reason.len(), gap.reason.ends_with("é…")), (MAX_REASON - 1 + '…'.len_utf8(), true));
        assert_eq!(Gap::new(GapKind::Corrupt, "text", "short").reason, "short");
    }
}
