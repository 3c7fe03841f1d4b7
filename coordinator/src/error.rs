//! Errors of the store and of files, as the services report them.

use coldread_model::DecodeError;
use coldread_proto::ServiceError;
use coldread_store::Error as StoreError;
use std::{io, path::Path};

/// The store's error for a caller: what the caller asked wrongly stays apart from what the store suffers.
pub(crate) fn of_store(error: StoreError) -> ServiceError {
    match error {
        StoreError::Pattern { .. } | StoreError::Refused { .. } => ServiceError::Invalid(error.to_string()),
        other => ServiceError::Internal(other.to_string()),
    }
}

/// A failure in the spool.
pub(crate) fn of_spool(path: &Path) -> impl FnOnce(io::Error) -> ServiceError + '_ {
    move |error| ServiceError::Internal(format!("{}: {error}", path.display()))
}

/// A result of a worker that does not decode.
pub(crate) fn of_result(error: &DecodeError) -> ServiceError {
    ServiceError::Invalid(error.to_string())
}

/// A blocking job that panicked or was dropped at the end of the runtime.
fn of_join(error: &tokio::task::JoinError) -> ServiceError {
    ServiceError::Internal(format!("the job did not end well: {error}"))
}

/// Runs what blocks on a thread where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, ServiceError> + Send + 'static,
) -> Result<T, ServiceError> {
    tokio::task::spawn_blocking(job).await.map_err(|error| of_join(&error))?
}
