//! The journal (jbd2): what recovery at the next mount would write, as patches over the volume.
//!
//! `superblock` and `control` read the journal's own blocks, `log` walks them in recovery's three passes,
//! `file` knows where the journal lies and turns writes into patches, `lens` reads the volume as patched
//! for what follows, `fast` applies fast commits, and `orphans` finds the inodes that the mount would delete or truncate.
//! **Invariant:** nothing here writes, and no block's content is kept where a reference to it will do.

mod bytes;
mod control;
mod crc;
mod fast;
mod file;
mod lens;
mod log;
mod orphans;
mod superblock;
#[cfg(test)]
mod tests;

pub(super) use fast::{Change, FastCommits};
pub(super) use file::{FastReader, JournalFile, LogReader, Replayed};
pub(super) use lens::Lens;
pub(super) use orphans::OrphanSearch;
