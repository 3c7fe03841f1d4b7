//! Outputs and inputs in pieces.

use super::lease::Leased;
use bytes::Bytes;
use coldread_model::KeptKey;
use coldread_proto::{
    MAX_PIECE_BYTES, ServiceError,
    v1::{GetKeptRequest, GetOutputRequest, OutputPiece, PutOutputRequest},
};
use std::sync::Arc;
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// Pieces of a file that wait to be sent.
const PIECES_AHEAD: usize = 2;

/// All pieces together.
pub(super) async fn collect(mut pieces: Streaming<OutputPiece>) -> Result<Vec<u8>, Status> {
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.message().await? {
        bytes.extend_from_slice(&piece.data);
    }
    Ok(bytes)
}

/// Fetches an output.
pub(super) async fn get(leased: &Leased, name: &str) -> Result<Vec<u8>, Status> {
    let request = GetOutputRequest { key: Some(leased.key.clone()), name: name.to_owned() };
    collect(leased.client.clone().get_output(request).await?.into_inner()).await
}

/// Asks for kept results.
pub(super) async fn kept(leased: &Leased, keys: &[KeptKey]) -> Result<Vec<Option<Vec<u8>>>, Status> {
    let request = GetKeptRequest {
        key: Some(leased.key.clone()),
        keys: keys.iter().map(|key| key.0.to_vec()).collect(),
    };
    let mut pieces = leased.client.clone().get_kept(request).await?.into_inner();
    let mut found: Vec<Option<Vec<u8>>> = vec![None; keys.len()];
    while let Some(piece) = pieces.message().await? {
        if let Some(one) = found.get_mut(piece.index as usize) {
            one.get_or_insert_default().extend_from_slice(&piece.data);
        }
    }
    Ok(found)
}

/// Sends an output; an empty name is the task's result.
pub(super) async fn put(leased: &Leased, name: &str, bytes: Bytes) -> Result<(), Status> {
    let mut rest = bytes;
    let mut first = Some(PutOutputRequest {
        key: Some(leased.key.clone()),
        name: name.to_owned(),
        size: rest.len() as u64,
        data: Bytes::new(),
    });
    let messages = std::iter::from_fn(move || {
        if first.is_none() && rest.is_empty() {
            return None;
        }
        let data = rest.split_to(rest.len().min(MAX_PIECE_BYTES));
        Some(PutOutputRequest { data, ..first.take().unwrap_or_default() })
    });
    leased.client.clone().put_output(tokio_stream::iter(messages)).await.map(drop)
}

/// A file's bytes on their way to whoever asked for them.
#[derive(Debug)]
pub(super) struct Emitting {
    sender: mpsc::Sender<PutOutputRequest>,
    call: JoinHandle<Result<(), Status>>,
}

impl Emitting {
    /// Begins to send a file of `size` bytes.
    pub(super) fn start(leased: &Arc<Leased>, runtime: &tokio::runtime::Handle, size: u64) -> Self {
        let (sender, messages) = mpsc::channel(PIECES_AHEAD);
        let first = PutOutputRequest { key: Some(leased.key.clone()), size, ..PutOutputRequest::default() };
        let mut client = leased.client.clone();
        let call = runtime.spawn(async move {
            use tokio_stream::StreamExt;
            let messages = tokio_stream::once(first).chain(ReceiverStream::new(messages));
            client.put_output(messages).await.map(drop)
        });
        Self { sender, call }
    }

    /// Sends the next bytes; blocks while the receiver is slow. False: the call has ended.
    pub(super) fn send(&self, bytes: Vec<u8>) -> bool {
        let mut rest = Bytes::from(bytes);
        while !rest.is_empty() {
            let data = rest.split_to(rest.len().min(MAX_PIECE_BYTES));
            if self.sender.blocking_send(PutOutputRequest { data, ..Default::default() }).is_err() {
                return false;
            }
        }
        true
    }

    /// Waits until everything has been received.
    pub(super) async fn end(self) -> Result<(), ServiceError> {
        drop(self.sender);
        match self.call.await {
            Ok(ended) => ended.map_err(ServiceError::from),
            Err(error) => Err(ServiceError::Internal(error.to_string())),
        }
    }
}
