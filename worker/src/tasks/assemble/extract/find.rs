//! Finding the files that extractors want, in every root of an asset.

mod anywhere;
mod seen;
mod walk;

use super::{
    super::joined::{Asset, AssetFile},
    roots::Roots,
};
use coldread_artifacts::{
    Extractor, Want, Wants,
    wants::{Take, Wanted as Who},
};
use coldread_fsparse::{
    namespace::Found,
    survey::Span,
    tree::{Directory, Tree},
};
use coldread_model::{FileKind, Gap, listing::path_of};
use seen::{Name, Seen};
use std::collections::HashMap;

/// A file that an extractor wants.
pub(super) struct Wanted<'a> {
    pub(super) extractor: &'static dyn Extractor,
    pub(super) want: &'static Want,
    /// Index of its root.
    pub(super) root: usize,
    /// Its path in that root.
    pub(super) path: Vec<u8>,
    pub(super) file: AssetFile<'a>,
    pub(super) companions: Vec<(&'static str, AssetFile<'a>)>,
}

impl<'a> Wanted<'a> {
    /// The file and its companions.
    pub(super) fn files(&self) -> impl Iterator<Item = &AssetFile<'a>> {
        std::iter::once(&self.file).chain(self.companions.iter().map(|(_, file)| file))
    }
}

/// A directory, its volume and that volume's tree.
type Place<'a> = (usize, &'a Tree<'a>, &'a Directory);

/// What is found.
struct Finder<'f, 'a> {
    asset: &'f Asset<'a>,
    roots: &'f Roots<'a>,
    seen: Seen,
    /// Files that others are read with, by root and path.
    elsewhere: HashMap<(usize, &'static str), Option<AssetFile<'a>>>,
    found: Vec<Wanted<'a>>,
    gaps: Vec<Gap>,
}

/// Every wanted file, for an extractor and root once, or under each of its names where that matters, however many paths
/// lead there; and what was too much.
pub(super) fn find<'a>(
    asset: &Asset<'a>,
    roots: &Roots<'a>,
    wants: &Wants<'static>,
) -> (Vec<Wanted<'a>>, Vec<Gap>) {
    let (seen, elsewhere) = (Seen::default(), HashMap::new());
    let mut finder = Finder { asset, roots, seen, elsewhere, found: Vec::new(), gaps: Vec::new() };
    for root in 0..roots.all().len() {
        for directory in wants.directories() {
            let name = if directory.is_empty() { &b"/"[..] } else { directory };
            if let Ok(place) = roots.all()[root].namespace.directory(name) {
                finder.look(root, directory, place, wants.in_directory(directory));
            }
        }
        for who in wants.walked() {
            finder.walk(root, who);
        }
    }
    finder.anywhere(wants.anywhere());
    finder.gaps.extend(finder.seen.gap());
    (finder.found, finder.gaps)
}

impl<'a> Finder<'_, 'a> {
    /// Takes what is wanted in one directory; `path` has no `/` at its end.
    fn look(&mut self, root: usize, path: &[u8], place: Place<'a>, wanted: &[Who<'static>]) {
        let (volume, tree, directory) = place;
        for who in wanted {
            for entry in tree.places(directory) {
                let name = tree.survey().bytes(entry.name);
                if !who.takes(name) {
                    continue;
                }
                let parent = if path.is_empty() { &b"/"[..] } else { path };
                let path = path_of(parent, name);
                // A link may lead anywhere in the root, as the machine's own tools would follow it.
                let target = match tree.inode(entry.inode).kind {
                    FileKind::Symlink => self.roots.all()[root].namespace.resolve(&path, true).ok(),
                    _ => Some(Found { volume, inode: entry.inode }),
                };
                if let Some(found) = target {
                    self.take(root, who, path, entry.name, found, place);
                }
            }
        }
    }

    /// Takes one file, with those that belong to it and lie beside its name.
    fn take(
        &mut self,
        root: usize,
        who: &Who<'static>,
        path: Vec<u8>,
        name: Span,
        found: Found,
        (volume, tree, directory): Place<'a>,
    ) {
        let file = match who.want.take {
            Take::Directories => self.asset.directory(found.volume, found.inode),
            Take::Files | Take::Executables { .. } => self.asset.file(found.volume, found.inode),
        };
        let Some(file) = file else { return };
        let entry = Name { volume, directory: directory.inode, name: name.start };
        if !self.seen.is_new(root, who.extractor, &file, entry) {
            return;
        }
        let name = tree.survey().bytes(name);
        let beside = |asked: &'static str, wanted: &[u8]| {
            let inode = tree.lookup(directory, wanted).or_else(|| {
                let same = |name: &[u8]| name.eq_ignore_ascii_case(wanted);
                let mut places = tree.places(directory).iter().filter(|_| who.want.any_case);
                places.find(|entry| same(tree.survey().bytes(entry.name))).map(|entry| entry.inode)
            })?;
            Some((asked, self.asset.file(volume, inode)?))
        };
        let endings = who.want.companions.iter();
        let endings = endings.filter_map(|ending| beside(ending, &[name, ending.as_bytes()].concat()));
        let siblings = who.want.siblings.iter().filter_map(|sibling| beside(sibling, sibling.as_bytes()));
        let mut companions: Vec<_> = endings.chain(siblings).collect();
        for &path in who.want.elsewhere {
            let known = self.elsewhere.get(&(root, path)).copied();
            let file = known.unwrap_or_else(|| self.at(root, path, who.want.any_case));
            self.elsewhere.insert((root, path), file);
            companions.extend(file.map(|file| (path, file)));
        }
        self.found.push(Wanted { extractor: who.extractor, want: who.want, root, path, file, companions });
    }
}
