//! Peers that are not there, and how to get them.

use crate::{host, images::Kind};
use serde::Serialize;

/// A peer that could not be compared.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Missing {
    /// What it is called.
    pub(super) name: &'static str,
    /// How to get it.
    pub(super) install: &'static str,
}

/// Programs that are peers, for which filesystems, and how to get them.
const PROGRAMS: &[(&str, &str, &[Kind], &str)] = &[
    ("fls", "fls (The Sleuth Kit)", &[Kind::Ext4, Kind::Ntfs], "apt-get install sleuthkit"),
    ("fio", "fio", &[Kind::Ext4, Kind::Xfs, Kind::Ntfs], "apt-get install fio"),
    ("find", "find", &[Kind::Ext4, Kind::Xfs, Kind::Ntfs], "apt-get install findutils"),
    ("sha256sum", "sha256sum", &[Kind::Ext4, Kind::Xfs, Kind::Ntfs], "apt-get install coreutils"),
    ("openssl", "openssl", &[Kind::Ext4, Kind::Xfs, Kind::Ntfs], "apt-get install openssl"),
    (
        "target-query",
        "dissect",
        &[Kind::Ext4, Kind::Xfs, Kind::Ntfs],
        "pip install dissect, and its folder of programs in PATH",
    ),
];

/// What is missing for these filesystems.
pub(super) fn list(kinds: &[Kind]) -> Vec<Missing> {
    let mut missing: Vec<_> = PROGRAMS
        .iter()
        .filter(|(program, _, of, _)| {
            of.iter().any(|kind| kinds.contains(kind)) && host::find(program).is_none()
        })
        .map(|&(_, name, _, install)| Missing { name, install })
        .collect();
    if cfg!(not(feature = "peers")) {
        missing.push(Missing {
            name: "ext4-view, rust-fs-xfs, ntfs (Rust crates)",
            install: "cargo run --release -p benches --features peers -- compare",
        });
    }
    missing
}
