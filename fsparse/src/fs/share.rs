//! Dividing units between threads.

use std::ops::Range;

/// Cuts a run of units into at most `parts` runs that weigh about the same; `weights` has one for each unit, or none
/// if they weigh the same. No part is empty, unless there is no unit.
pub fn shares(units: Range<u64>, weights: &[u64], parts: u64) -> Vec<Range<u64>> {
    let count = units.end.saturating_sub(units.start);
    let parts = parts.clamp(1, count.max(1));
    let weight =
        |unit: u64| usize::try_from(unit).ok().and_then(|unit| weights.get(unit)).copied().unwrap_or(0);
    // Each unit weighs something, else a run of empty ones would leave no border to set.
    let total: u128 = weights.iter().map(|weight| u128::from(*weight) + 1).sum();
    let (mut passed, mut unit) = (0_u128, 0);
    let mut start = 0;
    let mut shares = Vec::new();
    for part in 1..=parts {
        let end = if part == parts {
            count
        } else if weights.is_empty() {
            (u128::from(count) * u128::from(part) / u128::from(parts)) as u64
        } else {
            let goal = total * u128::from(part) / u128::from(parts);
            // Up to the unit with most of it on this side.
            while unit < count && passed + u128::from(weight(unit)).div_ceil(2) <= goal {
                passed += u128::from(weight(unit)) + 1;
                unit += 1;
            }
            unit
        };
        // One unit at least for this part, and for each that follows.
        let end = end.clamp((start + 1).min(count), count - (parts - part).min(count));
        shares.push(units.start + start..units.start + end);
        start = end;
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn borders(units: Range<u64>, weights: &[u64], parts: u64) -> Vec<(u64, u64)> {
        shares(units, weights, parts).into_iter().map(|share| (share.start, share.end)).collect()
    }

    #[test]
    fn units_of_one_weight_are_divided_evenly() {
        assert_eq!(borders(10..18, &[], 2), [(10, 14), (14, 18)]);
        assert_eq!(borders(0..3, &[], 2), [(0, 1), (1, 3)]);
        assert_eq!(borders(4..5, &[], 8), [(4, 5)]);
        assert_eq!(borders(7..7, &[], 3), [(7, 7)]);
    }

    #[test]
    fn heavy_units_stand_against_many_light_ones() {
        assert_eq!(borders(0..6, &[10, 10, 10, 10, 10, 50], 2), [(0, 5), (5, 6)]);
        assert_eq!(borders(5..11, &[90, 1, 1, 1, 1, 1], 3), [(5, 6), (6, 7), (7, 11)]);
        assert_eq!(borders(0..4, &[0, 0, 0, u64::MAX], 2), [(0, 3), (3, 4)]);
    }

    proptest! {
        #[test]
        fn shares_are_the_whole_in_order(
            start in 0..9_u64, weights in prop::collection::vec(prop_oneof![0..9_u64, any::<u64>()], 0..40), parts in 0..12_u64
        ) {
            let units = start..start + weights.len() as u64;
            let found = shares(units.clone(), &weights, parts);
            prop_assert_eq!((found[0].start, found[found.len() - 1].end), (units.start, units.end));
            prop_assert!(found.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert_eq!(found.len() as u64, parts.clamp(1, (weights.len() as u64).max(1)));
            prop_assert!(weights.is_empty() || found.iter().all(|share| !share.is_empty()));
            // None but one heavy unit makes a share heavier than its part.
            let sum = |share: &Range<u64>| -> u128 {
                (share.start..share.end).map(|unit| u128::from(weights[(unit - start) as usize]) + 1).sum()
            };
            let most = weights.iter().map(|weight| u128::from(*weight) + 1).max().unwrap_or(0);
            let fair = sum(&units) / found.len() as u128;
            let forced = found.len() as u128 * most;
            prop_assert!(found.iter().all(|share| sum(share) <= fair + forced));
        }
    }
}
