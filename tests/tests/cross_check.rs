//! A second opinion: what other libraries read otherwise is told, with the cause where it is known.

#![allow(clippy::unwrap_used)]

use rustix::fs::{FallocateFlags, XattrFlags};
use serde_json::Value;
use std::{fs, path::Path};
use tests::{ask, disk, host};

/// Scans with a second opinion on every file, and gives the gaps.
fn checked(image: &Path, share: &str, code: i32) -> Vec<Value> {
    let (place, _dir) = ask::store();
    place.scan(image, "disk", &["--content", "none", "--cross-check", share]).exits(code);
    place.rows(&["gaps"])
}

#[test]
fn an_unwritten_extent_is_explained_and_the_rest_agrees() {
    if host::lacks_mounts(&["mkfs.ext4"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    disk::filled(&image, "ext4", 64, |root| {
        disk::system(root, "zwei");
        let file = fs::File::create(root.join("vorbelegt")).unwrap();
        rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, 256 << 10).unwrap();
        rustix::io::pwrite(&file, b"geschrieben", 8192).unwrap();
    });
    let gaps = checked(&image, "100%", 0);
    assert_eq!(ask::texts(&gaps, "path"), ["/vorbelegt"], "{gaps:#?}");
    assert_eq!(ask::texts(&gaps, "kind"), ["explained"]);
    let reason = gaps[0]["reason"].as_str().unwrap();
    assert!(reason.contains("byte 0 ") && reason.contains("unwritten extent"), "{reason}");
    assert_eq!(checked(&image, "0%", 0), Vec::<Value>::new());
}

#[test]
fn packed_bytes_are_explained() {
    if host::lacks_ntfs() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    disk::filled(&image, "ntfs", 32, |root| {
        fs::write(root.join("plain.txt"), "offen ".repeat(40_000)).unwrap();
        fs::create_dir(root.join("gepackt")).unwrap();
        // FILE_ATTRIBUTE_DIRECTORY and FILE_ATTRIBUTE_COMPRESSED ([MS-FSCC], 2.6): what is made below is compressed.
        let attributes = 0x1000_0810_u32.to_be_bytes();
        let name = "system.ntfs_attrib_be";
        rustix::fs::setxattr(root.join("gepackt"), name, &attributes, XattrFlags::empty()).unwrap();
        fs::write(root.join("gepackt/text.txt"), "immer dasselbe ".repeat(40_000)).unwrap();
    });
    let gaps = checked(&image, "100%", 0);
    assert_eq!(ask::texts(&gaps, "path"), ["/gepackt/text.txt"], "{gaps:#?}");
    assert_eq!(ask::texts(&gaps, "kind"), ["explained"]);
    assert!(gaps[0]["reason"].as_str().unwrap().contains("compressed"), "{gaps:#?}");
}

#[test]
fn where_there_is_no_second_reader_it_is_said() {
    if host::lacks_mounts(&["mkfs.xfs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    disk::filled(&image, "xfs", 300, |root| disk::system(root, "vier"));
    let gaps = checked(&image, "10%", 3);
    assert_eq!(ask::texts(&gaps, "kind"), ["unsupported"]);
    assert_eq!(gaps[0]["reason"], "there is no second reader of xfs");
}
