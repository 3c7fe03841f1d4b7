//! What tests run tasks with: a store in memory.

use super::{TaskContext, TaskError};
use coldread_model::{
    KeptKey, ObjectId, ObjectKind, RowsRef,
    rows::{Row, RowsIter},
};
use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

/// Objects that were put, and how many bytes were read.
#[derive(Default)]
pub(super) struct Objects {
    objects: Mutex<HashMap<ObjectId, Vec<u8>>>,
    read: AtomicU64,
}

impl TaskContext for Objects {
    fn put_object(&self, kind: ObjectKind, bytes: &[u8]) -> Result<ObjectId, TaskError> {
        let id = ObjectId::of(kind, bytes);
        self.objects.lock().unwrap().insert(id, bytes.to_vec());
        Ok(id)
    }
    fn kept(&self, keys: &[KeptKey]) -> Result<Vec<Option<Vec<u8>>>, TaskError> {
        Ok(vec![None; keys.len()])
    }
    fn get_output(&self, name: &str) -> Result<Vec<u8>, TaskError> {
        Err(TaskError::Invalid(name.to_owned()))
    }
    fn put_output(&self, _: &str, _: Vec<u8>) -> Result<(), TaskError> {
        Ok(())
    }
    fn emit(&self, _: u64, _: Vec<u8>) -> Result<(), TaskError> {
        Ok(())
    }
    fn progress(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }
    fn cancelled(&self) -> bool {
        false
    }
}

impl Objects {
    /// The rows of batches that were put.
    pub(super) fn rows<T: Row>(&self, batches: impl IntoIterator<Item = RowsRef>) -> Vec<T> {
        let objects = self.objects.lock().unwrap();
        let rows = batches.into_iter().flat_map(|batch| RowsIter::new(objects[&batch.id].clone()));
        rows.map(Result::unwrap).collect()
    }

    /// How many bytes were read.
    pub(super) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}
