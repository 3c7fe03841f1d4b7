//! What of an asset a scan was asked for.

use crate::package::words;
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// A part of what there is to know of an asset. To add one: a word here, and the parts that extractors say
    /// they find.
    Part {
        /// The listing of every file, with digests where contents are read.
        Files = "files",
        /// Packages of systems, whose databases have their places.
        Packages = "packages",
        /// Logins.
        Logins = "logins",
        /// Users and groups, and settings of logins.
        Accounts = "accounts",
        /// Keys.
        Keys = "keys",
        /// Packages of languages, which may lie anywhere.
        Libraries = "libraries",
    }
}

/// A set of parts. What the system is (its name, version and zone) is always found out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Parts(u32);

impl Parts {
    /// Every part, those that later versions add too.
    pub const ALL: Self = Self(u32::MAX);
    /// None.
    pub const NONE: Self = Self(0);

    /// One part.
    pub const fn of(part: Part) -> Self {
        Self(1 << part as u32)
    }

    /// Both sets together.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a part is in the set.
    pub const fn contains(self, part: Part) -> bool {
        self.0 & Self::of(part).0 != 0
    }

    /// Whether some part is in both.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether everything is asked for.
    pub const fn is_all(self) -> bool {
        self.0 == Self::ALL.0
    }

    /// The parts that are in it, if it does not hold all: what `--only` would say.
    pub fn only(self) -> impl Iterator<Item = Part> {
        Part::ALL.iter().copied().filter(move |part| !self.is_all() && self.contains(*part))
    }
}

impl Default for Parts {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromIterator<Part> for Parts {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        parts.into_iter().fold(Self::NONE, |all, part| all.and(Self::of(part)))
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_all() { f.write_str("all") } else { f.debug_set().entries(self.only()).finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_and_all_holds_everything() {
        let some: Parts = [Part::Logins, Part::Packages].into_iter().collect();
        assert_eq!(some.only().collect::<Vec<_>>(), [Part::Packages, Part::Logins]);
        assert!(some.contains(Part::Logins) && !some.contains(Part::Files) && !some.is_all());
        assert!(some.meets(Parts::of(Part::Logins)) && !some.meets(Parts::of(Part::Files)));
        assert!(Part::ALL.iter().all(|part| Parts::ALL.contains(*part)));
        assert_eq!((Parts::ALL.only().count(), Parts::NONE.only().count()), (0, 0));
        assert_eq!(Parts::default(), Parts::ALL);
    }
}
