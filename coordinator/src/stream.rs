//! Answers as streams of batches, with back-pressure: a slow reader stops the one who reads the store.

use coldread_proto::{Message, ServiceError};
use std::time::Duration;
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc},
    time,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Rows in a batch at most …
const BATCH_ROWS: usize = 1000;
/// … and bytes, give or take one row.
const BATCH_BYTES: usize = 1 << 20;
/// Batches that wait for their reader.
const BATCHES_AHEAD: usize = 4;
/// Questions answered at a time. Each holds a thread for as long as its reader takes, so these are half of the threads
/// that the runtime has for what blocks (512 by default): however slowly readers read, scans go on.
static QUESTIONS: Semaphore = Semaphore::const_new(256);
/// The same for what workers ask.
pub(crate) static WORKERS: Semaphore = Semaphore::const_new(128);
/// How long a question waits for others to be answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a streaming call returns.
pub(crate) type Answer<B> = ReceiverStream<Result<B, Status>>;

/// The asker went away; nobody sees this.
pub(crate) fn gone() -> ServiceError {
    ServiceError::Cancelled("nobody listens any more".to_owned())
}

/// Collects rows into batches and sends them.
pub(crate) struct Rows<R, B> {
    batch: Vec<R>,
    bytes: usize,
    wrap: fn(Vec<R>) -> B,
    sender: mpsc::Sender<Result<B, Status>>,
}

impl<R: Message, B> Rows<R, B> {
    /// Adds a row. Blocks while the reader is slow; fails when it is gone.
    pub(crate) fn push(&mut self, row: R) -> Result<(), ServiceError> {
        self.bytes += row.encoded_len();
        self.batch.push(row);
        if self.batch.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), ServiceError> {
        self.bytes = 0;
        let batch = (self.wrap)(std::mem::take(&mut self.batch));
        self.sender.blocking_send(Ok(batch)).map_err(|_| gone())
    }
}

/// A thread for an answer, once there is one.
async fn thread(threads: &'static Semaphore) -> Result<SemaphorePermit<'static>, ServiceError> {
    let busy =
        || ServiceError::Unavailable("too many questions are being answered: ask again later".to_owned());
    match time::timeout(PATIENCE, threads.acquire()).await {
        Ok(Ok(permit)) => Ok(permit),
        // The semaphore is never closed.
        Ok(Err(_)) | Err(_) => Err(busy()),
    }
}

/// Runs `produce` on one of `threads`, once there is one; what it sends goes to the stream, and so does its
/// error, which ends it.
pub(crate) fn answer<B: Send + 'static>(
    threads: &'static Semaphore,
    ahead: usize,
    produce: impl FnOnce(&mpsc::Sender<Result<B, Status>>) -> Result<(), ServiceError> + Send + 'static,
) -> Answer<B> {
    let (sender, receiver) = mpsc::channel(ahead);
    tokio::spawn(async move {
        let permit = tokio::select! {
            permit = thread(threads) => permit,
            () = sender.closed() => return,
        };
        match permit {
            Ok(permit) => drop(tokio::task::spawn_blocking(move || {
                let _until_it_ends = permit;
                if let Err(error) = produce(&sender) {
                    // Nobody listens any more: then the error is for nobody.
                    let _ = sender.blocking_send(Err(error.into()));
                }
            })),
            Err(error) => drop(sender.send(Err(error.into())).await),
        }
    });
    ReceiverStream::new(receiver)
}

/// Runs `produce` on a thread that may block, and streams what it pushes; its error ends the stream.
pub(crate) fn rows<R, B>(
    wrap: fn(Vec<R>) -> B,
    produce: impl FnOnce(&mut Rows<R, B>) -> Result<(), ServiceError> + Send + 'static,
) -> Answer<B>
where
    R: Message + 'static,
    B: Send + 'static,
{
    answer(&QUESTIONS, BATCHES_AHEAD, move |sender| {
        let mut rows = Rows { batch: Vec::new(), bytes: 0, wrap, sender: sender.clone() };
        let end = produce(&mut rows);
        // What came before an error is told before it.
        let rest = if rows.batch.is_empty() { Ok(()) } else { rows.flush() };
        end.and(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_slow_reader_holds_one_thread_and_those_who_go_away_none() {
        static ONE: Semaphore = Semaphore::const_new(1);
        let mut slow = answer(&ONE, 1, |sender| {
            loop {
                sender.blocking_send(Ok(1)).map_err(|_| gone())?;
            }
        });
        assert_eq!(slow.next().await.unwrap().unwrap(), 1);
        let mut next = answer(&ONE, 1, |sender| sender.blocking_send(Ok(2)).map_err(|_| gone()));
        assert_eq!(ONE.available_permits(), 0);
        drop(slow);
        assert_eq!(next.next().await.unwrap().unwrap(), 2);
        assert!(next.next().await.is_none());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_came_before_an_error_is_told_before_it() {
        let mut rows: Answer<Vec<String>> = rows(
            |rows| rows,
            |out: &mut Rows<String, Vec<String>>| {
                out.push("one".to_owned())?;
                Err(ServiceError::Internal("damaged".to_owned()))
            },
        );
        assert_eq!(rows.next().await.unwrap().unwrap(), ["one"]);
        assert!(rows.next().await.unwrap().is_err());
        assert!(rows.next().await.is_none());
    }
}
