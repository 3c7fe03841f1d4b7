//! Packages that one file of a language's tools tells, held to the bound of one file.

use super::purl::purl_of;
use crate::{
    Output,
    input::{FileGaps, PACKAGES_PER_FILE, Place},
};
use coldread_model::{GapKind, Package, PackageState, PackageType};
use std::fmt::Display;

/// The longest name, version or vendor that is taken over; of a longer vendor the start is.
pub(super) const MAX_TEXT: usize = 512;

/// Rows and gaps of one file.
pub(super) struct Rows<'o, 'p> {
    place: Place<'p>,
    out: &'o mut dyn Output,
    gaps: FileGaps<'p>,
    kind: PackageType,
    state: PackageState,
    rows: u64,
}

impl<'o, 'p> Rows<'o, 'p> {
    /// Installed packages of `kind`; gaps are in `structure`.
    pub(super) fn installed(
        kind: PackageType,
        structure: &'static str,
        place: Place<'p>,
        out: &'o mut dyn Output,
    ) -> Self {
        let gaps = place.gaps(structure);
        Self { place, out, gaps, kind, state: PackageState::Installed, rows: 0 }
    }

    /// Packages that a lock file names.
    pub(super) fn declared(
        kind: PackageType,
        structure: &'static str,
        place: Place<'p>,
        out: &'o mut dyn Output,
    ) -> Self {
        Self { state: PackageState::Declared, ..Self::installed(kind, structure, place, out) }
    }

    /// A package of this file with its URL, to be filled in further and then pushed.
    pub(super) fn row(&self, name: &str, version: &str, qualifiers: &[(&str, Option<&str>)]) -> Package {
        Package {
            purl: purl_of(self.kind, name, version, qualifiers),
            state: self.state,
            root: self.place.root.to_owned(),
            ..Package::new(self.kind, name, version, self.place.origin())
        }
    }

    /// Tells a package.
    pub(super) fn push(&mut self, row: Package) {
        self.rows += 1;
        if row.name.len() > MAX_TEXT || row.version.len() > MAX_TEXT {
            let start: String = row.name.chars().take(64).collect();
            let reason = format!("{start}: name or version of more than {MAX_TEXT} bytes");
            self.gap(GapKind::Limit, reason);
        } else if self.rows <= PACKAGES_PER_FILE {
            self.out.package(row);
        } else if self.rows == PACKAGES_PER_FILE + 1 {
            self.gap(GapKind::Limit, format!("more than {PACKAGES_PER_FILE} packages; the rest is not told"));
        }
    }

    /// Tells a package that is no more than its name and version.
    pub(super) fn plain(&mut self, name: &str, version: &str) {
        let row = self.row(name, version, &[]);
        self.push(row);
    }

    /// Tells what could not be read.
    pub(super) fn gap(&mut self, kind: GapKind, reason: impl Display) {
        self.gaps.push(self.out, kind, reason);
    }

    /// Ends the file.
    pub(super) fn finish(self) {
        self.gaps.finish(self.out);
    }
}

/// A vendor as it is taken over: without space around it, not empty, not endless.
pub(super) fn vendor(text: &str) -> Option<String> {
    let text = text.trim();
    let end = text.char_indices().map(|(at, one)| at + one.len_utf8()).take_while(|end| *end <= MAX_TEXT);
    end.last().map(|end| text[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Findings;

    #[test]
    fn a_file_is_held_to_its_bound_and_says_so() {
        let mut found = Findings::default();
        let place = Place { path: b"/x", root: "/", volume: "p1", sha256: None };
        let mut rows = Rows::declared(PackageType::Npm, "lock", place, &mut found);
        rows.plain("a", "1");
        rows.plain(&"n".repeat(MAX_TEXT + 1), "1");
        rows.rows = PACKAGES_PER_FILE;
        rows.plain("b", "1");
        rows.plain("c", "1");
        rows.finish();
        assert_eq!(found.packages.len(), 1);
        assert_eq!(found.packages[0].purl, "pkg:npm/a@1");
        assert_eq!(found.packages[0].state, PackageState::Declared);
        assert_eq!(found.gaps.len(), 2);
        assert!(found.gaps.iter().all(|gap| gap.kind == GapKind::Limit));
    }

    #[test]
    fn vendors_are_cut_between_characters() {
        assert_eq!(vendor("  "), None);
        assert_eq!(vendor(" Ann "), Some("Ann".to_owned()));
        assert_eq!(vendor(&"é".repeat(600)).map(|text| text.len()), Some(MAX_TEXT));
    }
}
