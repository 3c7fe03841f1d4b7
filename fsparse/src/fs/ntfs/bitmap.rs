//! The cluster bitmap.

use super::runs::Clusters;
use coldread_model::RangeSet;

/// Adds the clusters that a part of the bitmap calls free to `free`. The part's first bit stands for cluster
/// `first`; bits past the volume's end count for nothing.
///
/// Source: Flatcap NTFS documentation, "Metafile - $Bitmap (6)": a bit a cluster, the lowest bit first, set
/// where in use.
pub(super) fn add_free(bits: &[u8], first: u64, clusters: Clusters, free: &mut RangeSet) {
    let mut start = None;
    let mut close = |start: &mut Option<u64>, end: u64| {
        if let Some(start) = start.take() {
            free.insert(clusters.range(start, end - start));
        }
    };
    let mut at = first;
    for chunk in bits.chunks(8) {
        let end = at + chunk.len() as u64 * 8;
        match chunk {
            [0, 0, 0, 0, 0, 0, 0, 0] => start = start.or(Some(at)),
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => close(&mut start, at),
            _ => {
                for (byte, place) in chunk.iter().zip((at..).step_by(8)) {
                    for bit in 0..8 {
                        if byte >> bit & 1 == 0 {
                            start = start.or(Some(place + bit));
                        } else {
                            close(&mut start, place + bit);
                        }
                    }
                }
            }
        }
        at = end;
    }
    close(&mut start, at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_clear_bit_is_free(
            parts in prop::collection::vec(prop_oneof![Just(0u8), Just(0xff), any::<u8>()], 0..60),
            repeat in 1usize..12,
            first in 0u64..100,
            count in 0u64..3000,
        ) {
            let bits: Vec<u8> = parts.iter().flat_map(|&byte| vec![byte; repeat]).collect();
            let mut free = RangeSet::new();
            add_free(&bits, first, Clusters { bytes: 512, count }, &mut free);
            let ranges = free.ranges().to_vec();
            for cluster in 0..first + bits.len() as u64 * 8 + 8 {
                let place = cluster.checked_sub(first);
                let clear = place.and_then(|at| Some(bits.get((at / 8) as usize)? >> (at % 8) & 1 == 0));
                let found = ranges.iter().any(|range| (range.start..range.end()).contains(&(cluster * 512)));
                prop_assert_eq!(found, clear == Some(true) && cluster < count);
            }
        }
    }
}
