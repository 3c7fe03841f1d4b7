//! Rows of packages, each once: several files of one directory may name the same package.
//!
//! An SDK of .NET has a `deps.json` for each of its programs, which share the libraries beside them; a project of Node.js
//! may have the lock files of npm and of Yarn. Either way it is one thing, and the first of these files proves it. What is
//! installed and what is only declared are two.

use coldread_model::{Package, PackageState, PackageType};
use std::collections::HashSet;

/// Directories that are remembered of one package; what lies in more is told for each file.
const MAX_PLACES: usize = 4096;

/// What was told of the package that was last told, where rows come in their order.
#[derive(Debug, Default)]
pub(super) struct Once {
    last: Option<Package>,
    /// The volumes and directories of the files that told it.
    places: HashSet<(String, Vec<u8>)>,
}

impl Once {
    /// Whether a row tells anything new.
    pub(super) fn is_new(&mut self, row: &Package) -> bool {
        if self.last.as_ref() == Some(row) {
            return false;
        }
        let is_same = self.last.as_ref().is_some_and(|last| same_but_origin(last, row));
        self.last = Some(row.clone());
        if !is_same {
            self.places.clear();
        }
        if !is_shared(row) {
            return true;
        }
        let directory = row.origin.path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let place = (row.origin.volume.clone(), row.origin.path[..directory].to_vec());
        if self.places.contains(&place) {
            return false;
        }
        if self.places.len() < MAX_PLACES {
            self.places.insert(place);
        }
        true
    }
}

/// Whether what files of one directory name is one thing: of executables or archives each has its own.
fn is_shared(row: &Package) -> bool {
    row.kind == PackageType::Nuget || row.state == PackageState::Declared
}

fn same_but_origin(one: &Package, other: &Package) -> bool {
    // Every field: what is added to a package has a part in this.
    let Package {
        kind,
        name,
        version,
        arch,
        state,
        source_name,
        source_version,
        purl,
        root,
        installed_at,
        vendor,
        module,
        origin: _,
        owner,
    } = one;
    (kind, name, version, arch, state, purl, root, owner)
        == (
            &other.kind,
            &other.name,
            &other.version,
            &other.arch,
            &other.state,
            &other.purl,
            &other.root,
            &other.owner,
        )
        && (source_name, source_version, installed_at, vendor, module)
            == (&other.source_name, &other.source_version, &other.installed_at, &other.vendor, &other.module)
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::PackageOrigin;

    fn row(kind: PackageType, state: PackageState, volume: &str, path: &str) -> Package {
        let origin = PackageOrigin { volume: volume.to_owned(), path: path.into(), sha256: None };
        Package { state, ..Package::new(kind, "x", "1", origin) }
    }

    #[test]
    fn files_of_one_directory_tell_a_package_once() {
        use PackageState::{Declared, Installed};
        let told = |rows: &[Package]| {
            let mut once = Once::default();
            rows.iter().map(|row| once.is_new(row)).collect::<Vec<_>>()
        };
        let nuget = |state, path| row(PackageType::Nuget, state, "p1", path);
        let sdk = [
            nuget(Installed, "/sdk/a.deps.json"),
            nuget(Installed, "/sdk/a.deps.json"),
            nuget(Installed, "/sdk/b/c.deps.json"),
            nuget(Installed, "/sdk/d.deps.json"),
            row(PackageType::Nuget, Installed, "p2", "/sdk/a.deps.json"),
            nuget(Declared, "/sdk/a.deps.json"),
            nuget(Declared, "/sdk/d.deps.json"),
        ];
        assert_eq!(told(&sdk), [true, false, true, false, true, true, false]);
        let npm = |state, path| row(PackageType::Npm, state, "p1", path);
        assert_eq!(
            told(&[npm(Declared, "/srv/package-lock.json"), npm(Declared, "/srv/yarn.lock")]),
            [true, false]
        );
        assert_eq!(told(&[npm(Installed, "/srv/a"), npm(Installed, "/srv/b")]), [true, true]);
        let program = |path| row(PackageType::Golang, Installed, "p1", path);
        assert_eq!(told(&[program("/bin/a"), program("/bin/b")]), [true, true]);
        let other = Package { version: "2".to_owned(), ..nuget(Installed, "/sdk/d.deps.json") };
        let back = nuget(Installed, "/sdk/e.deps.json");
        assert_eq!(told(&[sdk[0].clone(), other, back]), [true, true, true]);
    }
}
