//! `cargo run --release -p benches -- compare`: Coldread and its peers side by side.

use benches::{
    alone,
    compare::{self, Options},
    far::Far,
    host::Failure,
};
use clap::{Parser, Subcommand, ValueEnum};
use coldread_model::task::IoMode;
use coldread_worker::io;
use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

/// The heap of the program that is measured.
#[global_allocator]
static HEAP: io::HugeHeap = io::HugeHeap;

/// Coldread and its peers side by side
#[derive(Parser)]
#[command(name = "benches")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs Coldread and every peer that is installed on the same images and writes a report (root)
    Compare(Options),
    /// Lists an image with fsparse alone and tells what each step took, as JSON
    Alone {
        /// The image or device
        image: PathBuf,
        /// The reader
        #[arg(long, value_enum, default_value = "auto")]
        io: Reader,
        /// Threads that survey
        #[arg(long, default_value_t = 1)]
        threads: usize,
        /// So many times, one line each
        #[arg(long, default_value_t = 1)]
        times: u32,
        /// As if each read took so many milliseconds longer, 64 at once
        #[arg(long, value_name = "MS", default_value_t = 0)]
        far: u64,
    },
    /// Lists an image with the Rust crate that is the peer for its filesystem, and tells the number of names
    #[cfg(feature = "peers")]
    Peer {
        /// The filesystem
        #[arg(value_enum)]
        kind: benches::images::Kind,
        /// The image
        image: PathBuf,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Reader {
    Auto,
    Uring,
    Pread,
    Mmap,
}

impl Reader {
    fn mode(self) -> IoMode {
        match self {
            Self::Auto => IoMode::Auto,
            Self::Uring => IoMode::Uring,
            Self::Pread => IoMode::Pread,
            Self::Mmap => IoMode::Mmap,
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Compare(options) => println!("{}", compare::run(&options)?),
        Command::Alone { image, io, threads, times, far } => {
            let mut disk = io::open(&image, io.mode())?.source;
            if far > 0 {
                disk = Arc::new(Far::new(disk, Duration::from_millis(far)));
            }
            for _ in 0..times {
                println!("{}", serde_json::to_string(&alone::list(&disk, threads)?)?);
            }
        }
        #[cfg(feature = "peers")]
        Command::Peer { kind, image } => println!("{}", compare::list_by_crate(kind, &image)?),
    }
    Ok(())
}

fn main() -> ExitCode {
    io::HugeHeap::share_heaps();
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benches: {error}");
            ExitCode::FAILURE
        }
    }
}
