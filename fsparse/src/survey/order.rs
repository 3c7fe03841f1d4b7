//! Inodes in the order of their numbers, though some are finished late: those that wait for blocks of their own.

use super::Inode;

/// Inodes as they are finished. Rows are long; sorting all of them would move each many times for the few that are
/// out of order.
#[derive(Debug, Default)]
pub(crate) struct InOrder {
    /// In ascending order.
    rows: Vec<Inode>,
    /// Those that came after one with a greater number.
    late: Vec<Inode>,
}

impl InOrder {
    /// Takes an inode in.
    pub(crate) fn push(&mut self, row: Inode) {
        if self.rows.last().is_none_or(|last| last.number <= row.number) {
            self.rows.push(row);
        } else {
            self.late.push(row);
        }
    }

    /// All of them in ascending order.
    pub(crate) fn finish(mut self) -> Vec<Inode> {
        self.late.sort_by_cached_key(|inode| inode.number);
        let mut end = self.rows.len();
        self.rows.extend_from_slice(&self.late);
        // From the last one on, what follows a late inode moves behind it, to where it stays.
        for (before, late) in self.late.iter().enumerate().rev() {
            let place = self.rows[..end].partition_point(|row| row.number <= late.number);
            self.rows.copy_within(place..end, place + before + 1);
            self.rows[place + before] = *late;
            end = place;
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
        fn the_order_is_that_of_a_stable_sort(numbers in prop::collection::vec(0..40_u64, 0..60)) {
            let mut found = InOrder::default();
            let mut wanted = Vec::new();
            for (size, number) in (0..).zip(numbers) {
                let row = Inode { number, size, ..crate::tree::test_survey(&[(0, FileKind::File)], &[]).inodes[0] };
                found.push(row);
                wanted.push((number, size));
            }
            wanted.sort_by_key(|row| row.0);
            let found: Vec<_> = found.finish().iter().map(|row| (row.number, row.size)).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
