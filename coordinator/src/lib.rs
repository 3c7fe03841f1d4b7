//! coordinator
pub mod leases;
pub mod limits;
pub mod planner;
