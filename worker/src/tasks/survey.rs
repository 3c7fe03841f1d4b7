//! Survey: every inode in some units of a volume.

use super::{Job, TaskError, counted::Counted};
use crate::survey::{self, SurveyError};
use coldread_fsparse::{
    fs::{self, Filesystem},
    source::{SharedSource, overlay::Overlay, slice::Slice},
    survey::Survey,
};
use coldread_model::task::{FilesystemSpec, SourceSpec, VolumeSpec};
use std::{ops::Range, sync::Arc};

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
        let found = survey::survey(opened.driver, &opened.spec.geometry, &opened.source, units, self.threads);
        let (found, _) = found.map_err(|error| match error {
            SurveyError::Source(error) => TaskError::Source(error.to_string()),
            other => TaskError::Invalid(other.to_string()),
        })?;
        self.check()?;
        Ok(found)
    }
}

/// Joins the survey of the units that follow.
pub(super) fn join(whole: &mut Survey, next: Survey) -> Result<(), TaskError> {
    whole.append(next).map_err(|full| TaskError::Invalid(full.to_string()))
}
