//! What can go wrong with a store.

use coldread_model::{DecodeError, ObjectId};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The result of most of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the store. No kind ever stands for another: damage is never reported as absence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A pack contradicts its format, its checksums or its entry in the index.
    #[error("{pack} is damaged at byte {at}: {reason}", pack = pack.display())]
    Corrupt {
        /// The pack file.
        pack: PathBuf,
        /// Byte offset in it of the structure concerned.
        at: u64,
        /// What is wrong.
        reason: String,
    },
    /// Another process, or another part of this one, has the store open.
    #[error("{dir}: another coldread uses this store", dir = dir.display())]
    Busy {
        /// The store's directory.
        dir: PathBuf,
    },
    /// There is no store in the directory.
    #[error("{dir}: no store here", dir = dir.display())]
    NoStore {
        /// The directory.
        dir: PathBuf,
    },
    /// No pack holds the object.
    #[error("object {0} is not in the store")]
    Missing(ObjectId),
    /// An object's bytes are intact and yet not what the reader expects.
    #[error("object {id}: {source}")]
    Decode {
        /// The object.
        id: ObjectId,
        /// What does not fit.
        source: DecodeError,
    },
    /// An object that was offered to the store is not what it says, or too large.
    #[error("object {id} is refused: {reason}")]
    Refused {
        /// The name it was offered under.
        id: ObjectId,
        /// Why.
        reason: String,
    },
    /// The index failed; the packs are not affected.
    #[error("index of the store: {0}")]
    Index(String),
    /// A pattern for paths that cannot be read.
    #[error("pattern {pattern:?}: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Names the path of a failed file operation; for `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io { path: path.to_owned(), source }
    }

    pub(crate) fn corrupt(pack: &Path, at: u64, reason: impl Into<String>) -> Self {
        Self::Corrupt { pack: pack.to_owned(), at, reason: reason.into() }
    }
}
