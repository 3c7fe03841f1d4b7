//! Rows of listings: which of them a question wants.

use crate::{error, limits};
use coldread_model::{FileRecord, RowFlags, SnapshotManifest};
use coldread_proto::{ServiceError, v1};
use coldread_store::{PathFilter, Snapshot, Store};
use std::{collections::HashSet, ops::ControlFlow};

/// A question about files.
pub(crate) struct Question {
    /// One for each pattern; a row is wanted where one matches.
    filters: Vec<PathFilter>,
    volume: String,
    all: bool,
}

impl Question {
    /// Reads a question.
    pub(crate) fn new(request: &v1::FilesRequest) -> Result<Self, ServiceError> {
        if request.paths.len() > limits::MAX_PATTERNS {
            return Err(ServiceError::Limit(format!("{} patterns in one question", request.paths.len())));
        }
        let filters = if request.paths.is_empty() {
            vec![PathFilter::all()]
        } else {
            let read = |pattern: &String| PathFilter::glob(pattern).map_err(error::of_store);
            request.paths.iter().map(read).collect::<Result<_, _>>()?
        };
        Ok(Self { filters, volume: request.volume.clone(), all: request.all })
    }

    /// Whether a snapshot has the volume that the question is about, if it is about one.
    pub(crate) fn is_about(&self, manifest: &SnapshotManifest) -> bool {
        self.volume.is_empty() || manifest.volumes.iter().any(|volume| volume.name == self.volume)
    }

    /// That no snapshot has it.
    pub(crate) fn no_volume(&self) -> ServiceError {
        ServiceError::NotFound(format!("no volume {:?}", limits::cut(&self.volume)))
    }

    /// Hands the rows of a snapshot to `each`, volume by volume in stored order; where several patterns are
    /// given, pattern by pattern within a volume, each row once.
    pub(crate) fn answer(
        &self,
        store: &Store,
        snapshot: &Snapshot,
        mut each: impl FnMut(FileRecord) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        let id = snapshot.head.manifest.to_string();
        for volume in &snapshot.manifest.volumes {
            if !self.volume.is_empty() && volume.name != self.volume {
                continue;
            }
            let alone = SnapshotManifest { volumes: vec![volume.clone()], ..snapshot.manifest.clone() };
            let mut seen: HashSet<(Vec<u8>, Option<Vec<u8>>, u64)> = HashSet::new();
            for filter in &self.filters {
                let flow = store.files(&alone, filter, |volume, row, digest| {
                    let hidden = RowFlags::INTERNAL | RowFlags::DELETED;
                    if !self.all && row.stable.flags.intersects(hidden) {
                        return ControlFlow::Continue(());
                    }
                    let mut record = row.to_record();
                    let key = || (record.path.clone(), record.stream.clone(), record.inode);
                    if self.filters.len() > 1 && !seen.insert(key()) {
                        return ControlFlow::Continue(());
                    }
                    record.asset.clone_from(&snapshot.manifest.asset);
                    record.snapshot.clone_from(&id);
                    record.volume.clone_from(&volume.name);
                    record.mount.clone_from(&volume.mount);
                    record.sha256 = digest;
                    match each(record) {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(error) => ControlFlow::Break(error),
                    }
                });
                if let ControlFlow::Break(error) = flow.map_err(error::of_store)? {
                    return Err(error);
                }
            }
        }
        Ok(())
    }
}
