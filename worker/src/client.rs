//! The loop that leases tasks from a coordinator, runs them and sends back what they found.
//!
//! Any number of slots share one channel; each leases a task, fetches its input, runs it on a thread that may
//! block, and ends the lease with a result or a reason. A coordinator that is away is asked again, ever more
//! slowly; one that says that a lease is lost is believed at once.

mod backoff;
mod context;
mod lease;
mod objects;
mod outputs;

use crate::tasks::{TaskContext, TaskError};
use backoff::Backoff;
use coldread_model::task::TaskInput;
use coldread_proto::{
    MAX_MESSAGE_BYTES, ServiceError,
    v1::{LeaseRequest, LeasedTask, RegisterRequest, work_client::WorkClient},
};
use std::{fmt, sync::Arc};
use tokio::{
    sync::{Mutex, watch},
    task::JoinSet,
};
use tonic::transport::Channel;

/// Runs a task: its input and its surroundings to its encoded result.
pub type Runner = Arc<dyn Fn(&TaskInput, &dyn TaskContext) -> Result<Vec<u8>, TaskError> + Send + Sync>;

/// How long one call for a lease waits, in milliseconds.
const LEASE_WAIT_MILLIS: u32 = 5000;

/// Settings of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerConfig {
    /// A name for people: host and process.
    pub name: String,
    /// Tasks that run at a time.
    pub slots: usize,
}

/// Why a worker ended by itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The coordinator does not want this worker, e.g. as it is another version.
    #[error("the coordinator refuses this worker: {0}")]
    Refused(String),
}

/// A worker that is not running yet.
pub struct Worker {
    client: WorkClient<Channel>,
    config: WorkerConfig,
    runner: Runner,
    /// The id that the coordinator knows this worker by; none before it has registered.
    id: Mutex<Option<String>>,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker that speaks to the coordinator at the other end of `channel`.
    pub fn new(channel: Channel, config: WorkerConfig, runner: Runner) -> Self {
        let client = WorkClient::new(channel)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Self { client, config, runner, id: Mutex::new(None) }
    }

    /// Works until `stop` becomes true: tasks under way are finished, no others are begun. Dropping the future
    /// instead gives the tasks up; their leases run out.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<(), ClientError> {
        let slots = self.config.slots.max(1);
        let this = Arc::new(self);
        let mut running = JoinSet::new();
        for _ in 0..slots {
            running.spawn(Arc::clone(&this).slot(stop.clone()));
        }
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok(result) => result?,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn slot(self: Arc<Self>, mut stop: watch::Receiver<bool>) -> Result<(), ClientError> {
        let mut backoff = Backoff::new();
        let mut ending = stop.clone();
        loop {
            let next = tokio::select! {
                biased;
                // A sender that is gone will not say stop, but nobody is there to work for either.
                _ = ending.wait_for(|stop| *stop) => return Ok(()),
                next = self.next_task() => next,
            };
            match next {
                Ok(Some(task)) => {
                    backoff.reset();
                    lease::work(self.client.clone(), Arc::clone(&self.runner), task).await;
                }
                Ok(None) => backoff.reset(),
                Err(Trouble::Refused(reason)) => return Err(ClientError::Refused(reason)),
                Err(Trouble::Away(reason)) => {
                    tracing::warn!(reason, "the coordinator cannot be reached");
                    tokio::select! {
                        _ = stop.wait_for(|stop| *stop) => return Ok(()),
                        () = backoff.wait() => {}
                    }
                }
            }
        }
    }

    async fn next_task(&self) -> Result<Option<LeasedTask>, Trouble> {
        let worker_id = self.id().await?;
        let request = LeaseRequest { worker_id: worker_id.clone(), wait_millis: LEASE_WAIT_MILLIS };
        match self.client.clone().lease(request).await {
            Ok(response) => Ok(response.into_inner().task),
            Err(status) => match ServiceError::from(status) {
                ServiceError::NotFound(_) => {
                    // The coordinator has started anew and knows nobody.
                    let mut id = self.id.lock().await;
                    id.take_if(|id| *id == worker_id);
                    Ok(None)
                }
                ServiceError::Invalid(reason) => Err(Trouble::Refused(reason)),
                other => Err(Trouble::Away(other.to_string())),
            },
        }
    }

    /// The id of this worker; registers it first where it has none.
    async fn id(&self) -> Result<String, Trouble> {
        let mut id = self.id.lock().await;
        if let Some(id) = &*id {
            return Ok(id.clone());
        }
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let request = RegisterRequest { name: self.config.name.clone(), version };
        match self.client.clone().register(request).await {
            Ok(response) => Ok(id.insert(response.into_inner().worker_id).clone()),
            Err(status) => Err(match ServiceError::from(status) {
                ServiceError::Invalid(reason) => Trouble::Refused(reason),
                other => Trouble::Away(other.to_string()),
            }),
        }
    }
}

/// Why there is no task now.
enum Trouble {
    Refused(String),
    Away(String),
}
