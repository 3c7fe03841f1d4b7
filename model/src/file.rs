//! One row of a listing.

use crate::{digest::Sha256Digest, package::words, time::Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// What kind of file a name stands for.
    FileKind {
        /// A regular file.
        File = "file",
        /// A directory.
        Dir = "dir",
        /// A symbolic link.
        Symlink = "symlink",
        /// A character device.
        Char = "char",
        /// A block device.
        Block = "block",
        /// A named pipe.
        Fifo = "fifo",
        /// A socket.
        Socket = "socket",
        /// NTFS: a junction or mounted volume.
        Junction = "junction",
        /// NTFS: a reparse point that stands for something else; its tag is in the target.
        Reparse = "reparse",
    }
}

impl FileKind {
    /// The kind with this number in a column (its place in [`FileKind::ALL`]).
    pub fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

bitflags::bitflags! {
    /// What is known of a row, and what sets it apart.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct RowFlags: u16 {
        /// mode, uid and gid are known.
        const OWNED = 1;
        /// The size is known and applies.
        const SIZED = 1 << 1;
        /// It is a device: rdev applies.
        const DEVICE = 1 << 2;
        /// The name or content is encrypted.
        const ENCRYPTED = 1 << 3;
        /// A file of the filesystem's own (`$MFT`, the journal): only with `--all`.
        const INTERNAL = 1 << 4;
        /// Deleted or unlinked: only with `--all`.
        const DELETED = 1 << 5;
        /// A named stream of the file with this path.
        const STREAM = 1 << 6;
        /// Birth time is known.
        const BORN = 1 << 8;
        /// Change and access times are known.
        const TIMED = 1 << 9;
        /// The number of links is known.
        const LINKED = 1 << 10;
    }
}

/// One row of `files`, owned. `None` means not known or not applicable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRecord {
    /// The asset's name.
    pub asset: String,
    /// The snapshot's id in hex.
    pub snapshot: String,
    /// The volume's name.
    pub volume: String,
    /// Where the asset's fstab mounts the volume.
    pub mount: Option<String>,
    /// Path in the volume, in bytes; starts with `/`.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: FileKind,
    /// Inode or MFT record number.
    pub inode: u64,
    /// Bytes of content (files), or length of the target (symbolic links).
    pub size: Option<u64>,
    /// Permission bits.
    pub mode: Option<u16>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Number of names.
    pub nlink: Option<u32>,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last change of metadata.
    pub ctime: Option<Timestamp>,
    /// Last access.
    pub atime: Option<Timestamp>,
    /// Birth.
    pub crtime: Option<Timestamp>,
    /// A symbolic link's target, in bytes.
    pub target: Option<Vec<u8>>,
    /// Major and minor number of a device.
    pub rdev: Option<(u32, u32)>,
    /// Extended attributes: name and value, sorted by name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// SHA-256 of the content.
    pub sha256: Option<Sha256Digest>,
    /// The stream's name, for a row that is one.
    pub stream: Option<Vec<u8>>,
    /// Whether name or content is encrypted.
    pub encrypted: bool,
    /// A deleted or unlinked file.
    pub deleted: bool,
    /// A file of the filesystem's own.
    pub internal: bool,
}
