//! The survey of a run of units on several threads.

use crate::io::GivenBack;
use coldread_fsparse::{
    error::ParseError,
    fs::{Filesystem, share::shares},
    machine::{Machine, RunStats, run},
    source::{BlockSource, SourceError},
    survey::{Survey, SurveyFull},
};
use std::{ops::Range, thread};

/// Why units could not be surveyed at all; what could not be read of them is told in the survey.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The geometry is not one, or the units are not there.
    #[error(transparent)]
    Geometry(#[from] ParseError),
    /// The source gives no queue.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is too much for one survey.
    #[error(transparent)]
    Full(#[from] SurveyFull),
    /// A thread panicked.
    #[error("a survey thread ended without a result")]
    Panicked,
}

/// Surveys units on so many threads, each of which gets about as much to read; what is found does not depend on how
/// many they are.
pub fn survey(
    driver: &dyn Filesystem,
    geometry: &[u8],
    source: &dyn BlockSource,
    units: Range<u64>,
    threads: usize,
) -> Result<(Survey, RunStats), SurveyError> {
    let (weights, mut stats) = weigh(driver, geometry, source, units.clone(), threads)?;
    let one = |units: Range<u64>| -> Result<(Survey, RunStats), SurveyError> {
        let mut machine = driver.survey(geometry, units)?;
        let stats = fed(&mut *machine, source)?;
        Ok((machine.finish(), stats))
    };
    let one = &one;
    let mut shares = shares(units, &weights, threads as u64).into_iter();
    let first = shares.next().unwrap_or_default();
    let surveys: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = shares.map(|units| scope.spawn(move || one(units))).collect();
        let mut surveys = vec![one(first)];
        surveys.extend(others.into_iter().map(|other| other.join().unwrap_or(Err(SurveyError::Panicked))));
        surveys
    });
    let mut surveys = surveys.into_iter();
    let (mut whole, mut together) = surveys.next().transpose()?.unwrap_or_default();
    for survey in surveys {
        let (survey, took) = survey?;
        let [rows, rest] = whole.append_by_columns(survey, &GivenBack)?;
        thread::scope(|scope| {
            let rows = scope.spawn(rows);
            rest();
            rows.join().map_err(|_| SurveyError::Panicked)
        })?;
        together = together.beside(took);
    }
    stats.rounds += together.rounds;
    stats.requests += together.requests;
    stats.bytes += together.bytes;
    Ok((whole, stats))
}

/// What the units weigh, where that matters.
fn weigh(
    driver: &dyn Filesystem,
    geometry: &[u8],
    source: &dyn BlockSource,
    units: Range<u64>,
    threads: usize,
) -> Result<(Vec<u64>, RunStats), SurveyError> {
    if threads < 2 || units.end.saturating_sub(units.start) < 2 {
        return Ok(Default::default());
    }
    let Some(mut machine) = driver.weigh(geometry, units)? else { return Ok(Default::default()) };
    let stats = fed(&mut *machine, source)?;
    Ok((machine.finish(), stats))
}

fn fed(machine: &mut dyn Machine, source: &dyn BlockSource) -> Result<RunStats, SourceError> {
    let mut queue = source.open_queue()?;
    Ok(run(machine, &mut *queue))
}
