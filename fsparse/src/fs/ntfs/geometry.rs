//! What every later task must know of the volume.

use super::{
    boot::BootSector,
    runs::{Clusters, Piece},
};
use crate::error::ParseError;
use coldread_model::{ByteRange, codec};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ops::Range};

/// MFT records of a survey's unit.
pub(super) const UNIT_RECORDS: u64 = 1024;

/// The root directory's record.
pub(super) const ROOT: u64 = 5;

/// The directory of the filesystem's own later files, `$Extend`.
pub(super) const EXTEND: u64 = 11;

/// Records below are the filesystem's own, the root directory excepted.
pub(super) const FIRST_USER: u64 = 24;

/// The volume's geometry, from the probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Geometry {
    /// Bytes of a cluster.
    pub(super) cluster_bytes: u32,
    /// Bytes of an MFT record.
    pub(super) record_bytes: u32,
    /// Clusters of the volume.
    pub(super) clusters: u64,
    /// Bytes that the filesystem covers, the last sector included.
    pub(super) size_bytes: u64,
    /// MFT records that were ever initialised and that `mft` maps.
    pub(super) records: u64,
    /// The bytes of the MFT, in its order.
    pub(super) mft: Vec<ByteRange>,
    /// The bytes of the cluster bitmap, in its order.
    pub(super) bitmap: Vec<ByteRange>,
}

impl Geometry {
    /// From a boot sector, with an MFT of which only `mft` is known and `initialized` bytes are in use.
    pub(super) fn new(boot: &BootSector, mft: &[Piece], initialized: u64) -> Self {
        let mut geometry = Self {
            cluster_bytes: boot.cluster_bytes,
            record_bytes: boot.record_bytes,
            clusters: boot.clusters,
            size_bytes: boot.size_bytes,
            records: 0,
            mft: distinct(joined(mft)),
            bitmap: Vec::new(),
        };
        let mapped: u64 = geometry.mft.iter().map(|range| range.len).fold(0, u64::saturating_add);
        geometry.records = initialized.min(mapped).min(boot.size_bytes) / u64::from(boot.record_bytes);
        geometry
    }

    /// Reads what [`Geometry::encode`] wrote.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, ParseError> {
        let wrong = |reason: String| ParseError::corrupt(0, "NTFS geometry", "an encoded geometry", reason);
        let geometry: Self =
            codec::from_bytes("NTFS geometry", bytes).map_err(|error| wrong(error.to_string()))?;
        let clusters_fit = geometry
            .clusters
            .checked_mul(u64::from(geometry.cluster_bytes))
            .is_some_and(|bytes| bytes <= geometry.size_bytes && i64::try_from(geometry.size_bytes).is_ok());
        let mapped = geometry.mft.iter().map(|range| range.len).fold(0, u64::saturating_add);
        let records_fit = geometry.record_bytes.is_power_of_two()
            && (512..=65_536).contains(&geometry.record_bytes)
            && geometry.records <= mapped.min(geometry.size_bytes) / u64::from(geometry.record_bytes);
        if geometry.cluster_bytes.is_power_of_two() && clusters_fit && records_fit {
            Ok(geometry)
        } else {
            Err(wrong("sizes that contradict each other".to_owned()))
        }
    }

    /// Its opaque form for later tasks.
    pub(super) fn encode(&self) -> Vec<u8> {
        codec::to_bytes(self)
    }

    /// The volume's clusters.
    pub(super) fn clusters(&self) -> Clusters {
        Clusters { bytes: self.cluster_bytes, count: self.clusters }
    }

    /// How many units a survey has: at least one.
    pub(super) fn units(&self) -> u64 {
        self.records.div_ceil(UNIT_RECORDS).max(1)
    }

    /// The MFT records of some units.
    pub(super) fn records_of(&self, units: &Range<u64>) -> Range<u64> {
        let border = |unit: u64| unit.saturating_mul(UNIT_RECORDS).min(self.records);
        border(units.start)..border(units.end)
    }

    /// The part of the cluster bitmap that falls to some units, as a range of its bytes: equal shares.
    pub(super) fn bitmap_share(&self, units: &Range<u64>) -> ByteRange {
        let bytes = u128::from(self.clusters.div_ceil(8));
        let all = u128::from(self.units());
        let border = |unit: u64| (bytes * u128::from(unit).min(all) / all) as u64;
        ByteRange::between(border(units.start), border(units.end))
    }
}

/// The ranges of a value that starts with its first piece and has no hole up to the end; neighbours joined.
pub(super) fn joined(pieces: &[Piece]) -> Vec<ByteRange> {
    let (mut out, mut at): (Vec<ByteRange>, u64) = (Vec::new(), 0);
    for piece in pieces {
        if piece.logical != at {
            break;
        }
        at += piece.range.len;
        match out.last_mut() {
            Some(last) if last.end() == piece.range.start => last.len += piece.range.len,
            _ => out.push(piece.range),
        }
    }
    out
}

/// The ranges up to the first that lies, in whole or in part, on one before it: a hostile MFT could name the same records
/// under any number of numbers.
fn distinct(mut ranges: Vec<ByteRange>) -> Vec<ByteRange> {
    let mut taken: BTreeMap<u64, u64> = BTreeMap::new();
    let count = ranges.iter().take_while(|range| {
        let before = taken.range(..range.end()).next_back();
        let free = before.is_none_or(|(_, end)| *end <= range.start);
        taken.insert(range.start, range.end());
        free
    });
    let count = count.count();
    ranges.truncate(count);
    ranges
}

/// Ranges as the pieces of one value.
pub(super) fn pieces_of(ranges: &[ByteRange]) -> Vec<Piece> {
    let mut at = 0u64;
    let place = |range: &ByteRange| {
        let logical = at;
        at = at.saturating_add(range.len);
        Piece { logical, range: *range }
    };
    ranges.iter().map(place).collect()
}
