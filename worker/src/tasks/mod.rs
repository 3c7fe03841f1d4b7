//! The tasks of a scan: self-describing bytes in, bytes out.
//!
//! [`Tasks::run`] runs one: probe, survey, assemble, content or read. A task knows its disk, its input and
//! a [`TaskContext`]; whether that leads to a coordinator in this process or on another host is not its
//! business.

mod assemble;
mod content;
mod counted;
mod cross_check;
mod disks;
#[cfg(test)]
mod in_memory;
mod plan;
mod probe;
mod read;
mod streams;
mod survey;
mod view;

use crate::memory::Memory;
use coldread_model::{KeptKey, ObjectId, ObjectKind, codec, task::TaskInput};
use disks::Disks;
use std::num::NonZero;

/// What a running task can ask of its surroundings. Calls may block; they are made from many threads.
pub trait TaskContext: Send + Sync {
    /// Stores an object (unless the store has it) and gives its name.
    fn put_object(&self, kind: ObjectKind, bytes: &[u8]) -> Result<ObjectId, TaskError>;

    /// Results of extractors that the store has kept, as the objects that they were put as; one answer a key.
    fn kept(&self, keys: &[KeptKey]) -> Result<Vec<Option<Vec<u8>>>, TaskError>;

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

/// Runs tasks; shared by all lease slots of a worker, so that a disk is opened (and a compressed image
/// unpacked) once.
pub struct Tasks {
    disks: Disks,
    threads: usize,
    memory: Memory,
}

impl Default for Tasks {
    /// One thread for each core that this process may use.
    fn default() -> Self {
        Self::within(Memory::default())
    }
}

impl Tasks {
    /// With one thread for each core that this process may use, and so much memory for reading.
    pub fn within(memory: Memory) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { disks: Disks::within(memory.ahead(threads)), threads, memory }
    }

    /// Runs a task and gives its output record in the model's encoding (for a survey: the survey's bytes
    /// under the name in the record).
    pub fn run(&self, input: &TaskInput, context: &dyn TaskContext) -> Result<Vec<u8>, TaskError> {
        let job = Job { disks: &self.disks, threads: self.threads, memory: self.memory, context };
        tracing::debug!(task = input.kind(), "begun");
        match input {
            TaskInput::Probe { source } => job.probe(source).map(|output| codec::to_bytes(&output)),
            TaskInput::Survey { source, volume, units } => job.survey_task(source, volume, *units),
            TaskInput::Assemble {
                source,
                probe,
                surveys,
                content,
                cross_check,
                shard_bytes,
                whole,
                asked,
            } => {
                let work = assemble::Work {
                    source,
                    probe,
                    surveys,
                    content: *content,
                    cross_check: *cross_check,
                    shard_bytes: *shard_bytes,
                    whole: *whole,
                    asked: *asked,
                };
                job.assemble(&work).map(|output| codec::to_bytes(&output))
            }
            TaskInput::Content { source, volume, plan } => {
                job.content(source, volume, plan).map(|output| codec::to_bytes(&output))
            }
            TaskInput::Read { source, volume, inode, stream, identity } => {
                identity.map_or(Ok(()), |identity| job.same_disk(source, identity))?;
                job.read(source, volume, *inode, stream)?;
                Ok(Vec::new())
            }
        }
    }
}

/// One run of a task.
#[derive(Clone, Copy)]
struct Job<'a> {
    disks: &'a Disks,
    threads: usize,
    memory: Memory,
    context: &'a dyn TaskContext,
}

impl Job<'_> {
    /// Ends the task early where its lease is lost.
    fn check(&self) -> Result<(), TaskError> {
        if self.context.cancelled() { Err(TaskError::Cancelled) } else { Ok(()) }
    }
}
