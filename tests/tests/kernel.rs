//! Differential tests: what is said of a disk is what the running kernel (ext4, XFS) or ntfs-3g shows of it, in
//! every row and field, whichever reader read it.
//!
//! `COLDREAD_SEED` makes other trees than the usual ones.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, env, path::Path};
use tests::{
    ask::{self, assert_adds_up},
    disk,
    host::{self, Mounted},
    shapes,
    truth::{self, Table},
};

fn seed() -> u64 {
    env::var("COLDREAD_SEED").map_or(1, |seed| seed.parse().unwrap())
}

/// A filled filesystem and what a mount shows of it.
fn filled(image: &Path, filesystem: &str, mib: u64, more: &[&str]) -> Table {
    disk::make(image, filesystem, mib, more);
    shapes::fill(Mounted::new(image, filesystem, "noatime").path(), filesystem, seed());
    let mounted = Mounted::new(image, filesystem, "ro");
    truth::listing(mounted.path(), filesystem)
}

/// That the disk holds what it should be tested with.
fn assert_varied(want: &Table, kinds: &[(&str, usize)]) {
    let mut counts = BTreeMap::<&str, usize>::new();
    for row in want.values() {
        *counts.entry(row["type"].as_str().unwrap()).or_default() += 1;
        for (name, there) in [
            ("streams", row.get("stream").is_some()),
            ("xattrs", row.get("xattrs").is_some()),
            ("odd names", row.get("path_hex").is_some()),
            ("linked", row["nlink"].as_u64().is_some_and(|nlink| nlink > 1) && row["type"] == "file"),
            ("long targets", row["type"] == "symlink" && row["size"].as_u64() > Some(200)),
            ("before 1970", row["mtime"].as_str().is_some_and(|time| time < "1970")),
            ("after 2038", row["mtime"].as_str().is_some_and(|time| time > "2038-02")),
        ] {
            *counts.entry(name).or_default() += usize::from(there);
        }
    }
    for (kind, least) in kinds {
        assert!(counts.get(kind) >= Some(least), "{kind}: the disk is too plain: {counts:?}");
    }
}

const POSIX: &[(&str, usize)] = &[
    ("file", 3000),
    ("dir", 50),
    ("symlink", 20),
    ("fifo", 3),
    ("char", 2),
    ("block", 2),
    ("socket", 1),
    ("xattrs", 10),
    ("odd names", 10),
    ("linked", 20),
    ("long targets", 1),
    ("before 1970", 5),
    ("after 2038", 5),
];

fn compare(filesystem: &str, mib: u64, more: &[&str], kinds: &[(&str, usize)]) {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    let want = filled(&image, filesystem, mib, more);
    assert_varied(&want, kinds);
    for io in ["uring", "pread", "mmap"] {
        let (place, _dir) = ask::store();
        let answer = place.scan(&image, "disk", &["--io", io]);
        if io == "uring" && answer.stderr.contains("--io uring is not possible") {
            println!("skipped: {}", answer.stderr.trim());
            continue;
        }
        answer.exits(0);
        let got = truth::table(place.rows(&["files"]));
        let found = truth::disagreements(&got, &want, filesystem != "ntfs");
        let shown: Vec<_> = found.iter().take(10).collect();
        assert!(found.is_empty(), "{filesystem} {more:?} --io {io}: {} disagree: {shown:#?}", found.len());
        assert_adds_up(&place.rows(&["coverage"]), mib * disk::MIB);
        let shown = place.asset("disk");
        assert_eq!(shown["volumes"][0]["state"], "clean", "{shown}");
    }
}

#[test]
fn ext4() {
    if !host::lacks_mounts(&["mkfs.ext4"]) {
        compare("ext4", 64, &["-N", "12000"], POSIX);
    }
}

#[test]
fn ext4_with_blocks_of_1_kib() {
    if !host::lacks_mounts(&["mkfs.ext4"]) {
        compare("ext4", 64, &["-b", "1024", "-N", "12000"], POSIX);
    }
}

#[test]
fn xfs() {
    if !host::lacks_mounts(&["mkfs.xfs"]) {
        compare("xfs", 64, &[], POSIX);
    }
}

#[test]
fn xfs_with_blocks_of_1_kib() {
    if !host::lacks_mounts(&["mkfs.xfs"]) {
        compare("xfs", 64, &["-b", "size=1024"], POSIX);
    }
}

#[test]
fn ntfs() {
    if !host::lacks_ntfs() {
        let kinds = [("file", 1500), ("dir", 50), ("streams", 10), ("before 1970", 5), ("after 2038", 5)];
        compare("ntfs", 48, &[], &kinds);
    }
}
