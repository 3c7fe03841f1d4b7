//! The volume's state, held against what ntfs-3g says before it mounts.

use super::{image::*, inode, mounted::Mount, probe, survey};
use crate::{
    fs::ntfs::index::tests::{header, node},
    source::memory::MemorySource,
};
use coldread_model::{ByteRange, GapKind, VolumeState};
use std::{fs, path::Path, process::Command};

/// Puts `hiberfil.sys` in the root directory, found through a node of the index.
fn hibernated(start: &[u8]) -> Image {
    let mut image = Image::new();
    image.record(50, 0, 0, &[standard(6), name(5, "hiberfil.sys", 3), plain(0x80, 512, &[(1, Some(3100))])]);
    image.cluster(3100, start);
    let key = |text: &str, file: u64| {
        let mut key = vec![0; 66];
        key[64] = text.len() as u8;
        (Some([key, utf16(text)].concat()), reference(file), None)
    };
    let mut root = vec![0; 16];
    root[8..12].copy_from_slice(&4096u32.to_le_bytes());
    root.extend(header(&[(None, 0, Some(8))]));
    // The second node of two.
    let list = [key("$MFT", 0), key("Hiberfil.sys", 50), key("z", 30), (None, 0, None)];
    image.cluster(2418, &node(&list));
    let nodes =
        Mapping { flags: 0, unit: 0, lowest: 0, size: 8192, initialized: 8192, runs: &[(16, Some(2410))] };
    let nodes = mapped(0xa0, "$I30", &nodes);
    image.record(5, DIRECTORY, 0, &[standard(6), name(5, ".", 3), resident(0x90, "$I30", &root), nodes]);
    image
}

#[test]
fn a_session_that_sleeps_on_the_volume_is_said() {
    for (start, sleeps) in
        [(&b"HIBR\x01"[..], true), (b"hibr", true), (b"rstr", true), (b"wake", false), (&[0; 512], false)]
    {
        let probed = probe(&MemorySource::new(hibernated(start).bytes)).unwrap();
        if sleeps {
            assert_eq!(
                (probed.state, &probed.reason[..]),
                (VolumeState::Unreplayed, "Windows sleeps in hiberfil.sys")
            );
            assert_eq!(probed.gaps.iter().map(|gap| gap.kind).collect::<Vec<_>>(), [GapKind::Unreplayed]);
        } else {
            assert_eq!((probed.state, &probed.gaps[..]), (VolumeState::Clean, &[][..]));
        }
    }
    // An entry that is older than the record means another file.
    let mut image = hibernated(b"HIBR");
    let at = Image::place(50, 0) + 16;
    image.bytes[at] += 1;
    let probed = probe(&MemorySource::new(image.bytes)).unwrap();
    assert_eq!((probed.state, &probed.gaps[..]), (VolumeState::Clean, &[][..]));
}

#[test]
fn a_damaged_node_of_the_root_directory_is_a_gap_with_its_place() {
    let mut image = hibernated(b"HIBR");
    image.bytes[2418 * CLUSTER + 1022] ^= 1;
    let probed = probe(&MemorySource::new(image.bytes)).unwrap();
    let gaps: Vec<_> = probed.gaps.iter().map(|gap| (gap.kind, gap.structure.as_str(), gap.at)).collect();
    assert_eq!(gaps, [(GapKind::Corrupt, "directory index", Some(2418 * 512))]);
    let bad = coldread_model::ByteRange::new(2419 * 512, 1);
    let source = MemorySource::new(hibernated(b"HIBR").bytes).with_bad(vec![bad]);
    let probed = probe(&source).unwrap();
    let gaps: Vec<_> = probed.gaps.iter().map(|gap| (gap.kind, gap.structure.as_str(), gap.at)).collect();
    assert_eq!(gaps, [(GapKind::Io, "directory index", Some(2419 * 512))]);
}

#[test]
fn what_is_not_known_of_the_log_and_of_a_session_is_told() {
    let judged = |image: Image, bad: &[u64]| {
        let bad = bad.iter().map(|at| ByteRange::new(*at, 512)).collect();
        let probed = probe(&MemorySource::new(image.bytes).with_bad(bad)).unwrap();
        let kinds = probed.gaps.iter().map(|gap| (gap.kind, gap.structure.clone())).collect::<Vec<_>>();
        (probed.state, probed.reason, kinds)
    };
    let gap = |kind, structure: &str| (kind, structure.to_owned());
    let log = |kind| gap(kind, "$LogFile");
    let unreplayed = VolumeState::Unreplayed;
    // A log without content.
    let mut image = Image::new();
    image.record(2, 0, 0, &[standard(6), name(5, "$LogFile", 3)]);
    let reason = "where the log lies is not known".to_owned();
    assert_eq!(judged(image, &[]), (unreplayed, reason, vec![log(GapKind::Unreplayed)]));
    // Both of its pages on bad sectors: not readable is not damaged.
    let mut image = Image::new();
    image.cluster(2300, &[0; 16 * CLUSTER]);
    let (state, reason, kinds) = judged(image, &[2300 * 512, 2308 * 512]);
    assert_eq!((state, &*reason), (unreplayed, "the log's restart pages could not be read"));
    assert!(kinds.iter().all(|one| [log(GapKind::Io), log(GapKind::Unreplayed)].contains(one)), "{kinds:?}");
    // One of them: it may be newer than the other, which is of a closed log.
    let mut image = Image::new();
    for page in [2300, 2308] {
        image.cluster(page, &restart_page(8192, u16::MAX));
    }
    let closed = Image { bytes: image.bytes.clone() };
    assert_eq!(judged(closed, &[]).0, VolumeState::Clean);
    let (state, reason, _) = judged(image, &[2308 * 512]);
    assert_eq!((state, &*reason), (unreplayed, "the log's restart pages could not be read"));
    // The record of hiberfil.sys on one.
    let (_, _, kinds) = judged(hibernated(b"HIBR"), &[Image::place(50, 0) as u64]);
    assert_eq!(kinds, [gap(GapKind::Io, "MFT record")]);
    // A volume of which nobody says whether it is dirty.
    let mut image = Image::new();
    image.record(3, 0, 0, &[standard(6), name(5, "$Volume", 3)]);
    let (state, reason, kinds) = judged(image, &[]);
    assert_eq!((state, &*reason), (unreplayed, "whether the volume is marked dirty is not known"));
    assert_eq!(kinds, [gap(GapKind::Corrupt, "$VOLUME_INFORMATION"), log(GapKind::Unreplayed)]);
    let (state, _, kinds) = judged(Image::new(), &[Image::place(3, 0) as u64]);
    assert_eq!((state, kinds), (unreplayed, vec![gap(GapKind::Io, "MFT record"), log(GapKind::Unreplayed)]));
    // An index whose node is nowhere, and one that ends in the middle.
    for header in [header(&[(None, 0, Some(800))]), vec![16; 16]] {
        let mut root = vec![0; 16];
        root[8..12].copy_from_slice(&4096u32.to_le_bytes());
        root.extend(header);
        let mut image = Image::new();
        image.record(5, DIRECTORY, 0, &[standard(6), name(5, ".", 3), resident(0x90, "$I30", &root)]);
        assert_eq!(judged(image, &[]).2, [gap(GapKind::Corrupt, "directory index")]);
    }
}

/// What ntfs-3g says when it is asked whether it would mount read-write: 0, or why not.
fn probed_by_ntfs_3g(image: &Path) -> Option<i32> {
    let output = Command::new("ntfs-3g.probe").arg("--readwrite").arg(image).output().ok()?;
    output.status.code()
}

#[test]
fn sleeping_and_unclean_volumes_are_those_that_ntfs_3g_refuses() {
    const HIBERNATED: i32 = 14;
    const UNCLEAN: i32 = 15;
    let folder = tempfile::tempdir().unwrap();
    let (path, point) = (folder.path().join("image"), folder.path().join("point"));
    fs::create_dir(&point).unwrap();
    fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
    let made = Command::new("mkntfs").args(["-q", "-F", "-f"]).arg(&path).output();
    let made = made.is_ok_and(|made| made.status.success());
    let write = |start: &[u8], names: usize| {
        let mount = Mount::new(&path, &point, "remove_hiberfile")?;
        for name in 0..names {
            fs::write(point.join(format!("name-{name:04}-of-some-length")), b"").unwrap();
        }
        fs::write(point.join("hiberfil.sys"), [start, &[0; 8192]].concat()).unwrap();
        drop(mount);
        Some(())
    };
    if !made || write(b"wake", 0).is_none() || probed_by_ntfs_3g(&path) != Some(0) {
        println!("skipped: needs root, mkntfs, ntfs-3g and ntfs-3g.probe");
        return;
    }
    // The index has one level, then two, then three.
    for (start, names, code) in [
        (&b"wake"[..], 0, 0),
        (b"hibr", 0, HIBERNATED),
        (b"HIBR", 100, HIBERNATED),
        (b"HIBR", 3000, HIBERNATED),
        (b"\0\0\0\0", 0, 0),
    ] {
        write(start, names).unwrap();
        assert_eq!(probed_by_ntfs_3g(&path), Some(code), "{start:?}");
        let probed = probe(&MemorySource::new(fs::read(&path).unwrap())).unwrap();
        let state = if code == 0 { VolumeState::Clean } else { VolumeState::Unreplayed };
        assert_eq!(probed.state, state, "{start:?}, {names} names: {}", probed.reason);
    }
    // A log that was closed, and one that a client has open.
    for (client, code) in [(u16::MAX, 0), (0, UNCLEAN)] {
        let mut image = fs::read(&path).unwrap();
        let source = MemorySource::new(image.clone());
        let probed = probe(&source).unwrap();
        let found = survey(&source, &probed.geometry, 0..1);
        let log = &found.streams_of(inode(&found, 2))[0];
        let at = found.extents_of(log)[0].physical as usize;
        for page in 0..2 {
            image[at + page * 4096..][..4096].copy_from_slice(&restart_page(log.size, client));
        }
        fs::write(&path, &image).unwrap();
        assert_eq!(probed_by_ntfs_3g(&path), Some(code));
        let probed = probe(&MemorySource::new(image)).unwrap();
        let want = if code == 0 {
            (VolumeState::Clean, "")
        } else {
            (VolumeState::Unreplayed, "the log was not closed")
        };
        assert_eq!((probed.state, &probed.reason[..]), want);
    }
}

/// A restart page of a log of so many bytes with one client, which has the log open if it is number 0.
///
/// Source: ntfs-3g, "logfile.h", as documentation.
fn restart_page(log_bytes: u64, client: u16) -> Vec<u8> {
    let mut page = vec![0; 4096];
    let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"RSTR");
    put(4, &30u16.to_le_bytes());
    put(6, &9u16.to_le_bytes());
    put(16, &4096u32.to_le_bytes());
    put(20, &4096u32.to_le_bytes());
    put(24, &48u16.to_le_bytes());
    put(26, &[1, 0, 1, 0]);
    put(30, &[7, 0]);
    (1..=8).for_each(|stride| put(stride * 512 - 2, &[7, 0]));
    let bits = 67 - (64 - log_bytes.leading_zeros());
    let free = if client == 0 { u16::MAX } else { 0 };
    put(56, &1u16.to_le_bytes());
    put(58, &free.to_le_bytes());
    put(60, &client.to_le_bytes());
    put(64, &bits.to_le_bytes());
    put(68, &(48 + 160u16).to_le_bytes());
    put(70, &48u16.to_le_bytes());
    put(72, &log_bytes.to_le_bytes());
    put(84, &[0x30, 0, 0x40, 0]);
    // The client: no neighbours.
    put(96 + 16, &[0xff; 4]);
    put(96 + 28, &8u32.to_le_bytes());
    put(96 + 32, &utf16("NTFS"));
    page
}
