//! Filesystems that are stopped while in use, and what the kernel's own recovery makes of them.
//!
//! A seed decides the tree, the work, how long it goes on and how it is stopped. The disk is copied at that moment,
//! before the unmount, which would write the journal home. The kernel recovers one copy and shows it; `coldread`
//! reads another. An image counts only where a reader that ignores journal or log would get it wrong.
//!
//! To add a filesystem: a line in [`KINDS`], and what can be told of its log.

pub mod jbd2;
mod work;
pub mod xfs;

use crate::{
    ask, disk,
    host::{self, Mounted, tool},
    shapes::Dice,
    truth::{self, Table},
};
use std::{
    collections::BTreeSet,
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::SystemTime,
};

/// Stopped while a step was under way.
pub const AMID: &str = "stopped amid a step";
/// Stopped between two steps.
pub const BETWEEN: &str = "stopped between steps";

/// A kind of filesystem that is stopped.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What mount calls it.
    pub filesystem: &'static str,
    /// Bytes in MiB.
    pub mib: u64,
    /// Words for mkfs.
    pub shape: &'static [&'static str],
    /// Mount options, of which the seed picks one.
    pub options: &'static [&'static str],
    /// Options that mount it without recovery.
    pub unrecovered: &'static str,
    /// The disk is zeros before mkfs, not noise.
    pub blank: bool,
    /// What is done to the empty filesystem before it is mounted.
    pub prepare: Option<fn(&Path, &mut Dice)>,
    /// Half of them are stopped while a step is under way, not between two.
    pub amid: bool,
    /// Makes of the copy what a power cut could have left: which damage, if any.
    pub tear: Option<fn(&Path, &mut Dice) -> Option<&'static str>>,
    /// This kernel refuses some logs that it wrote itself (`Structure needs cleaning`), so that a refusal tells nothing.
    pub refuses_own: bool,
    /// What really occurs in its log.
    pub facts: fn(&Path) -> BTreeSet<&'static str>,
}

/// Every kind.
pub const KINDS: &[Kind] = &[
    Kind {
        name: "ext4",
        filesystem: "ext4",
        mib: 48,
        shape: &["-J", "size=4"],
        options: &["", "data=journal"],
        unrecovered: "ro,noload",
        blank: false,
        prepare: None,
        amid: false,
        tear: None,
        refuses_own: false,
        facts: jbd2::facts,
    },
    Kind {
        name: "ext4-nocsum",
        filesystem: "ext4",
        mib: 48,
        shape: &["-J", "size=4", "-O", "^metadata_csum,^64bit,orphan_file"],
        options: &["", "data=journal", "journal_checksum"],
        unrecovered: "ro,noload",
        blank: false,
        prepare: None,
        amid: false,
        tear: None,
        refuses_own: false,
        facts: jbd2::facts,
    },
    // mke2fs leaves what was there in the area of fast commits, which no recovery accepts.
    Kind {
        name: "ext4-fast",
        filesystem: "ext4",
        mib: 48,
        shape: &["-J", "size=8", "-O", "fast_commit"],
        options: &[""],
        unrecovered: "ro,noload",
        blank: true,
        prepare: None,
        amid: false,
        tear: None,
        refuses_own: true,
        facts: jbd2::facts,
    },
    Kind {
        name: "ext3",
        filesystem: "ext3",
        mib: 48,
        shape: &["-t", "ext3", "-J", "size=4"],
        options: &["", "data=journal"],
        unrecovered: "ro,noload",
        blank: false,
        prepare: None,
        amid: false,
        tear: None,
        refuses_own: false,
        facts: jbd2::facts,
    },
    xfs::BLOCKS_4K,
    xfs::BLOCKS_1K,
    xfs::LARGE_LOG_UNIT,
    xfs::SECTORS_4K,
    xfs::PARENT_POINTERS,
];

/// The kind with this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

/// The programs that a kind needs.
pub fn lacks(kind: &Kind) -> bool {
    let mkfs = if kind.filesystem == "xfs" { "mkfs.xfs" } else { "mkfs.ext4" };
    host::lacks_mounts(&[mkfs, "xfs_io"])
}

/// What became of one image.
#[derive(Debug)]
pub enum Outcome {
    /// The kernel itself refuses it: there is no truth to hold it against. Its words.
    Refused(String),
    /// A reader that ignores the journal or log gets it right too.
    Same,
    /// Compared.
    Compared(Compared),
}

/// A comparison.
#[derive(Debug)]
pub struct Compared {
    /// How it was stopped, for people.
    pub how: String,
    /// What really occurs in the log.
    pub facts: BTreeSet<&'static str>,
    /// Rows that the kernel shows.
    pub rows: usize,
    /// How the answers disagree; empty where they do not.
    pub disagreements: Vec<String>,
}

/// Makes the image of this seed in `dir`, `crashed.img`, and compares.
#[track_caller]
pub fn run(kind: &Kind, seed: u64, dir: &Path) -> Outcome {
    let Stopped { image, how, moment, occurred: mut facts } = stop(kind, seed, dir);
    facts.append(&mut (kind.facts)(&image));
    let recovered = disk::copy(&image, "recovered.img");
    if let Err(refusal) = Mounted::try_new(&recovered, kind.filesystem, "noatime").map(drop) {
        return if kind.refuses_own {
            Outcome::Refused(refusal)
        } else {
            refused(&image, how, facts, refusal)
        };
    }
    let mut want = truth::listing(Mounted::new(&recovered, kind.filesystem, "ro").path(), kind.filesystem);
    if unrecovered(kind, &image).is_some_and(|found| found == want) {
        return Outcome::Same;
    }
    let (place, _store) = ask::store();
    place.scan(&image, "disk", &[]);
    let got = truth::table(place.rows(&["files"]));
    forget_recovery(&mut want, &got, moment);
    let mut disagreements = truth::disagreements(&got, &want, true);
    let shown = place.asset("disk");
    let volume = &shown["volumes"][0];
    if volume["state"] != "replayed" {
        disagreements.push(format!("state {}: {}", volume["state"], volume["reason"]));
    }
    disagreements.extend(place.rows(&["gaps"]).iter().map(|gap| format!("a gap: {gap}")));
    Outcome::Compared(Compared { how, facts, rows: want.len(), disagreements })
}

/// What the kernel does not recover we must not say to have replayed.
fn refused(image: &Path, how: String, facts: BTreeSet<&'static str>, refusal: String) -> Outcome {
    let (place, _store) = ask::store();
    place.scan(image, "disk", &[]);
    let shown = place.asset("disk");
    let state = &shown["volumes"][0]["state"];
    if state != "replayed" && state != "clean" {
        return Outcome::Refused(refusal);
    }
    let disagreements = vec![format!("state {state}, and the kernel refuses it: {refusal}")];
    Outcome::Compared(Compared { how, facts, rows: 0, disagreements })
}

/// A disk as it was when its filesystem was stopped.
struct Stopped {
    image: PathBuf,
    how: String,
    moment: SystemTime,
    occurred: BTreeSet<&'static str>,
}

fn stop(kind: &Kind, seed: u64, dir: &Path) -> Stopped {
    let mut dice = Dice::new(seed);
    let live = dir.join("live.img");
    if kind.blank {
        File::create(&live).unwrap().set_len(kind.mib * disk::MIB).unwrap();
        disk::format(&live, kind.filesystem, kind.shape);
    } else {
        disk::make(&live, kind.filesystem, kind.mib, kind.shape);
    }
    let options = *dice.pick(kind.options);
    let line = if options.is_empty() { "noatime".to_owned() } else { format!("noatime,{options}") };
    if let Some(prepare) = kind.prepare {
        prepare(&live, &mut dice);
    }
    let mounted = Mounted::new(&live, kind.filesystem, &line);
    let before = 100 + dice.below(200);
    let after = 20 + dice.below(400);
    let mut work = work::Work::new(mounted.path(), &mut dice);
    work.steps(before);
    rustix::fs::sync();
    let command = if work.chance(50) { "shutdown -f" } else { "shutdown" };
    let words = ["-x", "-c", command].map(std::ffi::OsStr::new);
    let shut_down = || tool("xfs_io", &[&words[..], &[mounted.path().as_os_str()]].concat());
    let amid = kind.amid && work.chance(50);
    if amid {
        let done = AtomicU64::new(0);
        thread::scope(|scope| {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) < after {
                    thread::yield_now();
                }
                shut_down();
            });
            work.steps_until_stopped(&done);
        });
    } else {
        work.steps(after);
        shut_down();
    }
    // Before the unmount, which would write the journal home.
    let image = disk::copy(&live, "crashed.img");
    let moment = SystemTime::now();
    drop(work);
    drop(mounted);
    let torn = kind.tear.filter(|_| dice.chance(35)).and_then(|tear| tear(&image, &mut dice));
    let how = format!(
        "seed {seed}: {before} steps, sync, {after} steps, {command}{}, mounted with {line}{}",
        if amid { " amid the next" } else { "" },
        torn.map(|torn| format!(", {torn}")).unwrap_or_default()
    );
    let occurred =
        [Some(if amid { AMID } else { BETWEEN }), Some(command), torn].into_iter().flatten().collect();
    Stopped { image, how, moment, occurred }
}

/// What a reader sees that ignores the journal or log; none where it cannot even mount or read all of it.
fn unrecovered(kind: &Kind, image: &Path) -> Option<Table> {
    let copy = disk::copy(image, "unrecovered.img");
    let mounted = Mounted::try_new(&copy, kind.filesystem, kind.unrecovered).ok()?;
    // What the journal would have repaired may not be readable without it.
    truth::try_listing(mounted.path(), kind.filesystem).ok()
}

/// Recovery itself stamps files that it cuts short: a time later than the stop is the recovery's, and no disk's.
fn forget_recovery(want: &mut Table, got: &Table, moment: SystemTime) {
    let moment = truth::system_time(moment);
    for (key, row) in want {
        for field in ["mtime", "ctime"] {
            if row[field].as_str().is_some_and(|time| time > moment.as_str())
                && let Some(got) = got.get(key)
            {
                row[field] = got[field].clone();
            }
        }
    }
}
