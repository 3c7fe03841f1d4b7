//! One asset, one tree: its volumes joined where its fstab mounts them, and paths resolved inside it as in
//! a chroot.

use crate::tree::{Directory, Tree};
use coldread_model::FileKind;

/// Most symbolic links that one path may lead through (path_resolution(7)).
pub const MAX_LINKS: u32 = 40;
/// Bytes of a symbolic link's target, and of a path (`PATH_MAX` less its NUL, path_resolution(7)).
pub const MAX_PATH: usize = 4095;
/// Mount points of one asset that count; a real machine's fstab names a handful of volumes.
pub const MAX_MOUNTS: usize = 256;

/// A file in the joined tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Index of the volume.
    pub volume: usize,
    /// Index of the inode in that volume's survey.
    pub inode: u32,
}

/// Why a path leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// A component does not exist.
    #[error("not found")]
    NotFound,
    /// More than [`MAX_LINKS`] symbolic links.
    #[error("too many symbolic links")]
    Loop,
    /// A link's target is longer than the kernel follows.
    #[error("a symbolic link's target is too long")]
    TooLong,
    /// A component that is not the last one is not a directory.
    #[error("a component of the path is not a directory")]
    NotADirectory,
}

/// Volumes joined into one tree.
#[derive(Clone)]
pub struct Namespace<'a> {
    trees: Vec<Option<&'a Tree<'a>>>,
    /// The directory that is the root, where it is not that of the volume mounted at `/`.
    base: Option<Found>,
    /// Mount points, components split, and the volume mounted there; sorted so that parents come first.
    mounts: Vec<(Vec<Vec<u8>>, usize)>,
}

impl<'a> Namespace<'a> {
    /// Of the volumes' trees (`None` where a volume holds no filesystem that was read) and where they are
    /// mounted, of which the [`MAX_MOUNTS`] nearest the root count. The volume at `/` is the root; without
    /// one there is nothing to resolve.
    pub fn new(trees: Vec<Option<&'a Tree<'a>>>, mounts: &[(usize, Vec<u8>)]) -> Self {
        let known = |&&(volume, _): &&(usize, Vec<u8>)| trees.get(volume).is_some_and(Option::is_some);
        let mut mounts: Vec<_> =
            mounts.iter().filter(known).map(|(volume, point)| (components(point), *volume)).collect();
        mounts.sort_by_key(|(point, volume)| (point.len(), point.clone(), *volume));
        mounts.dedup_by(|b, a| a.0 == b.0);
        mounts.truncate(MAX_MOUNTS);
        Self { trees, base: None, mounts }
    }

    /// One of the volumes alone, at `/`.
    pub fn of_volume(&self, volume: usize) -> Self {
        Self { trees: self.trees.clone(), base: None, mounts: vec![(Vec::new(), volume)] }
    }

    /// What lies below a directory, as a tree of its own: nothing in it leads out, as in a chroot.
    pub fn below(&self, path: &[u8]) -> Result<Self, ResolveError> {
        let (volume, _, directory) = self.directory(path)?;
        let base = Some(Found { volume, inode: directory.inode });
        let above = components(path);
        let inside = |(point, volume): &(Vec<Vec<u8>>, usize)| {
            let rest = point.strip_prefix(&above[..]).filter(|rest| !rest.is_empty())?;
            Some((rest.to_vec(), *volume))
        };
        Ok(Self { trees: self.trees.clone(), base, mounts: self.mounts.iter().filter_map(inside).collect() })
    }

    /// The volume mounted exactly at the place that these components name.
    fn mounted_at(&self, place: &[Vec<u8>]) -> Option<usize> {
        self.mounts.iter().find(|(point, _)| point == place).map(|(_, volume)| *volume)
    }

    /// Resolves an absolute path; a symbolic link at its end is followed where `follow` is set.
    pub fn resolve(&self, path: &[u8], follow: bool) -> Result<Found, ResolveError> {
        let mut rest: Vec<Vec<u8>> = components(path);
        rest.reverse();
        let mut links = 0;
        // Where we are: the components from the root, and what is there.
        let mut place: Vec<Vec<u8>> = Vec::new();
        let mut trail = vec![self.enter(&place).ok_or(ResolveError::NotFound)?];
        while let Some(name) = rest.pop() {
            let (volume, tree, directory) = *trail.last().ok_or(ResolveError::NotFound)?;
            if name == b".." {
                if trail.len() > 1 {
                    trail.pop();
                    place.pop();
                }
                continue;
            }
            let inode = tree.lookup(directory, &name).ok_or(ResolveError::NotFound)?;
            let found = Found { volume, inode };
            let last = rest.is_empty();
            match tree.inode(inode).kind {
                FileKind::Dir => {
                    place.push(name);
                    let step = self.enter(&place).or_else(|| Some((volume, tree, tree.directory(inode)?)));
                    let Some(step) = step else { return Err(ResolveError::NotFound) };
                    if last {
                        return Ok(Found { volume: step.0, inode: step.2.inode });
                    }
                    trail.push(step);
                }
                FileKind::Symlink if !last || follow => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(ResolveError::Loop);
                    }
                    let target = tree.survey().bytes(tree.inode(inode).target);
                    if target.len() > MAX_PATH {
                        return Err(ResolveError::TooLong);
                    }
                    if target.first() == Some(&b'/') {
                        trail.truncate(1);
                        place.clear();
                    }
                    rest.extend(components(target).into_iter().rev());
                    if rest.is_empty() {
                        break;
                    }
                }
                _ if last => return Ok(found),
                _ => return Err(ResolveError::NotADirectory),
            }
        }
        let (volume, _, directory) = trail.last().ok_or(ResolveError::NotFound)?;
        Ok(Found { volume: *volume, inode: directory.inode })
    }

    /// The root directory of the volume that is mounted here, if one is.
    fn enter(&self, place: &[Vec<u8>]) -> Option<(usize, &'a Tree<'a>, &'a Directory)> {
        if let (Some(base), true) = (self.base, place.is_empty()) {
            let tree = self.tree(base.volume)?;
            return Some((base.volume, tree, tree.directory(base.inode)?));
        }
        let volume = self.mounted_at(place)?;
        let tree = self.tree(volume)?;
        Some((volume, tree, tree.root()?))
    }

    /// The directory at a path of the joined tree.
    pub fn directory(&self, path: &[u8]) -> Result<(usize, &'a Tree<'a>, &'a Directory), ResolveError> {
        let found = self.resolve(path, true)?;
        let tree = self.trees[found.volume].ok_or(ResolveError::NotFound)?;
        let directory = tree.directory(found.inode).ok_or(ResolveError::NotADirectory)?;
        Ok((found.volume, tree, directory))
    }

    /// A volume's tree.
    pub fn tree(&self, volume: usize) -> Option<&'a Tree<'a>> {
        self.trees.get(volume).copied().flatten()
    }

    /// The volumes that are mounted and where, parents first.
    pub fn mounts(&self) -> impl Iterator<Item = (usize, Vec<u8>)> {
        self.mounts.iter().map(|(point, volume)| (*volume, [&b"/"[..], &point.join(&b'/')].concat()))
    }

    /// Whether a mount covers the directory at this path.
    pub fn is_mount_point(&self, path: &[u8]) -> bool {
        self.mounted_at(&components(path)).is_some()
    }
}

/// A path's components; empty ones and `.` count for nothing.
fn components(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty() && *name != b".")
        .map(<[u8]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{survey::Survey, tree::test_survey};

    fn volumes() -> (Survey, Survey) {
        let (d, f, l) = (FileKind::Dir, FileKind::File, FileKind::Symlink);
        let mut root = test_survey(
            &[(2, d), (10, d), (11, d), (12, l), (13, f), (14, l), (15, l), (16, l), (17, d)],
            &[
                (2, 10, "etc"),
                (2, 11, "usr"),
                (10, 12, "os-release"),
                (11, 13, "os-release"),
                (10, 14, "loop"),
                (10, 15, "abs"),
                (10, 16, "up"),
                (2, 17, "var"),
            ],
        );
        for (number, target) in
            [(12, "../usr/os-release"), (14, "loop"), (15, "/var/log/../log/x"), (16, "../../../../usr")]
        {
            let span = root.keep(target.as_bytes()).unwrap();
            root.inodes.iter_mut().find(|inode| inode.number == number).unwrap().target = span;
        }
        let var = test_survey(&[(64, d), (65, d), (66, f)], &[(64, 65, "log"), (65, 66, "x")]);
        (root, var)
    }

    #[test]
    fn paths_resolve_as_in_a_chroot_over_all_volumes() {
        let (root, var) = volumes();
        let (root, var) = (Tree::build(&root, 2), Tree::build(&var, 64));
        let mounts = [(1, b"/var".to_vec()), (0, b"/".to_vec())];
        let names = Namespace::new(vec![Some(&root), Some(&var)], &mounts);
        let number = |path: &str, follow| {
            let found = names.resolve(path.as_bytes(), follow)?;
            Ok((found.volume, names.tree(found.volume).unwrap().inode(found.inode).number))
        };
        assert_eq!(number("/etc/os-release", true), Ok((0, 13)));
        assert_eq!(number("/etc/os-release", false), Ok((0, 12)));
        assert_eq!(number("//etc/./up/os-release", true), Ok((0, 13)));
        assert_eq!(number("/etc/abs", true), Ok((1, 66)));
        assert_eq!(number("/var", true), Ok((1, 64)));
        assert_eq!(number("/var/..", true), Ok((0, 2)));
        assert_eq!(number("/../..", true), Ok((0, 2)));
        assert_eq!(number("/var/log/x/y", true), Err(ResolveError::NotADirectory));
        assert_eq!(number("/etc/loop", true), Err(ResolveError::Loop));
        assert_eq!(number("/etc/none", true), Err(ResolveError::NotFound));
        let (volume, tree, directory) = names.directory(b"/var/log").unwrap();
        assert_eq!((volume, tree.path(directory)), (1, &b"/log"[..]));
        assert_eq!(names.mounts().collect::<Vec<_>>(), [(0, b"/".to_vec()), (1, b"/var".to_vec())]);
        assert!(names.is_mount_point(b"/var/") && !names.is_mount_point(b"/etc"));
    }

    #[test]
    fn a_directory_is_a_root_that_nothing_leads_out_of() {
        let (root, var) = volumes();
        let (root, var) = (Tree::build(&root, 2), Tree::build(&var, 64));
        let mounts = [(1, b"/etc/var".to_vec()), (0, b"/".to_vec())];
        let names = Namespace::new(vec![Some(&root), Some(&var)], &mounts).below(b"/etc").unwrap();
        let number = |path: &str| {
            let found = names.resolve(path.as_bytes(), true)?;
            Ok((found.volume, names.tree(found.volume).unwrap().inode(found.inode).number))
        };
        assert_eq!(number("/"), Ok((0, 10)));
        assert_eq!(number("/.."), Ok((0, 10)));
        // ../usr/os-release is not in there.
        assert_eq!(number("/os-release"), Err(ResolveError::NotFound));
        assert_eq!(number("/loop"), Err(ResolveError::Loop));
        assert!(names.below(b"/usr").is_err());
    }

    #[test]
    fn a_target_of_megabytes_is_not_followed() {
        let (mut root, _) = volumes();
        let span = root.keep(&b"../".repeat(1 << 20)).unwrap();
        root.inodes.iter_mut().find(|inode| inode.number == 15).unwrap().target = span;
        let root = Tree::build(&root, 2);
        let mounts: Vec<_> = (0..5000).map(|i| (0, format!("/{i}").into_bytes())).collect();
        let names = Namespace::new(vec![Some(&root)], &[&[(0, b"/".to_vec())], &mounts[..]].concat());
        assert_eq!(names.resolve(b"/etc/abs", true), Err(ResolveError::TooLong));
        assert_eq!(names.mounts().count(), MAX_MOUNTS);
        assert_eq!(names.mounts().next(), Some((0, b"/".to_vec())));
    }

    #[test]
    fn without_a_root_nothing_resolves() {
        let names = Namespace::new(vec![None], &[(0, b"/".to_vec())]);
        assert_eq!(names.resolve(b"/etc", true), Err(ResolveError::NotFound));
    }
}
