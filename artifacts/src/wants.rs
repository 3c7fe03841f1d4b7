//! Which files extractors want, and how to find them among many without trying each pattern on each path.
//!
//! A pattern's directory is nearly always literal, so a caller asks once for a directory and then only for
//! the names in the few directories that matter. [`Wants::directories`] lists them: a caller should resolve
//! each inside the asset's tree (symbolic links followed as in a chroot) instead of comparing stored paths.

use crate::registry::Extractor;
use std::collections::HashMap;

/// How an extractor reads a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// All of it at once, if it has at most so many bytes.
    Whole {
        /// The bound in bytes.
        limit: u64,
    },
    /// From start to end, once.
    Stream,
    /// Here and there, or by its data segments.
    Ranges,
}

/// Files that an extractor asks for.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    /// A path in the asset's tree, case-sensitive. `*` stands for any bytes within a name, `**` as a whole
    /// component for any number of directories.
    pub pattern: &'static str,
    /// Endings of names that the pattern takes and the extractor does not read.
    pub except: &'static [&'static str],
    /// How it is read.
    pub reading: Reading,
    /// Endings of sibling files that are part of the same database, e.g. `-wal`.
    pub companions: &'static [&'static str],
}

impl Want {
    /// Files that match `pattern`, without companions.
    pub const fn new(pattern: &'static str, reading: Reading) -> Self {
        Self { pattern, except: &[], reading, companions: &[] }
    }

    /// The pattern's directory and its last component.
    fn split(&self) -> (&'static [u8], &'static [u8]) {
        split(self.pattern.as_bytes())
    }

    fn takes_name(&self, name: &[u8]) -> bool {
        matches_name(self.split().1, name) && !self.except.iter().any(|end| name.ends_with(end.as_bytes()))
    }
}

/// A want with the extractor that has it.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Who wants the file.
    pub extractor: &'a dyn Extractor,
    /// As what.
    pub want: &'static Want,
}

impl Wanted<'_> {
    /// Whether a file with this name, in a directory that matches, is one of those wanted.
    pub fn takes(&self, name: &[u8]) -> bool {
        self.want.takes_name(name)
    }
}

impl std::fmt::Debug for Wanted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.extractor.name(), self.want.pattern)
    }
}

/// All wants of some extractors, by directory.
#[derive(Debug)]
pub struct Wants<'a> {
    literal: HashMap<&'static [u8], Vec<Wanted<'a>>>,
    globbed: Vec<Wanted<'a>>,
}

impl<'a> Wants<'a> {
    /// The wants of `extractors`.
    pub fn of(extractors: &[&'a dyn Extractor]) -> Self {
        let mut wants = Self { literal: HashMap::new(), globbed: Vec::new() };
        for &extractor in extractors {
            for want in extractor.wants() {
                let wanted = Wanted { extractor, want };
                let directory = want.split().0;
                if directory.contains(&b'*') {
                    wants.globbed.push(wanted);
                } else {
                    wants.literal.entry(directory).or_default().push(wanted);
                }
            }
        }
        wants
    }

    /// The literal directories, sorted, each without a `/` at its end.
    pub fn directories(&self) -> Vec<&'static [u8]> {
        let mut directories: Vec<_> = self.literal.keys().copied().collect();
        directories.sort_unstable();
        directories
    }

    /// The wants that patterns with a `*` in their directory have: for these the whole tree must be walked.
    pub fn globbed(&self) -> &[Wanted<'a>] {
        &self.globbed
    }

    /// What is wanted in a directory (a path in the asset's tree without a `/` at its end), if anything:
    /// ask [`Wanted::takes`] for each name in it.
    pub fn in_directory(&self, directory: &[u8]) -> Vec<Wanted<'a>> {
        let literal = self.literal.get(directory).into_iter().flatten();
        let globbed =
            self.globbed.iter().filter(|wanted| matches_directory(wanted.want.split().0, directory));
        literal.chain(globbed).copied().collect()
    }

    /// Who wants the file at `path`, as what.
    pub fn of_path(&self, path: &[u8]) -> Vec<Wanted<'a>> {
        let (directory, name) = split(path);
        let mut found = self.in_directory(directory);
        found.retain(|wanted| wanted.takes(name));
        found
    }
}

/// A path's directory, without the `/`, and its last component.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', path) {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&[], path),
    }
}

/// Whether `name` matches one component of a pattern, in which each `*` stands for any bytes. Time is the product of both
/// lengths at worst: only the last `*` is ever tried again.
pub fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Whether a directory matches component by component; `**` takes any number of them.
fn matches_directory(pattern: &[u8], directory: &[u8]) -> bool {
    let pattern: Vec<&[u8]> = pattern.split(|byte| *byte == b'/').collect();
    let names: Vec<&[u8]> = directory.split(|byte| *byte == b'/').collect();
    let (mut p, mut n) = (0, 0);
    let mut retry = None;
    while n < names.len() {
        match pattern.get(p) {
            Some(&b"**") => {
                retry = Some((p, n));
                p += 1;
            }
            Some(component) if matches_name(component, names[n]) => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|component| *component == b"**")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, EXTRACTORS, Input, Output};
    use proptest::prelude::*;

    fn names(path: &str) -> Vec<&'static str> {
        let wants = Wants::of(EXTRACTORS);
        wants.of_path(path.as_bytes()).iter().map(|wanted| wanted.extractor.name()).collect()
    }

    #[test]
    fn finds_the_databases_and_nothing_beside_them() {
        assert_eq!(names("/var/lib/dpkg/status"), ["dpkg"]);
        assert_eq!(names("/var/lib/dpkg/status.d/base-files"), ["dpkg"]);
        for other in [
            "/var/lib/dpkg/status.d/base-files.md5sums",
            "/var/lib/dpkg/status-old",
            "/var/lib/dpkg/status.d/deeper/base-files",
            "/VAR/lib/dpkg/status",
            "/srv/var/lib/dpkg/status",
            "status",
            "",
            "/",
        ] {
            assert_eq!(names(other), [""; 0], "{other}");
        }
    }

    #[test]
    fn every_want_is_a_path_from_the_root_in_a_literal_directory() {
        let wants = Wants::of(EXTRACTORS);
        assert!(wants.globbed().is_empty());
        for extractor in EXTRACTORS {
            assert!(!extractor.wants().is_empty(), "{}", extractor.name());
            for want in extractor.wants() {
                assert!(want.pattern.starts_with('/'), "{}", want.pattern);
                assert!(wants.directories().contains(&want.split().0));
            }
        }
    }

    struct Globs;
    impl Extractor for Globs {
        fn name(&self) -> &'static str {
            "globs"
        }
        fn version(&self) -> u32 {
            1
        }
        fn wants(&self) -> &'static [Want] {
            const WANTS: &[Want] = &[
                Want::new("/home/*/.ssh/authorized_keys", Reading::Stream),
                Want::new("/**/node_modules/*/package.json", Reading::Stream),
            ];
            WANTS
        }
        fn extract(&self, _: &mut Input<'_>, _: &Context, _: &mut dyn Output) {}
    }

    #[test]
    fn stars_in_directories() {
        let wants = Wants::of(&[&Globs]);
        for (path, count) in [
            ("/home/a/.ssh/authorized_keys", 1),
            ("/home/a/b/.ssh/authorized_keys", 0),
            ("/node_modules/x/package.json", 1),
            ("/srv/a/b/node_modules/x/package.json", 1),
            ("/srv/node_modules/x/y/package.json", 0),
            ("/srv/node_modules/a/node_modules/x/package.json", 1),
        ] {
            assert_eq!(wants.of_path(path.as_bytes()).len(), count, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_name_with_stars_matches_what_was_put_in_their_place(
            parts in prop::collection::vec("[ab*/]{0,3}", 1..5), fill in prop::collection::vec("[ab]{0,4}", 5),
        ) {
            let parts: Vec<String> = parts.iter().map(|part| part.replace('*', "")).collect();
            let pattern = parts.join("*");
            let mut name = parts[0].clone();
            for (part, fill) in parts[1..].iter().zip(&fill) {
                name.push_str(fill);
                name.push_str(part);
            }
            prop_assert!(matches_name(pattern.as_bytes(), name.as_bytes()));
            name.push('z');
            prop_assert_eq!(matches_name(pattern.as_bytes(), name.as_bytes()), pattern.ends_with('*'));
        }

        #[test]
        fn any_path_is_answered(path in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = Wants::of(&[&Globs]).of_path(&path);
        }
    }
}
