//! Volumes that contradict themselves on purpose.

use super::{
    super::{file::Builder, geometry::Geometry, loader::Loader},
    facts,
    image::*,
    in_units, inode, probe, survey,
};
use crate::{
    fs::{Filesystem, ntfs::Ntfs},
    machine::{Fetched, Machine, Requests, run},
    source::{BlockSource, memory::MemorySource},
    survey::{Encoding, Survey},
    tree::{Tree, for_each_row},
};
use coldread_model::{ByteRange, GapKind, RowFlags, VolumeState};
use std::collections::VecDeque;

fn whole(image: Image) -> Survey {
    let source = MemorySource::new(image.bytes);
    let probed = probe(&source).unwrap();
    let mut machine = Ntfs.survey(&probed.geometry, 0..probed.units).unwrap();
    let stats = run(&mut *machine, &mut *source.open_queue().unwrap());
    assert!(stats.rounds <= 6 && stats.bytes <= 4 * source.size_bytes(), "{stats:?}");
    let found = machine.finish();
    assert_eq!(facts(&in_units(&source, &probed)), facts(&found));
    found
}

fn kinds(survey: &Survey, number: u64) -> Vec<GapKind> {
    survey.gaps.iter().filter(|gap| gap.inode == Some(number)).map(|gap| gap.kind).collect()
}

#[test]
fn attribute_lists_that_name_themselves_or_each_other_have_an_end() {
    let mut image = Image::new();
    // Its own record, many times; another base record; an extension of another file, which names it back.
    let own = list(&[(0x10, 0, 40); 8]);
    image.record(
        40,
        0,
        0,
        &[standard(0), resident(0x20, "", &own), name(5, "own", 0), resident(0x80, "", b"o")],
    );
    let other = list(&[(0x80, 0, 42), (0x80, 0, FAR), (0x80, 0, 999_999)]);
    image.record(41, 0, 0, &[standard(0), resident(0x20, "", &other), name(5, "other", 0)]);
    let back = list(&[(0x80, 0, 41)]);
    image.record(
        42,
        0,
        0,
        &[standard(0), resident(0x20, "", &back), name(5, "back", 0), resident(0x80, "", b"b")],
    );
    // An extension record with a list of its own, that names its base.
    let chain = list(&[(0x80, 0, 44)]);
    image.record(43, 0, 0, &[standard(0), resident(0x20, "", &chain), name(5, "chain", 0)]);
    let more = list(&[(0x80, 0, 43), (0x80, 0, 44)]);
    image.record(44, 0, 43, &[resident(0x20, "", &more), resident(0x80, "", b"more")]);
    // A list that lies in its own record's clusters.
    let place = Image::place(45, 0) as u64 / 512;
    let inside = plain(0x20, 512, &[(1, Some(place))]);
    image.record(45, 0, 0, &[standard(0), inside, name(5, "inside", 0), resident(0x80, "", b"i")]);
    let found = whole(image);
    assert_eq!((inode(&found, 40).size, kinds(&found, 40)), (1, vec![]));
    assert_eq!(kinds(&found, 41), [GapKind::NotFound, GapKind::Corrupt, GapKind::NotFound]);
    assert_eq!((inode(&found, 42).size, kinds(&found, 42)), (1, vec![GapKind::NotFound]));
    assert_eq!((inode(&found, 43).size, kinds(&found, 43)), (4, vec![]));
    assert_eq!({ inode(&found, 45).size }, 1);
    assert!(kinds(&found, 45).contains(&GapKind::Corrupt));
}

#[test]
fn cross_linked_and_gigantic_files_are_listed_within_the_volumes_bounds() {
    let mut image = Image::new();
    for number in 40..60 {
        // Twenty files share one cluster; each maps it a hundred times.
        let runs = [(1, Some(3100)); 20];
        image.record(
            number,
            0,
            0,
            &[standard(0), name(5, &format!("same-{number}"), 0), plain(0x80, 20 * 512, &runs)],
        );
    }
    // Eight exbibytes less a cluster, all hole; and sizes that no mapping holds.
    let most = (1u64 << 54) - 1;
    let hole = Mapping {
        flags: 0x8000,
        unit: 0,
        lowest: 0,
        size: most * 512,
        initialized: 9,
        runs: &[(most, None)],
    };
    image.record(60, 0, 0, &[standard(0x200), name(5, "hole", 0), mapped(0x80, "", &hole)]);
    let claims = Mapping { size: u64::MAX, runs: &[(1, Some(3100))], ..hole };
    image.record(61, 0, 0, &[standard(0), name(5, "claims", 0), mapped(0x80, "", &claims)]);
    let longer = Mapping { size: 1 << 40, initialized: u64::MAX, runs: &[(1, Some(3100))], ..hole };
    image.record(62, 0, 0, &[standard(0), name(5, "longer", 0), mapped(0x80, "", &longer)]);
    let over = [(1u64 << 62, None), (1 << 62, None)];
    image.record(63, 0, 0, &[standard(0), name(5, "over", 0), plain(0x80, 9, &over)]);
    let list = plain(0x20, 1 << 40, &[(1, Some(3100))]);
    image.record(64, 0, 0, &[standard(0), list, name(5, "list", 0), resident(0x80, "", b"x")]);
    let found = whole(image);
    assert!((40..60).all(|number| kinds(&found, number).is_empty()));
    assert_eq!((inode(&found, 60).size, kinds(&found, 60)), (most * 512, vec![]));
    for (number, sized) in [(61, false), (62, true), (63, false)] {
        assert!(kinds(&found, number).contains(&GapKind::Corrupt), "{number}");
        let file = inode(&found, number);
        assert_eq!(file.flags.contains(RowFlags::SIZED), sized, "{number}");
        let streams = found.streams_of(file);
        assert!(
            streams.iter().all(|stream| matches!(stream.encoding, Encoding::Unreadable { .. })),
            "{number}"
        );
    }
    assert_eq!(kinds(&found, 64), [GapKind::Limit]);
    assert_eq!({ inode(&found, 64).size }, 1);
}

#[test]
fn an_mft_that_maps_itself_on_itself_or_claims_the_world_is_cut() {
    for (runs, size) in [
        (&[(40u64, Some(16u64)); 9][..], 9 * 40 * 512),
        (&[(33, Some(16)), (5000, None)][..], 5033 * 512),
        (&[(33, Some(16))][..], 1 << 60),
    ] {
        let mut image = Image::new();
        image.record(0, 0, 0, &[standard(6), name(5, "$MFT", 3), plain(0x80, size, runs)]);
        let source = MemorySource::new(image.bytes);
        let Ok(probed) = probe(&source) else { continue };
        let found = survey(&source, &probed.geometry, 0..probed.units);
        let records = source.size_bytes() / RECORD as u64;
        assert!(found.inodes.len() as u64 <= records, "{} inodes", found.inodes.len());
        let on_itself = runs[1..].contains(&runs[0]);
        assert!(!on_itself || found.inodes.iter().all(|inode| inode.number < 20), "a record is told once");
        assert_eq!(probed.reason.contains("lie on those before"), on_itself, "{}", probed.reason);
        assert!(!on_itself || probed.state == VolumeState::Partial);
        assert!(size < 1 << 50 || probed.state == VolumeState::Partial, "{:?}", probed.reason);
    }
}

#[test]
fn cycles_of_directories_cost_a_gap_and_a_file_of_many_names_its_rows() {
    let mut image = Image::new();
    image.record(40, DIRECTORY, 0, &[standard(0), name(41, "a", 0), name(5, "in", 0)]);
    image.record(41, DIRECTORY, 0, &[standard(0), name(40, "b", 0)]);
    image.record(42, DIRECTORY, 0, &[standard(0), name(43, "c", 0)]);
    image.record(43, DIRECTORY, 0, &[standard(0), name(42, "d", 0)]);
    image.record(44, DIRECTORY, 0, &[standard(0), name(44, "self", 0)]);
    // Each of 900 extension records gives its file eleven names.
    let records: Vec<u64> = (100..1000).collect();
    let entries: Vec<_> = records.iter().map(|&number| (0x30, 0, number)).collect();
    let list = list(&entries);
    image.cluster(3100, &list);
    let list = plain(0x20, list.len() as u64, &[(list.len().div_ceil(512) as u64, Some(3100))]);
    image.record(45, 0, 0, &[standard(0), list, resident(0x80, "", b"linked")]);
    for &record in &records {
        let names: Vec<_> = (0..8).map(|i| name(5, &format!("{record}-{i}"), 0)).collect();
        image.record(record, 0, 45, &names);
    }
    let found = whole(image);
    assert_eq!(inode(&found, 45).nlink, 900 * 8);
    let tree = Tree::build(&found, 5);
    let mut rows = 0;
    for_each_row(&tree, |row, _, _| rows += u32::from(row.volatile.inode == 45));
    assert_eq!(rows, 900 * 8);
    let told: Vec<_> = tree.gaps().iter().map(|gap| (gap.kind, gap.inode)).collect();
    // 40 has two names, one of them below itself; 42, 43 and 44 cannot be reached, but each has a name.
    assert_eq!(told, [(GapKind::Corrupt, Some(40)), (GapKind::Corrupt, Some(42))]);
}

#[test]
fn a_torn_record_is_a_gap_with_its_place_and_the_rest_is_read() {
    let mut image = Image::new();
    let at = Image::place(30, 1);
    image.bytes[at + 510] ^= 1;
    let found = whole(image);
    let sound = whole(Image::new());
    let gap = found.gaps.iter().find(|gap| gap.inode == Some(30)).unwrap();
    let place = Image::place(30, 0) as u64;
    assert_eq!((gap.kind, gap.at, gap.structure.as_str()), (GapKind::Corrupt, Some(place), "MFT record"));
    assert_eq!(found.damaged.clone().into_ranges(), [ByteRange::new(place, 1024)]);
    assert_eq!(found.inodes.len() + 1, sound.inodes.len());
}

#[test]
fn records_in_pieces_are_put_together_a_few_at_a_time() {
    // No two halves of records lie side by side.
    let records = 24_576;
    let mft = (0..records * 2).map(|half| ByteRange::new(half * 4096, 2048)).collect();
    let clusters = records * 4;
    let size_bytes = clusters * 2048;
    let (cluster_bytes, record_bytes, bitmap) = (2048, 4096, Vec::new());
    let geometry = Geometry { cluster_bytes, record_bytes, clusters, size_bytes, records, mft, bitmap };
    let builder = Builder::new(geometry.clusters(), true);
    let mut loader = Loader::of_range(geometry, 0..records, builder);
    let (mut ask, mut waiting) = (Requests::default(), VecDeque::new());
    let (mut under_way, mut most, mut all) = (0, 0, 0);
    loader.start(&mut ask);
    loop {
        for (tag, range) in ask.take() {
            under_way += range.len;
            waiting.push_back((tag, range));
        }
        most = most.max(under_way);
        let Some((tag, range)) = waiting.pop_front() else { break };
        under_way -= range.len;
        all += range.len;
        loader.feed(Fetched { tag, range, bytes: &[0xa5; 2048], bad: &[] }, &mut ask);
    }
    assert_eq!(all, records * 4096);
    assert!(most <= 33 << 20, "{most} bytes under way");
    assert_eq!(loader.sink.finish().gaps.len() as u64, records);
}
