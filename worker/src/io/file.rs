//! The opened file or device that the three readers share.

use super::{error::OpenError, pool::SLAB, waiting::MAX_READ};
use coldread_fsparse::source::SourceError;
use coldread_model::ByteRange;
use rustix::fs::OFlags;
use std::{
    fs::File,
    io::{self, Seek, SeekFrom},
    os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

/// Smallest unit that is read or given up: a page, or the device's logical block where that is larger.
const MIN_BLOCK: u64 = 4096;
/// Devices with larger logical blocks than this are read through the page cache only.
const MAX_BLOCK: u64 = 64 << 10;

/// Bytes under way in one queue, at most: enough for the deepest disk, little enough for many threads.
pub(super) const MAX_AHEAD: u64 = 32 << 20;

/// Slabs for so many bytes under way.
pub(super) const fn slabs_for(ahead: u64) -> u16 {
    (ahead / SLAB as u64) as u16 + 2
}

/// A positioned read, behind a trait so that tests can put a failing disk under the readers.
pub(super) trait RawRead: Send + Sync {
    /// Reads some bytes at `offset`, as `pread(2)` does; 0 means the end.
    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Offsets and lengths must be multiples of it: 1, or the block size where the page cache is bypassed.
    fn alignment(&self) -> usize;
}

/// A regular file or block device, opened read only.
#[derive(Debug)]
pub(super) struct DiskFile {
    path: PathBuf,
    cached: File,
    direct: Option<File>,
    /// Set once the file system has taken `O_DIRECT` at open but refused it at a read.
    direct_refused: AtomicBool,
    size: u64,
    block: u64,
    device: Option<u64>,
    sparse: bool,
    /// Bytes that a queue has under way at most.
    ahead: u64,
}

impl DiskFile {
    /// Opens `path`; whatever is not a regular file or block device with bytes in it is an error.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        // What it is, is asked before it is opened: opening a tape, a watchdog or a pipe has effects.
        let kind = std::fs::metadata(path).map_err(|error| OpenError::from_io(path, &error))?.file_type();
        if kind.is_dir() {
            return Err(OpenError::Directory { path: path.to_owned() });
        }
        if !kind.is_file() && !kind.is_block_device() {
            return Err(OpenError::not_a_disk(path, kind));
        }
        let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits() as i32;
        let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path);
        Self::from_file(path, file.map_err(|error| OpenError::from_io(path, &error))?)
    }

    /// Takes over an open file; `path` is its name in messages.
    pub(super) fn from_file(path: &Path, mut file: File) -> Result<Self, OpenError> {
        let failed = |error: &io::Error| OpenError::from_io(path, error);
        let meta = file.metadata().map_err(|error| failed(&error))?;
        let kind = meta.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            return Err(OpenError::not_a_disk(path, kind));
        }
        // Non-blocking was for the open alone; io_uring would take it for the reads as well.
        rustix::fs::fcntl_setfl(&file, OFlags::empty()).map_err(|error| failed(&error.into()))?;
        let size = file.seek(SeekFrom::End(0)).map_err(|error| failed(&error))?;
        if size == 0 {
            return Err(OpenError::Empty { path: path.to_owned() });
        }
        let device = kind.is_block_device().then(|| meta.rdev());
        let sector = match device {
            Some(_) => rustix::fs::ioctl_blksszget(&file).map_or(MIN_BLOCK, u64::from),
            None => MIN_BLOCK,
        };
        let plain = sector.is_power_of_two() && sector <= MAX_BLOCK;
        let direct = if plain { reopen_direct(&file) } else { None };
        Ok(Self {
            path: path.to_owned(),
            cached: file,
            direct,
            direct_refused: AtomicBool::new(false),
            size,
            block: if plain { sector.max(MIN_BLOCK) } else { MIN_BLOCK },
            device,
            sparse: kind.is_file() && meta.blocks().saturating_mul(512) < size,
            ahead: MAX_AHEAD,
        })
    }

    /// The same file, read with about so many bytes under way in a queue; at least two of the longest reads, and
    /// at most [`MAX_AHEAD`].
    pub(super) fn with_ahead(self, ahead: u64) -> Self {
        Self { ahead: ahead.clamp(2 * MAX_READ, MAX_AHEAD), ..self }
    }

    /// Bytes that a queue may have under way.
    pub(super) fn ahead(&self) -> u64 {
        self.ahead
    }

    /// Slabs that a queue keeps: those for what is under way, and two more, as consumers hold some.
    pub(super) fn slabs(&self) -> u16 {
        slabs_for(self.ahead)
    }

    /// Size in bytes when it was opened.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Size in bytes now: a regular file may have changed under us.
    pub(super) fn size_now(&self) -> io::Result<u64> {
        if self.device.is_some() { Ok(self.size) } else { Ok(self.cached.metadata()?.len()) }
    }

    /// The unit of reads and of what is given up, in bytes: a power of two from 4 KiB to 64 KiB.
    pub(super) fn block(&self) -> u64 {
        self.block
    }

    /// The device number of a block device.
    pub(super) fn device(&self) -> Option<u64> {
        self.device
    }

    /// Whether fewer bytes are stored than the size says, so that there may be holes.
    pub(super) fn is_sparse(&self) -> bool {
        self.sparse
    }

    /// The name in messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file as read through the page cache.
    pub(super) fn cached(&self) -> &File {
        &self.cached
    }

    /// The file as read past the page cache, where its file system allows it.
    pub(super) fn direct(&self) -> Option<&File> {
        self.direct.as_ref().filter(|_| !self.direct_refused.load(Ordering::Relaxed))
    }

    /// Ends direct reads: they were refused.
    pub(super) fn refuse_direct(&self) {
        self.direct_refused.store(true, Ordering::Relaxed);
    }

    /// `range` widened to whole blocks.
    pub(super) fn widened(&self, range: ByteRange) -> ByteRange {
        let mask = self.block - 1;
        ByteRange::between(range.start & !mask, range.end().saturating_add(mask) & !mask)
    }

    /// The error of `range`, which could not be read for `reason`.
    pub(super) fn error(&self, range: ByteRange, reason: String) -> SourceError {
        let context = format!("read {} bytes at {} of {}", range.len, range.start, self.path.display());
        SourceError::Io { context, reason }
    }
}

/// Reads past the page cache while that works, so that one bad sector is not spread by read-ahead.
pub(super) struct DirectFirst(pub(super) std::sync::Arc<DiskFile>);

impl RawRead for DirectFirst {
    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        if let Some(direct) = self.0.direct() {
            match direct.read_at(room, offset) {
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => self.0.refuse_direct(),
                other => return other,
            }
        }
        self.0.cached.read_at(room, offset)
    }

    fn alignment(&self) -> usize {
        if self.0.direct().is_some() { self.0.block as usize } else { 1 }
    }
}

impl RawRead for DiskFile {
    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        self.cached.read_at(room, offset)
    }

    fn alignment(&self) -> usize {
        1
    }
}

/// The same file with `O_DIRECT`. It goes through `/proc`, so that it is the same file even if another was
/// given its name since, or none has it any more.
fn reopen_direct(file: &File) -> Option<File> {
    use std::os::fd::AsRawFd;
    let flags = (OFlags::DIRECT | OFlags::CLOEXEC).bits() as i32;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).ok()
}
