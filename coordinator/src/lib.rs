//! The coordinator: plans scans, leases their tasks to workers, commits what they found, answers questions.
//!
//! [`planner`] and [`leases`] are pure state machines; `cluster` holds them together behind one lock; the
//! services translate between them and the wire. The coordinator never parses a disk's bytes: workers do, and
//! what they send is checked against [`limits`] and the contract.
#![forbid(unsafe_code)]

mod cluster;
mod commit;
mod config;
mod counted;
mod digests;
mod error;
pub mod leases;
pub mod limits;
mod paths;
pub mod planner;
mod queue;
mod reading;
mod resolve;
mod results;
mod scan;
mod serve;
mod services;
mod spool;
mod stream;

pub use config::CoordinatorConfig;
pub use serve::{Closer, Coordinator, ServeError, StartError};
