//! Inodes in the order of their numbers, though some are found or finished late: those that wait for blocks of their own.

use super::Inode;

/// Where an inode that is not finished keeps its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Row(usize),
    Late(usize),
}

/// Inodes as they are found. Rows are long: sorting all of them, or making room for a few, moves most of them.
#[derive(Debug, Default)]
pub(crate) struct InOrder {
    /// In ascending order.
    rows: Vec<Inode>,
    /// Those that came after one with a greater number.
    late: Vec<Inode>,
}

impl InOrder {
    /// Takes an inode in, finished or not.
    pub(crate) fn push(&mut self, row: Inode) -> Place {
        if self.rows.last().is_none_or(|last| last.number <= row.number) {
            self.rows.push(row);
            Place::Row(self.rows.len() - 1)
        } else {
            self.late.push(row);
            Place::Late(self.late.len() - 1)
        }
    }

    /// Puts an inode that has been taken in, and is finished now, into its place. Its number is the same.
    pub(crate) fn replace(&mut self, place: Place, row: Inode) {
        let kept = match place {
            Place::Row(at) => self.rows.get_mut(at),
            Place::Late(at) => self.late.get_mut(at),
        };
        if let Some(kept) = kept {
            *kept = row;
        }
    }

    /// All of them in ascending order.
    pub(crate) fn finish(mut self) -> Vec<Inode> {
        if self.late.is_empty() {
            return self.rows;
        }
        // Their places are sorted, not they. They are a few ascending runs, which this sort finds.
        let mut order: Vec<_> = (0..).zip(&self.late).map(|(at, inode)| (inode.number, at)).collect();
        order.sort_by_key(|(number, _)| *number);
        let mut end = self.rows.len();
        self.rows.extend_from_slice(&self.late);
        // From the last one on, what follows a late inode moves behind it, to where it stays.
        for (before, (number, at)) in order.into_iter().enumerate().rev() {
            let late: &Inode = &self.late[at];
            // One that follows the one before it moves nothing.
            if self.rows[..end].last().is_some_and(|last| last.number > number) {
                let place = self.rows[..end].partition_point(|row| row.number <= number);
                self.rows.copy_within(place..end, place + before + 1);
                end = place;
            }
            self.rows[end + before] = *late;
        }
        self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::FileKind;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_is_that_of_a_stable_sort(numbers in prop::collection::vec((0..40_u64, any::<bool>()), 0..60)) {
            let mut found = InOrder::default();
            let (mut wanted, mut unfinished) = (Vec::new(), Vec::new());
            for (size, (number, is_finished)) in (0..).zip(numbers) {
                let row = Inode { number, size, ..crate::tree::test_survey(&[(0, FileKind::File)], &[]).inodes[0] };
                if is_finished {
                    found.push(row);
                } else {
                    unfinished.push((found.push(Inode { size: 0, ..row }), row));
                }
                wanted.push((number, size));
            }
            for (place, row) in unfinished.into_iter().rev() {
                found.replace(place, row);
            }
            wanted.sort_by_key(|row| row.0);
            let found: Vec<_> = found.finish().iter().map(|row| (row.number, row.size)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
