//! Which files extractors want, and how to find them among many without trying each pattern on each path.
//!
//! There are three kinds of patterns, by what stands before the last `/`:
//!
//! - a literal directory ([`Wants::directories`]): a caller resolves it inside the asset's tree (symbolic links
//!   followed as in a chroot) and asks for the names in it;
//! - one with `*`, or in any case ([`Wants::walked`]): a caller goes down from the root, component by component;
//! - one with `**` ([`Wants::anywhere`]): a caller shows every name there is, and only those that an index of
//!   last components knows are looked at closer.

mod anywhere;

pub use anywhere::{Anywhere, Here};

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
    /// In rounds of ranges, together with all files like it ([`crate::probe`]).
    Probe,
    /// Not at all: that it is there says enough. Its view is empty.
    Name,
}

/// What may have a name that a pattern takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// Regular files, and symbolic links that lead to one (where the directory is not found by `**`).
    Files,
    /// Directories, with [`Reading::Name`].
    Directories,
    /// Regular files of at least so many bytes that somebody may execute; where the filesystem keeps no mode, those
    /// that Windows would execute by their name (`.exe`, `.dll`).
    Executables {
        /// Bytes.
        min: u64,
    },
}

/// Files that an extractor asks for.
#[derive(Clone, Copy, Debug)]
pub struct Want {
    /// A path in the asset's tree. `*` stands for any bytes within a name, `**` as a whole component for any
    /// number of directories.
    pub pattern: &'static str,
    /// Whether ASCII letters match in either case, as on Windows.
    pub any_case: bool,
    /// What is taken.
    pub take: Take,
    /// Endings of names that the pattern takes and the extractor does not read.
    pub except: &'static [&'static str],
    /// How it is read.
    pub reading: Reading,
    /// Endings of sibling files that are part of the same database, e.g. `-wal`.
    pub companions: &'static [&'static str],
    /// Names of sibling files that are part of the same database, e.g. `shadow` beside `passwd`.
    pub siblings: &'static [&'static str],
    /// Paths of other files of the same root that tell how to read it, e.g. the hive that knows a user's time zone.
    pub elsewhere: &'static [&'static str],
}

impl Want {
    /// Files that match `pattern` as it is written, without companions.
    pub const fn new(pattern: &'static str, reading: Reading) -> Self {
        let (take, any_case) = (Take::Files, false);
        Self { pattern, any_case, take, except: &[], reading, companions: &[], siblings: &[], elsewhere: &[] }
    }

    /// Files of a Windows volume that match `pattern` in any case, without companions.
    pub const fn windows(pattern: &'static str, reading: Reading) -> Self {
        Self { any_case: true, ..Self::new(pattern, reading) }
    }

    /// Every executable file of at least `min` bytes, read in rounds.
    pub const fn executables(min: u64) -> Self {
        Self { take: Take::Executables { min }, ..Self::new("/**/*", Reading::Probe) }
    }

    /// The pattern's directory and its last component.
    fn split(&self) -> (&'static [u8], &'static [u8]) {
        split(self.pattern.as_bytes())
    }

    /// The components of the pattern's directory.
    pub fn directory(&self) -> impl Iterator<Item = &'static [u8]> {
        self.split().0.split(|byte| *byte == b'/').filter(|component| !component.is_empty())
    }

    /// Whether a component of its own stands for `name`.
    pub fn component_takes(&self, component: &[u8], name: &[u8]) -> bool {
        if self.any_case { matches_in_any_case(component, name) } else { matches_name(component, name) }
    }

    /// Whether its last component takes `name`.
    pub fn takes_name(&self, name: &[u8]) -> bool {
        let ends = |end: &str| {
            let tail = name.len().checked_sub(end.len()).map(|at| &name[at..]);
            let same = |tail: &[u8]| {
                if self.any_case { tail.eq_ignore_ascii_case(end.as_bytes()) } else { tail == end.as_bytes() }
            };
            tail.is_some_and(same)
        };
        self.component_takes(self.split().1, name) && !self.except.iter().any(|end| ends(end))
    }

    /// Whether it takes what lies in `directory` (a path without a `/` at its end).
    fn takes_directory(&self, directory: &[u8]) -> bool {
        let pattern = self.split().0;
        // Of most directories the last name says enough.
        let last = split(pattern).1;
        if last != b"**" && !self.component_takes(last, split(directory).1) {
            return false;
        }
        if self.any_case {
            return matches_directory(&pattern.to_ascii_lowercase(), &directory.to_ascii_lowercase());
        }
        matches_directory(pattern, directory)
    }

    /// Whether its directory is found by showing every name there is.
    fn is_anywhere(&self) -> bool {
        self.directory().any(|component| component == b"**")
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
    walked: Vec<Wanted<'a>>,
    anywhere: Anywhere<'a>,
}

impl<'a> Wants<'a> {
    /// The wants of `extractors`.
    pub fn of(extractors: &[&'a dyn Extractor]) -> Self {
        let mut wants = Self { literal: HashMap::new(), walked: Vec::new(), anywhere: Anywhere::default() };
        for &extractor in extractors {
            for want in extractor.wants() {
                let wanted = Wanted { extractor, want };
                let directory = want.split().0;
                if want.is_anywhere() {
                    wants.anywhere.add(wanted);
                } else if want.any_case || directory.contains(&b'*') {
                    wants.walked.push(wanted);
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

    /// What is wanted in one of the literal directories.
    pub fn in_directory(&self, directory: &[u8]) -> &[Wanted<'a>] {
        self.literal.get(directory).map_or(&[], Vec::as_slice)
    }

    /// The wants whose directory has to be found component by component.
    pub fn walked(&self) -> &[Wanted<'a>] {
        &self.walked
    }

    /// The wants that any directory may satisfy.
    pub fn anywhere(&self) -> &Anywhere<'a> {
        &self.anywhere
    }

    /// Who wants the file at `path`, as what; what kind of file it is does not count.
    pub fn of_path(&self, path: &[u8]) -> Vec<Wanted<'a>> {
        let (directory, name) = split(path);
        let mut found = self.in_directory(directory).to_vec();
        found.extend(self.walked.iter().filter(|wanted| wanted.want.takes_directory(directory)));
        found.retain(|wanted| wanted.takes(name));
        found.extend(self.anywhere.in_directory(directory).of(name));
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

/// [`matches_name`] with ASCII letters equal in either case.
pub fn matches_in_any_case(pattern: &[u8], name: &[u8]) -> bool {
    if pattern.contains(&b'*') {
        matches_name(&pattern.to_ascii_lowercase(), &name.to_ascii_lowercase())
    } else {
        pattern.eq_ignore_ascii_case(name)
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
    fn every_want_is_a_path_from_the_root() {
        for extractor in EXTRACTORS {
            assert!(!extractor.wants().is_empty(), "{}", extractor.name());
            for want in extractor.wants() {
                assert!(want.pattern.starts_with('/'), "{}", want.pattern);
                let name = want.take == Take::Directories;
                assert!(!name || want.reading == Reading::Name, "{}", want.pattern);
            }
        }
    }

    struct Globs;
    impl Extractor for Globs {
        fn name(&self) -> &'static str {
            "globs"
        }
        fn version(&self) -> u32 {
            2
        }
        fn wants(&self) -> &'static [Want] {
            const WANTS: &[Want] = &[
                Want::new("/home/*/.ssh/authorized_keys", Reading::Stream),
                Want::new("/**/node_modules/*/package.json", Reading::Stream),
                Want::new("/**/*.dist-info/METADATA", Reading::Stream),
                Want::new("/**/*.deps.json", Reading::Stream),
                Want::new("/opt/**/vmlinuz-*", Reading::Name),
                Want { except: &["DD"], ..Want::new("/**/x.*D", Reading::Name) },
                Want::new("/**/.keys/*", Reading::Name),
                Want::windows("/Windows/System32/config/SOFTWARE", Reading::Ranges),
                Want::windows("/Users/*/NTUSER.DAT", Reading::Ranges),
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
            ("/srv/node_modules/x/Package.json", 0),
            ("/usr/lib/python3/dist-packages/x-1.dist-info/METADATA", 1),
            ("/usr/lib/python3/dist-packages/x-1/METADATA", 0),
            ("/srv/app.deps.json", 1),
            ("/srv/app.json", 0),
            ("/opt/a/vmlinuz-6.1", 1),
            ("/srv/a/vmlinuz-6.1", 0),
            ("/srv/x.D", 1),
            ("/srv/x.DD", 0),
            ("/srv/.keys/a", 1),
            ("/.keys/.b", 1),
            ("/srv/keys/a", 0),
            ("/srv/.keys/a/b", 0),
            ("/WINDOWS/system32/Config/software", 1),
            ("/windows/system32/config/software.LOG1", 0),
            ("/users/Me/ntuser.dat", 1),
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
