//! Windows registry hives, read only, in bounded memory, with their transaction logs applied.
//!
//! Source: "Windows registry file format specification" (Maxim Suhanov), the section named at each structure;
//! "Windows NT Registry File (REGF) format" (libyal) for what it leaves out.
//!
//! A hive is read where it is needed, never whole: [`CACHED_BLOCKS`] blocks of [`BLOCK`] bytes are kept, and
//! what logs change, [`MAX_PATCHED`] bytes at most. A damaged cell is the error of whoever asked for it; the
//! rest of the hive stays readable, and so does a hive that ends early.

mod base_block;
mod blocks;
#[cfg(test)]
pub(crate) mod build;
mod key;
mod log;
mod marvin;
mod records;
mod value;

use crate::view::{FileView, ViewError};
use base_block::BaseBlock;
use blocks::Blocks;
use coldread_model::{GapKind, Timestamp};

pub use blocks::{BLOCK, CACHED_BLOCKS, MAX_PATCHED};
pub use key::{Key, Listed, same_name};
pub use records::{Records, filetime};
pub use value::{Data, MAX_DATA, Value};

/// What gaps in hives are told of.
pub const STRUCTURE: &str = "registry hive";

/// Endings of the files that belong to a hive: its transaction logs.
pub const LOGS: &[&str] = &[".LOG1", ".LOG2", ".LOG"];

/// What may be read of one hive's cells in all, in bytes, and what a cell costs beside its own: lists may name one cell
/// as often as they like. The largest hives' keys that are looked at take some hundred megabytes.
const MAX_WORK: u64 = 4 << 30;
const CELL_COST: u64 = 256;

/// Where hive bins start; cells are addressed from here.
const BINS: u64 = 4096;

/// Why a hive or a part of it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HiveError {
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
    #[error("{0}")]
    Limit(String),
    /// A version or a form that is not read.
    #[error("{0}")]
    Unsupported(String),
}

impl HiveError {
    /// The kind of gap that it makes.
    pub const fn gap_kind(&self) -> GapKind {
        match self {
            Self::View(error) => error.gap_kind(),
            Self::Corrupt { .. } => GapKind::Corrupt,
            Self::Limit(_) => GapKind::Limit,
            Self::Unsupported(_) => GapKind::Unsupported,
        }
    }

    fn corrupt(at: u64, reason: impl Into<String>) -> Self {
        Self::Corrupt { at, reason: reason.into() }
    }
}

/// Whether a hive is as its last writer left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HiveState {
    /// It was written whole.
    Clean,
    /// Its logs held changes, which were applied in memory.
    Replayed {
        /// Log entries that were applied.
        entries: u64,
        /// Bytes of the hive that they changed.
        bytes: u64,
    },
    /// It was being changed, and no log could complete it.
    Unreplayed,
}

/// An open hive.
pub struct Hive<'a> {
    blocks: Blocks<'a>,
    root: u32,
    /// Bytes of hive bins.
    bins: u64,
    /// Whether values may be stored in segments: from version 1.4 on.
    segments: bool,
    /// What of [`MAX_WORK`] is left.
    work: u64,
    /// How it was left.
    pub state: HiveState,
    /// When it was last written as a whole.
    pub written: Timestamp,
    /// What is wrong with it or its logs without hindering reading.
    pub notes: Vec<(GapKind, String)>,
}

impl<'a> Hive<'a> {
    /// Opens a hive and applies those of `logs` that continue it, if it is dirty.
    pub fn open(view: &'a mut dyn FileView, logs: Vec<&mut dyn FileView>) -> Result<Self, HiveError> {
        let mut blocks = Blocks::new(view);
        let mut header = [0; BINS as usize];
        let got = blocks.read(0, &mut header)?;
        let found = BaseBlock::parse(&header[..got])?;
        let mut notes = Vec::new();
        let mut base = found.base;
        let mut state = HiveState::Clean;
        if found.is_dirty() {
            let recovery = log::recover(&found, logs, &mut blocks, &mut notes);
            if let Some(header) = recovery.base {
                base = header;
            }
            if let Some(bins) = recovery.bins {
                base.bins = bins;
            }
            state = if recovery.entries > 0 {
                HiveState::Replayed { entries: recovery.entries, bytes: blocks.patched() }
            } else {
                let why = if found.checksum_holds { "was being written" } else { "has a damaged header" };
                notes.push((GapKind::Unreplayed, format!("the hive {why}, and no log completes it")));
                HiveState::Unreplayed
            };
        }
        if base.major != 1 || !(2..=6).contains(&base.minor) {
            return Err(HiveError::Unsupported(format!(
                "version {}.{}, 1.2 to 1.6 are read",
                base.major, base.minor
            )));
        }
        if blocks.len() < BINS + u64::from(base.bins) {
            let lacking = BINS + u64::from(base.bins) - blocks.len();
            notes.push((GapKind::Corrupt, format!("the file ends {lacking} bytes before the hive does")));
        }
        Ok(Self {
            blocks,
            root: base.root,
            bins: u64::from(base.bins),
            segments: base.minor >= 4,
            work: MAX_WORK,
            state,
            written: base.written,
            notes,
        })
    }

    /// The content of a cell, `limit` bytes of it at most ("Cell"): its size is negative while it is in use.
    fn cell(&mut self, cell: u32, limit: usize) -> Result<Vec<u8>, HiveError> {
        let at = BINS + u64::from(cell);
        if cell == u32::MAX || !cell.is_multiple_of(8) || u64::from(cell) + 8 > self.bins {
            return Err(HiveError::corrupt(
                at,
                format!("no cell can be there, the bins have {} bytes", self.bins),
            ));
        }
        let mut size = [0; 4];
        self.exact(at, &mut size)?;
        let size = i32::from_le_bytes(size);
        if size >= 0 {
            return Err(HiveError::corrupt(at, format!("a cell in use is needed, this one has size {size}")));
        }
        let len = u64::from(size.unsigned_abs());
        if len < 8 || u64::from(cell) + len > self.bins {
            return Err(HiveError::corrupt(at, format!("a cell of {len} bytes passes the bins' end")));
        }
        let wanted = (len as usize - 4).min(limit);
        let left = self.work.checked_sub(CELL_COST.saturating_add(wanted as u64));
        self.work = left.ok_or_else(|| {
            HiveError::Limit(format!("its lists lead to more than {MAX_WORK} bytes of cells"))
        })?;
        let mut content = vec![0; wanted];
        self.exact(at + 4, &mut content)?;
        Ok(content)
    }

    fn exact(&mut self, at: u64, out: &mut [u8]) -> Result<(), HiveError> {
        let got = self.blocks.read(at, out)?;
        if got < out.len() {
            return Err(HiveError::corrupt(
                at,
                format!("the file ends here, {} bytes are needed", out.len()),
            ));
        }
        Ok(())
    }
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

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod tests;
