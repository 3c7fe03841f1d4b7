//! Scans that were submitted and have not ended, as files beside the store: a coordinator that starts anew begins them
//! again, under the names by which they are watched.
//!
//! What tasks found is not kept: a scan begins again from its first task.

use crate::{cluster::Submission, error};
use coldread_model::codec;
use coldread_proto::ServiceError;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// The last part of a file's name.
const EXTENSION: &str = "scan";
/// What a file's name starts with while it is being written; nobody was told of it then.
const HALF_WRITTEN: &str = ".half";
/// No submission is longer, encoded: its texts are bounded.
const MAX_BYTES: u64 = 1 << 20;

/// A file's content.
#[derive(Serialize, Deserialize)]
struct Entry {
    /// Milliseconds from 1970 to when it was submitted: those that came first begin first.
    submitted: u64,
    submission: Submission,
}

/// The files, unless nothing is to be kept.
#[derive(Debug)]
pub(crate) struct Queue(Option<PathBuf>);

impl Queue {
    /// Keeps nothing.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Keeps scans in `dir`, which is created.
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self(Some(dir)))
    }

    /// Keeps a scan until it is removed; durable when this returns. Blocks.
    pub(crate) fn put(&self, id: &str, submission: &Submission) -> Result<(), ServiceError> {
        let Some(dir) = &self.0 else { return Ok(()) };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let submitted = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let bytes = codec::to_bytes(&Entry { submitted, submission: submission.clone() });
        let path = file(dir, id);
        let write = || {
            let mut written = tempfile::Builder::new().prefix(HALF_WRITTEN).tempfile_in(dir)?;
            written.write_all(&bytes)?;
            written.as_file().sync_all()?;
            written.persist(&path)?;
            File::open(dir)?.sync_all()
        };
        write().map_err(error::of_spool(&path))
    }

    /// Forgets a scan that has ended. One that comes back is only scanned once more.
    pub(crate) fn remove(&self, id: &str) {
        let Some(dir) = &self.0 else { return };
        let path = file(dir, id);
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(file = %path.display(), %error, "an ended scan was not forgotten");
        }
    }

    /// The scans that are kept, with their names, those that were submitted first before others. A file that cannot be
    /// read is told and left where it is.
    pub(crate) fn load(&self) -> io::Result<Vec<(String, Submission)>> {
        let Some(dir) = &self.0 else { return Ok(Vec::new()) };
        let mut found: Vec<(u64, String, Submission)> = Vec::new();
        for item in fs::read_dir(dir)? {
            let path = item?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if name.starts_with(HALF_WRITTEN) {
                fs::remove_file(&path)?;
            }
            let Some((id, EXTENSION)) = name.rsplit_once('.') else { continue };
            match read(&path) {
                Ok(entry) => found.push((entry.submitted, id.to_owned(), entry.submission)),
                Err(error) => {
                    tracing::error!(file = %path.display(), %error, "a submitted scan cannot be read; submit it again");
                }
            }
        }
        found.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
        Ok(found.into_iter().map(|(_, id, submission)| (id, submission)).collect())
    }
}

fn file(dir: &Path, id: &str) -> PathBuf {
    dir.join(format!("{id}.{EXTENSION}"))
}

fn read(path: &Path) -> io::Result<Entry> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    codec::from_bytes("submitted scan", &bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::{
        Parts,
        task::{ContentMode, IoMode, Share, SourceSpec},
    };

    fn submission(location: &str) -> Submission {
        Submission {
            source: SourceSpec { location: location.to_owned(), io: IoMode::Pread },
            asset: "web".to_owned(),
            account: Some("7".to_owned()),
            content: ContentMode::None,
            cross_check: Share::default(),
            asked: Parts::ALL,
            shard_bytes: 5,
        }
    }

    #[test]
    fn what_was_submitted_comes_back_until_it_ends_and_what_is_damaged_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let queue = Queue::open(dir.path().join("queue")).unwrap();
        for (id, location) in [("b-s1", "/one"), ("b-s2", "/two"), ("a-s1", "/three")] {
            queue.put(id, &submission(location)).unwrap();
        }
        queue.remove("b-s2");
        let damaged = dir.path().join("queue/c-s1.scan");
        fs::write(&damaged, b"\xff\xff").unwrap();
        fs::write(dir.path().join("queue/.half1"), b"x").unwrap();
        let again = Queue::open(dir.path().join("queue")).unwrap();
        let mut found = again.load().unwrap();
        found.sort_by(|one, other| one.0.cmp(&other.0));
        assert_eq!(
            found,
            [("a-s1".to_owned(), submission("/three")), ("b-s1".to_owned(), submission("/one"))]
        );
        assert!(damaged.exists() && !dir.path().join("queue/.half1").exists());
        assert_eq!(Queue::none().load().unwrap(), []);
        Queue::none().put("x", &submission("/")).unwrap();
    }
}
