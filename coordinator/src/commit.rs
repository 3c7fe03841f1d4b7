//! Making a snapshot of what a scan's tasks found, and publishing it in one step.
//!
//! Everything is put in an order of its own first, so the snapshot's id depends on the bytes that were read and
//! on nothing else: not on how the scan was sharded, nor on which task ended first.

use crate::{
    digests::{self, Digests},
    limits, paths,
    planner::Losses,
};
use coldread_model::{
    CoverageRange, FoundRefs, Gap, GapKind, Ledger, ObjectKind, Part, Parts, SnapshotManifest,
    SystemIdentity, Timestamp, VolumeManifest, VolumeState, codec,
    manifest::{Counts, Head},
    task::{AssembleOutput, AssembledVolume, ContentMode, ContentOutput, ProbeOutput, VolumeSpec},
};
use coldread_store::{Error, PackWriter, Store};
use serde::Serialize;
use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// What a scan's tasks found.
#[derive(Debug)]
pub(crate) struct Results {
    /// The asset's name.
    pub(crate) asset: String,
    /// Its account.
    pub(crate) account: Option<String>,
    /// Whether contents were wanted.
    pub(crate) content: ContentMode,
    /// What was asked for.
    pub(crate) asked: Parts,
    /// Probe's result.
    pub(crate) probe: ProbeOutput,
    /// Assemble's result, unless it failed at every try.
    pub(crate) assembled: Option<AssembleOutput>,
    /// Content shards' results, each with its volume's index.
    pub(crate) contents: Vec<(usize, ContentOutput)>,
    /// What failed for good.
    pub(crate) losses: Losses,
}

/// Publishes the results and gives what was published. `writer` holds the objects that the workers sent.
pub(crate) fn commit(
    store: &Arc<Store>,
    mut writer: PackWriter,
    mut results: Results,
) -> Result<(SnapshotManifest, Head), Error> {
    tracing::debug!(asset = results.asset, "committing");
    if results.contents.iter().any(|(_, content)| !content.digests.is_empty()) {
        // The listing's chunks are read again, to give each its digests.
        writer.finish()?;
        writer = store.writer();
    }
    let size = results.probe.identity.size;
    let outside = std::mem::take(&mut results.probe.coverage);
    let mut ledger = Ledger::new(size);
    ledger.claim(&outside);
    let assembled = results.assembled.take();
    let mut gaps = std::mem::take(&mut results.probe.gaps);
    gaps.append(&mut results.losses.gaps);
    let mut volumes = Vec::with_capacity(results.probe.volumes.len());
    let mut found = FoundRefs::default();
    let mut found_gaps = Vec::new();
    let mut system = SystemIdentity::default();
    if let Some(mut assembled) = assembled {
        ledger.claim(&assembled.coverage);
        gaps.append(&mut assembled.gaps);
        found = assembled.found;
        found_gaps = assembled.found_gaps;
        system = assembled.system;
        for (index, (spec, volume)) in results.probe.volumes.iter().zip(assembled.volumes).enumerate() {
            let of_volume = results.contents.iter_mut().filter(|(one, _)| *one == index);
            let lists = of_volume.map(|(_, content)| std::mem::take(&mut content.digests));
            let digests = Digests::new(lists.collect::<Vec<_>>().into_iter().flatten());
            let chunks = digests::join(store, &mut writer, &volume.chunks, &digests)?;
            volumes.push(volume_manifest(spec, AssembledVolume { chunks, ..volume }));
        }
    } else {
        let unlisted = |spec: &VolumeSpec| AssembledVolume {
            name: spec.name.clone(),
            mount: None,
            chunks: Vec::new(),
            rows: 0,
            state: spec.state,
            reason: spec.reason.clone(),
            shards: Vec::new(),
        };
        volumes.extend(results.probe.volumes.iter().map(|spec| volume_manifest(spec, unlisted(spec))));
    }
    for (index, reason) in &results.losses.partial {
        if let Some(volume) = volumes.get_mut(*index) {
            volume.state = Some(VolumeState::Partial);
            volume.reason.clone_from(reason);
        }
    }
    let mut contents: Vec<CoverageRange> = Vec::new();
    for (_, content) in &mut results.contents {
        contents.append(&mut content.coverage);
        gaps.append(&mut content.gaps);
    }
    contents.sort();
    ledger.claim(&contents);
    mark_partial(&mut volumes, &gaps);
    gaps.append(&mut found_gaps);
    if gaps.iter().any(paths::is_nameless) {
        writer.finish()?;
        writer = store.writer();
        paths::fill(store, &volumes, &mut gaps)?;
    }
    let coverage = encoded_or(&ledger, "coverage ledger", &mut gaps, || {
        let mut coarse = Ledger::new(size);
        coarse.claim(&outside);
        coarse
    });
    let specs = encoded_or(&results.probe.volumes, "volume specs", &mut gaps, || {
        without_the_largest(&results.probe.volumes, limits::MAX_PART_BYTES)
    });
    gaps.sort();
    gaps.dedup();
    shorten_gaps(&mut gaps);
    let counts = Counts {
        packages: found.installed,
        logins: found.login_rows(),
        failed_logins: found.failed_logins(),
        gaps: gaps.iter().filter(|gap| gap.kind.is_loss()).count() as u64,
    };
    let manifest = SnapshotManifest {
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        asset: results.asset,
        account: results.account,
        source: results.probe.identity,
        asked: results.asked,
        hashed: results.content == ContentMode::Hash && results.asked.contains(Part::Files),
        system,
        volumes,
        volume_specs: writer.put_raw(ObjectKind::VolumeSpecs, &specs)?,
        found,
        coverage: writer.put_raw(ObjectKind::Coverage, &coverage)?,
        gaps: writer.put_raw(ObjectKind::Gaps, &codec::to_bytes(&gaps))?,
        counts,
    };
    tracing::debug!(asset = manifest.asset, ranges = ledger.ranges().len(), "put together");
    let head = writer.commit(&manifest, now())?;
    tracing::debug!(asset = manifest.asset, "committed");
    Ok((manifest, head))
}

fn volume_manifest(spec: &VolumeSpec, volume: AssembledVolume) -> VolumeManifest {
    VolumeManifest {
        name: spec.name.clone(),
        range: spec.range,
        content: spec.content.clone(),
        label: spec.label.clone(),
        uuid: spec.uuid.clone(),
        mount: volume.mount,
        state: volume.state,
        reason: volume.reason,
        chunks: volume.chunks,
        rows: volume.rows,
    }
}

/// A volume of which something could not be read is partial. What is encrypted or not supported was read as far
/// as anybody could; what a format inside a file contradicts is no fault of the volume.
fn mark_partial(volumes: &mut [VolumeManifest], gaps: &[Gap]) {
    let hurts = |kind| matches!(kind, GapKind::Io | GapKind::Corrupt | GapKind::NotFound | GapKind::Limit);
    for volume in volumes {
        let whole = matches!(volume.state, Some(VolumeState::Clean | VolumeState::Replayed));
        if whole && gaps.iter().any(|gap| gap.volume == volume.name && hurts(gap.kind)) {
            volume.state = Some(VolumeState::Partial);
            "some of it could not be read: see its gaps".clone_into(&mut volume.reason);
        }
    }
}

/// The encoding of a part of the snapshot, or of what stands in for it where it is too large, with a gap.
fn encoded_or<T: Serialize>(part: &T, name: &str, gaps: &mut Vec<Gap>, or: impl FnOnce() -> T) -> Vec<u8> {
    let bytes = codec::to_bytes(part);
    if bytes.len() <= limits::MAX_PART_BYTES {
        return bytes;
    }
    let reason = format!("{} bytes are more than one snapshot holds", bytes.len());
    gaps.push(Gap::new(GapKind::Limit, name, reason));
    codec::to_bytes(&or())
}

/// The volumes, those with the largest journals without their filesystems, until their encoding is no longer than `most`:
/// from the others files can still be read later.
fn without_the_largest(volumes: &[VolumeSpec], most: usize) -> Vec<VolumeSpec> {
    let mut volumes = volumes.to_vec();
    let mut sizes: Vec<(usize, usize)> =
        volumes.iter().map(|volume| codec::to_bytes(volume).len()).zip(0..).collect();
    sizes.sort_unstable();
    let mut total: usize = sizes.iter().map(|(size, _)| size).sum();
    while let Some((size, index)) = sizes.pop().filter(|_| total > most) {
        volumes[index].filesystem = None;
        total -= size - codec::to_bytes(&volumes[index]).len();
    }
    volumes
}

/// Cuts gaps that are more than one object can hold, and says how many there were.
fn shorten_gaps(gaps: &mut Vec<Gap>) {
    let all = gaps.len();
    let mut bytes = codec::to_bytes(gaps).len();
    while bytes > limits::MAX_PART_BYTES {
        let keep = (gaps.len() as u128 * limits::MAX_PART_BYTES as u128 / bytes as u128) as usize;
        gaps.truncate(keep.min(gaps.len() - 1));
        bytes = codec::to_bytes(gaps).len();
    }
    if gaps.len() < all {
        let reason = format!("{} more gaps than one snapshot holds", all - gaps.len());
        gaps.insert(0, Gap::new(GapKind::Limit, "gaps", reason));
        gaps.sort();
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::new(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), since.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::{
        ByteRange,
        task::{FilesystemSpec, Patch, PatchContent},
    };

    #[test]
    fn a_journal_that_is_too_large_to_keep_costs_its_own_volume_alone() {
        let volume = |name: &str, bytes: usize| VolumeSpec {
            name: name.to_owned(),
            range: ByteRange::new(0, 1),
            content: "xfs".to_owned(),
            filesystem: Some(FilesystemSpec {
                driver: "xfs".to_owned(),
                geometry: Vec::new(),
                units: 1,
                size_bytes: 1,
                patches: vec![Patch { at: 0, len: 1, content: PatchContent::Bytes(vec![0; bytes]) }],
            }),
            label: None,
            uuid: None,
            partition_label: None,
            partition_uuid: None,
            state: None,
            reason: String::new(),
        };
        let volumes = [volume("p1", 300), volume("p2", 9000), volume("p3", 700)];
        let kept = |most| -> Vec<String> {
            let volumes = without_the_largest(&volumes, most);
            assert!(volumes.len() == 3 && codec::to_bytes(&volumes).len() <= most + 1);
            volumes.into_iter().filter(|one| one.filesystem.is_some()).map(|one| one.name).collect()
        };
        assert_eq!(kept(20_000), ["p1", "p2", "p3"]);
        assert_eq!(kept(2000), ["p1", "p3"]);
        assert_eq!(kept(900), ["p1"]);
    }

    #[test]
    fn what_is_too_much_for_one_object_is_cut_and_told() {
        let text = "x".repeat(1 << 20);
        let mut gaps: Vec<Gap> =
            (0..70).map(|i| Gap::new(GapKind::Io, text.clone(), "why").at_byte(i)).collect();
        shorten_gaps(&mut gaps);
        assert!(codec::to_bytes(&gaps).len() <= limits::MAX_PART_BYTES + 1024);
        let told = gaps.iter().find(|gap| gap.kind == GapKind::Limit).unwrap();
        assert_eq!(told.reason, format!("{} more gaps than one snapshot holds", 70 - (gaps.len() - 1)));
        let mut few = vec![Gap::new(GapKind::Io, "inode", "why")];
        shorten_gaps(&mut few);
        assert_eq!(few.len(), 1);
        let part = encoded_or(&vec![text; 61], "coverage ledger", &mut few, Vec::new);
        assert_eq!((part, few.len()), (codec::to_bytes(&Vec::<String>::new()), 2));
    }
}
