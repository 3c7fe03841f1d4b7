//! Following one scan until it ends.

use super::report::Scanned;
use crate::{
    connect::Services,
    failure::{Failure, Result},
    progress::ScanProgress,
};
use coldread_proto::{
    ServiceError,
    v1::{ScanState, WatchRequest, scan_state::Phase},
};
use std::time::{Duration, Instant};
use tokio::time;
use tonic::Status;

/// Between two tries to reach a coordinator that is away.
const PAUSE: Duration = Duration::from_secs(1);
/// So long a scan is queued before its user is told that a worker has to begin it.
const QUEUED: Duration = Duration::from_secs(5);

/// A coordinator that is not ours.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Its URL.
    pub url: String,
    /// So long it may be away without a word of the scan.
    pub patience: Duration,
}

/// Shows the progress of a scan until it ends, and gives how it ended. One of our own has no `remote`: it does not come
/// back, and its worker is there.
pub async fn follow(services: Services, scan_id: String, source: String, remote: Option<Remote>) -> Scanned {
    let progress = ScanProgress::start(&source);
    match last_state(&services, &scan_id, remote.as_ref(), &progress).await {
        Ok(state) => {
            progress.end(Ok(&state));
            match (state.phase(), state.summary) {
                (Phase::Done, Some(summary)) => Scanned::Done { summary, reader: state.reader },
                (Phase::Done, None) => {
                    Scanned::Failed { error: "the coordinator says done and sends no summary".to_owned() }
                }
                _ => Scanned::Failed { error: state.error },
            }
        }
        Err(failure) => {
            let error = failure.line();
            progress.end(Err(&error));
            Scanned::Failed { error }
        }
    }
}

/// Follows a scan across the ends of its coordinator, as the next one begins it again: for so long as its patience says
/// without a word of it.
async fn last_state(
    services: &Services,
    scan_id: &str,
    remote: Option<&Remote>,
    progress: &ScanProgress,
) -> Result<ScanState> {
    let patience = remote.map_or(Duration::ZERO, |remote| remote.patience);
    let mut hint = remote.map(|remote| remote.url.as_str());
    let mut heard = Instant::now();
    // When it was heard of last before the coordinator went away.
    let mut away = None;
    loop {
        let gone = match watch(services, scan_id, progress, &mut hint, &mut heard).await {
            Ok(Some(state)) => return Ok(state),
            Ok(None) => Failure::new("the coordinator stopped telling of the scan before it ended"),
            Err(status) => match ServiceError::from(status.clone()) {
                ServiceError::Unavailable(_) => Failure::from(status),
                ServiceError::NotFound(text) if away.is_some() => {
                    let known =
                        "it may have ended while the coordinator was away: `coldread snapshots ASSET` tells";
                    return Err(Failure::new(text).next(known));
                }
                _ => return Err(status.into()),
            },
        };
        if heard.elapsed() >= patience {
            return Err(gone);
        }
        if away.replace(heard) != Some(heard) {
            progress.away();
        }
        time::sleep(PAUSE).await;
    }
}

/// Follows a scan for as long as its coordinator tells of it; gives its last state, if that came. Where no worker begins
/// it, that is said once, with the URL in `hint`.
async fn watch(
    services: &Services,
    scan_id: &str,
    progress: &ScanProgress,
    hint: &mut Option<&str>,
    heard: &mut Instant,
) -> Result<Option<ScanState>, Status> {
    let request = WatchRequest { scan_id: scan_id.to_owned() };
    let mut states = services.scans().watch(request).await?.into_inner();
    let mut queued = false;
    loop {
        let next = match hint.filter(|_| queued) {
            Some(url) => {
                let Ok(next) = time::timeout(QUEUED, states.message()).await else {
                    progress.waits_for_worker(url);
                    *hint = None;
                    continue;
                };
                next?
            }
            None => states.message().await?,
        };
        let Some(state) = next else { return Ok(None) };
        queued = state.phase() == Phase::Queued;
        *heard = Instant::now();
        if matches!(state.phase(), Phase::Done | Phase::Failed) {
            return Ok(Some(state));
        }
        progress.update(&state);
    }
}
