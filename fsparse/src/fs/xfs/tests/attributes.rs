//! Attributes of version 4, made by xfs_db: the running kernel does not mount it. Synthetic, therefore.

use super::{has_tool, mkfs, must, survey_all, tree};
use crate::fs::{Filesystem, xfs::Xfs};
use coldread_model::listing::Xattrs;
use std::process::Command;

#[test]
fn attributes_of_version_4_are_read_in_all_forms() {
    if !["mkfs.xfs", "xfs_db"].into_iter().all(has_tool) {
        return;
    }
    // Name of the file, number of attributes, bytes of each. With blocks of 1 KiB the leaves need a node above
    // them. More of them, and attributes of version 1, end xfs_db 6.1 with a fault.
    let files = [("local", 2, 9), ("leaf", 20, 60), ("remote", 6, 9000)];
    let variants: [&[&str]; 3] = [
        &["-m", "crc=0"],
        &["-m", "crc=0", "-b", "size=1024", "-n", "ftype=0"],
        &["-m", "crc=0", "-b", "size=512", "-n", "size=4096"],
    ];
    for options in variants {
        let scratch = tempfile::tempdir().unwrap();
        let (image, prototype) = (scratch.path().join("image"), scratch.path().join("prototype"));
        let lines = files.map(|(name, ..)| format!("{name} ---644 1 2 /dev/null\n")).concat();
        std::fs::write(&prototype, format!("/dev/null\n0 0\nd--755 0 0\n{lines}$\n")).unwrap();
        mkfs(&image, 64, options, Some(&prototype));
        let mut command = Command::new("xfs_db");
        command.arg("-x");
        for (name, count, len) in files {
            command.args(["-c", &format!("path /{name}")]);
            for number in 0..count {
                command.args(["-c", &format!("attr_set -v {len} attribute-{number}")]);
            }
        }
        must(
            command
                .args(["-c", "path /local", "-c", "attr_set -r -v 3 root", "-c", "attr_set -s -v 1 safe"])
                .arg(&image),
        );
        let (probed, found) = survey_all(&std::fs::read(&image).unwrap());
        assert_eq!(found.gaps, [], "{options:?}");
        let paths = tree(&found, Xfs.root(&probed.geometry).unwrap());
        for (name, count, len) in files {
            let inode = paths[format!("/{name}").as_bytes()];
            let mut list: Vec<(Vec<u8>, Vec<u8>)> = Xattrs(found.bytes(inode.xattrs))
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect();
            let mut want: Vec<_> = (0..count)
                .map(|number| (format!("user.attribute-{number}").into_bytes(), vec![b'v'; len]))
                .collect();
            if name == "local" {
                want.push((b"trusted.root".to_vec(), b"vvv".to_vec()));
                want.push((b"security.safe".to_vec(), b"v".to_vec()));
            }
            list.sort();
            want.sort();
            assert!(list == want, "{options:?} {name}: {} of {}", list.len(), want.len());
        }
    }
}
