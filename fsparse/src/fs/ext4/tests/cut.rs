//! Volumes cut short: what lies past the end is told as unreadable, never as damaged or missing.

use super::image::{all, made};
use crate::{
    survey::Survey,
    tree::{Tree, for_each_row},
};
use coldread_model::{Gap, GapKind, VolumeState};

/// Directories and names that can be listed, and all gaps.
fn listed(survey: &Survey) -> (usize, Vec<Gap>) {
    let tree = Tree::build(survey, 2);
    let mut rows = 0;
    for_each_row(&tree, |_, _, _| rows += 1);
    (rows, survey.gaps.iter().chain(tree.gaps()).cloned().collect())
}

#[test]
fn whatever_lies_past_the_end_is_unreadable() {
    for shape in [
        &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "^has_journal"][..],
        &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "^has_journal,^flex_bg"],
        &["-t", "ext4", "-b", "1024", "-g", "1024", "-O", "^has_journal,meta_bg,^resize_inode"],
        &["-t", "ext4", "-b", "4096", "-O", "^has_journal,inline_data"],
        &["-t", "ext2", "-b", "1024", "-g", "1024"],
    ] {
        let Some(bytes) = made(8 << 10, shape) else { return };
        let (_, whole) = all(bytes.clone());
        let (rows, gaps) = listed(&whole);
        assert_eq!(gaps, [], "{shape:?}");
        let mut lost = 0;
        for eighths in (1..8).chain([100, 1000]) {
            let mut cut = bytes.clone();
            let len = if eighths < 8 { eighths << 20 } else { (8 << 20) - eighths * 1024 };
            cut.truncate(len);
            let (probed, found) = all(cut);
            assert_eq!((probed.state, probed.size_bytes), (VolumeState::Partial, len as u64), "{shape:?}");
            assert!(probed.reason.contains(&len.to_string()), "{}", probed.reason);
            assert_eq!(probed.gaps.len(), 1);
            let (left, gaps) = listed(&found);
            for gap in gaps.iter().chain(&probed.gaps) {
                assert_eq!(gap.kind, GapKind::Io, "{shape:?} cut at {len}: {gap:?}");
            }
            assert!(left == rows || !gaps.is_empty(), "{shape:?}: {left} of {rows} rows in silence");
            assert!(left > 0, "{shape:?}: nothing is left of {len} bytes");
            lost += rows - left;
        }
        assert!(lost > 0, "{shape:?}: nothing was lost");
    }
}

#[test]
fn a_journal_past_the_end_is_not_replayed() {
    // The journal of so small a filesystem lies behind the middle.
    let Some(mut bytes) = made(16 << 10, &["-t", "ext4", "-b", "1024", "-O", "^metadata_csum"]) else {
        return;
    };
    bytes[1024 + 0x60] |= 4;
    bytes.truncate(3 << 20);
    let (probed, _) = all(bytes);
    assert_eq!(probed.state, VolumeState::Unreplayed);
    let kinds: Vec<_> = probed.gaps.iter().map(|gap| gap.kind).collect();
    assert_eq!(kinds, [GapKind::Io, GapKind::Unreplayed, GapKind::Io], "{:?}", probed.gaps);
    assert!(probed.reason.contains("its volume ends after 3145728"), "{}", probed.reason);
}
