//! Answers as streams of batches, with back-pressure: a slow reader stops the one who reads the store.

use coldread_proto::{Message, ServiceError};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Rows in a batch at most …
const BATCH_ROWS: usize = 1000;
/// … and bytes, give or take one row.
const BATCH_BYTES: usize = 1 << 20;
/// Batches that wait for their reader.
const BATCHES_AHEAD: usize = 4;

/// What a streaming call returns.
pub(crate) type Answer<B> = ReceiverStream<Result<B, Status>>;

/// The asker went away; nobody sees this.
fn gone() -> ServiceError {
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

/// Runs `produce` on a thread that may block, and streams what it pushes; its error ends the stream.
pub(crate) fn rows<R, B>(
    wrap: fn(Vec<R>) -> B,
    produce: impl FnOnce(&mut Rows<R, B>) -> Result<(), ServiceError> + Send + 'static,
) -> Answer<B>
where
    R: Message + 'static,
    B: Send + 'static,
{
    let (sender, receiver) = mpsc::channel(BATCHES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut rows = Rows { batch: Vec::new(), bytes: 0, wrap, sender };
        let end = produce(&mut rows);
        let end = end.and_then(|()| if rows.batch.is_empty() { Ok(()) } else { rows.flush() });
        if let Err(error) = end {
            // Nobody listens any more: then the error is for nobody.
            let _ = rows.sender.blocking_send(Err(error.into()));
        }
    });
    ReceiverStream::new(receiver)
}
