//! Open disks, kept between the tasks of a scan.

use super::TaskError;
use crate::io::{self, OpenSource};
use coldread_model::{
    ObjectId,
    task::{IoMode, SourceSpec},
};
use std::{
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// So many disks stay open; a worker works on few scans at once.
const KEPT: usize = 4;

/// What a location meant when it was opened: another file under the same name is another disk.
#[derive(Clone, PartialEq, Eq)]
struct Key {
    location: String,
    io: IoMode,
    file: Option<(u64, u64, u64, i64, i64)>,
}

/// The disks that are open, the last used last.
pub(super) struct Disks {
    /// Bytes that a queue reads ahead.
    ahead: u64,
    open: Mutex<Vec<(Key, Arc<OpenSource>)>>,
    /// What the disks that were asked about were, the last one last.
    identities: Mutex<Vec<(Key, ObjectId)>>,
}

impl Key {
    fn of(spec: &SourceSpec) -> Self {
        let file = std::fs::metadata(&spec.location).ok();
        let file = file.map(|m| (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec()));
        Self { location: spec.location.clone(), io: spec.io, file }
    }
}

impl Disks {
    /// None is open; the queues of those that will be read so many bytes ahead.
    pub(super) fn within(ahead: u64) -> Self {
        Self { ahead, open: Mutex::default(), identities: Mutex::default() }
    }

    /// The digest of a disk's metadata, found anew when the file changes: who extracts a thousand files asks a
    /// thousand times.
    pub(super) fn identity(
        &self,
        spec: &SourceSpec,
        find: impl FnOnce() -> Result<ObjectId, TaskError>,
    ) -> Result<ObjectId, TaskError> {
        let key = Key::of(spec);
        let known = || self.identities.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, identity)) = known().iter().find(|(kept, _)| *kept == key) {
            return Ok(*identity);
        }
        let identity = find()?;
        let mut known = known();
        if known.len() >= KEPT {
            known.remove(0);
        }
        known.push((key, identity));
        Ok(identity)
    }

    /// The disk at a location, opened unless it is.
    pub(super) fn open(&self, spec: &SourceSpec) -> Result<Arc<OpenSource>, TaskError> {
        let key = Key::of(spec);
        // Held while opening, so that two tasks of one scan do not unpack an image twice.
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(kept, _)| *kept == key) {
            let found = open.remove(at);
            let disk = Arc::clone(&found.1);
            open.push(found);
            return Ok(disk);
        }
        let opened = io::open_within(Path::new(&spec.location), spec.io, self.ahead);
        let disk = Arc::new(opened.map_err(|error| TaskError::Source(error.to_string()))?);
        if open.len() >= KEPT {
            open.remove(0);
        }
        open.push((key, Arc::clone(&disk)));
        Ok(disk)
    }
}
