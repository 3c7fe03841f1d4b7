//! The gRPC services: each checks what it is sent and hands it on.

mod files;
mod findings;
mod query;
mod scans;
mod scope;
mod work;

pub use query::QueryService;
pub use scans::ScansService;
pub use work::WorkService;
