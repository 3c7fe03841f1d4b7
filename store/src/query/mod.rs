//! Answers from committed snapshots.

mod files;
mod glob;
mod path;
mod rows;

pub use glob::{Pattern, PatternOptions};
pub use path::PathFilter;

use crate::{
    error::{Error, Result},
    store::Store,
};
use coldread_model::{Gap, Ledger, ObjectId, ObjectKind, SnapshotManifest, codec, manifest::Head};
use serde::de::DeserializeOwned;

/// A committed snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When it was committed, and its place among the others.
    pub head: Head,
    /// What it holds.
    pub manifest: SnapshotManifest,
}

impl Store {
    /// The head of the newest snapshot of each asset, in the order of the assets' names (bytes), from the first name
    /// after `after`. An error is one of the index.
    pub fn assets<'s>(&'s self, after: Option<&str>) -> impl Iterator<Item = Result<Head>> + use<'s> {
        self.catalog.newest(after)
    }

    /// The head of the newest snapshot of one asset, if the store knows it.
    pub fn newest_head(&self, asset: &str) -> Result<Option<Head>> {
        self.catalog.newest_of(asset)
    }

    /// The newest snapshot of one asset, if the store knows it.
    pub fn newest(&self, asset: &str) -> Result<Option<Snapshot>> {
        self.catalog.newest_of(asset)?.map(|head| self.snapshot(head)).transpose()
    }

    /// All snapshots of one asset, the newest first. Each scan is one, so scans with equal results differ only
    /// in time and sequence.
    pub fn snapshots(&self, asset: &str) -> Result<Vec<Head>> {
        self.catalog.history(asset)
    }

    /// The snapshot of a head.
    pub fn snapshot(&self, head: Head) -> Result<Snapshot> {
        Ok(Snapshot { manifest: self.manifest(head.manifest)?, head })
    }

    /// A snapshot's manifest; its id is [`Head::manifest`].
    pub fn manifest(&self, id: ObjectId) -> Result<SnapshotManifest> {
        self.record(id, ObjectKind::Manifest, "manifest")
    }

    /// The coverage ledger.
    pub fn ledger(&self, manifest: &SnapshotManifest) -> Result<Ledger> {
        self.record(manifest.coverage, ObjectKind::Coverage, "ledger")
    }

    /// What could not be read, sorted.
    pub fn gaps(&self, manifest: &SnapshotManifest) -> Result<Vec<Gap>> {
        self.record(manifest.gaps, ObjectKind::Gaps, "gaps")
    }

    fn record<T: DeserializeOwned>(
        &self,
        id: ObjectId,
        kind: ObjectKind,
        structure: &'static str,
    ) -> Result<T> {
        let bytes = self.get_kind(id, kind)?;
        codec::from_bytes(structure, &bytes).map_err(|source| Error::Decode { id, source })
    }
}
