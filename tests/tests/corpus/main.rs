//! Real files with known facts, in the folder that `COLDREAD_CORPUS` names: it has a folder for each category, and
//! `INDEX.tsv`, whose lines tell of each file its category, name, SHA-256, bytes, source, path, licence and what is
//! known of it.

#![allow(clippy::unwrap_used)]

mod databases;
mod disks;
mod hives;
mod images;
mod index;

use std::{env, path::PathBuf};

/// The folder, or `None` (with a word about it) where there is none.
fn folder() -> Option<PathBuf> {
    let folder = env::var_os("COLDREAD_CORPUS").map(PathBuf::from);
    if let Some(folder) = &folder {
        assert!(folder.is_dir(), "{} is no folder", folder.display());
    } else {
        println!("skipped: COLDREAD_CORPUS is not set");
    }
    folder
}
