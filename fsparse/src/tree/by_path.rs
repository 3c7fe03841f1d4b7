//! Directories in the order of their paths.
//!
//! Paths share long starts, so that sorting them compares the same bytes over and over. A tree whose directories have
//! their children sorted by name is nearly in order when it is walked: only what is below a directory comes later than
//! its siblings whose names go on with a byte before the slash (`a`, `a-b`, `a/c`).

use super::Directory;
use std::ops::Range;

/// Directories breadth first, and of each one where its children begin: they end where the next one's do.
pub(super) struct Levels<'a> {
    pub(super) paths: &'a [u8],
    pub(super) directories: &'a [Directory],
    pub(super) children: &'a [u32],
}

/// The children of one directory that are still to come.
struct Walk {
    rest: Range<u32>,
    /// Bytes of the directory's own path.
    shared: usize,
    /// Where those children begin, among all that wait, whose own children have not come yet.
    waiting: usize,
}

impl<'a> Levels<'a> {
    /// Indexes of the directories, sorted by path.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut order = self.walked();
        // Names of a damaged directory may hold slashes. Else all are in order, which one look at each shows.
        order.sort_unstable_by_key(|&index| self.path(index));
        order
    }

    fn path(&self, index: u32) -> &'a [u8] {
        &self.paths[self.directories[index as usize].path.clone()]
    }

    fn below(&self, index: u32) -> Walk {
        let start_of = |at: usize| self.children.get(at).copied().unwrap_or(self.directories.len() as u32);
        let rest = start_of(index as usize)..start_of(index as usize + 1);
        Walk { rest, shared: self.path(index).len(), waiting: 0 }
    }

    /// Every directory once, in order where no name holds a slash.
    fn walked(&self) -> Vec<u32> {
        if self.directories.is_empty() {
            return Vec::new();
        }
        let mut order = Vec::with_capacity(self.directories.len());
        order.push(0);
        let mut waiting: Vec<u32> = Vec::new();
        let mut walks = vec![self.below(0)];
        while let Some(walk) = walks.last_mut() {
            let next = (!walk.rest.is_empty()).then_some(walk.rest.start);
            let before = waiting[walk.waiting..].last().copied();
            let below = before.filter(|&one| next.is_none_or(|next| self.is_above(one, next, walk.shared)));
            if let Some(directory) = below {
                waiting.pop();
                walks.push(Walk { waiting: waiting.len(), ..self.below(directory) });
            } else if let Some(next) = next {
                order.push(next);
                walk.rest.start += 1;
                if !self.below(next).rest.is_empty() {
                    waiting.push(next);
                }
            } else {
                walks.pop();
            }
        }
        order
    }

    /// Whether what is below `directory` comes before its sibling `next`, whose path is no less. The first `shared` bytes
    /// of both paths are alike.
    fn is_above(&self, directory: u32, next: u32, shared: usize) -> bool {
        let tail = |index: u32| self.path(index).get(shared..).unwrap_or_default();
        let rest = tail(next).strip_prefix(tail(directory));
        rest.is_none_or(|rest| rest.first().is_some_and(|byte| *byte >= b'/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, btree_map::Entry};

    /// Directories as a tree enters them, children by name and breadth first; of each parent and name of `made`.
    fn entered(made: Vec<(prop::sample::Index, String)>) -> (Vec<u8>, Vec<Directory>, Vec<u32>) {
        let mut below: Vec<BTreeMap<String, usize>> = vec![BTreeMap::new()];
        for (parent, name) in made {
            let (parent, child) = (parent.index(below.len()), below.len());
            if let Entry::Vacant(place) = below[parent].entry(name) {
                place.insert(child);
                below.push(BTreeMap::new());
            }
        }
        let directory = |path| Directory { inode: 0, internal: false, path, places: 0..0 };
        let (mut paths, mut directories, mut children) = (b"/".to_vec(), vec![directory(0..1)], Vec::new());
        let mut entered = vec![0];
        for next in 0..below.len() {
            children.push(directories.len() as u32);
            for (name, child) in &below[entered[next]] {
                let (start, parent) = (paths.len(), paths[directories[next].path.clone()].to_vec());
                paths.extend(coldread_model::listing::path_of(&parent, name.as_bytes()));
                directories.push(directory(start..paths.len()));
                entered.push(*child);
            }
        }
        (paths, directories, children)
    }

    proptest! {
        #[test]
        fn directories_come_in_the_order_of_their_paths(
            made in prop::collection::vec((any::<prop::sample::Index>(), "[a-b!\\x00]{1,2}"), 0..60),
            slashed in prop::collection::vec((any::<prop::sample::Index>(), "[a!/]{1,3}"), 0..12),
        ) {
            let has_slashes = slashed.iter().any(|(_, name)| name.contains('/'));
            let (paths, directories, children) = entered(made.into_iter().chain(slashed).collect());
            let levels = Levels { paths: &paths, directories: &directories, children: &children };
            let all = || 0..directories.len() as u32;
            let mut wanted: Vec<&[u8]> = all().map(|index| levels.path(index)).collect();
            wanted.sort_unstable();
            let paths_of = |order: &[u32]| order.iter().map(|&index| levels.path(index)).collect::<Vec<_>>();
            let mut walked = levels.walked();
            if !has_slashes {
                prop_assert_eq!(paths_of(&walked), &wanted[..]);
            }
            walked.sort_unstable();
            prop_assert!(walked.into_iter().eq(all()));
            prop_assert_eq!(paths_of(&levels.sorted()), wanted);
        }
    }
}
