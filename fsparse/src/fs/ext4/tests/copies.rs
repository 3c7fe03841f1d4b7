//! A damaged superblock or descriptor costs a gap: its copy tells the same.

use super::{
    super::Ext4,
    image::{made, noise, probe, survey},
};
use crate::{
    fs::{Filesystem, HEAD_BYTES, Probed},
    source::memory::MemorySource,
    survey::Survey,
    tree::{Tree, for_each_row},
};
use coldread_model::{ByteRange, GapKind, VolumeState};

const SHAPES: &[&[&str]] = &[
    &["-t", "ext4", "-b", "1024"],
    &["-t", "ext4", "-b", "1024", "-g", "1024"],
    &["-t", "ext4", "-b", "1024", "-O", "sparse_super2"],
    &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "meta_bg,^resize_inode"],
    &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum,^64bit,uninit_bg"],
    &["-t", "ext2", "-b", "1024", "-O", "^sparse_super,^resize_inode"],
];

fn read(source: &MemorySource) -> (Probed, Survey) {
    let probed = probe(source).unwrap();
    let (found, _) = survey(source, &probed.geometry, 0..probed.units);
    (probed, found)
}

/// Directories, names, inodes and sizes, as they are listed.
fn told(survey: &Survey) -> Vec<(Vec<u8>, u64, u64)> {
    let tree = Tree::build(survey, 2);
    let mut rows = Vec::new();
    for_each_row(&tree, |row, _, _| {
        let row = row.to_record();
        rows.push((row.path, row.inode, row.size.unwrap_or_default()));
    });
    rows
}

#[test]
fn a_copy_stands_in_for_the_superblock() {
    for shape in SHAPES {
        let Some(bytes) = made(20 << 10, shape) else { return };
        let (whole, survey) = read(&MemorySource::new(bytes.clone()));
        let mut damaged = bytes.clone();
        // Past recognition; only a checksum that is wrong; a block size that no filesystem has.
        let groups_of_another_size = shape.contains(&"-g");
        for (at, new) in [(1024, vec![0; 1024]), (1024 + 0x88, vec![0xA5; 9]), (1024 + 0x18, vec![0xFF; 4])] {
            damaged.copy_from_slice(&bytes);
            damaged[at..at + new.len()].copy_from_slice(&new);
            let summed = shape[1] == "ext4" && !shape.iter().any(|word| word.contains("^metadata_csum"));
            if at == 1024 + 0x88 && !summed {
                assert!(probe(&MemorySource::new(damaged.clone())).is_ok(), "nothing sums it up");
                continue;
            }
            let head = &damaged[..HEAD_BYTES as usize];
            assert!(Ext4.recognises(head) || Ext4.recognises_damaged(head), "{shape:?}");
            let source = MemorySource::new(damaged.clone());
            if groups_of_another_size && new.len() != 9 {
                assert!(probe(&source).is_err(), "{shape:?}: nothing tells where the copies are");
                continue;
            }
            let (probed, found) = read(&source);
            assert_eq!(probed.state, VolumeState::Partial, "{shape:?}");
            assert!(probed.reason.contains("its copy in group"), "{}", probed.reason);
            let kinds: Vec<_> = probed.gaps.iter().map(|gap| (gap.kind, gap.at)).collect();
            assert_eq!(kinds, [(GapKind::Corrupt, Some(1024))], "{shape:?} {:?}", probed.gaps);
            assert_eq!((probed.uuid, probed.size_bytes), (whole.uuid.clone(), whole.size_bytes));
            assert_eq!(told(&found), told(&survey), "{shape:?}");
        }
        if !groups_of_another_size {
            let source = MemorySource::new(bytes).with_bad(vec![ByteRange::new(1024, 512)]);
            let (probed, found) = read(&source);
            assert_eq!(probed.gaps[0].kind, GapKind::Io, "{shape:?}");
            assert_eq!(told(&found), told(&survey), "{shape:?}");
        }
    }
}

#[test]
fn descriptors_tell_that_a_volume_without_a_superblock_is_ext4() {
    for shape in [
        &["-t", "ext4", "-b", "4096", "-g", "1024"][..],
        &["-t", "ext4", "-b", "2048", "-g", "1024", "-O", "^64bit"],
        &["-t", "ext3", "-b", "4096", "-g", "1024"],
        &["-t", "ext2", "-b", "2048"],
        &["-t", "ext4", "-b", "1024", "-O", "^flex_bg"],
    ] {
        let Some(mut bytes) = made(40 << 10, shape) else { return };
        bytes[..2048].fill(0);
        assert!(
            !Ext4.recognises(&bytes) && Ext4.recognises_damaged(&bytes[..HEAD_BYTES as usize]),
            "{shape:?}"
        );
    }
}

#[test]
fn what_is_no_copy_is_not_taken_for_one() {
    assert!(!Ext4.recognises_damaged(&noise(HEAD_BYTES as usize)));
    let Some(bytes) = made(20 << 10, &["-t", "ext4", "-b", "1024"]) else { return };
    // The first superblock in the place of a copy: it does not name that group.
    let mut moved = bytes.clone();
    moved.copy_within(1024..2048, 8193 << 10);
    moved[1024..2048].fill(0);
    assert!(probe(&MemorySource::new(moved)).is_err());
    let mut noisy = noise(20 << 20);
    noisy[..4096].fill(0);
    assert!(probe(&MemorySource::new(noisy)).is_err());
}

#[test]
fn a_copy_stands_in_for_each_descriptor() {
    for shape in SHAPES {
        let Some(bytes) = made(20 << 10, shape) else { return };
        let (probed, whole) = read(&MemorySource::new(bytes.clone()));
        assert_eq!(whole.gaps, [], "{shape:?}");
        // Without sums of inodes, noise that was never written may look like some; no name leads there.
        let noisy = shape.iter().any(|word| word.contains("uninit_bg"));
        let meta = shape.iter().any(|word| word.contains("meta_bg"));
        let groups = probed.units;
        let size: u64 =
            if shape.contains(&"ext2") || shape.iter().any(|w| w.contains("^64bit")) { 32 } else { 64 };
        // Those of the first block: with meta_bg, of the first meta block group.
        let count = if meta { groups.min(1024 / size) } else { groups };
        for group in 0..count {
            let at = (2048 + group * size) as usize;
            for new in [0_u8, 0xFF] {
                let mut damaged = bytes.clone();
                damaged[at..at + 16].fill(new);
                let (found, _) = survey(&MemorySource::new(damaged), &probed.geometry, 0..groups);
                assert_eq!(told(&found), told(&whole), "{shape:?} group {group}");
                assert!(!found.gaps.is_empty());
                for gap in &found.gaps {
                    assert_eq!(gap.kind, GapKind::Corrupt, "{shape:?}: {gap:?}");
                    assert!(noisy || gap.structure == "group descriptor", "{shape:?}: {gap:?}");
                }
            }
            let source = MemorySource::new(bytes.clone()).with_bad(vec![ByteRange::new(at as u64, 16)]);
            let (found, _) = survey(&source, &probed.geometry, 0..groups);
            assert_eq!(told(&found), told(&whole), "{shape:?} group {group}");
            assert!(noisy || found.gaps.iter().all(|gap| gap.kind == GapKind::Io), "{:?}", found.gaps);
            assert!(found.lost.is_empty());
        }
    }
}

#[test]
fn a_group_without_any_descriptor_is_lost_with_its_inodes() {
    let Some(mut bytes) = made(20 << 10, &["-t", "ext4", "-b", "1024"]) else { return };
    let (probed, whole) = read(&MemorySource::new(bytes.clone()));
    for start in [1, 8193] {
        let at = ((start + 1) << 10) + 64;
        bytes[at..at + 64].fill(0xFF);
    }
    let (found, _) = survey(&MemorySource::new(bytes), &probed.geometry, 0..probed.units);
    let per_group = found.lost[0].count;
    assert_eq!((found.lost.len(), found.lost[0].first), (1, per_group + 1), "{:?}", found.lost);
    let left = whole.inodes.iter().filter(|inode| (inode.number - 1) / per_group != 1).count();
    assert_eq!(found.inodes.len(), left);
}
