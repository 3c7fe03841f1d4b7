//! Why a source cannot be opened, and what to do about it.

use std::{
    fs::FileType,
    io,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

/// Why a source cannot be opened. Every message names the source and the next step.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing has that name.
    #[error("{}: no such file or device; check the path", path.display())]
    NotFound {
        /// The source.
        path: PathBuf,
    },
    /// The system does not let us read it.
    #[error("{}: permission denied; run as a user who may read it (block devices: root or group disk)", path.display())]
    PermissionDenied {
        /// The source.
        path: PathBuf,
    },
    /// It is a directory.
    #[error("{}: is a directory; name the image file or block device in it", path.display())]
    Directory {
        /// The source.
        path: PathBuf,
    },
    /// It is neither a regular file nor a block device.
    #[error("{}: is a {kind}, not a regular file or block device; copy its bytes to a file first", path.display())]
    NotADisk {
        /// The source.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// It holds no byte.
    #[error("{}: is empty; check that the copy or download was finished and that the device has a medium", path.display())]
    Empty {
        /// The source.
        path: PathBuf,
    },
    /// The reader that was asked for cannot run here.
    #[error("{}: --io {mode} is not possible: {reason}; use --io auto or --io pread", path.display())]
    Reader {
        /// The source.
        path: PathBuf,
        /// The reader's name.
        mode: &'static str,
        /// Why it cannot run.
        reason: String,
    },
    /// A compressed image that contradicts its format.
    #[error("{}: the {format} data is damaged at byte {offset}: {reason}; fetch the image again or test it with its own tool", path.display())]
    Damaged {
        /// The source.
        path: PathBuf,
        /// `gz`, `zst` or `xz`.
        format: &'static str,
        /// Where in the compressed file.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A compressed image that ends too early.
    #[error("{}: the {format} data ends at byte {offset} before it is complete; fetch the image again", path.display())]
    Truncated {
        /// The source.
        path: PathBuf,
        /// `gz`, `zst` or `xz`.
        format: &'static str,
        /// Where in the compressed file.
        offset: u64,
    },
    /// A compressed image that needs more room than it may take.
    #[error("{}: unpacking stopped at {unpacked} bytes: {limit}; unpack it to a larger disk by hand, or set TMPDIR", path.display())]
    TooLarge {
        /// The source.
        path: PathBuf,
        /// Bytes unpacked before it.
        unpacked: u64,
        /// Which limit it met.
        limit: String,
    },
    /// The room for unpacked images cannot be written.
    #[error("{}: cannot unpack under {}: {reason}; set TMPDIR to a directory that can be written", path.display(), directory.display())]
    Spool {
        /// The source.
        path: PathBuf,
        /// Where it was to be unpacked.
        directory: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// Anything else the system says.
    #[error("{}: {reason}; check the device or file system that holds it (dmesg)", path.display())]
    Io {
        /// The source.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
}

impl OpenError {
    /// The error of `path` that the system reported.
    pub(super) fn from_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::NotFound { path },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { path },
            io::ErrorKind::IsADirectory => Self::Directory { path },
            _ => Self::Io { path, reason: error.to_string() },
        }
    }

    /// The error of something that is no disk.
    pub(super) fn not_a_disk(path: &Path, kind: FileType) -> Self {
        let kind = if kind.is_fifo() {
            "pipe"
        } else if kind.is_socket() {
            "socket"
        } else if kind.is_char_device() {
            "character device"
        } else {
            "special file"
        };
        Self::NotADisk { path: path.to_owned(), kind }
    }
}
