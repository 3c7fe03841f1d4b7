//! From a survey's inodes and names to a tree, and from the tree to rows in listing order.
//!
//! Names are gathered by directory and sorted once, and directories are placed breadth first from the root, so a
//! directory with two names, a cycle, or a name without an inode costs one gap and nothing else. Names of deleted
//! inodes stand beside the tree, not in it: only the rows of a listing show them.

mod brief;
mod by_path;
mod deleted;
mod index;
mod losses;
mod names;
mod rows;

pub use rows::for_each_row;

use crate::survey::{Entry, Inode, Span, Survey};
use brief::Brief;
use by_path::Levels;
use coldread_model::{Gap, GapKind};
use deleted::Gone;
use index::NumberIndex;
use losses::Losses;
use names::Names;
use std::{collections::BTreeMap, ops::Range};

/// Bytes of directory paths that one volume may have, besides [`PATH_BYTES_EACH`] for each inode; beyond it
/// directories are not entered. A chain of directories has paths that grow with the square of its length.
const MAX_PATH_BYTES: usize = 32 << 20;
/// Bytes of a usual path, with room to spare.
const PATH_BYTES_EACH: usize = 256;
/// Bytes of one directory's path.
const MAX_PATH: usize = 64 << 10;
/// Gaps of one reason that are listed; how many more there are is told in one.
const MAX_GAPS: u64 = 4096;
/// Bytes of a path that a gap shows (the kernel's `PATH_MAX`).
const MAX_SHOWN_PATH: usize = 4096;

/// A name that leads to an inode.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Name in the survey's arena.
    pub name: Span,
    /// Index into the survey's inodes.
    pub inode: u32,
}

/// A directory that can be reached from the root.
#[derive(Clone, Debug)]
pub struct Directory {
    /// Index into the survey's inodes.
    pub inode: u32,
    /// Whether it, or a directory above it, is the filesystem's own: then all below it is, too.
    pub internal: bool,
    path: Range<usize>,
    places: Range<usize>,
}

/// The tree of one volume.
#[derive(Debug)]
pub struct Tree<'a> {
    survey: &'a Survey,
    /// How many names were joined, those that lead nowhere too.
    names: usize,
    /// Sorted by directory (breadth first), then name.
    places: Vec<Place>,
    directories: Vec<Directory>,
    /// Indexes of `directories`, sorted by path.
    by_path: Vec<u32>,
    /// For each inode the directory it is, plus one; 0 for none.
    directory_of: Vec<u32>,
    paths: Vec<u8>,
    /// Where the inode with a number is: while joining only.
    numbers: NumberIndex,
    /// What joining asks of each inode: while it does.
    briefs: Vec<Brief>,
    losses: Losses,
    /// Where deleted inodes stood, in listing order.
    gone: Vec<Gone>,
    gaps: Vec<Gap>,
    /// How many gaps of each reason there are, listed or not.
    reasons: BTreeMap<(GapKind, &'static str, &'static str), u64>,
}

impl<'a> Tree<'a> {
    /// Joins the names of a whole volume's survey below the inode `root`.
    pub fn build(survey: &'a Survey, root: u64) -> Self {
        Self::join(survey, &survey.entries, root)
    }

    /// The same with names that were taken out of the survey: the tree has its own way to say which name leads where,
    /// so that whoever keeps both for long need not keep them twice.
    pub fn join(survey: &'a Survey, entries: &[Entry], root: u64) -> Self {
        let (numbers, briefs) = brief::of(survey);
        let mut tree = Self {
            survey,
            names: entries.len(),
            places: Vec::with_capacity(entries.len()),
            directories: Vec::new(),
            by_path: Vec::new(),
            directory_of: vec![0; survey.inodes.len()],
            paths: Vec::new(),
            numbers: NumberIndex::new(numbers.into_iter()),
            briefs,
            losses: Losses::of(survey),
            gone: Vec::new(),
            gaps: Vec::new(),
            reasons: BTreeMap::new(),
        };
        let children = tree.place_all(entries, root);
        tree.tell_of_the_rest();
        deleted::place(&mut tree, entries);
        let levels = Levels { paths: &tree.paths, directories: &tree.directories, children: &children };
        tree.by_path = levels.sorted();
        // Trees are kept for long; what only joining needs is several bytes an inode.
        (tree.numbers, tree.briefs) = Default::default();
        tree
    }

    /// Places every name. Gives of each directory, breadth first, which one is the first below it.
    fn place_all(&mut self, entries: &[Entry], root: u64) -> Vec<u32> {
        let survey = self.survey;
        let Some(root) = self.numbers.get(root) else {
            let (kind, reason) = match self.losses.why(root).0 {
                GapKind::NotFound => (GapKind::NotFound, "the root directory's inode is not in use"),
                kind => (kind, "the root directory's inode could not be read"),
            };
            self.gaps.push(Gap::new(kind, "root directory", reason).at_inode(root));
            return Vec::new();
        };
        let names = Names::of(survey, entries, &self.numbers, &self.briefs);
        if names.strangers > 0 {
            let reason = format!("{} names stand in directories that are not in use", names.strangers);
            self.gaps.push(Gap::new(GapKind::Corrupt, "directory", reason));
        }
        let mut named = vec![false; survey.inodes.len()];
        named[root as usize] = true;
        self.enter(root, b"/", false);
        let (mut sorted, mut children) = (Vec::new(), Vec::new());
        let mut next = 0;
        while next < self.directories.len() {
            let inode = self.directories[next].inode;
            let start = self.places.len();
            names.sorted_in(inode, &mut sorted);
            for &(_, entry) in &sorted {
                let entry = &entries[entry as usize];
                if let Some(child) = self.numbers.get(entry.child) {
                    named[child as usize] = true;
                    self.places.push(Place { name: entry.name, inode: child });
                } else {
                    let (kind, reason) = self.losses.why(entry.child);
                    let path = |tree: &Self| tree.path_in(next, survey.bytes(entry.name));
                    self.note(kind, "inode", reason, entry.child, path);
                }
            }
            self.directories[next].places = start..self.places.len();
            children.push(self.directories.len() as u32);
            for place in start..self.places.len() {
                let Place { name, inode } = self.places[place];
                if self.briefs[inode as usize].is_directory() {
                    let path = self.path_in(next, survey.bytes(name));
                    self.enter(inode, &path, self.directories[next].internal);
                }
            }
            next += 1;
        }
        self.count_nameless(&named);
        children
    }

    /// Takes a directory in, unless it was before or its path passes a bound.
    fn enter(&mut self, inode: u32, path: &[u8], internal: bool) {
        let number = |tree: &Self| tree.survey.inodes[inode as usize].number;
        let internal = internal || self.briefs[inode as usize].is_internal();
        if self.directory_of[inode as usize] != 0 {
            let reason = "a directory has two names; the other one is followed";
            self.note(GapKind::Corrupt, "directory", reason, number(self), |_| path.to_vec());
            return;
        }
        if !self.has_room(path) {
            let reason =
                "its path is too long, or the paths of all directories are: what is in it is not listed";
            self.note(GapKind::Limit, "directory", reason, number(self), |_| path.to_vec());
            return;
        }
        let start = self.paths.len();
        self.paths.extend_from_slice(path);
        self.directories.push(Directory { inode, internal, path: start..self.paths.len(), places: 0..0 });
        self.directory_of[inode as usize] = self.directories.len() as u32;
    }

    /// Whether a directory's path is within the bounds.
    fn has_room(&self, path: &[u8]) -> bool {
        let room = MAX_PATH_BYTES.saturating_add(self.survey.inodes.len().saturating_mul(PATH_BYTES_EACH));
        path.len() <= MAX_PATH && self.paths.len() + path.len() <= room
    }

    fn is_deleted(&self, inode: u32) -> bool {
        self.briefs[inode as usize].is_deleted()
    }

    /// Lists a gap, unless there are too many of its reason.
    fn note(
        &mut self,
        kind: GapKind,
        structure: &'static str,
        reason: &'static str,
        inode: u64,
        path: impl FnOnce(&Self) -> Vec<u8>,
    ) {
        let count = self.reasons.entry((kind, structure, reason)).or_default();
        *count += 1;
        if *count <= MAX_GAPS {
            let mut path = path(self);
            path.truncate(MAX_SHOWN_PATH);
            self.gaps.push(Gap::new(kind, structure, reason).at_inode(inode).at_path(&path));
        }
    }

    /// One gap for those of a reason that were only counted.
    fn tell_of_the_rest(&mut self) {
        for (&(kind, structure, reason), &count) in &self.reasons {
            if count > MAX_GAPS {
                let more = count - MAX_GAPS;
                self.gaps.push(Gap::new(kind, structure, format!("{reason}: {more} more")));
            }
        }
    }

    fn path_in(&self, directory: usize, name: &[u8]) -> Vec<u8> {
        coldread_model::listing::path_of(&self.paths[self.directories[directory].path.clone()], name)
    }

    /// One gap for all inodes in use that no name leads to.
    fn count_nameless(&mut self, named: &[bool]) {
        let quiet = |brief: &Brief| brief.is_internal() || brief.is_deleted();
        let nameless = |(_, (brief, named)): &(usize, (&Brief, &bool))| !**named && !quiet(brief);
        let mut lost = self.briefs.iter().zip(named).enumerate().filter(nameless).map(|(inode, _)| inode);
        if let Some(first) = lost.next() {
            let first = self.survey.inodes[first].number;
            let (kind, words) = self.losses.why_nameless();
            let reason = format!("{} {words}; this is the first", 1 + lost.count());
            self.gaps.push(Gap::new(kind, "inode", reason).at_inode(first));
        }
    }

    /// What could not be joined.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Which inodes the listing has rows for, by index: those that a name leads to, and deleted ones.
    pub fn listed(&self) -> Vec<bool> {
        let mut listed = vec![false; self.survey.inodes.len()];
        // Without a root there are no rows.
        let Some(root) = self.root() else { return listed };
        let placed = self.places.iter().map(|place| place.inode);
        let all = placed.chain(self.gone.iter().map(|gone| gone.inode)).chain([root.inode]);
        all.for_each(|inode| listed[inode as usize] = true);
        listed
    }

    /// The survey it was made from.
    pub fn survey(&self) -> &'a Survey {
        self.survey
    }

    /// The directories, sorted by path.
    pub fn directories(&self) -> impl Iterator<Item = &Directory> {
        self.by_path.iter().map(|&index| &self.directories[index as usize])
    }

    /// A directory's path.
    pub fn path(&self, directory: &Directory) -> &[u8] {
        &self.paths[directory.path.clone()]
    }

    /// The names in a directory, sorted.
    pub fn places(&self, directory: &Directory) -> &[Place] {
        &self.places[directory.places.clone()]
    }

    /// The root, unless its inode is missing.
    pub fn root(&self) -> Option<&Directory> {
        self.directories.first()
    }

    /// The directory that an inode is, if it can be reached.
    pub fn directory(&self, inode: u32) -> Option<&Directory> {
        let index = self.directory_of.get(inode as usize)?.checked_sub(1)?;
        self.directories.get(index as usize)
    }

    /// The inode that `name` leads to in a directory.
    pub fn lookup(&self, directory: &Directory, name: &[u8]) -> Option<u32> {
        let places = self.places(directory);
        let found = places.binary_search_by(|place| self.survey.bytes(place.name).cmp(name)).ok()?;
        Some(places[found].inode)
    }

    /// An inode by its index.
    pub fn inode(&self, index: u32) -> &'a Inode {
        &self.survey.inodes[index as usize]
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::survey as test_survey;
