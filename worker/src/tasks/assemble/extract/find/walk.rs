//! Patterns with `*` in their directory, or in any case: from the root down, component by component.

use super::{Finder, Place};
use coldread_artifacts::wants::Wanted as Who;
use coldread_model::{Gap, GapKind, listing::path_of};

/// Directories that one pattern may lead to in one root.
const MAX_DIRECTORIES: usize = 1 << 16;

impl<'a> Finder<'_, 'a> {
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
