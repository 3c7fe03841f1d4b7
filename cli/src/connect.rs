//! A channel to the services: over the network, or to a coordinator (and a worker) that this process runs for as
//! long as the command takes. Commands cannot tell which.

use crate::{
    args::{Place, Server},
    failure::{Failure, Result},
};
use coldread_coordinator::{Coordinator, CoordinatorConfig, StartError};
use coldread_proto::{
    MAX_MESSAGE_BYTES,
    v1::{query_client::QueryClient, scans_client::ScansClient},
};
use coldread_store::{Error as StoreError, Store};
use coldread_worker::{
    Memory,
    client::{ClientError, Runner, Worker, WorkerConfig},
    io,
    tasks::Tasks,
};
use std::{
    future,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{signal, sync::watch, task::JoinHandle, time};
use tonic::transport::Channel;

/// Another command may have the store open; most are done within this time.
const STORE_WAIT: Duration = Duration::from_secs(3);
/// Tasks that the worker in this process runs at a time: while one hashes, another can wait for its disk.
const SLOTS: usize = 2;

/// What a command needs of a store of our own. A server has it all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Answers from a store that is there.
    Answers,
    /// Answers, and files read from their sources.
    Files,
    /// A store, made if there is none, and scans that read within so much memory.
    Scans(Memory),
}

impl Need {
    fn is_scans(self) -> bool {
        matches!(self, Self::Scans(_))
    }

    /// The memory that the worker in this process has.
    fn memory(self) -> Memory {
        if let Self::Scans(memory) = self { memory } else { Memory::default() }
    }
}

/// The services behind a channel.
#[derive(Clone)]
pub struct Services(Channel);

impl Services {
    /// Questions about what was found.
    pub fn query(&self) -> QueryClient<Channel> {
        QueryClient::new(self.0.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }

    /// Starting scans and watching them.
    pub fn scans(&self) -> ScansClient<Channel> {
        ScansClient::new(self.0.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES)
    }
}

/// Runs `job` with the services at `place`. What this process started for it ends with it.
pub async fn with<T, F>(place: &Place, need: Need, job: impl FnOnce(Services) -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    match place {
        Place::Server(server) => interruptible(need, job(Services(dial(server).await?))).await,
        Place::Store(dir) => {
            let mut embedded = Embedded::start(dir, need).await?;
            let job = interruptible(need, job(Services(embedded.channel.clone())));
            let outcome = tokio::select! {
                outcome = job => outcome,
                failure = embedded.worker_failed() => Err(failure),
            };
            embedded.end().await;
            outcome
        }
    }
}

/// A scan ends in order when the user interrupts it. Other commands have nothing to put in order: the signal ends
/// the process, even while it waits for whoever reads its output.
async fn interruptible<T>(need: Need, job: impl Future<Output = Result<T>>) -> Result<T> {
    if !need.is_scans() {
        return job.await;
    }
    tokio::select! {
        outcome = job => outcome,
        Ok(()) = signal::ctrl_c() => Err(Failure::interrupted()),
    }
}

/// A channel to a coordinator. A URL without a scheme is one of https where there are certificates, else one of http;
/// certificates are never left unused in silence.
pub async fn dial(server: &Server) -> Result<Channel> {
    let (url, secured) = secured(server)?;
    let endpoint = if secured {
        coldread_proto::endpoint_over(&url, &server.tls.load()?)
    } else {
        coldread_proto::endpoint(&url)
    };
    let endpoint = endpoint.map_err(|error| {
        let what =
            if secured { "cannot be reached with these certificates" } else { "is not a coordinator's URL" };
        Failure::usage(format!("{url:?} {what}, e.g. http://127.0.0.1:7700")).because(&error)
    })?;
    endpoint.connect().await.map_err(|error| {
        Failure::new(format!("cannot reach the coordinator at {url}"))
            .because(&error)
            .next("see whether `coldread coordinator --listen ADDR` runs there")
    })
}

/// The URL with its scheme, and whether that is https.
fn secured(server: &Server) -> Result<(String, bool)> {
    let certified = !server.tls.is_none();
    let url = match server.url.split_once("://") {
        Some(_) => server.url.clone(),
        None if certified => format!("https://{}", server.url),
        None => format!("http://{}", server.url),
    };
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme).to_ascii_lowercase();
    match scheme.as_str() {
        "http" if certified => Err(Failure::usage(format!(
            "{url:?} is spoken to in the clear, but there are certificates for it: give https://"
        ))),
        "http" => Ok((url, false)),
        "https" => Ok((url, true)),
        _ => Err(Failure::usage(format!("{url:?}: coordinators speak http:// and https://"))),
    }
}

/// The tasks as a worker runs them, on all cores, within so much memory for reading.
pub fn runner(memory: Memory) -> Runner {
    let tasks = Tasks::within(memory);
    Arc::new(move |input, context| tasks.run(input, context))
}

/// A coordinator in this process, and a worker where one is needed.
struct Embedded {
    coordinator: Coordinator,
    channel: Channel,
    worker: Option<Running>,
}

/// A worker at work.
struct Running {
    stop: watch::Sender<bool>,
    ended: JoinHandle<Result<(), ClientError>>,
}

impl Embedded {
    async fn start(dir: &Path, need: Need) -> Result<Self> {
        let unusable = |error: &(dyn std::error::Error + 'static)| {
            Failure::new(format!("cannot use the store {}", dir.display())).because(error)
        };
        if !need.is_scans() && !Store::exists(dir).map_err(|error| unusable(&error))? {
            return Err(Failure::new(format!("there is no store in {}", dir.display()))
                .next("`coldread scan SOURCE` makes one; --store names another, --server a coordinator"));
        }
        if need.is_scans() {
            io::prepare();
        }
        let coordinator = open(dir).await.map_err(|error| {
            let failure = unusable(&error);
            match error {
                StartError::Store(StoreError::Busy { .. }) => failure.next(
                    "wait until the other coldread is done; if it is a coordinator, ask it with --server URL",
                ),
                _ => failure,
            }
        })?;
        let channel = coordinator.serve_in_memory();
        let worker = (need != Need::Answers).then(|| {
            let (stop, stopped) = watch::channel(false);
            let config = WorkerConfig { name: "in process".to_owned(), slots: SLOTS };
            let worker = Worker::new(channel.clone(), config, runner(need.memory()));
            Running { stop, ended: tokio::spawn(worker.run(stopped)) }
        });
        Ok(Self { coordinator, channel, worker })
    }

    /// Completes only if the worker ends by itself, which it never should.
    async fn worker_failed(&mut self) -> Failure {
        let failure = Failure::new("the worker in this process ended");
        match &mut self.worker {
            None => future::pending().await,
            Some(worker) => match (&mut worker.ended).await {
                Ok(Ok(())) => failure,
                Ok(Err(error)) => failure.because(&error),
                Err(error) => failure.because(&error),
            },
        }
    }

    async fn end(self) {
        if let Some(worker) = self.worker {
            // Nobody waits for its tasks any more; a worker that has ended hears nothing.
            let _ = worker.stop.send(true);
            worker.ended.abort();
        }
        self.coordinator.shutdown().await;
    }
}

/// Opens the store, waiting a little while another command has it.
async fn open(dir: &Path) -> Result<Coordinator, StartError> {
    let started = Instant::now();
    // One worker that uses all cores within a task: to cut a disk would only copy what is found from task to task.
    let config = CoordinatorConfig { shard_bytes: u64::MAX, ..CoordinatorConfig::new(dir) };
    loop {
        match Coordinator::start(config.clone()).await {
            Err(StartError::Store(StoreError::Busy { .. })) if started.elapsed() < STORE_WAIT => {
                time::sleep(Duration::from_millis(20)).await;
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::ClientTlsArgs;

    #[test]
    fn certificates_and_the_scheme_belong_together() {
        let at = |url: &str, ca: bool| {
            let env = |name: &str| (ca && name == "COLDREAD_TLS_CA").then(|| "/ca".into());
            let server = Server { url: url.to_owned(), tls: ClientTlsArgs::default().files(env) };
            secured(&server).map_err(|failure| failure.line())
        };
        assert_eq!(at("h:1", false), Ok(("http://h:1".to_owned(), false)));
        assert_eq!(at("h:1", true), Ok(("https://h:1".to_owned(), true)));
        assert_eq!(at("HTTPS://h:1", true), Ok(("HTTPS://h:1".to_owned(), true)));
        assert!(at("http://h:1", true).unwrap_err().contains("in the clear"));
        assert!(at("ftp://h:1", false).is_err());
        // Who asks for https is not spoken to in the clear.
        assert_eq!(at("https://h:1", false), Ok(("https://h:1".to_owned(), true)));
    }
}
