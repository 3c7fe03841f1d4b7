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
mod volume;

use super::{
    Job, TaskError,
    survey::{self, Opened},
};
use coldread_fsparse::{survey::Survey, tree::Tree};
use coldread_model::{
    Gap, Part, Parts,
    task::{AssembleOutput, AssembledVolume, ContentMode, ProbeOutput, Share, SourceSpec},
};
use joined::Asset;
use std::thread;
use volume::{Contents, Joined};

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

        let asset = Asset::new(specs, &opened, &trees);
        gaps.extend(asset.crowded());
        let joined = |index: usize| {
            let (volume, tree) = (opened[index].as_ref()?, trees[index].as_ref()?);
            Some(Joined { spec: &specs[index], volume, tree, partly: surveys[index].as_ref()?.partly })
        };
        let joined: Vec<_> = (0..specs.len()).map(joined).collect();
        // Extractors wait for one file to know the next; there is enough else to do meanwhile.
        let (extracted, listed) = thread::scope(|scope| {
            let extracted = scope.spawn(|| extract::extract(&asset, work, self));
            let listed = self.list_all(work, &asset, &joined, &mut gaps);
            let panicked = || Err(TaskError::Invalid("extraction ended without a result".to_owned()));
            (extracted.join().unwrap_or_else(|_| panicked()), listed)
        });
        let (extracted, (volumes, contents)) = (extracted?, listed?);

        let mut output = AssembleOutput {
            volumes,
            system: extracted.system,
            found: extracted.found,
            found_gaps: extracted.gaps,
            coverage: Vec::new(),
            gaps: Vec::new(),
        };
        for ((joined, contents), read) in joined.iter().zip(contents).zip(&extracted.read) {
            if let Some(joined) = joined {
                output.coverage.extend(joined.coverage(contents, read));
            }
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

    /// Lists all volumes that were surveyed; gives of each also what was read of its files.
    fn list_all(
        &self,
        work: &Work<'_>,
        asset: &Asset<'_>,
        joined: &[Option<Joined<'_>>],
        gaps: &mut Vec<Gap>,
    ) -> Result<(Vec<AssembledVolume>, Vec<Contents>), TaskError> {
        let (mut volumes, mut contents) = (Vec::new(), Vec::new());
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
            contents.push(listed.transpose()?.unwrap_or_default());
            volumes.push(assembled);
        }
        Ok((volumes, contents))
    }
}
