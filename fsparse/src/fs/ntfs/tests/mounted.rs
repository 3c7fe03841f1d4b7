//! Against ntfs-3g: a volume that it filled, compared with what it shows.

use super::{facts, in_units, inode, probe, survey};
use crate::{
    fs::ntfs::lznt1,
    source::memory::MemorySource,
    survey::{Encoding, Stream, Survey},
};
use coldread_model::{FileKind, RangeSet, RowFlags, Timestamp};
use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    os::unix::{
        fs::{FileTypeExt, MetadataExt, symlink},
        net::UnixListener,
    },
    path::{Path, PathBuf},
    process::Command,
};

/// A mounted volume, unmounted when dropped.
pub(super) struct Mount(PathBuf);

impl Mount {
    pub(super) fn new(image: &Path, point: &Path, options: &str) -> Option<Self> {
        let done = Command::new("ntfs-3g").arg(image).arg(point).args(["-o", options]).output().ok()?;
        done.status.success().then(|| Self(point.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn fill(root: &Path) -> std::io::Result<()> {
    for size in [0, 1, 600, 700, 5000, 70_000] {
        fs::write(root.join(format!("file-{size}")), vec![size as u8; size])?;
    }
    fs::create_dir_all(root.join("a/b/漢字"))?;
    fs::hard_link(root.join("file-600"), root.join("a/b/linked"))?;
    symlink("file-600", root.join("short"))?;
    symlink("ü/".repeat(400), root.join("a/long"))?;
    let mut sparse = fs::File::create(root.join("sparse"))?;
    for at in (0..400u64).step_by(3) {
        sparse.seek(SeekFrom::Start(at * 8192))?;
        sparse.write_all(format!("{at}").as_bytes())?;
    }
    sparse.set_len(5 << 20)?;
    fs::write(root.join("file-700:notes"), b"said beside")?;
    fs::write(root.join("file-700:large"), vec![7; 9000])?;
    let packed = root.join("packed");
    fs::create_dir(&packed)?;
    let _ = Command::new("setfattr")
        .args(["-n", "system.ntfs_attrib_be", "-v", "0x00000810"])
        .arg(&packed)
        .status();
    fs::write(packed.join("text"), b"the same words again ".repeat(9000))?;
    for number in 0..300 {
        fs::write(root.join(format!("a/b/entry-{number:04}")), b"")?;
    }
    for number in (0..300).step_by(2) {
        fs::remove_file(root.join(format!("a/b/entry-{number:04}")))?;
    }
    Ok(())
}

/// Makes devices and the like, as Interix or WSL has them.
fn fill_special(root: &Path, prefix: &str) {
    for (name, kind) in [("fifo", &["p"][..]), ("char", &["c", "4", "65"]), ("block", &["b", "8", "17"])] {
        let _ = Command::new("mknod").arg(root.join(format!("{prefix}-{name}"))).args(kind).status();
    }
    let _ = UnixListener::bind(root.join(format!("{prefix}-socket")));
    let _ = symlink(format!("{prefix}/ü"), root.join(format!("{prefix}-link")));
}

fn content(image: &[u8], survey: &Survey, stream: &Stream) -> Vec<u8> {
    let mut out = vec![0; stream.size as usize];
    let mut put = |at: u64, bytes: &[u8]| {
        let at = (at as usize).min(out.len());
        let len = bytes.len().min(out.len() - at);
        out[at..at + len].copy_from_slice(&bytes[..len]);
    };
    match stream.encoding {
        Encoding::Inline(span) => put(0, survey.bytes(span)),
        Encoding::Lznt1 { extents, unit_bytes } => {
            for unit in survey.extents[extents.range()]
                .chunk_by(|a, b| a.logical / u64::from(unit_bytes) == b.logical / u64::from(unit_bytes))
            {
                let bytes: Vec<u8> = unit
                    .iter()
                    .flat_map(|extent| &image[extent.physical as usize..][..extent.len as usize])
                    .copied()
                    .collect();
                let mut plain = Vec::new();
                assert!(bytes.len() < unit_bytes as usize, "this test's files shrink");
                lznt1::decompress(&bytes, &mut plain, unit_bytes as usize).unwrap();
                put(unit[0].logical, &plain);
            }
        }
        _ => {
            for extent in survey.extents_of(stream) {
                put(extent.logical, &image[extent.physical as usize..][..extent.len as usize]);
            }
        }
    }
    out.truncate(stream.size as usize);
    out[stream.initialized as usize..].fill(0);
    out
}

fn compare(root: &Path, directory: &Path, number: u64, image: &[u8], survey: &Survey) {
    let mut shown = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let name = path.file_name().unwrap().as_encoded_bytes().to_vec();
        let ours = inode(survey, meta.ino());
        let kind = match meta.file_type() {
            kind if kind.is_dir() => FileKind::Dir,
            kind if kind.is_symlink() => FileKind::Symlink,
            kind if kind.is_fifo() => FileKind::Fifo,
            kind if kind.is_socket() => FileKind::Socket,
            kind if kind.is_char_device() => FileKind::Char,
            kind if kind.is_block_device() => FileKind::Block,
            _ => FileKind::File,
        };
        assert_eq!(ours.kind, kind, "{}", path.display());
        for (time, seconds, nanos) in [
            (ours.mtime, meta.mtime(), meta.mtime_nsec()),
            (ours.ctime, meta.ctime(), meta.ctime_nsec()),
            (ours.atime, meta.atime(), meta.atime_nsec()),
        ] {
            assert_eq!(time, Timestamp::new(seconds, nanos as u32), "{}", path.display());
        }
        if ours.flags.contains(RowFlags::DEVICE) {
            let (major, minor) = ((meta.rdev() >> 8 & 0xfff) as u32, (meta.rdev() & 0xff) as u32);
            assert_eq!(ours.rdev, (major, minor), "{}", path.display());
        }
        if ours.flags.contains(RowFlags::SIZED) {
            assert_eq!({ ours.size }, meta.len(), "{}", path.display());
        }
        match kind {
            FileKind::Symlink => {
                let target = fs::read_link(&path).unwrap();
                assert_eq!(survey.bytes(ours.target), target.as_os_str().as_encoded_bytes());
            }
            FileKind::Dir => compare(root, &path, meta.ino(), image, survey),
            _ => {
                assert_eq!(u64::from(ours.nlink), meta.nlink(), "{}", path.display());
                for stream in survey.streams_of(ours) {
                    let mut place = path.clone().into_os_string();
                    if stream.name.len > 0 {
                        place.push(format!(":{}", String::from_utf8_lossy(survey.bytes(stream.name))));
                    }
                    let mut bytes = Vec::new();
                    fs::File::open(&place).unwrap().read_to_end(&mut bytes).unwrap();
                    assert!(content(image, survey, stream) == bytes, "{}", path.display());
                }
            }
        }
        shown.push((name, meta.ino()));
    }
    let not_shown = RowFlags::INTERNAL | RowFlags::DELETED;
    let hidden = |child: u64| inode(survey, child).flags.intersects(not_shown);
    let entries = survey.entries.iter().filter(|entry| entry.parent == number && !hidden(entry.child));
    let mut ours: Vec<_> = entries.map(|entry| (survey.bytes(entry.name).to_vec(), entry.child)).collect();
    ours.sort_unstable();
    shown.sort_unstable();
    assert_eq!(ours, shown, "{}", directory.strip_prefix(root).unwrap().display());
}

/// Makes, fills and compares a volume with these clusters; `None` where the tools or root are missing.
fn check(sector: &str, cluster: &str) -> Option<()> {
    let directory = tempfile::tempdir().ok()?;
    let (path, point) = (directory.path().join("image"), directory.path().join("point"));
    fs::create_dir(&point).ok()?;
    fs::write(&path, b"noise ".repeat(3 << 20)).ok()?;
    let made = Command::new("mkntfs")
        .args(["-q", "-F", "-f", "-L", "Größe", "-s", sector, "-c", cluster])
        .arg(&path)
        .output()
        .ok()?;
    made.status.success().then_some(())?;
    let options = "streams_interface=windows,compression";
    let mount = Mount::new(&path, &point, options)?;
    fill(&point).unwrap();
    fill_special(&point, "interix");
    drop(mount);
    if let Some(mount) = Mount::new(&path, &point, &format!("{options},special_files=wsl")) {
        fill_special(&point, "wsl");
        drop(mount);
    }
    let image = fs::read(&path).unwrap();
    let source = MemorySource::new(image.clone());
    let probed = probe(&source).unwrap();
    assert_eq!((&probed.gaps[..], probed.label.as_deref()), (&[][..], Some("Größe")));
    let found = survey(&source, &probed.geometry, 0..probed.units);
    assert_eq!(found.gaps, []);
    assert_eq!(facts(&in_units(&source, &probed)), facts(&found));
    let mut all: RangeSet = found.metadata.clone();
    all.extend(&found.free);
    found.extents.iter().for_each(|e| all.insert(coldread_model::ByteRange::new(e.physical, e.len)));
    assert_eq!(all.total(), probed.size_bytes, "every byte of the volume is accounted for");
    let _mount = Mount::new(&path, &point, &format!("ro,{options}"))?;
    compare(&point, &point, 5, &image, &found);
    Some(())
}

#[test]
fn volumes_that_ntfs_3g_filled_read_as_it_shows_them() {
    for (sector, cluster) in
        [("512", "512"), ("512", "4096"), ("512", "65536"), ("512", "131072"), ("4096", "4096")]
    {
        if check(sector, cluster).is_none() {
            println!("skipped: needs root, mkntfs and ntfs-3g");
            return;
        }
    }
}
