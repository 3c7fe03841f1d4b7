//! Probe: from a source to its volumes and their filesystems' geometry.

use super::{Job, TaskError, counted::Counted};
use coldread_fsparse::{
    fs::{Filesystem, Probed},
    machine::{self, RunStats},
    source::{BlockSource, slice::Slice},
    volume::{DiskProbe, FoundVolume, recognise::Content},
};
use coldread_model::{
    ByteRange, CoverageClass, CoverageRange, Gap, GapKind, ObjectId, ObjectKind, SourceIdentity, VolumeState,
    task::{FilesystemSpec, Patch, PatchContent, ProbeOutput, SourceSpec, VolumeSpec},
};
use std::sync::Arc;

/// Partition types whose partitions hold no filesystem; what they hold is firmware's business.
const NO_FILESYSTEM: [&str; 4] =
    ["BIOS boot partition", "Microsoft reserved", "PowerPC PReP boot", "PowerPC PReP boot (0x41)"];

impl Job<'_> {
    pub(super) fn probe(&self, spec: &SourceSpec) -> Result<ProbeOutput, TaskError> {
        let disk = self.disks.open(spec)?;
        let size = disk.source.size_bytes();
        let mut machine = DiskProbe::new(size);
        run(&mut machine, &Counted::new(Arc::clone(&disk.source), self.context))?;
        let found = machine.finish();
        let mut identity = found.identity;
        let mut output = ProbeOutput {
            identity: SourceIdentity {
                location: spec.location.clone(),
                container: disk.container.clone(),
                size,
                table_id: found.table_id.clone(),
                volume_ids: Vec::new(),
                metadata_digest: ObjectId::of(ObjectKind::Manifest, &[]),
            },
            volumes: Vec::new(),
            coverage: Vec::new(),
            gaps: found.gaps,
            reader: format!("{}: {}", disk.reader.mode.name(), disk.reader.reason),
        };
        if found.table_id.is_some() || !found.coverage.is_empty() {
            output.coverage.push(CoverageRange {
                volume: String::new(),
                range: ByteRange::new(0, size),
                class: CoverageClass::Gap,
                detail: "outside any partition".to_owned(),
            });
        }
        for volume in found.volumes {
            output.volume(self, &disk.source, volume, &mut identity)?;
        }
        output.coverage.extend(found.coverage);
        if disk.live {
            output.mark_live();
        }
        output.identity.volume_ids = output.volumes.iter().filter_map(|volume| volume.uuid.clone()).collect();
        output.identity.metadata_digest = ObjectId::of(ObjectKind::Manifest, &identity);
        Ok(output)
    }
}

/// Runs a machine over a source on this thread.
pub(super) fn run(
    machine: &mut dyn machine::Machine,
    source: &dyn BlockSource,
) -> Result<RunStats, TaskError> {
    let mut queue = source.open_queue().map_err(|error| TaskError::Source(error.to_string()))?;
    Ok(machine::run(machine, &mut *queue))
}

/// What a probe's output takes in.
trait Take {
    fn volume(
        &mut self,
        job: &Job<'_>,
        disk: &Arc<dyn BlockSource>,
        found: FoundVolume,
        identity: &mut Vec<u8>,
    ) -> Result<(), TaskError>;
    fn mark_live(&mut self);
}

impl Take for ProbeOutput {
    fn volume(
        &mut self,
        job: &Job<'_>,
        disk: &Arc<dyn BlockSource>,
        found: FoundVolume,
        identity: &mut Vec<u8>,
    ) -> Result<(), TaskError> {
        let mut spec = VolumeSpec {
            name: found.name,
            range: found.range,
            content: String::new(),
            filesystem: None,
            label: None,
            uuid: None,
            partition_label: found.label,
            partition_uuid: found.uuid,
            state: None,
            reason: String::new(),
        };
        let table_type =
            if found.table_type.is_empty() { String::new() } else { format!(" (type {})", found.table_type) };
        let (class, detail, gap) = match found.content {
            Content::Filesystem(driver) => match probe_filesystem(job, disk, driver, spec.range)? {
                Ok(probed) => {
                    identity.extend_from_slice(&probed.identity);
                    self.gaps.extend(probed.gaps.iter().cloned().map(|gap| gap.in_volume(&spec.name)));
                    spec.take(driver, probed);
                    self.gaps.extend(bound_patches(&self.volumes, &mut spec, MAX_PATCH_BYTES));
                    self.volumes.push(spec);
                    return Ok(());
                }
                Err(error) => {
                    driver.name().clone_into(&mut spec.content);
                    let gap = error.to_gap();
                    let class = match gap.kind {
                        GapKind::Unsupported => CoverageClass::Unsupported,
                        _ => CoverageClass::Damaged,
                    };
                    spec.state = Some(VolumeState::Partial);
                    spec.reason = error.to_string();
                    (class, error.to_string(), Some(gap))
                }
            },
            Content::Named { name, class, gap } => {
                name.clone_into(&mut spec.content);
                let reason = match gap {
                    Some(GapKind::Encrypted) => format!("{name}{table_type} is encrypted"),
                    _ => format!("{name}{table_type} is recognised and not read"),
                };
                (class, name.to_owned(), gap.map(|kind| Gap::new(kind, name, reason)))
            }
            Content::Unknown | Content::Blank if NO_FILESYSTEM.contains(&found.table_type.as_str()) => {
                spec.content.clone_from(&found.table_type);
                (CoverageClass::Unsupported, found.table_type.clone(), None)
            }
            Content::Unknown | Content::Blank => {
                let blank = matches!(found.content, Content::Blank);
                let what =
                    if blank { "only zeros where a filesystem would start" } else { "no known filesystem" };
                let reason = format!("{what}{table_type}");
                "unknown".clone_into(&mut spec.content);
                (CoverageClass::Gap, reason.clone(), Some(Gap::new(GapKind::Unsupported, "volume", reason)))
            }
        };
        self.gaps.extend(gap.map(|gap| gap.in_volume(&spec.name)));
        self.coverage.push(CoverageRange { volume: spec.name.clone(), range: spec.range, class, detail });
        self.volumes.push(spec);
        Ok(())
    }

    /// A disk in use changes while it is read: what its journals hold is not a fault of the disk.
    fn mark_live(&mut self) {
        for volume in self.volumes.iter_mut().filter(|volume| volume.filesystem.is_some()) {
            volume.state = Some(VolumeState::Live);
            "the device is mounted read-write while it is read".clone_into(&mut volume.reason);
        }
        for gap in self.gaps.iter_mut().filter(|gap| gap.kind == GapKind::Unreplayed) {
            gap.kind = GapKind::Live;
        }
    }
}

/// Bytes of all volumes' journals together that tasks are handed: all of it is in memory while they run, and a result is
/// at most a GiB.
const MAX_PATCH_BYTES: u64 = 800 << 20;

/// Leaves a volume's journal out where there would be too much with those of the volumes before it, with a gap.
fn bound_patches(volumes: &[VolumeSpec], spec: &mut VolumeSpec, most: u64) -> Option<Gap> {
    let bytes = |volume: &VolumeSpec| {
        let patches = volume.filesystem.iter().flat_map(|filesystem| &filesystem.patches);
        patches.map(patch_bytes).sum::<u64>()
    };
    let all = volumes.iter().map(bytes).sum::<u64>().saturating_add(bytes(spec));
    let filesystem = spec.filesystem.as_mut().filter(|_| all > most)?;
    filesystem.patches = Vec::new();
    spec.state = Some(VolumeState::Unreplayed);
    spec.reason = format!("the journals of this disk's volumes change more than {most} bytes");
    let gap = Gap::new(GapKind::Limit, "journal", spec.reason.clone());
    Some(gap.in_volume(&spec.name))
}

/// About the length of a patch's encoding.
fn patch_bytes(patch: &Patch) -> u64 {
    const EACH: u64 = 24;
    let content = match &patch.content {
        PatchContent::Bytes(bytes) => bytes.len() as u64,
        PatchContent::Moved { fixups, .. } => fixups.iter().map(|(_, bytes)| bytes.len() as u64 + 8).sum(),
    };
    content + EACH
}

/// What a driver says of a volume; the outer error is the source's.
fn probe_filesystem(
    job: &Job<'_>,
    disk: &Arc<dyn BlockSource>,
    driver: &'static dyn Filesystem,
    range: ByteRange,
) -> Result<Result<Probed, coldread_fsparse::ParseError>, TaskError> {
    let slice = Counted::new(Arc::new(Slice::new(Arc::clone(disk), range)), job.context);
    let mut machine = driver.probe(range.len);
    run(&mut *machine, &slice)?;
    Ok(machine.finish())
}

/// What a volume's spec takes over from its probe.
trait TakeProbed {
    fn take(&mut self, driver: &dyn Filesystem, probed: Probed);
}

impl TakeProbed for VolumeSpec {
    fn take(&mut self, driver: &dyn Filesystem, probed: Probed) {
        self.content = probed.name;
        self.label = probed.label;
        self.uuid = probed.uuid;
        self.state = Some(probed.state);
        self.reason = probed.reason;
        self.filesystem = Some(FilesystemSpec {
            driver: driver.name().to_owned(),
            geometry: probed.geometry,
            units: probed.units.max(1),
            size_bytes: probed.size_bytes,
            patches: probed.patches,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str, patch: usize) -> VolumeSpec {
        VolumeSpec {
            name: name.to_owned(),
            range: ByteRange::new(0, 1),
            content: "xfs".to_owned(),
            filesystem: Some(FilesystemSpec {
                driver: "xfs".to_owned(),
                geometry: Vec::new(),
                units: 1,
                size_bytes: 1,
                patches: vec![Patch { at: 0, len: 1, content: PatchContent::Bytes(vec![0; patch]) }],
            }),
            label: None,
            uuid: None,
            partition_label: None,
            partition_uuid: None,
            state: Some(VolumeState::Replayed),
            reason: String::new(),
        }
    }

    #[test]
    fn journals_of_a_disk_are_bounded_together() {
        let first = [volume("p1", 600)];
        let mut small = volume("p2", 300);
        assert_eq!(bound_patches(&first, &mut small, 1000), None);
        assert_eq!(small, volume("p2", 300));
        let mut large = volume("p2", 400);
        let gap = bound_patches(&first, &mut large, 1000).unwrap();
        assert_eq!((gap.kind, gap.volume.as_str()), (GapKind::Limit, "p2"));
        assert_eq!(large.state, Some(VolumeState::Unreplayed));
        assert!(large.filesystem.unwrap().patches.is_empty());
    }
}
