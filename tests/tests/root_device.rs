//! A device that is mounted read-write, as the machine's own root device is, changes while it is read.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};
use tests::{
    ask::{self, assert_adds_up},
    disk::{self, MIB},
    host::{self, LoopDevice, Mounted},
};

#[test]
fn a_mounted_device_is_read_as_it_changes() {
    if host::lacks_mounts(&["losetup"]) {
        return;
    }
    for (filesystem, tool) in [("ext4", "mkfs.ext4"), ("xfs", "mkfs.xfs")] {
        if host::lacks(&[tool]) {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("disk.img");
        disk::filled(&image, filesystem, 64, |root| disk::system(root, "lebend"));
        let device = LoopDevice::new(&image);
        let mounted = Mounted::new(device.path(), filesystem, "rw");
        let stop = AtomicBool::new(false);
        let (place, _dir) = ask::store();
        let code = thread::scope(|scope| {
            scope.spawn(|| {
                for nth in (0..300).cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let path = mounted.path().join(format!("busy-{nth}"));
                    if nth % 3 == 2 {
                        fs::remove_file(mounted.path().join(format!("busy-{}", nth - 1))).unwrap();
                    }
                    fs::write(path, vec![nth as u8; 20_000]).unwrap();
                    if nth % 20 == 0 {
                        rustix::fs::syncfs(fs::File::open(mounted.path()).unwrap()).unwrap();
                    }
                }
            });
            let answer = place.scan(device.path(), "self", &[]);
            stop.store(true, Ordering::Relaxed);
            let code = answer.status.code();
            assert!(code == Some(0) || code == Some(3), "{filesystem}: {}: {}", answer.status, answer.stderr);
            code
        });
        let shown = place.asset("self");
        assert_eq!(shown["volumes"][0]["state"], "live", "{shown}");
        let packages = place.rows(&["packages"]);
        assert_eq!(packages.len(), 1, "{filesystem}");
        assert_eq!(packages[0]["name"], "lebend-tools");
        let gaps = place.rows(&["gaps"]);
        assert_eq!(code == Some(3), !gaps.is_empty(), "{gaps:#?}");
        let notes = place.rows(&["files", "--path", "/home/*"]);
        assert_eq!(notes.len(), 200, "what lay still is all there");
        assert_adds_up(&place.rows(&["coverage"]), 64 * MIB);
        // Unmounted, it is a disk like any other.
        drop(mounted);
        place.scan(device.path(), "self", &[]).exits(0);
        assert_eq!(place.asset("self")["volumes"][0]["state"], "clean");
    }
}
