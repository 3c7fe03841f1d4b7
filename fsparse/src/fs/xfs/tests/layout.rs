//! Versions and geometries, on images that need no mount; the log's state; division into units.

use super::{super::be::checksums, probe, prototype_image, survey, survey_all, tree};
use crate::{
    fs::{Filesystem, xfs::Xfs},
    survey::{Encoding, Survey},
};
use coldread_model::{ByteRange, FileKind, GapKind, RangeSet, RowFlags, VolumeState};

/// Long enough to need blocks of its own in a version 4 inode.
const LONG: &str = "0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/\
                    0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/\
                    0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/end";

const VARIANTS: [(&[&str], &str); 11] = [
    (&["-m", "crc=0", "-n", "ftype=0"], LONG),
    (&["-m", "crc=0", "-b", "size=512", "-n", "size=4096"], LONG),
    (&["-m", "crc=0", "-i", "attr=1", "-b", "size=1024"], LONG),
    (&["-m", "crc=0", "-n", "version=ci", "-l", "version=1"], LONG),
    (&["-m", "crc=0", "-i", "attr=0,projid32bit=0,size=2048", "-l", "lazy-count=0"], LONG),
    (&["-m", "crc=0", "-b", "size=32768", "-s", "size=4096", "-d", "agcount=2"], LONG),
    (&["-b", "size=2048", "-m", "finobt=0,inobtcount=0,reflink=0,bigtime=0", "-i", "sparse=0"], "local"),
    (&["-d", "agcount=2", "-l", "su=256k", "-s", "size=4096", "-n", "version=ci"], "local"),
    // mkfs writes remote links of version 5 without their headers, so these stay short.
    (&["-b", "size=1024", "-n", "size=8192", "-m", "rmapbt=1"], "local"),
    (&["-b", "size=4096", "-n", "size=65536", "-i", "nrext64=1"], "local"),
    (&["-b", "size=16384", "-i", "size=2048", "-d", "agcount=2"], "local"),
];

fn left_over(found: &Survey, size_bytes: u64) -> u64 {
    let mut known: RangeSet = found.metadata.clone();
    known.extend(&found.free);
    for extent in &found.extents {
        known.insert(ByteRange::new(extent.physical, extent.len));
    }
    size_bytes - known.total()
}

#[test]
fn every_variant_is_read_in_full_and_every_byte_accounted_for() {
    for (options, target) in VARIANTS {
        let Some(image) = prototype_image(options, 1500, target) else { return };
        let (probed, found) = survey_all(&image);
        assert_eq!(probed.state, VolumeState::Clean, "{options:?}");
        assert_eq!(probed.gaps, []);
        assert_eq!(found.gaps, [], "{options:?}");
        assert_eq!(left_over(&found, probed.size_bytes), 0, "{options:?}");
        let paths = tree(&found, Xfs.root(&probed.geometry).unwrap());
        assert_eq!(paths.len(), 1500 + 11, "{options:?}");
        for number in 0..1500u32 {
            let path = format!("/many/entry-{number:05}-{}", "n".repeat(number as usize % 90));
            let inode = paths[path.as_bytes()];
            assert_eq!((inode.uid, inode.gid, inode.mode, inode.size), (number, 7, 0o644, 0));
        }
        assert_eq!(found.bytes(paths[b"/long".as_slice()].target), target.as_bytes());
        assert_eq!(found.bytes(paths[b"/short".as_slice()].target), b"abc");
        assert_eq!(paths[b"/char".as_slice()].rdev, (5, 1000));
        assert_eq!(paths[b"/block".as_slice()].rdev, (4000, 70000));
        assert_eq!(paths[b"/fifo".as_slice()].kind, FileKind::Fifo);
        assert_eq!(paths[b"/sub/deep".as_slice()].nlink, 2);
        let file = paths[b"/file".as_slice()];
        let mut content = vec![0; file.size as usize];
        for extent in found.extents_of(&found.streams_of(file)[0]) {
            let (start, from) = (extent.logical as usize, extent.physical as usize);
            let len = (extent.len as usize).min(content.len() - start);
            content[start..start + len].copy_from_slice(&image[from..from + len]);
        }
        assert_eq!(content, b"hello".repeat(3000));
    }
}

/// What does not depend on the order of arrival.
fn comparable(found: &Survey) -> impl PartialEq + std::fmt::Debug + use<> {
    let inodes: Vec<_> = found
        .inodes
        .iter()
        .map(|inode| {
            let streams: Vec<_> = found
                .streams_of(inode)
                .iter()
                .map(|stream| {
                    let plain = matches!(stream.encoding, Encoding::Plain(_));
                    (stream.size, plain, found.extents_of(stream).to_vec())
                })
                .collect();
            let (target, xattrs) = (found.bytes(inode.target).to_vec(), found.bytes(inode.xattrs).to_vec());
            (inode.number, inode.kind, inode.flags, inode.size, inode.mtime, target, xattrs, streams)
        })
        .collect();
    let mut entries: Vec<_> = found
        .entries
        .iter()
        .map(|entry| (entry.parent, found.bytes(entry.name).to_vec(), entry.child))
        .collect();
    entries.sort();
    let (metadata, free) = (found.metadata.clone().into_ranges(), found.free.clone().into_ranges());
    let mut gaps = found.gaps.clone();
    gaps.sort();
    (inodes, entries, metadata, free, gaps)
}

#[test]
fn any_division_into_units_gives_the_same() {
    let options = ["-m", "crc=0", "-d", "agcount=4", "-b", "size=512"];
    let Some(image) = prototype_image(&options, 3000, LONG) else { return };
    let probed = probe(&image).unwrap();
    assert_eq!(probed.units, 4);
    let whole = comparable(&survey(&image, &probed.geometry, 0..4, &[]));
    for cuts in [vec![0, 1, 2, 3, 4], vec![0, 3, 4], vec![0, 2, 2, 4]] {
        let mut joined = Survey::default();
        for pair in cuts.windows(2) {
            joined.append(survey(&image, &probed.geometry, pair[0]..pair[1], &[])).unwrap();
        }
        assert_eq!(comparable(&joined), whole, "{cuts:?}");
    }
    assert!(Xfs.survey(&probed.geometry, 0..5).is_err());
}

#[test]
fn single_inodes_are_as_the_survey_has_them() {
    let Some(image) = prototype_image(&["-b", "size=1024"], 200, "local") else { return };
    let (probed, found) = survey_all(&image);
    let numbers: Vec<u64> = found.inodes.iter().map(|inode| inode.number).collect();
    let mut machine = Xfs.inodes(&probed.geometry, &numbers).unwrap();
    super::drive(&mut *machine, &image, &[]);
    let again = machine.finish();
    assert_eq!(again.gaps, []);
    assert!(again.entries.is_empty());
    assert_eq!(again.inodes.len(), found.inodes.len());
    for (one, other) in again.inodes.iter().zip(&found.inodes) {
        assert_eq!((one.number, one.size, one.mtime), (other.number, other.size, other.mtime));
        let extents = |survey: &Survey, inode| {
            survey
                .streams_of(inode)
                .iter()
                .map(|stream| survey.extents_of(stream).to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(extents(&again, one), extents(&found, other));
    }
    let mut machine = Xfs.inodes(&probed.geometry, &[u64::MAX, 3]).unwrap();
    super::drive(&mut *machine, &image, &[]);
    let none = machine.finish();
    assert!(none.inodes.is_empty());
    assert_eq!(none.gaps.len(), 2);
}

#[test]
fn a_log_without_an_unmount_record_at_its_end_is_not_clean() {
    let Some(mut image) = prototype_image(&[], 20, "local") else { return };
    // The only record of a fresh log is the unmount record: its operation's flags are in the second block.
    let record =
        image.chunks_exact(512).position(|block| block.starts_with(&[0xfe, 0xed, 0xba, 0xbe])).unwrap() * 512;
    assert_eq!(image[record + 512 + 9], 0x20);
    image[record + 512 + 9] = 0x01;
    let probed = probe(&image).unwrap();
    assert_eq!(probed.state, VolumeState::Unreplayed);
    // Its record has no checksum, so the kernel, too, refuses to apply it.
    assert_eq!(probed.gaps.iter().map(|gap| gap.kind).collect::<Vec<_>>(), [GapKind::Corrupt]);
    image[record + 512 + 9] = 0x20;
    image[record + 304] ^= 1;
    assert!(probe(&image).unwrap().reason.contains("another filesystem"));
}

#[test]
fn features_that_are_not_read_are_named() {
    let Some(mut image) = prototype_image(&[], 5, "local") else { return };
    for (bit, name) in [(9, "zoned"), (20, "bit 20")] {
        let before = image[216..228].to_vec();
        let features = u32::from_be_bytes(image[216..220].try_into().unwrap()) | 1 << bit;
        image[216..220].copy_from_slice(&features.to_be_bytes());
        let (_, computed) = checksums(&image[..512], 224);
        image[224..228].copy_from_slice(&computed.to_le_bytes());
        let error = probe(&image).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("not supported"), "{error}");
        image[216..228].copy_from_slice(&before);
    }
}

#[test]
fn internal_files_are_flagged() {
    let Some(image) = prototype_image(&["-d", "agcount=2"], 5, "local") else { return };
    let (_, found) = survey_all(&image);
    let internal = found.inodes.iter().filter(|inode| inode.flags.contains(RowFlags::INTERNAL)).count();
    assert_eq!(internal, 2, "the realtime bitmap and its summary");
}

#[test]
fn a_log_on_another_device_is_told_and_the_rest_is_read() {
    if !super::has_tool("mkfs.xfs") {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (image, log) = (scratch.path().join("image"), scratch.path().join("log"));
    std::fs::File::create(&log).unwrap().set_len(64 << 20).unwrap();
    super::mkfs(&image, 64, &["-l", &format!("logdev={}", log.display())], None);
    let (probed, found) = survey_all(&std::fs::read(&image).unwrap());
    assert_eq!(probed.state, VolumeState::Unreplayed);
    let [gap] = &probed.gaps[..] else { panic!("{:?}", probed.gaps) };
    assert_eq!(gap.kind, GapKind::Unreplayed);
    assert!(gap.reason.contains("another device"), "{}", gap.reason);
    assert_eq!((&found.gaps[..], left_over(&found, probed.size_bytes)), (&[][..], 0));
}

#[test]
fn a_realtime_file_is_listed_and_its_content_is_not_made_up() {
    if !super::has_tool("xfs_db") {
        return;
    }
    let Some(image) = prototype_image(&["-b", "size=1024"], 5, "local") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("image");
    std::fs::write(&path, image).unwrap();
    let mut command = std::process::Command::new("xfs_db");
    super::must(command.args(["-x", "-c", "path /file", "-c", "write core.realtime 1"]).arg(&path));
    let (probed, found) = survey_all(&std::fs::read(&path).unwrap());
    let paths = tree(&found, Xfs.root(&probed.geometry).unwrap());
    let file = paths[b"/file".as_slice()];
    assert_eq!({ file.size }, 15_000);
    let streams = found.streams_of(file);
    assert!(matches!(streams[0].encoding, Encoding::Unreadable { encrypted: false, .. }));
    let [gap] = &found.gaps[..] else { panic!("{:?}", found.gaps) };
    assert_eq!((gap.kind, gap.inode), (GapKind::Unsupported, Some(file.number)));
}
