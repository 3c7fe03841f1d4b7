//! Patterns with `*` in their directory, or in any case: from the root down, component by component.

use super::{super::super::joined::AssetFile, Finder, Place};
use coldread_artifacts::wants::Wanted as Who;
use coldread_model::{Gap, GapKind, listing::path_of};

/// Directories that one pattern may lead to in one root.
const MAX_DIRECTORIES: usize = 1 << 16;

impl<'a> Finder<'_, 'a> {
    /// The file at a path of a root, in any case if that is wanted: of names that differ in case alone the first.
    pub(super) fn at(&self, root: usize, path: &str, any_case: bool) -> Option<AssetFile<'a>> {
        let namespace = &self.roots.all()[root].namespace;
        let mut real = Vec::new();
        for component in path.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            let parent = if real.is_empty() { &b"/"[..] } else { &real };
            let (_, tree, directory) = namespace.directory(parent).ok()?;
            let mut names = tree.places(directory).iter().map(|entry| tree.survey().bytes(entry.name));
            let same = |name: &&[u8]| *name == component || any_case && name.eq_ignore_ascii_case(component);
            real = path_of(parent, names.find(same)?);
        }
        let found = namespace.resolve(&real, true).ok()?;
        self.asset.file(found.volume, found.inode)
    }

    /// Takes what one want finds in one root.
    pub(super) fn walk(&mut self, root: usize, who: &Who<'static>) {
        let namespace = &self.roots.all()[root].namespace;
        let mut places: Vec<(Vec<u8>, Place<'a>)> = match namespace.directory(b"/") {
            Ok(place) => vec![(Vec::new(), place)],
            Err(_) => return,
        };
        let mut crowded = false;
        for component in who.want.directory() {
            let mut next = Vec::new();
            for (path, (_, tree, directory)) in places {
                let parent = if path.is_empty() { &b"/"[..] } else { &path };
                let mut enter = |name: &[u8]| {
                    let path = path_of(parent, name);
                    if next.len() >= MAX_DIRECTORIES {
                        crowded = true;
                    } else if let Ok(place) = namespace.directory(&path) {
                        next.push((path, place));
                    }
                };
                if !who.want.any_case && !component.contains(&b'*') {
                    enter(component);
                    continue;
                }
                for entry in tree.places(directory) {
                    let name = tree.survey().bytes(entry.name);
                    if who.want.component_takes(component, name) {
                        enter(name);
                    }
                }
            }
            places = next;
        }
        for (path, place) in places {
            self.look(root, &path, place, std::slice::from_ref(who));
        }
        if crowded {
            let reason = format!(
                "more than {MAX_DIRECTORIES} directories match {}; the rest is not read",
                who.want.pattern
            );
            self.gaps.push(Gap::new(GapKind::Limit, who.extractor.name(), reason));
        }
    }
}
