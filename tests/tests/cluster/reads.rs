//! Reading single files.

use crate::{
    disk::{self, FILE_BYTES},
    site::Site,
};
use coldread_model::task::TaskInput;
use coldread_proto::v1::ReadFileRequest;
use coldread_worker::tasks::TaskError;
use std::sync::Arc;
use tonic::{Code, Status};

fn request(path: &str, volume: &str) -> ReadFileRequest {
    ReadFileRequest {
        asset: "web".to_owned(),
        path: path.as_bytes().to_vec(),
        volume: volume.to_owned(),
        ..ReadFileRequest::default()
    }
}

/// The announced size, the bytes, and the number of messages with a size.
async fn read(site: &Site, request: ReadFileRequest) -> Result<(u64, Vec<u8>), Status> {
    let mut stream = site.query().read_file(request).await?.into_inner();
    let first = stream.message().await?.unwrap();
    let mut bytes = first.data.to_vec();
    while let Some(message) = stream.message().await? {
        assert_eq!(message.size, 0);
        bytes.extend_from_slice(&message.data);
    }
    Ok((first.size, bytes))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_streamed_from_a_worker_by_any_of_its_names() {
    let site = Site::new().await;
    let worker = site.worker("a", 2, disk::well());
    site.scan("/disk", 1 << 30).await;
    for (path, volume) in
        [("/f000100", ""), ("/link", ""), ("/../x/../f000100", "p1"), ("f000100", "p3"), ("/srv/link", "")]
    {
        let (path, volume) = (path.replace("x/../", "dir/../"), volume);
        let (size, bytes) = read(&site, request(&path, volume)).await.unwrap();
        assert_eq!((size, bytes.len() as u64), (FILE_BYTES, FILE_BYTES), "{path}");
        assert!(
            bytes.chunks(100_000).enumerate().all(|(i, piece)| piece.iter().all(|byte| *byte == i as u8))
        );
    }
    assert_eq!(read(&site, request("/f000101", "")).await.unwrap(), (0, Vec::new()));
    for (path, volume, code) in [
        ("/nothing", "", Code::NotFound),
        ("/f000100/deeper", "", Code::NotFound),
        ("/srv", "", Code::NotFound),
        ("/f000100", "p9", Code::NotFound),
        ("/f000103", "", Code::DataLoss),
    ] {
        assert_eq!(read(&site, request(path, volume)).await.unwrap_err().code(), code, "{path}");
    }
    let nobody = ReadFileRequest { asset: "mail".to_owned(), ..request("/f000100", "") };
    assert_eq!(read(&site, nobody).await.unwrap_err().code(), Code::NotFound);
    site.end(vec![worker]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_the_task_and_a_file_without_a_worker_is_an_error() {
    let site = Site::new().await;
    let (ended, mut end) = tokio::sync::mpsc::unbounded_channel();
    let well = disk::well();
    let worker = site.worker(
        "a",
        1,
        Arc::new(move |input, context| {
            let result = well(input, context);
            if let (TaskInput::Read { .. }, Err(error)) = (input, &result) {
                ended.send(error.clone()).unwrap();
            }
            result
        }),
    );
    site.scan("/disk", 1 << 30).await;
    let mut stream = site.query().read_file(request("/f000102", "")).await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().unwrap().size, u64::MAX);
    drop(stream);
    assert_eq!(end.recv().await, Some(TaskError::Cancelled));
    worker.abort();
    let _ = worker.await;
    let error = read(&site, request("/f000100", "")).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    site.end(Vec::new()).await;
}
