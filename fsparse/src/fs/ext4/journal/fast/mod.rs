//! Fast commits: changes of inodes and names that stand in an area of their own behind the log.
//!
//! `tags` reads the area, `blocks` holds what the changes touch, `inodes` and `names` change it. What
//! recovery would allocate (nodes of extent trees, directory blocks) is put into the journal's own blocks,
//! which nothing reads once it is replayed.
//! **Invariant:** a change that cannot be applied is named; those after it still are.

mod blocks;
mod inodes;
mod names;
mod tags;

use super::super::{bytes::u16_at, geometry::Geometry};
use crate::{
    machine::{Fetched, Requests},
    survey::Extent,
};
use blocks::Blocks;
use coldread_model::task::Patch;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
pub(in crate::fs::ext4) use tags::Change;
use tags::NameChange;
pub(super) use tags::read;

/// More reasons than this one are not kept.
const MAX_REASONS: usize = 100;
/// Bytes of directories and maps looked through; each change looks through its own.
const MAX_WORK: u64 = 4 << 30;

/// Fast commits while they are applied.
pub(in crate::fs::ext4) struct FastCommits {
    geometry: Geometry,
    changes: Vec<Change>,
    blocks: Blocks,
    /// Blocks of the journal that may be given new content.
    spare: VecDeque<u64>,
    /// Maps of inodes as they are now.
    maps: BTreeMap<u32, Vec<Extent>>,
    /// Inodes whose maps must be written, and inodes that changed at all.
    remapped: BTreeSet<u32>,
    touched: BTreeSet<u32>,
    reasons: Vec<String>,
    /// Bytes of directories and maps that may still be looked through.
    work_left: u64,
}

impl FastCommits {
    /// These changes of a filesystem; `spare` are blocks of its journal.
    pub(in crate::fs::ext4) fn new(geometry: &Geometry, changes: Vec<Change>, spare: VecDeque<u64>) -> Self {
        Self {
            blocks: Blocks::new(geometry),
            geometry: geometry.clone(),
            changes,
            spare,
            maps: BTreeMap::new(),
            remapped: BTreeSet::new(),
            touched: BTreeSet::new(),
            reasons: Vec::new(),
            work_left: MAX_WORK,
        }
    }

    /// Takes an answer.
    pub(in crate::fs::ext4) fn feed(&mut self, fetched: &Fetched<'_>) {
        self.blocks.feed(fetched);
    }

    /// Asks for what is still missing; false where that is nothing.
    pub(in crate::fs::ext4) fn advance(&mut self, ask: &mut Requests) -> bool {
        let (mut inodes, mut new, mut parents) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for change in &self.changes {
            match change {
                Change::AddRange { inode, .. } | Change::DelRange { inode, .. } => {
                    inodes.insert(*inode);
                }
                Change::Inode { number, .. } => {
                    inodes.insert(*number);
                    new.insert(*number);
                }
                Change::Name { parent, inode, .. } => {
                    inodes.insert(*inode);
                    parents.insert(*parent);
                }
            }
        }
        for number in inodes {
            self.need(number, false);
        }
        for number in new {
            self.need_bitmap(number);
        }
        for number in parents {
            self.need(number, true);
        }
        self.blocks.ask(ask)
    }

    /// Touches an inode and its map, and a directory's blocks too.
    fn need(&mut self, number: u32, names: bool) {
        let Some(raw) = self.raw(number) else { return };
        let Some(Ok(map)) = self.read_map(&raw) else { return };
        if names && u16_at(&raw, 0) >> 12 == 4 {
            for block in self.directory_blocks(&raw, &map) {
                let _ = self.blocks.get(block);
            }
        }
    }

    /// Applies all changes, which nothing is missing for, over the log's patches; with what could not be.
    pub(in crate::fs::ext4) fn finish(mut self, below: Vec<Patch>) -> (Vec<Patch>, Vec<String>) {
        if self.blocks.is_full() {
            self.fail("they change more than can be held".to_owned());
        }
        for change in std::mem::take(&mut self.changes) {
            if let Err(reason) = self.apply(change) {
                self.fail(reason);
            }
        }
        for number in std::mem::take(&mut self.remapped) {
            if let Err(reason) = self.write_map(number) {
                self.fail(reason);
            }
        }
        for number in std::mem::take(&mut self.touched) {
            self.seal_inode(number);
        }
        (self.blocks.over(below), self.reasons)
    }

    /// Accounts for bytes that are looked through; an error once they are too many.
    fn spend(&mut self, bytes: u64) -> Result<(), String> {
        let left = self.work_left.checked_sub(bytes);
        self.work_left = left.unwrap_or(0);
        left.map(|_| ())
            .ok_or_else(|| "they change larger directories more often than is followed".to_owned())
    }

    fn fail(&mut self, reason: String) {
        if self.reasons.len() < MAX_REASONS {
            self.reasons.push(reason);
        }
    }

    fn apply(&mut self, change: Change) -> Result<(), String> {
        match change {
            Change::Inode { number, raw } => self.replace(number, &raw),
            Change::AddRange { inode, logical, physical, count, unwritten } => {
                let block = self.geometry.block();
                if !self.geometry.holds(physical, count.into()) {
                    return Err(format!("inode {inode} is given blocks outside of the filesystem"));
                }
                let range = Extent {
                    logical: u64::from(logical) * block,
                    physical: physical * block,
                    len: u64::from(count) * block,
                    unwritten,
                };
                self.remap(inode, range.logical, range.len, Some(range))
            }
            Change::DelRange { inode, logical, count } => {
                let block = self.geometry.block();
                self.remap(inode, u64::from(logical) * block, u64::from(count) * block, None)
            }
            Change::Name { change, parent, inode, name } => match change {
                NameChange::Create => self.create(parent, inode, &name),
                NameChange::Link => self.link(parent, inode, &name),
                NameChange::Unlink => self.unlink(parent, inode, &name),
            },
        }
    }
}
