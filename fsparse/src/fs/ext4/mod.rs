//! ext2, ext3 and ext4. A survey's unit is a block group.
//!
//! Rounds: group descriptors; bitmaps and inode tables; then, for each inode as soon as it is seen,
//! directory blocks, nodes of its extent tree or block map, attribute blocks and link targets, level by
//! level. **Invariant:** nothing is read path by path, and nothing waits for what it does not need.

mod attributes;
mod bytes;
mod checksum;
mod copies;
mod descriptor;
mod dir;
mod extent;
mod features;
mod geometry;
mod groups;
mod inode;
mod journal;
mod map;
mod names;
mod nokey;
mod open;
mod probe;
mod recognise;
mod scan;
mod superblock;
mod tables;
#[cfg(test)]
mod tests;
mod weigh;
mod xattr;

use super::{Filesystem, ProbeMachine, SurveyMachine, WeighMachine};
use crate::error::ParseError;
use geometry::{Geometry, ROOT_INODE};
use std::ops::Range;

/// The driver.
#[derive(Clone, Copy, Debug)]
pub struct Ext4;

impl Filesystem for Ext4 {
    fn name(&self) -> &'static str {
        "ext4"
    }

    fn recognises(&self, head: &[u8]) -> bool {
        recognise::has_superblock(head)
    }

    fn recognises_damaged(&self, head: &[u8]) -> bool {
        recognise::has_descriptors(head)
    }

    fn probe(&self, volume_bytes: u64) -> Box<dyn ProbeMachine> {
        Box::new(probe::Probe::new(volume_bytes))
    }

    fn survey(&self, geometry: &[u8], units: Range<u64>) -> Result<Box<dyn SurveyMachine>, ParseError> {
        Ok(Box::new(scan::Scan::of_groups(Geometry::decode(geometry)?, units)))
    }

    fn weigh(&self, geometry: &[u8], units: Range<u64>) -> Result<Option<Box<dyn WeighMachine>>, ParseError> {
        let weigh = weigh::Weigh::of_groups(Geometry::decode(geometry)?, &units);
        Ok(weigh.map(|weigh| Box::new(weigh) as Box<dyn WeighMachine>))
    }

    fn inodes(&self, geometry: &[u8], numbers: &[u64]) -> Result<Box<dyn SurveyMachine>, ParseError> {
        Ok(Box::new(scan::Scan::of_inodes(Geometry::decode(geometry)?, numbers)))
    }

    fn directories(&self, geometry: &[u8], numbers: &[u64]) -> Result<Box<dyn SurveyMachine>, ParseError> {
        Ok(Box::new(scan::Scan::of_directories(Geometry::decode(geometry)?, numbers)))
    }

    fn root(&self, geometry: &[u8]) -> Result<u64, ParseError> {
        Geometry::decode(geometry)?;
        Ok(ROOT_INODE.into())
    }
}
