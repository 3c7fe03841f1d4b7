//! Filesystems: one folder each, and the registry.
//!
//! A driver finds the geometry in one volume ([`Filesystem::probe`]), surveys any run of its units
//! ([`Filesystem::survey`]: block groups, allocation groups, runs of MFT records) and re-reads single inodes
//! ([`Filesystem::inodes`]). All three are [`Machine`]s: breadth first, in a number of rounds that depends on
//! the depth of the on-disk trees and never on the number of files.

mod cut;
pub mod ext4;
pub mod ntfs;
pub mod share;
pub mod xfs;

use crate::{error::ParseError, machine::Machine, survey::Survey};
use coldread_model::{Gap, VolumeState, task::Patch};
use std::ops::Range;

/// Every filesystem that is read. To add one: its folder, and a line here.
pub const FILESYSTEMS: &[&dyn Filesystem] = &[&ext4::Ext4, &xfs::Xfs, &ntfs::Ntfs];

/// How many bytes from a volume's start [`Filesystem::recognises`] is shown.
pub const HEAD_BYTES: u64 = 192 << 10;

/// What a driver found out about a volume.
#[derive(Clone, Debug)]
pub struct Probed {
    /// The driver's description of the geometry for later tasks, which may run elsewhere.
    pub geometry: Vec<u8>,
    /// How many units a survey can be divided into; at least 1.
    pub units: u64,
    /// What it is called: ext2, ext3, ext4, xfs, ntfs.
    pub name: String,
    /// The label, if it has one.
    pub label: Option<String>,
    /// The UUID or serial number as blkid shows it.
    pub uuid: Option<String>,
    /// Bytes of the volume that the filesystem covers: fewer than it has where the volume is cut short.
    pub size_bytes: u64,
    /// Bytes of an allocation block.
    pub block_bytes: u32,
    /// State of the journal or log.
    pub state: VolumeState,
    /// Why that state; empty when clean.
    pub reason: String,
    /// What the journal or log changes, sorted by place, without overlap: surveys and content read the
    /// volume through [`crate::source::overlay::Overlay`] with these. Empty unless the state is `Replayed` or
    /// `Partial`.
    pub patches: Vec<Patch>,
    /// The superblock or boot sector as read: part of the source's identity.
    pub identity: Vec<u8>,
    /// What could not be read or is not supported and does not prevent a survey.
    pub gaps: Vec<Gap>,
}

/// A machine that finds the geometry.
pub trait ProbeMachine: Machine {
    /// The geometry, or why there is none. Called once nothing is outstanding.
    fn finish(self: Box<Self>) -> Result<Probed, ParseError>;
}

/// A machine that surveys.
pub trait SurveyMachine: Machine {
    /// What was found. Called once nothing is outstanding.
    fn finish(self: Box<Self>) -> Survey;
}

/// A machine that weighs units.
pub trait WeighMachine: Machine {
    /// About how many bytes the survey of each unit reads. Called once nothing is outstanding.
    fn finish(self: Box<Self>) -> Vec<u64>;
}

/// A filesystem's driver. Offsets are in bytes of its volume throughout.
pub trait Filesystem: Send + Sync {
    /// Its name in the registry and in tasks.
    fn name(&self) -> &'static str;

    /// Whether a volume that starts with `head` ([`HEAD_BYTES`] or what there is) holds this filesystem.
    fn recognises(&self, head: &[u8]) -> bool;

    /// The same for a volume whose superblock is damaged, by what else is near its start. Asked only where nothing
    /// else is recognised: a format that came later may have left it there.
    fn recognises_damaged(&self, _head: &[u8]) -> bool {
        false
    }

    /// Finds the geometry of a volume of so many bytes.
    fn probe(&self, volume_bytes: u64) -> Box<dyn ProbeMachine>;

    /// Surveys a run of units: each inode that lives in them, with its names if it is a directory, its
    /// extents, attributes and link target.
    fn survey(&self, geometry: &[u8], units: Range<u64>) -> Result<Box<dyn SurveyMachine>, ParseError>;

    /// Weighs a run of units, so that threads get as much each; `None` where units weigh about the same, or where it
    /// would take as long to find out as to survey. What cannot be read weighs nothing: the survey tells of it.
    fn weigh(
        &self,
        _geometry: &[u8],
        _units: Range<u64>,
    ) -> Result<Option<Box<dyn WeighMachine>>, ParseError> {
        Ok(None)
    }

    /// Reads single inodes again, streams and extents included, names in directories not. Numbers that do
    /// not exist or are not in use are left out with a gap.
    fn inodes(&self, geometry: &[u8], numbers: &[u64]) -> Result<Box<dyn SurveyMachine>, ParseError>;

    /// Reads single inodes and, of those that are directories, the names in them, and tells where all that
    /// lies; nothing else of the volume is looked at. Numbers that do not exist or are not in use are left
    /// out with a gap.
    fn directories(&self, geometry: &[u8], numbers: &[u64]) -> Result<Box<dyn SurveyMachine>, ParseError>;

    /// The root directory's inode number.
    fn root(&self, geometry: &[u8]) -> Result<u64, ParseError>;
}

/// The driver with this name.
pub fn by_name(name: &str) -> Option<&'static dyn Filesystem> {
    FILESYSTEMS.iter().copied().find(|driver| driver.name() == name)
}

/// The driver that recognises a volume's first bytes.
pub fn recognise(head: &[u8]) -> Option<&'static dyn Filesystem> {
    FILESYSTEMS.iter().copied().find(|driver| driver.recognises(head))
}

/// The driver that recognises a volume whose superblock is damaged.
pub fn recognise_damaged(head: &[u8]) -> Option<&'static dyn Filesystem> {
    FILESYSTEMS.iter().copied().find(|driver| driver.recognises_damaged(head))
}
