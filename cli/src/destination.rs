//! A directory that files from disks are written into, and never outside of it: paths come from strangers' disks,
//! and so may what lies in the directory. Every step goes from an open directory to a name in it, follows no
//! symbolic link and knows no `..`.

use crate::failure::{Failure, Result};
use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat},
    io::Errno,
};
use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
};

/// What is extracted may be secret: it is the user's alone.
const FILE_MODE: u32 = 0o600;
/// Directories are made as `mkdir` makes them.
const DIR_MODE: u32 = 0o777;
/// What the name of a file that will replace another starts with, until it is complete. A number follows: the name must
/// be nobody's, as the disk may have files of any name.
const TEMPORARY: &str = ".coldread-part-";
/// So many names are tried.
const MAX_NAMES: u32 = 1000;

/// A directory to write into.
#[derive(Debug)]
pub struct Destination {
    root: OwnedFd,
    path: PathBuf,
}

/// A file that is being written. It goes away again unless [`NewFile::keep`] is called.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    parent: OwnedFd,
    name: Vec<u8>,
    /// The name under which it is written, if it replaces `name` at the end.
    temporary: Option<String>,
    shown: PathBuf,
    kept: bool,
}

fn at(path: &Path, what: &str) -> impl FnOnce(Errno) -> Failure {
    let message = format!("cannot {what} {}", path.display());
    move |errno| Failure::new(message).because(&io::Error::from(errno))
}

impl Destination {
    /// Opens the directory, which is made if it is not there.
    pub fn open(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path)
            .map_err(|error| Failure::new(format!("cannot make {}", path.display())).because(&error))?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let root = openat(CWD, path, flags, Mode::empty()).map_err(at(path, "open"))?;
        Ok(Self { root, path: path.to_owned() })
    }

    /// Makes the file at `path`, relative to the directory whether it starts with a slash or not, and the
    /// directories on the way. A file that is there is an error, or with `force` replaced once the new one is
    /// complete.
    pub fn create(&self, path: &[u8], force: bool) -> Result<NewFile> {
        let shown_path = String::from_utf8_lossy(path).into_owned();
        let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
        if names.iter().any(|name| matches!(*name, b"." | b"..") || name.contains(&0)) {
            return Err(Failure::new(format!("{shown_path}: not a path that can be kept below a directory")));
        }
        let Some((name, dirs)) = names.split_last() else {
            return Err(Failure::new(format!("{shown_path}: names no file")));
        };
        let mut shown = self.path.clone();
        let mut parent = self
            .root
            .try_clone()
            .map_err(|error| Failure::new(format!("cannot open {}", self.path.display())).because(&error))?;
        for dir in dirs {
            let dir = OsStr::from_bytes(dir);
            shown.push(dir);
            match mkdirat(&parent, dir, Mode::from_raw_mode(DIR_MODE)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(at(&shown, "make")(errno)),
            }
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
            parent = openat(&parent, dir, flags, Mode::empty()).map_err(|errno| {
                let failure = at(&shown, "write into")(errno);
                match errno {
                    Errno::LOOP | Errno::NOTDIR => failure
                        .next("it is no directory, or a symbolic link, which is not followed: move it away"),
                    _ => failure,
                }
            })?;
        }
        shown.push(OsStr::from_bytes(name));
        let there = match statat(&parent, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => true,
            Err(Errno::NOENT) => false,
            Err(errno) => return Err(at(&shown, "write")(errno)),
        };
        if there && !force {
            return Err(Failure::new(format!("{} is there already", shown.display()))
                .next("--force replaces files that are there"));
        }
        let make = |name: &OsStr| {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
            openat(&parent, name, flags, Mode::from_raw_mode(FILE_MODE))
        };
        let mut temporary = None;
        let made = if there {
            let mut made = Err(Errno::EXIST);
            for number in 0..MAX_NAMES {
                let name = format!("{TEMPORARY}{number}");
                made = make(OsStr::new(&name));
                if !matches!(made, Err(Errno::EXIST)) {
                    temporary = Some(name);
                    break;
                }
            }
            made
        } else {
            make(OsStr::from_bytes(name))
        };
        let file = made.map_err(at(&shown, "write"))?;
        Ok(NewFile { file: file.into(), parent, name: name.to_vec(), temporary, shown, kept: false })
    }
}

impl NewFile {
    /// Writes the next bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all(bytes)
            .map_err(|error| Failure::new(format!("cannot write {}", self.shown.display())).because(&error))
    }

    /// Keeps the file, which is complete now.
    pub fn keep(mut self) -> Result<()> {
        if let Some(temporary) = &self.temporary {
            renameat(&self.parent, temporary.as_str(), &self.parent, OsStr::from_bytes(&self.name))
                .map_err(at(&self.shown, "replace"))?;
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            let name = self.temporary.as_ref().map_or(&self.name[..], String::as_bytes);
            if let Err(error) = unlinkat(&self.parent, OsStr::from_bytes(name), AtFlags::empty()) {
                tracing::warn!(%error, file = %self.shown.display(), "an incomplete file stays");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    fn write(to: &Destination, path: &[u8], bytes: &[u8], force: bool) -> Result<()> {
        let mut file = to.create(path, force)?;
        file.write(bytes)?;
        file.keep()
    }

    #[test]
    fn files_keep_their_path_below_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        let to = Destination::open(&dir.path().join("a/b")).unwrap();
        write(&to, b"/etc/ssh//sshd_config", b"x", false).unwrap();
        write(&to, b"odd\xff\n/name", b"y", false).unwrap();
        assert_eq!(fs::read(dir.path().join("a/b/etc/ssh/sshd_config")).unwrap(), b"x");
        let odd = dir.path().join("a/b").join(OsStr::from_bytes(b"odd\xff\n/name"));
        assert_eq!(fs::read(odd).unwrap(), b"y");
    }

    #[test]
    fn nothing_leads_out_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let to = Destination::open(&dir.path().join("in")).unwrap();
        for path in [&b"../x"[..], b"/../x", b"a/../../x", b"./x", b"", b"/", b"..", b"a\0b"] {
            assert!(write(&to, path, b"x", true).is_err(), "{path:?}");
        }
        fs::create_dir(dir.path().join("out")).unwrap();
        symlink("../out", dir.path().join("in/link")).unwrap();
        assert!(write(&to, b"link/x", b"x", true).is_err());
        assert!(write(&to, b"link/deeper/x", b"x", true).is_err());
        assert_eq!(fs::read_dir(dir.path().join("out")).unwrap().count(), 0);
        assert!(!dir.path().join("x").exists());
    }

    #[test]
    fn what_is_there_stays_unless_forced_and_links_are_replaced_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let to = Destination::open(&dir.path().join("in")).unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, b"old").unwrap();
        symlink(&victim, dir.path().join("in/link")).unwrap();
        assert!(write(&to, b"link", b"new", false).is_err());
        write(&to, b"link", b"new", true).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"old");
        assert_eq!(fs::read(dir.path().join("in/link")).unwrap(), b"new");
        fs::create_dir(dir.path().join("in/dir")).unwrap();
        assert!(write(&to, b"dir", b"new", true).is_err());
        assert_eq!(fs::read_dir(dir.path().join("in")).unwrap().count(), 2);
    }

    #[test]
    fn a_file_of_the_disk_with_the_name_of_an_incomplete_one_stays() {
        let dir = tempfile::tempdir().unwrap();
        let to = Destination::open(dir.path()).unwrap();
        let names = [".coldread-part-0", ".coldread-part-1", "a", "z"];
        for text in [&b"old"[..], b"new"] {
            for name in names {
                write(&to, name.as_bytes(), text, true).unwrap();
            }
            assert!(names.iter().all(|name| fs::read(dir.path().join(name)).unwrap() == text));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), names.len());
    }

    #[test]
    fn an_incomplete_file_does_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let to = Destination::open(dir.path()).unwrap();
        to.create(b"part", false).unwrap().write(b"x").unwrap();
        assert!(!dir.path().join("part").exists());
        fs::write(dir.path().join("whole"), b"old").unwrap();
        to.create(b"whole", true).unwrap().write(b"x").unwrap();
        assert_eq!(fs::read(dir.path().join("whole")).unwrap(), b"old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
