//! What a layer hides in those below it: by a file of the same name, by a whiteout, by a directory that lets nothing of
//! the one below through.

use super::super::roots::Root;
use coldread_artifacts::{
    context::{CONTEXT_FILES, IDENTITY_FILES},
    layers::{OPAQUE, OPAQUE_ATTRIBUTES, WHITEOUT},
};
use coldread_fsparse::tree::{Directory, Tree};
use coldread_model::{FileKind, listing::Xattrs};

/// Files that tell what a system is and that are hidden, by their places among [`CONTEXT_FILES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Hidden(u32);

const _: () = assert!(IDENTITY_FILES <= 32);

impl Hidden {
    /// What a layer hides.
    pub(super) fn by(layer: &Root<'_>) -> Self {
        let files = CONTEXT_FILES[..IDENTITY_FILES].iter().enumerate();
        let hidden = files.filter(|(_, want)| hides(layer, want.path.as_bytes()).unwrap_or(false));
        Self(hidden.fold(0, |all, (place, _)| all | 1 << place))
    }

    /// Whether nothing is hidden.
    pub(super) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// What either hides.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a file of a layer, by its place among [`CONTEXT_FILES`], still shows: neither it is hidden, nor what it
    /// leads to as a link.
    pub(super) fn shows(self, layer: &Root<'_>, file: usize) -> bool {
        let has = |place: usize| self.0 & 1 << place != 0;
        let path = CONTEXT_FILES[file].path.as_bytes();
        let hidden_target = || {
            let found = layer.namespace.resolve(path, false).ok()?;
            let tree = layer.namespace.tree(found.volume)?;
            let inode = tree.inode(found.inode);
            let target = (inode.kind == FileKind::Symlink).then(|| tree.survey().bytes(inode.target))?;
            let target = followed(path, target);
            CONTEXT_FILES[..IDENTITY_FILES]
                .iter()
                .position(|want| want.path.as_bytes() == target)
                .filter(|at| has(*at))
        };
        !has(file) && hidden_target().is_none()
    }
}

/// Whether a layer has something in a file's place or on the way there that hides what lies below. Whiteouts of the
/// kernel are devices in the place of what they hide.
fn hides(layer: &Root<'_>, path: &[u8]) -> Option<bool> {
    let (_, tree, mut directory) = layer.namespace.directory(b"/").ok()?;
    let mut is_opaque = false;
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        if tree.lookup(directory, &[WHITEOUT, name].concat()).is_some() {
            return Some(true);
        }
        let Some(inode) = tree.lookup(directory, name) else { return Some(is_opaque) };
        if tree.inode(inode).kind != FileKind::Dir {
            return Some(true);
        }
        directory = tree.directory(inode)?;
        is_opaque |= opaque(tree, directory);
    }
    Some(true)
}

/// Whether a directory lets nothing of the one below through.
fn opaque(tree: &Tree<'_>, directory: &Directory) -> bool {
    let attributes = Xattrs(tree.survey().bytes(tree.inode(directory.inode).xattrs));
    tree.lookup(directory, OPAQUE).is_some()
        || attributes.into_iter().any(|(name, value)| OPAQUE_ATTRIBUTES.contains(&name) && value == b"y")
}

/// Where a link at `path` leads, as it is written.
fn followed(path: &[u8], target: &[u8]) -> Vec<u8> {
    let directory = path.iter().rposition(|byte| *byte == b'/').map_or(&b""[..], |slash| &path[..slash]);
    let start = if target.starts_with(b"/") { &b""[..] } else { directory };
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in start.split(|byte| *byte == b'/').chain(target.split(|byte| *byte == b'/')) {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    [&b"/"[..], &parts.join(&b'/')].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_as_they_are_written() {
        let followed = |target: &str| followed(b"/etc/os-release", target.as_bytes());
        for target in ["../usr/lib/os-release", "/usr/lib/os-release", "../../usr/./lib//os-release"] {
            assert_eq!(followed(target), b"/usr/lib/os-release", "{target}");
        }
        assert_eq!(followed("other"), b"/etc/other");
        assert_eq!(followed(""), b"/etc");
    }
}
