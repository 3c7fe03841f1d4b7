//! A file's bytes as an extractor sees them.

use coldread_model::{ByteRange, GapKind};

/// Why a file's bytes could not be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The source could not be read there.
    #[error("bytes {}..{}: {reason}", range.start, range.end())]
    Io {
        /// Bytes of the file.
        range: ByteRange,
        /// The source's words.
        reason: String,
    },
    /// The content is stored in a way that is not read (encrypted, an unknown compression).
    #[error("{0}")]
    Unsupported(String),
    /// The stored form contradicts itself.
    #[error("{0}")]
    Corrupt(String),
    /// The file is larger than the extractor's bound.
    #[error("{size} bytes, at most {limit} are read")]
    TooLarge {
        /// The file's size.
        size: u64,
        /// The bound.
        limit: u64,
    },
}

impl ViewError {
    /// The kind of gap that it makes.
    pub const fn gap_kind(&self) -> GapKind {
        match self {
            Self::Io { .. } => GapKind::Io,
            Self::Unsupported(_) => GapKind::Unsupported,
            Self::Corrupt(_) => GapKind::Corrupt,
            Self::TooLarge { .. } => GapKind::Limit,
        }
    }
}

/// A file's bytes. Reading past the end gives fewer bytes; holes read as zeros and cost nothing.
pub trait FileView {
    /// Size in bytes.
    fn len(&self) -> u64;

    /// Whether it holds no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The parts that hold data, in order; the rest are holes. A terabyte's lastlog has a few kilobytes here.
    fn data_segments(&self) -> &[ByteRange];

    /// Fills `out` from `offset` and says how many bytes there were: fewer than `out` only at the end.
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, ViewError>;

    /// All bytes of a file of at most `limit`.
    fn read_all(&mut self, limit: u64) -> Result<Vec<u8>, ViewError> {
        let size = self.len();
        if size > limit {
            return Err(ViewError::TooLarge { size, limit });
        }
        let mut bytes = vec![0; size as usize];
        let got = self.read_at(0, &mut bytes)?;
        bytes.truncate(got);
        Ok(bytes)
    }
}

/// A view of bytes that somebody else holds.
#[derive(Clone, Debug)]
pub struct SliceView<'a> {
    bytes: &'a [u8],
    whole: [ByteRange; 1],
}

impl<'a> From<&'a [u8]> for SliceView<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, whole: [ByteRange::new(0, bytes.len() as u64)] }
    }
}

impl FileView for SliceView<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn data_segments(&self) -> &[ByteRange] {
        if self.bytes.is_empty() { &[] } else { &self.whole }
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, ViewError> {
        Ok(copy(self.bytes, offset, out))
    }
}

/// Copies what `bytes` has from `offset` on and says how much that is.
fn copy(bytes: &[u8], offset: u64, out: &mut [u8]) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).unwrap_or_default();
    let len = rest.len().min(out.len());
    out[..len].copy_from_slice(&rest[..len]);
    len
}

/// A view of bytes in memory, for tests and for what was fetched whole.
#[derive(Clone, Debug)]
pub struct MemoryView {
    bytes: Vec<u8>,
    segments: Vec<ByteRange>,
}

impl From<Vec<u8>> for MemoryView {
    fn from(bytes: Vec<u8>) -> Self {
        let whole = ByteRange::new(0, bytes.len() as u64);
        Self { bytes, segments: if whole.is_empty() { Vec::new() } else { vec![whole] } }
    }
}

impl FileView for MemoryView {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn data_segments(&self) -> &[ByteRange] {
        &self.segments
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, ViewError> {
        Ok(copy(&self.bytes, offset, out))
    }
}
