//! What the end-to-end tests share: running the built `coldread`, asking it, making real disks, and listing
//! them as the kernel shows them.
//!
//! These tests know the command line and the formats of its answers, and nothing of the code behind it. What
//! needs root or a program that is not installed says `skipped:` and why (see [`host`]).
#![forbid(unsafe_code)]
// What a test needs must be there, or the test fails at that place.
#![allow(clippy::unwrap_used)]

pub mod ask;
pub mod crash;
pub mod disk;
pub mod hive;
pub mod host;
pub mod program;
pub mod sample;
pub mod shapes;
pub mod truth;
