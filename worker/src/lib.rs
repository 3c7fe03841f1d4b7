//! Readers of real disks, the scan's tasks, and the loop that leases and runs them.

pub mod client;
pub mod io;
mod memory;
pub mod survey;
pub mod tasks;

pub use memory::Memory;
