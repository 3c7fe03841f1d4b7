//! A running task's surroundings, over the wire.

use super::{
    lease::Leased,
    objects,
    outputs::{self, Emitting},
};
use crate::tasks::{TaskContext, TaskError};
use bytes::Bytes;
use coldread_model::{KeptKey, ObjectId, ObjectKind};
use std::sync::{Arc, Mutex, PoisonError, atomic::Ordering};
use tokio::{runtime::Handle, sync::mpsc};

/// The calls block the task's threads while the runtime does the work.
pub(super) struct Context {
    leased: Arc<Leased>,
    runtime: Handle,
    objects: mpsc::Sender<objects::Packed>,
    emitting: Mutex<Option<Emitting>>,
}

impl Context {
    /// For a lease; must be made where the runtime is known.
    pub(super) fn new(leased: Arc<Leased>, objects: mpsc::Sender<objects::Packed>) -> Self {
        Self { leased, runtime: Handle::current(), objects, emitting: Mutex::new(None) }
    }

    /// The end of the task: no more objects; what is being emitted.
    pub(super) fn finish(self) -> Option<Emitting> {
        self.emitting.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> Result<(), TaskError> {
        if self.cancelled() { Err(TaskError::Cancelled) } else { Ok(()) }
    }
}

impl TaskContext for Context {
    fn put_object(&self, kind: ObjectKind, bytes: &[u8]) -> Result<ObjectId, TaskError> {
        self.alive()?;
        let (id, object) = objects::pack(kind, bytes)?;
        let gone = |_| TaskError::Connection("objects cannot be sent any more".to_owned());
        self.objects.blocking_send((id, object)).map_err(gone)?;
        Ok(id)
    }

    fn kept(&self, keys: &[KeptKey]) -> Result<Vec<Option<Vec<u8>>>, TaskError> {
        self.alive()?;
        let call = self.leased.retried(|| outputs::kept(&self.leased, keys));
        self.runtime.block_on(call).map_err(|error| self.leased.trouble(error))
    }

    fn get_output(&self, name: &str) -> Result<Vec<u8>, TaskError> {
        self.alive()?;
        let call = self.leased.retried(|| outputs::get(&self.leased, name));
        self.runtime.block_on(call).map_err(|error| self.leased.trouble(error))
    }

    fn put_output(&self, name: &str, bytes: Vec<u8>) -> Result<(), TaskError> {
        self.alive()?;
        if name.is_empty() {
            return Err(TaskError::Invalid("an output needs a name".to_owned()));
        }
        let bytes = Bytes::from(bytes);
        let call = self.leased.retried(|| outputs::put(&self.leased, name, bytes.clone()));
        self.runtime.block_on(call).map_err(|error| self.leased.trouble(error))
    }

    fn emit(&self, size: u64, bytes: Vec<u8>) -> Result<(), TaskError> {
        self.alive()?;
        let mut emitting = self.emitting.lock().unwrap_or_else(PoisonError::into_inner);
        let current = emitting.get_or_insert_with(|| Emitting::start(&self.leased, &self.runtime, size));
        if current.send(bytes) {
            return Ok(());
        }
        // The call ended before its time; it knows why.
        let ended = emitting.take().map(|emitting| self.runtime.block_on(emitting.end()));
        match ended {
            Some(Err(error)) => Err(self.leased.trouble(error)),
            _ => Err(TaskError::Connection("the file's bytes are not taken any more".to_owned())),
        }
    }

    fn progress(&self, bytes: u64) {
        self.leased.bytes_read.fetch_add(bytes, Ordering::Relaxed);
    }

    fn cancelled(&self) -> bool {
        self.leased.cancelled.load(Ordering::Relaxed)
    }
}
