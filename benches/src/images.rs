//! Images of filesystems: made by mkfs, filled through a mount, kept in a cache folder.

use crate::host::{self, Failure, Mounted, at};
use clap::ValueEnum;
use serde::Serialize;
use std::{
    ffi::OsStr,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// A filesystem that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// ext4, as mkfs.ext4 makes it by default.
    Ext4,
    /// XFS, as mkfs.xfs makes it by default.
    Xfs,
    /// NTFS, as mkntfs makes it by default, filled by ntfs-3g.
    Ntfs,
}

/// What makes a copy of /usr a system whose packages and logins can be asked for, where this machine has it.
const SYSTEM: [&str; 6] = [
    "etc/os-release",
    "etc/passwd",
    "var/lib/dpkg/status",
    "var/log/wtmp",
    "var/log/btmp",
    "var/log/auth.log",
];
/// Regular files up to this size are copied into the large images.
const SMALL_FILE_BYTES: u64 = 24 << 10;
/// Smallest large image.
const MIN_IMAGE_BYTES: u64 = 8 << 30;
/// Bytes of image for each file: twice the inodes that mkfs.ext4 would make of it.
const BYTES_PER_FILE: u64 = 32 << 10;

impl Kind {
    /// Its name to mount(8) and in files' names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
            Self::Ntfs => "ntfs",
        }
    }

    /// Programs that make and mount it, with their Debian packages.
    pub const fn programs(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Ext4 => &[("mkfs.ext4", "e2fsprogs"), ("mount", "mount"), ("losetup", "mount")],
            Self::Xfs => &[("mkfs.xfs", "xfsprogs"), ("mount", "mount"), ("losetup", "mount")],
            Self::Ntfs => &[("mkntfs", "ntfs-3g"), ("ntfs-3g", "ntfs-3g"), ("umount", "mount")],
        }
    }

    const fn mkfs(self) -> &'static [&'static str] {
        match self {
            Self::Ext4 => &["mkfs.ext4", "-q", "-F"],
            Self::Xfs => &["mkfs.xfs", "-q", "-f"],
            Self::Ntfs => &["mkntfs", "-q", "-F", "-f"],
        }
    }
}

/// Makes a filesystem of `bytes` in the sparse file `path` and lets `fill` write to it where it is mounted.
/// The file has its name only once it is whole.
pub fn make(
    kind: Kind,
    path: &Path,
    bytes: u64,
    fill: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    host::need(&format!("making an {} image", kind.name()), kind.programs())?;
    if let Some(folder) = path.parent() {
        at(folder, fs::create_dir_all(folder))?;
    }
    let part = path.with_extension("part");
    at(&part, fs::File::create(&part).and_then(|file| file.set_len(bytes)))?;
    let [program, options @ ..] = kind.mkfs() else { return Err(Failure("no mkfs".to_owned())) };
    let mut arguments: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
    arguments.push(part.as_os_str());
    host::run(program, &arguments)?;
    let mounted = Mounted::new(kind.name(), &part, false)?;
    fill(mounted.point())?;
    mounted.unmount()?;
    at(path, fs::rename(&part, path))
}

/// The image of `files` files in `cache`, made now unless it is there: copies of the small files of /usr,
/// with their directories and symbolic links, over and over in folders of their own, beside this machine's package
/// database and login records.
pub fn large(kind: Kind, cache: &Path, files: u64) -> Result<PathBuf, Failure> {
    let path = cache.join(format!("{}-{files}.img", kind.name()));
    if path.is_file() {
        return Ok(path);
    }
    let bytes = files.saturating_mul(BYTES_PER_FILE).max(MIN_IMAGE_BYTES).next_multiple_of(1 << 30);
    eprintln!("benches: making {} (once; copies of /usr until {files} files)", path.display());
    make(kind, &path, bytes, |root| {
        system_of(Path::new("/"), root)?;
        copies_of(Path::new("/usr"), root, files)
    })?;
    Ok(path)
}

/// Copies those files of [`SYSTEM`] that are there.
fn system_of(from: &Path, to: &Path) -> Result<(), Failure> {
    for name in SYSTEM {
        let (source, target) = (from.join(name), to.join(name));
        if !source.is_file() {
            continue;
        }
        if let Some(folder) = target.parent() {
            at(folder, fs::create_dir_all(folder))?;
        }
        at(&target, fs::copy(&source, &target))?;
    }
    Ok(())
}

/// Copies `from` into numbered folders of `to` until there are `files` names.
fn copies_of(from: &Path, to: &Path, files: u64) -> Result<(), Failure> {
    let mut left = files;
    for copy in 0.. {
        let before = left;
        copy_tree(from, &to.join(format!("copy{copy}")), &mut left)?;
        if left == 0 {
            return Ok(());
        }
        if before - left < 2 {
            return Err(Failure(format!("{} has no small files to copy", from.display())));
        }
    }
    Ok(())
}

fn copy_tree(from: &Path, to: &Path, left: &mut u64) -> Result<(), Failure> {
    at(to, fs::create_dir(to))?;
    *left = left.saturating_sub(1);
    let device = |meta: &fs::Metadata| std::os::unix::fs::MetadataExt::dev(meta);
    let own = device(&at(from, fs::symlink_metadata(from))?);
    let listed = at(from, fs::read_dir(from))?.collect::<io::Result<Vec<_>>>();
    let mut names: Vec<_> = at(from, listed)?.into_iter().map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        if *left == 0 {
            return Ok(());
        }
        let (source, target) = (from.join(&name), to.join(&name));
        let meta = at(&source, fs::symlink_metadata(&source))?;
        if device(&meta) != own {
            continue;
        }
        if meta.is_dir() {
            copy_tree(&source, &target, left)?;
        } else if meta.is_symlink() {
            at(&target, fs::read_link(&source).and_then(|way| symlink(way, &target)))?;
            *left -= 1;
        } else if meta.is_file() && meta.len() <= SMALL_FILE_BYTES {
            at(&target, fs::copy(&source, &target))?;
            *left -= 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_made_until_there_are_enough_and_not_without_end() {
        let scratch = tempfile::tempdir().unwrap();
        let (from, to) = (scratch.path().join("from"), scratch.path().join("to"));
        fs::create_dir_all(from.join("d")).unwrap();
        fs::create_dir(&to).unwrap();
        assert!(copies_of(&from.join("d"), &to, 9).unwrap_err().0.contains("no small files"));
        fs::remove_dir_all(&to).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("d/f"), "x").unwrap();
        fs::write(from.join("large"), vec![0; SMALL_FILE_BYTES as usize + 1]).unwrap();
        symlink("d/f", from.join("l")).unwrap();
        // Each copy has four names: the folder, d, d/f and l.
        copies_of(&from, &to, 6).unwrap();
        assert_eq!(fs::read(to.join("copy0/d/f")).unwrap(), b"x");
        assert_eq!(fs::read_link(to.join("copy0/l")).unwrap(), Path::new("d/f"));
        assert!(!to.join("copy0/large").exists());
        assert!(to.join("copy1/d").is_dir() && !to.join("copy1/d/f").exists());
        fs::create_dir_all(from.join("var/log")).unwrap();
        fs::write(from.join("var/log/wtmp"), "w").unwrap();
        system_of(&from, &to).unwrap();
        assert_eq!(fs::read(to.join("var/log/wtmp")).unwrap(), b"w");
        assert!(!to.join("etc").exists());
    }
}
