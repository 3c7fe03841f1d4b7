//! From bytes on a disk to files.
//!
//! The way of the data: [`source`] (ranges of bytes, read in any order) → [`volume`] (partitions) →
//! [`fs`] (ext4, XFS, NTFS: bulk surveys of inodes) → [`tree`] (rows of a listing) and [`content`]
//! (files' bytes). Parsers do no I/O: a [`machine::Machine`] says which ranges it needs and is fed bytes;
//! [`machine::run`] drives it over any [`source::ReadQueue`].
#![forbid(unsafe_code)]

pub mod content;
pub mod coverage;
pub mod error;
pub mod fs;
mod gap_list;
pub mod machine;
pub mod namespace;
mod slab;
pub mod source;
pub mod survey;
pub mod tree;
mod under_way;
pub mod volume;

pub use error::ParseError;
