//! Windows event logs, read chunk by chunk in bounded memory.
//!
//! Sources: "Windows XML Event Log (EVTX) format" (libyal), the section named at each structure; [MS-EVEN6]
//! section 2.2.12, "BinXml", for the grammar of events.
//!
//! A chunk of 64 KiB stands for itself: names, templates and events lie in it. What is held at any time is one
//! chunk and the templates met in it, [`CHUNK_BUDGET`] bytes of them at most. A damaged chunk or record is one
//! error; the others are read on. Logs that were not closed are read as far as records continue each other.

mod binxml;
#[cfg(test)]
pub(crate) mod build;
mod chunk;
#[cfg(test)]
mod corpus_tests;
mod event;
mod template;
#[cfg(test)]
mod tests;
mod value;

use crate::view::{FileView, ViewError};
use coldread_model::{GapKind, Timestamp};

pub use chunk::CHUNK;
pub use event::{Event, Header};
pub use template::CHUNK_BUDGET;
pub(crate) use value::sid;

/// What gaps in event logs are told of.
pub const STRUCTURE: &str = "EVTX";

const FILE_HEADER: usize = 128;
/// The log was being written.
const DIRTY: u32 = 1;

/// Why an event log or a part of it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvtxError {
    /// The file's bytes could not be had.
    #[error("{0}")]
    View(#[from] ViewError),
    /// Bytes that contradict the format.
    #[error("byte {at:#x}: {reason}")]
    Corrupt {
        /// Where in the file.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// A bound was reached.
    #[error("byte {at:#x}: {reason}")]
    Limit {
        /// Where in the file.
        at: u64,
        /// Which.
        reason: String,
    },
    /// A version that is not read.
    #[error("{0}")]
    Unsupported(String),
}

impl EvtxError {
    /// The kind of gap that it makes.
    pub const fn gap_kind(&self) -> GapKind {
        match self {
            Self::View(error) => error.gap_kind(),
            Self::Corrupt { .. } => GapKind::Corrupt,
            Self::Limit { .. } => GapKind::Limit,
            Self::Unsupported(_) => GapKind::Unsupported,
        }
    }
}

/// A record of the log, to be asked for its event.
pub struct Record<'c> {
    /// Its number.
    pub number: u64,
    /// When it was written.
    pub written: Timestamp,
    event: event::Source<'c>,
}

impl Record<'_> {
    /// What every event says of itself.
    pub fn header(&mut self) -> Result<Header, EvtxError> {
        self.event.header(self.written)
    }

    /// The event's own data.
    pub fn event(&mut self) -> Result<Event, EvtxError> {
        self.event.data()
    }
}

/// Calls `each` with every record of a log in the order of the file, and with every part that cannot be read,
/// until it says `false`.
pub fn each_record(view: &mut dyn FileView, each: &mut dyn FnMut(Result<Record<'_>, EvtxError>) -> bool) {
    let (start, dirty) = match file_header(view) {
        Ok(header) => header,
        Err(error) => {
            each(Err(error));
            return;
        }
    };
    let mut bytes = vec![0; CHUNK];
    let len = view.len();
    let mut at = start;
    while at < len {
        let result = match view.read_at(at, &mut bytes) {
            Ok(got) => chunk::read(&bytes[..got], at, dirty, each),
            Err(error) => Ok(each(Err(error.into()))),
        };
        match result {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                if !each(Err(error)) {
                    return;
                }
            }
        }
        at += CHUNK as u64;
    }
}

/// Where the chunks start, and whether the log was left open ("File header").
fn file_header(view: &mut dyn FileView) -> Result<(u64, bool), EvtxError> {
    let mut header = [0; FILE_HEADER];
    let got = view.read_at(0, &mut header)?;
    if got < FILE_HEADER || !header.starts_with(b"ElfFile\0") {
        return Err(EvtxError::Corrupt { at: 0, reason: "signature \"ElfFile\" expected".to_owned() });
    }
    let major = u16_at(&header, 38).unwrap_or(0);
    if major != 3 {
        return Err(EvtxError::Unsupported(format!("version {major}, 3 is read")));
    }
    let start = u16_at(&header, 40).map_or(4096, u64::from);
    if start < FILE_HEADER as u64 {
        return Err(EvtxError::Corrupt { at: 40, reason: format!("a header of {start} bytes") });
    }
    Ok((start, u32_at(&header, 120).is_some_and(|flags| flags & DIRTY != 0)))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
