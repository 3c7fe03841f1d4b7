//! Content that is hashed as soon as the surveys are there: nearly every file in use has a name, and the disk need not
//! wait until the trees say which. Nor need it wait for a processor: everything else is done [behind] it.

use super::{
    super::{
        Job, TaskError,
        content::{Hashed, Stop},
        plan,
        streams::OfSurvey,
        survey::Opened,
    },
    Surveyed,
};
use coldread_model::task::VolumeSpec;
use std::{sync::mpsc::Sender, thread};

/// How much kinder to other threads those are that need not keep a disk busy (nice(2)): a third of the processor is theirs
/// where it is fought for, and all of it where the others wait.
const BEHIND: i32 = 5;

/// Does `work`; if other threads are hashing, in such a way that they go first.
pub(super) fn behind<T: Send>(hashing: bool, work: impl FnOnce() -> T + Send) -> Result<T, TaskError> {
    if !hashing {
        return Ok(work());
    }
    // Threads that it starts are as kind as it is, and a thread cannot go back, so that it has to be one of its own.
    let kind = || {
        if let Err(error) = rustix::process::nice(BEHIND) {
            tracing::debug!(%error, "cannot give way to hashing");
        }
        work()
    };
    thread::scope(|scope| scope.spawn(kind).join())
        .map_err(|_| super::panicked("what is done beside hashing"))
}

/// Of each volume the streams of all files in use, by their indexes, in the order in which they lie.
pub(super) fn streams(specs: &[VolumeSpec], surveys: &[Option<Surveyed>], threads: usize) -> Vec<Vec<u32>> {
    let of = |(spec, surveyed): (&VolumeSpec, &Option<Surveyed>)| {
        let in_use = |surveyed: &Surveyed| plan::in_use(&surveyed.survey, spec.range.len, threads);
        surveyed.as_ref().map(in_use).unwrap_or_default()
    };
    specs.iter().zip(surveys).map(of).collect()
}

impl Job<'_> {
    /// Hashes these streams, one volume after the other, until `stop` says that they are not wanted. Each volume's sender
    /// is dropped once all of its digests are sent.
    pub(super) fn hash_early(
        &self,
        opened: &[Option<Opened<'_>>],
        surveys: &[Option<Surveyed>],
        streams: &[Vec<u32>],
        senders: Vec<Sender<Hashed>>,
        stop: Stop<'_>,
    ) -> Result<(), TaskError> {
        for (((volume, surveyed), streams), sender) in opened.iter().zip(surveys).zip(streams).zip(senders) {
            let (Some(volume), Some(Surveyed { survey, .. })) = (volume, surveyed) else { continue };
            if !streams.is_empty() {
                // Who does not listen any more has failed, and stops the rest.
                let tell = |hashed| sender.send(hashed).unwrap_or_default();
                self.hash(volume, &OfSurvey::new(survey, streams), stop, &tell)?;
                tracing::debug!(streams = streams.len(), "hashed");
            }
        }
        Ok(())
    }
}
