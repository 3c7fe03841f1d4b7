//! Filesystems stopped while in use: what is said of each is what the kernel's own recovery makes of it. A few of
//! each kind; `cargo run --release -p xtask -- crash-campaign` does hundreds.
//!
//! `COLDREAD_SEED` makes others than the usual ones.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use tests::crash::{self, Outcome};

/// Compares so many images of a kind; `facts` must occur in one of them at least.
fn compare(name: &str, images: u64, facts: &[&str]) {
    let kind = crash::kind(name).unwrap();
    if crash::lacks(kind) {
        return;
    }
    let first = std::env::var("COLDREAD_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut compared = 0;
    let mut seen = BTreeSet::new();
    for seed in first..first + 3 * images {
        if compared == images {
            break;
        }
        let dir = tempfile::tempdir().unwrap();
        match crash::run(kind, seed, dir.path()) {
            Outcome::Refused(refusal) => println!("{name}: the kernel refuses seed {seed}: {refusal}"),
            Outcome::Same => println!("{name}: seed {seed} is the same without recovery"),
            Outcome::Compared(image) => {
                compared += 1;
                let shown: Vec<_> = image.disagreements.iter().take(10).collect();
                assert!(shown.is_empty(), "{name} {}: {shown:#?}", image.how);
                assert!(image.rows > 50, "{name} {}: only {} rows", image.how, image.rows);
                seen.extend(image.facts);
            }
        }
    }
    assert_eq!(compared, images, "{name}: too few images tell anything");
    for fact in facts {
        assert!(seen.contains(fact), "{name}: no image has {fact}: {seen:?}");
    }
}

#[test]
fn ext4() {
    compare("ext4", 2, &[crash::jbd2::TRANSACTIONS]);
}

#[test]
fn ext4_without_checksums() {
    compare("ext4-nocsum", 2, &[crash::jbd2::TRANSACTIONS]);
}

#[test]
fn ext4_with_fast_commits() {
    compare("ext4-fast", 2, &[]);
}

#[test]
fn ext3() {
    compare("ext3", 2, &[crash::jbd2::TRANSACTIONS]);
}

#[test]
fn xfs() {
    compare("xfs", 3, &[crash::xfs::CANCELS]);
}

#[test]
fn xfs_with_blocks_of_1_kib() {
    compare("xfs-1k", 3, &[crash::xfs::CANCELS]);
}

#[test]
fn xfs_with_a_large_log_unit() {
    compare("xfs-log-su", 2, &[]);
}

#[test]
fn xfs_with_sectors_of_4_kib() {
    compare("xfs-4kn", 2, &[]);
}

#[test]
fn xfs_with_parent_pointers() {
    if !tests::host::lacks(&["xfs_db"]) {
        compare("xfs-parent", 1, &[]);
    }
}
