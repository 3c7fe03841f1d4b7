//! Properties of a survey as a whole.

use super::image::{all, inodes, made, noise, probe, ran, survey};
use crate::{
    error::ParseError,
    source::memory::MemorySource,
    survey::{Encoding, Inode, Run, Span, Survey},
};
use coldread_model::{ByteRange, GapKind, RangeSet, RowFlags, VolumeState, listing::Xattrs};
use std::{fmt::Write, fs};

/// Everything of a survey with the indexes resolved, in an order of its own.
fn resolved(mut survey: Survey) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for inode in &survey.inodes {
        lines.push(shown(&survey, inode));
    }
    for entry in &survey.entries {
        lines.push(format!("{} {} {:?}", { entry.parent }, { entry.child }, survey.bytes(entry.name)));
    }
    lines.extend(survey.gaps.iter().map(|gap| format!("{gap:?}")));
    for set in [&mut survey.metadata, &mut survey.free, &mut survey.damaged] {
        lines.push(format!("{:?}", set.ranges()));
    }
    lines.sort();
    lines
}

/// An inode with its indexes resolved.
fn shown(survey: &Survey, inode: &Inode) -> String {
    let mut line = format!("{:?} {:?}", survey.bytes(inode.target), survey.bytes(inode.xattrs));
    for stream in survey.streams_of(inode) {
        let inline = if let Encoding::Inline(span) = stream.encoding { survey.bytes(span) } else { &[] };
        let _ = write!(line, " {} {inline:?} {:?}", stream.size, survey.extents_of(stream));
    }
    let bare = Inode { target: Span::default(), xattrs: Span::default(), streams: Run::default(), ..*inode };
    format!("{bare:?} {line}")
}

const SHAPES: &[&[&str]] = &[
    &["-t", "ext4", "-b", "1024", "-g", "1024"],
    &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"],
    &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "inline_data,^flex_bg"],
    &["-t", "ext4", "-b", "4096", "-O", "sparse_super2"],
    &["-t", "ext4", "-b", "1024", "-g", "4096", "-O", "bigalloc", "-C", "4096"],
    &["-t", "ext4", "-b", "1024", "-g", "1024", "-I", "128", "-O", "^metadata_csum,^64bit"],
    &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "mmp,quota,project,large_dir"],
    &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "orphan_file,metadata_csum_seed,ea_inode"],
    &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "^metadata_csum,uninit_bg,^flex_bg,^extents,^64bit"],
    &["-t", "ext3", "-b", "1024", "-g", "1024"],
    &["-t", "ext2", "-b", "1024", "-g", "1024"],
];

#[test]
fn every_byte_is_metadata_free_or_a_files() {
    for shape in SHAPES {
        let Some(bytes) = made(8 << 10, shape) else { return };
        let (probed, mut found) = all(bytes);
        assert_eq!(found.gaps, [], "{shape:?}");
        assert_eq!(probed.gaps, [], "{shape:?}");
        assert_eq!(probed.state, VolumeState::Clean);
        let mut files = RangeSet::new();
        for inode in found.inodes.iter().filter(|inode| !inode.flags.contains(RowFlags::INTERNAL)) {
            for extent in found.streams_of(inode).iter().flat_map(|stream| found.extents_of(stream)) {
                files.insert(ByteRange::new(extent.physical, extent.len));
            }
        }
        let parts = found.metadata.total() + found.free.total() + files.total();
        let mut union = files;
        union.extend(&found.metadata);
        union.extend(&found.free);
        assert_eq!((parts, union.total()), (probed.size_bytes, probed.size_bytes), "{shape:?}");
    }
}

#[test]
fn a_survey_is_the_sum_of_its_parts_however_divided() {
    for shape in SHAPES {
        let Some(bytes) = made(8 << 10, shape) else { return };
        let source = MemorySource::new(bytes);
        let probed = probe(&source).unwrap();
        let (whole, _) = survey(&source, &probed.geometry, 0..probed.units);
        assert!(whole.inodes.len() > 310, "{shape:?}");
        let numbers: Vec<u64> = whole.inodes.iter().map(|inode| inode.number).collect();
        assert!(numbers.is_sorted());
        let whole = resolved(whole);
        for step in [1, 2, 3, 5] {
            let mut joined = Survey::default();
            for start in (0..probed.units).step_by(step) {
                let end = probed.units.min(start + step as u64);
                joined.append(survey(&source, &probed.geometry, start..end).0).unwrap();
            }
            assert_eq!(resolved(joined), whole, "{shape:?} by {step}");
        }
    }
}

#[test]
fn single_inodes_are_what_the_survey_found() {
    for shape in SHAPES {
        let Some(bytes) = made(8 << 10, shape) else { return };
        let source = MemorySource::new(bytes);
        let probed = probe(&source).unwrap();
        let (whole, _) = survey(&source, &probed.geometry, 0..probed.units);
        let numbers: Vec<u64> = whole.inodes.iter().map(|inode| inode.number).collect();
        let single = inodes(&source, &probed.geometry, &numbers);
        let lines =
            |survey: &Survey| survey.inodes.iter().map(|inode| shown(survey, inode)).collect::<Vec<_>>();
        assert_eq!(lines(&single), lines(&whole), "{shape:?}");
        assert!(single.entries.is_empty() && single.gaps.is_empty());
        let none = inodes(&source, &probed.geometry, &[0, 900, u64::MAX]);
        let kinds: Vec<_> = none.gaps.iter().map(|gap| (gap.kind, gap.inode)).collect();
        assert_eq!(kinds, [0, 900, u64::MAX].map(|number| (GapKind::NotFound, Some(number))));
    }
}

#[test]
fn rounds_do_not_depend_on_the_number_of_files() {
    let Some(bytes) = made(8 << 10, &["-t", "ext4", "-b", "4096"]) else { return };
    let source = MemorySource::new(bytes);
    let probed = probe(&source).unwrap();
    let (_, stats) = survey(&source, &probed.geometry, 0..probed.units);
    assert!(stats.rounds <= 4, "{stats:?}");
}

#[test]
fn a_journal_that_was_not_replayed_is_reported() {
    let Some(mut bytes) = made(8 << 10, &["-t", "ext4", "-O", "^metadata_csum", "-L", "label"]) else {
        return;
    };
    bytes[1024 + 0x60] |= 4;
    // The flag alone says that the filesystem was in use: its log is empty.
    let (probed, _) = all(bytes.clone());
    assert_eq!((probed.state, probed.gaps), (VolumeState::Clean, Vec::new()));
    // s_journal_inum and s_journal_dev: the journal is elsewhere.
    bytes[1024 + 0xE0..1024 + 0xE8].copy_from_slice(&[0, 0, 0, 0, 1, 0, 0, 0]);
    let (probed, _) = all(bytes);
    assert_eq!(probed.state, VolumeState::Unreplayed);
    assert_eq!(probed.gaps.len(), 1);
    assert_eq!(probed.gaps[0].kind, GapKind::Unreplayed);
    assert_eq!((probed.name.as_str(), probed.label.as_deref()), ("ext4", Some("label")));
    assert_eq!(probed.uuid.map(|uuid| uuid.len()), Some(36));
}

#[test]
fn what_is_no_superblock_is_an_error_of_the_right_kind() {
    let kind =
        |bytes: Vec<u8>, bad: Vec<ByteRange>| probe(&MemorySource::new(bytes).with_bad(bad)).unwrap_err();
    assert!(matches!(kind(noise(4096), vec![]), ParseError::Corrupt { .. }));
    assert!(matches!(kind(noise(100), vec![]), ParseError::Io { .. }));
    assert!(matches!(kind(noise(4096), vec![ByteRange::new(1024, 512)]), ParseError::Io { .. }));
    let Some(bytes) = made(8 << 10, &["-t", "ext4", "-O", "^metadata_csum"]) else { return };
    let mut unknown = bytes.clone();
    unknown[1024 + 0x61] |= 0x10;
    let error = kind(unknown, vec![]);
    assert!(matches!(&error, ParseError::Unsupported { feature, .. } if feature == "dirdata"), "{error}");
}

#[test]
fn attributes_in_inodes_in_blocks_and_in_inodes_of_their_own() {
    for (shape, sizes) in [
        (&["-t", "ext4", "-b", "1024"][..], &[1_usize, 20, 700][..]),
        (&["-t", "ext4", "-b", "1024", "-O", "ea_inode", "-I", "512"], &[1, 20, 700, 1000]),
        (&["-t", "ext2", "-b", "4096", "-I", "128"], &[1, 20, 3000]),
    ] {
        let Some(bytes) = made(8 << 10, shape) else { return };
        let dir = tempfile::tempdir().unwrap();
        let (image, value) = (dir.path().join("image"), dir.path().join("value"));
        let (image, value) = (image.to_str().unwrap(), value.to_str().unwrap());
        fs::write(image, bytes).unwrap();
        let mut wanted = Vec::new();
        for size in sizes {
            fs::write(value, noise(*size)).unwrap();
            let command = format!("ea_set -f {value} /empty trusted.of-{size:05}");
            if !ran("debugfs", &["-w", "-R", &command, image]) {
                return;
            }
            wanted.push((format!("trusted.of-{size:05}").into_bytes(), noise(*size)));
        }
        let (_, found) = all(fs::read(image).unwrap());
        let entry = found.entries.iter().find(|entry| found.bytes(entry.name) == b"empty").unwrap();
        let inode = found.inodes.iter().find(|inode| inode.number == entry.child).unwrap();
        let shown = Xattrs(found.bytes(inode.xattrs)).map(|(name, value)| (name.to_vec(), value.to_vec()));
        assert_eq!(shown.collect::<Vec<_>>(), wanted, "{shape:?}");
        assert_eq!(found.gaps, [], "{shape:?}");
    }
}
