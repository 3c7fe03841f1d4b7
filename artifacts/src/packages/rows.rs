//! Packages that one file tells, held to the bounds of one file and of one row.

use super::purl::purl_of;
use crate::{
    Output,
    input::{FileGaps, PACKAGES_PER_FILE, Place},
    secrets::masked,
};
use coldread_model::{GapKind, Package, PackageState, PackageType};
use std::{collections::HashSet, fmt::Display};

/// The longest name, version or vendor that is taken over; of a longer vendor the start is.
pub(super) const MAX_TEXT: usize = 512;

/// The longest other text of a row: a service's program is a whole command line.
pub(super) const MAX_FURTHER: usize = 4096;

/// The longest package URL: what its name and its version have may take three times its bytes there.
const MAX_PURL: usize = 16 * MAX_TEXT;

/// Why a package of such a name and version is not told, if it is not; to be asked before anything is made of them.
pub(super) fn too_long(name: &str, version: &str) -> Option<String> {
    let longer = name.len() > MAX_TEXT || version.len() > MAX_TEXT;
    longer.then(|| format!("{}: name or version of more than {MAX_TEXT} bytes", start(name)))
}

/// Why a row is not told, if it is not.
pub(super) fn oversized(row: &Package) -> Option<String> {
    let further = [&row.arch, &row.vendor, &row.source_name, &row.source_version, &row.module];
    let longer =
        row.purl.len() > MAX_PURL || further.into_iter().flatten().any(|text| text.len() > MAX_FURTHER);
    let reason = || format!("{}: texts of more than {MAX_FURTHER} bytes", start(&row.name));
    too_long(&row.name, &row.version).or_else(|| longer.then(reason))
}

/// As much of a name as says which one it is.
fn start(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Rows and gaps of one file.
pub(super) struct Rows<'o, 'p> {
    place: Place<'p>,
    out: &'o mut dyn Output,
    gaps: FileGaps<'p>,
    kind: PackageType,
    state: PackageState,
    rows: u64,
    /// What was told of a lock file and its like: name, version and state of each package.
    told: HashSet<(String, String, PackageState)>,
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
        Self { place, out, gaps, kind, state: PackageState::Installed, rows: 0, told: HashSet::new() }
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

    /// A package of this file with its URL, to be filled in further and then pushed. A version may be the place that the
    /// package is fetched from: the secrets in it are not told.
    pub(super) fn row(&self, name: &str, version: &str, qualifiers: &[(&str, Option<&str>)]) -> Package {
        let place = version.contains("://").then(|| masked(&without_user(version)).into_owned());
        let version = place.as_deref().unwrap_or(version);
        Package {
            purl: purl_of(self.kind, name, version, qualifiers),
            state: self.state,
            root: self.place.root.to_owned(),
            ..Package::new(self.kind, name, version, self.place.origin())
        }
    }

    /// Tells a package. Of a file that names it more than once the first counts: a lock file has it for each place where
    /// it is to be put. What is installed and what is only named are two things.
    pub(super) fn push(&mut self, row: Package) {
        if let Some(reason) = oversized(&row) {
            self.gap(GapKind::Limit, reason);
            return;
        }
        // Of the others a file has more to tell, and each once.
        let name = match row.kind {
            // Its names are the same in either case.
            PackageType::Nuget => Some(row.name.to_ascii_lowercase()),
            PackageType::Npm => Some(row.name.clone()),
            _ => None,
        };
        if name.is_some_and(|name| !self.told.insert((name, row.version.clone(), row.state))) {
            return;
        }
        self.rows += 1;
        if self.rows <= PACKAGES_PER_FILE {
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

/// A URL without what may be a password or a token. `git` is the name that hosts of repositories give everybody.
pub(super) fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = match authority.rsplit_once('@') {
        Some((user, host)) if user != "git" => host,
        _ => authority,
    };
    format!("{scheme}://{host}{path}")
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
    fn a_package_is_told_once_in_each_state() {
        let told = |kind| {
            let mut found = Findings::default();
            let place = Place { path: b"/x", root: "/", volume: "p1", sha256: None };
            let mut rows = Rows::declared(kind, "lock", place, &mut found);
            for (name, version) in [("a", "1"), ("a", "1"), ("A", "1"), ("a", "2")] {
                rows.plain(name, version);
            }
            let installed = Package { state: PackageState::Installed, ..rows.row("a", "1", &[]) };
            rows.push(installed);
            rows.finish();
            let shown =
                found.packages.into_iter().map(|one| (one.name, one.version, one.state.is_installed()));
            shown.collect::<Vec<_>>()
        };
        let row = |name: &str, version: &str, is: bool| (name.to_owned(), version.to_owned(), is);
        let nuget = [row("a", "1", false), row("a", "2", false), row("a", "1", true)];
        assert_eq!(told(PackageType::Nuget), nuget);
        let npm = [row("a", "1", false), row("A", "1", false), row("a", "2", false), row("a", "1", true)];
        assert_eq!(told(PackageType::Npm), npm);
    }

    #[test]
    fn no_text_of_a_row_is_without_end() {
        let place = Place { path: b"/x", root: "/", volume: "p1", sha256: None };
        let (long, odd) = ("n".repeat(MAX_FURTHER + 1), "\u{1}".repeat(MAX_TEXT));
        let row = || Package::new(PackageType::Rpm, "a", "1", place.origin());
        let whole =
            Package { purl: purl_of(PackageType::Rpm, &odd, &odd, &[]), vendor: vendor(&long), ..row() };
        assert_eq!(oversized(&whole), None);
        for longer in [
            Package { name: long.clone(), ..row() },
            Package { version: long.clone(), ..row() },
            Package { arch: Some(long.clone()), ..row() },
            Package { source_name: Some(long.clone()), ..row() },
            Package { module: Some(long.clone()), ..row() },
            Package { purl: purl_of(PackageType::Rpm, "a", "1", &[("x", Some(&long.repeat(2)))]), ..row() },
        ] {
            assert!(oversized(&longer).is_some_and(|reason| reason.len() < 200));
        }
    }

    #[test]
    fn secrets_of_the_places_that_packages_are_fetched_from_are_not_told() {
        let mut found = Findings::default();
        let place = Place { path: b"/x", root: "/", volume: "p1", sha256: None };
        let mut rows = Rows::declared(PackageType::Npm, "lock", place, &mut found);
        rows.plain("a", "git+https://s3cr3t@example.org/a.git#abc");
        rows.plain("b", "https://anna:s3cr3t@example.org/b.tgz?token=s3cr3t");
        rows.plain("c", "git+ssh://git@example.org/c.git#abc");
        rows.plain("d", "file:../d@e");
        rows.finish();
        assert!(!format!("{:?}", found.packages).contains("s3cr3t"));
        let versions: Vec<_> = found.packages.iter().map(|package| package.version.as_str()).collect();
        let expected = [
            "git+https://example.org/a.git#abc",
            "https://example.org/b.tgz?token=…",
            "git+ssh://git@example.org/c.git#abc",
            "file:../d@e",
        ];
        assert_eq!(versions, expected);
    }

    #[test]
    fn vendors_are_cut_between_characters() {
        assert_eq!(vendor("  "), None);
        assert_eq!(vendor(" Ann "), Some("Ann".to_owned()));
        assert_eq!(vendor(&"é".repeat(600)).map(|text| text.len()), Some(MAX_TEXT));
    }
}
