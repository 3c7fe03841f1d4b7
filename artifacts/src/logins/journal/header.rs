//! The header of a journal file.
//!
//! Source: "Journal File Format" (systemd.io/JOURNAL_FILE_FORMAT), "Header" and "Extensibility".

use super::{JournalError, hash::HashKind};
use crate::logins::bytes_at;

/// The first version's header; later ones are longer and begin alike.
const MIN_BYTES: u64 = 208;

/// Bytes of it that are read.
pub(super) const READ_BYTES: usize = 256;

const KEYED_HASH: u32 = 1 << 2;
const COMPACT: u32 = 1 << 4;

/// Incompatible flags that are known: xz, lz4, keyed hash, zstd, compact.
const KNOWN_FLAGS: u32 = 0b1_1111;

/// Whether the file was closed by its writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Closed.
    Offline,
    /// Open, or the machine stopped before it was closed.
    Online,
    /// Closed for ever.
    Archived,
}

/// What must be known to read the objects.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub state: State,
    /// Where the objects start.
    pub size: u64,
    /// Whether offsets in entries have 32 bits, and data objects two more fields.
    pub compact: bool,
    pub hash: HashKind,
    /// How many entries the writer counted.
    pub entries: u64,
    /// Where the last object that the writer counted starts.
    pub tail: u64,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, JournalError> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes_at(bytes, at));
        let u64_at = |at: usize| u64::from_le_bytes(bytes_at(bytes, at));
        if !bytes.starts_with(b"LPKSHHRH") {
            return Err(JournalError::Corrupt("not a journal file".into()));
        }
        if (bytes.len() as u64) < MIN_BYTES {
            return Err(JournalError::Corrupt(format!("a header of {} bytes", bytes.len())));
        }
        let flags = u32_at(12);
        if flags & !KNOWN_FLAGS != 0 {
            return Err(JournalError::Unsupported(format!("incompatible flags {:#x}", flags & !KNOWN_FLAGS)));
        }
        let state = match bytes[16] {
            0 => State::Offline,
            1 => State::Online,
            2 => State::Archived,
            other => return Err(JournalError::Corrupt(format!("state {other}, 0 to 2 are known"))),
        };
        let size = u64_at(88);
        if size < MIN_BYTES || !size.is_multiple_of(8) {
            return Err(JournalError::Corrupt(format!("a header of {size} bytes")));
        }
        let hash =
            if flags & KEYED_HASH != 0 { HashKind::Keyed(bytes_at(bytes, 24)) } else { HashKind::Jenkins };
        let compact = flags & COMPACT != 0;
        Ok(Self { state, size, compact, hash, entries: u64_at(152), tail: u64_at(136) })
    }
}
