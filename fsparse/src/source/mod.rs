//! Sources of bytes: a disk, an image, a part of one.
//!
//! A [`BlockSource`] is shared between threads and opens queues; a [`ReadQueue`] belongs to one thread.
//! Requests complete in any order and may arrive in pieces, ranges need no alignment, new requests join at
//! any time, and one bad sector is the error of one piece. The readers of real files live in the worker;
//! here are the contract, [`slice::Slice`] (a partition of a source) and [`memory::MemorySource`].

pub mod buf;
pub mod memory;
pub mod overlay;
pub mod recorded;
pub mod slice;

pub use buf::{Buf, Memory};
use coldread_model::ByteRange;
use std::sync::Arc;

/// Why a range could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The operating system said no.
    #[error("{context}: {reason}")]
    Io {
        /// What was being done.
        context: String,
        /// The system's words.
        reason: String,
    },
    /// The range reaches past the source's end.
    #[error("bytes {}..{} lie past the end at {size}", range.start, range.end())]
    PastEnd {
        /// The range.
        range: ByteRange,
        /// The source's size.
        size: u64,
    },
    /// A container that is not read, or a feature of one.
    #[error("{0} is not supported")]
    Unsupported(String),
    /// A container that contradicts its format.
    #[error("{0}")]
    Corrupt(String),
}

/// What is known of a range without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    /// Stored bytes.
    Data,
    /// Known to be zeros (a hole of a sparse file, a zero cluster).
    Zero,
    /// Never allocated by an image container.
    Unallocated,
}

/// A part of a range and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappedRange {
    /// The bytes.
    pub range: ByteRange,
    /// What they are.
    pub mapping: Mapping,
}

/// A disk or a part of one, readable from many threads at once.
pub trait BlockSource: Send + Sync {
    /// Size in bytes; does not change.
    fn size_bytes(&self) -> u64;

    /// What is known of `range` without reading it: parts in order that add up to `range`.
    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError>;

    /// Opens a queue for the calling thread.
    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError>;
}

/// A queue of reads, owned by one thread.
pub trait ReadQueue {
    /// Asks for `range`; its completions carry `tag`. At any time, also between completions.
    fn push(&mut self, tag: u64, range: ByteRange);

    /// The next piece of any request, blocking until there is one; `None` once nothing is outstanding.
    /// The pieces of a request do not overlap and add up to its range, errors included.
    fn next(&mut self) -> Option<Completion>;

    /// Another piece that is there already, without waiting for or starting anything: what came with the last one. `None`
    /// says nothing of what is outstanding.
    fn next_ready(&mut self) -> Option<Completion> {
        None
    }
}

/// A piece of a request.
#[derive(Clone, Debug)]
pub struct Completion {
    /// The request's tag.
    pub tag: u64,
    /// Where in the source the piece starts.
    pub offset: u64,
    /// Its bytes, or why there are none.
    pub result: Result<Piece, PieceError>,
}

/// The bytes of a piece.
#[derive(Clone, Debug)]
pub enum Piece {
    /// Bytes as read.
    Bytes(Buf),
    /// So many zeros that nobody had to read.
    Zeros(u64),
}

impl Piece {
    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(buf) => buf.len() as u64,
            Self::Zeros(len) => *len,
        }
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A piece that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PieceError {
    /// How many bytes from the completion's offset are missing.
    pub len: u64,
    /// Why.
    pub error: SourceError,
}

/// A source that several owners share.
pub type SharedSource = Arc<dyn BlockSource>;
