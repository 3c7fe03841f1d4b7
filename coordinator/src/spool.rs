//! Outputs of a scan's tasks, kept as files until the scan ends.

use crate::{error, limits};
use coldread_proto::ServiceError;
use std::{
    fs, io,
    io::Read,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};
use tempfile::{NamedTempFile, TempPath};

/// What the coordinator's own names start with; workers may not use it.
pub(crate) const RESERVED: &str = "result/";

/// The directory of one scan's outputs; removed when dropped.
#[derive(Debug)]
pub(crate) struct Spool {
    dir: PathBuf,
    kept: AtomicUsize,
}

/// Removes what an earlier life of the coordinator left in `root`, and creates it.
pub(crate) fn clear(root: &Path) -> io::Result<()> {
    match fs::remove_dir_all(root) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => fs::create_dir_all(root),
    }
}

impl Spool {
    /// A new directory for the scan `id` in `root`.
    pub(crate) fn create(root: &Path, id: &str) -> Result<Self, ServiceError> {
        let dir = root.join(id);
        fs::create_dir(&dir).map_err(error::of_spool(&dir))?;
        Ok(Self { dir, kept: AtomicUsize::new(0) })
    }

    /// A file to write an output to; removed unless it is kept.
    pub(crate) fn incoming(&self) -> Result<NamedTempFile, ServiceError> {
        NamedTempFile::new_in(&self.dir).map_err(error::of_spool(&self.dir))
    }

    /// Where the output `name` lies. Names come from workers, so their hash is the file's name.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(blake3::hash(name.as_bytes()).to_hex().as_str())
    }

    /// Keeps a written file as the output `name`, in place of an earlier one.
    pub(crate) fn keep(&self, written: TempPath, name: &str) -> Result<(), ServiceError> {
        if self.kept.fetch_add(1, Ordering::Relaxed) >= limits::MAX_OUTPUTS {
            return Err(ServiceError::Limit(format!(
                "more than {} outputs of one scan",
                limits::MAX_OUTPUTS
            )));
        }
        let path = self.path(name);
        written.persist(&path).map_err(|failed| error::of_spool(&path)(failed.error))
    }

    /// Gives an output another name.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), ServiceError> {
        let path = self.path(from);
        fs::rename(&path, self.path(to)).map_err(error::of_spool(&path))
    }

    /// Whether there is an output `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).is_file()
    }

    /// A whole result, if it is not too large to be one.
    pub(crate) fn read_result(&self, name: &str) -> Result<Vec<u8>, ServiceError> {
        let path = self.path(name);
        let file = match fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ServiceError::Invalid("the task's result was not sent".to_owned()));
            }
            opened => opened.map_err(error::of_spool(&path))?,
        };
        let mut bytes = Vec::new();
        file.take(limits::MAX_RESULT_BYTES + 1).read_to_end(&mut bytes).map_err(error::of_spool(&path))?;
        if bytes.len() as u64 > limits::MAX_RESULT_BYTES {
            return Err(ServiceError::Limit(format!("a result of over {} bytes", limits::MAX_RESULT_BYTES)));
        }
        Ok(bytes)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.dir) {
            tracing::warn!(dir = %self.dir.display(), %error, "outputs of a scan were not removed");
        }
    }
}
