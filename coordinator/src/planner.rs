//! What a scan does next: a pure state machine over its tasks' ends.
//!
//! ```text
//! probe ─┬─ all filesystems fit one shard ── assemble, whole ──────────────────────┬─ commit
//!        └─ surveys of each volume ── assemble ── content shards of each volume ───┘
//! ```
//!
//! A task that failed for good does not stop the scan, except probe: without it nothing is known. A failed
//! survey's units, a failed content shard's digests and a failed assemble's volumes become gaps, and the
//! volumes concerned are `partial`.

use crate::limits;
use coldread_model::{
    Gap, GapKind, Part, Parts,
    task::{ContentMode, ProbeOutput, Share, SourceSpec, TaskInput, VolumeSpec},
};
use std::collections::{BTreeMap, BTreeSet};

/// One task of a scan. Volumes are counted as probe lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// Finds the volumes.
    Probe,
    /// Surveys a part of a volume's units.
    Survey {
        /// The volume.
        volume: usize,
        /// Which of its parts.
        part: usize,
    },
    /// Joins the surveys.
    Assemble,
    /// Hashes a shard of a volume's files.
    Content {
        /// The volume.
        volume: usize,
        /// Which of its shards.
        shard: usize,
    },
}

/// A step's result, as far as planning is concerned.
#[derive(Clone, Debug)]
pub enum Done {
    /// Probe's output.
    Probe(Box<ProbeOutput>),
    /// A survey's result is kept.
    Survey,
    /// Assemble's result is kept; the names of each volume's content plans.
    Assemble(Vec<Vec<String>>),
    /// A content shard's result is kept.
    Content,
}

/// What is to be done now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// These steps are ready now.
    Run(Vec<Step>),
    /// Others are under way.
    Wait,
    /// Everything is done that can be: commit.
    Commit,
    /// The source cannot be read at all.
    Failed(String),
}

/// What the surveys, contents and assemble of a scan could not do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// One for each task that failed for good.
    pub gaps: Vec<Gap>,
    /// Volumes concerned, by index, and the reason for their state.
    pub partial: BTreeMap<usize, String>,
}

/// A scan's state.
#[derive(Debug)]
pub struct Planner {
    source: SourceSpec,
    content: ContentMode,
    cross_check: Share,
    asked: Parts,
    shard_bytes: u64,
    probe: Option<ProbeOutput>,
    /// Units of each part of each volume.
    parts: Vec<Vec<(u64, u64)>>,
    /// Small enough that assemble does it all.
    whole: bool,
    /// Names of each volume's content plans.
    plans: Vec<Vec<String>>,
    /// Ready or leased.
    open: BTreeSet<Step>,
    /// Ended with a result.
    done: BTreeSet<Step>,
    /// Ended without one.
    lost: BTreeSet<Step>,
    losses: Losses,
}

impl Planner {
    /// A scan of `source` in shards of about `shard_bytes`; [`Step::Probe`] is its first and only ready step.
    pub fn new(source: SourceSpec, content: ContentMode, cross_check: Share, shard_bytes: u64) -> Self {
        Self {
            source,
            content,
            cross_check,
            asked: Parts::ALL,
            shard_bytes: shard_bytes.max(1),
            probe: None,
            parts: Vec::new(),
            whole: false,
            plans: Vec::new(),
            open: BTreeSet::from([Step::Probe]),
            done: BTreeSet::new(),
            lost: BTreeSet::new(),
            losses: Losses::default(),
        }
    }

    /// The same scan, asked for these parts alone. Without files there is so little to read that one task does
    /// it, however large the volumes are.
    #[must_use]
    pub fn asking(mut self, asked: Parts) -> Self {
        self.asked = asked;
        self
    }

    /// A step ended with a result. One that is not open (any more) changes nothing.
    pub fn finish(&mut self, step: Step, done: Done) -> Next {
        if !self.open.remove(&step) {
            return Next::Wait;
        }
        self.done.insert(step);
        match done {
            Done::Probe(probe) => self.after_probe(*probe),
            Done::Assemble(plans) => self.after_assemble(plans),
            Done::Survey | Done::Content => self.when_all_ended(),
        }
    }

    /// A step failed at every try, the last time for this reason.
    pub fn give_up(&mut self, step: Step, reason: &str) -> Next {
        if !self.open.remove(&step) {
            return Next::Wait;
        }
        self.lost.insert(step);
        let Some(probe) = &self.probe else { return Next::Failed(reason.to_owned()) };
        let gap = |structure, reason| Gap::new(GapKind::Failed, structure, reason);
        let name = |volume: usize| probe.volumes.get(volume).map_or("", |volume| volume.name.as_str());
        match step {
            // Without its output there is no probe.
            Step::Probe => return Next::Failed(reason.to_owned()),
            Step::Survey { volume, part } => {
                let units = self.parts.get(volume).and_then(|parts| parts.get(part)).copied();
                let (first, count) = units.unwrap_or_default();
                let end = first.saturating_add(count);
                let what = format!("units {first} to before {end} were not surveyed: {reason}");
                self.losses.gaps.push(gap("survey", what).in_volume(name(volume)));
                self.losses.partial.insert(volume, "a survey failed".to_owned());
            }
            Step::Content { volume, shard } => {
                let what = format!("files of content shard {shard} have no digest: {reason}");
                self.losses.gaps.push(gap("content", what).in_volume(name(volume)));
                self.losses.partial.entry(volume).or_insert_with(|| "a content shard failed".to_owned());
            }
            Step::Assemble => {
                self.losses.gaps.push(gap("assemble", format!("no volume was listed: {reason}")));
                let read = probe.volumes.iter().enumerate().filter(|(_, volume)| volume.filesystem.is_some());
                let why = "assemble failed";
                self.losses.partial.extend(read.map(|(volume, _)| (volume, why.to_owned())));
            }
        }
        self.when_all_ended()
    }

    fn after_probe(&mut self, probe: ProbeOutput) -> Next {
        let filesystems = probe.volumes.iter().filter(|volume| volume.filesystem.is_some());
        let bytes = filesystems.fold(0_u64, |sum, volume| sum.saturating_add(volume.range.len));
        self.whole = bytes <= self.shard_bytes || !self.asked.contains(Part::Files);
        self.parts = probe.volumes.iter().map(|volume| self.parts_of(volume)).collect();
        self.probe = Some(probe);
        if self.whole {
            return self.open_all(vec![Step::Assemble]);
        }
        let counts = self.parts.iter().enumerate();
        let surveys = counts
            .flat_map(|(volume, parts)| (0..parts.len()).map(move |part| Step::Survey { volume, part }));
        let surveys = surveys.collect();
        self.open_all(surveys)
    }

    /// The volume's units, divided as evenly as they can be.
    fn parts_of(&self, volume: &VolumeSpec) -> Vec<(u64, u64)> {
        let Some(filesystem) = volume.filesystem.as_ref().filter(|_| !self.whole) else { return Vec::new() };
        let units = filesystem.units;
        let count = volume.range.len.div_ceil(self.shard_bytes).min(limits::MAX_SURVEYS).min(units).max(1);
        let border = |part: u64| (u128::from(units) * u128::from(part) / u128::from(count)) as u64;
        (0..count).map(|part| (border(part), border(part + 1) - border(part))).collect()
    }

    fn after_assemble(&mut self, plans: Vec<Vec<String>>) -> Next {
        self.plans = plans;
        let counts = self.plans.iter().enumerate();
        let contents = counts
            .flat_map(|(volume, plans)| (0..plans.len()).map(move |shard| Step::Content { volume, shard }));
        let contents: Vec<Step> = contents.collect();
        if contents.is_empty() { Next::Commit } else { self.open_all(contents) }
    }

    fn open_all(&mut self, steps: Vec<Step>) -> Next {
        self.open.extend(&steps);
        Next::Run(steps)
    }

    fn when_all_ended(&mut self) -> Next {
        if !self.open.is_empty() {
            return Next::Wait;
        }
        if self.done.contains(&Step::Assemble) || self.lost.contains(&Step::Assemble) {
            return Next::Commit;
        }
        self.open_all(vec![Step::Assemble])
    }

    /// The input of a step; none for one that this scan does not have.
    pub fn input(&self, step: Step) -> Option<TaskInput> {
        let source = self.source.clone();
        let volume = |index: usize| self.probe.as_ref()?.volumes.get(index).cloned();
        Some(match step {
            Step::Probe => TaskInput::Probe { source },
            Step::Survey { volume: index, part } => {
                let units = *self.parts.get(index)?.get(part)?;
                TaskInput::Survey { source, volume: volume(index)?, units }
            }
            Step::Assemble => TaskInput::Assemble {
                source,
                probe: self.probe.clone()?,
                surveys: if self.whole { Vec::new() } else { self.survey_names() },
                content: self.content,
                cross_check: self.cross_check,
                shard_bytes: self.shard_bytes,
                whole: self.whole,
                asked: self.asked,
            },
            Step::Content { volume: index, shard } => {
                let plan = self.plans.get(index)?.get(shard)?.clone();
                TaskInput::Content { source, volume: volume(index)?, plan }
            }
        })
    }

    fn survey_names(&self) -> Vec<Vec<String>> {
        let name = |step| if self.done.contains(&step) { self.result_name(step) } else { String::new() };
        let volumes = self.parts.iter().enumerate();
        let names = |(volume, parts): (usize, &Vec<_>)| {
            (0..parts.len()).map(|part| name(Step::Survey { volume, part })).collect()
        };
        volumes.map(names).collect()
    }

    /// The name under which a step's result is kept for later steps and for the commit.
    pub fn result_name(&self, step: Step) -> String {
        match step {
            Step::Probe => "result/probe".to_owned(),
            Step::Survey { volume, part } => format!("result/survey/{volume}/{part}"),
            Step::Assemble => "result/assemble".to_owned(),
            Step::Content { volume, shard } => format!("result/content/{volume}/{shard}"),
        }
    }

    /// What probe found, once it has.
    pub fn probe(&self) -> Option<&ProbeOutput> {
        self.probe.as_ref()
    }

    /// Whether contents are wanted.
    pub fn content(&self) -> ContentMode {
        self.content
    }

    /// What is asked for.
    pub fn asked(&self) -> Parts {
        self.asked
    }

    /// What could not be done.
    pub fn losses(&self) -> &Losses {
        &self.losses
    }

    /// The steps that ended with a result, in order.
    pub fn finished(&self) -> impl Iterator<Item = Step> + '_ {
        self.done.iter().copied()
    }

    /// Steps that have ended, with a result or without, and steps known so far.
    pub fn progress(&self) -> (usize, usize) {
        let ended = self.done.len() + self.lost.len();
        (ended, ended + self.open.len())
    }

    /// What is being done, for people.
    pub fn activity(&self) -> String {
        let name = |volume: usize| {
            self.probe.as_ref().and_then(|probe| probe.volumes.get(volume)).map_or("", |volume| &volume.name)
        };
        match self.open.first() {
            None => "committing".to_owned(),
            Some(Step::Probe) => "probing".to_owned(),
            Some(Step::Survey { volume, .. }) => format!("surveying {}", name(*volume)),
            Some(Step::Assemble) if self.whole => "reading".to_owned(),
            Some(Step::Assemble) => "assembling".to_owned(),
            Some(Step::Content { volume, .. }) => format!("hashing {}", name(*volume)),
        }
    }
}

#[cfg(test)]
mod tests;
