//! Chores of the project: recipes for disk images.
//!
//! `cargo run -p xtask -- sample-disk --out samples/server.img.zst` makes the sample that the README scans;
//! `cargo run -p xtask -- debootstrap-disk --out F` makes a disk of a real Debian for the packages check.
//! `cargo run -p xtask -- golden --out fsparse/tests/golden` makes the small images of the mutation test.
//! `cargo run --release -p xtask -- crash-campaign KIND` stops filesystems while in use (`tests::crash`).
//! All fill filesystems through loop mounts and therefore need root.

// Recipes write a few kilobytes of text: plain to read is worth more than one allocation saved.
#![allow(clippy::format_push_string)]

mod campaign;
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
    /// Stops filesystems while they are in use, and holds what coldread says of each against the kernel's recovery.
    CrashCampaign {
        /// Which kind: ext4, ext4-nocsum, ext4-fast, ext3 …
        kind: String,
        /// How many images that count.
        #[arg(long, default_value_t = 100)]
        images: u64,
        /// The first image's seed; the others follow.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// A folder to keep images in that coldread and the kernel disagree on.
        #[arg(long)]
        keep: Option<PathBuf>,
    },
    /// Makes the small images that the mutation test and the fuzz targets damage.
    Golden {
        /// The folder to write them to.
        #[arg(long)]
        out: PathBuf,
        /// Only the image with this name.
        #[arg(long)]
        only: Vec<String>,
    },
}

fn main() -> ExitCode {
    let made = match Arguments::parse().chore {
        Chore::SampleDisk { out } => sample::make(&out),
        Chore::Golden { out, only } => golden::make(&out, &only),
        Chore::CrashCampaign { kind, images, seed, keep } => {
            campaign::run(&kind, images, seed, keep.as_deref())
        }
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
