//! Small filesystems for micro-benches, made once into `benches/cache` and read from memory.

use crate::{
    host::{Failure, at},
    images::{self, Kind},
};
use coldread_fsparse::source::{SharedSource, memory::MemorySource};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a small filesystem holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// 20,000 files with one name each, in 200 directories: what an inode costs, its one name included.
    Inodes,
    /// 40,000 names of 200 files: what a name costs.
    Names,
}

/// Large enough for a default XFS, and for mkfs.ext4 not to call it a small one.
const BYTES: u64 = 640 << 20;

impl Shape {
    /// Its word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inodes => "inode",
            Self::Names => "entry",
        }
    }

    fn fill(self, root: &Path) -> Result<(), Failure> {
        for folder in 0..200 {
            let folder = root.join(format!("folder{folder:03}"));
            at(&folder, fs::create_dir(&folder))?;
            let first = folder.join("a file with a name of some length 0");
            at(&first, fs::write(&first, "x"))?;
            let count = if self == Self::Inodes { 100 } else { 200 };
            for file in 1..count {
                let path = folder.join(format!("a file with a name of some length {file}"));
                match self {
                    Self::Inodes => at(&path, fs::write(&path, "x"))?,
                    Self::Names => at(&path, fs::hard_link(&first, &path))?,
                }
            }
        }
        Ok(())
    }
}

/// The bytes of a small filesystem, or why there are none.
pub fn source(kind: Kind, shape: Shape) -> Result<SharedSource, Failure> {
    let path = cache().join(format!("small-{}-{}.img", kind.name(), shape.name()));
    if !path.is_file() {
        images::make(kind, &path, BYTES, |root| shape.fill(root))?;
    }
    let bytes = at(&path, fs::read(&path))?;
    Ok(Arc::new(MemorySource::new(bytes)))
}

/// The folder of images that can be made again.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cache")
}
