//! The store: append-only packs of content-addressed objects, and a small sled index over them.
//!
//! The packs are the truth (see the `pack` module for their format). sled holds only what is small and
//! changes: the list of packs, the heads of snapshots and a counter. It is written after the pack is
//! durable and can be rebuilt from the packs alone, which [`Store::open`] does by itself when the index
//! is missing, damaged or behind.
//!
//! Packs are merged as soon as there are many of about the same size ([`Store::merge`]).
//!
//! A snapshot is published by [`PackWriter::commit`]: manifest and head are the last objects of a pack, so
//! after a crash a snapshot is there whole or not at all.
//!
//! ```text
//! DIR/lock            locked while a process has the store open
//! DIR/packs/N.pack    immutable packs, numbered in hexadecimal
//! DIR/packs/N.tmp     packs being written; removed when the store is opened
//! DIR/index/          sled
//! ```
#![forbid(unsafe_code)]

mod catalog;
mod compress;
mod disk;
mod error;
mod merge;
mod pack;
mod packs;
mod query;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub use compress::{MAX_OBJECT_BYTES, Packed};
pub use error::{Error, Result};
pub use merge::Merged;
pub use packs::Object;
pub use query::{PathFilter, Pattern, PatternOptions, Snapshot};
pub use store::Store;
pub use writer::PackWriter;
