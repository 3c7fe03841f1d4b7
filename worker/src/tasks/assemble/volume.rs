//! The last steps of one volume: its listing, its content or the plan of it, and what became of its bytes.

use super::{
    super::{
        Job, TaskError,
        content::Digests,
        plan::{self, Plan},
        streams::OfSurvey,
        survey::Opened,
    },
    Work, listing,
};
use coldread_fsparse::{
    coverage::{Rest, StreamUse, volume_coverage},
    tree::Tree,
};
use coldread_model::{
    ByteRange, CoverageRange, Gap, Part, RowFlags,
    task::{AssembledVolume, VolumeSpec},
};
use std::{collections::HashSet, thread};

/// A volume whose survey is joined.
pub(super) struct Joined<'a> {
    pub(super) spec: &'a VolumeSpec,
    pub(super) volume: &'a Opened<'a>,
    pub(super) tree: &'a Tree<'a>,
    /// Whether the survey tells of a part of the volume only: what extractors want.
    pub(super) partly: bool,
}

/// What was read of a volume's files.
#[derive(Default)]
pub(super) struct Contents {
    /// Of each stream of the survey, whether it is read for its digest; nothing where none is.
    planned: Vec<bool>,
    /// What of it could not be.
    damaged: Vec<CoverageRange>,
}

impl Job<'_> {
    /// Lists a volume and hashes its content, or plans the tasks that do.
    pub(super) fn list(
        &self,
        work: &Work<'_>,
        joined: &Joined<'_>,
        assembled: &mut AssembledVolume,
        gaps: &mut Vec<Gap>,
    ) -> Result<Contents, TaskError> {
        let Joined { spec, volume, tree, .. } = *joined;
        let survey = tree.survey();
        let mut contents = Contents::default();
        let listed = work.asked.contains(Part::Files);
        let mut to_hash = None;
        if work.wants_digests() {
            let Plan { streams, gaps: found } = Plan::of(survey, &tree.listed(), spec.range.len);
            gaps.extend(found.into_iter().map(|gap| gap.in_volume(&spec.name)));
            contents.planned = plan::marked(survey, &streams);
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
            let found = self.cross_check(work.cross_check, volume, raw, tree)?;
            gaps.extend(found.into_iter().map(|gap| gap.in_volume(&spec.name)));
        }
        if !listed {
            return Ok(contents);
        }
        // The listing is made while the disk is waited for.
        let (written, content) = thread::scope(|scope| {
            let will_hash = to_hash.is_some();
            let written = scope.spawn(move || listing::write(tree, will_hash, self));
            let hash = |streams: Vec<_>| {
                let hashed = self.hash(volume, spec, &OfSurvey::new(survey, &streams))?;
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
            contents.damaged = faults.coverage;
            written.add_digests(&digests, self)?;
        }
        gaps.extend(written.gaps.into_iter().map(|gap| gap.in_volume(&spec.name)));
        assembled.rows += written.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum::<u64>();
        assembled.chunks.append(&mut written.chunks);
        tracing::debug!(volume = spec.name, rows = assembled.rows, "listed");
        Ok(contents)
    }
}

impl Joined<'_> {
    /// What became of the volume's bytes; extractors read the content of the inodes in `extracted`.
    pub(super) fn coverage(&self, contents: Contents, extracted: &HashSet<u32>) -> Vec<CoverageRange> {
        let survey = self.tree.survey();
        let range = ByteRange::new(self.spec.range.start, self.spec.range.len);
        let size = self.volume.spec.size_bytes;
        let rest = if self.partly { Rest::NotAsked } else { Rest::Unreferenced };
        let mut coverage = volume_coverage(&self.spec.name, range, size, survey, rest, |inode, stream| {
            let deleted = survey.inodes[inode].flags.contains(RowFlags::DELETED);
            let extracted = || survey.streams[stream].name.len == 0 && extracted.contains(&(inode as u32));
            let read = contents.planned.get(stream) == Some(&true) || !deleted && extracted();
            if read { StreamUse::Read } else { StreamUse::NotAsked }
        });
        tracing::debug!(volume = self.spec.name, ranges = coverage.len(), "accounted for");
        coverage.extend(contents.damaged);
        coverage
    }
}
