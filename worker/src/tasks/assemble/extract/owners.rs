//! Which files system packages own, so that a language package among them is not told as a second thing.

use coldread_model::{Package, Part};
use std::hash::{DefaultHasher, Hasher};

/// Owned paths that are remembered: a desktop with everything installed has a million.
const MAX_PATHS: usize = 4 << 20;
/// Bytes of the names of owners that are remembered: those of a hundred thousand packages take some five megabytes.
const MAX_NAME_BYTES: usize = 64 << 20;
/// Directories that may lie below /usr and in the root alike (file-hierarchy(7), "Compatibility symlinks").
const MERGED: [&[u8]; 6] = [b"bin", b"sbin", b"lib", b"lib32", b"lib64", b"libx32"];

/// Owned paths by their hashes, as names are only ever looked up.
#[derive(Debug, Default)]
pub(super) struct Owners {
    names: Vec<String>,
    paths: Vec<(u64, u32)>,
    /// Bytes of names, with what each takes besides.
    bytes: usize,
    left_out: LeftOut,
    sorted: bool,
}

/// What was more than is remembered.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// Paths.
    pub(super) paths: u64,
    /// The owner of the first of them.
    pub(super) first: Option<String>,
}

impl Owners {
    /// Adds a path. Paths of one owner come together.
    pub(super) fn add(&mut self, owner: &str, path: &[u8]) {
        let is_new = self.names.last().is_none_or(|last| last != owner);
        let takes = if is_new { owner.len() + size_of::<String>() } else { 0 };
        if self.paths.len() >= MAX_PATHS || takes > MAX_NAME_BYTES - self.bytes {
            self.left_out.paths += 1;
            self.left_out.first.get_or_insert_with(|| owner.to_owned());
            return;
        }
        if is_new {
            self.names.push(owner.to_owned());
            self.bytes += takes;
        }
        self.paths.push((hash(path), (self.names.len() - 1) as u32));
        self.sorted = false;
    }

    /// What was more than is remembered.
    pub(super) fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Names a language package's owner, if a system package brought its file.
    pub(super) fn name(&mut self, package: &mut Package) {
        if package.owner.is_some() || package.kind.part() != Part::Libraries || self.paths.is_empty() {
            return;
        }
        if !self.sorted {
            self.paths.sort_unstable();
            self.sorted = true;
        }
        let wanted = hash(&package.origin.path);
        let first = self.paths.partition_point(|(hash, _)| *hash < wanted);
        let owners = self.paths[first..].iter().take_while(|(hash, _)| *hash == wanted);
        // Of several the least, whatever the order in which they came.
        package.owner = owners.map(|(_, owner)| &self.names[*owner as usize]).min().cloned();
    }
}

/// The hash of a path, the same with and without the /usr that merged systems put before it.
fn hash(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).peekable();
    while let Some(part) = parts.next() {
        if part == b"usr" && parts.peek().is_some_and(|next| MERGED.contains(next)) {
            continue;
        }
        hasher.write(part);
        hasher.write_u8(b'/');
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::PackageOrigin;
    use coldread_model::PackageType;

    fn package(kind: PackageType, path: &str) -> Package {
        let origin = PackageOrigin { volume: "p1".to_owned(), path: path.into(), sha256: None };
        Package::new(kind, "x", "1", origin)
    }

    #[test]
    fn a_language_package_in_an_owned_file_has_its_owner() {
        let mut owners = Owners::default();
        owners.add("deb:python3-x", b"/usr/lib/python3/dist-packages/x-1.dist-info/METADATA");
        owners.add("deb:other", b"/usr/share/other");
        owners.add("deb:a-x", b"/lib/python3/dist-packages/x-1.dist-info/METADATA");
        let owner = |kind, path| {
            let mut package = package(kind, path);
            owners.name(&mut package);
            package.owner
        };
        let mut owner = owner;
        let pypi = PackageType::Pypi;
        let both = "/lib/python3/dist-packages/x-1.dist-info/METADATA";
        assert_eq!(owner(pypi, both).as_deref(), Some("deb:a-x"));
        assert_eq!(owner(pypi, "/usr/local/lib/python3/dist-packages/x-1.dist-info/METADATA"), None);
        assert_eq!(owner(PackageType::Deb, both), None);
        assert_eq!(owner(pypi, "/var/lib/docker/overlay2/1/diff/lib/python3/x"), None);
    }

    #[test]
    fn names_of_owners_have_a_bound_in_bytes() {
        let mut owners = Owners::default();
        let long = |index: usize| format!("{index}{}", "o".repeat(1 << 20));
        for index in 0..64 {
            // Each twice, and the second time for nothing more.
            owners.add(&long(index), format!("/a/{index}").as_bytes());
            owners.add(&long(index), format!("/b/{index}").as_bytes());
        }
        owners.add("deb:short", b"/c");
        assert!(owners.bytes <= MAX_NAME_BYTES);
        assert_eq!((owners.names.len(), owners.left_out().paths), (64, 2));
        assert_eq!(owners.left_out().first.as_deref(), Some(&*long(63)));
        let mut package = package(PackageType::Pypi, "/c");
        owners.name(&mut package);
        assert_eq!(package.owner.as_deref(), Some("deb:short"));
    }
}
