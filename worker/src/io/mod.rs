//! Reading sources: image files, block devices and compressed raw images.
//!
//! [`open`] turns a path into a [`BlockSource`] and says which reader serves it and why. Three readers
//! stand behind the one trait and share everything but the read itself: `waiting` cuts, sorts and merges
//! requests, `holes` answers holes without reading, `pool` lends buffers, `salvage` gets around bad
//! sectors. `uring` is for cold disks, `pread` for the page cache and for hosts that refuse io_uring,
//! `mmap` for those who ask for it. The rule of `--io auto` is in `auto`.
//!
//! This is the one module of the worker that may hold `unsafe`: system calls and memory that the kernel
//! writes. So the program's heap, [`HugeHeap`], is here too.
#![allow(unsafe_code)]

mod ahead;
mod auto;
mod cache;
mod error;
mod file;
mod heap;
mod hinted;
mod holes;
mod huge;
mod live;
mod mmap;
mod moved;
mod pool;
mod pread;
mod ring;
mod salvage;
mod spare;
mod spool;
#[cfg(test)]
mod tests;
mod uring;
mod waiting;

pub use error::OpenError;
pub use heap::HugeHeap;
pub(crate) use moved::GivenBack;
pub use spool::{SpoolOptions, SpoolProgress};

use coldread_fsparse::source::BlockSource;
use coldread_model::task::IoMode;
use file::DiskFile;
use std::{path::Path, sync::Arc};

/// An opened source.
pub struct OpenSource {
    /// Its bytes; those of the unpacked image where it was compressed.
    pub source: Arc<dyn BlockSource>,
    /// What it was: `raw`, `block device`, `gz`, `zst` or `xz`.
    pub container: String,
    /// Which reader serves it and why.
    pub reader: ReaderChoice,
    /// A block device that is mounted read-write, itself or a partition of it: it may change under us.
    pub live: bool,
}

/// Which reader serves a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderChoice {
    /// The reader; never [`IoMode::Auto`].
    pub mode: IoMode,
    /// Why this one, in words.
    pub reason: String,
}

/// Makes memory ready for the first reads, beside what the caller does; opening a source does so too. Only the first call
/// does anything.
pub fn prepare() {
    pool::prepare();
}

/// Opens the image or device at `location` for reading with `mode`. Compressed images are unpacked under
/// `TMPDIR` first; see [`open_with`] for another place.
pub fn open(location: &Path, mode: IoMode) -> Result<OpenSource, OpenError> {
    open_with(location, mode, &SpoolOptions::default())
}

/// Like [`open`], with queues that have at most about `ahead` bytes under way.
pub fn open_within(location: &Path, mode: IoMode, ahead: u64) -> Result<OpenSource, OpenError> {
    open_all(location, mode, &SpoolOptions::default(), ahead)
}

/// Like [`open`], with the place, limit and progress of unpacking.
pub fn open_with(location: &Path, mode: IoMode, spool: &SpoolOptions<'_>) -> Result<OpenSource, OpenError> {
    open_all(location, mode, spool, file::MAX_AHEAD)
}

fn open_all(
    location: &Path,
    mode: IoMode,
    spool: &SpoolOptions<'_>,
    ahead: u64,
) -> Result<OpenSource, OpenError> {
    prepare();
    let mut file = DiskFile::open(location)?;
    let mut container = "raw";
    let mut live = false;
    if let Some(device) = file.device() {
        container = "block device";
        live = live::is_live(device);
    } else {
        let format = spool::Format::of(file.cached());
        if let Some(format) = format.map_err(|error| OpenError::from_io(location, &error))? {
            container = format.name();
            let image = spool::unpack(location, file.cached(), format, spool)?;
            file = DiskFile::from_file(location, image)?;
        }
    }
    let (source, reader) = auto::choose(Arc::new(file.with_ahead(ahead)), mode)?;
    Ok(OpenSource { source, container: container.to_owned(), reader, live })
}
