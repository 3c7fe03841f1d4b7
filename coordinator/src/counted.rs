//! How much a scan found, of what it was asked for: nobody counted the rest, and no number is not zero.

use coldread_model::{Part, SnapshotManifest};

/// Numbers of what a snapshot holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) files: Option<u64>,
    pub(crate) packages: Option<u64>,
    pub(crate) logins: Option<u64>,
    pub(crate) failed_logins: Option<u64>,
}

impl Counted {
    /// The numbers of a snapshot.
    pub(crate) fn of(manifest: &SnapshotManifest) -> Self {
        let asked = |parts: &[Part]| parts.iter().any(|part| manifest.asked.contains(*part));
        let (files, logins) = (asked(&[Part::Files]), asked(&[Part::Logins]));
        Self {
            files: files.then(|| manifest.volumes.iter().map(|volume| volume.rows).sum()),
            packages: asked(&[Part::Packages, Part::Libraries]).then_some(manifest.counts.packages),
            logins: logins.then_some(manifest.counts.logins),
            failed_logins: logins.then_some(manifest.counts.failed_logins),
        }
    }
}
