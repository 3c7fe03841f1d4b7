//! What the running kernel makes of a filesystem that stopped at work, against what the replay makes of it.

use super::{
    drive, has_tool,
    kernel::{Mount, compare},
    mkfs, must, probe, survey, tree,
};
use crate::fs::{Filesystem, xfs::Xfs};
use coldread_model::{VolumeState, task::PatchContent};
use std::{
    fs,
    io::Write,
    os::unix::fs::{FileExt, symlink},
    path::Path,
    process::Command,
};

fn sync(path: &Path) {
    fs::File::open(path).unwrap().sync_all().unwrap();
}

/// Work after the last sync, so that only the log knows it. Files that are held open are handed back.
fn work(root: &Path, seed: usize) -> Vec<fs::File> {
    let at = |name: String| root.join(name);
    let mut held = Vec::new();
    fs::create_dir(at("many".to_owned())).unwrap();
    for number in 0..400 {
        let path = at(format!("many/{number}-{}", "n".repeat(number % 60)));
        fs::write(&path, vec![7; number * 37 % 9000]).unwrap();
        match (number + seed) % 8 {
            0 => fs::remove_file(&path).unwrap(),
            1 => fs::rename(&path, at(format!("moved-{number}"))).unwrap(),
            2 => symlink("t".repeat(number + 1), at(format!("link-{number}"))).unwrap(),
            3 => fs::hard_link(&path, at(format!("again-{number}"))).unwrap(),
            4 => {
                let file = fs::File::options().write(true).open(&path).unwrap();
                for part in 0..(number as u64 % 50) {
                    file.write_all_at(b"far apart", part * 16384).unwrap();
                }
            }
            5 => {
                held.push(fs::File::open(&path).unwrap());
                fs::remove_file(&path).unwrap();
            }
            6 => {
                for name in 0..number % 30 {
                    let name = format!("user.a{name}");
                    must(Command::new("setfattr").args(["-n", &name, "-v", &"v".repeat(90)]).arg(&path));
                }
            }
            _ => {}
        }
        if number % 50 == 0 {
            sync(root);
        }
    }
    let mut last = fs::File::create(at("last".to_owned())).unwrap();
    last.write_all(b"the last thing written").unwrap();
    last.sync_all().unwrap();
    held
}

#[test]
fn a_stopped_filesystem_is_what_the_kernel_makes_of_it() {
    if !["mkfs.xfs", "xfs_io"].into_iter().all(has_tool) {
        return;
    }
    if Command::new("setfattr").arg("--version").output().is_err() {
        println!("skipped: setfattr is not installed");
        return;
    }
    let variants: [&[&str]; 3] = [
        &["-b", "size=4096", "-l", "size=12m"],
        &["-b", "size=1024", "-l", "su=128k,size=12m", "-m", "rmapbt=1"],
        &["-s", "size=4096", "-l", "size=12m", "-m", "bigtime=0,finobt=0,reflink=0"],
    ];
    for (seed, options) in variants.into_iter().enumerate() {
        let scratch = tempfile::tempdir().unwrap();
        let (live, point) = (scratch.path().join("live"), scratch.path().join("mount"));
        let copy = scratch.path().join("copy");
        mkfs(&live, 96, options, None);
        let Some(mount) = Mount::new(&live, &point, "loop") else { return };
        let held = work(&point, seed);
        let how = if seed == 1 { "shutdown" } else { "shutdown -f" };
        must(Command::new("xfs_io").args(["-x", "-c", how]).arg(&point));
        fs::copy(&live, &copy).unwrap();
        drop(held);
        drop(mount);

        let mut image = fs::read(&copy).unwrap();
        let probed = probe(&image).unwrap();
        assert_eq!(probed.state, VolumeState::Replayed, "{options:?}: {}", probed.reason);
        assert_eq!(probed.gaps, [], "{options:?}");
        let before = survey(&image, &probed.geometry, 0..probed.units, &[]);
        for patch in &probed.patches {
            let PatchContent::Bytes(bytes) = &patch.content else { panic!("bytes") };
            image[patch.at as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        let found = survey(&image, &probed.geometry, 0..probed.units, &[]);
        assert_ne!(before.entries.len(), found.entries.len(), "the log matters");
        assert_eq!(found.gaps, [], "{options:?}");
        let ours = tree(&found, Xfs.root(&probed.geometry).unwrap());

        drop(Mount::new(&copy, &point, "loop"));
        let Some(_mount) = Mount::new(&copy, &point, "loop,ro") else { return };
        assert_eq!(compare(&point, b"", &image, &found, &ours), ours.len(), "{options:?}");
    }
}

#[test]
fn damage_to_the_log_of_a_stopped_filesystem_costs_gaps_and_nothing_else() {
    if !["mkfs.xfs", "xfs_io"].into_iter().all(has_tool) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (live, point) = (scratch.path().join("live"), scratch.path().join("mount"));
    mkfs(&live, 64, &["-l", "size=12m"], None);
    let Some(mount) = Mount::new(&live, &point, "loop") else { return };
    for number in 0..100 {
        fs::write(point.join(number.to_string()), "content").unwrap();
    }
    must(Command::new("xfs_io").args(["-x", "-c", "shutdown -f"]).arg(&point));
    let mut image = fs::read(&live).unwrap();
    drop(mount);
    let records: Vec<usize> = (0..image.len())
        .step_by(512)
        .filter(|&at| image[at..].starts_with(&[0xfe, 0xed, 0xba, 0xbe]))
        .collect();
    assert!(records.len() > 1);
    for (number, &record) in records.iter().enumerate() {
        for at in [12, 24, 32, 40, 100, 512 + 4, 512 + 40, 1024 + 60] {
            let at = record + at;
            let before = image[at];
            image[at] ^= 1 << (number % 8);
            let mut machine = Xfs.probe(image.len() as u64);
            assert!(drive(&mut *machine, &image, &[]) < 10_000);
            let probed = machine.finish().unwrap();
            // Without the records that the damage cuts off, the log may end with mkfs's unmount record.
            let states = [VolumeState::Clean, VolumeState::Replayed, VolumeState::Unreplayed];
            assert!(states.contains(&probed.state), "byte {at}: {}", probed.reason);
            assert_eq!(probed.state == VolumeState::Unreplayed, !probed.gaps.is_empty());
            image[at] = before;
        }
    }
}
