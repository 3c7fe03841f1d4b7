//! When packages were installed, where another file than their database says so.

use coldread_artifacts::output::InstallTime;
use coldread_model::{Package, Timestamp};
use std::collections::HashMap;

/// Times of one asset that are remembered, and bytes of what they are of.
const MAX_TIMES: usize = 1 << 20;
const MAX_BYTES: usize = 128 << 20;

/// What a time is of: the root, `type:name`, and of a package's versions and architectures one or any.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Of {
    root: String,
    owner: String,
    version: Option<String>,
    arch: Arch,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Arch {
    /// The time is of this one.
    One(String),
    /// The time does not say of which.
    Unsaid,
    /// The latest of all that the times say.
    Any,
}

/// The latest time of each.
#[derive(Debug, Default)]
pub(super) struct InstallTimes {
    latest: HashMap<Of, Timestamp>,
    bytes: usize,
    left_out: u64,
}

impl InstallTimes {
    /// Adds a time.
    pub(super) fn add(&mut self, time: InstallTime) {
        let InstallTime { root, owner, arch, version, at } = time;
        let arch = arch.map_or(Arch::Unsaid, Arch::One);
        // A package that names no architecture is of any.
        let any = Of { root, owner, version, arch: Arch::Any };
        let one = Of { arch, ..any.clone() };
        if self.put(one, at) {
            self.put(any, at);
        }
    }

    /// Remembers the later one, if there is room.
    fn put(&mut self, of: Of, at: Timestamp) -> bool {
        if let Some(latest) = self.latest.get_mut(&of) {
            *latest = at.max(*latest);
            return true;
        }
        let arch = if let Arch::One(arch) = &of.arch { arch.len() } else { 0 };
        let texts = of.version.as_ref().map_or(0, String::len) + arch + of.root.len() + of.owner.len();
        let bytes = self.bytes + size_of::<(Of, Timestamp)>() + texts;
        if self.latest.len() >= 2 * MAX_TIMES || bytes > MAX_BYTES {
            self.left_out += 1;
            return false;
        }
        self.bytes = bytes;
        self.latest.insert(of, at);
        true
    }

    /// Times that were more than are remembered.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Sets a package's time, unless its database had one: that of its version before one that names none, and of
    /// several the latest.
    pub(super) fn fill(&self, package: &mut Package) {
        if package.installed_at.is_some() || self.latest.is_empty() {
            return;
        }
        let mut of = Of {
            root: package.root.clone(),
            owner: format!("{}:{}", package.kind, package.name),
            version: Some(package.version.clone()),
            arch: Arch::Any,
        };
        let arches = match &package.arch {
            Some(arch) => vec![Arch::One(arch.clone()), Arch::Unsaid],
            None => vec![Arch::Any],
        };
        let latest = |of: &mut Of| {
            let times = arches.iter().filter_map(|arch| {
                of.arch.clone_from(arch);
                self.latest.get(of).copied()
            });
            times.max()
        };
        package.installed_at = latest(&mut of).or_else(|| {
            of.version = None;
            latest(&mut of)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::{PackageOrigin, PackageType};

    #[test]
    fn the_time_of_the_version_counts_and_of_several_the_latest() {
        let time = |version: Option<&str>, arch: Option<&str>, at| InstallTime {
            root: "/".to_owned(),
            owner: "deb:bash".to_owned(),
            arch: arch.map(str::to_owned),
            version: version.map(str::to_owned),
            at: Timestamp::new(at, 0),
        };
        let mut times = InstallTimes::default();
        times.add(time(None, Some("amd64"), 99));
        times.add(time(Some("1"), None, 10));
        times.add(time(Some("1"), None, 20));
        times.add(time(Some("2"), None, 50));
        let filled = |version: &str, arch: &str, root: &str| {
            let origin = PackageOrigin { volume: String::new(), path: Vec::new(), sha256: None };
            let mut package = Package::new(PackageType::Deb, "bash", version, origin);
            (package.arch, package.root) = (Some(arch.to_owned()), root.to_owned());
            times.fill(&mut package);
            package.installed_at.map(|at| at.seconds)
        };
        assert_eq!(filled("1", "amd64", "/"), Some(20));
        assert_eq!(filled("3", "amd64", "/"), Some(99));
        assert_eq!(filled("3", "arm64", "/"), None);
        assert_eq!(filled("1", "amd64", "/srv/jail"), None);
    }

    #[test]
    fn a_package_of_many_versions_is_looked_up_as_fast_as_one_of_few() {
        // Each compared with each would be 40,000,000,000 comparisons.
        const VERSIONS: u32 = 200_000;
        let mut times = InstallTimes::default();
        for version in 0..VERSIONS {
            let (owner, version) = ("deb:a".to_owned(), Some(version.to_string()));
            times.add(InstallTime {
                root: "/".to_owned(),
                owner,
                arch: None,
                version,
                at: Timestamp::new(7, 0),
            });
        }
        let origin = PackageOrigin { volume: String::new(), path: Vec::new(), sha256: None };
        for version in 0..VERSIONS {
            let mut package = Package::new(PackageType::Deb, "a", version.to_string(), origin.clone());
            package.root = "/".to_owned();
            times.fill(&mut package);
            assert_eq!(package.installed_at, Some(Timestamp::new(7, 0)));
        }
        assert_eq!(times.left_out(), 0);
    }

    #[test]
    fn versions_that_are_books_are_left_out() {
        let mut times = InstallTimes::default();
        for version in 0..4000 {
            let (owner, version) = ("deb:a".to_owned(), Some(format!("{version}{}", "0".repeat(60_000))));
            times.add(InstallTime {
                root: "/".to_owned(),
                owner,
                arch: None,
                version,
                at: Timestamp::new(7, 0),
            });
        }
        assert!(times.bytes <= MAX_BYTES && times.left_out() > 0);
    }
}
