//! Following one scan until it ends.

use super::report::Scanned;
use crate::{
    connect::Services,
    failure::{Failure, Result},
    progress::ScanProgress,
};
use coldread_proto::v1::{ScanState, WatchRequest, scan_state::Phase};

/// Shows the progress of a scan until it ends, and gives how it ended.
pub async fn follow(services: Services, scan_id: String, source: String) -> Scanned {
    let progress = ScanProgress::start(&source);
    match last_state(&services, scan_id, &progress).await {
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

async fn last_state(services: &Services, scan_id: String, progress: &ScanProgress) -> Result<ScanState> {
    let mut states = services.scans().watch(WatchRequest { scan_id }).await?.into_inner();
    while let Some(state) = states.message().await? {
        if matches!(state.phase(), Phase::Done | Phase::Failed) {
            return Ok(state);
        }
        progress.update(&state);
    }
    Err(Failure::new("the coordinator stopped telling of the scan before it ended"))
}
