//! A guard on how much is read: rounds, requests and bytes of probe and survey, exactly, for each volume of
//! the sample disk. Counts depend on the bytes of the disk and on nothing else, so a parser that starts to
//! ask for more, or to wait for one answer before it asks for the next, is found here.
//!
//! Where a change of a figure is meant, the test prints the new table: put it in place of the old one, and
//! say in the commit why it changed.

// What the sample holds is known.
#![allow(clippy::unwrap_used)]

use coldread_fsparse::{
    fs::Filesystem,
    machine::{Machine, RunStats, run},
    source::{
        BlockSource, SharedSource, memory::MemorySource, overlay::Overlay, recorded::Recorded, slice::Slice,
    },
    volume::{DiskProbe, recognise::Content},
};
use std::{fs::File, path::Path, sync::Arc};

/// What a step took, and what it found.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    volume: &'static str,
    step: &'static str,
    /// The longest chain of requests that each had to wait for the one before.
    rounds: u32,
    /// Ranges asked of the disk.
    requests: usize,
    /// Their bytes.
    bytes: u64,
    /// Inodes and names found; 0 for a probe.
    found: (usize, usize),
}

/// The whole table.
const PINNED: &[Step] = &[
    Step { volume: "", step: "table", rounds: 2, requests: 5, bytes: 806_912, found: (0, 0) },
    Step { volume: "p1", step: "probe", rounds: 1, requests: 1, bytes: 1024, found: (0, 0) },
    Step { volume: "p1", step: "survey", rounds: 3, requests: 215, bytes: 1_000_512, found: (444, 443) },
    Step { volume: "p2", step: "probe", rounds: 3, requests: 74, bytes: 1_398_272, found: (0, 0) },
    Step { volume: "p2", step: "survey", rounds: 2, requests: 14, bytes: 229_376, found: (195, 192) },
    Step { volume: "p3", step: "probe", rounds: 4, requests: 8, bytes: 18_944, found: (0, 0) },
    Step { volume: "p3", step: "survey", rounds: 1, requests: 2, bytes: 113_664, found: (65, 60) },
];

fn sample() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/server.img.zst");
    zstd::decode_all(File::open(path).unwrap()).unwrap()
}

/// Runs a machine, and holds what it says it took against what the source was asked for.
fn counted(machine: &mut dyn Machine, source: &dyn BlockSource, disk: &Recorded) -> (RunStats, usize, u64) {
    disk.take();
    let stats = run(machine, &mut *source.open_queue().unwrap());
    let asked = disk.take();
    (stats, asked.len(), asked.iter().map(|range| range.len).sum())
}

fn name_of(volume: &str) -> &'static str {
    ["p1", "p2", "p3"].into_iter().find(|name| *name == volume).unwrap()
}

#[test]
fn probe_and_survey_of_the_sample_disk_read_exactly_this() {
    let disk = Arc::new(Recorded::new(Arc::new(MemorySource::new(sample()))));
    let mut steps = Vec::new();
    let mut table = DiskProbe::new(disk.size_bytes());
    let (stats, requests, bytes) = counted(&mut table, &*disk, &disk);
    assert_eq!((stats.requests as usize, stats.bytes), (requests, bytes), "partition table");
    steps.push(Step { volume: "", step: "table", rounds: stats.rounds, requests, bytes, found: (0, 0) });
    for volume in table.finish().volumes {
        let Content::Filesystem(driver) = volume.content else { panic!("{}", volume.name) };
        let name = name_of(&volume.name);
        let slice: SharedSource = Arc::new(Slice::new(Arc::clone(&disk) as SharedSource, volume.range));
        let mut probe = driver.probe(volume.range.len);
        let (stats, requests, bytes) = counted(&mut *probe, &*slice, &disk);
        assert_eq!((stats.requests as usize, stats.bytes), (requests, bytes), "{name} probe");
        steps.push(Step {
            volume: name,
            step: "probe",
            rounds: stats.rounds,
            requests,
            bytes,
            found: (0, 0),
        });
        let probed = probe.finish().unwrap();
        // The sample was unmounted cleanly: nothing stands between the survey and the disk.
        assert_eq!(probed.patches, []);
        steps.push(survey(name, driver, &probed.geometry, probed.units, &slice, &disk));
    }
    let shown = steps.iter().map(|step| format!("    {step:?},")).collect::<Vec<_>>().join("\n");
    assert!(steps == PINNED, "what is read has changed; it is now\n{shown}");
}

fn survey(
    name: &'static str,
    driver: &dyn Filesystem,
    geometry: &[u8],
    units: u64,
    slice: &SharedSource,
    disk: &Recorded,
) -> Step {
    let overlay = Overlay::new(Arc::clone(slice), Vec::new()).unwrap();
    let mut machine = driver.survey(geometry, 0..units).unwrap();
    let (stats, requests, bytes) = counted(&mut *machine, &overlay, disk);
    assert_eq!((stats.requests as usize, stats.bytes), (requests, bytes), "{name} survey");
    let survey = machine.finish();
    assert_eq!(survey.gaps, [], "{name}");
    let found = (survey.inodes.len(), survey.entries.len());
    Step { volume: name, step: "survey", rounds: stats.rounds, requests, bytes, found }
}
