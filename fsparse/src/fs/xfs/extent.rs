//! Extents of a fork: "XFS Algorithms & Data Structures", 3rd edition, "Data Extents".

use super::{be::Be, geometry::Geometry};
use crate::{error::ParseError, survey::Extent};

/// A run of a fork's blocks, in blocks counted through the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mapping {
    /// First block in the fork.
    pub(super) offset: u64,
    /// First block in the volume.
    pub(super) block: u64,
    /// Number of blocks.
    pub(super) count: u64,
    /// Allocated and never written.
    pub(super) unwritten: bool,
}

impl Mapping {
    /// The block of the fork after the last.
    pub(super) fn end(&self) -> u64 {
        self.offset + self.count
    }

    /// The part before block `limit` of the fork.
    pub(super) fn before(mut self, limit: u64) -> Option<Self> {
        self.count = self.count.min(limit.saturating_sub(self.offset));
        (self.count > 0).then_some(self)
    }

    /// In bytes. Offsets have 54 bits, so a byte offset past 2^64 is possible on a damaged disk: none then.
    pub(super) fn extent(&self, geometry: &Geometry) -> Option<Extent> {
        let place = geometry.bytes_of(self.block, self.count);
        let logical = self.offset.checked_mul(geometry.block_bytes())?;
        logical.checked_add(place.len)?;
        Some(Extent { logical, physical: place.start, len: place.len, unwritten: self.unwritten })
    }
}

/// Decodes records of 16 bytes into `out`: a flag, 54 bits of offset, 52 of block, 21 of length.
pub(super) fn decode(
    geometry: &Geometry,
    records: &[u8],
    at: u64,
    out: &mut Vec<Mapping>,
) -> Result<(), ParseError> {
    for record in records.chunks_exact(16) {
        let (high, low) = (Be(record).u64(0), Be(record).u64(8));
        let block = (high & 0x1ff) << 43 | low >> 21;
        let count = low & 0x1f_ffff;
        let place = if count > 0 { geometry.place(block, count) } else { None };
        let place = place.ok_or_else(|| {
            ParseError::corrupt(at, "extent", "blocks in one group", format!("{count} blocks at {block:#x}"))
        })?;
        out.push(Mapping {
            offset: (high & !(1 << 63)) >> 9,
            block: place,
            count,
            unwritten: high >> 63 != 0,
        });
    }
    Ok(())
}

/// Sorts a fork's mappings and checks that none overlaps the next.
pub(super) fn settle(mappings: &mut [Mapping], at: u64) -> Result<(), ParseError> {
    if !mappings.is_sorted() {
        mappings.sort_unstable();
    }
    for pair in mappings.windows(2) {
        if pair[0].end() > pair[1].offset {
            let expected = format!("an extent from block {} of the fork", pair[0].end());
            return Err(ParseError::corrupt(at, "extent", expected, pair[1].offset));
        }
    }
    Ok(())
}
