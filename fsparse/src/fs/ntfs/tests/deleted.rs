//! Deleted files: what their records still say, held against what was deleted and against the Sleuth Kit.

use super::{facts, image::*, in_units, inode, mounted::Mount, probe, survey};
use crate::{
    content::{Item, digest::DigestSink, intact, read_items},
    source::{BlockSource, memory::MemorySource},
    survey::{Encoding, Survey},
    tree::{Tree, for_each_row},
};
use coldread_model::{FileKind, RowFlags, Sha256Digest, listing::path_of};
use std::{collections::BTreeMap, fs, process::Command};

/// Frees a record as Windows and ntfs-3g do: the flag goes, the sequence number counts up.
fn free(image: &mut Image, number: u64) {
    let at = Image::place(number, 0);
    image.bytes[at + 22] &= !1;
    image.bytes[at + 16] += 1;
}

fn whole(image: Image) -> Survey {
    let source = MemorySource::new(image.bytes);
    let probed = probe(&source).unwrap();
    let found = survey(&source, &probed.geometry, 0..probed.units);
    assert_eq!(facts(&in_units(&source, &probed)), facts(&found));
    found
}

/// Paths of deleted rows with their record, streams behind a colon.
fn deleted_rows(survey: &Survey) -> Vec<(String, u64)> {
    let tree = Tree::build(survey, 5);
    let mut rows = Vec::new();
    for_each_row(&tree, |row, _, _| {
        if row.stable.flags.contains(RowFlags::DELETED) {
            let mut path = String::from_utf8(path_of(row.stable.parent, row.stable.name)).unwrap();
            if !row.stable.stream.is_empty() {
                path = format!("{path}:{}", String::from_utf8_lossy(row.stable.stream));
            }
            rows.push((path, row.volatile.inode));
        }
    });
    rows
}

#[test]
fn a_freed_record_is_a_deleted_file_with_its_extension_records() {
    let mut image = Image::new();
    let entries = list(&[(0x10, 0, 40), (0x80, 0, 40), (0x80, 4, FAR + 2), (0x80, 0, 41)]);
    let half =
        Mapping { flags: 0, unit: 0, lowest: 0, size: 4000, initialized: 3000, runs: &[(4, Some(4100))] };
    let other = Mapping { lowest: 4, runs: &[(4, Some(4200))], ..half };
    let record = [standard(0), resident(0x20, "", &entries), name(5, "spread", 0), mapped(0x80, "", &half)];
    image.record(40, 0, 0, &record);
    image.record(FAR + 2, 0, 40, &[mapped(0x80, "", &other)]);
    // What the list also names belongs to a file in use by now.
    image.record(41, 0, 30, &[resident(0x80, "stranger", b"x")]);
    for number in [40, FAR + 2] {
        free(&mut image, number);
    }
    let found = whole(image);
    assert!(found.gaps.iter().all(|gap| gap.inode != Some(40)), "{:?}", found.gaps);
    let file = inode(&found, 40);
    assert_eq!((file.size, file.generation, file.kind), (4000, 2, FileKind::File));
    assert!(file.flags.contains(RowFlags::DELETED) && !file.flags.contains(RowFlags::LINKED));
    let streams = found.streams_of(file);
    assert_eq!((streams.len(), streams[0].initialized), (1, 3000));
    let extents: Vec<_> =
        found.extents_of(&streams[0]).iter().map(|e| (e.logical, e.physical / 512, e.len)).collect();
    assert_eq!(extents, [(0, 4100, 2048), (2048, 4200, 2048)]);
    assert!(intact(&found).contains(&(file.streams.first as usize)));
    assert_eq!(deleted_rows(&found), [("/spread".to_owned(), 40)]);
}

#[test]
fn a_live_file_is_not_made_of_freed_records() {
    let mut image = Image::new();
    free(&mut image, FAR);
    let found = whole(image);
    let stream = &found.streams_of(inode(&found, 32))[0];
    assert!(matches!(stream.encoding, Encoding::Unreadable { .. }));
    assert!(found.gaps.iter().any(|gap| gap.inode == Some(32)));
}

#[test]
fn what_a_deleted_record_lacks_is_no_gap_and_takes_nothing() {
    let sound = whole(Image::new());
    let mut image = Image::new();
    let list = plain(0x20, 96, &[(1, Some(3010))]);
    let taken = plain(0x80, 600, &[(2, Some(3060))]);
    image.record(40, 0, 0, &[standard(0), list, name(5, "a list elsewhere", 0), resident(0x80, "", b"here")]);
    image.record(41, 0, 0, &[standard(0x20), name(5, "overwritten", 0), taken]);
    image.record(42, 0, 0, &[standard(0), name(5, "outside", 0), plain(0x80, 9, &[(9, Some(1 << 40))])]);
    image.record(43, 0, 0, &[standard(0x400), name(5, "point", 0), plain(0xc0, 900, &[(2, Some(3000))])]);
    image.record(44, 0, 0, &[name(5, "a/b", 0), name(5, "..", 0)]);
    image.record(45, 0, 0, &[standard(0), resident(0x80, "", b"nameless")]);
    image.record(46, 0, 0, &[]);
    image.record(47, DIRECTORY, 0, &[standard(0), name(5, "dir", 0), plain(0xa0, 4096, &[(8, Some(2410))])]);
    image.record(48, 0, 0, &[standard(0), name(47, "in", 0), resident(0x80, "", b"side")]);
    image.record(49, 0, 0, &[standard(0), name(5, "torn", 0)]);
    let torn = Image::place(49, 0) + 510;
    image.bytes[torn] ^= 1;
    (40..50).for_each(|number| free(&mut image, number));
    let found = whole(image);
    assert_eq!(found.gaps, sound.gaps);
    assert_eq!(found.metadata.clone().into_ranges(), sound.metadata.clone().into_ranges());
    let rows = [
        ("/a list elsewhere", 40),
        ("/dir", 47),
        ("/outside", 42),
        ("/overwritten", 41),
        ("/point", 43),
        ("/$OrphanFiles/OrphanFile-44", 44),
        ("/$OrphanFiles/OrphanFile-45", 45),
        ("/dir/in", 48),
    ];
    assert_eq!(deleted_rows(&found), rows.map(|(path, number)| (path.to_owned(), number)));
    let intact = intact(&found);
    let whole: Vec<_> = found
        .inodes
        .iter()
        .filter(|inode| inode.streams.range().any(|stream| intact.contains(&stream)))
        .map(|inode| inode.number)
        .collect();
    assert_eq!(whole, [40, 43, 44, 45, 48]);
    assert_eq!(inode(&found, 43).kind, FileKind::Reparse);
    assert_eq!(inode(&found, 47).kind, FileKind::Dir);
}

/// What `fls` lists as deleted: paths with streams, and the record.
fn fls(image: &std::path::Path) -> Option<Vec<(String, u64)>> {
    let output = Command::new("fls").args(["-rpd", "-F"]).arg(image).output().ok()?;
    let directories = Command::new("fls").args(["-rpdD"]).arg(image).output().ok()?;
    let text = String::from_utf8([output.stdout, directories.stdout].concat()).ok()?;
    let mut rows = Vec::new();
    for line in text.lines() {
        // "-/r * 71-128-4:\td/f2:str"; below a deleted directory without the star where it is one itself.
        let (place, path) = line.split_once(":\t")?;
        let address = place.rsplit(' ').next()?;
        let number: u64 = address.split('-').next()?.parse().ok()?;
        // Records of the filesystem that were never used.
        if number >= 24 {
            rows.push((format!("/{path}"), number));
        }
    }
    rows.sort();
    Some(rows)
}

#[test]
fn files_that_ntfs_3g_deleted_are_found_as_the_sleuth_kit_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let (path, point) = (folder.path().join("image"), folder.path().join("point"));
    fs::create_dir(&point).unwrap();
    fs::write(&path, b"noise ".repeat(3 << 20)).unwrap();
    let made = Command::new("mkntfs").args(["-q", "-F", "-f"]).arg(&path).output();
    let options = "streams_interface=windows";
    let mount = || Mount::new(&path, &point, options);
    let first = made.is_ok_and(|made| made.status.success()).then(mount).flatten();
    let (Some(first), true) = (first, Command::new("fls").arg("-V").output().is_ok()) else {
        println!("skipped: needs root, mkntfs, ntfs-3g and fls");
        return;
    };
    let mut content: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for directory in ["kept", "gone", "gone/below", "gone/below/deeper"] {
        fs::create_dir(point.join(directory)).unwrap();
        for (at, len) in [0, 5, 500, 5000, 70_000].into_iter().enumerate() {
            let name = format!("{directory}/file-{at}");
            let bytes: Vec<u8> = (0..len).map(|i| (i * (at + directory.len()) / 7) as u8).collect();
            fs::write(point.join(&name), &bytes).unwrap();
            content.insert(format!("/{name}"), bytes);
        }
    }
    fs::write(point.join("kept/file-1:beside"), b"a stream").unwrap();
    content.insert("/kept/file-1:beside".to_owned(), b"a stream".to_vec());
    fs::remove_dir_all(point.join("gone")).unwrap();
    for at in [1, 2, 3] {
        fs::remove_file(point.join(format!("kept/file-{at}"))).unwrap();
    }
    drop(first);
    let check = |content: &BTreeMap<String, Vec<u8>>| {
        let source = MemorySource::new(fs::read(&path).unwrap());
        let probed = probe(&source).unwrap();
        let found = survey(&source, &probed.geometry, 0..probed.units);
        assert_eq!(found.gaps, []);
        let rows = deleted_rows(&found);
        let mut sorted: Vec<_> = rows
            .iter()
            .filter(|(_, number)| *number >= 24)
            .map(|(path, number)| (path.clone(), *number))
            .collect();
        sorted.sort();
        // What survives is what was deleted, byte for byte.
        let intact = intact(&found);
        let (mut same, mut sink) = (0, DigestSink::default());
        let streams = found.streams.iter().enumerate().filter(|(index, _)| intact.contains(index));
        let items = streams.filter_map(|(index, stream)| Some((index, Item::of(&found, stream)?)));
        read_items(items, &mut *source.open_queue().unwrap(), 1 << 20, &mut sink);
        let digests: BTreeMap<usize, Sha256Digest> =
            sink.results.into_iter().map(|(index, digest)| (index, digest.unwrap())).collect();
        let tree = Tree::build(&found, 5);
        for_each_row(&tree, |row, index, stream| {
            let Some(stream) = stream.filter(|_| row.stable.flags.contains(RowFlags::DELETED)) else {
                return;
            };
            let mut path = String::from_utf8(path_of(row.stable.parent, row.stable.name)).unwrap();
            if !row.stable.stream.is_empty() {
                path = format!("{path}:{}", String::from_utf8_lossy(row.stable.stream));
            }
            let range = found.inodes[index as usize].streams.range();
            let at = range.start + found.streams[range].iter().position(|one| one == stream).unwrap();
            let Some(bytes) = content.get(&path).filter(|_| intact.contains(&at)) else { return };
            assert_eq!(row.stable.size, bytes.len() as u64, "{path}");
            match stream.encoding {
                Encoding::Inline(span) => assert!(found.bytes(span) == bytes, "{path}"),
                _ => assert_eq!(digests[&at], crate::content::digest::digest_of(bytes, bytes.len() as u64)),
            }
            same += 1;
        });
        (sorted, same)
    };
    let (ours, same) = check(&content);
    assert_eq!(Some(&ours), fls(&path).as_ref());
    assert_eq!((ours.len(), same), (3 + 15 + 3 + 1, 15 + 3 + 1));

    // New files take records and clusters: what they took is deleted no more, and the rest still is.
    let Some(second) = mount() else { return };
    for at in 0..6 {
        fs::write(point.join(format!("new-{at}")), vec![at; 30_000]).unwrap();
    }
    drop(second);
    let (later, still) = check(&content);
    assert!(later.len() < ours.len() && still < same, "{} and {still}", later.len());
    assert!(later.iter().all(|row| ours.iter().any(|one| one.1 == row.1)));
}
