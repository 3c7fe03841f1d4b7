//! From an inode's number to its place in the survey.

/// A table from numbers to places, in segments of blocks: within a segment every block of [`BLOCK`] numbers has an
/// entry, and a block that has any of them a slot for each; between segments are numbers that nobody has. Numbers of
/// ext4 and NTFS lie so densely that one segment holds them all. Those of XFS have gaps between their chunks, up to
/// some hundred numbers, and others as wide as an allocation group.
#[derive(Debug, Default)]
pub(super) struct NumberIndex {
    /// In ascending order, without overlap.
    segments: Vec<Segment>,
    /// Of each segment's blocks which ones of those in `places` they are, one segment after the other.
    blocks: Vec<u32>,
    /// The slots of the blocks that have any number.
    places: Vec<u32>,
}

/// Numbers in a row.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// A multiple of [`BLOCK`].
    first: u64,
    /// Where its blocks start.
    blocks: usize,
}

/// No place, or no block.
const NONE: u32 = u32::MAX;
/// Numbers of a block.
const BLOCK: u64 = 16;
/// There are at most so many entries for each block that has a number.
const ENTRIES_PER_BLOCK: u64 = 8;

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
        let places = Vec::with_capacity(pairs.len());
        let mut index = Self { segments: Vec::new(), blocks: Vec::new(), places };
        let mut last = None;
        // Entries that may still be spent on blocks without a number.
        let mut spare = 0_u64;
        for (number, place) in pairs {
            let block = number / BLOCK;
            if last != Some(block) {
                let skipped = last.map(|last| block - last - 1).filter(|skipped| *skipped <= spare);
                match skipped {
                    Some(skipped) => {
                        spare -= skipped;
                        index.blocks.resize(index.blocks.len() + skipped as usize, NONE);
                    }
                    None => {
                        index.segments.push(Segment { first: block * BLOCK, blocks: index.blocks.len() });
                    }
                }
                index.blocks.push((index.places.len() as u64 / BLOCK) as u32);
                index.places.resize(index.places.len() + BLOCK as usize, NONE);
                spare += ENTRIES_PER_BLOCK - 1;
                last = Some(block);
            }
            let start = index.places.len() - BLOCK as usize;
            let slot = &mut index.places[start + (number % BLOCK) as usize];
            if *slot == NONE {
                *slot = place;
            }
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
        let block = usize::try_from(number.checked_sub(segment.first)? / BLOCK).ok()?;
        let end = self.segments.get(next).map_or(self.blocks.len(), |next| next.blocks);
        let block = self.blocks[segment.blocks..end].get(block).filter(|&&block| block != NONE)?;
        let slot = *block as usize * BLOCK as usize + (number % BLOCK) as usize;
        self.places.get(slot).copied().filter(|&place| place != NONE)
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
    fn scattered_numbers_cost_no_more_than_so_many_entries_each() {
        let numbers: Vec<u64> = (0..1000_u64).map(|i| i.pow(5)).collect();
        let index = NumberIndex::new(numbers.iter().copied());
        assert!(index.blocks.len() as u64 <= 1000 * ENTRIES_PER_BLOCK);
        assert!(index.places.len() as u64 <= 1000 * BLOCK);
        let dense = NumberIndex::new((0..1000_u32).map(|i| 70 + u64::from(i) * 3));
        assert_eq!(dense.segments.len(), 1);
        // As XFS has them: chunks of 64, and as many numbers that nobody has as seven chunks have.
        let chunks = NumberIndex::new((0..6400_u32).map(|i| u64::from(i / 64 * 512 + i % 64)));
        assert_eq!((chunks.segments.len(), chunks.places.len()), (1, 6400));
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
