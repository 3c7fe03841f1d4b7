//! Assemble: joins an asset's surveys into trees and the trees into one namespace, runs the extractors,
//! writes the listing, and hashes contents or plans the shards that do.
//!
//! It is one task an asset, not one a volume: fstab joins the volumes, and extractors read the joined tree.

mod descent;
mod extract;
mod goals;
mod joined;
mod links;
mod listing;

use super::{
    Job, TaskError,
    content::Digests,
    plan::{self, Plan},
    streams::OfSurvey,
    survey::{self, Opened},
};
use coldread_fsparse::{
    coverage::{Rest, StreamUse, volume_coverage},
    survey::Survey,
    tree::Tree,
};
use coldread_model::{
    ByteRange, Gap, Part, Parts, RowFlags,
    task::{AssembleOutput, AssembledVolume, ContentMode, ProbeOutput, Share, SourceSpec, VolumeSpec},
};
use std::{collections::HashSet, thread};

/// An assemble task's input.
pub(super) struct Work<'a> {
    pub(super) source: &'a SourceSpec,
    pub(super) probe: &'a ProbeOutput,
    pub(super) surveys: &'a [Vec<String>],
    pub(super) content: ContentMode,
    pub(super) cross_check: Share,
    pub(super) shard_bytes: u64,
    pub(super) whole: bool,
    pub(super) asked: Parts,
}

/// A volume's survey, and whether it tells of a part of the volume only: what extractors want.
struct Surveyed {
    survey: Survey,
    partly: bool,
}

impl Job<'_> {
    pub(super) fn assemble(&self, work: &Work<'_>) -> Result<AssembleOutput, TaskError> {
        let specs = &work.probe.volumes;
        let mut opened: Vec<Option<Opened<'_>>> = Vec::new();
        for spec in specs {
            let filesystem = spec.filesystem.as_ref();
            opened.push(filesystem.map(|_| self.open_volume(work.source, spec)).transpose()?);
        }
        let mut surveys = if work.asked.contains(Part::Files) {
            self.survey_all(work, &opened)?
        } else {
            self.descend(work, &opened)?
        };
        let mut gaps = Vec::new();
        let mut entries = Vec::new();
        for (surveyed, spec) in surveys.iter_mut().zip(specs) {
            let Some(Surveyed { survey, .. }) = surveyed else {
                entries.push(Vec::new());
                continue;
            };
            tracing::debug!(volume = spec.name, inodes = survey.inodes.len(), "surveyed");
            gaps.extend(survey.gaps.drain(..).map(|gap| gap.in_volume(&spec.name)));
            entries.push(std::mem::take(&mut survey.entries));
        }
        let mut trees: Vec<Option<Tree<'_>>> = Vec::new();
        for (((surveyed, volume), spec), entries) in surveys.iter().zip(&opened).zip(specs).zip(entries) {
            let (Some(surveyed), Some(volume)) = (surveyed, volume) else {
                trees.push(None);
                continue;
            };
            let root = volume.driver.root(&volume.spec.geometry);
            let root = root.map_err(|error| TaskError::Invalid(error.to_string()))?;
            let tree = Tree::join(&surveyed.survey, &entries, root);
            gaps.extend(tree.gaps().iter().cloned().map(|gap| gap.in_volume(&spec.name)));
            trees.push(Some(tree));
        }
        self.check()?;
        tracing::debug!("joined");

        let asset = joined::Asset::new(specs, &opened, &trees);
        gaps.extend(asset.crowded());
        let extracted = extract::extract(&asset, work.asked, self)?;
        tracing::debug!("extracted");

        let mut output = AssembleOutput {
            volumes: Vec::new(),
            system: extracted.system,
            found: extracted.found,
            found_gaps: extracted.gaps,
            coverage: Vec::new(),
            gaps: Vec::new(),
        };
        for (index, spec) in specs.iter().enumerate() {
            let mut assembled = AssembledVolume {
                name: spec.name.clone(),
                mount: asset.mount_of(index).map(|mount| String::from_utf8_lossy(&mount).into_owned()),
                chunks: Vec::new(),
                rows: 0,
                state: spec.state,
                reason: spec.reason.clone(),
                shards: Vec::new(),
            };
            if let (Some(volume), Some(tree), Some(surveyed)) =
                (&opened[index], &trees[index], &surveys[index])
            {
                let rest = if surveyed.partly { Rest::NotAsked } else { Rest::Unreferenced };
                let part = VolumePart { work, spec, volume, tree, read: &extracted.read[index], rest };
                self.finish_volume(&part, &mut assembled, &mut output, &mut gaps)?;
            }
            output.volumes.push(assembled);
        }
        gaps.sort_unstable();
        gaps.dedup();
        output.gaps = gaps;
        Ok(output)
    }

    /// The surveys of all volumes that hold a filesystem.
    fn survey_all(
        &self,
        work: &Work<'_>,
        opened: &[Option<Opened<'_>>],
    ) -> Result<Vec<Option<Surveyed>>, TaskError> {
        let survey = |(index, volume): (usize, &Option<Opened<'_>>)| {
            let Some(volume) = volume else { return Ok(None) };
            Ok(Some(Surveyed { survey: self.surveyed(work, index, volume)?, partly: false }))
        };
        opened.iter().enumerate().map(survey).collect()
    }

    /// A volume's survey: made here, or joined from the results of survey tasks.
    fn surveyed(&self, work: &Work<'_>, index: usize, volume: &Opened<'_>) -> Result<Survey, TaskError> {
        if work.whole {
            return self.survey(volume, 0..volume.spec.units);
        }
        let names = work.surveys.get(index).map(Vec::as_slice).unwrap_or_default();
        let mut whole = Survey::default();
        // An empty name is a survey that failed at every try: whoever planned it tells the gap.
        for name in names.iter().filter(|name| !name.is_empty()) {
            let bytes = self.context.get_output(name)?;
            let part = Survey::from_bytes(&bytes).map_err(|error| TaskError::Invalid(error.to_string()))?;
            survey::join(&mut whole, part)?;
        }
        Ok(whole)
    }

    /// Content, listing and coverage of one volume.
    fn finish_volume(
        &self,
        part: &VolumePart<'_>,
        assembled: &mut AssembledVolume,
        output: &mut AssembleOutput,
        gaps: &mut Vec<Gap>,
    ) -> Result<(), TaskError> {
        let (work, spec, tree) = (part.work, part.spec, part.tree);
        let survey = tree.survey();
        let mut damaged = Vec::new();
        let mut planned = Vec::new();
        let listed = work.asked.contains(Part::Files);
        let mut to_hash = None;
        if listed && work.content == ContentMode::Hash {
            let Plan { streams, gaps: found } = Plan::of(survey, &tree.listed(), spec.range.len);
            gaps.extend(found.into_iter().map(|gap| gap.in_volume(&spec.name)));
            planned = plan::marked(survey, &streams);
            if work.whole {
                to_hash = Some(streams);
            } else {
                let streams = OfSurvey::new(survey, &streams);
                for (number, shard) in plan::shards(&streams, work.shard_bytes.max(1)).into_iter().enumerate()
                {
                    let name = format!("content-{}-{number}", spec.name);
                    self.context.put_output(&name, plan::encode(&streams, shard.clone()))?;
                    assembled.shards.push((name, plan::allocated(&streams, shard)));
                }
            }
        }
        if !work.cross_check.is_none() {
            let raw = self.raw_volume(work.source, spec)?;
            let found = self.cross_check(work.cross_check, part.volume, raw, tree)?;
            gaps.extend(found.into_iter().map(|gap| gap.in_volume(&spec.name)));
        }
        if listed {
            // The listing is made while the disk is waited for.
            let (written, content) = thread::scope(|scope| {
                let will_hash = to_hash.is_some();
                let written = scope.spawn(move || listing::write(tree, will_hash, self));
                let hash = |streams: Vec<_>| {
                    let hashed = self.hash(part.volume, spec, &OfSurvey::new(survey, &streams))?;
                    let digests = Digests::new(survey.streams.len(), &streams, hashed.digests);
                    Ok((streams.len(), digests, hashed.faults))
                };
                let content: Result<_, TaskError> = to_hash.map(hash).transpose();
                let panicked = || Err(TaskError::Invalid("the listing ended without a result".to_owned()));
                (written.join().unwrap_or_else(|_| panicked()), content)
            });
            let mut written = written?;
            if let Some((streams, digests, faults)) = content? {
                tracing::debug!(volume = spec.name, streams, "hashed");
                gaps.extend(faults.gaps);
                damaged = faults.coverage;
                written.add_digests(&digests, self)?;
            }
            gaps.extend(written.gaps.into_iter().map(|gap| gap.in_volume(&spec.name)));
            assembled.rows += written.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum::<u64>();
            assembled.chunks.append(&mut written.chunks);
            tracing::debug!(volume = spec.name, rows = assembled.rows, "listed");
        }
        let volume = ByteRange::new(spec.range.start, spec.range.len);
        let size = part.volume.spec.size_bytes;
        let coverage = volume_coverage(&spec.name, volume, size, survey, part.rest, |inode, stream| {
            let deleted = survey.inodes[inode].flags.contains(RowFlags::DELETED);
            let extracted = || survey.streams[stream].name.len == 0 && part.read.contains(&(inode as u32));
            let read = planned.get(stream) == Some(&true) || !deleted && extracted();
            if read { StreamUse::Read } else { StreamUse::NotAsked }
        });
        tracing::debug!(volume = spec.name, ranges = coverage.len(), "accounted for");
        output.coverage.extend(coverage);
        output.coverage.extend(damaged);
        Ok(())
    }
}

/// A volume on its last steps.
struct VolumePart<'a> {
    work: &'a Work<'a>,
    spec: &'a VolumeSpec,
    volume: &'a Opened<'a>,
    tree: &'a Tree<'a>,
    /// Inodes whose content extractors read.
    read: &'a HashSet<u32>,
    /// What is to be said of bytes that its survey does not speak of.
    rest: Rest,
}
