//! Cutting sorted rows into chunks, at places that the rows' stable content decides.

use super::{Row, StableRow, chunk};
use crate::boundary::{self, mix};

/// No chunk is cut before this many bytes of stable columns …
const MIN_BYTES: usize = 16 << 10;
/// … nor grows past this by more than one row.
const MAX_BYTES: usize = 256 << 10;
/// So no chunk has more rows.
pub(super) const MAX_ROWS: usize = MAX_BYTES / chunk::STABLE_ROW_BYTES + 1;
/// After [`MIN_BYTES`], one row in so many ends its chunk; with rows of about 70 bytes, chunks are about 64 KiB.
const ROWS_PER_CUT: u64 = 640;

/// A finished chunk: two columns objects with the same rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutChunk {
    /// Encoded stable columns.
    pub stable: Vec<u8>,
    /// Encoded volatile columns.
    pub volatile: Vec<u8>,
    /// Number of rows.
    pub rows: u32,
}

/// Takes rows in listing order and gives chunks.
#[derive(Debug, Default)]
pub struct ListingWriter {
    building: chunk::Builder,
}

impl ListingWriter {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next row; gives the chunk that ends with it, if one does.
    pub fn push(&mut self, row: &Row<'_>) -> Option<CutChunk> {
        self.building.push(row);
        let bytes = self.building.stable_bytes();
        let ends =
            bytes >= MAX_BYTES || (bytes >= MIN_BYTES && row_hash(&row.stable).is_multiple_of(ROWS_PER_CUT));
        ends.then(|| self.building.take())
    }

    /// The last chunk, if any row is left.
    pub fn finish(mut self) -> Option<CutChunk> {
        (self.building.rows() > 0).then(|| self.building.take())
    }
}

/// A hash of what makes a row the same row on another disk.
fn row_hash(row: &StableRow<'_>) -> u64 {
    mix(mix(boundary::hash(row.name), row.size), row.mtime.seconds as u64)
}
