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

/// Shows the progress of a scan until it ends, and gives how it ended.
pub async fn follow(services: Services, scan_id: String, source: String, patience: Duration) -> Scanned {
    let progress = ScanProgress::start(&source);
    match last_state(&services, &scan_id, patience, &progress).await {
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

/// Follows a scan across the ends of its coordinator, as the next one begins it again: for so long as `patience` says
/// without a word of it.
async fn last_state(
    services: &Services,
    scan_id: &str,
    patience: Duration,
    progress: &ScanProgress,
) -> Result<ScanState> {
    let mut heard = Instant::now();
    // When it was heard of last before the coordinator went away.
    let mut away = None;
    loop {
        let gone = match watch(services, scan_id, progress, &mut heard).await {
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

/// Follows a scan for as long as its coordinator tells of it; gives its last state, if that came.
async fn watch(
    services: &Services,
    scan_id: &str,
    progress: &ScanProgress,
    heard: &mut Instant,
) -> Result<Option<ScanState>, Status> {
    let request = WatchRequest { scan_id: scan_id.to_owned() };
    let mut states = services.scans().watch(request).await?.into_inner();
    while let Some(state) = states.message().await? {
        *heard = Instant::now();
        if matches!(state.phase(), Phase::Done | Phase::Failed) {
            return Ok(Some(state));
        }
        progress.update(&state);
    }
    Ok(None)
}
