use super::*;
use crate::leases::{Leases, Place, Setback, TaskId};
use coldread_model::{
    ByteRange, ObjectId, SourceIdentity,
    task::{FilesystemSpec, IoMode, Share},
};
use proptest::prelude::*;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

fn volume(name: &str, bytes: u64, units: Option<u64>) -> VolumeSpec {
    VolumeSpec {
        name: name.to_owned(),
        range: ByteRange::new(0, bytes),
        content: "ext4".to_owned(),
        filesystem: units.map(|units| FilesystemSpec {
            driver: "ext4".to_owned(),
            geometry: Vec::new(),
            units,
            size_bytes: bytes,
            patches: Vec::new(),
        }),
        label: None,
        uuid: None,
        partition_label: None,
        partition_uuid: None,
        state: None,
        reason: String::new(),
    }
}

fn probe(volumes: Vec<VolumeSpec>) -> ProbeOutput {
    ProbeOutput {
        identity: SourceIdentity {
            location: "/disk".to_owned(),
            container: "raw".to_owned(),
            size: 1 << 20,
            table_id: None,
            volume_ids: Vec::new(),
            metadata_digest: ObjectId([0; 32]),
        },
        volumes,
        coverage: Vec::new(),
        gaps: Vec::new(),
        reader: String::new(),
    }
}

fn planner(shard_bytes: u64) -> Planner {
    let source = SourceSpec { location: "/disk".to_owned(), io: IoMode::Auto };
    Planner::new(source, ContentMode::Hash, Share::default(), shard_bytes)
}

#[test]
fn a_small_disk_is_one_task_after_probe() {
    let mut plan = planner(1000);
    let disk = probe(vec![volume("p1", 600, Some(5)), volume("p2", 400, Some(5)), volume("p3", 9999, None)]);
    assert_eq!(plan.finish(Step::Probe, Done::Probe(Box::new(disk))), Next::Run(vec![Step::Assemble]));
    let input = plan.input(Step::Assemble);
    assert!(matches!(input, Some(TaskInput::Assemble { whole: true, surveys, .. }) if surveys.is_empty()));
    assert_eq!(plan.finish(Step::Assemble, Done::Assemble(vec![vec![], vec![], vec![]])), Next::Commit);
    assert_eq!(plan.finish(Step::Assemble, Done::Assemble(vec![])), Next::Wait);
    assert_eq!(plan.progress(), (2, 2));
}

#[test]
fn a_scan_that_is_not_asked_for_files_is_one_task_however_large_the_disk() {
    let asked = Parts::of(Part::Packages).and(Parts::of(Part::Logins));
    let mut plan = planner(10).asking(asked);
    let disk = probe(vec![volume("p1", 1 << 40, Some(9000))]);
    assert_eq!(plan.finish(Step::Probe, Done::Probe(Box::new(disk))), Next::Run(vec![Step::Assemble]));
    let input = plan.input(Step::Assemble);
    assert!(matches!(input, Some(TaskInput::Assemble { whole: true, asked: told, .. }) if told == asked));
    let with_files = planner(10).asking(asked.and(Parts::of(Part::Files)));
    assert!(with_files.asked().contains(Part::Files));
}

#[test]
fn a_large_one_is_cut_evenly_and_joined_in_unit_order() {
    let mut plan = planner(100);
    let disk = probe(vec![
        volume("p1", 301, Some(10)),
        volume("p2", 50, None),
        volume("p3", 1000, Some(3)),
        volume("p4", 500, Some(0)),
    ]);
    let Next::Run(surveys) = plan.finish(Step::Probe, Done::Probe(Box::new(disk))) else {
        panic!("nothing to run")
    };
    let units = |volume, part| match plan.input(Step::Survey { volume, part }) {
        Some(TaskInput::Survey { units, .. }) => Some(units),
        _ => None,
    };
    assert_eq!([0, 1, 2, 3].map(|part| units(0, part)), [(0, 2), (2, 3), (5, 2), (7, 3)].map(Some));
    assert_eq!([0, 1, 2].map(|part| units(2, part)), [(0, 1), (1, 1), (2, 1)].map(Some));
    assert_eq!((units(1, 0), units(2, 3), units(3, 0)), (None, None, Some((0, 0))));
    assert_eq!(surveys.len(), 8);
    let failed = Step::Survey { volume: 0, part: 2 };
    assert_eq!(plan.give_up(failed, "three workers were lost"), Next::Wait);
    let mut next = Next::Wait;
    for step in surveys.into_iter().rev() {
        assert_eq!(next, Next::Wait);
        if step != failed {
            next = plan.finish(step, Done::Survey);
        }
    }
    assert_eq!(next, Next::Run(vec![Step::Assemble]));
    let Some(TaskInput::Assemble { surveys, whole: false, .. }) = plan.input(Step::Assemble) else {
        panic!("no input")
    };
    let name = |volume: usize, part: usize| format!("result/survey/{volume}/{part}");
    assert_eq!(surveys[0], [name(0, 0), name(0, 1), String::new(), name(0, 3)]);
    assert_eq!((surveys[1].len(), surveys[2].len(), surveys[3].len()), (0, 3, 1));
    let plans = vec![vec!["a".to_owned(), "b".to_owned()], vec![], vec!["c".to_owned()], vec![]];
    let Next::Run(contents) = plan.finish(Step::Assemble, Done::Assemble(plans)) else {
        panic!("no contents")
    };
    assert_eq!(contents.len(), 3);
    assert_eq!(plan.give_up(contents[2], "no"), Next::Wait);
    assert_eq!(plan.finish(contents[0], Done::Content), Next::Wait);
    assert_eq!(plan.finish(contents[1], Done::Content), Next::Commit);
    let losses = plan.losses();
    assert_eq!(losses.partial.keys().copied().collect::<Vec<_>>(), [0, 2]);
    assert_eq!(losses.gaps[0].reason, "units 5 to before 7 were not surveyed: three workers were lost");
    assert_eq!((losses.gaps[1].volume.as_str(), losses.gaps[1].kind), ("p3", GapKind::Failed));
}

#[test]
fn without_probe_a_scan_fails_and_without_assemble_it_commits_what_probe_knows() {
    let mut plan = planner(100);
    assert_eq!(plan.give_up(Step::Probe, "no such file"), Next::Failed("no such file".to_owned()));
    let mut plan = planner(1000);
    plan.finish(
        Step::Probe,
        Done::Probe(Box::new(probe(vec![volume("p1", 600, Some(5)), volume("p2", 1, None)]))),
    );
    assert_eq!(plan.give_up(Step::Assemble, "out of memory"), Next::Commit);
    assert_eq!(plan.losses().partial.keys().copied().collect::<Vec<_>>(), [0]);
    assert_eq!(plan.losses().gaps.len(), 1);
}

proptest! {
    /// Planner and leases together, with workers that vanish, fail, come late and repeat themselves: the scan
    /// always ends, and every result was counted once.
    #[test]
    fn a_scan_always_ends(
        volumes in prop::collection::vec((1_u64..900, prop::option::of(0_u64..9)), 0..4),
        shards in prop::collection::vec(0_usize..4, 4),
        fates in prop::collection::vec((0_usize..6, 0_usize..30), 0..120),
    ) {
        let mut now = Instant::now();
        let lease_time = Duration::from_secs(1);
        let mut leases = Leases::new(lease_time);
        let mut plan = planner(200);
        let disk = volumes.iter().enumerate();
        let disk: Vec<_> = disk.map(|(i, (bytes, units))| volume(&format!("p{i}"), *bytes, *units)).collect();
        let mut ids: HashMap<TaskId, Step> = HashMap::new();
        let mut counted: HashMap<Step, u32> = HashMap::new();
        let mut old: Vec<crate::leases::Lease> = Vec::new();
        let mut next = Next::Run(vec![Step::Probe]);
        let mut fates = fates.into_iter();
        for _ in 0..2000 {
            match &next {
                Next::Run(steps) => for step in steps {
                    let id = TaskId(ids.len() as u64);
                    ids.insert(id, *step);
                    leases.add(id, 3, Place::Back);
                },
                Next::Wait => {}
                Next::Commit | Next::Failed(_) => break,
            }
            next = Next::Wait;
            let result = |step| match step {
                Step::Probe => Done::Probe(Box::new(probe(disk.clone()))),
                Step::Survey { .. } => Done::Survey,
                Step::Assemble => Done::Assemble(
                    disk.iter().zip(&shards).map(|(_, n)| (0..*n).map(|i| i.to_string()).collect()).collect(),
                ),
                Step::Content { .. } => Done::Content,
            };
            let (fate, which) = fates.next().unwrap_or((0, 0));
            let lease = if fate == 5 && !old.is_empty() {
                // A late or repeated completion.
                Some(old[which % old.len()].clone())
            } else {
                leases.grant("w", now)
            };
            let Some(lease) = lease else {
                now += lease_time;
                if let Some((task, _, setback)) = leases.expire(now).into_iter().next_back()
                    && setback == Setback::Quarantined
                {
                    next = plan.give_up(ids[&task], "lost");
                }
                continue;
            };
            old.push(lease.clone());
            let step = ids[&lease.task];
            match fate {
                1 => {}
                2 => if leases.fail(&lease, which % 4 > 0) == Ok(Setback::Quarantined) {
                    next = plan.give_up(step, "failed");
                },
                _ => if leases.complete(&lease).is_ok() {
                    *counted.entry(step).or_default() += 1;
                    next = plan.finish(step, result(step));
                },
            }
            if fate == 1 && matches!(next, Next::Wait) {
                // The worker is gone; only its lease is lost.
                now += lease_time;
                let mut ends = Vec::new();
                for (task, _, setback) in leases.expire(now) {
                    if setback == Setback::Quarantined {
                        ends.push(plan.give_up(ids[&task], "lost"));
                    }
                }
                next = ends.into_iter().find(|end| *end != Next::Wait).unwrap_or(Next::Wait);
            }
        }
        prop_assert!(matches!(next, Next::Commit | Next::Failed(_)), "{next:?}");
        prop_assert!(counted.values().all(|times| *times == 1));
        let finished: BTreeSet<Step> = plan.finished().collect();
        prop_assert_eq!(finished, counted.keys().copied().collect::<BTreeSet<_>>());
    }
}
