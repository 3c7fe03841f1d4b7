//! What a worker may say and what it may not.

use crate::site::Site;
use coldread_model::{ObjectId, ObjectKind, task::TaskInput};
use coldread_proto::v1::{
    CompleteRequest, FailRequest, GetInputRequest, GetOutputRequest, HaveRequest, LeaseKey, LeaseRequest,
    Object, PutObjectsRequest, PutOutputRequest, RegisterRequest, RenewRequest, WatchRequest,
    scan_state::Phase,
};
use tonic::{Code, Status};

async fn register(site: &Site) -> String {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let request = RegisterRequest { name: "test".to_owned(), version };
    site.work().register(request).await.unwrap().into_inner().worker_id
}

async fn lease(site: &Site, worker: &str) -> LeaseKey {
    let request = LeaseRequest { worker_id: worker.to_owned(), wait_millis: 10_000 };
    site.work().lease(request).await.unwrap().into_inner().task.unwrap().key.unwrap()
}

async fn put_result(site: &Site, key: &LeaseKey, bytes: &'static [u8]) -> Result<(), Status> {
    let message = PutOutputRequest { key: Some(key.clone()), data: bytes.into(), ..Default::default() };
    site.work().put_output(tokio_stream::once(message)).await.map(drop)
}

async fn complete(site: &Site, key: &LeaseKey) -> Result<(), Status> {
    site.work().complete(CompleteRequest { key: Some(key.clone()), bytes_read: 0 }).await.map(drop)
}

fn code<T>(result: Result<T, Status>) -> Code {
    result.map(drop).unwrap_err().code()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_completion_does_not_count() {
    let site = Site::new().await;
    let worker = register(&site).await;
    site.submit("/disk", 1).await;
    let late = lease(&site, &worker).await;
    put_result(&site, &late, b"").await.unwrap();
    let current = lease(&site, &worker).await;
    assert_eq!((&current.task_id, current.epoch), (&late.task_id, 2));
    assert_eq!(code(complete(&site, &late).await), Code::FailedPrecondition);
    assert_eq!(code(put_result(&site, &late, b"x").await), Code::FailedPrecondition);
    let renew = RenewRequest { key: Some(late.clone()), bytes_read: 1 };
    assert_eq!(code(site.work().renew(renew).await), Code::FailedPrecondition);
    let fail = FailRequest { key: Some(late), reason: String::new(), retry: true };
    assert_eq!(code(site.work().fail(fail).await), Code::FailedPrecondition);
    let input = GetInputRequest { key: Some(current) };
    let mut input = site.work().get_input(input).await.unwrap().into_inner();
    let piece = input.message().await.unwrap().unwrap();
    let input: TaskInput = coldread_model::codec::from_bytes("task", &piece.data).unwrap();
    assert_eq!(input.kind(), "probe");
    site.end(Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_do_not_decode_cost_a_try_and_then_the_scan() {
    let site = Site::new().await;
    let worker = register(&site).await;
    let scan = site.submit("/disk", 1).await;
    for results in [&b"\xff\xff\xff\xff\xff\xff"[..], b"", b"probe"] {
        let key = lease(&site, &worker).await;
        put_result(&site, &key, results).await.unwrap();
        assert_eq!(code(complete(&site, &key).await), Code::InvalidArgument);
    }
    let state = site.watch(scan).await.pop().unwrap();
    assert_eq!(state.phase(), Phase::Failed);
    assert!(state.error.contains("refused"), "{}", state.error);
    site.end(Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_what_they_say_or_refused() {
    // Whoever comes over a network is not trusted; the worker in the coordinator's own process is.
    let (site, listener) = Site::listening().await;
    tokio::select! {
        served = site.coordinator.serve(listener) => panic!("it ended: {served:?}"),
        () = send_objects(&site) => {}
    }
    site.end(Vec::new()).await;
}

async fn send_objects(site: &Site) {
    let worker = register(site).await;
    site.submit("/disk", 1).await;
    let key = lease(site, &worker).await;
    let raw = b"keys".repeat(9);
    let good = Object {
        id: ObjectId::of(ObjectKind::Keys, &raw).0.to_vec(),
        kind: 14,
        raw_len: raw.len() as u64,
        compressed: zstd(&raw).into(),
    };
    for bad in [
        Object { id: vec![1; 31], ..good.clone() },
        Object { id: vec![1; 32], ..good.clone() },
        Object { kind: 99, ..good.clone() },
        Object { kind: 13, ..good.clone() },
        Object { raw_len: 35, ..good.clone() },
        Object { compressed: raw.clone().into(), ..good.clone() },
    ] {
        let message = PutObjectsRequest { key: Some(key.clone()), objects: vec![bad] };
        let put = site.work().put_objects(tokio_stream::once(message)).await;
        assert_eq!(code(put), Code::InvalidArgument);
    }
    // What only a commit makes: a head in a pack is a snapshot once the index is rebuilt.
    for kind in [ObjectKind::Head, ObjectKind::Manifest, ObjectKind::Coverage, ObjectKind::Gaps] {
        let id = ObjectId::of(kind, &raw).0.to_vec();
        let forged = Object { id, kind: u32::from(kind as u8), ..good.clone() };
        let message = PutObjectsRequest { key: Some(key.clone()), objects: vec![forged] };
        assert_eq!(code(site.work().put_objects(tokio_stream::once(message)).await), Code::InvalidArgument);
    }
    let huge = Object { raw_len: u64::MAX, ..good.clone() };
    let message = PutObjectsRequest { key: Some(key.clone()), objects: vec![huge] };
    assert_eq!(code(site.work().put_objects(tokio_stream::once(message)).await), Code::ResourceExhausted);
    let message = PutObjectsRequest { key: Some(key), objects: vec![good] };
    site.work().put_objects(tokio_stream::once(message)).await.unwrap();
    let ids = vec![vec![1; 32], vec![2; 5]];
    assert_eq!(code(site.work().have(HaveRequest { ids }).await), Code::InvalidArgument);
}

/// A zstd frame with one raw block, as RFC 8878 (section 3.1.1) has it.
fn zstd(raw: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, raw.len() as u8];
    let header = (raw.len() as u32) << 3 | 1;
    frame.extend_from_slice(&header.to_le_bytes()[..3]);
    frame.extend_from_slice(raw);
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_and_missing_parts_are_told_apart() {
    let site = Site::new().await;
    let worker = register(&site).await;
    let mut work = site.work();
    let other = RegisterRequest { name: String::new(), version: "0.0.0".to_owned() };
    assert_eq!(code(work.register(other).await), Code::InvalidArgument);
    let stranger = LeaseRequest { worker_id: "w".to_owned(), wait_millis: 0 };
    assert_eq!(code(work.lease(stranger).await), Code::NotFound);
    let patient = LeaseRequest { worker_id: worker.clone(), wait_millis: 0 };
    assert_eq!(work.lease(patient).await.unwrap().into_inner().task, None);
    let key = |task: &str| LeaseKey { worker_id: worker.clone(), task_id: task.to_owned(), epoch: 1 };
    assert_eq!(code(complete(&site, &key("9")).await), Code::FailedPrecondition);
    assert_eq!(code(complete(&site, &key("../9")).await), Code::InvalidArgument);
    assert_eq!(code(work.complete(CompleteRequest::default()).await), Code::InvalidArgument);
    let nothing = tokio_stream::empty::<PutOutputRequest>();
    assert_eq!(code(work.put_output(nothing).await), Code::InvalidArgument);
    assert_eq!(code(site.scans().watch(WatchRequest { scan_id: "s".to_owned() }).await), Code::NotFound);
    site.submit("/disk", 1).await;
    let key = lease(&site, &worker).await;
    for name in ["result/survey/0/0", &"x".repeat(5000)] {
        let message =
            PutOutputRequest { key: Some(key.clone()), name: name.to_owned(), ..Default::default() };
        assert_eq!(code(work.put_output(tokio_stream::once(message)).await), Code::InvalidArgument);
    }
    let absent = GetOutputRequest { key: Some(key.clone()), name: "../../../etc/passwd".to_owned() };
    assert_eq!(code(work.get_output(absent).await), Code::NotFound);
    // Completed without a result having been sent.
    assert_eq!(code(complete(&site, &key).await), Code::InvalidArgument);
    site.end(Vec::new()).await;
}
