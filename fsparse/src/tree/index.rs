//! From an inode's number to its place in the survey.

/// A table from numbers to places: direct where the numbers lie densely (they do on ext4 and NTFS), else
/// sorted pairs (XFS numbers have gaps as wide as an allocation group).
#[derive(Debug)]
pub(super) enum NumberIndex {
    Dense { first: u64, places: Vec<u32> },
    Sorted(Vec<(u64, u32)>),
}

/// No place.
const NONE: u32 = u32::MAX;
/// A direct table may have so many slots for each number.
const SLOTS_PER_NUMBER: u64 = 16;

impl NumberIndex {
    /// Of numbers in the order of their places. A number that comes twice keeps its first place.
    pub(super) fn new(numbers: impl ExactSizeIterator<Item = u64> + Clone) -> Self {
        let (first, last) = numbers.clone().fold((u64::MAX, 0), |(a, b), n| (a.min(n), b.max(n)));
        let count = numbers.len() as u64;
        let slots = last.saturating_sub(first).saturating_add(1);
        if count > 0 && slots <= count.saturating_mul(SLOTS_PER_NUMBER) {
            let mut places = vec![NONE; slots as usize];
            for (place, number) in numbers.enumerate() {
                let slot = &mut places[(number - first) as usize];
                if *slot == NONE {
                    *slot = place as u32;
                }
            }
            return Self::Dense { first, places };
        }
        let mut pairs: Vec<_> = numbers.enumerate().map(|(place, number)| (number, place as u32)).collect();
        pairs.sort_unstable();
        Self::Sorted(pairs)
    }

    /// The place of `number`.
    pub(super) fn get(&self, number: u64) -> Option<u32> {
        match self {
            Self::Dense { first, places } => {
                let slot = number.checked_sub(*first)?;
                places.get(usize::try_from(slot).ok()?).copied().filter(|&place| place != NONE)
            }
            Self::Sorted(pairs) => {
                let at = pairs.partition_point(|pair| pair.0 < number);
                pairs.get(at).filter(|pair| pair.0 == number).map(|pair| pair.1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_and_wide_numbers_are_found_and_others_are_not() {
        for numbers in [vec![2, 11, 12, 13], vec![128, 1 << 40, (1 << 40) + 1], vec![], vec![7]] {
            let index = NumberIndex::new(numbers.iter().copied());
            for (place, &number) in numbers.iter().enumerate() {
                assert_eq!(index.get(number), Some(place as u32));
            }
            for absent in [0, 1, 5, 14, u64::MAX] {
                assert_eq!(index.get(absent), None);
            }
        }
    }
}
