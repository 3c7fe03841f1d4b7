//! When packages were installed, where another file than their database says so.

use coldread_artifacts::output::InstallTime;
use coldread_model::{Package, Timestamp};
use std::collections::HashMap;

/// Times of one asset that are remembered.
const MAX_TIMES: usize = 1 << 20;

/// A package's name in a root: the root, and `type:name`.
type Named = (String, String);

/// Times by the package that they are of.
#[derive(Debug, Default)]
pub(super) struct InstallTimes {
    by_name: HashMap<Named, Vec<InstallTime>>,
    count: usize,
    left_out: u64,
}

impl InstallTimes {
    /// Adds a time.
    pub(super) fn add(&mut self, time: InstallTime) {
        if self.count >= MAX_TIMES {
            self.left_out += 1;
            return;
        }
        let times = self.by_name.entry((time.root.clone(), time.owner.clone())).or_default();
        if !times.contains(&time) {
            self.count += 1;
            times.push(time);
        }
    }

    /// Times that were more than are remembered.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Sets a package's time, unless its database had one: that of its version before one that names none, and of
    /// several the latest.
    pub(super) fn fill(&self, package: &mut Package) {
        if package.installed_at.is_some() || self.count == 0 {
            return;
        }
        let name = (package.root.clone(), format!("{}:{}", package.kind, package.name));
        let times = self.by_name.get(&name).into_iter().flatten();
        let fits = |time: &&InstallTime| {
            let same = |told: &Option<String>, own: Option<&str>| {
                told.as_deref().is_none_or(|told| own.is_none_or(|own| own == told))
            };
            same(&time.arch, package.arch.as_deref()) && same(&time.version, Some(&package.version))
        };
        let rank = |time: &InstallTime| -> (bool, Timestamp) { (time.version.is_some(), time.at) };
        package.installed_at = times.filter(fits).map(rank).max().map(|(_, at)| at);
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
}
