//! The chunk table and the chunks of a packed stream.
//!
//! The table has an entry for each chunk but the first: where it starts, counted from the table's end. A
//! stretch of whole chunks has the same form, with entries that count from somewhere before it, so that a
//! part of a large file is read like a small file ([`Packing::stretch`]).
//!
//! Source: wimlib, "Windows Imaging (WIM) file format", section "Resources".

use super::{Algorithm, Unpacker, WofError};
use coldread_model::ByteRange;
use serde::{Deserialize, Serialize};

/// Bytes of a chunk table that are held in memory at most: files of 32 GiB in the smallest chunks.
pub const MAX_TABLE_BYTES: u64 = 32 << 20;

/// The form of a packed stream, or of a stretch of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packing {
    /// How its chunks are packed.
    pub algorithm: Algorithm,
    /// Bytes that it unpacks to.
    pub size: u64,
    /// Bytes of the packed stream, table included.
    pub packed_bytes: u64,
    /// The table's entries have eight bytes, not four.
    wide: bool,
    /// What an entry for the first chunk would say.
    base: u64,
}

impl Packing {
    /// Of a whole file of `size` bytes.
    pub fn new(algorithm: Algorithm, size: u64, packed_bytes: u64) -> Self {
        Self { algorithm, size, packed_bytes, wide: size > u64::from(u32::MAX), base: 0 }
    }

    fn entry_bytes(&self) -> u64 {
        if self.wide { 8 } else { 4 }
    }

    fn chunks(&self) -> u64 {
        self.size.div_ceil(self.algorithm.chunk_bytes())
    }

    /// Bytes of the chunk table.
    pub fn table_bytes(&self) -> u64 {
        self.chunks().saturating_sub(1).saturating_mul(self.entry_bytes())
    }

    /// What an entry for the end of the last chunk would say.
    fn end(&self) -> Result<u64, WofError> {
        let data = self.packed_bytes.checked_sub(self.table_bytes()).ok_or(WofError::Table)?;
        self.base.checked_add(data).ok_or(WofError::Table)
    }

    /// Reads entry `index` of a table.
    fn entry(&self, table: &[u8], index: u64) -> Option<u64> {
        let entry_bytes = self.entry_bytes() as usize;
        let at = usize::try_from(index).ok()?.checked_mul(entry_bytes)?;
        let entry = table.get(at..)?.get(..entry_bytes)?;
        Some(entry.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// The chunks that hold a window of the file: those it touches.
    fn chunks_of(&self, window: ByteRange) -> (u64, u64) {
        let chunk = self.algorithm.chunk_bytes();
        let window = window.intersect(ByteRange::new(0, self.size));
        (window.start / chunk, window.end().div_ceil(chunk))
    }

    /// Which bytes of the packed stream say where the chunks of a window of the file lie.
    pub fn entries_of(&self, window: ByteRange) -> ByteRange {
        let (first, end) = self.chunks_of(window);
        let entries = self.entry_bytes();
        let last = self.chunks().saturating_sub(1).min(end);
        ByteRange::between(first.saturating_sub(1) * entries, last * entries)
    }

    /// The stretch that holds a window of the file, which starts with a chunk: its form, and the two parts
    /// of the packed stream that it is made of. `entries` are the bytes of [`Packing::entries_of`].
    pub fn stretch(&self, window: ByteRange, entries: &[u8]) -> Result<(Self, [ByteRange; 2]), WofError> {
        let (first, end) = self.chunks_of(window);
        let skipped = first.saturating_sub(1);
        // Chunk n starts where entry n - 1 says.
        let start_of = |chunk: u64| match chunk {
            0 => Ok(self.base),
            _ if chunk >= self.chunks() => self.end(),
            _ => self.entry(entries, chunk - 1 - skipped).ok_or(WofError::Table),
        };
        let (from, to) = (start_of(first)?, start_of(end)?);
        let last = self.end()?;
        if from < self.base || to < from || last < to {
            return Err(WofError::Table);
        }
        let width = self.entry_bytes();
        let table = ByteRange::between(first * width, end.saturating_sub(1).max(first) * width);
        let data_at = self.table_bytes();
        let data = ByteRange::between(data_at + (from - self.base), data_at + (to - self.base));
        let size = window.intersect(ByteRange::new(0, self.size)).len;
        let stretch = Self { size, packed_bytes: table.len + data.len, base: from, ..*self };
        Ok((stretch, [table, data]))
    }
}

/// Unpacks a stream as its bytes come in.
pub struct Chunks {
    packing: Packing,
    /// Where the last chunk ends.
    end: u64,
    table: Vec<u8>,
    /// The chunk that comes next.
    index: u64,
    /// The part of it that is there.
    pending: Vec<u8>,
}

impl Chunks {
    /// Starts a stream; its table must be within the stream and below [`MAX_TABLE_BYTES`].
    pub fn new(packing: Packing) -> Result<Self, WofError> {
        let end = packing.end()?;
        if packing.table_bytes() > MAX_TABLE_BYTES {
            return Err(WofError::Table);
        }
        Ok(Self { packing, end, table: Vec::new(), index: 0, pending: Vec::new() })
    }

    /// Byte of the file where the chunk that comes next starts.
    pub fn at(&self) -> u64 {
        self.index * self.packing.algorithm.chunk_bytes()
    }

    /// Packed bytes and bytes of the chunk that comes next.
    fn next_chunk(&self) -> Result<(usize, usize), WofError> {
        let chunk = self.packing.algorithm.chunk_bytes();
        let len = (self.packing.size - self.at()).min(chunk);
        let entry = |index| self.packing.entry(&self.table, index).ok_or(WofError::Table);
        let start = if self.index == 0 { self.packing.base } else { entry(self.index - 1)? };
        let last = self.index + 1 == self.packing.chunks();
        let end = if last { self.end } else { entry(self.index)? };
        let packed = end.checked_sub(start).filter(|packed| (1..=len).contains(packed));
        Ok((packed.ok_or(WofError::Table)? as usize, len as usize))
    }

    /// Takes the next bytes of the stream and hands out what they make complete. `out` is room to work in.
    pub fn feed(
        &mut self,
        bytes: &[u8],
        unpacker: &mut Unpacker,
        out: &mut Vec<u8>,
        mut emit: impl FnMut(&[u8]),
    ) -> Result<(), WofError> {
        let missing = self.packing.table_bytes() as usize - self.table.len();
        let (table, mut rest) = bytes.split_at(missing.min(bytes.len()));
        self.table.extend_from_slice(table);
        while !rest.is_empty() && !self.is_over() {
            let (packed, len) = self.next_chunk()?;
            let (more, after) = rest.split_at((packed - self.pending.len()).min(rest.len()));
            rest = after;
            let whole = if more.len() == packed {
                more
            } else {
                self.pending.extend_from_slice(more);
                if self.pending.len() < packed {
                    break;
                }
                &self.pending
            };
            unpacker.unpack(self.packing.algorithm, whole, len, out)?;
            emit(out);
            self.pending.clear();
            self.index += 1;
        }
        Ok(())
    }

    /// Whether every chunk was handed out.
    pub fn is_over(&self) -> bool {
        self.index >= self.packing.chunks()
    }
}
