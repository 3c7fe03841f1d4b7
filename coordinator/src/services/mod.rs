//! The gRPC services: each checks what it is sent and hands it on.

mod files;
mod findings;
mod query;
mod scans;
mod scope;
mod work;

pub(crate) use query::QueryService;
pub(crate) use scans::ScansService;
pub(crate) use work::WorkService;
