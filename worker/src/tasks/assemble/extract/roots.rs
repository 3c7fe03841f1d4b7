//! The roots of an asset: the host's own tree, and those of the containers and chroots that lie in it.

use super::super::joined::Asset;
use coldread_fsparse::namespace::Namespace;
use std::collections::HashMap;

/// A tree with a system of its own.
pub(super) struct Root<'a> {
    /// What rows call it: `/` for the host, else its path.
    pub(super) name: String,
    /// Its path in the asset's tree, without a `/` at its end.
    pub(super) path: Vec<u8>,
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
    by_path: HashMap<(usize, Vec<u8>), usize>,
}

impl<'a> Roots<'a> {
    /// The roots of an asset.
    pub(super) fn of_asset(asset: &Asset<'a>) -> Self {
        let host = Root { name: "/".to_owned(), path: Vec::new(), namespace: asset.namespace.clone() };
        let by_path = HashMap::from([((0, Vec::new()), 0)]);
        Self { all: vec![host], worlds: vec![asset.namespace.clone()], by_path }
    }

    pub(super) fn all(&self) -> &[Root<'a>] {
        &self.all
    }

    /// Namespaces that have nothing to do with each other: the host's, and that of each volume that it does not mount.
    pub(super) fn worlds(&self) -> &[Namespace<'a>] {
        &self.worlds
    }

    /// The root that a directory of a world belongs to, and its path in there.
    pub(super) fn of<'p>(&self, world: usize, directory: &'p [u8]) -> (usize, &'p [u8]) {
        let mut end = directory.len();
        loop {
            if let Some(&root) = self.by_path.get(&(world, directory[..end].to_vec())) {
                return (root, &directory[end..]);
            }
            match directory[..end].iter().rposition(|byte| *byte == b'/') {
                Some(slash) => end = slash,
                None => return (0, directory),
            }
        }
    }
}
