//! Where deleted inodes stood.
//!
//! A deleted inode's names lead from directory to directory as far as those are still what the names mean:
//! directories in use, or deleted ones, of the right generation. Where the chain ends early, the rest of the
//! path follows `/$OrphanFiles/NUMBER-GENERATION`, the directory that is lost; an inode without any name is
//! `/$OrphanFiles/OrphanFile-NUMBER`, as in the Sleuth Kit's listings.

use super::Tree;
use crate::survey::{Entry, Inode, Survey};
use coldread_model::{FileKind, RowFlags};
use std::{collections::HashMap, ops::Range};

/// Whether an inode is deleted.
pub(super) fn is_deleted(inode: &Inode) -> bool {
    inode.flags.contains(RowFlags::DELETED)
}

/// A place where a deleted inode stood. Paths and names are ranges of the tree's paths.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    /// Index into the survey's inodes.
    pub(super) inode: u32,
    /// Whether the directory is the filesystem's own.
    pub(super) internal: bool,
    parent: Range<usize>,
    name: Range<usize>,
}

/// A directory's path, and whether it is the filesystem's own.
#[derive(Clone, Debug)]
struct Known {
    path: Range<usize>,
    internal: bool,
}

struct Placer<'t, 'a, 'e> {
    tree: &'t mut Tree<'a>,
    survey: &'a Survey,
    /// Deleted names with the index of their inode, those of an inode together.
    names: Vec<(u32, &'e Entry)>,
    /// Deleted directories, by index; `None` while their path is being found.
    directories: HashMap<u32, Option<Known>>,
    /// Directories that are lost, by number and generation.
    lost: HashMap<(u64, u16), Range<usize>>,
}

/// Finds a path for each name of each deleted inode, once everything else has its place.
pub(super) fn place(tree: &mut Tree<'_>, entries: &[Entry]) {
    let survey = tree.survey;
    if !tree.briefs.iter().any(|brief| brief.is_deleted()) {
        return;
    }
    let child = |entry: &Entry| tree.numbers.get(entry.child).filter(|&child| tree.is_deleted(child));
    let mut names: Vec<_> = entries.iter().filter_map(|entry| Some((child(entry)?, entry))).collect();
    let key = |(inode, entry): &(u32, &Entry)| (*inode, entry.parent, entry.parent_generation);
    names
        .sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| survey.bytes(a.1.name).cmp(survey.bytes(b.1.name))));
    let mut placer = Placer { tree, survey, names, directories: HashMap::new(), lost: HashMap::new() };
    let mut gone = Vec::with_capacity(placer.names.len());
    let mut next = 0;
    for (index, inode) in (0..).zip(&survey.inodes).filter(|(_, inode)| is_deleted(inode)) {
        let first = next;
        while let Some(&(_, entry)) = placer.names.get(next).filter(|name| name.0 == index) {
            next += 1;
            let Known { path: parent, internal } = placer.directory(*entry);
            let name = placer.keep(survey.bytes(entry.name));
            gone.push(Gone { inode: index, internal, parent, name });
        }
        if next == first {
            let (parent, name) = (placer.keep(ORPHANS.as_bytes()), placer.keep(nameless(inode).as_bytes()));
            gone.push(Gone { inode: index, internal: false, parent, name });
        }
    }
    let tree = placer.tree;
    gone.sort_by(|a, b| {
        let place = |gone| (tree.gone_parent(gone), tree.gone_name(gone));
        place(a).cmp(&place(b)).then(a.inode.cmp(&b.inode))
    });
    tree.gone = gone;
}

const ORPHANS: &str = "/$OrphanFiles";

fn nameless(inode: &Inode) -> String {
    format!("OrphanFile-{}", { inode.number })
}

impl Placer<'_, '_, '_> {
    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.tree.paths.len();
        self.tree.paths.extend_from_slice(bytes);
        start..self.tree.paths.len()
    }

    /// The first name of a deleted inode.
    fn name_of(&self, inode: u32) -> Option<Entry> {
        let first = self.names.partition_point(|name| name.0 < inode);
        self.names.get(first).filter(|name| name.0 == inode).map(|name| *name.1)
    }

    /// The directory that a deleted name means: the index of a deleted one, or what is known of it.
    fn meant(&mut self, entry: &Entry) -> Result<u32, Known> {
        let survey = self.survey;
        let meant = self.tree.numbers.get(entry.parent).filter(|&parent| {
            let directory = &survey.inodes[parent as usize];
            let (now, then) = (directory.generation, entry.parent_generation);
            // Deleting counts a generation up.
            let freed = is_deleted(directory) && now == then.wrapping_add(1).max(1);
            directory.kind == FileKind::Dir && (then == 0 || now == 0 || now == then || freed)
        });
        match meant {
            Some(parent) if self.tree.is_deleted(parent) => Ok(parent),
            parent => Err(match parent.and_then(|parent| self.tree.directory(parent)) {
                Some(directory) => Known { path: directory.path.clone(), internal: directory.internal },
                None => self.lost(entry),
            }),
        }
    }

    /// The stated name of a directory that is lost.
    fn lost(&mut self, entry: &Entry) -> Known {
        let key = (entry.parent, entry.parent_generation);
        let path = if let Some(path) = self.lost.get(&key) {
            path.clone()
        } else {
            let path = self.keep(format!("{ORPHANS}/{}-{}", key.0, key.1).as_bytes());
            self.lost.insert(key, path.clone());
            path
        };
        Known { path, internal: false }
    }

    /// The directory that a deleted name stands in, and before it those above it.
    fn directory(&mut self, entry: Entry) -> Known {
        let mut chain: Vec<(u32, Entry)> = Vec::new();
        let mut at = entry;
        let mut known = loop {
            let directory = match self.meant(&at) {
                Err(known) => break known,
                Ok(directory) => directory,
            };
            match self.directories.get(&directory) {
                Some(Some(known)) => break known.clone(),
                // Its own path leads through it: it counts as lost.
                Some(None) => break self.lost(&at),
                None => {}
            }
            let Some(name) = self.name_of(directory) else {
                let known = self.orphan(directory);
                self.directories.insert(directory, Some(known.clone()));
                break known;
            };
            self.directories.insert(directory, None);
            chain.push((directory, name));
            at = name;
        };
        for (directory, name) in chain.into_iter().rev() {
            let parent = &self.tree.paths[known.path.clone()];
            let path = coldread_model::listing::path_of(parent, self.survey.bytes(name.name));
            let own = self.survey.inodes[directory as usize].flags.contains(RowFlags::INTERNAL);
            // Past the bounds a path starts again.
            known = if self.tree.has_room(&path) {
                Known { path: self.keep(&path), internal: known.internal || own }
            } else {
                self.orphan(directory)
            };
            self.directories.insert(directory, Some(known.clone()));
        }
        known
    }

    /// A deleted directory as one without a name.
    fn orphan(&mut self, directory: u32) -> Known {
        let inode = &self.survey.inodes[directory as usize];
        let path = self.keep(format!("{ORPHANS}/{}", nameless(inode)).as_bytes());
        Known { path, internal: inode.flags.contains(RowFlags::INTERNAL) }
    }
}

impl Tree<'_> {
    /// The path of the directory where a deleted inode stood.
    pub(super) fn gone_parent(&self, gone: &Gone) -> &[u8] {
        &self.paths[gone.parent.clone()]
    }

    /// The name that it had there.
    pub(super) fn gone_name(&self, gone: &Gone) -> &[u8] {
        &self.paths[gone.name.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::for_each_row;
    use proptest::prelude::*;

    /// Inodes as (number, generation, directory, deleted), names as (parent, its generation, child, name).
    fn survey(inodes: &[(u64, u16, bool, bool)], names: &[(u64, u16, u64, &str)]) -> Survey {
        let kind = |directory| if directory { FileKind::Dir } else { FileKind::File };
        let kinds: Vec<_> = inodes.iter().map(|inode| (inode.0, kind(inode.2))).collect();
        let mut survey = crate::tree::test_survey(&kinds, &[]);
        for (inode, &(_, generation, _, deleted)) in survey.inodes.iter_mut().zip(inodes) {
            inode.generation = generation;
            inode.flags.set(RowFlags::DELETED, deleted);
        }
        for &(parent, parent_generation, child, name) in names {
            let name = survey.keep(name.as_bytes()).unwrap();
            survey.entries.push(Entry { parent, parent_generation, child, name });
        }
        survey
    }

    /// Rows as parent path, name, inode, and whether it is deleted.
    fn rows(tree: &Tree<'_>) -> Vec<(String, String, u64, bool)> {
        let mut rows = Vec::new();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut listed = vec![false; tree.survey().inodes.len()];
        for_each_row(tree, |row, inode, _| {
            listed[inode as usize] = true;
            let deleted = row.stable.flags.contains(RowFlags::DELETED);
            rows.push((text(row.stable.parent), text(row.stable.name), row.volatile.inode, deleted));
        });
        assert_eq!(tree.listed(), listed);
        rows
    }

    #[test]
    fn paths_lead_as_far_as_the_directories_are_still_the_same() {
        let survey = survey(
            &[
                (5, 5, true, false),
                (30, 1, true, false),
                (31, 4, true, true),
                (32, 2, true, true),
                (33, 9, true, false),
                (40, 2, false, true),
                (41, 2, false, true),
                (42, 2, false, true),
                (43, 2, false, true),
                (44, 2, false, true),
                (45, 2, false, true),
                (46, 7, false, false),
                (47, 3, true, true),
            ],
            &[
                (5, 5, 30, "live"),
                (5, 5, 33, "reused"),
                (30, 1, 31, "dir"),
                (31, 3, 32, "sub"),
                (30, 1, 40, "name"),
                (31, 3, 41, "in-dir"),
                (32, 1, 42, "in-sub"),
                (33, 8, 43, "lost"),
                (31, 1, 44, "older"),
                (30, 1, 46, "name"),
                (99, 2, 47, "of-a-lost"),
            ],
        );
        let tree = Tree::build(&survey, 5);
        assert_eq!(tree.gaps(), []);
        let found = rows(&tree);
        let found: Vec<_> = found.iter().map(|row| (&row.0[..], &row.1[..], row.2, row.3)).collect();
        let want = [
            ("", "", 5, false),
            ("/", "live", 30, false),
            ("/", "reused", 33, false),
            ("/$OrphanFiles", "OrphanFile-45", 45, true),
            ("/$OrphanFiles/31-1", "older", 44, true),
            ("/$OrphanFiles/33-8", "lost", 43, true),
            ("/$OrphanFiles/99-2", "of-a-lost", 47, true),
            ("/live", "dir", 31, true),
            // What is there comes before what was.
            ("/live", "name", 46, false),
            ("/live", "name", 40, true),
            ("/live/dir", "in-dir", 41, true),
            ("/live/dir", "sub", 32, true),
            ("/live/dir/sub", "in-sub", 42, true),
        ];
        assert_eq!(found, want);
        // Nothing that resolves paths sees them.
        let live = tree.directory(1).unwrap();
        assert_eq!(tree.places(live).len(), 1);
        assert!(tree.lookup(live, b"dir").is_none());
        assert_eq!(tree.directories().count(), 3);
    }

    #[test]
    fn a_cycle_of_deleted_directories_has_an_end() {
        let survey = survey(
            &[(5, 5, true, false), (30, 2, true, true), (31, 2, true, true), (32, 2, false, true)],
            &[(31, 1, 30, "a"), (30, 1, 31, "b"), (31, 1, 32, "c")],
        );
        let found = rows(&Tree::build(&survey, 5));
        let found: Vec<_> = found.iter().map(|row| (&row.0[..], row.2)).collect();
        let want = [
            ("", 5),
            ("/$OrphanFiles/31-1/a", 31),
            ("/$OrphanFiles/31-1/a/b", 30),
            ("/$OrphanFiles/31-1/a/b", 32),
        ];
        assert_eq!(found, want);
    }

    #[test]
    fn a_long_chain_of_deleted_directories_starts_again() {
        let name = "x".repeat(255);
        let mut inodes = vec![(5, 5, true, false)];
        inodes.extend((0..2000).map(|i| (30 + i, 2, true, true)));
        let mut names = vec![(5, 5, 30, &name[..])];
        names.extend((1..2000).map(|i| (29 + i, 1, 30 + i, &name[..])));
        let survey = survey(&inodes, &names);
        let tree = Tree::build(&survey, 5);
        assert_eq!(rows(&tree).len(), 2001);
        assert!(
            tree.paths.len() < crate::tree::MAX_PATH_BYTES + 2001 * crate::tree::PATH_BYTES_EACH + 2001 * 300
        );
    }

    proptest! {
        #[test]
        fn every_deleted_inode_has_a_row_for_each_name(
            inodes in prop::collection::vec((1u16..4, any::<bool>(), any::<bool>()), 1..12),
            names in prop::collection::vec((0u64..14, 0u16..4, 0u64..14), 0..30),
        ) {
            let mut all = vec![(5, 1, true, false)];
            all.extend((10..).zip(&inodes).map(|(number, one)| (number, one.0, one.1, one.2)));
            let parent = |number| if number == 0 { 5 } else { 9 + number };
            let names: Vec<_> = names.iter().map(|one| (parent(one.0), one.1, 10 + one.2, "n")).collect();
            let survey = survey(&all, &names);
            let tree = Tree::build(&survey, 5);
            let found = rows(&tree);
            prop_assert!(found.is_sorted_by_key(|row| (row.0.clone(), row.1.clone())));
            for &(number, _, _, deleted) in &all {
                let listed = found.iter().filter(|row| row.2 == number && row.3).count();
                let named = names.iter().filter(|name| name.2 == number).count();
                prop_assert_eq!(listed, if deleted { named.max(1) } else { 0 });
            }
            prop_assert!(tree.directories().all(|directory| !is_deleted(tree.inode(directory.inode))));
        }
    }
}
