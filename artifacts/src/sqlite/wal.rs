//! The write-ahead log: pages that were committed and not yet copied into the database
//! (section 4, "The Write-Ahead Log").

use super::{SqliteError, u32_at};
use crate::view::FileView;
use std::collections::HashMap;

/// The largest log that is read; SQLite starts anew at about 4 MB.
const MAX_LOG: u64 = 1 << 30;

const HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;
const FORMAT: u32 = 3_007_000;

/// The committed part of a log.
pub(super) struct Wal<'a> {
    view: &'a mut dyn FileView,
    pub(super) page_size: u32,
    /// Where the latest committed copy of a page starts.
    frames: HashMap<u32, u64>,
    pages: u32,
}

impl<'a> Wal<'a> {
    /// Reads a log's frames as far as they are whole; `None` where nothing in it was committed. As SQLite
    /// does, it stops at the first frame whose salts or checksum are not those of the log: what follows is
    /// from before the log was started anew.
    pub(super) fn open(view: &'a mut dyn FileView) -> Result<Option<Self>, SqliteError> {
        let len = view.len();
        let mut header = [0; HEADER as usize];
        if view.read_at(0, &mut header)? < header.len() {
            return Ok(None);
        }
        if len > MAX_LOG {
            return Err(SqliteError::Limit(format!(
                "a write-ahead log of {len} bytes, at most {MAX_LOG} are read"
            )));
        }
        let field = |index: usize| u32_at(&header, index * 4).unwrap_or(0);
        let big_endian = match field(0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            magic => return Err(SqliteError::corrupt(0, format!("write-ahead log with magic {magic:#x}"))),
        };
        let page_size = field(2);
        if field(1) != FORMAT || !(512..=65_536).contains(&page_size) || !page_size.is_power_of_two() {
            let reason = format!("write-ahead log of format {} with page size {page_size}", field(1));
            return Err(SqliteError::corrupt(0, reason));
        }
        let mut sum = checksum((0, 0), &header[..24], big_endian);
        if sum != (field(6), field(7)) {
            return Err(SqliteError::corrupt(0, "write-ahead log whose header fails its checksum"));
        }
        let mut wal = Self { view, page_size, frames: HashMap::new(), pages: 0 };
        let mut pending = Vec::new();
        let mut frame = vec![0; FRAME_HEADER as usize + page_size as usize];
        let mut at = HEADER;
        while wal.view.read_at(at, &mut frame)? == frame.len() {
            let word = |index: usize| u32_at(&frame, index * 4).unwrap_or(0);
            let of_frame = checksum(sum, &frame[..8], big_endian);
            sum = checksum(of_frame, &frame[FRAME_HEADER as usize..], big_endian);
            if (word(2), word(3)) != (field(4), field(5)) || (word(4), word(5)) != sum || word(0) == 0 {
                break;
            }
            pending.push((word(0), at + FRAME_HEADER));
            // A frame that says how many pages the database has ends a transaction.
            if word(1) > 0 {
                wal.pages = word(1);
                wal.frames.extend(pending.drain(..));
            }
            at += frame.len() as u64;
        }
        Ok((wal.pages > 0).then_some(wal))
    }

    /// Whether the log has a copy of a page.
    pub(super) fn holds(&self, page: u32) -> bool {
        self.frames.contains_key(&page)
    }

    /// Fills `out` from the latest copy of a page.
    pub(super) fn read(&mut self, page: u32, out: &mut [u8]) -> Result<(), SqliteError> {
        let at = self.frames.get(&page).copied();
        let got = at.map_or(Ok(0), |at| self.view.read_at(at, out))?;
        if got == out.len() { Ok(()) } else { Err(SqliteError::corrupt(page, "its copy in the log is cut")) }
    }

    /// Pages of the database after the last transaction.
    pub(super) fn database_pages(&self) -> Option<u32> {
        Some(self.pages).filter(|pages| *pages > 0)
    }
}

/// Goes on with a checksum over `bytes`, a multiple of eight (section 4.2, "Checksum Algorithm").
fn checksum(from: (u32, u32), bytes: &[u8], big_endian: bool) -> (u32, u32) {
    let word = |bytes: &[u8]| {
        let bytes = bytes.first_chunk().copied().unwrap_or_default();
        if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    bytes.chunks_exact(8).fold(from, |(one, two), pair| {
        let one = one.wrapping_add(word(&pair[..4])).wrapping_add(two);
        (one, two.wrapping_add(word(&pair[4..])).wrapping_add(one))
    })
}
