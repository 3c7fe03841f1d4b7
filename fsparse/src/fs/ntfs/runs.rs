//! Mapping pairs: from an attribute's clusters to the volume's.

use super::record::{Malformed, NonResident, malformed};
use coldread_model::ByteRange;

/// The clusters of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clusters {
    /// Bytes of one.
    pub(super) bytes: u32,
    /// How many there are.
    pub(super) count: u64,
}

impl Clusters {
    /// The bytes of `count` clusters from `lcn`; cut at the volume's end.
    pub(super) fn range(self, lcn: u64, count: u64) -> ByteRange {
        let start = lcn.min(self.count);
        let end = lcn.saturating_add(count).min(self.count);
        // The boot sector's check keeps the product below 8 EiB.
        ByteRange::between(start * u64::from(self.bytes), end * u64::from(self.bytes))
    }
}

/// A run of an attribute's bytes that is allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Byte offset in the attribute's value.
    pub(super) logical: u64,
    /// The bytes of the volume.
    pub(super) range: ByteRange,
}

/// Decodes the mapping pairs of (a part of) an attribute and appends what is allocated to `out`, in order.
/// Runs outside the volume, or pairs that do not add up to the clusters announced, are errors; `out` then
/// holds what came before.
///
/// Source: Flatcap NTFS documentation, "Concept - Data Runs".
pub(super) fn decode_runs(
    part: &NonResident<'_>,
    clusters: Clusters,
    out: &mut Vec<Piece>,
) -> Result<(), Malformed> {
    let bytes = u64::from(clusters.bytes);
    if part.end_vcn > i64::MAX as u64 / bytes {
        return Err(malformed("a value below 8 EiB", part.end_vcn));
    }
    let (mut vcn, mut lcn, mut rest) = (part.lowest_vcn, 0i64, part.runs);
    while vcn < part.end_vcn {
        let (&header, after) = rest.split_first().unwrap_or((&0, &[]));
        if header == 0 {
            break;
        }
        let (length_bytes, offset_bytes) = (usize::from(header & 15), usize::from(header >> 4));
        let cut = || malformed("mapping pairs within their attribute", u64::from(header));
        if length_bytes == 0 || length_bytes > 8 || offset_bytes > 8 {
            return Err(malformed("mapping pairs of at most 8 bytes", u64::from(header)));
        }
        let (length, after) = after.split_at_checked(length_bytes).ok_or_else(cut)?;
        let (offset, after) = after.split_at_checked(offset_bytes).ok_or_else(cut)?;
        rest = after;
        let length = signed(length);
        if length <= 0 || length as u64 > part.end_vcn - vcn {
            return Err(malformed("runs that add up to the clusters announced", length as u64));
        }
        if offset_bytes > 0 {
            lcn = lcn.wrapping_add(signed(offset));
            let end = u64::try_from(lcn).ok().and_then(|lcn| lcn.checked_add(length as u64));
            if end.is_none_or(|end| end > clusters.count) {
                return Err(malformed("runs inside the volume", lcn as u64));
            }
            let range = clusters.range(lcn as u64, length as u64);
            out.push(Piece { logical: vcn * bytes, range });
        }
        vcn += length as u64;
    }
    if vcn == part.end_vcn {
        Ok(())
    } else {
        Err(malformed("runs that add up to the clusters announced", vcn))
    }
}

/// A signed little-endian number of 1 to 8 bytes.
fn signed(bytes: &[u8]) -> i64 {
    let negative = bytes.last().is_some_and(|&byte| byte & 0x80 != 0);
    let mut whole = [if negative { 0xff } else { 0 }; 8];
    whole[..bytes.len()].copy_from_slice(bytes);
    i64::from_le_bytes(whole)
}

/// Cuts a value's bytes `start..start + len` into the ranges of the volume that hold them, as pairs of the
/// offset in the value and the range. `pieces` are in order; bytes that none covers are left out.
pub(super) fn locate(pieces: &[Piece], start: u64, len: u64) -> impl Iterator<Item = (u64, ByteRange)> + '_ {
    let wanted = ByteRange::new(start, len);
    let first = pieces.partition_point(|piece| piece.logical + piece.range.len <= wanted.start);
    pieces[first..].iter().take_while(move |piece| piece.logical < wanted.end()).map(move |piece| {
        let part = ByteRange::new(piece.logical, piece.range.len).intersect(wanted);
        (part.start, ByteRange::new(piece.range.start + (part.start - piece.logical), part.len))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLUSTERS: Clusters = Clusters { bytes: 512, count: 1 << 20 };

    fn part(runs: &[u8], lowest_vcn: u64, end_vcn: u64) -> NonResident<'_> {
        NonResident { lowest_vcn, end_vcn, compression_unit: 0, data_size: 0, initialized_size: 0, runs }
    }

    /// Encodes runs as Windows does, in as few bytes as the signs allow.
    pub(in crate::fs::ntfs) fn encode(runs: &[(u64, Option<u64>)]) -> Vec<u8> {
        let shortest = |value: i64| {
            let all = value.to_le_bytes();
            let len = (1..=8).find(|&len| signed(&all[..len]) == value).unwrap();
            all[..len].to_vec()
        };
        let (mut out, mut last) = (Vec::new(), 0);
        for &(len, lcn) in runs {
            let len = shortest(len as i64);
            let offset = lcn.map(|lcn| shortest(lcn as i64 - last)).unwrap_or_default();
            last = lcn.map_or(last, |lcn| lcn as i64);
            out.push((offset.len() << 4 | len.len()) as u8);
            out.extend(len);
            out.extend(offset);
        }
        out.push(0);
        out
    }

    proptest! {
        #[test]
        fn runs_of_any_shape_read_back(
            runs in prop::collection::vec((1u64..5000, prop::option::of(0u64..1_000_000)), 0..30),
            lowest in 0u64..1000,
        ) {
            let total: u64 = runs.iter().map(|run| run.0).sum();
            let mut out = Vec::new();
            prop_assert_eq!(decode_runs(&part(&encode(&runs), lowest, lowest + total), CLUSTERS, &mut out), Ok(()));
            let (mut vcn, mut want) = (lowest, Vec::new());
            for (len, lcn) in runs {
                if let Some(lcn) = lcn {
                    want.push(Piece { logical: vcn * 512, range: ByteRange::new(lcn * 512, len * 512) });
                }
                vcn += len;
            }
            prop_assert_eq!(out, want);
        }

        #[test]
        fn no_bytes_do_harm(runs in prop::collection::vec(any::<u8>(), 0..60), lowest in 0u64..9, len in any::<u64>()) {
            let mut out = Vec::new();
            let _ = decode_runs(&part(&runs, lowest, lowest.saturating_add(len)), CLUSTERS, &mut out);
            prop_assert!(out.iter().all(|piece| piece.range.end() <= CLUSTERS.count * 512));
        }
    }

    #[test]
    fn runs_outside_the_volume_and_wrong_totals_are_errors() {
        let mut out = Vec::new();
        for (runs, end) in [
            (encode(&[(8, Some((1 << 20) - 7))]), 8),
            (encode(&[(8, Some(3))]), 9),
            (encode(&[(9, Some(3))]), 8),
            (vec![0x11, 8, 0xff, 0], 8),
            (vec![0x21, 8], 8),
            (vec![0x10, 8, 0], 8),
        ] {
            assert!(decode_runs(&part(&runs, 0, end), CLUSTERS, &mut out).is_err());
        }
    }

    #[test]
    fn a_value_is_located_piece_by_piece() {
        let pieces = [
            Piece { logical: 0, range: ByteRange::new(1000, 10) },
            Piece { logical: 10, range: ByteRange::new(500, 10) },
            Piece { logical: 40, range: ByteRange::new(2000, 10) },
        ];
        let found: Vec<_> = locate(&pieces, 5, 37).collect();
        let want =
            [(5, ByteRange::new(1005, 5)), (10, ByteRange::new(500, 10)), (40, ByteRange::new(2000, 2))];
        assert_eq!(found, want);
    }
}
