//! What the running kernel shows of an image that it filled itself, against what the survey finds.

use super::{has_tool, hex, mkfs, probe, survey_all, tree};
use crate::{
    fs::{Filesystem, xfs::Xfs},
    survey::{Encoding, Inode, Survey},
};
use coldread_model::{FileKind, RowFlags, Timestamp, VolumeState, listing::Xattrs};
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    process::Command,
    time::UNIX_EPOCH,
};

/// A mounted image; unmounted when dropped.
pub(super) struct Mount(PathBuf);

impl Mount {
    pub(super) fn new(image: &Path, at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let done = Command::new("mount").args(["-t", "xfs", "-o", options]).arg(image).arg(at).output();
        match done {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            Ok(output) => {
                println!("skipped: no mount: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                println!("skipped: no mount: {error}");
                None
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A child that another test has just forked holds our files open until it runs its program.
        for _ in 0..50 {
            if Command::new("umount").arg(&self.0).status().is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}

fn attribute(path: &Path, name: &str, value: &[u8]) {
    super::must(
        Command::new("setfattr").args(["-h", "-n", name, "-v", &format!("0x{}", hex(value))]).arg(path),
    );
}

/// Fills a filesystem with a file of every shape.
fn fill(root: &Path, fragmented: bool) {
    let at = |name: &str| root.join(name);
    // All free space in single blocks, so that directory blocks and files lie in many extents.
    fs::create_dir(at("many")).unwrap();
    let holes = fs::File::create(at("holes")).unwrap();
    for number in 0..500u64 {
        holes.write_all_at(b"not a hole", number * 8192).unwrap();
    }
    fs::File::create(at("large")).unwrap().write_all(&vec![0x5a; 700_001]).unwrap();
    super::must(
        Command::new("xfs_io")
            .args(["-f", "-c", "falloc 0 300000", "-c", "pwrite -S 7 5000 99"])
            .arg(at("unwritten")),
    );
    symlink("t".repeat(1023), at("link-1023")).unwrap();
    symlink("u".repeat(500), at("link-500")).unwrap();
    symlink("short", at("link-5")).unwrap();
    for (name, kind, device) in [("char", "c", ["13", "262143"]), ("block", "b", ["511", "9"])] {
        super::must(Command::new("mknod").arg(at(name)).arg(kind).args(device));
    }
    super::must(Command::new("mkfifo").arg(at("fifo")));
    drop(std::os::unix::net::UnixListener::bind(at("socket")).unwrap());
    fs::hard_link(at("large"), at("large-again")).unwrap();
    fs::set_permissions(at("large"), fs::Permissions::from_mode(0o4751)).unwrap();
    std::os::unix::fs::lchown(at("link-5"), Some(70_000), Some(3_000_000_000)).unwrap();
    for (name, seconds) in [("early", "@-1000000000.25"), ("late", "@2147483646.999999999")] {
        super::must(Command::new("touch").args(["-d", seconds]).arg(at(name)));
    }
    for (name, count, len) in [("one", 1, 5), ("leaf", 20, 60), ("node", 300, 150), ("remote", 6, 9000)] {
        fs::write(at(name), name).unwrap();
        for number in 0..count {
            attribute(&at(name), &format!("user.attribute-{number}"), &vec![number as u8; len]);
        }
    }
    attribute(&at("one"), "trusted.t", b"trusted");
    attribute(&at("one"), "security.s", b"");
    attribute(&at("many"), "user.largest", &vec![3; 60_000]);
    super::must(Command::new("setfacl").args(["-m", "u:1000:rw,g:7:r"]).arg(at("leaf")));
    super::must(Command::new("setfacl").args(["-d", "-m", "u:1000:rwx"]).arg(at("many")));
    if !fragmented {
        return;
    }
    fragment(root);
    // Names until the larger runs of free space are used up, and then some: directory blocks that lie in several extents.
    let name = |number: usize| at(&format!("many/{number:06}-{}", "n".repeat(200 + number % 40)));
    let end = (0..30_000).find(|&number| fs::hard_link(at("large"), name(number)).is_err()).unwrap_or(30_000);
    for number in (0..end).step_by(3) {
        fs::remove_file(name(number)).unwrap();
    }
}

/// Leaves much of the free space in single blocks.
fn fragment(root: &Path) {
    super::must(Command::new("xfs_io").args(["-f", "-c", "falloc 0 34m"]).arg(root.join("ballast")));
    fs::create_dir(root.join("comb")).unwrap();
    let tooth = |number: u32| root.join(format!("comb/{number}"));
    let full = (0..40_000).find(|&number| fs::write(tooth(number), [7; 900]).is_err());
    super::must(Command::new("sync").arg("-f").arg(root));
    for number in (0..=full.expect("the filesystem fills up")).step_by(2) {
        let _ = fs::remove_file(tooth(number));
    }
    // Freezing waits until the removed files' blocks are free.
    super::must(Command::new("xfs_io").args(["-x", "-c", "freeze", "-c", "thaw"]).arg(root));
}

/// Every path's attributes as getfattr lists them to root.
fn attributes(root: &Path) -> BTreeMap<Vec<u8>, BTreeMap<String, String>> {
    let output = Command::new("getfattr")
        .args(["-R", "-P", "-h", "-d", "-m", "-", "-e", "hex", "."])
        .current_dir(root)
        .output()
        .unwrap();
    let mut found: BTreeMap<Vec<u8>, BTreeMap<String, String>> = BTreeMap::new();
    let mut path = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        if let Some(name) = line.strip_prefix("# file: ") {
            path = if name == "." { Vec::new() } else { format!("/{name}").into_bytes() };
        } else if !line.is_empty() {
            let (name, value) = line.split_once('=').unwrap_or((line, ""));
            let value = value.strip_prefix("0x").unwrap_or_default();
            found.entry(path.clone()).or_default().insert(name.to_owned(), value.to_owned());
        }
    }
    found
}

fn content(image: &[u8], found: &Survey, inode: &Inode) -> Vec<u8> {
    let mut content = vec![0; inode.size as usize];
    for stream in found.streams_of(inode) {
        assert!(matches!(stream.encoding, Encoding::Plain(_)));
        for extent in found.extents_of(stream).iter().filter(|extent| !extent.unwritten) {
            let start = (extent.logical as usize).min(content.len());
            let len = (extent.len as usize).min(content.len() - start);
            let from = extent.physical as usize;
            content[start..start + len].copy_from_slice(&image[from..from + len]);
        }
    }
    content
}

/// Compares everything under `path`, and hands back how many names there are.
pub(super) fn compare(
    path: &Path,
    shown: &[u8],
    image: &[u8],
    found: &Survey,
    ours: &BTreeMap<Vec<u8>, &Inode>,
) -> usize {
    let name = String::from_utf8_lossy(shown);
    let theirs = fs::symlink_metadata(path).unwrap();
    let inode = ours.get(shown).unwrap_or_else(|| panic!("{name} is missing"));
    let kind = match theirs.file_type() {
        kind if kind.is_dir() => FileKind::Dir,
        kind if kind.is_symlink() => FileKind::Symlink,
        kind if kind.is_char_device() => FileKind::Char,
        kind if kind.is_block_device() => FileKind::Block,
        kind if kind.is_fifo() => FileKind::Fifo,
        kind if kind.is_socket() => FileKind::Socket,
        _ => FileKind::File,
    };
    assert_eq!(inode.kind, kind, "{name}");
    assert_eq!({ inode.number }, theirs.ino(), "{name}");
    assert_eq!(u32::from(inode.mode), theirs.mode() & 0o7777, "{name}");
    assert_eq!((inode.uid, inode.gid), (theirs.uid(), theirs.gid()), "{name}");
    assert_eq!(u64::from(inode.nlink), theirs.nlink(), "{name}");
    let time = |seconds: i64, nanos: i64| Timestamp::new(seconds, nanos as u32);
    assert_eq!(inode.mtime, time(theirs.mtime(), theirs.mtime_nsec()), "{name}");
    assert_eq!(inode.ctime, time(theirs.ctime(), theirs.ctime_nsec()), "{name}");
    assert_eq!(inode.atime, time(theirs.atime(), theirs.atime_nsec()), "{name}");
    let born = theirs.created().unwrap().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(inode.crtime, Timestamp::new(born.as_secs() as i64, born.subsec_nanos()), "{name}");
    if inode.flags.contains(RowFlags::DEVICE) {
        let (major, minor) = inode.rdev;
        let shown = u64::from(minor & 0xff | major << 8) | u64::from(minor & !0xff) << 12;
        assert_eq!(shown, theirs.rdev(), "{name}");
    }
    match kind {
        FileKind::File => {
            assert_eq!({ inode.size }, theirs.len(), "{name}");
            assert!(content(image, found, inode) == fs::read(path).unwrap(), "content of {name}");
        }
        FileKind::Symlink => {
            assert_eq!({ inode.size }, theirs.len(), "{name}");
            let target = fs::read_link(path).unwrap();
            assert_eq!(found.bytes(inode.target), target.as_os_str().as_bytes(), "{name}");
        }
        FileKind::Dir => {
            return fs::read_dir(path).unwrap().fold(1, |count, entry| {
                let entry = entry.unwrap();
                let child = [shown, b"/", entry.file_name().as_bytes()].concat();
                count + compare(&entry.path(), &child, image, found, ours)
            });
        }
        _ => {}
    }
    1
}

#[test]
fn the_kernel_shows_the_same() {
    if !["mkfs.xfs", "xfs_io"].into_iter().all(has_tool) {
        return;
    }
    for tool in ["setfattr", "getfattr", "setfacl"] {
        if Command::new(tool).arg("--version").output().is_err() {
            println!("skipped: {tool} is not installed");
            return;
        }
    }
    let variants: [&[&str]; 4] = [
        &["-b", "size=1024", "-n", "size=16384"],
        &["-b", "size=4096", "-m", "rmapbt=1,reflink=1", "-i", "nrext64=1"],
        &["-b", "size=4096", "-i", "size=2048", "-m", "bigtime=0,finobt=0,reflink=0"],
        &["-b", "size=2048", "-n", "size=65536", "-s", "size=2048"],
    ];
    for (variant, options) in variants.into_iter().enumerate() {
        let scratch = tempfile::tempdir().unwrap();
        let (image, point) = (scratch.path().join("image"), scratch.path().join("mount"));
        mkfs(&image, 64, options, None);
        let Some(mount) = Mount::new(&image, &point, "loop") else { return };
        fill(&point, variant == 0);
        super::must(Command::new("sync").arg("-f").arg(&point));
        let in_use = probe(&fs::read(&image).unwrap()).unwrap();
        assert_eq!(in_use.state, VolumeState::Replayed, "{options:?}");
        drop(mount);

        let bytes = fs::read(&image).unwrap();
        let (probed, found) = survey_all(&bytes);
        assert_eq!((probed.state, probed.reason.as_str()), (VolumeState::Clean, ""), "{options:?}");
        assert_eq!(found.gaps, [], "{options:?}");
        let ours = tree(&found, Xfs.root(&probed.geometry).unwrap());
        let Some(_mount) = Mount::new(&image, &point, "loop,ro") else { return };
        assert_eq!(compare(&point, b"", &bytes, &found, &ours), ours.len(), "{options:?}");
        let mut our_attributes = BTreeMap::new();
        for (path, inode) in &ours {
            let list: BTreeMap<String, String> = Xattrs(found.bytes(inode.xattrs))
                .map(|(name, value)| (String::from_utf8(name.to_vec()).unwrap(), hex(value)))
                .collect();
            if !list.is_empty() {
                our_attributes.insert(path.clone(), list);
            }
        }
        assert!(our_attributes == attributes(&point), "attributes, {options:?}");
    }
}
