//! XFS: versions 4 and 5, surveyed by allocation group.
//!
//! Written from "XFS Algorithms & Data Structures", 3rd edition (Linux' xfs-documentation), and, for what is
//! newer, from the on-disk definitions in Linux' `fs/xfs/libxfs/xfs_format.h` and `xfs_da_format.h`.

mod acl;
mod ag;
mod be;
mod btree;
mod copies;
mod dir;
mod extent;
mod findings;
mod fork;
mod fork_image;
mod geometry;
mod inode;
mod job;
mod log;
mod names;
mod pace;
mod probe;
mod roots;
mod superblock;
mod survey;
#[cfg(test)]
mod tests;
mod trees;
mod xattr;

use super::{Filesystem, ProbeMachine, SurveyMachine};
use crate::error::ParseError;
use geometry::Geometry;
use std::ops::Range;

/// The driver.
#[derive(Clone, Copy, Debug)]
pub struct Xfs;

impl Filesystem for Xfs {
    fn name(&self) -> &'static str {
        "xfs"
    }

    fn recognises(&self, head: &[u8]) -> bool {
        superblock::recognises(head)
    }

    fn recognises_damaged(&self, head: &[u8]) -> bool {
        ag::start_a_group(head)
    }

    fn probe(&self, volume_bytes: u64) -> Box<dyn ProbeMachine> {
        Box::new(probe::Probe::new(volume_bytes))
    }

    fn survey(&self, geometry: &[u8], units: Range<u64>) -> Result<Box<dyn SurveyMachine>, ParseError> {
        let geometry = Geometry::from_opaque(geometry)?;
        Ok(Box::new(survey::Surveyor::of_groups(geometry, &units)?))
    }

    fn inodes(&self, geometry: &[u8], numbers: &[u64]) -> Result<Box<dyn SurveyMachine>, ParseError> {
        Ok(Box::new(survey::Surveyor::of_inodes(Geometry::from_opaque(geometry)?, numbers)))
    }

    fn directories(&self, geometry: &[u8], numbers: &[u64]) -> Result<Box<dyn SurveyMachine>, ParseError> {
        let geometry = Geometry::from_opaque(geometry)?;
        Ok(Box::new(survey::Surveyor::of_directories(geometry, numbers)))
    }

    fn root(&self, geometry: &[u8]) -> Result<u64, ParseError> {
        Ok(Geometry::from_opaque(geometry)?.root)
    }
}
