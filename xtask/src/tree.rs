//! Fills a mounted filesystem with files of stated owners, modes and times.

use crate::host::{Failure, at};
use std::{
    fs::{self, File, FileTimes, Permissions},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Owner, mode and time of what is written next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    /// Permission bits.
    pub(crate) mode: u32,
    /// Owner.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Last change of content, in seconds since 1970.
    pub(crate) mtime: u64,
}

impl Meta {
    /// With another mode.
    pub(crate) const fn mode(self, mode: u32) -> Self {
        Self { mode, ..self }
    }

    /// With another owner and group.
    pub(crate) const fn owner(self, uid: u32, gid: u32) -> Self {
        Self { uid, gid, ..self }
    }

    /// With another time.
    pub(crate) const fn mtime(self, mtime: u64) -> Self {
        Self { mtime, ..self }
    }
}

/// A mounted filesystem that is being filled. Paths are relative to its root.
pub(crate) struct Tree {
    root: PathBuf,
    folders: Vec<(PathBuf, Meta)>,
}

/// What a filesystem holds, as a mount shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Names, the root included.
    pub(crate) names: u64,
    /// Directories, the root included.
    pub(crate) dirs: u64,
    /// Regular files.
    pub(crate) files: u64,
    /// Symbolic links.
    pub(crate) symlinks: u64,
}

impl Tree {
    /// Over the filesystem mounted at `root`.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), folders: Vec::new() }
    }

    /// Where a path lies on this machine.
    pub(crate) fn place(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Makes a directory and the ones above it that are missing.
    pub(crate) fn dir(&mut self, path: &str, meta: Meta) -> Result<(), Failure> {
        if let Some((above, _)) = path.rsplit_once('/')
            && !self.place(above).exists()
        {
            self.dir(above, meta)?;
        }
        let place = self.place(path);
        if !place.exists() {
            at(&place, fs::create_dir(&place))?;
        }
        self.folders.push((place, meta));
        Ok(())
    }

    /// Writes a file; its directory must exist.
    pub(crate) fn file(&self, path: &str, bytes: impl AsRef<[u8]>, meta: Meta) -> Result<(), Failure> {
        self.pieces(path, &[(0, bytes.as_ref())], meta)
    }

    /// Writes a file piece by piece at byte offsets; what lies between them is a hole.
    pub(crate) fn pieces(&self, path: &str, pieces: &[(u64, &[u8])], meta: Meta) -> Result<(), Failure> {
        use std::io::{Seek, SeekFrom};
        let place = self.place(path);
        let mut file = at(&place, File::create(&place))?;
        for (offset, bytes) in pieces {
            at(&place, file.seek(SeekFrom::Start(*offset)))?;
            at(&place, file.write_all(bytes))?;
        }
        settle(&place, &file, meta)
    }

    /// Makes a symbolic link.
    pub(crate) fn link(&self, path: &str, target: &str) -> Result<(), Failure> {
        let place = self.place(path);
        at(&place, symlink(target, &place))
    }

    /// Sets the directories' times, which filling them has moved, and counts what is there.
    pub(crate) fn finish(self) -> Result<Census, Failure> {
        for (place, meta) in &self.folders {
            settle(place, &at(place, File::open(place))?, *meta)?;
        }
        let device = at(&self.root, fs::metadata(&self.root))?.dev();
        let mut census = Census { names: 1, dirs: 1, ..Census::default() };
        let mut folders = vec![self.root];
        while let Some(folder) = folders.pop() {
            for entry in at(&folder, fs::read_dir(&folder))? {
                let place = at(&folder, entry)?.path();
                let found = at(&place, fs::symlink_metadata(&place))?;
                census.names += 1;
                if found.is_dir() {
                    census.dirs += 1;
                    assert_eq!(found.dev(), device, "{} is another filesystem", place.display());
                    folders.push(place);
                } else if found.is_symlink() {
                    census.symlinks += 1;
                } else if found.is_file() {
                    census.files += 1;
                }
            }
        }
        Ok(census)
    }
}

fn settle(place: &Path, file: &File, meta: Meta) -> Result<(), Failure> {
    at(place, chown(place, Some(meta.uid), Some(meta.gid)))?;
    at(place, fs::set_permissions(place, Permissions::from_mode(meta.mode)))?;
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(meta.mtime);
    at(place, file.set_times(FileTimes::new().set_modified(time).set_accessed(time)))
}
