//! Which reader reads a source: the rule of `--io auto`, and `--io` that forces.
//!
//! The rule, first match wins:
//!
//! 1. the kernel or container refuses io_uring: `pread`, with the reason;
//! 2. a block device: io_uring;
//! 3. a file whose file system refuses `O_DIRECT`: `pread`;
//! 4. a file at least half of which is in the page cache, by a sample: `pread` through the cache, since
//!    memory is faster than any disk;
//! 5. any other file: io_uring, which still reads through the cache what the cache has.
//!
//! Where a single thread's queue gets no ring (the user's limit on locked memory is met), that queue reads
//! by `pread` under rule 5 and 2, and `--io uring` makes it an error.
//!
//! `mmap` is never picked: a file that shrinks or a page that goes bad can kill the process (see [`super::mmap`]), and
//! it gains nothing that would be worth it. Measured in the page cache with a consumer that looks at every line of the
//! processor's cache, medians of nine, in three rounds: in order `pread` moved 8.1 to 9.3 GB/s and `mmap` 7.7 to 8.9,
//! single pages here and there 2.1 to 2.3 and 1.1 to 1.2.

use super::{
    ReaderChoice, cache, error::OpenError, file::DiskFile, mmap::MmapSource, pread::PreadSource,
    uring::UringSource,
};
use coldread_fsparse::source::BlockSource;
use coldread_model::task::IoMode;
use std::sync::Arc;

/// A file with this percentage in the page cache is read through it.
const WARM_PERCENT: u64 = 50;

/// The reader of `file` for `mode`.
pub(super) fn choose(
    file: Arc<DiskFile>,
    mode: IoMode,
) -> Result<(Arc<dyn BlockSource>, ReaderChoice), OpenError> {
    let asked = |mode: IoMode| ReaderChoice { mode, reason: format!("asked for by --io {}", mode.name()) };
    let path = file.path().to_owned();
    let refused = |reason| OpenError::Reader { path, mode: mode.name(), reason };
    Ok(match mode {
        IoMode::Auto => automatic(file),
        IoMode::Uring => (Arc::new(UringSource::new(file).map_err(refused)?), asked(mode)),
        IoMode::Pread => (Arc::new(PreadSource::new(file)), asked(mode)),
        IoMode::Mmap => (Arc::new(MmapSource::new(file).map_err(refused)?), asked(mode)),
    })
}

fn automatic(file: Arc<DiskFile>) -> (Arc<dyn BlockSource>, ReaderChoice) {
    let reason = match (file.device(), file.direct()) {
        (Some(_), _) => "a block device".to_owned(),
        (None, None) => return pread(file, "its file system has no O_DIRECT".to_owned()),
        (None, Some(_)) => match cache::cached_percent(&file) {
            Some(percent) if percent >= WARM_PERCENT => {
                return pread(file, format!("{percent} % of it is in the page cache"));
            }
            Some(percent) => format!("{percent} % of it is in the page cache, and it can be read past it"),
            None => "it can be read past the page cache".to_owned(),
        },
    };
    match UringSource::new(Arc::clone(&file)) {
        Ok(source) => (Arc::new(source.or_pread()), ReaderChoice { mode: IoMode::Uring, reason }),
        Err(refusal) => pread(file, refusal),
    }
}

fn pread(file: Arc<DiskFile>, reason: String) -> (Arc<dyn BlockSource>, ReaderChoice) {
    (Arc::new(PreadSource::new(file)), ReaderChoice { mode: IoMode::Pread, reason })
}
