//! What a survey of a volume's units finds: inodes, names, streams and where their bytes lie.
//!
//! Everything is in flat vectors that refer to each other by index; names and other bytes of any length
//! share one arena. There is no allocation per file, and rows are packed to four bytes, as there are as many as files
//! and names: a reference to a field of eight bytes is one to a copy, `&{ inode.number }`. Surveys of neighbouring units
//! are joined with [`Survey::append`], which gives the same result however the units were divided.

mod append;
mod encoding;
mod order;

use crate::fs::ntfs::wof::Algorithm;
pub use append::{Columns, MoveRows};
use coldread_model::{FileKind, Gap, GapKind, RangeSet, RowFlags, Timestamp};
pub(crate) use order::{InOrder, Place};
use serde::{Deserialize, Serialize};

/// Bytes in a survey's arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

/// A run of a survey's streams or extents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Index of the first.
    pub first: u32,
    /// How many.
    pub count: u32,
}

impl Run {
    /// The indexes.
    pub fn range(self) -> std::ops::Range<usize> {
        self.first as usize..(self.first as usize).saturating_add(self.count as usize)
    }
}

/// An inode or MFT record that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed(4))]
pub struct Inode {
    /// Its number.
    pub number: u64,
    /// Its generation (NTFS: the record's sequence number), matched against [`Entry::parent_generation`];
    /// 0 where the filesystem's names do not carry one.
    pub generation: u16,
    /// What it is.
    pub kind: FileKind,
    /// What is known of it: OWNED, SIZED, DEVICE, BORN, TIMED, LINKED, and ENCRYPTED, INTERNAL, DELETED.
    /// SIZED is set for files and symbolic links only.
    pub flags: RowFlags,
    /// Permission bits, 0o7777.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names.
    pub nlink: u32,
    /// Size in bytes as the kernel shows it.
    pub size: u64,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Last change of metadata.
    pub ctime: Timestamp,
    /// Last access.
    pub atime: Timestamp,
    /// Birth.
    pub crtime: Timestamp,
    /// Device numbers, major and minor.
    pub rdev: (u32, u32),
    /// A symbolic link's target, in the arena.
    pub target: Span,
    /// Extended attributes in the arena, as `coldread_model::listing::encode_xattr` writes them, sorted by
    /// name, names with their namespace (`user.`, `trusted.`, `security.`, `system.`).
    pub xattrs: Span,
    /// Its data streams: the unnamed one first, then named ones sorted by name. Files have at least one.
    pub streams: Run,
}

/// How a stream's bytes are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// In the arena (inline data, resident attributes). Bytes past the span's end, up to the size, are zeros.
    Inline(Span),
    /// In extents, as they are. What no extent covers is zeros.
    Plain(Run),
    /// In extents, compressed with LZNT1 in units of so many bytes (NTFS). Within a unit, allocated bytes
    /// come first; a unit without any is zeros, a fully allocated one is stored as it is.
    Lznt1 {
        /// The extents, logical offsets counted in uncompressed bytes.
        extents: Run,
        /// Bytes of a compression unit.
        unit_bytes: u32,
    },
    /// In chunks, each packed for itself, behind a table of their places (NTFS: system compression).
    Wof {
        /// Where the table and the chunks are.
        packed: Packed,
        /// How the chunks are packed.
        algorithm: Algorithm,
    },
    /// Not readable; the reason is in the arena.
    Unreadable {
        /// Encrypted (else unsupported or corrupt, with a gap recorded where it was found).
        encrypted: bool,
        /// Words.
        reason: Span,
        /// What it allocates all the same.
        extents: Run,
    },
}

/// Where the packed form of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Packed {
    /// In the arena.
    Inline(Span),
    /// In extents, logical offsets counted in packed bytes, from the first one on without holes.
    Extents {
        /// The extents.
        extents: Run,
        /// Packed bytes; the extents may have a few more.
        bytes: PackedBytes,
    },
}

/// Bytes of a packed stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
// Few streams have it, and all of them would take eight bytes more for its sake.
#[repr(C, packed(4))]
pub struct PackedBytes(pub u64);

/// A data stream of an inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its name in the arena (WTF-8); empty for the unnamed one.
    pub name: Span,
    /// Size in bytes.
    pub size: u64,
    /// Bytes from here to the size are zeros, whatever the extents hold (NTFS' initialized size).
    pub initialized: u64,
    /// Where the bytes are.
    pub encoding: Encoding,
}

/// A run of a stream's bytes on the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(C, packed(4))]
pub struct Extent {
    /// Byte offset in the stream.
    pub logical: u64,
    /// Byte offset in the volume.
    pub physical: u64,
    /// Bytes.
    pub len: u64,
    /// Allocated, but never written: reads as zeros.
    pub unwritten: bool,
}

/// A name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, packed(4))]
pub struct Entry {
    /// The directory's inode number.
    pub parent: u64,
    /// The generation that the name demands of the directory; 0 where any will do.
    pub parent_generation: u16,
    /// The inode it names.
    pub child: u64,
    /// The name in the arena; never `.` or `..`.
    pub name: Span,
}

/// What the survey of some units found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Survey {
    /// Inodes in use, in ascending order of number.
    pub inodes: Vec<Inode>,
    /// Names; in any order.
    pub entries: Vec<Entry>,
    /// Streams, those of an inode together.
    pub streams: Vec<Stream>,
    /// Extents, those of a stream together and sorted by logical offset, without overlap.
    pub extents: Vec<Extent>,
    /// Names, targets, attributes, inline data.
    pub arena: Vec<u8>,
    /// Where metadata of these units lies, in bytes of the volume: superblocks, descriptors, bitmaps, inode
    /// tables, directory blocks, extent and attribute blocks, and the extents of internal files (journals).
    pub metadata: RangeSet,
    /// Which bytes of the volume the units' allocation maps call free.
    pub free: RangeSet,
    /// Which bytes could not be read or contradict their format.
    pub damaged: RangeSet,
    /// What could not be read; `volume` and `path` are filled in later.
    pub gaps: Vec<Gap>,
    /// Inodes of which nothing could be read, in runs; each run has its gap too.
    pub lost: Vec<LostInodes>,
}

/// Inodes in a row of which nothing could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostInodes {
    /// The first one's number.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// Why.
    pub kind: GapKind,
}

/// The arena or an index has no room left: a volume of more than four billion names, or a hostile one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a survey holds at most 4 GiB of names and attributes and 4 billion extents")]
pub struct SurveyFull;

impl Survey {
    /// The bytes of a span; empty where it lies outside.
    pub fn bytes(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.arena.get(start..start.saturating_add(span.len as usize)).unwrap_or_default()
    }

    /// Puts bytes into the arena.
    pub fn keep(&mut self, bytes: &[u8]) -> Result<Span, SurveyFull> {
        let start = u32::try_from(self.arena.len()).map_err(|_| SurveyFull)?;
        let len = u32::try_from(bytes.len()).map_err(|_| SurveyFull)?;
        start.checked_add(len).ok_or(SurveyFull)?;
        self.arena.extend_from_slice(bytes);
        Ok(Span { start, len })
    }

    /// Puts a stream's extents in, sorted by logical offset.
    pub fn keep_extents(&mut self, extents: impl IntoIterator<Item = Extent>) -> Result<Run, SurveyFull> {
        let first = u32::try_from(self.extents.len()).map_err(|_| SurveyFull)?;
        self.extents.extend(extents);
        let end = u32::try_from(self.extents.len()).map_err(|_| SurveyFull)?;
        self.extents[first as usize..].sort_unstable();
        Ok(Run { first, count: end - first })
    }

    /// Puts an inode's streams in.
    pub fn keep_streams(&mut self, streams: impl IntoIterator<Item = Stream>) -> Result<Run, SurveyFull> {
        let first = u32::try_from(self.streams.len()).map_err(|_| SurveyFull)?;
        self.streams.extend(streams);
        let end = u32::try_from(self.streams.len()).map_err(|_| SurveyFull)?;
        Ok(Run { first, count: end - first })
    }

    /// Records that nothing could be read of so many inodes from `first` on, with the gap that tells why.
    pub fn lose(&mut self, first: u64, count: u64, gap: Gap) {
        if count > 0 {
            self.lost.push(LostInodes { first, count, kind: gap.kind });
            self.gaps.push(gap.at_inode(first));
        }
    }

    /// The extents of a stream, whatever its encoding.
    pub fn extents_of(&self, stream: &Stream) -> &[Extent] {
        let run = match stream.encoding {
            Encoding::Inline(_) | Encoding::Wof { packed: Packed::Inline(_), .. } => return &[],
            Encoding::Plain(run) => run,
            Encoding::Lznt1 { extents, .. }
            | Encoding::Wof { packed: Packed::Extents { extents, .. }, .. }
            | Encoding::Unreadable { extents, .. } => extents,
        };
        self.extents.get(run.range()).unwrap_or_default()
    }

    /// The streams of an inode.
    pub fn streams_of(&self, inode: &Inode) -> &[Stream] {
        self.streams.get(inode.streams.range()).unwrap_or_default()
    }
}
