//! Volumes that end before their filesystem does.

use super::{probe, prototype_image, survey, survey_all};
use crate::{
    fs::{Filesystem, xfs::Xfs},
    tree::Tree,
};
use coldread_model::{ByteRange, GapKind, VolumeState};

#[test]
fn what_lies_past_the_end_could_not_be_read_and_is_not_missing() {
    let Some(image) = prototype_image(&["-d", "agcount=4"], 2000, "local") else { return };
    let (whole, clean) = survey_all(&image);
    let root = Xfs.root(&whole.geometry).unwrap();
    assert_eq!(Tree::build(&clean, root).gaps(), []);
    // After three groups and a bit, amid a group, right behind a group's headers, and with the log gone.
    for (len, state) in [
        (49 << 20, VolumeState::Partial),
        (48 << 20, VolumeState::Partial),
        ((32 << 20) + 4096, VolumeState::Unreplayed),
        (9 << 20, VolumeState::Unreplayed),
    ] {
        let short = &image[..len];
        let probed = probe(short).unwrap();
        assert_eq!(probed.state, state, "{len}: {}", probed.reason);
        assert_eq!((probed.size_bytes, probed.units), (len as u64, (len as u64).div_ceil(16 << 20)));
        assert!(probed.gaps.iter().all(|gap| gap.kind == GapKind::Io), "{:?}", probed.gaps);
        let found = survey(short, &probed.geometry, 0..probed.units, &[]);
        assert!(found.inodes.len() < clean.inodes.len() || len > 48 << 20, "{len}");
        let tree = Tree::build(&found, root);
        for gap in found.gaps.iter().chain(tree.gaps()) {
            assert_eq!(gap.kind, GapKind::Io, "{len}: {gap:?}");
        }
        let lost =
            |number: u64| found.lost.iter().any(|run| (run.first..run.first + run.count).contains(&number));
        for inode in &clean.inodes {
            let read = found.inodes.iter().any(|found| found.number == inode.number);
            let told = found.gaps.iter().any(|gap| gap.inode == Some(inode.number)) || lost(inode.number);
            assert!(read || told, "{len}: inode {}", { inode.number });
        }
    }
}

#[test]
fn a_group_without_its_inode_tree_costs_its_inodes_alone() {
    let Some(image) = prototype_image(&["-d", "agcount=4"], 300, "local") else { return };
    let (probed, clean) = survey_all(&image);
    let roots = probe(&image).unwrap();
    let root = Xfs.root(&roots.geometry).unwrap();
    // The AGI of the group of the root directory is the third sector.
    let bad = [ByteRange::new(1024, 512)];
    let mut machine = Xfs.probe(image.len() as u64);
    super::drive(&mut *machine, &image, &bad);
    let unread = machine.finish().unwrap();
    let found = survey(&image, &unread.geometry, 0..probed.units, &bad);
    assert!(found.inodes.len() < clean.inodes.len());
    let tree = Tree::build(&found, root);
    assert!(!tree.gaps().is_empty());
    assert!(tree.gaps().iter().all(|gap| gap.kind == GapKind::Io), "{:?}", tree.gaps());
}
