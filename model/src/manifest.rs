//! What a snapshot is: its source, its volumes and the objects that hold the result.

use crate::{
    asked::Parts, finding::SystemIdentity, id::ObjectId, package::words, range::ByteRange, rows::FoundRefs,
    time::Timestamp,
};
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// What became of a volume's journal or log.
    VolumeState {
        /// Nothing was left to replay.
        Clean = "clean",
        /// The journal or log was applied in memory.
        Replayed = "replayed",
        /// The journal or log holds changes that were not applied.
        Unreplayed = "unreplayed",
        /// Only part could be read.
        Partial = "partial",
        /// The volume was in use while it was read.
        Live = "live",
    }
}

/// What a source is, for the chain of custody: independent of where a copy of it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceIdentity {
    /// The path or address that was scanned.
    pub location: String,
    /// The container it came in: raw, block device, gz, zst, xz.
    pub container: String,
    /// Size of the disk in bytes.
    pub size: u64,
    /// The partition table's own id (GPT's GUID, MBR's signature), if it has one.
    pub table_id: Option<String>,
    /// Each partition's or filesystem's UUID, in disk order.
    pub volume_ids: Vec<String>,
    /// Digest of the partition tables and superblocks as they were read.
    pub metadata_digest: ObjectId,
}

/// A chunk of a volume's listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRef {
    /// The stable columns.
    pub stable: ObjectId,
    /// The volatile columns.
    pub volatile: ObjectId,
    /// The digests, if the scan made any.
    pub digests: Option<ObjectId>,
    /// Number of rows.
    pub rows: u32,
}

/// A volume of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeManifest {
    /// `whole`, `p1`, `p2`, … or `vg/lv`.
    pub name: String,
    /// Where in the source it lies.
    pub range: ByteRange,
    /// The filesystem's name (ext4, xfs, ntfs), or what else was recognised.
    pub content: String,
    /// Label.
    pub label: Option<String>,
    /// UUID or serial number as blkid shows it.
    pub uuid: Option<String>,
    /// Where the asset's fstab mounts it.
    pub mount: Option<String>,
    /// State of its journal, for filesystems that were read.
    pub state: Option<VolumeState>,
    /// Why that state.
    pub reason: String,
    /// The listing in order; empty where no filesystem was read.
    pub chunks: Vec<ChunkRef>,
    /// Rows in the listing.
    pub rows: u64,
}

/// How many findings there are, so that a list of assets need not read them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Installed packages.
    pub packages: u64,
    /// Login events of every kind.
    pub logins: u64,
    /// Failed logins.
    pub failed_logins: u64,
    /// Gaps.
    pub gaps: u64,
}

/// Everything that a scan of one asset found; its id is the snapshot's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotManifest {
    /// The version of the tool that made it.
    pub tool_version: String,
    /// The asset's name.
    pub asset: String,
    /// The account it belongs to, if one was given.
    pub account: Option<String>,
    /// What was read.
    pub source: SourceIdentity,
    /// What was asked for: what is not there was not looked for where it is not in here.
    pub asked: Parts,
    /// Whether contents were hashed.
    pub hashed: bool,
    /// The system found.
    pub system: SystemIdentity,
    /// The volumes in disk order.
    pub volumes: Vec<VolumeManifest>,
    /// The volumes as probe found them (`Vec<`[`crate::task::VolumeSpec`]`>`), for reading files later.
    pub volume_specs: ObjectId,
    /// Packages, logins and what else was found.
    pub found: FoundRefs,
    /// The ledger ([`crate::Ledger`]).
    pub coverage: ObjectId,
    /// The gaps (`Vec<Gap>`, sorted).
    pub gaps: ObjectId,
    /// How many of them there are.
    pub counts: Counts,
}

/// When a snapshot was committed: kept beside the manifest, so that the manifest holds no clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The asset's name.
    pub asset: String,
    /// The snapshot's manifest.
    pub manifest: ObjectId,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// Counts up with each commit to a store, so that the newest head is known without trusting clocks.
    pub sequence: u64,
}
