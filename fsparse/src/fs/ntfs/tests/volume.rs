//! What is found on a volume built record by record.

use super::{facts, image::*, in_units, inode, probe, survey};
use crate::{
    error::ParseError,
    fs::{
        Filesystem,
        ntfs::{Ntfs, boot::tests::sample},
    },
    machine::run,
    source::{BlockSource, memory::MemorySource},
    survey::{Encoding, Survey},
};
use coldread_model::{ByteRange, FileKind, GapKind, RangeSet, RowFlags, VolumeState};
use std::{fs, process::Command};

fn whole(image: Image) -> Survey {
    let source = MemorySource::new(image.bytes);
    let probed = probe(&source).unwrap();
    survey(&source, &probed.geometry, 0..probed.units)
}

fn names_of(survey: &Survey, child: u64) -> Vec<(u64, String)> {
    let named = survey.entries.iter().filter(|entry| entry.child == child);
    named
        .map(|entry| (entry.parent, String::from_utf8_lossy(survey.bytes(entry.name)).into_owned()))
        .collect()
}

#[test]
fn an_mft_in_pieces_is_mapped_through_its_own_attribute_list() {
    let probed = probe(&MemorySource::new(Image::new().bytes)).unwrap();
    assert_eq!(probed.gaps, []);
    assert_eq!((probed.units, probed.state), (2, VolumeState::Clean));
    assert_eq!(probed.label.as_deref(), Some("Täst"));
    assert_eq!(probed.uuid.as_deref(), Some("123456789ABCDEF0"));
    assert_eq!(probed.identity.len(), 512);
}

#[test]
fn files_are_found_with_names_streams_and_kinds() {
    let survey = whole(Image::new());
    let gaps: Vec<_> = survey.gaps.iter().map(|gap| (gap.kind, gap.inode)).collect();
    assert_eq!(gaps, [(GapKind::Unsupported, Some(35))]);

    let file = inode(&survey, 30);
    assert_eq!((file.kind, file.nlink, file.size), (FileKind::File, 2, 5));
    assert_eq!(
        (file.crtime.nanos, file.mtime.nanos, file.ctime.nanos, file.atime.nanos),
        (100, 200, 300, 400)
    );
    assert_eq!(names_of(&survey, 30), [(5, "long name".to_owned()), (FAR + 1, "ß".to_owned())]);
    let streams = survey.streams_of(file).iter();
    let streams: Vec<_> = streams.map(|stream| (survey.bytes(stream.name).to_vec(), stream.size)).collect();
    assert_eq!(streams, [(vec![], 5), (b"area".to_vec(), 1), (b"zone".to_vec(), 1)]);

    let link = inode(&survey, 31);
    assert_eq!((link.kind, link.size), (FileKind::Symlink, 420));
    assert_eq!(survey.bytes(link.target), "target/".repeat(60).as_bytes());
    assert!(survey.streams_of(link).is_empty());

    let spread = &survey.streams_of(inode(&survey, 32))[0];
    assert_eq!((spread.size, spread.initialized), (4000, 3000));
    let extents: Vec<_> =
        survey.extents_of(spread).iter().map(|e| (e.logical, e.physical / 512, e.len)).collect();
    assert_eq!(extents, [(0, 3020, 2048), (2048, 3040, 2048)]);

    let packed = &survey.streams_of(inode(&survey, 33))[0];
    assert!(matches!(packed.encoding, Encoding::Lznt1 { unit_bytes: 8192, .. }));
    assert!(inode(&survey, 34).flags.contains(RowFlags::ENCRYPTED));
    let wof = &survey.streams_of(inode(&survey, 35))[0];
    assert!(matches!(wof.encoding, Encoding::Unreadable { encrypted: false, .. }));

    for (number, internal) in [(0, true), (5, false), (11, true), (24, true), (30, false)] {
        assert_eq!(inode(&survey, number).flags.contains(RowFlags::INTERNAL), internal, "record {number}");
    }
    assert_eq!(names_of(&survey, 5), []);
    let free = survey.free.clone().into_ranges();
    assert_eq!(free, [ByteRange::new(4000 * 512, 2000 * 512)]);
}

#[test]
fn units_one_by_one_give_what_one_go_gives() {
    let source = MemorySource::new(Image::new().bytes);
    let probed = probe(&source).unwrap();
    let all = survey(&source, &probed.geometry, 0..probed.units);
    assert_eq!(facts(&in_units(&source, &probed)), facts(&all));
    assert!(all.inodes.is_sorted_by_key(|inode| inode.number));
}

#[test]
fn single_records_are_read_again_without_names() {
    let source = MemorySource::new(Image::new().bytes);
    let probed = probe(&source).unwrap();
    let mut machine = Ntfs.inodes(&probed.geometry, &[32, 31, 40, FAR, 99_999]).unwrap();
    run(&mut *machine, &mut *source.open_queue().unwrap());
    let found = machine.finish();
    assert_eq!(found.inodes.iter().map(|inode| inode.number).collect::<Vec<_>>(), [31, 32]);
    assert_eq!(found.streams[0].size, 4000);
    assert_eq!(found.entries, []);
    let mut gaps: Vec<_> = found.gaps.iter().map(|gap| (gap.inode, gap.kind)).collect();
    gaps.sort_unstable();
    assert_eq!(gaps, [40, FAR, 99_999].map(|number| (Some(number), GapKind::NotFound)));
}

#[test]
fn a_dirty_volume_and_an_open_log_are_said() {
    let mut image = Image::new();
    image.volume(1);
    image.cluster(2300, b"RSTR");
    let probed = probe(&MemorySource::new(image.bytes)).unwrap();
    assert_eq!(probed.state, VolumeState::Unreplayed);
    assert_eq!(probed.reason, "the volume is marked dirty; the log's restart pages are damaged");
    let kinds: Vec<_> = probed.gaps.iter().map(|gap| gap.kind).collect();
    assert_eq!(kinds, [GapKind::Corrupt, GapKind::Unreplayed]);
}

#[test]
fn a_lost_boot_sector_and_a_lost_first_record_have_copies() {
    let mut image = Image::new();
    image.cluster(0, &[0; 512]);
    assert_eq!(probe(&MemorySource::new(image.bytes)).unwrap().gaps.len(), 1);

    // The last sector is the copy of another volume's: a part of a file, perhaps.
    let mut image = Image::new();
    image.cluster(0, &[0; 512]);
    let last = image.bytes.len() - 512;
    image.bytes[last + 40] -= 1;
    assert!(matches!(
        probe(&MemorySource::new(image.bytes)),
        Err(ParseError::Corrupt { at: 0, structure: "NTFS boot sector", .. })
    ));

    // Sectors of 4096 bytes: the copy leads on to the MFT, which is not there.
    let mut bytes = vec![0; 17 * 4096];
    let mut boot = sample(1, -12, 16);
    boot[11..13].copy_from_slice(&4096_u16.to_le_bytes());
    bytes[16 * 4096..][..512].copy_from_slice(&boot);
    assert!(matches!(
        probe(&MemorySource::new(bytes)),
        Err(ParseError::Corrupt { at: 16384, structure: "MFT record 0", .. })
    ));

    // The copy of record 0 leads to the MFT where the record needs no attribute list.
    let mut image = Image::new();
    let alone = plain(0x80, 16 * 1024, &[(33, Some(16))]);
    image.record(0, 0, 0, &[standard(6), name(5, "$MFT", 3), alone]);
    let from = Image::place(0, 0);
    image.bytes.copy_within(from..from + RECORD, 8 * CLUSTER);
    image.bytes[from + 510] ^= 1;
    let probed = probe(&MemorySource::new(image.bytes)).unwrap();
    assert_eq!(
        probed.gaps.iter().map(|gap| (gap.kind, gap.inode)).collect::<Vec<_>>(),
        [(GapKind::Corrupt, Some(0))]
    );
}

#[test]
fn a_boot_sector_of_4096_bytes_has_its_copy_where_mkntfs_puts_it() {
    for sector in ["512", "4096"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        fs::File::create(&path).unwrap().set_len(8 << 20).unwrap();
        let made =
            Command::new("mkntfs").args(["-q", "-F", "-f", "-c", "4096", "-s", sector]).arg(&path).output();
        if !made.is_ok_and(|made| made.status.success()) {
            println!("skipped: needs mkntfs");
            return;
        }
        let mut bytes = fs::read(&path).unwrap();
        let geometry = probe(&MemorySource::new(bytes.clone())).unwrap().geometry;
        bytes[..512].fill(0);
        let probed = probe(&MemorySource::new(bytes)).unwrap();
        assert_eq!((probed.geometry, probed.gaps.len()), (geometry, 1), "{sector}");
    }
}

#[test]
fn an_unreadable_record_is_one_gap_and_the_rest_is_there() {
    let image = Image::new();
    let bad = ByteRange::new(Image::place(30, 0) as u64 + 7, 1);
    let source = MemorySource::new(image.bytes).with_bad(vec![bad]);
    let probed = probe(&source).unwrap();
    let found = survey(&source, &probed.geometry, 0..probed.units);
    let io: Vec<_> = found.gaps.iter().filter(|gap| gap.kind == GapKind::Io).map(|gap| gap.inode).collect();
    assert_eq!(io, [Some(30)]);
    assert_eq!(found.damaged.clone().into_ranges(), [ByteRange::new(Image::place(30, 0) as u64, 1024)]);
    assert!(found.inodes.iter().all(|inode| inode.number != 30));
    assert_eq!(found.inodes.len(), whole(Image::new()).inodes.len() - 1);
}

#[test]
fn a_missing_extension_record_makes_its_stream_unreadable() {
    let mut image = Image::new();
    let at = Image::place(FAR, 0) + 22;
    image.bytes[at] = 0;
    let survey = whole(image);
    let kinds: Vec<_> = survey.gaps.iter().filter(|gap| gap.inode == Some(32)).map(|gap| gap.kind).collect();
    assert_eq!(kinds, [GapKind::NotFound, GapKind::Corrupt]);
    let stream = &survey.streams_of(inode(&survey, 32))[0];
    assert!(matches!(stream.encoding, Encoding::Unreadable { encrypted: false, .. }));
}

#[test]
fn a_directory_in_the_cloud_is_a_directory_and_its_files_say_so() {
    let mut image = Image::new();
    let point = |tag: u32| resident(0xc0, "", &[&tag.to_le_bytes()[..], &[0; 4]].concat());
    let cloud = point(0x9000_601a);
    image.record(36, DIRECTORY, 0, &[standard(0x400), name(5, "OneDrive", 0), cloud.clone()]);
    let content = resident(0x80, "", b"here");
    let here = [standard(0x400), name(36, "here", 0), content.clone(), cloud.clone()];
    image.record(37, 0, 0, &here);
    let away = [standard(0x40_0400), name(36, "away", 0), content.clone(), cloud];
    image.record(38, 0, 0, &away);
    image.record(39, 0, 0, &[standard(0x400), name(36, "dedup", 0), content, point(0x8000_0013)]);
    let survey = whole(image);
    let kinds = [36, 37, 38, 39].map(|number| inode(&survey, number).kind);
    assert_eq!(kinds, [FileKind::Dir, FileKind::File, FileKind::Reparse, FileKind::Reparse]);
    assert_eq!(survey.bytes(inode(&survey, 39).target), b"0x80000013");
    let readable = [37, 38, 39].map(|number| {
        let stream = &survey.streams_of(inode(&survey, number))[0];
        matches!(stream.encoding, Encoding::Inline(_))
    });
    assert_eq!(readable, [true, false, false]);
    let told: Vec<_> = survey.gaps.iter().filter_map(|gap| gap.inode).collect();
    assert_eq!(told, [35, 38, 39]);
}

#[test]
fn names_that_no_directory_can_hold_are_left_out() {
    let mut image = Image::new();
    let names = ["..", "a/b", "", "fine"].map(|text| name(5, text, 0));
    image.record(30, 0, 0, &[standard(0), names.concat()]);
    let survey = whole(image);
    assert_eq!(names_of(&survey, 30), [(5, "fine".to_owned())]);
    assert_eq!(survey.gaps.iter().filter(|gap| gap.inode == Some(30)).count(), 3);
}

#[test]
fn the_unused_end_of_the_volume_is_metadata() {
    let survey = whole(Image::new());
    let metadata: RangeSet = survey.metadata.clone();
    let ranges = metadata.into_ranges();
    assert_eq!(ranges.last().map(|range| range.end()), Some(6001 * 512));
    assert_eq!(ranges.first(), Some(&ByteRange::new(0, 49 * 512)));
}

#[test]
fn hard_links_in_extension_records_are_all_names() {
    let mut image = Image::new();
    // Forty names, eight to a record; the last record is another unit's. The list is too long for a record.
    let records = [36, 37, 38, 39, FAR + 2];
    let entries: Vec<_> = records.iter().map(|&number| (0x30, 0, number)).collect();
    let list = list(&[&[(0x10, 0, 35), (0x80, 0, 35)][..], &entries].concat());
    image.cluster(3010, &list);
    let list = plain(0x20, list.len() as u64, &[(1, Some(3010))]);
    image.record(35, 0, 0, &[standard(0), list, resident(0x80, "", b"linked")]);
    for (part, &number) in records.iter().enumerate() {
        let names: Vec<_> = (0..8).map(|i| name(5, &format!("{part}-{i}"), 0)).collect();
        image.record(number, 0, 35, &names);
    }
    let survey = whole(image);
    let mut found = names_of(&survey, 35);
    found.sort_unstable();
    let want: Vec<_> = (0..5).flat_map(|part| (0..8).map(move |i| (5, format!("{part}-{i}")))).collect();
    assert_eq!(found, want);
    assert_eq!(inode(&survey, 35).nlink, 40);
    assert_eq!(survey.gaps.iter().filter(|gap| gap.inode == Some(35)).count(), 0);
}
