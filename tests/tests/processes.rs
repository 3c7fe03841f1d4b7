//! A coordinator and two workers as processes of their own: what they find is, to the byte, what one process
//! finds alone, however the work is cut and whoever dies over it.
//!
//! `cluster` tests the same parts in one process, with faults that no real disk has.

#![allow(clippy::unwrap_used)]

use coldread_proto::v1::{ScanState, WatchRequest, scan_state::Phase, scans_client::ScansClient};
use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};
use tempfile::TempDir;
use tests::{
    ask::{self, Everything, Place, assert_same},
    disk,
    host::{self, Mounted},
    program::{self, Running},
    sample, shapes,
};
use tonic::transport::Channel;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

/// A coordinator with its workers; all are killed when dropped.
struct Cluster {
    place: Place,
    coordinator: Running,
    workers: Vec<Running>,
    _store: TempDir,
}

impl Cluster {
    fn new(workers: usize) -> Self {
        let store = tempfile::tempdir().unwrap();
        let mut command = program::coldread();
        command.args(["coordinator", "--listen", "127.0.0.1:0", "--lease-seconds", "2", "--store"]);
        let mut coordinator = Running::start(command.arg(store.path().join("store")));
        let place = Place::Server(format!("http://{}", coordinator.address()));
        let mut cluster = Self { place, coordinator, workers: Vec::new(), _store: store };
        for nth in 0..workers {
            let name = format!("worker-{nth}");
            let words = ["worker", "--coordinator", cluster.url(), "--name", &name];
            let worker = Running::start(program::coldread().args(words));
            cluster.workers.push(worker);
        }
        cluster
    }

    fn url(&self) -> &str {
        match &self.place {
            Place::Server(url) => url,
            Place::Store(dir) => panic!("{} is no cluster", dir.display()),
        }
    }

    async fn channel(&self) -> Channel {
        coldread_proto::endpoint(self.url()).unwrap().connect().await.unwrap()
    }

    /// Scans all images at once, and waits for the end.
    fn scan(&self, images: &[PathBuf], more: &[&str]) -> Everything {
        let mut command = self.place.command(&["scan", "--wait"]);
        let answer = program::run(command.args(images).args(more));
        let code = answer.status.code();
        assert!(code == Some(0) || code == Some(3), "{}: {}\n{}", answer.line, answer.status, answer.stderr);
        self.place.everything()
    }

    /// Queues a scan; gives its id.
    fn submit(&self, image: &Path, more: &[&str]) -> String {
        let mut command = self.place.command(&["scan", "-o", "ndjson"]);
        let answer = program::run(command.arg(image).args(more)).exits(0);
        answer.rows()[0]["scan"].as_str().unwrap().to_owned()
    }

    /// Follows a scan until `wanted`, or its end.
    async fn watch(&self, scan_id: &str, wanted: impl Fn(&ScanState) -> bool) -> ScanState {
        let mut scans = ScansClient::new(self.channel().await);
        let request = WatchRequest { scan_id: scan_id.to_owned() };
        let mut states = scans.watch(request).await.unwrap().into_inner();
        while let Some(state) = states.message().await.unwrap() {
            if wanted(&state) || matches!(state.phase(), Phase::Done | Phase::Failed) {
                return state;
            }
        }
        panic!("the scan was no longer told of before it ended");
    }

    /// Kills the coordinator and gives what it logged.
    fn end(mut self) -> String {
        self.workers.clear();
        host::tool("kill", &["-TERM".as_ref(), self.coordinator.id().to_string().as_ref()]);
        self.coordinator.finish().exits(0).stderr
    }
}

/// Six images: the sample and one of each filesystem, alone and in partitions; only the sample where nothing can
/// be mounted. Their names differ, as assets are named after them.
fn images() -> &'static [PathBuf] {
    static IMAGES: OnceLock<(Vec<PathBuf>, TempDir)> = OnceLock::new();
    let (images, _) = IMAGES.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(format!("{name}.img"));
        let mut images = vec![sample::compressed()];
        if host::lacks_mounts(&["mkfs.xfs"]) || host::lacks_ntfs() {
            return (images, dir);
        }
        let fill = |name: &str, filesystem: &str, mib, more: &[&str]| {
            disk::make(&path(name), filesystem, mib, more);
            let mounted = Mounted::new(&path(name), filesystem, "noatime");
            disk::system(mounted.path(), name);
            if mib > 32 {
                shapes::fill(mounted.path(), filesystem, 11);
            }
            path(name)
        };
        images.push(fill("eins", "ext4", 96, &["-b", "1024"]));
        images.push(fill("zwei", "ext4", 32, &[]));
        images.push(fill("drei", "xfs", 96, &[]));
        images.push(fill("vier", "ntfs", 96, &[]));
        disk::with_mbr(&path("sechs"), &[(0x83, &images[2]), (0x83, &images[3]), (7, &images[4])]);
        images.push(path("sechs"));
        (images, dir)
    });
    images
}

/// What one process says of all images.
fn embedded() -> &'static Everything {
    static SAID: OnceLock<Everything> = OnceLock::new();
    SAID.get_or_init(|| {
        let (place, _dir) = ask::store();
        let mut command = place.command(&["scan"]);
        program::run(command.args(images())).exits(0);
        assert_eq!(place.rows(&["assets"]).len(), images().len());
        place.everything()
    })
}

#[test]
fn two_workers_find_what_one_process_finds() {
    let cluster = Cluster::new(2);
    assert_same(&cluster.scan(images(), &[]), embedded());
}

#[test]
fn many_shards_find_what_one_finds() {
    let cluster = Cluster::new(2);
    assert_same(&cluster.scan(images(), &["--shard-bytes", "4MiB"]), embedded());
}

#[test]
fn many_shards_in_one_process_find_the_same() {
    let (place, _dir) = ask::store();
    let mut command = place.command(&["scan", "--shard-bytes", "4MiB"]);
    program::run(command.args(images())).exits(0);
    assert_same(&place.everything(), embedded());
}

/// The worker dies once the first tasks are done and others are not. Whether it held a lease at that moment is for
/// the coordinator to say; where it did not, another cluster tries again.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_costs_its_lease_and_nothing_else() {
    const ATTEMPTS: usize = 8;
    embedded();
    for attempt in 1..=ATTEMPTS {
        let mut cluster = Cluster::new(2);
        let ids: Vec<_> =
            images().iter().map(|image| cluster.submit(image, &["--shard-bytes", "2MiB"])).collect();
        // The last one submitted: the others keep both workers busy meanwhile.
        let state = cluster.watch(ids.last().unwrap(), |state| state.tasks_done > 0).await;
        cluster.workers[0].kill();
        for id in &ids {
            let ended = cluster.watch(id, |_| false).await;
            assert_eq!(ended.phase(), Phase::Done, "{}", ended.error);
        }
        assert_same(&cluster.place.everything(), embedded());
        let log = cluster.end();
        if log.contains("a lease ran out") {
            println!("attempt {attempt}: killed at {} of {} tasks", state.tasks_done, state.tasks_known);
            return;
        }
    }
    panic!("in {ATTEMPTS} attempts the killed worker never held a lease");
}

/// No worker is there yet: the scan waits for one.
#[tokio::test(flavor = "multi_thread")]
async fn a_scan_waits_for_its_first_worker() {
    let mut cluster = Cluster::new(0);
    let image = sample::compressed();
    let id = cluster.submit(&image, &[]);
    assert_eq!(cluster.place.rows(&["assets"]).len(), 0);
    let words = ["worker", "--coordinator", cluster.url()];
    let worker = Running::start(program::coldread().args(words));
    cluster.workers.push(worker);
    let ended = cluster.watch(&id, |_| false).await;
    assert_eq!(ended.phase(), Phase::Done, "{}", ended.error);
    let (place, _dir) = ask::store();
    program::run(place.command(&["scan"]).arg(&image)).exits(0);
    assert_same(&cluster.place.everything(), &place.everything());
    // Files are read by the workers.
    let name = place.rows(&["assets"])[0]["asset"].as_str().unwrap().to_owned();
    let cat = |place: &Place| place.run(&["cat", &name, "/var/log/auth.log"]).exits(0).stdout;
    assert_eq!(cat(&cluster.place), cat(&place));
}

/// What cannot be read costs its own scan alone.
#[test]
fn sources_that_cannot_be_read_are_told_from_afar() {
    let cluster = Cluster::new(2);
    let mut command = cluster.place.command(&["scan", "/nonexistent/disk.img", "--wait"]);
    let answer = program::run(command.arg(sample::compressed())).exits(1);
    answer.says(&["/nonexistent/disk.img", "no such file"]);
    assert_eq!(cluster.place.rows(&["packages"]).len(), 158);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_answer() {
    let cluster = Cluster::new(0);
    let channel = cluster.channel().await;
    let mut health = HealthClient::new(channel.clone());
    let services = ["coldread.v1.Query", "coldread.v1.Scans", "coldread.v1.Work"];
    for service in services.into_iter().chain([""]) {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(channel);
    let asked = tokio_stream::iter([request]);
    let mut answers = reflection.server_reflection_info(asked).await.unwrap().into_inner();
    let answer =
        tokio::time::timeout(Duration::from_mins(1), answers.message()).await.unwrap().unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for service in services.into_iter().chain(["grpc.health.v1.Health"]) {
        assert!(names.contains(&service), "{names:?}");
    }
}
