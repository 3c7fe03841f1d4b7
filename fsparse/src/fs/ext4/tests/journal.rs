//! Filesystems that were stopped while in use: what a survey finds is what the kernel's recovery leaves.

use super::{
    image::{probe, ran, survey},
    kernel::compare,
};
use crate::{fs::Probed, source::memory::MemorySource, survey::Survey};
use coldread_model::{VolumeState, task::PatchContent};
use proptest::prelude::*;
use std::{fs, path::Path, process::Command};

/// The bytes of a volume with its patches written into it.
fn patched(bytes: &[u8], probed: &Probed) -> Vec<u8> {
    let mut new = bytes.to_vec();
    for patch in &probed.patches {
        let at = patch.at as usize;
        let place = &mut new[at..at + patch.len as usize];
        match &patch.content {
            PatchContent::Bytes(content) => place.copy_from_slice(content),
            PatchContent::Moved { from, fixups } => {
                place.copy_from_slice(&bytes[*from as usize..][..patch.len as usize]);
                for (start, fix) in fixups {
                    place[*start as usize..][..fix.len()].copy_from_slice(fix);
                }
            }
        }
    }
    new
}

fn replayed(bytes: &[u8]) -> (Probed, Vec<u8>, Survey) {
    let probed = probe(&MemorySource::new(bytes.to_vec())).unwrap();
    let new = patched(bytes, &probed);
    let (found, _) = survey(&MemorySource::new(new.clone()), &probed.geometry, 0..probed.units);
    (probed, new, found)
}

/// Metadata blocks freed and used again for data, blocks that start with the journal's magic number, more
/// transactions than the log has room for, and a file that is unlinked and open.
const WORK: &str = r#"
cd "$1"
printf '\300\073\071\230' > magic; dd if=/dev/urandom bs=5000 count=1 >> magic 2>/dev/null; sync
for turn in 1 2 3 4 5 6 7 8 9 10 11 12; do
  mkdir short; for n in 1 2 3 4 5 6 7 8 9; do : > short/name-$n-is-rather-long-so-that-it-takes-some-room; done
  sync; rm -r short
  head -c 30000 magic > data-$turn; cat magic magic magic >> data-$turn; sync -d data-$turn
done
mkdir kept; mv data-3 kept/moved; truncate -s 100 data-4; rm data-5; ln data-6 kept/second; ln -s target kept/link
sync data-6
exec 9> open; echo content >&9; sync open; rm open
cp magic kept/last; sync kept/last
"#;

/// What fast commits can say.
const FAST: &str = r#"
cd "$1"
for n in 1 2 3 4 5 6 7 8 9; do head -c ${n}0000 /dev/urandom > old-$n; done; sync
mv old-1 new-name; rm old-2; ln old-3 again; chmod 640 old-4; truncate -s 5000 old-5; echo more >> old-6
for n in 1 2 3 4 5; do echo $n > file-$n; dd if=/dev/urandom of=file-$n bs=4096 seek=$((n * 3)) count=2 2>/dev/null; done
sync file-5; rm file-4; sync old-6
"#;

/// A filesystem that was stopped: its bytes at that moment.
fn crashed(dir: &Path, shape: &[&str], options: &str, script: &str, how: &str) -> Option<Vec<u8>> {
    let (point, image, copy) = (dir.join("point"), dir.join("live"), dir.join("copy"));
    let (point, image) = (point.to_str()?, image.to_str()?);
    fs::create_dir(point).unwrap();
    fs::File::create(image).unwrap().set_len(32 << 20).unwrap();
    // The block size of a small filesystem is another, unless it is told.
    let block = if shape.contains(&"-b") { &[][..] } else { &["-b", "4096"] };
    let line = [&["-q", "-F"][..], block, shape, &[image]].concat();
    let options = format!("loop{options}");
    if !ran("mke2fs", &line) || !ran("mount", &["-o", &options, image, point]) {
        return None;
    }
    let line = format!("{script}\nxfs_io -x -c '{how}' .\n");
    let worked = Command::new("bash").args(["-ec", &line, "bash", point]).output();
    fs::copy(image, &copy).unwrap();
    assert!(ran("umount", &[point]));
    match worked {
        Ok(output) if output.status.success() => fs::read(&copy).ok(),
        other => {
            println!("skipped: the work on {shape:?} failed: {other:?}");
            None
        }
    }
}

#[test]
fn a_stopped_filesystem_is_what_recovery_makes_of_it() {
    let (stop, flush) = ("shutdown", "shutdown -f");
    let fast = ["-t", "ext4", "-J", "size=8", "-O", "fast_commit"];
    for (shape, options, script, how, times) in [
        (&["-t", "ext4", "-J", "size=4"][..], "", WORK, stop, true),
        (&["-t", "ext4", "-b", "1024", "-J", "size=4"], ",data=journal", WORK, flush, true),
        (&["-t", "ext4", "-J", "size=4", "-O", "^metadata_csum,^64bit"], ",data=journal", WORK, stop, true),
        (&["-t", "ext4", "-J", "size=4", "-O", "^metadata_csum"], ",journal_checksum", WORK, flush, true),
        (&["-t", "ext3", "-J", "size=4"], "", WORK, stop, true),
        (&["-t", "ext4", "-J", "size=4", "-O", "orphan_file"], "", WORK, stop, true),
        (&fast[..], "", FAST, stop, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let Some(bytes) = crashed(dir.path(), shape, options, script, how) else { return };
        let (probed, new, found) = replayed(&bytes);
        assert_eq!((probed.state, probed.gaps), (VolumeState::Replayed, vec![]), "{shape:?}");
        let (point, copy) = (dir.path().join("point"), dir.path().join("copy"));
        let (point, copy) = (point.to_str().unwrap(), copy.to_str().unwrap());
        assert!(ran("mount", &["-o", "loop", copy, point]) && ran("umount", &[point]));
        assert!(ran("mount", &["-o", "loop,ro", copy, point]));
        let seen = compare(&new, &found, 2, Path::new(point), times);
        assert!(ran("umount", &[point]));
        assert!(seen >= 10, "{shape:?}: {seen}");
        assert_eq!(found.gaps, [], "{shape:?}");
    }
}

#[test]
fn the_copy_of_the_journals_inode_stands_in_for_it() {
    for shape in [&["-t", "ext4", "-J", "size=4"][..], &["-t", "ext3", "-J", "size=4"]] {
        let dir = tempfile::tempdir().unwrap();
        let Some(mut bytes) = crashed(dir.path(), shape, "", WORK, "shutdown -f") else { return };
        let (probed, _, whole) = replayed(&bytes);
        assert!(!probed.patches.is_empty());
        // The first descriptor's inode table; inode 8 of 256 bytes.
        let table = u32::from_le_bytes(bytes[4096 + 8..4096 + 12].try_into().unwrap()) as usize * 4096;
        bytes[table + 7 * 256..table + 8 * 256].fill(0);
        let (again, _, found) = replayed(&bytes);
        assert_eq!((again.state, again.patches), (VolumeState::Replayed, probed.patches));
        assert_eq!(found.entries, whole.entries);
    }
}

#[test]
fn damage_of_the_journal_ends_with_an_answer() {
    let dir = tempfile::tempdir().unwrap();
    let shape = ["-t", "ext4", "-J", "size=8", "-O", "fast_commit,orphan_file"];
    let Some(bytes) = crashed(dir.path(), &shape, "", FAST, "shutdown") else { return };
    let (_, _, whole) = replayed(&bytes);
    let magic = [0xC0, 0x3B, 0x39, 0x98];
    let journal = bytes.chunks(4096).position(|block| block.starts_with(&magic)).unwrap() * 4096;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(24));
    let places = prop::collection::vec((0..2_usize << 20, any::<u8>()), 1..200);
    let told = std::cell::Cell::new(0);
    runner
        .run(&places, |places| {
            let mut damaged = bytes.clone();
            for (at, value) in places {
                // Most of them near the start, where the log is.
                damaged[journal + at % (1 << (at % 9 + 12))] ^= value;
            }
            let probed = probe(&MemorySource::new(damaged.clone())).unwrap();
            told.set(told.get() + usize::from(!probed.gaps.is_empty()));
            prop_assert_eq!(probed.state == VolumeState::Replayed, probed.gaps.is_empty());
            let new = patched(&damaged, &probed);
            let (found, _) = survey(&MemorySource::new(new), &probed.geometry, 0..probed.units);
            prop_assert!(found.inodes.len() <= whole.inodes.len() + 100);
            Ok(())
        })
        .unwrap();
    assert!(told.get() > 0);
}
