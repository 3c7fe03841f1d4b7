//! Many filesystems, each stopped while in use: `tests::crash` in a loop, with the counts of what occurred.

use crate::host::{Failure, at};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};
use tests::crash::{self, Compared, Kind, Outcome};

/// What a campaign has seen.
#[derive(Debug, Default)]
struct Counts {
    compared: u64,
    disagreeing: u64,
    rows: usize,
    same: u64,
    refused: u64,
    facts: BTreeMap<&'static str, u64>,
    refusals: BTreeSet<String>,
}

/// Stops filesystems of a kind until so many count.
pub(crate) fn run(name: &str, images: u64, seed: u64, keep: Option<&Path>) -> Result<(), Failure> {
    let Some(kind) = crash::kind(name) else {
        let known: Vec<&str> = crash::KINDS.iter().map(|kind| kind.name).collect();
        return Err(Failure(format!("no kind {name:?}: there are {}", known.join(", "))));
    };
    if crash::lacks(kind) {
        return Err(Failure("a crash campaign mounts filesystems as root".to_owned()));
    }
    let mut counts = Counts::default();
    // Where nearly every image is refused or the same, that is the finding.
    for seed in (seed..).take((images as usize).saturating_mul(3)) {
        if counts.compared == images {
            break;
        }
        one(kind, seed, keep, &mut counts)?;
    }
    println!(
        "{name}: {} images compared in {} rows, {} disagree; not counted: {} the same without recovery, {} \
         refused by the kernel",
        counts.compared, counts.rows, counts.disagreeing, counts.same, counts.refused
    );
    for (fact, count) in &counts.facts {
        println!("{name}: {fact} in {count} images");
    }
    for refusal in &counts.refusals {
        println!("{name}: the kernel refused: {refusal}");
    }
    if counts.disagreeing > 0 || counts.compared < images {
        return Err(Failure(format!("{name}: {} images disagree", counts.disagreeing)));
    }
    Ok(())
}

fn one(kind: &Kind, seed: u64, keep: Option<&Path>, counts: &mut Counts) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    match crash::run(kind, seed, dir.path()) {
        Outcome::Refused(refusal) => {
            counts.refused += 1;
            // Without the paths, which differ each time.
            let words = refusal.split_whitespace().filter(|word| !word.contains('/'));
            counts.refusals.insert(words.collect::<Vec<_>>().join(" "));
        }
        Outcome::Same => counts.same += 1,
        Outcome::Compared(Compared { how, facts, rows, disagreements }) => {
            counts.compared += 1;
            counts.rows += rows;
            for fact in facts {
                *counts.facts.entry(fact).or_default() += 1;
            }
            if !disagreements.is_empty() {
                counts.disagreeing += 1;
                println!("{} {how}: {} disagreements", kind.name, disagreements.len());
                for line in disagreements.iter().take(5) {
                    println!("    {line}");
                }
                if let Some(keep) = keep {
                    at(keep, fs::create_dir_all(keep))?;
                    let to = keep.join(format!("{}-{seed}.img", kind.name));
                    at(&to, fs::copy(dir.path().join("crashed.img"), &to))?;
                }
            }
        }
    }
    Ok(())
}
