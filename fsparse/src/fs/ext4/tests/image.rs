//! Small images, and a driver for the machines.

use super::super::Ext4;
use crate::{
    error::ParseError,
    fs::{Filesystem, Probed},
    machine::{RunStats, run},
    source::{BlockSource, memory::MemorySource},
    survey::Survey,
};
use std::{fs, ops::Range, os::unix::fs::symlink, path::Path, process::Command};

/// Runs a command; false, with a line that says so, where it is missing or fails.
pub(super) fn ran(program: &str, args: &[&str]) -> bool {
    match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => true,
        Ok(output) => {
            println!("skipped: {program} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
            false
        }
        Err(error) => {
            println!("skipped: {program}: {error}");
            false
        }
    }
}

/// A tree with a little of everything that needs no privilege.
pub(super) fn fill(root: &Path) {
    for dir in ["one", "one/two", "many"] {
        fs::create_dir(root.join(dir)).unwrap();
    }
    for index in 0..300_usize {
        let name = format!("many/entry-{index:04}-{}", "p".repeat(index % 50));
        fs::write(root.join(name), vec![index as u8; index * 7 % 3000]).unwrap();
    }
    fs::write(root.join("empty"), b"").unwrap();
    fs::write(root.join("one/large"), (0..300_000_u32).map(|n| (n / 7) as u8).collect::<Vec<_>>()).unwrap();
    fs::hard_link(root.join("one/large"), root.join("one/two/again")).unwrap();
    symlink("one/large", root.join("short")).unwrap();
    symlink("t".repeat(59), root.join("fifty-nine")).unwrap();
    symlink("t".repeat(60), root.join("sixty")).unwrap();
    symlink("t".repeat(200), root.join("long")).unwrap();
}

/// The bytes of a new filesystem of so many KiB with [`fill`]'s tree; the disk under it holds noise.
pub(super) fn made(kib: usize, args: &[&str]) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let (tree, image) = (dir.path().join("tree"), dir.path().join("image"));
    fs::create_dir(&tree).unwrap();
    fill(&tree);
    fs::write(&image, noise(kib << 10)).unwrap();
    let mut line = vec!["-q", "-F", "-E", "nodiscard", "-d", tree.to_str().unwrap()];
    line.extend(args);
    line.push(image.to_str().unwrap());
    ran("mke2fs", &line).then(|| fs::read(&image).unwrap())
}

/// Bytes that look like nothing.
pub(super) fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    });
    words.flat_map(u64::to_le_bytes).take(len).collect()
}

/// What probe says of a source.
pub(super) fn probe(source: &MemorySource) -> Result<Probed, ParseError> {
    let mut machine = Ext4.probe(source.size_bytes());
    run(&mut *machine, &mut *source.open_queue().unwrap());
    machine.finish()
}

/// What a survey of some units finds and takes.
pub(super) fn survey(source: &MemorySource, geometry: &[u8], units: Range<u64>) -> (Survey, RunStats) {
    let mut machine = Ext4.survey(geometry, units).unwrap();
    let stats = run(&mut *machine, &mut *source.open_queue().unwrap());
    (machine.finish(), stats)
}

/// What reading single inodes finds.
pub(super) fn inodes(source: &MemorySource, geometry: &[u8], numbers: &[u64]) -> Survey {
    let mut machine = Ext4.inodes(geometry, numbers).unwrap();
    run(&mut *machine, &mut *source.open_queue().unwrap());
    machine.finish()
}

/// A survey of all of an image.
pub(super) fn all(bytes: Vec<u8>) -> (Probed, Survey) {
    let source = MemorySource::new(bytes);
    let probed = probe(&source).unwrap();
    let (found, _) = survey(&source, &probed.geometry, 0..probed.units);
    (probed, found)
}
