//! Chores of the project: recipes for disk images.
//!
//! `cargo run -p xtask -- sample-disk --out samples/server.img.zst` makes the sample that the README scans;
//! `cargo run -p xtask -- debootstrap-disk --out F` makes a disk of a real Debian for the packages check.
//! `cargo run -p xtask -- golden --out fsparse/tests/golden` makes the small images of the mutation test.
//! All fill filesystems through loop mounts and therefore need root.

// Recipes write a few kilobytes of text: plain to read is worth more than one allocation saved.
#![allow(clippy::format_push_string)]

mod debootstrap;
mod disk;
mod golden;
mod gpt;
mod host;
mod sample;
mod tree;

use clap::{Parser, Subcommand};
use std::{path::PathBuf, process::ExitCode};

#[derive(Parser)]
#[command(name = "xtask", about = "Chores of the project: recipes for disk images")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Makes the sample disk: GPT with ext4, XFS and NTFS volumes of a plausible server.
    SampleDisk {
        /// Where to write it, compressed with zstd; `expected.json` is written beside it.
        #[arg(long)]
        out: PathBuf,
    },
    /// Makes a raw GPT disk of a Debian installed by debootstrap; what dpkg-query says of it is written
    /// to OUT.packages.tsv.
    DebootstrapDisk {
        /// Where to write it.
        #[arg(long)]
        out: PathBuf,
        /// The Debian release.
        #[arg(long, default_value = "bookworm")]
        suite: String,
        /// The mirror; by default the one that this machine's apt uses for the release.
        #[arg(long)]
        mirror: Option<String>,
        /// Puts /var on a partition of its own, mounted by UUID in /etc/fstab.
        #[arg(long)]
        var_partition: bool,
    },
    /// Makes the small images that the mutation test and the fuzz targets damage.
    Golden {
        /// The folder to write them to.
        #[arg(long)]
        out: PathBuf,
    },
}

fn main() -> ExitCode {
    let made = match Arguments::parse().chore {
        Chore::SampleDisk { out } => sample::make(&out),
        Chore::Golden { out } => golden::make(&out),
        Chore::DebootstrapDisk { out, suite, mirror, var_partition } => {
            debootstrap::make(&out, &suite, mirror.as_deref(), var_partition)
        }
    };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
