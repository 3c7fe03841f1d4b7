//! The reading of one file for somebody who waits: a task whose result is passed on as it comes.

use coldread_model::task::TaskInput;
use coldread_proto::{ServiceError, v1::FileBytes};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{Notify, mpsc};
use tonic::Status;

/// Messages between the worker and the one who waits.
const PIECES_AHEAD: usize = 4;

/// What the one who waits receives.
pub(crate) type Pieces = mpsc::Receiver<Result<FileBytes, Status>>;

/// A file's way from a worker to whoever asked.
#[derive(Debug)]
pub(crate) struct Reading {
    /// The read task.
    pub(crate) input: TaskInput,
    /// Notified once nothing more will come.
    pub(crate) ended: Notify,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    /// None once nothing more will come.
    sink: Option<mpsc::Sender<Result<FileBytes, Status>>>,
    /// The size that the worker announced with its first piece.
    size: Option<u64>,
    sent: u64,
}

impl Reading {
    /// A reading and its receiving end.
    pub(crate) fn new(input: TaskInput) -> (Self, Pieces) {
        let (sink, pieces) = mpsc::channel(PIECES_AHEAD);
        let progress = Mutex::new(Progress { sink: Some(sink), size: None, sent: 0 });
        (Self { input, ended: Notify::new(), progress }, pieces)
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sending end, unless nothing more may be sent.
    pub(crate) fn sink(&self) -> Option<mpsc::Sender<Result<FileBytes, Status>>> {
        self.progress().sink.clone()
    }

    /// Whether a part of the file has gone out.
    pub(crate) fn has_begun(&self) -> bool {
        self.progress().size.is_some()
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_deserted(&self) -> bool {
        self.progress().sink.as_ref().is_none_or(mpsc::Sender::is_closed)
    }

    /// Passes on the next bytes of a file of `size` bytes; waits while the receiver is slow.
    pub(crate) async fn pass(&self, size: u64, data: bytes::Bytes) -> Result<(), ServiceError> {
        let gone = || ServiceError::LeaseLost("nobody waits for the file any more".to_owned());
        let (sink, first) = {
            let mut progress = self.progress();
            let sent = progress.sent.saturating_add(data.len() as u64);
            let first = progress.size.is_none();
            let announced = *progress.size.get_or_insert(size);
            if sent > announced {
                return Err(ServiceError::Invalid(format!("more bytes than the file's {announced}")));
            }
            progress.sent = sent;
            (progress.sink.clone().ok_or_else(gone)?, first)
        };
        if data.is_empty() && !first {
            return Ok(());
        }
        let size = if first { size } else { 0 };
        sink.send(Ok(FileBytes { size, data })).await.map_err(|_| gone())
    }

    /// The worker says that it has sent everything. Gives the message that is still due, an error where the
    /// file is incomplete.
    pub(crate) fn finish(&self) -> Option<Result<FileBytes, Status>> {
        let progress = self.progress();
        match progress.size {
            None => Some(Ok(FileBytes::default())),
            Some(size) if size == progress.sent => None,
            Some(size) => {
                let reason = format!("{} of the file's {size} bytes were read", progress.sent);
                Some(Err(ServiceError::Unreadable(reason).into()))
            }
        }
    }

    /// Sends a last message, if one is due, and ends the stream.
    pub(crate) async fn end(&self, last: Option<Result<FileBytes, Status>>) {
        let sink = self.progress().sink.take();
        if let (Some(sink), Some(last)) = (sink, last) {
            // Nobody waits any more: then it is for nobody.
            let _ = sink.send(last).await;
        }
        self.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::task::{IoMode, SourceSpec};

    fn reading() -> (Reading, Pieces) {
        let source = SourceSpec { location: "/disk".to_owned(), io: IoMode::Auto };
        Reading::new(TaskInput::Probe { source })
    }

    #[tokio::test]
    async fn the_size_comes_first_and_an_incomplete_file_is_an_error() {
        let (reading, mut pieces) = reading();
        reading.pass(5, "abc".into()).await.unwrap();
        assert!(reading.pass(5, "def".into()).await.is_err());
        let last = reading.finish();
        reading.end(last).await;
        let first = pieces.recv().await.unwrap().unwrap();
        assert_eq!((first.size, &first.data[..]), (5, &b"abc"[..]));
        assert_eq!(pieces.recv().await.unwrap().unwrap_err().code(), tonic::Code::DataLoss);
        assert!(pieces.recv().await.is_none());
    }

    #[tokio::test]
    async fn an_empty_file_is_one_message_and_a_deserted_reading_is_noticed() {
        let (empty, mut pieces) = reading();
        let last = empty.finish();
        empty.end(last).await;
        assert_eq!(pieces.recv().await.unwrap().unwrap(), FileBytes::default());
        let (reading, pieces) = reading();
        assert!(!reading.is_deserted());
        drop(pieces);
        assert!(reading.is_deserted());
        assert!(matches!(reading.pass(1, "a".into()).await, Err(ServiceError::LeaseLost(_))));
    }
}
