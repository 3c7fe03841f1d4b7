//! Inodes that a survey could not read: a name that leads to one is as unreadable as the inode, not "not found".

use crate::survey::Survey;
use coldread_model::GapKind;
use std::collections::HashMap;

/// What a survey lost, by inode number.
#[derive(Debug)]
pub(super) struct Losses {
    /// First number, number behind the last, why; sorted.
    runs: Vec<(u64, u64, GapKind)>,
    numbers: HashMap<u64, GapKind>,
    /// Something of the source could not be read: it may have held names.
    unread: bool,
}

impl Losses {
    /// Of a volume's survey.
    pub(super) fn of(survey: &Survey) -> Self {
        let run =
            |run: &crate::survey::LostInodes| (run.first, run.first.saturating_add(run.count), run.kind);
        let mut runs: Vec<_> = survey.lost.iter().map(run).collect();
        runs.sort_unstable();
        let numbers = survey.gaps.iter().filter_map(|gap| Some((gap.inode?, gap.kind))).collect();
        Self { runs, numbers, unread: survey.gaps.iter().any(|gap| gap.kind == GapKind::Io) }
    }

    /// Why an inode that was not found is missing, and the same in words.
    pub(super) fn why(&self, number: u64) -> (GapKind, &'static str) {
        let before = self.runs.partition_point(|run| run.0 <= number);
        let run = before.checked_sub(1).map(|index| self.runs[index]).filter(|run| number < run.1);
        match run.map(|run| run.2).or_else(|| self.numbers.get(&number).copied()) {
            None | Some(GapKind::NotFound) => {
                (GapKind::NotFound, "a name leads to an inode that is not in use")
            }
            Some(kind) => (kind, "a name leads to an inode that could not be read"),
        }
    }

    /// Why inodes in use have no name, and the same in words.
    pub(super) fn why_nameless(&self) -> (GapKind, &'static str) {
        if self.unread {
            (GapKind::Io, "inodes in use have no name in what could be read")
        } else {
            (GapKind::Corrupt, "inodes in use have no name")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Gap;

    #[test]
    fn what_was_not_read_is_not_missing() {
        let mut survey = Survey::default();
        assert_eq!(Losses::of(&survey).why_nameless().0, GapKind::Corrupt);
        survey.lose(100, 20, Gap::new(GapKind::Io, "inode table", "past the end"));
        survey.lose(40, 2, Gap::new(GapKind::Corrupt, "group descriptor", "a wrong checksum"));
        survey.lose(300, 0, Gap::new(GapKind::Io, "inode table", "nothing"));
        survey.gaps.push(Gap::new(GapKind::Corrupt, "inode", "a wrong checksum").at_inode(7));
        survey.gaps.push(Gap::new(GapKind::NotFound, "inode", "not in use").at_inode(8));
        let losses = Losses::of(&survey);
        for (number, kind) in [
            (7, GapKind::Corrupt),
            (8, GapKind::NotFound),
            (39, GapKind::NotFound),
            (41, GapKind::Corrupt),
            (42, GapKind::NotFound),
            (100, GapKind::Io),
            (119, GapKind::Io),
            (120, GapKind::NotFound),
            (300, GapKind::NotFound),
        ] {
            assert_eq!(losses.why(number).0, kind, "{number}");
        }
        assert_eq!(losses.why_nameless().0, GapKind::Io);
    }
}
