//! Changes that a log begins and does not finish: the running kernel finishes them when it recovers, and so do we.

use super::{
    super::geometry::Geometry,
    has_tool,
    kernel::{Mount, compare},
    mkfs, must, probe, survey, survey_all, tree,
    writer::Writer,
};
use crate::fs::{Filesystem, xfs::Xfs};
use coldread_model::VolumeState;
use std::{fs, os::unix::fs::FileExt, path::Path, process::Command};

const MAP: u32 = 1;
const UNMAP: u32 = 2;
const UNWRITTEN: u32 = 1 << 30;

/// The item that says that a change of a block map begins (xfs_bui_log_format).
fn intent(id: u64, inode: u64, block: u64, offset: u64, len: u32, flags: u32) -> Vec<Vec<u8>> {
    let mut region = [&[0x44, 0x12, 1, 0, 1, 0, 0, 0][..], &id.to_le_bytes()].concat();
    region.extend([inode, block, offset].iter().flat_map(|field| field.to_le_bytes()));
    region.extend([len, flags].iter().flat_map(|field| field.to_le_bytes()));
    vec![region]
}

/// Where the log's next record goes: pass and block.
fn head(image: &[u8], geometry: &Geometry) -> (u32, u64) {
    let log = &image[geometry.log.start as usize..geometry.log.end() as usize];
    let pass = |block: &[u8]| {
        let at = if block.starts_with(&[0xfe, 0xed, 0xba, 0xbe]) { 4 } else { 0 };
        u32::from_be_bytes(block[at..at + 4].try_into().unwrap())
    };
    let first = pass(log);
    (first, log.chunks_exact(512).take_while(|block| pass(block) == first).count() as u64)
}

/// Fills a filesystem with two files of blocks of their own, one of them in so many pieces that it has a tree.
fn fill(image: &Path, point: &Path) -> bool {
    let Some(_mount) = Mount::new(image, point, "loop") else { return false };
    fs::write(point.join("from"), (0..40u8).flat_map(|block| [block + 1; 4096]).collect::<Vec<_>>()).unwrap();
    let to = fs::File::create(point.join("to")).unwrap();
    for piece in 0..300 {
        to.write_all_at(b"piece", piece * 16384).unwrap();
    }
    must(Command::new("sync").arg("-f").arg(point));
    true
}

#[test]
fn changes_of_block_maps_are_finished_as_the_kernel_finishes_them() {
    if !has_tool("mkfs.xfs") {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (image, point) = (scratch.path().join("image"), scratch.path().join("mount"));
    mkfs(&image, 64, &[], None);
    if !fill(&image, &point) {
        return;
    }
    let mut bytes = fs::read(&image).unwrap();
    let (probed, clean) = survey_all(&bytes);
    let geometry = Geometry::from_opaque(&probed.geometry).unwrap();
    let paths = tree(&clean, Xfs.root(&probed.geometry).unwrap());
    let (from, to) = (paths[b"/from".as_slice()], paths[b"/to".as_slice()]);
    let extents = clean.extents_of(&clean.streams_of(from)[0]);
    assert_eq!(extents.len(), 1, "its blocks lie side by side");
    // The number of a block has its group above.
    let block = |nth: u64| {
        let block = (extents[0].physical >> geometry.block_log) + nth;
        let (ag, inside) = (block / u64::from(geometry.ag_blocks), block % u64::from(geometry.ag_blocks));
        ag << geometry.ag_block_log | inside
    };
    assert!(clean.extents_of(&clean.streams_of(to)[0]).len() > 200, "the other has a tree");
    let head = head(&bytes, &geometry);
    let uuid = bytes[32..48].try_into().unwrap();
    let mut writer = Writer::new(&mut bytes, geometry.log, 2, uuid, head);
    // The number of an intent says nothing of its order.
    writer.transaction(1, &[intent(9, from.number, block(3), 3, 2, UNMAP)]);
    writer.transaction(
        2,
        &[intent(5, to.number, block(3), 1, 2, MAP), intent(6, from.number, block(39), 39, 1, UNMAP)],
    );
    writer.transaction(3, &[intent(4, to.number, block(39), 50_000, 1, MAP | UNWRITTEN)]);
    writer.flush();
    fs::write(&image, &bytes).unwrap();

    let probed = probe(&bytes).unwrap();
    assert_eq!((probed.state, &probed.gaps[..]), (VolumeState::Replayed, &[][..]), "{}", probed.reason);
    let found = survey(&bytes, &probed.geometry, 0..probed.units, &[]);
    assert_eq!(found.gaps, []);
    assert!(found.extents != clean.extents, "the intents matter");
    let ours = tree(&found, Xfs.root(&probed.geometry).unwrap());
    drop(Mount::new(&image, &point, "loop"));
    let Some(_mount) = Mount::new(&image, &point, "loop,ro") else { return };
    assert_eq!(compare(&point, b"", &bytes, &found, &ours), ours.len());
    let shown = fs::read(point.join("to")).unwrap();
    assert_eq!(shown[4096..12288], [[4; 4096], [5; 4096]].concat(), "the kernel has finished them");
}
