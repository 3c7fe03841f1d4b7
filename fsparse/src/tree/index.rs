//! From an inode's number to its place in the survey.

/// A table from numbers to places, in segments: within one every number has a slot, between them are the
/// numbers that nobody has. Numbers of ext4 and NTFS lie so densely that one segment holds them all; those of
/// XFS have gaps as wide as an allocation group.
#[derive(Debug)]
pub(super) struct NumberIndex {
    /// In ascending order, without overlap.
    segments: Vec<Segment>,
    /// The segments' slots, one after the other.
    places: Vec<u32>,
}

/// Numbers in a row.
#[derive(Clone, Copy, Debug)]
struct Segment {
    first: u64,
    /// Where its slots start.
    slots: usize,
}

/// No place.
const NONE: u32 = u32::MAX;
/// There are at most so many slots for each number.
const SLOTS_PER_NUMBER: u64 = 8;

impl NumberIndex {
    /// Of numbers in the order of their places. A number that comes twice keeps its first place.
    pub(super) fn new(numbers: impl ExactSizeIterator<Item = u64> + Clone) -> Self {
        if numbers.clone().is_sorted() {
            return Self::of_sorted(numbers.enumerate().map(|(place, number)| (number, place as u32)));
        }
        let mut pairs: Vec<_> = numbers.enumerate().map(|(place, number)| (number, place as u32)).collect();
        pairs.sort_unstable();
        Self::of_sorted(pairs.into_iter())
    }

    /// Of numbers in ascending order, with their places.
    fn of_sorted(pairs: impl ExactSizeIterator<Item = (u64, u32)>) -> Self {
        let mut index = Self { segments: Vec::new(), places: Vec::with_capacity(pairs.len()) };
        let mut last = None;
        // Slots that may still be spent on numbers that nobody has.
        let mut spare = 0_u64;
        for (number, place) in pairs {
            let skipped = match last.map(|last| number - last) {
                Some(0) => continue,
                Some(step) => Some(step - 1).filter(|skipped| *skipped <= spare),
                None => None,
            };
            match skipped {
                Some(skipped) => {
                    spare -= skipped;
                    index.places.resize(index.places.len() + skipped as usize, NONE);
                }
                None => index.segments.push(Segment { first: number, slots: index.places.len() }),
            }
            index.places.push(place);
            spare += SLOTS_PER_NUMBER - 1;
            last = Some(number);
        }
        index
    }

    /// The place of `number`.
    pub(super) fn get(&self, number: u64) -> Option<u32> {
        let next = match &self.segments[..] {
            // Nearly always, and in the innermost loops.
            [_] => 1,
            segments => segments.partition_point(|segment| segment.first <= number),
        };
        let segment = self.segments.get(next.checked_sub(1)?)?;
        let slot = segment.slots.checked_add(usize::try_from(number.checked_sub(segment.first)?).ok()?)?;
        let end = self.segments.get(next).map_or(self.places.len(), |next| next.slots);
        self.places[..end].get(slot).copied().filter(|&place| place != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    #[test]
    fn scattered_numbers_cost_no_more_than_so_many_slots_each() {
        let numbers: Vec<u64> = (0..1000_u64).map(|i| i.pow(5)).collect();
        let index = NumberIndex::new(numbers.iter().copied());
        assert!(index.places.len() as u64 <= 1000 * SLOTS_PER_NUMBER);
        let dense = NumberIndex::new((0..1000_u32).map(|i| 70 + u64::from(i) * 3));
        assert_eq!(dense.segments.len(), 1);
    }

    proptest! {
        #[test]
        fn the_first_of_equal_numbers_is_found(
            numbers in prop::collection::vec(prop_oneof![0..40_u64, 0..4000_u64, any::<u64>()], 0..200),
            sorted: bool,
        ) {
            let mut numbers = numbers;
            if sorted {
                numbers.sort_unstable();
            }
            let index = NumberIndex::new(numbers.iter().copied());
            for number in numbers.iter().copied().flat_map(|n| [n, n.wrapping_add(1), n.wrapping_sub(1)]) {
                let first = numbers.iter().position(|one| *one == number).map(|place| place as u32);
                prop_assert_eq!(index.get(number), first);
            }
        }
    }
}
