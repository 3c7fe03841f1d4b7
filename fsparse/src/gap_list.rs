//! A list of gaps that no volume makes long: what is beyond a bound is counted.

use crate::survey::LostInodes;
use coldread_model::{Gap, GapKind};

/// Gaps of a survey that are kept.
pub(crate) const MOST_OF_A_SURVEY: usize = 100_000;

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

    /// An empty list for a survey.
    pub(crate) fn of_a_survey() -> Self {
        Self::of_at_most(MOST_OF_A_SURVEY)
    }

    /// Keeps a gap, or counts it.
    pub(crate) fn push(&mut self, gap: Gap) {
        if self.gaps.len() < self.most {
            self.gaps.push(gap);
        } else {
            self.left_out += 1;
        }
    }

    /// Keeps or counts the gap of so many inodes from `first` on. That they are lost is known either way: names that lead
    /// to them are no names of inodes that are not there.
    pub(crate) fn lose(&mut self, lost: &mut Vec<LostInodes>, first: u64, count: u64, gap: Gap) {
        if count > 0 {
            let run = LostInodes { first, count, kind: gap.kind };
            if lost.last() != Some(&run) {
                lost.push(run);
            }
            self.push(gap.at_inode(first));
        }
    }

    /// Counts gaps that are told nowhere.
    pub(crate) fn count(&mut self, more: u64) {
        self.left_out += more;
    }

    /// Drops gaps that turn out to be none.
    pub(crate) fn retain(&mut self, is_one: impl FnMut(&Gap) -> bool) {
        self.gaps.retain(is_one);
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

    #[test]
    fn lost_inodes_are_known_though_their_gaps_are_not_listed() {
        let (mut list, mut lost) = (GapList::of_at_most(1), Vec::new());
        for (first, count) in [(1, 64), (1, 64), (65, 0), (65, 64)] {
            list.lose(&mut lost, first, count, Gap::new(GapKind::Io, "inode table", "unreadable"));
        }
        let kind = GapKind::Io;
        assert_eq!(lost, [1, 65].map(|first| LostInodes { first, count: 64, kind }));
        let gaps: Vec<_> = list.finish("survey").iter().map(|gap| (gap.kind, gap.inode)).collect();
        assert_eq!(gaps, [(GapKind::Io, Some(1)), (GapKind::Limit, None)]);
    }
}
