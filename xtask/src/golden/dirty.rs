//! Small filesystems that were stopped while in use: what the fuzz targets of the journals damage.

use crate::host::{Failure, Mounted, at, run};
use rustix::fs::{FallocateFlags, fallocate, sync};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, symlink},
    },
    path::Path,
};
use tests::crash::jbd2;

/// A recipe.
pub(super) struct Dirty {
    /// Name of the image.
    pub(super) name: &'static str,
    filesystem: &'static str,
    bytes: u64,
    mkfs: &'static [&'static str],
    options: &'static str,
    /// The work; how often its turns are repeated.
    work: fn(&Path, usize) -> Result<(), Failure>,
    /// What must occur in its journal.
    facts: &'static [&'static str],
}

const MIB: u64 = 1 << 20;
const UUID: &str = super::UUID;

/// Every dirty image.
pub(super) const DIRTY: [Dirty; 4] = [
    Dirty {
        name: "ext4-dirty",
        filesystem: "ext4",
        bytes: 4 * MIB,
        mkfs: &["mkfs.ext4", "-q", "-F", "-b", "1024", "-J", "size=1", "-O", "orphan_file", "-U", UUID],
        options: "loop,noatime",
        work: wrapped,
        facts: &[jbd2::REVOKES, jbd2::ESCAPES, jbd2::WRAPS],
    },
    Dirty {
        name: "ext3-dirty",
        filesystem: "ext3",
        bytes: 4 * MIB,
        mkfs: &["mkfs.ext3", "-q", "-F", "-b", "1024", "-J", "size=1", "-U", UUID],
        options: "loop,noatime",
        work: wrapped,
        facts: &[jbd2::REVOKES, jbd2::ESCAPES, jbd2::WRAPS],
    },
    Dirty {
        name: "ext4-fast",
        filesystem: "ext4",
        bytes: 6 * MIB,
        mkfs: &["mkfs.ext4", "-q", "-F", "-b", "1024", "-J", "size=2", "-O", "fast_commit", "-U", UUID],
        options: "loop,noatime",
        work: fast,
        facts: &[jbd2::FAST],
    },
    Dirty {
        name: "xfs-dirty",
        filesystem: "xfs",
        bytes: 16 * MIB,
        mkfs: &[
            "mkfs.xfs",
            "--unsupported",
            "-q",
            "-m",
            "uuid=c01d5ead-0000-4000-8000-000000000001",
            "-d",
            "agcount=1",
            "-l",
            "size=6m",
        ],
        options: "loop,noatime",
        work: plain,
        facts: &[],
    },
];

impl Dirty {
    /// The image's bytes as they were when it was stopped. Where the log's head is then is the kernel's choice: it
    /// is tried until everything occurs.
    pub(super) fn make(&self, work: &Path) -> Result<Vec<u8>, Failure> {
        for turns in 20..80 {
            let made = self.attempt(work, turns)?;
            let copy = work.join("stopped");
            at(&copy, fs::write(&copy, &made))?;
            let found = if self.facts.is_empty() { BTreeSet::new() } else { jbd2::facts(&copy) };
            if self.facts.iter().all(|fact| found.contains(fact)) {
                return Ok(made);
            }
        }
        Err(Failure(format!("{}: {} did not come about", self.name, self.facts.join(", "))))
    }

    fn attempt(&self, work: &Path, turns: usize) -> Result<Vec<u8>, Failure> {
        let image = work.join(self.name);
        at(&image, File::create(&image).and_then(|file| file.set_len(self.bytes)))?;
        let arguments: Vec<&OsStr> = self.mkfs[1..].iter().map(OsStr::new).chain([image.as_ref()]).collect();
        run(self.mkfs[0], &arguments)?;
        let point = work.join("mnt");
        at(&point, fs::create_dir_all(&point))?;
        let mounted = Mounted::with(&image, &point, self.filesystem, self.options)?;
        super::fill(mounted.point(), self.filesystem)?;
        sync();
        // Open and unlinked: an orphan.
        let held = mounted.point().join("held");
        let open = at(&held, File::create(&held))?;
        at(&held, open.write_all_at(&[7; 5000], 0).and_then(|()| open.sync_all()))?;
        at(&held, fs::remove_file(&held))?;
        (self.work)(mounted.point(), turns)?;
        let words = ["-x", "-c", "shutdown"].map(OsStr::new);
        run("xfs_io", &[&words[..], &[mounted.point().as_ref()]].concat())?;
        let made = at(&image, fs::read(&image))?;
        drop(open);
        mounted.unmount()?;
        Ok(made)
    }
}

/// A link whose block starts with the journal's magic number, which its log must escape; it is journaled like a
/// directory's. Then a file that takes blocks.
fn magic(path: &Path, blocks: usize) -> Result<(), Failure> {
    let target = [&[0xC0, 0x3B, 0x39, 0x98][..], &[b't'; 100]].concat();
    let link = path.with_extension("link");
    if fs::symlink_metadata(&link).is_ok() {
        at(&link, fs::remove_file(&link))?;
    }
    at(&link, symlink(OsStr::from_bytes(&target), &link))?;
    let file = at(path, File::create(path))?;
    at(path, file.write_all_at(&vec![0x5A; blocks << 10], 0))?;
    at(path, file.sync_all())
}

/// Directories whose blocks become a file's, names that move, a file cut short.
fn turn(root: &Path, nth: usize) -> Result<(), Failure> {
    let short = root.join("brief");
    at(&short, fs::create_dir(&short))?;
    for file in 0..30 {
        let path = short.join(format!("name-{file}-is-rather-long-so-that-it-takes-some-room"));
        at(&path, File::create(&path))?;
    }
    at(&short, File::open(&short).and_then(|folder| folder.sync_all()))?;
    at(&short, fs::remove_dir_all(&short))?;
    magic(&root.join(format!("data-{}", nth % 4)), 12)
}

/// More than the log of 1 MiB has room for, so that it goes over its end.
fn wrapped(root: &Path, turns: usize) -> Result<(), Failure> {
    for nth in 0..turns {
        turn(root, nth)?;
    }
    plain(root, 1)
}

fn plain(root: &Path, _: usize) -> Result<(), Failure> {
    turn(root, 1)?;
    let kept = root.join("kept");
    at(&kept, fs::create_dir(&kept))?;
    at(&kept, fs::rename(root.join("data-1"), kept.join("moved")))?;
    at(&kept, fs::hard_link(root.join("fragmented"), kept.join("again")))?;
    at(&kept, symlink("target", kept.join("link")))?;
    at(
        &kept,
        OpenOptions::new().write(true).open(root.join("fragmented")).and_then(|file| file.set_len(9000)),
    )?;
    magic(&kept.join("last"), 3)
}

/// What fast commits can say.
fn fast(root: &Path, _: usize) -> Result<(), Failure> {
    let path = |nth: usize| root.join(format!("old-{nth}"));
    for nth in 1..9 {
        at(&path(nth), fs::write(path(nth), vec![nth as u8; nth * 3000]))?;
    }
    sync();
    let open = |nth: usize| at(&path(nth), OpenOptions::new().write(true).open(path(nth)));
    at(root, fs::rename(path(1), root.join("new-name")))?;
    at(root, fs::remove_file(path(2)))?;
    at(root, fs::hard_link(path(3), root.join("again")))?;
    at(&path(5), open(5)?.set_len(5000))?;
    at(&path(6), open(6)?.write_all_at(b"more", 18_000))?;
    fallocate(&open(7)?, FallocateFlags::empty(), 30_000, 8000)?;
    fallocate(&open(8)?, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 2048, 4096)?;
    for nth in 0..4 {
        let new = root.join(format!("file-{nth}"));
        let file = at(&new, File::create(&new))?;
        at(&new, file.write_all_at(&[nth as u8; 3000], nth * 9000))?;
        at(&new, file.sync_all())?;
    }
    at(&path(6), open(6)?.sync_all())
}
