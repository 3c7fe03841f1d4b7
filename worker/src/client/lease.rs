//! One lease: input, run, result, with renewals in the background.

use super::{Runner, backoff::Backoff, context::Context, objects, outputs};
use crate::tasks::TaskError;
use coldread_model::{codec, task::TaskInput};
use coldread_proto::{
    ServiceError,
    v1::{
        CompleteRequest, FailRequest, GetInputRequest, LeaseKey, LeasedTask, RenewRequest,
        work_client::WorkClient,
    },
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tonic::{Status, transport::Channel};

/// What the parts of a running task share.
#[derive(Debug)]
pub(super) struct Leased {
    pub(super) client: WorkClient<Channel>,
    pub(super) key: LeaseKey,
    /// A lease lasts so long from its last renewal.
    time: Duration,
    pub(super) bytes_read: AtomicU64,
    pub(super) cancelled: AtomicBool,
}

impl Leased {
    /// A failed call as the task's error. A lost lease cancels the task.
    pub(super) fn trouble(&self, error: ServiceError) -> TaskError {
        match error {
            ServiceError::LeaseLost(_) | ServiceError::Cancelled(_) => {
                self.cancelled.store(true, Ordering::Relaxed);
                TaskError::Cancelled
            }
            ServiceError::NotFound(reason) | ServiceError::Invalid(reason) | ServiceError::Limit(reason) => {
                TaskError::Invalid(reason)
            }
            other => TaskError::Connection(other.to_string()),
        }
    }

    /// Repeats a call that can be repeated while the coordinator is away, for no longer than a lease lasts.
    pub(super) async fn retried<T, F>(&self, mut call: impl FnMut() -> F) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let mut backoff = Backoff::new();
        let start = Instant::now();
        loop {
            match call().await.map_err(ServiceError::from) {
                Err(ServiceError::Unavailable(_)) if start.elapsed() < self.time => backoff.wait().await,
                ended => return ended,
            }
        }
    }
}

/// Works off one lease.
pub(super) async fn work(client: WorkClient<Channel>, runner: Runner, task: LeasedTask) {
    let Some(key) = task.key else {
        tracing::warn!("the coordinator leased a task without naming it");
        return;
    };
    let time = Duration::from_millis(u64::from(task.lease_millis.max(3)));
    let leased = Arc::new(Leased {
        client,
        key,
        time,
        bytes_read: AtomicU64::new(0),
        cancelled: AtomicBool::new(false),
    });
    let renewals = tokio::spawn(renew(Arc::clone(&leased)));
    // Set when this future is dropped too: then the thread should not go on for nothing.
    let on_drop = CancelOnDrop(Arc::clone(&leased), renewals.abort_handle());
    let result = run(&leased, runner).await;
    let ended = match result {
        Ok(()) => complete(&leased).await,
        Err(TaskError::Cancelled) => Ok(()),
        Err(error) => fail(&leased, &error).await,
    };
    drop(on_drop);
    if let Err(error) = ended {
        tracing::warn!(task = leased.key.task_id, %error, "a lease did not end well");
    }
}

struct CancelOnDrop(Arc<Leased>, tokio::task::AbortHandle);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
        self.1.abort();
    }
}

async fn run(leased: &Arc<Leased>, runner: Runner) -> Result<(), TaskError> {
    let input = leased.retried(|| fetch_input(leased)).await.map_err(|error| leased.trouble(error))?;
    let input: TaskInput = codec::from_bytes("task", &input)
        .map_err(|error| TaskError::Invalid(format!("the task does not decode: {error}")))?;
    let is_read = matches!(input, TaskInput::Read { .. });
    let (sender, objects) = objects::start(Arc::clone(leased));
    let context = Context::new(Arc::clone(leased), sender);
    let ran = tokio::task::spawn_blocking(move || {
        let result = runner(&input, &context);
        // Ends the streams of objects and of the file's bytes, so that they can be waited for.
        (result, context.finish())
    });
    let (result, emitting) = match ran.await {
        Ok(ended) => ended,
        Err(error) => return Err(TaskError::Connection(format!("the task did not end well: {error}"))),
    };
    // The objects' own error says more than the task's, which only saw that they could not be sent.
    let sent = objects.await.unwrap_or_else(|error| Err(TaskError::Connection(error.to_string())));
    let emitted = match emitting {
        Some(emitting) => emitting.end().await.map_err(|error| leased.trouble(error)),
        None => Ok(()),
    };
    let result = match result {
        Err(TaskError::Connection(_)) => sent.and(emitted).and(result)?,
        result => {
            let result = result?;
            sent.and(emitted)?;
            result
        }
    };
    if is_read {
        return Ok(());
    }
    let result = bytes::Bytes::from(result);
    let put = leased.retried(|| outputs::put(leased, "", result.clone())).await;
    put.map_err(|error| leased.trouble(error))
}

async fn fetch_input(leased: &Leased) -> Result<Vec<u8>, Status> {
    let request = GetInputRequest { key: Some(leased.key.clone()) };
    outputs::collect(leased.client.clone().get_input(request).await?.into_inner()).await
}

async fn complete(leased: &Leased) -> Result<(), ServiceError> {
    let request = CompleteRequest {
        key: Some(leased.key.clone()),
        bytes_read: leased.bytes_read.load(Ordering::Relaxed),
    };
    let call = || async { leased.client.clone().complete(request.clone()).await.map(drop) };
    leased.retried(call).await
}

async fn fail(leased: &Leased, error: &TaskError) -> Result<(), ServiceError> {
    let request = FailRequest {
        key: Some(leased.key.clone()),
        reason: error.to_string(),
        retry: !matches!(error, TaskError::Source(_)),
    };
    leased.retried(|| async { leased.client.clone().fail(request.clone()).await.map(drop) }).await
}

/// Renews the lease three times within its time, until it is lost.
async fn renew(leased: Arc<Leased>) {
    let mut tick = tokio::time::interval(leased.time / 3);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tick.tick().await;
    loop {
        tick.tick().await;
        let request = RenewRequest {
            key: Some(leased.key.clone()),
            bytes_read: leased.bytes_read.load(Ordering::Relaxed),
        };
        match leased.client.clone().renew(request).await.map_err(ServiceError::from) {
            Ok(_) => {}
            Err(ServiceError::LeaseLost(_) | ServiceError::NotFound(_)) => {
                leased.cancelled.store(true, Ordering::Relaxed);
                return;
            }
            // Away for a moment, perhaps; the next renewal may still be in time.
            Err(error) => tracing::debug!(%error, "a lease was not renewed"),
        }
    }
}
