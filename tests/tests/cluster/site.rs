//! A coordinator with its workers, in this process.

use coldread_coordinator::{Coordinator, CoordinatorConfig, StartError};
use coldread_proto::v1::{
    Content, FilesRequest, Gap, GapsRequest, Io, ScanState, Scope, SubmitRequest, WatchRequest,
    query_client::QueryClient, scans_client::ScansClient, work_client::WorkClient,
};
use coldread_worker::client::{Runner, Worker, WorkerConfig};
use std::time::Duration;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};
use tonic::transport::Channel;

pub(crate) const LEASE: Duration = Duration::from_millis(400);

pub(crate) struct Site {
    pub(crate) coordinator: Coordinator,
    pub(crate) channel: Channel,
    pub(crate) store: TempDir,
    stop: watch::Sender<bool>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::over(tempfile::tempdir().unwrap()).await
    }

    /// Ends this coordinator in order and starts another over the same store.
    pub(crate) async fn anew(self) -> Self {
        self.stop.send_replace(true);
        self.coordinator.shutdown().await;
        drop(self.channel);
        Self::over(self.store).await
    }

    async fn over(store: TempDir) -> Self {
        let mut config = CoordinatorConfig::new(store.path());
        config.lease_time = LEASE;
        config.read_wait = Duration::from_millis(300);
        config.resume = true;
        let coordinator = loop {
            match Coordinator::start(config.clone()).await {
                // What served the one before lets go of it soon.
                Err(StartError::Store(error)) if error.to_string().contains("uses this store") => {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                started => break started.unwrap(),
            }
        };
        let channel = coordinator.serve_in_memory();
        Self { coordinator, channel, store, stop: watch::Sender::new(false) }
    }

    /// One that is talked to over a socket, which is to be served.
    pub(crate) async fn listening() -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let channel = Channel::from_shared(url).unwrap().connect_lazy();
        (Self { channel, ..Self::new().await }, listener)
    }

    pub(crate) fn worker(&self, name: &str, slots: usize, runner: Runner) -> JoinHandle<()> {
        let config = WorkerConfig { name: name.to_owned(), slots };
        let worker = Worker::new(self.channel.clone(), config, runner);
        let stop = self.stop.subscribe();
        tokio::spawn(async move { worker.run(stop).await.unwrap() })
    }

    pub(crate) fn scans(&self) -> ScansClient<Channel> {
        ScansClient::new(self.channel.clone())
    }

    pub(crate) fn query(&self) -> QueryClient<Channel> {
        QueryClient::new(self.channel.clone())
    }

    pub(crate) fn work(&self) -> WorkClient<Channel> {
        WorkClient::new(self.channel.clone())
    }

    pub(crate) async fn submit(&self, source: &str, shard_bytes: u64) -> String {
        let request = SubmitRequest {
            source: source.to_owned(),
            asset: "web".to_owned(),
            content: Content::Hash.into(),
            io: Io::Auto.into(),
            shard_bytes,
            ..SubmitRequest::default()
        };
        self.scans().submit(request).await.unwrap().into_inner().scan_id
    }

    /// All states of a scan until it ends.
    pub(crate) async fn watch(&self, scan_id: String) -> Vec<ScanState> {
        let mut states = Vec::new();
        let mut stream = self.scans().watch(WatchRequest { scan_id }).await.unwrap().into_inner();
        while let Some(state) = stream.message().await.unwrap() {
            states.push(state);
        }
        states
    }

    /// Scans and gives the last state.
    pub(crate) async fn scan(&self, source: &str, shard_bytes: u64) -> ScanState {
        let id = self.submit(source, shard_bytes).await;
        self.watch(id).await.pop().unwrap()
    }

    /// Volume, path and digest of every file.
    pub(crate) async fn files(&self, patterns: &[&str]) -> Vec<(String, String, Option<Vec<u8>>)> {
        let paths = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        let request = FilesRequest { paths, ..FilesRequest::default() };
        let mut stream = self.query().files(request).await.unwrap().into_inner();
        let mut files = Vec::new();
        while let Some(batch) = stream.message().await.unwrap() {
            assert!(batch.files.len() <= 1000);
            for file in batch.files {
                files.push((file.volume, String::from_utf8(file.path).unwrap(), file.sha256));
            }
        }
        files
    }

    pub(crate) async fn gaps(&self) -> Vec<Gap> {
        let scope = Some(Scope { asset: "web".to_owned(), snapshot: String::new() });
        let mut stream = self.query().gaps(GapsRequest { scope }).await.unwrap().into_inner();
        let mut gaps = Vec::new();
        while let Some(batch) = stream.message().await.unwrap() {
            gaps.extend(batch.gaps);
        }
        gaps
    }

    /// Ends everything; the workers given must then end by themselves.
    pub(crate) async fn end(self, workers: Vec<JoinHandle<()>>) {
        self.stop.send_replace(true);
        for worker in workers {
            worker.await.unwrap();
        }
        self.coordinator.shutdown().await;
    }
}
