//! Survey: every inode in some units of a volume.

use super::{Job, TaskError, counted::Counted, probe::run};
use coldread_fsparse::{
    fs::{self, Filesystem},
    source::{SharedSource, overlay::Overlay, slice::Slice},
    survey::Survey,
};
use coldread_model::task::{FilesystemSpec, SourceSpec, VolumeSpec};
use std::{ops::Range, sync::Arc, thread};

/// A volume's filesystem at hand: its driver and its bytes.
pub(super) struct Opened<'a> {
    pub(super) driver: &'static dyn Filesystem,
    pub(super) spec: &'a FilesystemSpec,
    pub(super) source: Counted<'a>,
}

impl Job<'_> {
    /// Opens a volume that holds a filesystem.
    pub(super) fn open_volume<'a>(
        &'a self,
        disk: &SourceSpec,
        volume: &'a VolumeSpec,
    ) -> Result<Opened<'a>, TaskError> {
        let invalid = |what: &str| TaskError::Invalid(format!("volume {}: {what}", volume.name));
        let spec = volume.filesystem.as_ref().ok_or_else(|| invalid("no filesystem to read"))?;
        let driver = fs::by_name(&spec.driver)
            .ok_or_else(|| invalid(&format!("this version has no driver {}", spec.driver)))?;
        let disk = self.disks.open(disk)?;
        let slice: SharedSource = Arc::new(Slice::new(Arc::clone(&disk.source), volume.range));
        let source = if spec.patches.is_empty() {
            slice
        } else {
            let overlay = Overlay::new(slice, spec.patches.clone());
            Arc::new(overlay.map_err(|error| invalid(&error.to_string()))?)
        };
        Ok(Opened { driver, spec, source: Counted::new(source, self.context) })
    }

    pub(super) fn survey_task(
        &self,
        source: &SourceSpec,
        volume: &VolumeSpec,
        (first, count): (u64, u64),
    ) -> Result<Vec<u8>, TaskError> {
        let opened = self.open_volume(source, volume)?;
        let end = first.saturating_add(count).min(opened.spec.units);
        Ok(self.survey(&opened, first..end)?.to_bytes())
    }

    /// Surveys units on all threads; the result does not depend on their number.
    pub(super) fn survey(&self, opened: &Opened<'_>, units: Range<u64>) -> Result<Survey, TaskError> {
        let count = units.end.saturating_sub(units.start);
        let parts = count.min(self.threads as u64).max(1);
        let border =
            |part: u64| units.start + (u128::from(count) * u128::from(part) / u128::from(parts)) as u64;
        let one = |part: u64| -> Result<Survey, TaskError> {
            let geometry = &opened.spec.geometry;
            let machine = opened.driver.survey(geometry, border(part)..border(part + 1));
            let mut machine = machine.map_err(|error| TaskError::Invalid(error.to_string()))?;
            run(&mut *machine, &opened.source)?;
            Ok(machine.finish())
        };
        let one = &one;
        let surveys: Vec<Result<Survey, TaskError>> = thread::scope(|scope| {
            let others: Vec<_> = (1..parts).map(|part| scope.spawn(move || one(part))).collect();
            let mut surveys = vec![one(0)];
            for other in others {
                let panicked =
                    || Err(TaskError::Invalid("a survey thread ended without a result".to_owned()));
                surveys.push(other.join().unwrap_or_else(|_| panicked()));
            }
            surveys
        });
        let mut whole = Survey::default();
        for survey in surveys {
            join(&mut whole, survey?)?;
        }
        self.check()?;
        Ok(whole)
    }
}

/// Joins the survey of the units that follow.
pub(super) fn join(whole: &mut Survey, next: Survey) -> Result<(), TaskError> {
    whole.append(next).map_err(|full| TaskError::Invalid(full.to_string()))
}
