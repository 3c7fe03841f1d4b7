//! Names of things: objects of the store and snapshots.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What an object of the store holds; part of what its name is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum ObjectKind {
    /// Rows of a listing: the columns that do not change from day to day.
    ListingStable = 1,
    /// Rows of a listing: inode numbers, access times and other columns that do.
    ListingVolatile = 2,
    /// Rows of a listing: content digests.
    ListingDigests = 3,
    /// A coverage ledger.
    Coverage = 5,
    /// Recorded gaps.
    Gaps = 6,
    /// A snapshot's manifest.
    Manifest = 7,
    /// When and how a snapshot came to be committed.
    Head = 8,
    /// The volumes as probe found them, each with its geometry.
    VolumeSpecs = 9,
    /// Packages, sorted ([`crate::rows`]); clones share it.
    PackageSet = 10,
    /// Login events, sorted ([`crate::rows`]).
    LoginBatch = 11,
    /// What time login records cover ([`crate::rows`]).
    LogWindows = 12,
    /// Users and groups ([`crate::rows`]).
    Accounts = 13,
    /// Keys ([`crate::rows`]).
    Keys = 14,
    /// Settings of logins ([`crate::rows`]).
    Settings = 15,
    /// What an extractor said of one file ([`crate::kept`]).
    Kept = 16,
}

impl ObjectKind {
    /// The kind with this number, if there is one.
    pub fn from_u8(number: u8) -> Option<Self> {
        [
            Self::ListingStable,
            Self::ListingVolatile,
            Self::ListingDigests,
            Self::Coverage,
            Self::Gaps,
            Self::Manifest,
            Self::Head,
            Self::VolumeSpecs,
            Self::PackageSet,
            Self::LoginBatch,
            Self::LogWindows,
            Self::Accounts,
            Self::Keys,
            Self::Settings,
            Self::Kept,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == number)
    }
}

/// An object's name: the BLAKE3 hash of its kind and its uncompressed bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectId(pub [u8; 32]);

impl ObjectId {
    /// The name of `bytes` as an object of `kind`.
    pub fn of(kind: ObjectKind, bytes: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[kind as u8]);
        hasher.update(bytes);
        Self(*hasher.finalize().as_bytes())
    }
}

/// A snapshot's name: the name of its manifest, so equal results of one asset are one snapshot.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SnapshotId(pub ObjectId);

impl SnapshotId {
    /// The first 16 hex digits, as tables show it.
    pub fn short(&self) -> String {
        self.to_string()[..16].to_owned()
    }
}

/// Text that is not 64 hex digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 64 hexadecimal digits, this is {0:?}")]
pub struct ParseIdError(String);

fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// 32 bytes from 64 hex digits.
pub(crate) fn parse_hex32(text: &str) -> Result<[u8; 32], ParseIdError> {
    let wrong = || ParseIdError(text.chars().take(80).collect());
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return Err(wrong());
    }
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        let nibble = |digit: u8| (digit as char).to_digit(16).map(|n| n as u8).ok_or_else(wrong);
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(out)
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl FromStr for ObjectId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse_hex32(text).map(Self)
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SnapshotId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_depend_on_kind_and_bytes_and_read_back() {
        let a = ObjectId::of(ObjectKind::Gaps, b"x");
        assert_ne!(a, ObjectId::of(ObjectKind::Coverage, b"x"));
        assert_ne!(a, ObjectId::of(ObjectKind::Gaps, b"y"));
        assert_eq!(a.to_string().parse::<ObjectId>(), Ok(a));
        assert!("12".parse::<ObjectId>().is_err());
        assert!("g".repeat(64).parse::<SnapshotId>().is_err());
        assert_eq!(ObjectKind::from_u8(7), Some(ObjectKind::Manifest));
        assert_eq!(ObjectKind::from_u8(0), None);
    }
}
