//! What a call can fail with, and the one mapping between that and gRPC's statuses.

use crate::ConvertError;
use tonic::{Code, Status};

/// Why a call failed, for people and for programs. Every status that Coldread's services send is made from
/// one of these, and a client reads it back with [`ServiceError::from`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// What was asked for is not there. `NOT_FOUND`.
    #[error("{0}")]
    NotFound(String),
    /// The request makes no sense. `INVALID_ARGUMENT`.
    #[error("{0}")]
    Invalid(String),
    /// The lease is another's now, or its task is done. `FAILED_PRECONDITION`.
    #[error("{0}")]
    LeaseLost(String),
    /// A source or a file in it cannot be read. `DATA_LOSS`.
    #[error("{0}")]
    Unreadable(String),
    /// More than a bound allows. `RESOURCE_EXHAUSTED`.
    #[error("{0}")]
    Limit(String),
    /// Nobody is there to do it now; another try may help. `UNAVAILABLE`.
    #[error("{0}")]
    Unavailable(String),
    /// The asker went away. `CANCELLED`.
    #[error("{0}")]
    Cancelled(String),
    /// The store or the service itself failed. `INTERNAL`.
    #[error("{0}")]
    Internal(String),
}

impl From<ServiceError> for Status {
    fn from(error: ServiceError) -> Self {
        let code = match &error {
            ServiceError::NotFound(_) => Code::NotFound,
            ServiceError::Invalid(_) => Code::InvalidArgument,
            ServiceError::LeaseLost(_) => Code::FailedPrecondition,
            ServiceError::Unreadable(_) => Code::DataLoss,
            ServiceError::Limit(_) => Code::ResourceExhausted,
            ServiceError::Unavailable(_) => Code::Unavailable,
            ServiceError::Cancelled(_) => Code::Cancelled,
            ServiceError::Internal(_) => Code::Internal,
        };
        Self::new(code, error.to_string())
    }
}

impl From<Status> for ServiceError {
    fn from(status: Status) -> Self {
        let text = status.message().to_owned();
        match status.code() {
            Code::NotFound => Self::NotFound(text),
            Code::InvalidArgument => Self::Invalid(text),
            Code::FailedPrecondition => Self::LeaseLost(text),
            Code::DataLoss => Self::Unreadable(text),
            Code::ResourceExhausted | Code::OutOfRange => Self::Limit(text),
            Code::Unavailable | Code::DeadlineExceeded => Self::Unavailable(text),
            Code::Cancelled => Self::Cancelled(text),
            // A connection that breaks in the middle of a call: tonic reports the transport's error so.
            Code::Unknown if std::error::Error::source(&status).is_some() => Self::Unavailable(text),
            code => Self::Internal(format!("{code:?}: {text}")),
        }
    }
}

impl From<ConvertError> for ServiceError {
    fn from(error: ConvertError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<ConvertError> for Status {
    fn from(error: ConvertError) -> Self {
        ServiceError::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_survives_the_wire() {
        let text = || "why".to_owned();
        for error in [
            ServiceError::NotFound(text()),
            ServiceError::Invalid(text()),
            ServiceError::LeaseLost(text()),
            ServiceError::Unreadable(text()),
            ServiceError::Limit(text()),
            ServiceError::Unavailable(text()),
            ServiceError::Cancelled(text()),
        ] {
            assert_eq!(ServiceError::from(Status::from(error.clone())), error);
        }
        let internal = Status::from(ServiceError::Internal(text()));
        assert_eq!(ServiceError::from(internal), ServiceError::Internal("Internal: why".to_owned()));
    }
}
