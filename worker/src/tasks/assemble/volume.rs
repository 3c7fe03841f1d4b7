//! The last steps of one volume: its listing, its content or the plan of it, and what became of its bytes.

use super::{
    super::{
        Job, TaskError,
        content::{Digests, Faults, Hashed},
        plan::{self, Plan},
        streams::OfSurvey,
        survey::Opened,
    },
    Work,
    listing::{self, Written},
};
use coldread_fsparse::{
    coverage::{Rest, StreamUse, volume_coverage},
    tree::Tree,
};
use coldread_model::{
    ByteRange, CoverageRange, Gap, Part, RowFlags,
    manifest::ChunkRef,
    task::{AssembledVolume, VolumeSpec},
};
use std::{
    collections::HashSet,
    sync::mpsc::{self, Receiver, TryRecvError},
};

/// A volume whose survey is joined.
pub(super) struct Joined<'a> {
    pub(super) spec: &'a VolumeSpec,
    pub(super) volume: &'a Opened<'a>,
    pub(super) tree: &'a Tree<'a>,
    /// The streams that are hashed without waiting for the tree, by their indexes.
    pub(super) early: &'a [u32],
    /// Whether the survey tells of a part of the volume only: what extractors want.
    pub(super) partly: bool,
}

/// A volume whose rows are written.
#[derive(Default)]
pub(super) struct Listed {
    written: Written,
    /// Of each stream of the survey, whether it is read for its digest; nothing where none is.
    wanted: Vec<bool>,
    /// The streams that are still to be hashed in this task, by their indexes.
    late: Vec<u32>,
}

impl Job<'_> {
    /// Lists a volume, and finds what else of its content is to be hashed: in this task, or in others that are planned.
    pub(super) fn list(
        &self,
        work: &Work<'_>,
        joined: &Joined<'_>,
        assembled: &mut AssembledVolume,
        gaps: &mut Vec<Gap>,
    ) -> Result<Listed, TaskError> {
        let Joined { spec, volume, tree, early, .. } = *joined;
        let survey = tree.survey();
        let mut listed = Listed::default();
        if work.wants_digests() {
            let Plan { wanted, streams, gaps: found } =
                Plan::of(survey, &tree.listed(), early, spec.range.len);
            gaps.extend(found.into_iter().map(|gap| gap.in_volume(&spec.name)));
            listed.wanted = wanted;
            if work.whole {
                listed.late = streams;
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
        if work.asked.contains(Part::Files) {
            listed.written = listing::write(tree, work.hashes(), self)?;
            gaps.extend(listed.written.gaps.drain(..).map(|gap| gap.in_volume(&spec.name)));
            assembled.rows = listed.written.chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
            tracing::debug!(volume = spec.name, rows = assembled.rows, "listed");
        }
        Ok(listed)
    }

    /// Adds the digests of the streams that are hashed early to the listing, as they come, and those of the others, which
    /// are hashed then. Gives what could not be read.
    pub(super) fn digest(
        &self,
        joined: &Joined<'_>,
        hashed: &Receiver<Hashed>,
        listed: &mut Listed,
    ) -> Result<Faults, TaskError> {
        let Joined { spec, early, .. } = *joined;
        let Listed { written, wanted, late } = listed;
        let survey = joined.tree.survey();
        let mut digests = Digests::expected(survey.streams.len(), early.iter().chain(&*late));
        let mut columns = written.columns(&digests);
        let mut failed = Vec::new();
        loop {
            let next = match hashed.try_recv() {
                // The disk is busy: there is time for a column.
                Err(TryRecvError::Empty) if columns.put_known(&digests, self)? => continue,
                Err(TryRecvError::Empty) => hashed.recv().ok(),
                next => next.ok(),
            };
            let Some(next) = next else { break };
            failed.extend(digests.add(next));
        }
        if digests.known() < early.len() {
            // Who makes them knows why.
            return Err(TaskError::Cancelled);
        }
        // What no name leads to is not listed, and neither is what is wrong with it.
        let wanted = |(place, _): &(usize, _)| wanted[early[*place] as usize];
        let mut faults = Faults::of(spec, &OfSurvey::new(survey, early), failed.into_iter().filter(wanted));
        if !late.is_empty() {
            let (sender, hashed) = mpsc::channel();
            let streams = OfSurvey::new(survey, late);
            let tell = |hashed| sender.send(hashed).unwrap_or_default();
            self.hash(joined.volume, &streams, &|| self.context.cancelled(), &tell)?;
            let mut failed = Vec::new();
            for mut next in hashed.try_iter() {
                next.first += early.len();
                failed.extend(digests.add(next));
            }
            faults.append(Faults::of(spec, &streams, failed));
        }
        columns.put_rest(&digests, self)?;
        tracing::debug!(volume = spec.name, late = late.len(), "digests are listed");
        Ok(faults)
    }
}

impl Joined<'_> {
    /// What became of the volume's bytes; extractors read the content of the inodes in `extracted`.
    pub(super) fn coverage(&self, listed: &Listed, extracted: &HashSet<u32>) -> Vec<CoverageRange> {
        let survey = self.tree.survey();
        let range = ByteRange::new(self.spec.range.start, self.spec.range.len);
        let size = self.volume.spec.size_bytes;
        let rest = if self.partly { Rest::NotAsked } else { Rest::Unreferenced };
        let coverage = volume_coverage(&self.spec.name, range, size, survey, rest, |inode, stream| {
            let deleted = survey.inodes[inode].flags.contains(RowFlags::DELETED);
            let extracted = || survey.streams[stream].name.len == 0 && extracted.contains(&(inode as u32));
            let read = listed.wanted.get(stream) == Some(&true) || !deleted && extracted();
            if read { StreamUse::Read } else { StreamUse::NotAsked }
        });
        tracing::debug!(volume = self.spec.name, ranges = coverage.len(), "accounted for");
        coverage
    }
}

impl Listed {
    /// The chunks of its listing.
    pub(super) fn into_chunks(self) -> Vec<ChunkRef> {
        self.written.chunks
    }
}
