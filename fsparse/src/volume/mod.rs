//! From a disk to its volumes: GPT, MBR with logical partitions, or a bare filesystem.
//!
//! Every partition becomes a volume, the unreadable ones too: [`recognise`](recognise::recognise) names
//! what they hold. Nothing here reads a filesystem beyond its first bytes.

mod find;
pub mod gpt;
pub mod mbr;
pub mod recognise;

pub use find::{DiskProbe, FoundVolume, FoundVolumes};
