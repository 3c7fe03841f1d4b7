//! Directories read by their indexes, against the same names as files' records have them.

use super::{facts, image::*, probe, survey};
use crate::{
    fs::{
        Filesystem,
        ntfs::{
            Ntfs,
            geometry::ROOT,
            index::tests::{Written, header, node},
        },
    },
    machine::{RunStats, run},
    source::{BlockSource, memory::MemorySource},
    survey::Survey,
};
use coldread_model::{ByteRange, FileKind, GapKind, RowFlags};
use std::collections::HashSet;

const IMAGES: [&[u8]; 2] = [
    include_bytes!("../../../../tests/golden/ntfs.img.zst"),
    include_bytes!("../../../../tests/golden/ntfs-odd.img.zst"),
];

fn directories(source: &MemorySource, geometry: &[u8], numbers: &[u64]) -> (Survey, RunStats) {
    let mut machine = Ntfs.directories(geometry, numbers).unwrap();
    let stats = run(&mut *machine, &mut *source.open_queue().unwrap());
    (machine.finish(), stats)
}

/// Names as (directory, file, name), sorted.
fn names(survey: &Survey) -> Vec<(u64, u64, Vec<u8>)> {
    let name = |entry: &crate::survey::Entry| survey.bytes(entry.name).to_vec();
    let mut names: Vec<_> =
        survey.entries.iter().map(|entry| (entry.parent, entry.child, name(entry))).collect();
    names.sort();
    names
}

#[test]
fn indexes_have_the_names_that_records_have() {
    for image in IMAGES {
        let source = MemorySource::new(zstd::decode_all(image).unwrap());
        let probed = probe(&source).unwrap();
        let whole = survey(&source, &probed.geometry, 0..probed.units);
        let in_use: Vec<u64> = whole
            .inodes
            .iter()
            .filter(|inode| !inode.flags.contains(RowFlags::DELETED))
            .map(|inode| inode.number)
            .collect();
        let (found, _) = directories(&source, &probed.geometry, &in_use);
        let known: HashSet<u64> = in_use.iter().copied().collect();
        let mut expected = names(&whole);
        expected.retain(|(_, child, _)| known.contains(child));
        assert!(expected.len() > 20, "{}", expected.len());
        assert_eq!(names(&found), expected);
        // Of the files themselves they say the same.
        let mut expected = whole.clone();
        expected.inodes.retain(|inode| known.contains(&{ inode.number }));
        let of_files = |survey: &Survey| {
            let mut survey = survey.clone();
            survey.entries.clear();
            (survey.metadata, survey.free, survey.damaged) = Default::default();
            facts(&survey)
        };
        assert_eq!(of_files(&found), of_files(&expected));
        // One directory is read without another.
        let (root, stats) = directories(&source, &probed.geometry, &[ROOT]);
        let mut expected = names(&found);
        expected.retain(|(parent, _, _)| *parent == ROOT);
        assert_eq!((names(&root), root.inodes.len()), (expected, 1));
        assert!(stats.rounds <= 3, "{stats:?}");
        let metadata = root.metadata.into_ranges();
        assert!(!metadata.is_empty() && metadata.iter().all(|range| range.end() <= source.size_bytes()));
    }
}

/// A key of an index, for a name in directory 36.
fn key(text: &str, namespace: u8) -> Vec<u8> {
    let mut key = vec![0; 66];
    key[..8].copy_from_slice(&reference(36).to_le_bytes());
    (key[64], key[65]) = (text.encode_utf16().count() as u8, namespace);
    [key, utf16(text)].concat()
}

/// A directory, record 36, with two nodes of 8 clusters below its root.
fn image(nodes: [&[Written]; 2]) -> Image {
    let mut image = Image::new();
    let mut root = vec![0; 16];
    root[8..12].copy_from_slice(&4096u32.to_le_bytes());
    root.extend(header(&[(Some(key("m", 1)), reference(30), Some(0)), (None, 0, Some(8))]));
    let allocation = mapped(
        0xa0,
        "$I30",
        &Mapping {
            size: 8192,
            initialized: 8192,
            runs: &[(4, Some(3104)), (12, Some(3120))],
            flags: 0,
            unit: 0,
            lowest: 0,
        },
    );
    let index = resident(0x90, "$I30", &root);
    image.record(36, DIRECTORY, 0, &[standard(0), name(5, "dir", 3), index, allocation]);
    for (number, list) in nodes.iter().enumerate() {
        let bytes = node(list);
        for (cluster, bytes) in bytes.chunks(512).enumerate() {
            let at = number * 8 + cluster;
            image.cluster(if at < 4 { 3104 + at } else { 3120 + at - 4 }, bytes);
        }
    }
    image
}

/// A gap's kind and place.
type Told = (GapKind, Option<u64>);

/// The names in directory 36, the gaps with their places, and all of it.
fn of_36(image: Image) -> (Vec<String>, Vec<Told>, Survey) {
    let source = MemorySource::new(image.bytes);
    let probed = probe(&source).unwrap();
    let (found, _) = directories(&source, &probed.geometry, &[36]);
    assert_eq!(
        found.inodes.iter().map(|one| (one.number, one.kind)).collect::<Vec<_>>(),
        [(36, FileKind::Dir)]
    );
    let mut texts: Vec<_> =
        names(&found).into_iter().map(|(_, _, name)| String::from_utf8(name).unwrap()).collect();
    texts.sort();
    let gaps = found.gaps.iter().map(|gap| (gap.kind, gap.at)).collect();
    (texts, gaps, found)
}

#[test]
fn nodes_in_pieces_are_read_and_dos_names_are_none() {
    let before = [
        (Some(key("a", 0)), 31, None),
        (Some(key("AB~1", 2)), 32, None),
        (Some(key("ab", 1)), 32, None),
        (None, 0, None),
    ];
    let behind = [(Some(key("x", 3)), 33, None), (None, 0, None)];
    let (names, gaps, found) = of_36(image([&before, &behind]));
    assert_eq!((names, gaps), (["a", "ab", "m", "x"].map(str::to_owned).to_vec(), vec![]));
    let metadata = found.metadata.into_ranges();
    for (lcn, count) in [(3104, 4), (3120, 12)] {
        assert!(metadata.contains(&ByteRange::new(lcn * 512, count * 512)), "{metadata:?}");
    }
}

#[test]
fn a_damaged_node_is_a_gap_and_the_others_are_read() {
    let before = [(Some(key("a", 0)), 31, None), (None, 0, None)];
    let behind = [(Some(key("x", 3)), 33, None), (None, 0, None)];
    let mut damaged = image([&before, &behind]);
    damaged.bytes[3120 * 512 + 1022] ^= 1;
    let (names, gaps, found) = of_36(damaged);
    assert_eq!(names, ["m", "x"]);
    assert_eq!(gaps, [(GapKind::Corrupt, Some(3104 * 512))]);
    assert!(!found.damaged.is_empty());
    // A node that leads to where the way came from, and one that leads to nowhere.
    let circle = [(Some(key("a", 0)), 31, Some(8)), (Some(key("b", 0)), 31, Some(0)), (None, 0, Some(800))];
    let (names, gaps, _) = of_36(image([&circle, &circle]));
    assert_eq!(names, ["a", "a", "b", "b", "m"]);
    assert!((2..=4).contains(&gaps.len()) && gaps.iter().all(|gap| gap.0 == GapKind::Corrupt), "{gaps:?}");
    // An entry that is cut short.
    let mut cut = image([&before, &behind]);
    cut.bytes[3104 * 512 + 64 + 8] = 3;
    let (names, gaps, _) = of_36(cut);
    assert_eq!((names, gaps.len()), (["m", "x"].map(str::to_owned).to_vec(), 1));
}

#[test]
fn unreadable_nodes_and_records_not_in_use_are_gaps() {
    let list = [(Some(key("a", 0)), 31, None), (None, 0, None)];
    let source = MemorySource::new(image([&list, &list]).bytes);
    let probed = probe(&source).unwrap();
    let source = source.with_bad(vec![ByteRange::new(3120 * 512 + 7, 1)]);
    let (found, _) = directories(&source, &probed.geometry, &[36, 40, 99_999]);
    let mut gaps: Vec<_> = found.gaps.iter().map(|gap| (gap.inode, gap.kind)).collect();
    gaps.sort_unstable();
    let not_found = |number| (Some(number), GapKind::NotFound);
    assert_eq!(gaps, [(Some(36), GapKind::Io), not_found(40), not_found(99_999)]);
    assert_eq!(names(&found).len(), 2);
}
