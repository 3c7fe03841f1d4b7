//! Objects on their way to the store: asked about and sent in batches, by one task in the background.

use super::lease::Leased;
use crate::tasks::TaskError;
use bytes::Bytes;
use coldread_model::{ObjectId, ObjectKind};
use coldread_proto::{
    MAX_MESSAGE_BYTES, ServiceError,
    v1::{HaveRequest, Object, PutObjectsRequest},
};
use std::{cell::RefCell, collections::HashSet, sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use zstd::bulk::Compressor;

/// Objects that wait to be sent, before whoever makes them has to wait.
const OBJECTS_AHEAD: usize = 64;
/// A batch is sent when nothing was added to it for so long (digests come slowly while content is read, and little is to be
/// left for the end) …
const IDLE: Duration = Duration::from_millis(10);
/// … when it has so many bytes …
const BATCH_BYTES: usize = 2 << 20;
/// … or so many objects.
const BATCH_OBJECTS: usize = 512;
/// No object is longer; a quarter of a message is left for all that is not content.
const OBJECT_BYTES: usize = MAX_MESSAGE_BYTES / 4 * 3;
/// Objects share a message up to so many bytes: both sides make room for each message as a whole, which for large ones
/// is new memory every time.
const SHARED_BYTES: usize = 256 << 10;
/// Names of objects that this task has sent already are remembered up to so many.
const REMEMBERED: usize = 1 << 16;
/// Room for a compressed object that a thread keeps for the next one.
const ROOM: usize = 12 << 20;
/// Level 1: columns compress nearly as well as at level 3, in half the time.
const ZSTD_LEVEL: i32 = 1;

/// An object and its name, on their way.
pub(super) type Packed = (ObjectId, Object);

thread_local! {
    /// Setting one up costs as much as compressing a small object, and room for what it gives, which may be as large as
    /// the object, is cleared by the system when it is new.
    static COMPRESSOR: RefCell<Option<(Compressor<'static>, Vec<u8>)>> = const { RefCell::new(None) };
}

/// Names and compresses an object, on the caller's thread.
pub(super) fn pack(kind: ObjectKind, bytes: &[u8]) -> Result<Packed, TaskError> {
    let id = ObjectId::of(kind, bytes);
    let compressed = COMPRESSOR.with_borrow_mut(|slot| {
        let (mut compressor, mut room) = match slot.take() {
            Some(kept) => kept,
            None => (Compressor::new(ZSTD_LEVEL)?, Vec::new()),
        };
        room.clear();
        room.reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        let compressed =
            compressor.compress_to_buffer(bytes, &mut room).map(|_| Bytes::copy_from_slice(&room));
        if room.capacity() > ROOM {
            room = Vec::new();
        }
        *slot = Some((compressor, room));
        compressed
    });
    let compressed = compressed
        .map_err(|error| TaskError::Invalid(format!("object {id} cannot be compressed: {error}")))?;
    if compressed.len() > OBJECT_BYTES {
        let reason = format!("object {id} is too large: {} bytes, compressed", compressed.len());
        return Err(TaskError::Invalid(reason));
    }
    let object =
        Object { id: id.0.to_vec(), kind: u32::from(kind as u8), raw_len: bytes.len() as u64, compressed };
    Ok((id, object))
}

/// Where objects are put, and what ends, once all senders are dropped, when all objects are acknowledged.
pub(super) fn start(leased: Arc<Leased>) -> (mpsc::Sender<Packed>, JoinHandle<Result<(), TaskError>>) {
    let (sender, receiver) = mpsc::channel(OBJECTS_AHEAD);
    (sender, tokio::spawn(send_all(leased, receiver)))
}

async fn send_all(leased: Arc<Leased>, mut objects: mpsc::Receiver<Packed>) -> Result<(), TaskError> {
    let mut sent: HashSet<ObjectId> = HashSet::new();
    let mut batch: Vec<Packed> = Vec::new();
    let mut bytes = 0;
    loop {
        let next =
            if batch.is_empty() { Ok(objects.recv().await) } else { timeout(IDLE, objects.recv()).await };
        let (idle, ended) = (next.is_err(), next == Ok(None));
        if let Ok(Some((id, object))) = next {
            if sent.len() >= REMEMBERED {
                sent.clear();
            }
            if sent.insert(id) {
                bytes += object.compressed.len();
                batch.push((id, object));
            }
        }
        let full = bytes >= BATCH_BYTES || batch.len() >= BATCH_OBJECTS;
        if !batch.is_empty() && (idle || ended || full) {
            bytes = 0;
            let batch = std::mem::take(&mut batch);
            send(&leased, batch).await.map_err(|error| leased.trouble(error))?;
        }
        if ended {
            return Ok(());
        }
    }
}

/// Sends those of the objects that the store lacks.
async fn send(leased: &Leased, batch: Vec<Packed>) -> Result<(), ServiceError> {
    let ids: Vec<ObjectId> = batch.iter().map(|(id, _)| *id).collect();
    let ask = || async { leased.client.clone().have(HaveRequest::about(&ids)).await };
    let present = leased.retried(ask).await?.into_inner().present;
    if present.len() != ids.len() {
        return Err(ServiceError::Internal("the coordinator answered about other objects".to_owned()));
    }
    let missing =
        batch.into_iter().zip(present).filter(|(_, present)| !present).map(|((_, object), _)| object);
    let mut messages = Vec::new();
    let mut room = 0;
    for object in missing {
        let size = object.compressed.len();
        if room < size || messages.is_empty() {
            room = SHARED_BYTES;
            messages.push(PutObjectsRequest { key: Some(leased.key.clone()), objects: Vec::new() });
        }
        room = room.saturating_sub(size);
        if let Some(message) = messages.last_mut() {
            message.objects.push(object);
        }
    }
    if messages.is_empty() {
        return Ok(());
    }
    let put = || async { leased.client.clone().put_objects(tokio_stream::iter(messages.clone())).await };
    leased.retried(put).await.map(drop)
}
