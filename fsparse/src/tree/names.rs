//! The names of each directory.

use super::{brief::Brief, index::NumberIndex};
use crate::survey::{Entry, Survey};

/// Bytes of a name that are compared as one number.
const PREFIX_BYTES: usize = 16;

/// A name's first bytes, and its index among the survey's entries.
pub(super) type Sorted = (u128, u32);

/// The survey's names but those of deleted inodes, gathered by directory in one pass that compares nothing.
pub(super) struct Names<'a> {
    survey: &'a Survey,
    entries: &'a [Entry],
    /// For each inode where its names start in `order`, and one more for the end.
    starts: Vec<u32>,
    /// Indexes of `entries`, those of a directory together.
    order: Vec<u32>,
    /// Names whose directory is not in use, those of deleted inodes not counted.
    pub(super) strangers: u64,
}

impl<'a> Names<'a> {
    /// The names in `entries`, which may be the survey's own or were taken out of it.
    pub(super) fn of(
        survey: &'a Survey,
        entries: &'a [Entry],
        numbers: &NumberIndex,
        briefs: &[Brief],
    ) -> Self {
        let mut starts = vec![0_u32; survey.inodes.len() + 1];
        let mut strangers = 0;
        // A look at what each name leads to, only where there is anything deleted.
        let any_deleted = briefs.iter().any(|brief| brief.is_deleted());
        let gone = |number| numbers.get(number).is_some_and(|inode| briefs[inode as usize].is_deleted());
        let directory_of = |parent, generation: u16| {
            numbers.get(parent).filter(|&parent| {
                let known = || survey.inodes[parent as usize].generation;
                !briefs[parent as usize].is_deleted()
                    && (generation == 0 || known() == 0 || known() == generation)
            })
        };
        // Names of a directory come in a row, nearly always.
        let mut before = (0, 0, directory_of(0, 0));
        let parents = entries.iter().map(|entry| {
            if any_deleted && gone(entry.child) {
                return u32::MAX;
            }
            if (before.0, before.1) != (entry.parent, entry.parent_generation) {
                let parent = directory_of(entry.parent, entry.parent_generation);
                before = (entry.parent, entry.parent_generation, parent);
            }
            match before.2 {
                Some(parent) => starts[parent as usize + 1] += 1,
                None => strangers += 1,
            }
            before.2.unwrap_or(u32::MAX)
        });
        let parents: Vec<u32> = parents.collect();
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        // Each start moves to its end while names are put in place, and is put back by the shift that follows.
        let mut order = vec![0; sum as usize];
        for (entry, parent) in parents.into_iter().enumerate() {
            if let Some(next) = starts.get_mut(parent as usize) {
                order[*next as usize] = entry as u32;
                *next += 1;
            }
        }
        starts.pop();
        starts.insert(0, 0);
        Self { survey, entries, starts, order, strangers }
    }

    /// The names in the directory at an inode, sorted by their bytes; equal ones, which only a damaged
    /// directory has, by what they lead to, so that the order in which blocks were read does not show.
    pub(super) fn sorted_in(&self, inode: u32, sorted: &mut Vec<Sorted>) {
        sorted.clear();
        let inode = inode as usize;
        let (Some(&start), Some(&end)) = (self.starts.get(inode), self.starts.get(inode + 1)) else { return };
        let bytes = |entry: u32| self.survey.bytes(self.entries[entry as usize].name);
        let child = |entry: u32| self.entries[entry as usize].child;
        let names = self.order[start as usize..end as usize].iter();
        sorted.extend(names.map(|&entry| (prefix(bytes(entry)), entry)));
        sorted.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0).then_with(|| bytes(a.1).cmp(bytes(b.1))).then_with(|| child(a.1).cmp(&child(b.1)))
        });
    }
}

/// The first bytes as a number that sorts as they do, filled up with zeros.
fn prefix(name: &[u8]) -> u128 {
    if let Some(first) = name.first_chunk::<PREFIX_BYTES>() {
        return u128::from_be_bytes(*first);
    }
    let mut first = [0; PREFIX_BYTES];
    first[..name.len()].copy_from_slice(name);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::FileKind;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_directory_has_its_names_in_the_order_of_their_bytes(
            names in prop::collection::vec((0..5_u64, "[a-b\\x00-\\x01]{0,20}"), 0..80)
        ) {
            let mut survey = crate::tree::test_survey(&[(2, FileKind::Dir), (3, FileKind::Dir), (9, FileKind::Dir)], &[]);
            for (directory, name) in &names {
                let name = survey.keep(name.as_bytes()).unwrap();
                let parent = [2, 3, 9, 4, 77][*directory as usize];
                let child = 1000 - survey.entries.len() as u64;
                survey.entries.push(Entry { parent, parent_generation: 0, child, name });
            }
            let (numbers, briefs) = crate::tree::brief::of(&survey);
            let found = Names::of(&survey, &survey.entries, &NumberIndex::new(numbers.into_iter()), &briefs);
            prop_assert_eq!(found.strangers, names.iter().filter(|name| name.0 > 2).count() as u64);
            let mut sorted = Vec::new();
            for inode in 0..3 {
                found.sorted_in(inode, &mut sorted);
                let shown: Vec<_> = sorted.iter().map(|one| one.1).collect();
                let mut wanted: Vec<u32> = (0..names.len() as u32).filter(|i| names[*i as usize].0 == u64::from(inode)).collect();
                wanted.sort_by_key(|i| (&names[*i as usize].1, 1000 - i));
                prop_assert_eq!(shown, wanted);
            }
        }
    }
}
