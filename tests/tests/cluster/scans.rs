//! Scans: sharded, interrupted, failing, watched.

use crate::{
    disk::{self, UNIT},
    site::{LEASE, Site},
};
use coldread_model::task::TaskInput;
use coldread_proto::v1::{ScanState, WatchRequest, scan_state::Phase};
use coldread_worker::tasks::TaskError;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};
use tokio::net::TcpListener;

fn snapshot(state: &ScanState) -> String {
    assert_eq!(state.phase(), Phase::Done, "{}", state.error);
    state.summary.as_ref().unwrap().snapshot.clone()
}

const WHOLE: u64 = 1 << 30;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_give_the_same_snapshot_however_they_are_cut() {
    let site = Site::new().await;
    let workers = vec![site.worker("a", 2, disk::well()), site.worker("b", 2, disk::well())];
    let whole = snapshot(&site.scan("/disk", WHOLE).await);
    let files = site.files(&[]).await;
    assert_eq!(files.len(), 11 * 150 + 2 * 3);
    assert_eq!(files.iter().filter(|(_, _, digest)| digest.is_some()).count(), 11 * 150);
    for shard_bytes in [1, UNIT, 2 * UNIT + 1, 900] {
        assert_eq!(snapshot(&site.scan("/disk", shard_bytes).await), whole, "shards of {shard_bytes} bytes");
        assert_eq!(site.files(&[]).await, files);
    }
    // Two scans of one asset at a time both commit.
    let (one, two) = tokio::join!(site.scan("/disk", UNIT), site.scan("/disk", WHOLE));
    assert_eq!((snapshot(&one), snapshot(&two)), (whole.clone(), whole));
    assert_eq!(site.files(&["/f00010[0-2]", "link", "/f000101"]).await.len(), 2 * 4);
    assert_eq!(site.gaps().await.len(), 1);
    assert_eq!(std::fs::read_dir(site.store.path().join("spool")).unwrap().count(), 0);
    site.end(workers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_costs_its_lease_and_nothing_else() {
    let site = Site::new().await;
    let sound = site.worker("sound", 1, disk::well());
    let whole = snapshot(&site.scan("/disk", WHOLE).await);
    let (begun, begin) = tokio::sync::watch::channel(false);
    let doomed = site.worker(
        "doomed",
        2,
        disk::faulty(Arc::new(move |input, context| {
            if matches!(input, TaskInput::Survey { .. }) {
                begun.send_replace(true);
                disk::hang(context)?;
            }
            Ok(())
        })),
    );
    let id = site.submit("/disk", UNIT).await;
    begin.clone().wait_for(|begun| *begun).await.unwrap();
    doomed.abort();
    let states = site.watch(id).await;
    assert_eq!(snapshot(states.last().unwrap()), whole);
    site.end(vec![sound]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_keeps_failing_is_a_gap_and_the_rest_is_kept() {
    let site = Site::new().await;
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    let worker = site.worker(
        "a",
        2,
        disk::faulty(Arc::new(move |input, _| match input {
            TaskInput::Survey { units: (2, _), volume, .. } if volume.name == "p1" => {
                counted.fetch_add(1, Ordering::Relaxed);
                Err(TaskError::Connection("it rains".to_owned()))
            }
            TaskInput::Content { volume, .. } if volume.name == "p3" => {
                Err(TaskError::Source("no light".to_owned()))
            }
            _ => Ok(()),
        })),
    );
    let state = site.scan("/disk", UNIT).await;
    let summary = state.summary.clone().unwrap();
    assert_eq!(tries.load(Ordering::Relaxed), 3);
    assert_eq!(summary.files, Some(10 * 150 + 2 * 3));
    let states: Vec<&str> = summary.volumes.iter().map(|volume| volume.state.as_str()).collect();
    assert_eq!(states, ["partial", "", "partial"]);
    let gaps = site.gaps().await;
    let failed: Vec<_> = gaps.iter().filter(|gap| gap.kind == "failed").collect();
    assert_eq!(failed[0].reason, "units 2 to before 3 were not surveyed: it rains");
    assert_eq!((failed[1].volume.as_str(), failed[1].structure.as_str()), ("p3", "content"));
    assert!(failed[1].reason.contains("no light"));
    site.end(vec![worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_assemble_what_probe_knows_is_committed_and_without_probe_nothing() {
    let site = Site::new().await;
    let worker = site.worker(
        "a",
        1,
        disk::faulty(Arc::new(|input, _| match input {
            TaskInput::Assemble { .. } => Err(TaskError::Invalid("out of memory".to_owned())),
            _ => Ok(()),
        })),
    );
    let state = site.scan("/disk", WHOLE).await;
    let summary = state.summary.unwrap();
    assert_eq!((summary.files, summary.gaps), (Some(0), 1));
    assert_eq!(summary.volumes[0].state, "partial");
    let state = site.scan("/missing", WHOLE).await;
    assert_eq!(state.phase(), Phase::Failed);
    assert_eq!(state.error, "/missing: no such file; check the path");
    site.end(vec![worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_watch_see_the_scan_go_on_to_its_end() {
    let site = Site::new().await;
    let id = site.submit("/disk", UNIT).await;
    let request = WatchRequest { scan_id: id.clone() };
    let mut watching = site.scans().watch(request).await.unwrap().into_inner();
    // Before there is a worker, so that nothing has happened yet.
    let mut states = vec![watching.message().await.unwrap().unwrap()];
    let hold = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&hold);
    let worker = site.worker(
        "a",
        1,
        disk::faulty(Arc::new(move |_, context| {
            // Long enough for a renewal to tell of progress.
            context.progress(5);
            if held.swap(false, Ordering::Relaxed) {
                std::thread::sleep(LEASE * 2);
            }
            Ok(())
        })),
    );
    while let Some(state) = watching.message().await.unwrap() {
        states.push(state);
    }
    assert_eq!(states[0].phase(), Phase::Queued);
    assert!(states.iter().any(|state| state.activity == "probing" && state.bytes_read == 5));
    assert!(states.windows(2).all(|pair| pair[0].tasks_done <= pair[1].tasks_done));
    let last = states.last().unwrap();
    assert_eq!((last.phase(), last.reader.as_str()), (Phase::Done, "fake"));
    // Once ended, it can still be watched: its last state alone.
    assert_eq!(site.watch(id).await, std::slice::from_ref(last));
    site.end(vec![worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_coordinator_that_starts_anew_begins_again_what_had_not_ended() {
    let site = Site::new().await;
    let well = site.worker("a", 2, disk::well());
    let whole = snapshot(&site.scan("/disk", WHOLE).await);
    well.abort();
    // Under way: its first task is leased and never ends.
    let begun = Arc::new(tokio::sync::Notify::new());
    let begin = Arc::clone(&begun);
    let stuck = site.worker(
        "stuck",
        1,
        disk::faulty(Arc::new(move |_, context| {
            begin.notify_one();
            disk::hang(context)
        })),
    );
    let id = site.submit("/disk", UNIT).await;
    begun.notified().await;
    stuck.abort();
    let waiting = site.submit("/missing", UNIT).await;
    let site = site.anew().await;
    let worker = site.worker("b", 2, disk::well());
    let states = site.watch(id).await;
    assert_eq!(snapshot(states.last().unwrap()), whole);
    assert_eq!(site.watch(waiting).await.pop().unwrap().phase(), Phase::Failed);
    let queue = site.store.path().join("queue");
    assert_eq!(std::fs::read_dir(queue).unwrap().count(), 0);
    site.end(vec![worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp_it_is_the_same_and_it_ends_when_told() {
    let mut site = Site::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    site.channel = coldread_proto::endpoint(&url).unwrap().connect_lazy();
    let closer = site.coordinator.closer();
    let serving = async { site.coordinator.serve(listener).await.unwrap() };
    let using = async {
        let workers = vec![site.worker("a", 1, disk::well()), site.worker("b", 1, disk::well())];
        let id = snapshot(&site.scan("/disk", UNIT).await);
        let mut health = tonic_health::pb::health_client::HealthClient::new(site.channel.clone());
        let request = tonic_health::pb::HealthCheckRequest { service: "coldread.v1.Scans".to_owned() };
        assert_eq!(health.check(request).await.unwrap().into_inner().status, 1);
        for worker in workers {
            worker.abort();
        }
        closer.close();
        id
    };
    let ((), id) = tokio::join!(serving, using);
    assert_eq!(id.len(), 64);
    site.coordinator.shutdown().await;
}
