//! What a survey finds is what the kernel shows.

use super::image::{all, fill, noise, ran};
use crate::survey::{Encoding, Inode, Survey};
use coldread_model::{FileKind, RowFlags, Timestamp};
use std::{
    fs,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::Path,
    process::Command,
};

/// A stream's bytes.
fn content(image: &[u8], survey: &Survey, inode: &Inode) -> Vec<u8> {
    let stream = &survey.streams_of(inode)[0];
    let mut bytes = vec![0; stream.size as usize];
    if let Encoding::Inline(span) = stream.encoding {
        let inline = survey.bytes(span);
        bytes[..inline.len()].copy_from_slice(inline);
    }
    for extent in survey.extents_of(stream).iter().filter(|extent| !extent.unwritten) {
        let from = (extent.logical as usize).min(bytes.len());
        let len = (extent.len as usize).min(bytes.len() - from);
        bytes[from..from + len].copy_from_slice(&image[extent.physical as usize..][..len]);
    }
    bytes
}

/// Compares a directory of the mount, and all below, with the survey; counts what it saw. Recovery sets some
/// times anew: those are compared if `times`.
pub(super) fn compare(image: &[u8], survey: &Survey, number: u64, path: &Path, times: bool) -> usize {
    let found = survey.inodes.iter().find(|inode| inode.number == number).unwrap();
    let wanted = fs::symlink_metadata(path).unwrap();
    let time = |seconds, nanos| Timestamp::new(seconds, nanos as u32);
    assert_eq!(number, wanted.ino(), "{path:?}");
    assert_eq!(u32::from(found.mode), wanted.mode() & 0o7777, "{path:?}");
    assert_eq!((found.uid, found.gid), (wanted.uid(), wanted.gid()), "{path:?}");
    assert_eq!(u64::from(found.nlink), wanted.nlink(), "{path:?}");
    if times {
        assert_eq!(found.mtime, time(wanted.mtime(), wanted.mtime_nsec()), "{path:?}");
        assert_eq!(found.ctime, time(wanted.ctime(), wanted.ctime_nsec()), "{path:?}");
    }
    assert_eq!(found.atime, time(wanted.atime(), wanted.atime_nsec()), "{path:?}");
    assert_eq!(found.flags.contains(RowFlags::BORN), wanted.created().is_ok(), "{path:?}");
    match found.kind {
        FileKind::File => {
            assert_eq!({ found.size }, wanted.size(), "{path:?}");
            assert!(content(image, survey, found) == fs::read(path).unwrap(), "{path:?}");
        }
        FileKind::Symlink => {
            assert_eq!({ found.size }, wanted.size(), "{path:?}");
            assert_eq!(survey.bytes(found.target), fs::read_link(path).unwrap().as_os_str().as_bytes());
        }
        FileKind::Dir => {
            let mut names: Vec<_> = survey
                .entries
                .iter()
                .filter(|entry| entry.parent == number)
                .map(|entry| (survey.bytes(entry.name).to_vec(), entry.child))
                .collect();
            names.sort();
            let mut listed: Vec<_> =
                fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            listed.sort();
            assert!(
                names.iter().map(|name| &name.0[..]).eq(listed.iter().map(|name| name.as_bytes())),
                "{path:?}"
            );
            return 1 + listed
                .iter()
                .zip(&names)
                .map(|(name, (_, child))| compare(image, survey, *child, &path.join(name), times))
                .sum::<usize>();
        }
        FileKind::Char => {
            let device = wanted.rdev();
            let (major, minor) = (device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00);
            assert_eq!((u64::from(found.rdev.0), u64::from(found.rdev.1)), (major, minor), "{path:?}");
        }
        _ => {}
    }
    1
}

#[test]
fn rows_and_contents_are_what_the_kernel_shows() {
    for (shape, births) in [
        (&["-t", "ext4"][..], true),
        (&["-t", "ext4", "-b", "1024", "-O", "inline_data,ea_inode"], true),
        (&["-t", "ext4", "-O", "bigalloc", "-C", "16384"], true),
        (&["-t", "ext4", "-I", "128", "-O", "^metadata_csum"], false),
        (&["-t", "ext4", "-O", "orphan_file,quota,project,mmp,metadata_csum_seed"], true),
        (&["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,uninit_bg,^flex_bg"], true),
        (&["-t", "ext3", "-b", "1024"], true),
        (&["-t", "ext2", "-b", "1024", "-I", "128"], false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (point, image) = (dir.path().join("point"), dir.path().join("image"));
        fs::create_dir(&point).unwrap();
        fs::write(&image, noise(16 << 20)).unwrap();
        let image = image.to_str().unwrap();
        let point = point.to_str().unwrap();
        let line = [&["-q", "-F", "-E", "nodiscard"][..], shape, &[image]].concat();
        if !ran("mke2fs", &line) || !ran("mount", &["-o", "loop", image, point]) {
            return;
        }
        fill(Path::new(point));
        let script = "cd \"$1\" && mknod null c 1 3 && mknod high c 300 70000 && mkfifo pipe && \
            truncate -s 4M sparse && echo end >> sparse && \
            chmod 4751 empty && chown 70000:80000 empty && touch -d '2100-02-03 04:05:06.7' empty && \
            touch -d '1955-02-03 04:05:06' short && rm many/entry-00*; \
            ! fallocate -l 100000 one/unwritten || echo middle | dd of=one/unwritten bs=1 seek=50000 conv=notrunc; true";
        let filled = Command::new("sh").args(["-ec", script, "sh", point]).output();
        let remounted = ran("umount", &[point]) && ran("mount", &["-o", "loop,ro", image, point]);
        assert!(remounted);
        assert!(filled.unwrap().status.success());
        let bytes = fs::read(image).unwrap();
        let (probed, found) = all(bytes.clone());
        let seen = compare(&bytes, &found, 2, Path::new(point), true);
        assert!(ran("umount", &[point]));
        assert!(seen > 200, "{shape:?}: {seen}");
        assert_eq!((probed.gaps, &found.gaps[..]), (vec![], &[][..]), "{shape:?}");
        let born = found.inodes.iter().filter(|inode| inode.flags.contains(RowFlags::BORN)).count();
        assert_eq!(born > 200, births, "{shape:?}");
    }
}
