//! Zip archives, read here and there: their directory, which lies at the end, and the members that matter.
//!
//! Source: PKWARE, ".ZIP File Format Specification" (APPNOTE.TXT) 6.3.10. Nothing here reads: callers hand over bytes.

#[cfg(test)]
pub(crate) mod build;
mod directory;
mod unpack;

pub use directory::{Directory, ENTRY, Entry, FIRST_TAIL, LONGEST_TAIL, directory, entry};
pub use unpack::{LOCAL, UnpackError, Unpacker, data_start};

/// Why an archive cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub &'static str);

/// Two bytes at `at`; 0 past the end.
fn short(bytes: &[u8], at: usize) -> u16 {
    let two = bytes.get(at..).and_then(<[u8]>::first_chunk);
    two.map_or(0, |two| u16::from_le_bytes(*two))
}

/// Four bytes at `at`; 0 past the end.
fn long(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..).and_then(<[u8]>::first_chunk);
    four.map_or(0, |four| u32::from_le_bytes(*four))
}

/// Eight bytes at `at`; 0 past the end.
fn wide(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..).and_then(<[u8]>::first_chunk);
    eight.map_or(0, |eight| u64::from_le_bytes(*eight))
}

#[cfg(test)]
mod tests;
