//! Starting scans and watching them.

use crate::{
    cluster::{Cluster, Submission},
    error, limits,
    scan::has_ended,
    stream::Answer,
};
use coldread_model::{asset::name_of_source, task::SourceSpec};
use coldread_proto::{
    ServiceError,
    v1::{ScanState, SubmitRequest, SubmitResponse, WatchRequest, scans_server::Scans},
};
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

/// The service over a cluster.
#[derive(Debug)]
pub(crate) struct ScansService(pub(crate) Arc<Cluster>);

#[tonic::async_trait]
impl Scans for ScansService {
    async fn submit(&self, request: Request<SubmitRequest>) -> Result<Response<SubmitResponse>, Status> {
        let request = request.into_inner();
        let (content, io, cross_check, asked) =
            (request.content_mode()?, request.io_mode()?, request.cross_check_share()?, request.asked()?);
        let texts = [&request.source, &request.asset, request.account.as_ref().unwrap_or(&request.asset)];
        if texts.iter().any(|text| text.chars().count() > limits::MAX_TEXT_CHARS || text.contains('\0')) {
            return Err(ServiceError::Invalid("a name is too long or holds a zero byte".to_owned()).into());
        }
        let asset = match request.asset.as_str() {
            "" => name_of_source(&request.source).to_owned(),
            given => given.to_owned(),
        };
        if asset.is_empty() {
            return Err(ServiceError::Invalid("neither a source nor a name was given".to_owned()).into());
        }
        if request.source.is_empty() {
            return Err(ServiceError::Invalid("no source was given".to_owned()).into());
        }
        let submission = Submission {
            source: SourceSpec { location: request.source, io },
            asset: asset.clone(),
            account: request.account,
            content,
            cross_check,
            asked,
            shard_bytes: request.shard_bytes,
        };
        let cluster = Arc::clone(&self.0);
        let scan_id = error::blocking(move || cluster.submit(submission)).await?;
        Ok(Response::new(SubmitResponse { scan_id, asset }))
    }

    type WatchStream = Answer<ScanState>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let mut watching = self.0.watch(&request.into_inner().scan_id)?;
        let mut closing = self.0.closing();
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let state = watching.borrow_and_update().clone();
                let ended = has_ended(&state);
                if sender.send(Ok(state)).await.is_err() || ended {
                    return;
                }
                tokio::select! {
                    changed = watching.changed() => if changed.is_err() { break },
                    _ = closing.wait_for(|closing| *closing) => break,
                    () = sender.closed() => return,
                }
            }
            let error = ServiceError::Unavailable("the coordinator ended before the scan did".to_owned());
            // Whoever watched may be gone too.
            let _ = sender.send(Err(error.into())).await;
        });
        Ok(Response::new(Answer::new(receiver)))
    }
}
