//! Damaged and hostile images: a gap for each thing lost, and never a panic, a hang or memory without limit.

use super::image::{all, inodes, made, probe, survey};
use crate::{
    source::memory::MemorySource,
    survey::{Encoding, Survey},
};
use coldread_model::{ByteRange, FileKind, GapKind};

fn find(survey: &Survey, name: &[u8]) -> u64 {
    survey.entries.iter().find(|entry| survey.bytes(entry.name) == name).unwrap().child
}

#[test]
fn unreadable_blocks_cost_only_what_lies_in_them() {
    let Some(bytes) = made(8 << 10, &["-t", "ext4", "-b", "1024", "-g", "1024"]) else { return };
    let (probed, whole) = all(bytes.clone());
    let metadata = whole.metadata.clone().into_ranges();
    let mut lost = 0;
    for range in metadata.iter().filter(|range| range.start > 4096) {
        let mut at = range.start;
        while at < range.end() {
            let bad = ByteRange::new(at, 512);
            at += 9 * 1024;
            let source = MemorySource::new(bytes.clone()).with_bad(vec![bad]);
            let (found, _) = survey(&source, &probed.geometry, 0..probed.units);
            let missing = whole.inodes.len() - found.inodes.len() + whole.entries.len() - found.entries.len();
            lost += missing;
            if missing > 0 {
                assert!(!found.gaps.is_empty(), "{bad:?}: {missing} missing in silence");
            }
            for gap in &found.gaps {
                assert_eq!(gap.kind, GapKind::Io, "{gap:?}");
            }
            assert!(found.gaps.is_empty() || found.damaged.clone().into_ranges() == [bad]);
        }
    }
    assert!(lost > 0);
}

#[test]
fn a_flipped_bit_in_metadata_is_seen() {
    let Some(bytes) = made(8 << 10, &["-t", "ext4", "-b", "1024", "-g", "1024"]) else { return };
    let (probed, whole) = all(bytes.clone());
    let mut seen = 0;
    for range in whole.metadata.clone().into_ranges() {
        for at in (range.start.max(4096)..range.end()).step_by(777) {
            let mut damaged = bytes.clone();
            damaged[at as usize] ^= 0x10;
            let source = MemorySource::new(damaged);
            let (found, _) = survey(&source, &probed.geometry, 0..probed.units);
            let same = found.inodes == whole.inodes && found.entries.len() == whole.entries.len();
            if !same {
                seen += 1;
                assert!(!found.gaps.is_empty(), "byte {at}: a change in silence");
            }
            for gap in &found.gaps {
                assert_eq!(gap.kind, GapKind::Corrupt, "{gap:?}");
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn thousands_of_damaged_images_end_with_bounded_work() {
    for shape in [
        &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "^metadata_csum,inline_data"][..],
        &["-t", "ext4", "-b", "1024", "-g", "1024"],
        &["-t", "ext2", "-b", "1024", "-g", "1024"],
    ] {
        let Some(mut bytes) = made(3 << 10, shape) else { return };
        let (_, whole) = all(bytes.clone());
        let places: Vec<u64> = whole
            .metadata
            .clone()
            .into_ranges()
            .iter()
            .flat_map(|range| range.start.max(1024)..range.end())
            .collect();
        let size = bytes.len() as u64;
        let mut state = 0x1234_5678_9ABC_DEF1_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut probed_count = 0;
        for _ in 0..1500 {
            let mut undo = Vec::new();
            for _ in 0..=random() % 24 {
                let at = places[(random() % places.len() as u64) as usize] as usize;
                undo.push((at, bytes[at]));
                bytes[at] = if random() % 3 == 0 { 0xFF } else { random() as u8 };
            }
            let source = MemorySource::new(bytes.clone());
            if let Ok(probed) = probe(&source) {
                probed_count += 1;
                let (found, stats) = survey(&source, &probed.geometry, 0..probed.units);
                assert!(stats.bytes < 40 * size + (80 << 20), "{stats:?}");
                assert!(found.extents.len() as u64 <= size / 1024 + (1 << 16));
                for stream in &found.streams {
                    let extents = found.extents_of(stream);
                    assert!(extents.windows(2).all(|pair| pair[0].logical + pair[0].len <= pair[1].logical));
                    assert!(extents.iter().all(|extent| extent.physical + extent.len <= size));
                }
                for inode in &found.inodes {
                    assert_eq!(inode.kind == FileKind::File, inode.streams.count == 1);
                }
            }
            for (at, byte) in undo.into_iter().rev() {
                bytes[at] = byte;
            }
        }
        assert!(probed_count > 500);
    }
}

#[test]
fn an_inode_table_that_two_groups_name_is_read_once() {
    for shape in
        [&["-t", "ext2", "-b", "1024", "-g", "1024"][..], &["-t", "ext4", "-b", "1024", "-g", "1024"]]
    {
        let Some(mut bytes) = made(3 << 10, &[shape, &["-O", "^metadata_csum,^uninit_bg,^64bit"]].concat())
        else {
            return;
        };
        let (_, whole) = all(bytes.clone());
        // Descriptors of 32 bytes from the third block on.
        let table = bytes[2048 + 8..2048 + 12].to_vec();
        bytes[2048 + 32 + 8..2048 + 32 + 12].copy_from_slice(&table);
        let (probed, found) = all(bytes.clone());
        assert_eq!(probed.gaps, []);
        let lost = &found.lost[..];
        assert_eq!((lost.len(), lost[0].kind), (1, GapKind::Corrupt));
        let group = lost[0].first..lost[0].first + lost[0].count;
        assert!(found.inodes.iter().all(|inode| !group.contains(&{ inode.number })));
        let rest = whole.inodes.iter().filter(|inode| !group.contains(&{ inode.number })).count();
        assert!(found.inodes.len() == rest && rest < whole.inodes.len(), "{shape:?}");
        // The same whatever the division.
        let source = MemorySource::new(bytes);
        let (second, _) = survey(&source, &probed.geometry, 1..2);
        assert_eq!((second.inodes.len(), &second.lost[..]), (0, lost));
        // Nor is what stands where its root directory would be that of another group.
        let single = inodes(&source, &probed.geometry, &[group.start + 1]);
        let gaps: Vec<_> = single.gaps.iter().map(|gap| (gap.kind, gap.inode)).collect();
        assert_eq!((single.inodes.len(), gaps), (0, vec![(GapKind::Corrupt, Some(group.start + 1))]));
    }
}

#[test]
fn an_inode_table_that_only_a_copy_of_a_descriptor_names_is_read_once_too() {
    let shape = ["-t", "ext2", "-b", "1024", "-g", "1024"];
    let Some(mut bytes) = made(3 << 10, &shape) else { return };
    let (_, whole) = all(bytes.clone());
    let table = bytes[2048 + 8..2048 + 12].to_vec();
    // The second group's descriptor is of no use, and its copy behind the second superblock names the first one's table.
    bytes[2048 + 32 + 8..2048 + 32 + 12].fill(0xFF);
    bytes[(1026 << 10) + 32 + 8..(1026 << 10) + 32 + 12].copy_from_slice(&table);
    let (probed, found) = all(bytes);
    assert_eq!(probed.gaps, []);
    let group = found.lost[0].first..found.lost[0].first + found.lost[0].count;
    assert_eq!((found.lost.len(), found.lost[0].kind), (1, GapKind::Corrupt));
    assert!(found.inodes.iter().all(|inode| !group.contains(&{ inode.number })));
    assert_eq!(
        found.inodes.len(),
        whole.inodes.iter().filter(|inode| !group.contains(&{ inode.number })).count()
    );
}

#[test]
fn a_tree_that_refers_to_itself_ends() {
    let Some(mut bytes) = made(3 << 10, &["-t", "ext2", "-b", "1024"]) else { return };
    let (_, whole) = all(bytes.clone());
    let large = whole.inodes.iter().find(|inode| inode.number == find(&whole, b"large")).unwrap();
    // The triple indirect block of every inode that has none becomes a block that lists itself.
    let victim = whole.extents_of(&whole.streams_of(large)[0])[0].physical / 1024;
    let own = (victim as u32).to_le_bytes().repeat(256);
    bytes[victim as usize * 1024..][..1024].copy_from_slice(&own);
    let links = large.nlink as u16;
    for at in (0..bytes.len() - 128).step_by(128) {
        let regular = bytes[at + 1] >> 4 == 8;
        let ours = bytes[at + 0x1A..at + 0x1C] == links.to_le_bytes()
            && bytes[at + 4..at + 8] == 300_000_u32.to_le_bytes();
        if regular && ours {
            bytes[at + 0x28 + 56..at + 0x28 + 60].copy_from_slice(&(victim as u32).to_le_bytes());
        }
    }
    let size = bytes.len() as u64;
    let source = MemorySource::new(bytes);
    let probed = probe(&source).unwrap();
    let (found, stats) = survey(&source, &probed.geometry, 0..probed.units);
    assert!(stats.bytes < 2 * size + (80 << 20), "{stats:?}");
    assert!(found.gaps.iter().any(|gap| gap.kind == GapKind::Limit), "{:?}", found.gaps);
    let row = found.inodes.iter().find(|inode| inode.number == large.number).unwrap();
    assert!(matches!(found.streams_of(row)[0].encoding, Encoding::Unreadable { encrypted: false, .. }));
}
