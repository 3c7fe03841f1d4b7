//! The harness: Coldread and every peer that is installed, on the same images in the same run.
//!
//! For each filesystem and work (listing, hashing) all contenders run in turn, in reversed order every other
//! time, first cold (the machine's page cache dropped before each) and then warm (after one run that is not
//! counted, and for short ones after one more right before). Each is a process of its own and is timed from start to end; what mounts is mounted before its
//! time starts, which is in its favour. Ratios are computed from medians within the run.

mod chart;
mod contenders;
mod limit;
mod measure;
mod missing;
#[cfg(feature = "peers")]
mod peers;
mod report;
mod three;

use crate::{
    host::{self, Failure, Machine, Mounted, at},
    images::{self, Kind},
    readers::Order,
    small,
};
use clap::{Args, ValueEnum};
use coldread_model::{Timestamp, task::IoMode};
use measure::Temperature;
use report::{Report, Work};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// What is compared, and where everything is.
#[derive(Debug, Args)]
pub struct Options {
    /// Filesystems to compare on
    #[arg(long, value_enum, value_delimiter = ',', default_value = "ext4,xfs,ntfs")]
    fs: Vec<Kind>,
    /// Files of an image that is made
    #[arg(long, default_value_t = 150_000, value_parser = clap::value_parser!(u64).range(100..))]
    files: u64,
    /// Counted runs of each contender, cold and warm
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// What is compared
    #[arg(long, value_enum, value_delimiter = ',', default_value = "none,packages,hash")]
    content: Vec<Task>,
    /// Folder for report.md, report.json and chart.svg [default: benches/results]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder of images that were made [default: benches/cache]
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// The coldread program [default: built by `cargo build --release -p coldread`]
    #[arg(long, value_name = "PATH")]
    bin: Option<PathBuf>,
    /// An image to use instead of making one, as ext4=PATH
    #[arg(long, value_name = "FS=PATH", value_parser = given_image)]
    image: Vec<(Kind, PathBuf)>,
    /// Contenders to leave out, by a part of their name, of all works or of one: `none:dissect` (it takes a minute a run)
    #[arg(long, value_name = "[WORK:]NAME")]
    skip: Vec<String>,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Task {
    /// Listing all files.
    None,
    /// Packages and logins only.
    Packages,
    /// Listing and SHA-256 of all files.
    Hash,
}

impl Task {
    /// What is done, in a word.
    const fn verb(self) -> &'static str {
        match self {
            Self::None => "listing",
            Self::Packages => "packages and logins of",
            Self::Hash => "SHA-256 of",
        }
    }

    /// Whether a `--skip` leaves a contender of this work out.
    fn skips(self, skip: &str, contender: &str) -> bool {
        match skip.split_once(':') {
            Some((work, name)) => Self::from_str(work, false) == Ok(self) && contender.contains(name),
            None => contender.contains(skip),
        }
    }

    /// The options of `coldread scan` that do it.
    const fn options(self) -> &'static [&'static str] {
        match self {
            Self::None => &["--content", "none"],
            Self::Packages => &["--only", "packages,logins"],
            Self::Hash => &["--content", "hash"],
        }
    }
}

fn given_image(text: &str) -> Result<(Kind, PathBuf), String> {
    let (kind, path) = text.split_once('=').ok_or("say FS=PATH")?;
    Ok((Kind::from_str(kind, false)?, path.into()))
}

/// Runs the comparison and writes the report; the report's Markdown.
pub fn run(options: &Options) -> Result<String, Failure> {
    let programs: Vec<_> = options.fs.iter().flat_map(|kind| kind.programs()).copied().collect();
    host::need("comparing (mounts, dropped caches)", &programs)?;
    let cache = options.cache.clone().unwrap_or_else(small::cache);
    at(&cache, fs::create_dir_all(&cache))?;
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = options.out.clone().unwrap_or_else(|| here.join("results"));
    at(&out, fs::create_dir_all(&out))?;
    let coldread = match &options.bin {
        Some(path) => at(path, path.canonicalize())?,
        None => build()?,
    };
    let mut report = Report {
        date: now(),
        coldread: host::run(&coldread.to_string_lossy(), &["--version"])?.trim().to_owned(),
        revision: revision(),
        optimised: !cfg!(debug_assertions),
        machine: Machine::of_this(&cache),
        runs: options.runs,
        works: Vec::new(),
        readers: None,
        missing: missing::list(&options.fs),
    };
    for lack in &report.missing {
        eprintln!("benches: missing peer: {}: {}", lack.name, lack.install);
    }
    let mut first = None;
    for &kind in &options.fs {
        let given = options.image.iter().find(|(of, _)| *of == kind).map(|(_, path)| path.clone());
        let image = match given {
            Some(path) => at(&path, path.canonicalize())?,
            None => images::large(kind, &cache, options.files)?,
        };
        let entries = count(kind, &image)?;
        for &task in &options.content {
            report.works.push(compare(kind, &image, task, entries, &coldread, options)?);
        }
        first.get_or_insert(image);
    }
    if let Some(image) = first {
        report.readers = Some(three::compare(
            &image,
            options.runs,
            &[IoMode::Uring, IoMode::Pread, IoMode::Mmap, IoMode::Auto],
            &[Order::Sequential, Order::Random],
        )?);
    }
    report.write(&out)
}

/// Lists an image with the crate that is the peer for its filesystem; the number of names.
#[cfg(feature = "peers")]
pub fn list_by_crate(kind: Kind, image: &Path) -> Result<u64, Failure> {
    peers::list(kind, image)
}

/// One kind of work on one image.
fn compare(
    kind: Kind,
    image: &Path,
    task: Task,
    entries: u64,
    coldread: &Path,
    options: &Options,
) -> Result<Work, Failure> {
    let scratch = tempfile::tempdir()?;
    let (harness, scratch) = (&std::env::current_exe()?, scratch.path());
    let stage = contenders::Stage { kind, image, task, entries, coldread, harness, scratch };
    let mut contenders = stage.contenders()?;
    contenders.retain(|contender| !options.skip.iter().any(|skip| task.skips(skip, &contender.name)));
    let mut rows: Vec<_> = contenders.iter().map(report::Row::of).collect();
    for temperature in [Temperature::Cold, Temperature::Warm] {
        measure::alternate(&mut contenders, options.runs, temperature, &mut |index, name, result| {
            let shown = match &result {
                Ok(took) => format!("{:.3} s", took.as_secs_f64()),
                Err(error) => error.to_string(),
            };
            eprintln!("benches: {} {} {}: {name}: {shown}", kind.name(), task.verb(), temperature.name());
            rows[index].take(temperature, result);
        });
    }
    for (row, contender) in rows.iter_mut().zip(&contenders) {
        row.facts = contender.facts();
    }
    drop(contenders);
    Ok(Work { filesystem: kind, content: task, entries, rows })
}

/// Names on the image, as the kernel or ntfs-3g shows them, the root included.
fn count(kind: Kind, image: &Path) -> Result<u64, Failure> {
    let mounted = Mounted::new(kind.name(), image, true)?;
    let point = mounted.point().to_string_lossy().into_owned();
    let dots = host::run("find", &[point.as_str(), "-xdev", "-printf", "."])?;
    mounted.unmount()?;
    Ok(dots.len() as u64)
}

/// Builds the release program.
fn build() -> Result<PathBuf, Failure> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    eprintln!("benches: cargo build --release -p coldread");
    let started = Instant::now();
    let manifest = root.join("Cargo.toml");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let manifest = manifest.to_string_lossy();
    let arguments = ["build", "--release", "--quiet", "-p", "coldread", "--manifest-path", &manifest];
    host::run(&cargo, &arguments)?;
    eprintln!("benches: built in {:.0} s", started.elapsed().as_secs_f64());
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let path = target.join("release/coldread");
    at(&path, path.canonicalize())
}

/// The commit, with a mark where the work tree differs; empty without git.
fn revision() -> String {
    let at = ["-C", env!("CARGO_MANIFEST_DIR"), "describe", "--always", "--dirty", "--abbrev=12"];
    host::run("git", &at).unwrap_or_default().trim().to_owned()
}

fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let time = Timestamp::new(since.as_secs() as i64, 0).to_string();
    // To the second.
    format!("{}Z", time.get(..19).unwrap_or(&time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contender_is_left_out_of_all_works_or_of_one() {
        assert!(Task::None.skips("dissect", "dissect target-query"));
        assert!(Task::None.skips("none:dissect", "dissect target-query"));
        assert!(!Task::Packages.skips("none:dissect", "dissect target-query"));
        assert!(!Task::None.skips("none:fls", "dissect target-query"));
    }
}
