//! What a leased task is handed and what it hands back. Inputs and outputs are self-describing, so a task
//! can run in a thread, in a child process or on another host.

use crate::{
    asked::Parts,
    coverage::CoverageRange,
    digest::Sha256Digest,
    finding::SystemIdentity,
    gap::Gap,
    id::ObjectId,
    manifest::{ChunkRef, SourceIdentity, VolumeState},
    range::ByteRange,
    rows::FoundRefs,
};
use serde::{Deserialize, Serialize};

/// What of the content a scan reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ContentMode {
    /// Metadata and what the extractors need.
    None,
    /// SHA-256 of every file as well.
    #[default]
    Hash,
}

/// A share of files, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Share(u32);

impl Share {
    const WHOLE: u32 = 1_000_000;

    /// So many millionths; more than all is none.
    pub const fn of_millionths(millionths: u32) -> Option<Self> {
        if millionths <= Self::WHOLE { Some(Self(millionths)) } else { None }
    }

    /// How many millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// Whether it is none at all.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether the file with this number is one of the share: always the same ones, evenly spread.
    pub const fn takes(self, number: u64) -> bool {
        // The last step of MurmurHash3, which spreads neighbouring numbers.
        let mut mixed = number ^ number >> 33;
        mixed = mixed.wrapping_mul(0xff51_afd7_ed55_8ccd);
        mixed ^= mixed >> 33;
        mixed = mixed.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mixed ^= mixed >> 33;
        mixed % (Self::WHOLE as u64) < self.0 as u64
    }
}

/// How a source is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum IoMode {
    /// Whatever suits the source; see the worker's `io` module for the rule.
    #[default]
    Auto,
    /// io_uring, or an error.
    Uring,
    /// Positioned reads.
    Pread,
    /// A memory map.
    Mmap,
}

impl IoMode {
    /// The word for it on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Uring => "uring",
            Self::Pread => "pread",
            Self::Mmap => "mmap",
        }
    }
}

/// Where a task finds its disk, as the worker's host sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Path of an image file or block device.
    pub location: String,
    /// How to read it.
    pub io: IoMode,
}

/// A filesystem on a volume, as probe found it; everything that later tasks need to read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesystemSpec {
    /// The driver's name in fsparse's registry.
    pub driver: String,
    /// The driver's own description of the geometry, opaque to everyone else.
    pub geometry: Vec<u8>,
    /// How many units (block groups, allocation groups, runs of MFT records) a survey can be divided into.
    pub units: u64,
    /// Bytes that the filesystem covers, counted from the volume's start.
    pub size_bytes: u64,
    /// What the journal or log changes: sorted by place, without overlap.
    pub patches: Vec<Patch>,
}

/// Bytes of a volume that a journal or log holds in a newer form than the volume's own blocks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// First byte on the volume that it replaces.
    pub at: u64,
    /// How many bytes.
    pub len: u64,
    /// What stands there instead.
    pub content: PatchContent,
}

/// What a patch puts in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PatchContent {
    /// These bytes, as many as the patch is long.
    Bytes(Vec<u8>),
    /// Bytes that lie elsewhere on the same volume, as they are: a block's copy in the journal.
    Moved {
        /// Where they lie.
        from: u64,
        /// What to change in them afterwards: offset in the patch, and bytes (an escaped magic number).
        fixups: Vec<(u32, Vec<u8>)>,
    },
}

/// A volume, as probe found it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// `whole`, `p1`, …
    pub name: String,
    /// Where in the source it lies.
    pub range: ByteRange,
    /// What it holds: `ext4`, `xfs`, `ntfs`, or what else was recognised, e.g. `LUKS`, `swap`, `unknown`.
    pub content: String,
    /// The filesystem, where a driver reads it.
    pub filesystem: Option<FilesystemSpec>,
    /// Label of the filesystem.
    pub label: Option<String>,
    /// UUID of the filesystem, as blkid shows it.
    pub uuid: Option<String>,
    /// Label of the partition.
    pub partition_label: Option<String>,
    /// UUID of the partition.
    pub partition_uuid: Option<String>,
    /// State of the journal.
    pub state: Option<VolumeState>,
    /// Why that state.
    pub reason: String,
}

/// A leased task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskInput {
    /// Finds containers, partitions, volumes and geometry.
    Probe {
        /// The disk.
        source: SourceSpec,
    },
    /// Surveys units of one volume.
    Survey {
        /// The disk.
        source: SourceSpec,
        /// The volume.
        volume: VolumeSpec,
        /// First unit and number of units.
        units: (u64, u64),
    },
    /// Joins the volumes of an asset, reads what extractors want, plans the content shards.
    /// `surveys` empty means: survey every volume here too, and read the content as well.
    Assemble {
        /// The disk.
        source: SourceSpec,
        /// What probe found.
        probe: ProbeOutput,
        /// For each volume, the names of its surveys' results in unit order; the coordinator serves them.
        /// An empty name stands for a survey that failed at every try: its units are missing. A volume
        /// without a filesystem has none.
        surveys: Vec<Vec<String>>,
        /// Whether contents are wanted.
        content: ContentMode,
        /// The share of files that another library reads too.
        cross_check: Share,
        /// Bytes of one content shard.
        shard_bytes: u64,
        /// Small enough that this one task does it all.
        whole: bool,
        /// What is asked for. Without files, only what extractors need is read, and nothing is listed.
        asked: Parts,
    },
    /// Hashes the files whose first extent lies in a block range.
    Content {
        /// The disk.
        source: SourceSpec,
        /// The volume.
        volume: VolumeSpec,
        /// Name of the output of assemble that lists the files.
        plan: String,
    },
    /// Reads one file's bytes.
    Read {
        /// The disk.
        source: SourceSpec,
        /// The volume.
        volume: VolumeSpec,
        /// The inode or MFT record.
        inode: u64,
        /// The stream; empty for the unnamed one.
        stream: Vec<u8>,
        /// The digest of the disk's metadata when it was scanned: another disk in its place is not read. None: the disk
        /// was in use, and its metadata changes all the time.
        identity: Option<ObjectId>,
    },
}

impl TaskInput {
    /// The word for the kind of task.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Probe { .. } => "probe",
            Self::Survey { .. } => "survey",
            Self::Assemble { .. } => "assemble",
            Self::Content { .. } => "content",
            Self::Read { .. } => "read",
        }
    }
}

/// What probe found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeOutput {
    /// What the source is.
    pub identity: SourceIdentity,
    /// Its volumes in disk order, unreadable ones too.
    pub volumes: Vec<VolumeSpec>,
    /// Ranges outside filesystems.
    pub coverage: Vec<CoverageRange>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
    /// Which reader ran and why, in words for the log.
    pub reader: String,
}

/// No volume's content is cut into more shards.
pub const MAX_CONTENT_SHARDS: usize = 4096;

/// What assemble made of a volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssembledVolume {
    /// Its name.
    pub name: String,
    /// Where the asset's fstab mounts it.
    pub mount: Option<String>,
    /// Its listing; digests are set where the task hashed contents itself.
    pub chunks: Vec<ChunkRef>,
    /// Rows in it.
    pub rows: u64,
    /// State after assembling (surveys may find that only part could be read).
    pub state: Option<VolumeState>,
    /// Why.
    pub reason: String,
    /// The content shards in disk order: name of the output that lists the files, and their bytes.
    /// Empty where the task hashed contents itself, or nobody wants them.
    pub shards: Vec<(String, u64)>,
}

/// What assemble hands back; the listing's objects are sent before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssembleOutput {
    /// The volumes in disk order.
    pub volumes: Vec<AssembledVolume>,
    /// The system found.
    pub system: SystemIdentity,
    /// Packages, logins and what else was found; the objects are sent before it.
    pub found: FoundRefs,
    /// Databases and logs that were there and could not be read, whole or in part: no fault of their volumes.
    pub found_gaps: Vec<Gap>,
    /// The ledger's ranges inside volumes, over those of probe.
    pub coverage: Vec<CoverageRange>,
    /// What could not be read.
    pub gaps: Vec<Gap>,
}

/// A digest of one stream of one inode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamDigest {
    /// The inode or MFT record.
    pub inode: u64,
    /// The stream; empty for the unnamed one.
    pub stream: Vec<u8>,
    /// Its SHA-256.
    pub sha256: Sha256Digest,
}

/// What content hands back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentOutput {
    /// The digests, sorted.
    pub digests: Vec<StreamDigest>,
    /// Ranges that turned out to be unreadable or to contradict their format.
    pub coverage: Vec<CoverageRange>,
    /// Files without a digest and why.
    pub gaps: Vec<Gap>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_takes_its_part_of_neighbouring_numbers() {
        let taken = |millionths| {
            let share = Share::of_millionths(millionths).unwrap();
            (0..100_000).filter(|number| share.takes(*number)).count()
        };
        assert_eq!((taken(0), taken(1_000_000)), (0, 100_000));
        assert!((4_500..5_500).contains(&taken(50_000)), "{}", taken(50_000));
        assert_eq!(Share::of_millionths(1_000_001), None);
    }
}
