//! The header of a hive, and of its logs ("Base block").

use super::{HiveError, u32_at, u64_at};
use coldread_model::Timestamp;

/// Bytes that the checksum covers; it follows them.
const CHECKED: usize = 508;

/// What a file with a base block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileType {
    Primary,
    /// A log with one set of dirty pages.
    OldLog,
    /// A log of entries.
    NewLog,
}

/// What the header says of the hive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BaseBlock {
    pub(super) major: u32,
    pub(super) minor: u32,
    /// The root key's cell.
    pub(super) root: u32,
    /// Bytes of hive bins.
    pub(super) bins: u32,
    pub(super) written: Timestamp,
}

/// A header as it was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) base: BaseBlock,
    pub(super) kind: FileType,
    /// Raised before the file is written, and the other after.
    pub(super) primary: u32,
    pub(super) secondary: u32,
    /// Sectors of 512 bytes that a log's header takes.
    pub(super) clustering: u32,
    pub(super) checksum_holds: bool,
}

impl Found {
    /// Whether the last write to the hive was not finished.
    pub(super) fn is_dirty(&self) -> bool {
        !self.checksum_holds || self.primary != self.secondary
    }
}

impl BaseBlock {
    pub(super) fn parse(header: &[u8]) -> Result<Found, HiveError> {
        if header.len() < CHECKED + 4 {
            return Err(HiveError::corrupt(0, format!("{} bytes, a header has 512", header.len())));
        }
        if !header.starts_with(b"regf") {
            let magic = header[..4].escape_ascii();
            return Err(HiveError::corrupt(0, format!("signature \"{magic}\", expected \"regf\"")));
        }
        let field = |at: usize| u32_at(header, at).unwrap_or(0);
        let kind = match field(28) {
            0 => FileType::Primary,
            1 | 2 => FileType::OldLog,
            6 => FileType::NewLog,
            other => return Err(HiveError::Unsupported(format!("file type {other}"))),
        };
        let base = Self {
            major: field(20),
            minor: field(24),
            root: field(36),
            bins: field(40),
            written: Timestamp::from_filetime(u64_at(header, 12).unwrap_or(0)),
        };
        Ok(Found {
            base,
            kind,
            primary: field(4),
            secondary: field(8),
            clustering: field(44),
            checksum_holds: checksum(header) == field(CHECKED),
        })
    }
}

/// All words XORed; the two values that could be mistaken for none are moved by one.
pub(super) fn checksum(header: &[u8]) -> u32 {
    let (words, _) = header.get(..CHECKED).unwrap_or_default().as_chunks::<4>();
    match words.iter().fold(0, |sum, word| sum ^ u32::from_le_bytes(*word)) {
        0 => 1,
        u32::MAX => u32::MAX - 1,
        sum => sum,
    }
}
