//! Extents of a fork: "XFS Algorithms & Data Structures", 3rd edition, "Data Extents".

use super::{be::Be, geometry::Geometry};
use crate::{error::ParseError, survey::Extent};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// A change of a file's data fork that the log began and did not finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Remap {
    pub(super) inode: u64,
    /// First block in the fork, and number of blocks.
    pub(super) offset: u64,
    pub(super) count: u64,
    /// First block in the volume of what is to be mapped; `None` where what is mapped is to be unmapped.
    pub(super) block: Option<u64>,
    pub(super) unwritten: bool,
}

/// Finishes changes in sorted mappings, one after the other; hands back how many are refused because something else is
/// mapped there. A change costs no more for the mappings that it leaves alone: a hostile log has many for one file.
pub(super) fn finish(remaps: &[Remap], mappings: &mut Vec<Mapping>) -> usize {
    let mut refused = 0;
    let mut by_offset: BTreeMap<u64, Mapping> =
        mappings.drain(..).map(|mapping| (mapping.offset, mapping)).collect();
    for remap in remaps {
        let Remap { offset, count, unwritten, .. } = *remap;
        let end = offset.saturating_add(count);
        let before = by_offset.range(..offset).next_back().map(|(_, &mapping)| mapping);
        let before = before.filter(|mapping| mapping.end() > offset);
        if let Some(block) = remap.block {
            if before.is_some() || by_offset.range(offset..end).next().is_some() {
                refused += 1;
            } else {
                by_offset.insert(offset, Mapping { offset, block, count, unwritten });
            }
            continue;
        }
        let mut last = before;
        if let Some(kept) = before.and_then(|mapping| mapping.before(offset)) {
            by_offset.insert(kept.offset, kept);
        }
        while let Some((&at, &mapping)) = by_offset.range(offset..end).next() {
            by_offset.remove(&at);
            last = Some(mapping);
        }
        if let Some(cut) = last.filter(|last| last.end() > end) {
            let skip = end - cut.offset;
            let kept = Mapping { offset: end, block: cut.block + skip, count: cut.count - skip, ..cut };
            by_offset.insert(end, kept);
        }
    }
    mappings.extend(by_offset.into_values());
    refused
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Block by block, a change leaves what is around it and puts itself in its place, or is refused.
        #[test]
        fn a_change_concerns_its_blocks_alone(
            starts in prop::collection::btree_set(0u64..40, 0..8),
            offset in 0u64..60,
            count in 1u64..20,
            maps: bool,
        ) {
            let starts: Vec<u64> = starts.into_iter().collect();
            let mut mappings = Vec::new();
            for (nth, &start) in starts.iter().enumerate() {
                let room = starts.get(nth + 1).map_or(5, |next| next - start);
                let count = room.min(3);
                mappings.push(Mapping { offset: start, block: 1000 + start * 7, count, unwritten: nth % 2 == 0 });
            }
            let of = |mappings: &[Mapping], at: u64| {
                let found = mappings.iter().find(|mapping| mapping.offset <= at && at < mapping.end());
                found.map(|mapping| mapping.block + at - mapping.offset)
            };
            let before = mappings.clone();
            let remap = Remap { inode: 1, offset, count, block: maps.then_some(5000), unwritten: false };
            let taken = (offset..offset + count).any(|at| of(&before, at).is_some());
            prop_assert_eq!(finish(&[remap], &mut mappings), usize::from(maps && taken));
            prop_assert!(settle(&mut mappings, 0).is_ok());
            for at in 0..90 {
                let inside = (offset..offset + count).contains(&at) && !(maps && taken);
                let expected = if inside { maps.then(|| 5000 + at - offset) } else { of(&before, at) };
                prop_assert_eq!(of(&mappings, at), expected);
            }
        }
    }
}
