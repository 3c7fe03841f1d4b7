use super::*;
use coldread_model::task::IoMode;
use std::fs;

fn submission(location: &str) -> Submission {
    Submission {
        source: SourceSpec { location: location.to_owned(), io: IoMode::Auto },
        asset: "web".to_owned(),
        account: None,
        content: ContentMode::Hash,
        cross_check: Share::default(),
        asked: Parts::ALL,
        shard_bytes: 0,
    }
}

fn cluster(dir: &std::path::Path) -> Arc<Cluster> {
    let config = CoordinatorConfig::new(dir);
    let store = Store::open(dir).unwrap();
    let root = dir.join("spool");
    crate::spool::clear(&root).unwrap();
    Cluster::new(config, store, root, Queue::open(dir.join("queue")).unwrap())
}

#[tokio::test]
async fn what_is_checked_cannot_be_replaced_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(dir.path());
    cluster.submit(submission("/disk")).unwrap();
    let worker = cluster.register("w".to_owned()).unwrap();
    let lease = cluster.lease(&worker, Duration::ZERO).await.unwrap().unwrap();
    let Job::Scan(scan, _) = cluster.job(&lease).unwrap() else { panic!("no scan") };
    let send = |bytes: &[u8]| {
        let written = scan.spool.incoming().unwrap().into_temp_path();
        fs::write(&written, bytes).unwrap();
        cluster.keep(&lease, written, &Cluster::attempt_name(&lease)).unwrap();
    };
    send(b"checked");
    let sealed = cluster.seal(&lease, &scan).unwrap();
    send(b"another");
    assert_eq!(cluster.seal(&lease, &scan).unwrap(), sealed);
    assert_eq!(scan.spool.read_result(&sealed).unwrap(), b"checked");
    let late = Lease { epoch: lease.epoch + 1, ..lease };
    assert!(matches!(cluster.seal(&late, &scan), Err(ServiceError::LeaseLost(_))));
}

#[tokio::test]
async fn a_scan_is_in_the_queue_until_it_ends() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(dir.path());
    let ended = cluster.submit(submission("/gone")).unwrap();
    let id = cluster.submit(submission("/disk")).unwrap();
    let waiting = || -> Vec<String> {
        let mut ids: Vec<String> = cluster.queue.load().unwrap().into_iter().map(|(id, _)| id).collect();
        ids.sort();
        ids
    };
    assert_eq!(waiting(), [ended.clone(), id.clone()]);
    let worker = cluster.register("w".to_owned()).unwrap();
    let lease = cluster.lease(&worker, Duration::ZERO).await.unwrap().unwrap();
    cluster.fail(&lease, "no such file", false).unwrap();
    assert_eq!(waiting(), [id]);
}
