//! Rows that are moved into another vector, and whose memory is given back on the way.

use super::huge::HUGE;
use coldread_fsparse::survey::MoveRows;

/// Moves the last rows first and shortens the vector that they leave: two surveys that are joined are never in memory with
/// half of it twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GivenBack;

impl MoveRows for GivenBack {
    fn move_behind<T>(&self, rows: &mut Vec<T>, mut next: Vec<T>, change: impl Fn(T) -> T) {
        rows.reserve(next.len());
        let all = rows.len() + next.len();
        let room = rows.spare_capacity_mut();
        // As many as a page of the heap's large blocks holds.
        let together = (HUGE / size_of::<T>().max(1)).max(1);
        while !next.is_empty() {
            let rest = next.len().saturating_sub(together);
            for (place, row) in room[rest..].iter_mut().zip(next.drain(rest..)) {
                place.write(change(row));
            }
            next.shrink_to(rest);
        }
        // SAFETY: there is room for so many, and all behind those that were there have been written: the loop ends with the
        // first of `next`, and each of its rows had its place. Where `change` panics this is not reached.
        unsafe { rows.set_len(all) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn rows_come_behind_the_others_in_their_order(
            here in 0..5_usize,
            pages in 0..3_usize,
            more in 0..3_usize,
        ) {
            // Rows of 40 bytes, with something to free.
            let row = |number: usize| (Box::new(number), [number; 4]);
            let count = pages * HUGE / 40 + more;
            let mut rows: Vec<_> = (0..here).map(row).collect();
            let change = |(number, rest): (Box<usize>, [usize; 4])| (Box::new(*number + here), rest);
            GivenBack.move_behind(&mut rows, (0..count).map(row).collect(), change);
            prop_assert_eq!(rows.len(), here + count);
            for (at, (number, rest)) in rows.iter().enumerate() {
                prop_assert_eq!((**number, rest[3]), (at, if at < here { at } else { at - here }));
            }
        }
    }
}
