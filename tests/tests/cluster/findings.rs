//! What was found: streamed batch by batch, and refused where it was not sent.

use crate::{
    disk::{self, ATTEMPTS},
    site::Site,
};
use coldread_model::{
    ObjectId, ObjectKind, RowsRef, codec,
    task::{AssembleOutput, TaskInput},
};
use coldread_proto::v1::{LoginsRequest, PackagesRequest, Time, scan_state::Phase};
use std::sync::Arc;

async fn times(site: &Site, request: LoginsRequest) -> Vec<i64> {
    let mut stream = site.query().logins(request).await.unwrap().into_inner();
    let mut times = Vec::new();
    while let Some(batch) = stream.message().await.unwrap() {
        times.extend(batch.logins.into_iter().map(|login| login.time.unwrap().seconds));
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_come_from_all_batches_and_a_span_from_those_that_it_touches() {
    let site = Site::new().await;
    let worker = site.worker("a", 1, disk::well());
    let summary = site.scan("/disk", 1 << 30).await.summary.unwrap();
    assert_eq!((summary.packages, summary.logins, summary.failed_logins), (Some(2), Some(3000), Some(3000)));
    assert!(times(&site, LoginsRequest::default()).await.into_iter().eq(0..ATTEMPTS));
    let at = |seconds| Some(Time { seconds, nanos: 0 });
    for (since, until) in [(699, 701), (0, 1), (1400, 2800), (2999, 9000), (3000, 9000), (-5, 0)] {
        let asked = LoginsRequest { since: at(since), until: at(until), ..LoginsRequest::default() };
        let expected = since.max(0)..until.min(ATTEMPTS);
        assert!(times(&site, asked).await.into_iter().eq(expected), "{since}..{until}");
    }
    let mut packages = site.query().packages(PackagesRequest::default()).await.unwrap().into_inner();
    let names: Vec<String> =
        packages.message().await.unwrap().unwrap().packages.into_iter().map(|package| package.name).collect();
    assert_eq!(names, ["bash", "dash"]);
    site.end(vec![worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_names_batches_that_were_not_sent_is_refused() {
    let site = Site::new().await;
    let well = disk::well();
    let worker = site.worker(
        "a",
        1,
        Arc::new(move |input, context| {
            let result = well(input, context)?;
            if !matches!(input, TaskInput::Assemble { .. }) {
                return Ok(result);
            }
            let mut output: AssembleOutput = codec::from_bytes("result", &result).unwrap();
            output.found.keys = vec![RowsRef { id: ObjectId::of(ObjectKind::Keys, b"nowhere"), rows: 1 }];
            Ok(codec::to_bytes(&output))
        }),
    );
    let state = site.scan("/disk", 1 << 30).await;
    assert_eq!(state.phase(), Phase::Done);
    let gaps = site.gaps().await;
    assert!(gaps.iter().any(|gap| gap.kind == "failed" && gap.reason.contains("was not sent")), "{gaps:?}");
    site.end(vec![worker]).await;
}
