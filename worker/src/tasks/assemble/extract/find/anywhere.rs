//! Patterns with `**` and executables: one pass over every name of every volume that is joined.

use super::{super::roots::joined, Finder};
use coldread_artifacts::wants::{Anywhere, Take, Wanted as Who};
use coldread_fsparse::{namespace::Found, survey::Inode, tree::Tree};
use coldread_model::{FileKind, RowFlags, listing::path_of};

/// Endings of what Windows executes.
const WINDOWS: [&[u8]; 2] = [b".exe", b".dll"];

impl Finder<'_, '_> {
    /// Takes what these wants find anywhere.
    pub(super) fn anywhere(&mut self, wants: &Anywhere<'static>) {
        if wants.is_empty() {
            return;
        }
        let min = |who: &Who<'static>| match who.want.take {
            Take::Executables { min } => min,
            _ => 0,
        };
        let smallest = wants.executables().iter().map(min).min();
        for world in 0..self.roots.worlds().len() {
            let mounts: Vec<(usize, Vec<u8>)> = self.roots.worlds()[world].mounts().collect();
            for (volume, mount) in &mounts {
                let Some(tree) = self.asset.namespace.tree(*volume) else { continue };
                let executable = smallest.map(|smallest| executables(tree, smallest));
                for directory in tree.directories().filter(|directory| !directory.internal) {
                    let path = joined(mount, tree.path(directory));
                    let (root, inside) = self.roots.of(world, &path);
                    let here = wants.in_directory(inside);
                    for entry in tree.places(directory) {
                        let name = tree.survey().bytes(entry.name);
                        let inode = tree.inode(entry.inode);
                        let mut who: Vec<Who<'static>> = here.of(name).collect();
                        let runs = executable.as_ref().is_some_and(|all| all[entry.inode as usize]);
                        if runs && (inode.flags.contains(RowFlags::OWNED) || is_windows(name)) {
                            who.extend(wants.executables().iter().filter(|who| inode.size >= min(who)));
                        }
                        if who.is_empty()
                            || inode.kind == FileKind::Symlink
                            || is_covered(&mounts, mount, &path)
                        {
                            continue;
                        }
                        let parent = if inside.is_empty() { &b"/"[..] } else { inside };
                        let path = path_of(parent, name);
                        let found = Found { volume: *volume, inode: entry.inode };
                        for who in &who {
                            self.take(root, who, path.clone(), entry.name, found, (*volume, tree, directory));
                        }
                    }
                }
            }
        }
    }
}

/// For each inode whether it may be an executable of at least `min` bytes.
fn executables(tree: &Tree<'_>, min: u64) -> Vec<bool> {
    let hidden = RowFlags::INTERNAL | RowFlags::DELETED;
    let runs = |inode: &Inode| {
        inode.kind == FileKind::File
            && inode.size >= min
            && !inode.flags.intersects(hidden)
            && (!inode.flags.contains(RowFlags::OWNED) || inode.mode & 0o111 != 0)
    };
    tree.survey().inodes.iter().map(runs).collect()
}

fn is_windows(name: &[u8]) -> bool {
    let tail = name.len().checked_sub(4).map(|at| &name[at..]);
    tail.is_some_and(|tail| WINDOWS.iter().any(|end| tail.eq_ignore_ascii_case(end)))
}

/// Whether another volume is mounted over this directory of the volume mounted at `mount`.
fn is_covered(mounts: &[(usize, Vec<u8>)], mount: &[u8], path: &[u8]) -> bool {
    let over = |point: &[u8]| path.strip_prefix(point).is_some_and(|rest| rest.is_empty() || rest[0] == b'/');
    mounts.iter().any(|(_, point)| point != mount && point.len() > mount.len() && over(point))
}
