//! The gRPC services: each checks what it is sent and hands it on.

mod access;
mod files;
mod findings;
mod known;
mod query;
mod scans;
mod scope;
mod summary;
mod tally;
mod work;

pub(crate) use query::QueryService;
pub(crate) use scans::ScansService;
pub(crate) use work::WorkService;
