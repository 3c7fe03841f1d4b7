//! Which files, and which of their names, are found already.

use super::super::super::joined::AssetFile;
use crate::tasks::view::WHOLE_BYTES;
use coldread_artifacts::Extractor;
use coldread_model::{Gap, GapKind};
use std::collections::HashSet;

/// Names of an asset's files beyond the first of each that are looked at, and bytes that are read again for them: each
/// file may have 65,000.
const MAX_NAMES: u64 = 1 << 18;
const MAX_BYTES: u64 = 1 << 30;

/// A name: where it stands, whatever paths lead there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) volume: usize,
    /// Index of the directory's inode.
    pub(super) directory: u32,
    /// Where the survey has its text.
    pub(super) name: u32,
}

/// What is found already. Roots are told apart, and extractors.
#[derive(Default)]
pub(super) struct Seen {
    /// By volume and index of the inode.
    files: HashSet<(usize, &'static str, usize, u32)>,
    names: HashSet<(usize, &'static str, Name)>,
    further: u64,
    bytes: u64,
    left_out: u64,
}

impl Seen {
    /// Whether an extractor is to look at a file under a name.
    pub(super) fn is_new(
        &mut self,
        root: usize,
        extractor: &'static dyn Extractor,
        file: &AssetFile<'_>,
        name: Name,
    ) -> bool {
        let who = extractor.name();
        let new_file = self.files.insert((root, who, file.volume, file.inode));
        if !extractor.reads_each_name() || !self.names.insert((root, who, name)) {
            return new_file;
        }
        if new_file {
            return true;
        }
        let bytes = file.stream.map_or(0, |stream| stream.size.min(WHOLE_BYTES));
        if self.further >= MAX_NAMES || self.bytes.saturating_add(bytes) > MAX_BYTES {
            self.left_out += 1;
            return false;
        }
        self.further += 1;
        self.bytes += bytes;
        true
    }

    /// That names were too many.
    pub(super) fn gap(&self) -> Option<Gap> {
        let reason = || {
            format!(
                "{} names of files that have several are not looked at; others of each are",
                self.left_out
            )
        };
        (self.left_out > 0).then(|| Gap::new(GapKind::Limit, "hard links", reason()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_artifacts::EXTRACTORS;
    use coldread_fsparse::survey::{Encoding, Span, Stream};

    fn extractor(each: bool) -> &'static dyn Extractor {
        *EXTRACTORS.iter().find(|one| one.reads_each_name() == each).unwrap()
    }

    #[test]
    fn a_file_is_new_under_each_name_where_that_matters_and_once_where_it_does_not() {
        let file = AssetFile { volume: 0, inode: 7, stream: None };
        let at = |directory| Name { volume: 0, directory, name: 3 };
        for (each, expected) in [(true, [true, false, true, true]), (false, [true, false, false, true])] {
            let mut seen = Seen::default();
            let new = [(0, 1), (0, 1), (0, 2), (1, 2)]
                .map(|(root, directory)| seen.is_new(root, extractor(each), &file, at(directory)));
            assert_eq!((new, seen.gap()), (expected, None));
        }
    }

    #[test]
    fn further_names_have_a_bound_in_number_and_in_bytes() {
        for (size, most) in [(0, MAX_NAMES), (WHOLE_BYTES * 9, MAX_BYTES / WHOLE_BYTES)] {
            let (name, encoding) = (Span::default(), Encoding::Inline(Span::default()));
            let stream = Stream { name, size, initialized: size, encoding };
            let file = AssetFile { volume: 0, inode: 7, stream: Some(&stream) };
            let mut seen = Seen::default();
            let mut taken = 0;
            let asked = MAX_NAMES as u32 + 10;
            for name in 0..asked {
                let name = Name { volume: 0, directory: 1, name };
                taken += u64::from(seen.is_new(0, extractor(true), &file, name));
            }
            assert_eq!(taken, 1 + most);
            let reason = seen.gap().unwrap().reason;
            assert!(reason.starts_with(&format!("{} names", u64::from(asked) - taken)), "{reason}");
        }
    }
}
