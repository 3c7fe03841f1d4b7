//! The roots of the inode trees, read while the log is looked at, so that a survey of a clean volume starts a level
//! below them.

use super::{
    ag,
    btree::{self, Body, MAX_LEVELS, Tree},
    geometry::Geometry,
};
use crate::machine::{Fetched, Requests};
use coldread_model::ByteRange;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Groups whose roots are read early: they travel with the geometry.
const MAX_GROUPS: u32 = 256;
/// Bytes of roots kept.
const MAX_BYTES: usize = 256 << 10;
/// Set in the tags of these requests; the log's are smaller.
const TAG: u64 = 1 << 62;
const ROOT: u64 = 1 << 61;

/// The root of a group's inode tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InodeRoot {
    /// Its block in the group.
    pub(super) block: u32,
    /// Levels of the tree.
    pub(super) levels: u32,
    /// Records if it is the only level, else pointers to the one below.
    pub(super) body: Vec<u8>,
}

/// Reads the roots of all groups. What cannot be read is left to the survey, which tells of it.
pub(super) struct Roots {
    geometry: Geometry,
    found: BTreeMap<u32, InodeRoot>,
    /// Block and levels as the AGI has them.
    named: BTreeMap<u32, (u32, u32)>,
    bytes: usize,
}

impl Roots {
    pub(super) fn new(geometry: Geometry) -> Self {
        Self { geometry, found: BTreeMap::new(), named: BTreeMap::new(), bytes: 0 }
    }

    /// Whether an answer is to one of these requests.
    pub(super) fn asked(tag: u64) -> bool {
        tag & TAG != 0
    }

    /// Asks for the AGI of every group that the volume holds.
    pub(super) fn start(&self, groups: u64, ask: &mut Requests) {
        let sector = u64::from(self.geometry.sector_bytes);
        for ag in 0..u32::try_from(groups).unwrap_or(u32::MAX).min(MAX_GROUPS) {
            let at = self.geometry.bytes_of(self.geometry.ag_start(ag), 0).start + 2 * sector;
            ask.push(TAG | u64::from(ag), ByteRange::new(at, sector));
        }
    }

    pub(super) fn feed(&mut self, fetched: &Fetched<'_>, ask: &mut Requests) {
        let (ag, at) = (fetched.tag as u32, fetched.range.start);
        if !fetched.bad.is_empty() {
            return;
        }
        if fetched.tag & ROOT == 0 {
            let roots = ag::agi(&self.geometry, ag, fetched.bytes, at).unwrap_or_default();
            let Some(root) = roots.iter().find(|root| root.tree == Tree::Inode) else { return };
            if let Some(place) = self.geometry.ag_place(ag, u64::from(root.block), 1)
                && (1..=MAX_LEVELS).contains(&root.levels)
            {
                self.named.insert(ag, (root.block, root.levels));
                ask.push(TAG | ROOT | u64::from(ag), self.geometry.bytes_of(place, 1));
            }
        } else if let Some(&(block, levels)) = self.named.get(&ag)
            && let Ok(body) = btree::short(&self.geometry, Tree::Inode, ag, levels - 1, fetched.bytes, at)
        {
            let (Body::Records(body) | Body::Pointers(body)) = body;
            self.bytes += body.len();
            if self.bytes <= MAX_BYTES {
                self.found.insert(ag, InodeRoot { block, levels, body: body.to_vec() });
            }
        }
    }

    /// The roots that were read, by group.
    pub(super) fn finish(self) -> BTreeMap<u32, InodeRoot> {
        self.found
    }
}
