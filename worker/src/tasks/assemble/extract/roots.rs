//! The roots of an asset: the host's own tree, those of the containers and chroots that lie in it, and those of
//! systems on volumes that the host does not mount.
//!
//! All directories are in memory, so finding them is one pass over their paths.

use super::super::joined::{Asset, is_windows};
use coldread_artifacts::roots::{begins, is_system, may_begin};
use coldread_fsparse::namespace::Namespace;
use coldread_model::{Gap, GapKind};
use std::collections::{BTreeSet, HashMap};

/// Roots of one asset that count; a host of many containers has some hundreds of layers.
const MAX_ROOTS: usize = 2048;
/// Roots within roots.
const MAX_DEPTH: usize = 4;

/// A tree with a system of its own.
pub(super) struct Root<'a> {
    /// What rows call it: `/` for the host, else its path; on a volume that the host does not mount, that volume's
    /// name and a colon before it.
    pub(super) name: String,
    /// Its path in its world, without a `/` at its end.
    pub(super) path: Vec<u8>,
    /// Its world, among [`Roots::worlds`].
    pub(super) world: usize,
    /// What lies in it.
    pub(super) namespace: Namespace<'a>,
}

impl Root<'_> {
    /// Whether it is the asset's own tree.
    pub(super) fn is_host(&self) -> bool {
        self.name == "/"
    }
}

/// All roots; the host's is the first.
pub(super) struct Roots<'a> {
    all: Vec<Root<'a>>,
    worlds: Vec<Namespace<'a>>,
    /// What stands before the paths of each world.
    prefixes: Vec<String>,
    /// The roots of each world, by their paths in it.
    by_path: Vec<HashMap<Vec<u8>, usize>>,
}

impl<'a> Roots<'a> {
    /// The roots of an asset, and what was too much.
    pub(super) fn of_asset(asset: &Asset<'a>) -> (Self, Vec<Gap>) {
        let host =
            Root { name: "/".to_owned(), path: Vec::new(), world: 0, namespace: asset.namespace.clone() };
        let mut roots = Self {
            all: vec![host],
            worlds: vec![asset.namespace.clone()],
            prefixes: vec![String::new()],
            by_path: vec![HashMap::from([(Vec::new(), 0)])],
        };
        for volume in asset.unmounted() {
            let namespace = asset.namespace.of_volume(volume);
            let exists = |path: &str| namespace.resolve(path.as_bytes(), true).is_ok();
            let windows = || asset.namespace.tree(volume).is_some_and(is_windows);
            if is_system(exists) || windows() {
                roots.by_path.push(HashMap::from([(Vec::new(), roots.all.len())]));
                let prefix = format!("{}:", asset.specs[volume].name);
                roots.all.push(Root {
                    name: format!("{prefix}/"),
                    path: Vec::new(),
                    world: roots.worlds.len(),
                    namespace: namespace.clone(),
                });
                roots.worlds.push(namespace);
                roots.prefixes.push(prefix);
            }
        }
        let places: BTreeSet<(usize, Vec<u8>)> =
            (0..roots.worlds.len()).flat_map(|world| roots.inside(asset, world)).collect();
        let mut left_out = 0_u64;
        for (world, path) in places {
            left_out += u64::from(!roots.add(world, path));
        }
        let reason = || format!("{left_out} containers or chroots more than are looked into");
        let gap = (left_out > 0).then(|| Gap::new(GapKind::Limit, "containers", reason()));
        (roots, gap.into_iter().collect())
    }

    /// The paths at which roots begin in a world.
    fn inside(&self, asset: &Asset<'a>, world: usize) -> Vec<(usize, Vec<u8>)> {
        let mut found = Vec::new();
        for (volume, mount) in self.worlds[world].mounts() {
            let Some(tree) = asset.namespace.tree(volume) else { continue };
            for directory in tree.directories().filter(|directory| !directory.internal) {
                if !may_begin(tree.path(directory)) {
                    continue;
                }
                let path = joined(&mount, tree.path(directory));
                let named = |names: &[&str]| {
                    names.is_empty()
                        || names.iter().any(|name| tree.lookup(directory, name.as_bytes()).is_some())
                };
                if let Some(root) = begins(&path).filter(|root| named(root.names)) {
                    found.push((world, path[..root.len].to_vec()));
                }
            }
        }
        found
    }

    /// Adds a root; false where there are too many, in number or within each other.
    fn add(&mut self, world: usize, path: Vec<u8>) -> bool {
        let above = (1..path.len()).filter(|end| path[*end] == b'/');
        let depth = above.filter(|end| self.by_path[world].contains_key(&path[..*end])).count();
        if self.all.len() >= MAX_ROOTS || depth >= MAX_DEPTH {
            return false;
        }
        // One that a mount covers is not there.
        if let Ok(namespace) = self.worlds[world].below(&path) {
            let name = format!("{}{}", self.prefixes[world], String::from_utf8_lossy(&path));
            self.by_path[world].insert(path.clone(), self.all.len());
            self.all.push(Root { name, path, world, namespace });
        }
        true
    }

    pub(super) fn all(&self) -> &[Root<'a>] {
        &self.all
    }

    /// Namespaces that have nothing to do with each other: the host's, and that of each volume with a system that it
    /// does not mount.
    pub(super) fn worlds(&self) -> &[Namespace<'a>] {
        &self.worlds
    }

    /// The root that a directory of a world belongs to, and its path in there.
    pub(super) fn of<'p>(&self, world: usize, directory: &'p [u8]) -> (usize, &'p [u8]) {
        let by_path = &self.by_path[world];
        // Most worlds have one root.
        let mut end = if by_path.len() > 1 { directory.len() } else { 0 };
        loop {
            if let Some(&root) = by_path.get(&directory[..end]) {
                return (root, &directory[end..]);
            }
            match directory[..end].iter().rposition(|byte| *byte == b'/') {
                Some(slash) => end = slash,
                None => return (0, directory),
            }
        }
    }
}

/// A directory's path in the joined tree, without a `/` at its end.
pub(super) fn joined(mount: &[u8], below: &[u8]) -> Vec<u8> {
    let trim = |path: &[u8]| path.strip_suffix(b"/").unwrap_or(path).to_vec();
    let mut path = trim(mount);
    path.extend_from_slice(&trim(below));
    path
}
