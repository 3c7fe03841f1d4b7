//! A list of gaps that no volume makes long: what is beyond a bound is counted.

use coldread_model::{Gap, GapKind};

/// Gaps as they turn up, of which so many are kept.
#[derive(Debug)]
pub(crate) struct GapList {
    gaps: Vec<Gap>,
    most: usize,
    left_out: u64,
}

impl GapList {
    /// An empty list that keeps at most so many.
    pub(crate) fn of_at_most(most: usize) -> Self {
        Self { gaps: Vec::new(), most, left_out: 0 }
    }

    /// Keeps a gap, or counts it.
    pub(crate) fn push(&mut self, gap: Gap) {
        if self.gaps.len() < self.most {
            self.gaps.push(gap);
        } else {
            self.left_out += 1;
        }
    }

    /// The gaps kept, and one more that says how many of `structure` are not listed, if any.
    pub(crate) fn finish(mut self, structure: &'static str) -> Vec<Gap> {
        if self.left_out > 0 {
            let reason = format!("{} more gaps are not listed", self.left_out);
            self.gaps.push(Gap::new(GapKind::Limit, structure, reason));
        }
        self.gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_bound_is_counted() {
        for (found, listed, last) in [(2, 2, "a hole"), (5, 3, "3 more gaps are not listed")] {
            let mut list = GapList::of_at_most(2);
            for _ in 0..found {
                list.push(Gap::new(GapKind::Corrupt, "map", "a hole"));
            }
            let gaps = list.finish("map");
            assert_eq!((gaps.len(), &*gaps[listed - 1].reason), (listed, last));
        }
    }
}
