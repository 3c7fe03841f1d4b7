//! The tasks of a scan: self-describing bytes in, bytes out.

use coldread_model::{ObjectId, ObjectKind};

/// What a running task can ask of its surroundings. Calls may block; they are made from many threads.
pub trait TaskContext: Send + Sync {
    /// Stores an object (unless the store has it) and gives its name.
    fn put_object(&self, kind: ObjectKind, bytes: Vec<u8>) -> Result<ObjectId, TaskError>;

    /// The named output of an earlier task of the same scan.
    fn get_output(&self, name: &str) -> Result<Vec<u8>, TaskError>;

    /// Keeps a named output for later tasks of the same scan.
    fn put_output(&self, name: &str, bytes: Vec<u8>) -> Result<(), TaskError>;

    /// Sends the next bytes of the file that a read task reads; blocks while the receiver is slow.
    fn emit(&self, size: u64, bytes: Vec<u8>) -> Result<(), TaskError>;

    /// Counts bytes of the source that were read.
    fn progress(&self, bytes: u64);

    /// Whether the lease is lost: the task should end soon, with any error.
    fn cancelled(&self) -> bool;
}

/// Why a task ended without a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// The source cannot be read at all; another try will not help. The text names source and next step.
    #[error("{0}")]
    Source(String),
    /// The input or an earlier output makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// The lease was lost.
    #[error("the task was taken back")]
    Cancelled,
    /// The coordinator could not be reached or refused; another try may help.
    #[error("{0}")]
    Connection(String),
}
