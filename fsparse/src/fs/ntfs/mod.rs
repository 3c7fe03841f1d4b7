//! NTFS, as ntfs-3g shows it.
//!
//! All that is known of a file is in the MFT: names, times, streams and where their bytes lie. So a survey
//! reads MFT records and no directory index: on a consistent volume the indexes repeat the `$FILE_NAME`
//! attributes. Who looks for a few files alone follows the indexes: see [`directories`]. A unit is a run of 1024 records; an equal share of the cluster bitmap goes with it.
//!
//! Records that are free again are read as deleted files: see [`loader`] and [`file`] for what is believed of them.
//!
//! [`boot`] → [`probe`] finds the MFT's own map → [`loader`] reads records with what belongs to them →
//! [`attributes`] joins a file's attributes → [`file`] puts it into a survey.

mod attributes;
mod bitmap;
mod boot;
mod copies;
mod directories;
mod facts;
mod file;
mod geometry;
mod hibernation;
mod index;
mod loader;
mod logfile;
pub mod lznt1;
mod probe;
mod record;
mod runs;
mod special;
mod streams;
mod survey;
#[cfg(test)]
mod tests;
mod value;
pub mod wof;
mod wtf8;

use crate::{
    error::ParseError,
    fs::{Filesystem, ProbeMachine, SurveyMachine},
};
use geometry::Geometry;
use std::ops::Range;

/// The driver.
#[derive(Clone, Copy, Debug)]
pub struct Ntfs;

impl Filesystem for Ntfs {
    fn name(&self) -> &'static str {
        "ntfs"
    }

    fn recognises(&self, head: &[u8]) -> bool {
        boot::is_ntfs(head)
    }

    fn recognises_damaged(&self, head: &[u8]) -> bool {
        boot::starts_without_its_boot_sector(head)
    }

    fn probe(&self, volume_bytes: u64) -> Box<dyn ProbeMachine> {
        Box::new(probe::NtfsProbe::new(volume_bytes))
    }

    fn survey(&self, geometry: &[u8], units: Range<u64>) -> Result<Box<dyn SurveyMachine>, ParseError> {
        let geometry = Geometry::decode(geometry)?;
        Ok(Box::new(survey::NtfsSurvey::of_units(geometry, &units)))
    }

    fn inodes(&self, geometry: &[u8], numbers: &[u64]) -> Result<Box<dyn SurveyMachine>, ParseError> {
        Ok(Box::new(survey::NtfsSurvey::of_numbers(Geometry::decode(geometry)?, numbers)))
    }

    fn directories(&self, geometry: &[u8], numbers: &[u64]) -> Result<Box<dyn SurveyMachine>, ParseError> {
        Ok(Box::new(directories::Directories::new(Geometry::decode(geometry)?, numbers)))
    }

    fn root(&self, _geometry: &[u8]) -> Result<u64, ParseError> {
        Ok(geometry::ROOT)
    }
}
