//! Assemble: joins an asset's surveys into trees and the trees into one namespace, runs the extractors,
//! writes the listing, and hashes contents or plans the shards that do.
//!
//! It is one task an asset, not one a volume: fstab joins the volumes, and extractors read the joined tree.

mod descent;
mod early;
mod extract;
mod goals;
mod joined;
mod links;
mod listing;
mod volume;

use super::{
    Job, TaskError,
    content::Hashed,
    survey::{self, Opened},
};
use coldread_fsparse::{
    survey::{Entry, Survey},
    tree::Tree,
};
use coldread_model::{
    Gap, Part, Parts,
    task::{AssembleOutput, AssembledVolume, ContentMode, ProbeOutput, Share, SourceSpec, VolumeSpec},
};
use joined::Asset;
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
};
use volume::{Joined, Listed};

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

impl Work<'_> {
    /// Whether digests of files are asked for.
    fn wants_digests(&self) -> bool {
        self.asked.contains(Part::Files) && self.content == ContentMode::Hash
    }

    /// Whether this task makes them.
    fn hashes(&self) -> bool {
        self.whole && self.wants_digests()
    }
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
        let surveys = &surveys[..];
        let early = if work.hashes() { early::streams(specs, surveys, self.threads) } else { Vec::new() };
        let failed = AtomicBool::new(false);
        let stop = || failed.load(Ordering::Relaxed) || self.context.cancelled();
        let (senders, hashed): (Vec<_>, Vec<_>) = specs.iter().map(|_| mpsc::channel()).unzip();
        thread::scope(|scope| {
            let hashing = scope.spawn(|| self.hash_early(&opened, surveys, &early, senders, &stop));
            let rest = || {
                let join = || join_all(specs, &opened, surveys, entries, &mut gaps);
                let trees = early::behind(work.hashes(), join)??;
                self.check()?;
                tracing::debug!("joined");
                let asset = Asset::new(specs, &opened, &trees);
                gaps.extend(asset.crowded());
                let joined = |index: usize| {
                    let (volume, tree) = (opened[index].as_ref()?, trees[index].as_ref()?);
                    let (early, partly) = (early.get(index), surveys[index].as_ref()?.partly);
                    let early = early.map(Vec::as_slice).unwrap_or_default();
                    Some(Joined { spec: &specs[index], volume, tree, early, partly })
                };
                let joined: Vec<_> = (0..specs.len()).map(joined).collect();
                self.finish(work, &asset, &joined, gaps, hashed)
            };
            let output = rest();
            failed.store(output.is_err(), Ordering::Relaxed);
            match hashing.join().unwrap_or_else(|_| Err(panicked("early content"))) {
                // It was told to end.
                Ok(()) | Err(TaskError::Cancelled) => output,
                Err(error) => Err(error),
            }
        })
    }

    /// Runs the extractors and lists the volumes; `hashed` gives what comes of each one's early streams meanwhile.
    fn finish(
        &self,
        work: &Work<'_>,
        asset: &Asset<'_>,
        joined: &[Option<Joined<'_>>],
        mut gaps: Vec<Gap>,
        hashed: Vec<Receiver<Hashed>>,
    ) -> Result<AssembleOutput, TaskError> {
        // Extractors wait for one file to know the next; there is enough else to do meanwhile.
        let both = || {
            thread::scope(|scope| {
                let extracted = scope.spawn(|| extract::extract(asset, work, self));
                let listed = self.list_all(work, asset, joined, &mut gaps);
                (extracted.join().unwrap_or_else(|_| Err(panicked("extraction"))), listed)
            })
        };
        let (extracted, listed) = early::behind(work.hashes(), both)?;
        let (extracted, mut listed) = (extracted?, listed?);
        let mut coverage = Vec::new();
        for ((joined, (_, listed)), read) in joined.iter().zip(&listed).zip(&extracted.read) {
            coverage.extend(joined.iter().flat_map(|joined| joined.coverage(listed, read)));
        }
        for ((joined, (_, listed)), hashed) in joined.iter().zip(&mut listed).zip(hashed) {
            let Some(joined) = joined.as_ref().filter(|_| work.hashes()) else { continue };
            let faults = self.digest(joined, &hashed, listed)?;
            coverage.extend(faults.coverage);
            gaps.extend(faults.gaps);
        }
        let volumes = listed
            .into_iter()
            .map(|(volume, listed)| AssembledVolume { chunks: listed.into_chunks(), ..volume });
        gaps.sort_unstable();
        gaps.dedup();
        Ok(AssembleOutput {
            volumes: volumes.collect(),
            system: extracted.system,
            found: extracted.found,
            found_gaps: extracted.gaps,
            coverage,
            gaps,
        })
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

    /// Lists all volumes that were surveyed.
    fn list_all(
        &self,
        work: &Work<'_>,
        asset: &Asset<'_>,
        joined: &[Option<Joined<'_>>],
        gaps: &mut Vec<Gap>,
    ) -> Result<Vec<(AssembledVolume, Listed)>, TaskError> {
        let mut volumes = Vec::new();
        for (index, (spec, joined)) in asset.specs.iter().zip(joined).enumerate() {
            let mut assembled = AssembledVolume {
                name: spec.name.clone(),
                mount: asset.mount_of(index).map(|mount| String::from_utf8_lossy(&mount).into_owned()),
                chunks: Vec::new(),
                rows: 0,
                state: spec.state,
                reason: spec.reason.clone(),
                shards: Vec::new(),
            };
            let listed = joined.as_ref().map(|joined| self.list(work, joined, &mut assembled, gaps));
            volumes.push((assembled, listed.transpose()?.unwrap_or_default()));
        }
        Ok(volumes)
    }
}

/// The trees of all volumes that were surveyed, of names that were taken out of their surveys.
fn join_all<'a>(
    specs: &[VolumeSpec],
    opened: &[Option<Opened<'_>>],
    surveys: &'a [Option<Surveyed>],
    entries: Vec<Vec<Entry>>,
    gaps: &mut Vec<Gap>,
) -> Result<Vec<Option<Tree<'a>>>, TaskError> {
    let mut trees = Vec::new();
    for (((surveyed, volume), spec), entries) in surveys.iter().zip(opened).zip(specs).zip(entries) {
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
    Ok(trees)
}

fn panicked(what: &str) -> TaskError {
    TaskError::Invalid(format!("{what} ended without a result"))
}
