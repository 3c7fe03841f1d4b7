//! Rows of findings, batch by batch.

use crate::{
    error::{Error, Result},
    store::Store,
};
use coldread_model::{
    LogWindow, LoginEvent, Package, RowsRef, SnapshotManifest, Timestamp,
    rows::{Row, RowsIter},
};

impl Store {
    /// The rows of batches, in order; one batch is in memory at a time. After an error nothing more comes.
    pub fn rows<T: Row>(
        &self,
        batches: impl IntoIterator<Item = RowsRef>,
    ) -> impl Iterator<Item = Result<T>> {
        let mut batches = batches.into_iter();
        let mut current: Option<(RowsRef, RowsIter<T>, u32)> = None;
        let mut failed = false;
        std::iter::from_fn(move || {
            while !failed {
                if let Some((batch, rows, count)) = &mut current {
                    match rows.next() {
                        Some(Ok(row)) => {
                            *count += 1;
                            return Some(Ok(row));
                        }
                        Some(Err(source)) => {
                            failed = true;
                            return Some(Err(Error::Decode { id: batch.id, source }));
                        }
                        None if *count != batch.rows => {
                            failed = true;
                            let reason = format!("{count} rows where {} should be", batch.rows);
                            let source = coldread_model::DecodeError::Invalid { structure: T::NAME, reason };
                            return Some(Err(Error::Decode { id: batch.id, source }));
                        }
                        None => {}
                    }
                }
                let batch = batches.next()?;
                match self.get_kind(batch.id, T::KIND) {
                    Ok(bytes) => current = Some((batch, RowsIter::new(bytes), 0)),
                    Err(error) => {
                        failed = true;
                        return Some(Err(error));
                    }
                }
            }
            None
        })
    }

    /// The packages of a snapshot, sorted.
    pub fn packages(&self, manifest: &SnapshotManifest) -> impl Iterator<Item = Result<Package>> {
        self.rows(manifest.found.packages.clone())
    }

    /// The login events of a snapshot, sorted. Batches that hold none of `since..until` are not read; the events of
    /// the others all come.
    pub fn logins(
        &self,
        manifest: &SnapshotManifest,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> impl Iterator<Item = Result<LoginEvent>> {
        let batches = manifest.found.logins.iter().filter(|batch| batch.may_hold(since, until));
        self.rows(batches.map(|batch| batch.batch).collect::<Vec<_>>())
    }

    /// What time each login record of a snapshot covers, sorted.
    pub fn log_windows(&self, manifest: &SnapshotManifest) -> impl Iterator<Item = Result<LogWindow>> {
        self.rows(manifest.found.windows.clone())
    }
}
