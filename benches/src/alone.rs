//! fsparse by itself: probe, survey, join and the rows of the listing, without store, coordinator or process start-up.

use crate::host::Failure;
use coldread_fsparse::{
    content::Item,
    fs::{Filesystem, Probed},
    machine::{Machine, RunStats, run},
    source::{BlockSource, Mapping, SharedSource, overlay::Overlay, slice::Slice},
    survey::{Inode, Survey},
    tree::{Tree, for_each_row},
    volume::{DiskProbe, recognise::Content},
};
use coldread_model::{ByteRange, FileKind, RowFlags, listing::ListingWriter};
use coldread_worker::survey;
use serde::{Deserialize, Serialize};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A volume that holds a filesystem, ready to be surveyed.
pub struct Volume {
    /// Its driver.
    pub driver: &'static dyn Filesystem,
    /// What probing told.
    pub probed: Probed,
    /// Its bytes, with its journal's changes.
    pub source: SharedSource,
    /// Where it starts on the disk.
    pub start: u64,
}

/// What listing one disk took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pass {
    /// Finding volumes and geometry.
    pub probe: Duration,
    /// Reading and parsing every inode and directory.
    pub survey: Duration,
    /// Joining names to a tree.
    pub join: Duration,
    /// Walking the rows in listing order.
    pub rows: Duration,
    /// Walking them once more and encoding them as the store's chunks, which is not fsparse's.
    pub encoding: Duration,
    /// Inodes in use.
    pub inodes: u64,
    /// Rows of the listing.
    pub listed: u64,
    /// Dependent rounds of reads, probe and survey together.
    pub rounds: u32,
    /// Ranges asked for.
    pub requests: u64,
    /// Bytes asked for.
    pub bytes: u64,
    /// The most memory that this process ever held, in KiB; 0 where the kernel does not say.
    pub peak_kib: u64,
}

impl Pass {
    /// All of it but the encoding.
    pub fn total(&self) -> Duration {
        self.probe + self.survey + self.join + self.rows
    }
}

fn fed(machine: &mut dyn Machine, source: &dyn BlockSource) -> Result<RunStats, Failure> {
    let mut queue = source.open_queue()?;
    Ok(run(machine, &mut *queue))
}

/// The volumes of a disk that hold filesystems, and what finding them took: rounds add up.
pub fn volumes(disk: &SharedSource) -> Result<(Vec<Volume>, RunStats), Failure> {
    let mut table = DiskProbe::new(disk.size_bytes());
    let mut stats = fed(&mut table, &**disk)?;
    let mut volumes = Vec::new();
    let mut probes = RunStats::default();
    for found in table.finish().volumes {
        let Content::Filesystem(driver) = found.content else { continue };
        let slice: SharedSource = Arc::new(Slice::new(Arc::clone(disk), found.range));
        let mut probe = driver.probe(found.range.len);
        probes = probes.beside(fed(&mut *probe, &*slice)?);
        let probed = probe.finish()?;
        let source = if probed.patches.is_empty() {
            slice
        } else {
            Arc::new(Overlay::new(slice, probed.patches.clone())?)
        };
        volumes.push(Volume { driver, probed, source, start: found.range.start });
    }
    stats.rounds += probes.rounds;
    stats.requests += probes.requests;
    stats.bytes += probes.bytes;
    Ok((volumes, stats))
}

/// Surveys a volume on so many threads.
pub fn survey(volume: &Volume, threads: usize) -> Result<(Survey, RunStats), Failure> {
    let probed = &volume.probed;
    let units = 0..probed.units.max(1);
    Ok(survey::survey(volume.driver, &probed.geometry, &*volume.source, units, threads)?)
}

/// Encodes the rows of a tree as the listing's chunks; gives rows and encoded bytes.
pub fn encode(tree: &Tree<'_>) -> (u64, u64) {
    let (mut rows, mut bytes) = (0, 0);
    let mut writer = ListingWriter::new();
    for_each_row(tree, |row, _, _| {
        rows += 1;
        if let Some(chunk) = writer.push(row) {
            bytes += (chunk.stable.len() + chunk.volatile.len()) as u64;
        }
    });
    if let Some(chunk) = writer.finish() {
        bytes += (chunk.stable.len() + chunk.volatile.len()) as u64;
    }
    (rows, bytes)
}

/// Lists everything on a disk.
pub fn list(disk: &SharedSource, threads: usize) -> Result<Pass, Failure> {
    let mut pass = Pass::default();
    let started = Instant::now();
    let (volumes, probes) = volumes(disk)?;
    pass.probe = started.elapsed();
    let mut surveys = RunStats::default();
    for volume in &volumes {
        let started = Instant::now();
        let (survey, stats) = survey(volume, threads)?;
        pass.survey += started.elapsed();
        surveys = surveys.beside(stats);
        let started = Instant::now();
        let tree = Tree::build(&survey, volume.driver.root(&volume.probed.geometry)?);
        pass.join += started.elapsed();
        let started = Instant::now();
        for_each_row(&tree, |row, inode, stream| {
            std::hint::black_box((row, inode, stream));
            pass.listed += 1;
        });
        pass.rows += started.elapsed();
        let started = Instant::now();
        std::hint::black_box(encode(&tree));
        pass.encoding += started.elapsed();
        pass.inodes += survey.inodes.len() as u64;
    }
    pass.rounds = probes.rounds + surveys.rounds;
    pass.requests = probes.requests + surveys.requests;
    pass.bytes = probes.bytes + surveys.bytes;
    pass.peak_kib = peak_kib();
    Ok(pass)
}

/// Where the bytes of all files of the volume's users lie on the disk, each inode's once: what is hashed, so not the
/// filesystem's own files, as journals and the `$MFT`.
pub fn file_ranges(disk: &SharedSource) -> Result<Vec<ByteRange>, Failure> {
    let mut ranges = Vec::new();
    for volume in volumes(disk)?.0 {
        let (survey, _) = survey(&volume, 1)?;
        let is_users =
            |inode: &&Inode| inode.kind == FileKind::File && !inode.flags.contains(RowFlags::INTERNAL);
        for inode in survey.inodes.iter().filter(is_users) {
            for item in survey.streams_of(inode).iter().filter_map(|stream| Item::of(&survey, stream)) {
                let written = item.extents.iter().filter(|extent| !extent.unwritten);
                ranges.extend(written.map(|extent| {
                    let used = item.size.saturating_sub(extent.logical).min(extent.len);
                    ByteRange::new(volume.start + extent.physical, used)
                }));
            }
        }
    }
    Ok(ranges)
}

/// The parts of `ranges` that are stored, and not holes of the image.
pub fn stored(disk: &dyn BlockSource, ranges: &[ByteRange]) -> Result<Vec<ByteRange>, Failure> {
    let whole = ByteRange::new(0, disk.size_bytes());
    let mut found = Vec::new();
    for range in ranges {
        let mapped = disk.map(range.intersect(whole))?;
        found.extend(mapped.iter().filter(|part| part.mapping == Mapping::Data).map(|part| part.range));
    }
    Ok(found)
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
