//! The work that is stopped: everything that makes a journal or log say something.

use crate::shapes::Dice;
use rustix::{
    fs::{
        CWD, FallocateFlags, RenameFlags, XattrFlags, fallocate, ioctl_ficlone, removexattr, renameat_with,
        setxattr,
    },
    io::Errno,
};
use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::{
        ffi::OsStringExt,
        fs::{FileExt, PermissionsExt, lchown, symlink},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// The magic number of the ext journal: a block of data that starts with it must be escaped in the log.
const MAGIC: [u8; 4] = [0xC0, 0x3B, 0x39, 0x98];
/// What the disk is kept below: enough for any work, and nothing fails for want of room too often.
const MAX_FILES: usize = 400;

fn is_one_of(error: &io::Error, of: &[Errno]) -> bool {
    of.iter().any(|one| error.raw_os_error() == Some(one.raw_os_error()))
}

/// Work in a mounted filesystem. Files that are held open are closed when it is dropped.
pub(super) struct Work<'a> {
    root: PathBuf,
    dice: &'a mut Dice,
    folders: Vec<PathBuf>,
    files: Vec<PathBuf>,
    /// Unlinked and open: not there after recovery.
    held: Vec<File>,
    made: u64,
}

impl<'a> Work<'a> {
    pub(super) fn new(root: &Path, dice: &'a mut Dice) -> Self {
        let mut folders = vec![root.to_owned()];
        for nth in 0..12 {
            let folder = root.join(format!("old-{nth}"));
            fs::create_dir(&folder).unwrap();
            for file in 0..20 {
                fs::write(folder.join(format!("{file}")), format!("{nth} {file}\n").repeat(file * 20))
                    .unwrap();
            }
            folders.push(folder);
        }
        Self { root: root.to_owned(), dice, folders, files: Vec::new(), held: Vec::new(), made: 0 }
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.dice.chance(percent)
    }

    /// So many steps.
    pub(super) fn steps(&mut self, count: u64) {
        for _ in 0..count {
            self.one().unwrap();
        }
    }

    /// Steps until the filesystem is stopped, counted as they are done.
    pub(super) fn steps_until_stopped(&mut self, done: &AtomicU64) {
        loop {
            match self.one() {
                Ok(()) => done.fetch_add(1, Ordering::Relaxed),
                Err(error) if is_one_of(&error, &[Errno::IO, Errno::ROFS, Errno::SHUTDOWN]) => return,
                Err(error) => panic!("{error}"),
            };
        }
    }

    /// One step. What a filesystem refuses, or has no room for, is left out.
    fn one(&mut self) -> io::Result<()> {
        const REFUSALS: [Errno; 6] =
            [Errno::OPNOTSUPP, Errno::NOSPC, Errno::INVAL, Errno::EXIST, Errno::NOTEMPTY, Errno::NODATA];
        let shape = self.dice.below(100);
        self.step(shape).or_else(|error| if is_one_of(&error, &REFUSALS) { Ok(()) } else { Err(error) })
    }

    fn new_path(&mut self) -> PathBuf {
        self.made += 1;
        let folder = self.dice.pick(&self.folders).clone();
        let pad = "n".repeat(self.dice.below(30) as usize);
        folder.join(format!("{}-{pad}", self.made))
    }

    fn file(&mut self) -> Option<PathBuf> {
        (!self.files.is_empty()).then(|| self.dice.pick(&self.files).clone())
    }

    fn forget(&mut self, path: &Path) {
        self.files.retain(|file| file != path);
    }

    fn bytes(&mut self) -> Vec<u8> {
        let len = *self.dice.pick(&[0, 10, 700, 4096, 5000, 30_000, 90_000]);
        let mut bytes = self.dice.bytes(len);
        if self.dice.chance(20) {
            for block in bytes.chunks_mut(1024).filter(|block| block.len() >= 4) {
                block[..4].copy_from_slice(&MAGIC);
            }
        }
        bytes
    }

    fn step(&mut self, shape: u64) -> io::Result<()> {
        match shape {
            0..19 => self.create(),
            19..22 => self.share(),
            22..32 => self.write(),
            32..38 => self.cut(),
            38..44 => self.space(),
            44..52 => self.unlink(),
            52..60 => self.rename(),
            60..64 => self.folder(),
            64..70 => self.reuse(),
            70..72 => self.fragments(),
            72..76 => {
                let path = self.new_path();
                let len = *self.dice.pick(&[5, 59, 60, 200]);
                let mut target = vec![b't'; len];
                // A long target's block is journaled like a directory's.
                if self.dice.chance(50) {
                    target[..4].copy_from_slice(&MAGIC);
                }
                symlink(OsString::from_vec(target), path)
            }
            76..79 => self.link(),
            79..83 => self.attribute(),
            83..86 => self.metadata(),
            86..89 => self.hold(),
            89 => self.remove_folder(),
            90..98 => self.sync(),
            98 => File::open(self.dice.pick(&self.folders))?.sync_all(),
            _ => {
                rustix::fs::sync();
                Ok(())
            }
        }
    }

    fn create(&mut self) -> io::Result<()> {
        if self.files.len() > MAX_FILES {
            return self.unlink();
        }
        let (path, bytes) = (self.new_path(), self.bytes());
        let file = File::create(&path)?;
        self.files.push(path);
        file.write_all_at(&bytes, 0)?;
        if self.dice.chance(30) { file.sync_all() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(path) = self.file() else { return Ok(()) };
        let (bytes, at) = (self.bytes(), self.dice.below(400_000));
        let file = OpenOptions::new().write(true).open(path)?;
        file.write_all_at(&bytes, at)?;
        if self.dice.chance(40) { file.sync_data() } else { Ok(()) }
    }

    fn cut(&mut self) -> io::Result<()> {
        let Some(path) = self.file() else { return Ok(()) };
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(self.dice.below(100_000))?;
        if self.dice.chance(30) { file.sync_all() } else { Ok(()) }
    }

    /// Space that is allocated, given back, or moved.
    fn space(&mut self) -> io::Result<()> {
        const BLOCK: u64 = 4096;
        let Some(path) = self.file() else { return Ok(()) };
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let (at, len) = (self.dice.below(20) * BLOCK, (1 + self.dice.below(8)) * BLOCK);
        let flags = *self.dice.pick(&[
            FallocateFlags::empty(),
            FallocateFlags::KEEP_SIZE,
            FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE),
            FallocateFlags::ZERO_RANGE,
            FallocateFlags::COLLAPSE_RANGE,
            FallocateFlags::INSERT_RANGE,
        ]);
        fallocate(&file, flags, at, len)?;
        if self.dice.chance(30) { file.sync_all() } else { Ok(()) }
    }

    fn unlink(&mut self) -> io::Result<()> {
        let Some(path) = self.file() else { return Ok(()) };
        self.forget(&path);
        fs::remove_file(path)
    }

    /// To a new name, or over another file.
    fn rename(&mut self) -> io::Result<()> {
        let Some(from) = self.file() else { return Ok(()) };
        let to = match self.file() {
            Some(other) if self.dice.chance(10) => {
                return Ok(renameat_with(CWD, &from, CWD, &other, RenameFlags::EXCHANGE)?);
            }
            Some(over) if over != from && self.dice.chance(40) => over,
            _ => self.new_path(),
        };
        fs::rename(&from, &to)?;
        // Two names of one file: the kernel does nothing.
        if fs::symlink_metadata(&from).is_err() {
            self.forget(&from);
        }
        self.forget(&to);
        self.files.push(to.clone());
        if self.dice.chance(30) { File::open(to)?.sync_all() } else { Ok(()) }
    }

    fn folder(&mut self) -> io::Result<()> {
        let path = self.new_path();
        if path.as_os_str().len() > 600 {
            return Ok(());
        }
        fs::create_dir(&path)?;
        self.folders.push(path);
        Ok(())
    }

    /// A directory of several blocks that lives for one transaction or two, whose blocks are then a file's: the
    /// older content in the log must not come back.
    fn reuse(&mut self) -> io::Result<()> {
        let folder = self.root.join(format!("short-{}", self.made));
        self.made += 1;
        fs::create_dir(&folder)?;
        for nth in 0..50 + self.dice.below(60) {
            File::create(folder.join(format!("{nth:03}-{}", "x".repeat(60))))?;
        }
        File::open(&folder)?.sync_all()?;
        fs::remove_dir_all(&folder)?;
        if self.dice.chance(50) {
            rustix::fs::sync();
        }
        let (path, bytes) = (self.new_path(), self.dice.bytes(40_000));
        let file = File::create(&path)?;
        self.files.push(path);
        file.write_all_at(&bytes, 0)?;
        file.sync_all()
    }

    /// Two files that grow in turn, so that both lie in many extents.
    fn fragments(&mut self) -> io::Result<()> {
        let pair = [self.new_path(), self.new_path()];
        let files = [File::create(&pair[0])?, File::create(&pair[1])?];
        self.files.extend(pair);
        for nth in 0..10 + self.dice.below(50) {
            for file in &files {
                file.write_all_at(&self.dice.bytes(1000), nth * 8192)?;
            }
            if nth % 8 == 0 {
                files[0].sync_data()?;
            }
        }
        Ok(())
    }

    /// A file that shares its blocks with another, where the filesystem can, and is then written to.
    fn share(&mut self) -> io::Result<()> {
        let Some(source) = self.file() else { return Ok(()) };
        let path = self.new_path();
        let (source, shared) = (File::open(source)?, File::create(&path)?);
        self.files.push(path);
        ioctl_ficlone(&shared, &source)?;
        let len = shared.metadata()?.len();
        for _ in 0..self.dice.below(6) {
            let at = self.dice.below(len + 1);
            shared.write_all_at(&self.dice.bytes(700), at)?;
        }
        if self.dice.chance(60) { shared.sync_all() } else { Ok(()) }
    }

    fn link(&mut self) -> io::Result<()> {
        let Some(from) = self.file() else { return Ok(()) };
        let to = self.new_path();
        fs::hard_link(from, &to)?;
        self.files.push(to);
        Ok(())
    }

    fn attribute(&mut self) -> io::Result<()> {
        let Some(path) = self.file() else { return Ok(()) };
        let name = *self.dice.pick(&["user.a", "user.b", "trusted.c"]);
        if self.dice.chance(25) {
            return Ok(removexattr(path, name)?);
        }
        let len = *self.dice.pick(&[5, 90, 900, 3000]);
        Ok(setxattr(path, name, &self.dice.bytes(len), XattrFlags::empty())?)
    }

    fn metadata(&mut self) -> io::Result<()> {
        let Some(path) = self.file() else { return Ok(()) };
        lchown(&path, Some(self.dice.below(1 << 20) as u32), Some(self.dice.below(1 << 20) as u32))?;
        fs::set_permissions(&path, Permissions::from_mode(*self.dice.pick(&[0o600, 0o644, 0o4755, 0o000])))
    }

    fn hold(&mut self) -> io::Result<()> {
        if self.held.len() > 12 {
            self.held.remove(0);
        }
        let (path, bytes) = (self.new_path(), self.bytes());
        let file = File::create(&path)?;
        file.write_all_at(&bytes, 0)?;
        if self.dice.chance(60) {
            file.sync_all()?;
        }
        self.held.push(file);
        fs::remove_file(path)
    }

    fn remove_folder(&mut self) -> io::Result<()> {
        if self.folders.len() < 4 {
            return Ok(());
        }
        let index = 1 + self.dice.below(self.folders.len() as u64 - 1) as usize;
        let folder = self.folders[index].clone();
        self.folders.retain(|other| !other.starts_with(&folder));
        self.files.retain(|file| !file.starts_with(&folder));
        fs::remove_dir_all(folder)
    }

    fn sync(&mut self) -> io::Result<()> {
        let Some(path) = self.file() else { return Ok(()) };
        File::open(path)?.sync_all()
    }
}
