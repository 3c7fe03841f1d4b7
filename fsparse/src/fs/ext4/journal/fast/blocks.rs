//! Blocks of the filesystem that fast commits need or change, held while they are applied.

use super::super::super::geometry::Geometry;
use crate::{
    machine::{Fetched, Requests},
    source::overlay::fixups_in,
};
use coldread_model::{
    ByteRange,
    task::{Patch, PatchContent},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Blocks held take no more bytes.
const MAX_BYTES: u64 = 256 << 20;

/// Blocks as they were read, and as they are now.
pub(super) struct Blocks {
    size: u64,
    most: usize,
    there: HashMap<u64, Result<Vec<u8>, String>>,
    changed: BTreeSet<u64>,
    wanted: BTreeSet<u64>,
    full: bool,
}

impl Blocks {
    pub(super) fn new(geometry: &Geometry) -> Self {
        Self {
            size: geometry.block(),
            most: (MAX_BYTES / geometry.block()) as usize,
            there: HashMap::new(),
            changed: BTreeSet::new(),
            wanted: BTreeSet::new(),
            full: false,
        }
    }

    /// A block's bytes; `None`, and it will be asked for, where it was not read yet.
    pub(super) fn get(&mut self, block: u64) -> Option<Result<&[u8], &str>> {
        if self.there.contains_key(&block) {
            return self.there.get(&block).map(|found| found.as_deref().map_err(String::as_str));
        }
        if self.there.len() + self.wanted.len() < self.most {
            self.wanted.insert(block);
        } else {
            self.full = true;
        }
        None
    }

    /// A block that is there, to be changed.
    pub(super) fn change(&mut self, block: u64) -> Option<&mut Vec<u8>> {
        let bytes = self.there.get_mut(&block)?.as_mut().ok()?;
        self.changed.insert(block);
        Some(bytes)
    }

    /// Gives a block new content, whatever it held.
    pub(super) fn set(&mut self, block: u64, bytes: Vec<u8>) {
        self.there.insert(block, Ok(bytes));
        self.changed.insert(block);
    }

    /// Asks for what is missing; false where nothing is, or no more fits.
    pub(super) fn ask(&mut self, ask: &mut Requests) -> bool {
        let wanted = std::mem::take(&mut self.wanted);
        for block in &wanted {
            ask.push(*block, coldread_model::ByteRange::new(block * self.size, self.size));
        }
        !wanted.is_empty()
    }

    /// Whether something did not fit.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Takes an answer.
    pub(super) fn feed(&mut self, fetched: &Fetched<'_>) {
        let found = match fetched.fault(fetched.range) {
            Some((_, error)) => Err(error.to_string()),
            None => Ok(fetched.bytes.to_vec()),
        };
        self.there.insert(fetched.tag, found);
    }

    /// Lays what changed over other patches, which are made of whole blocks.
    pub(super) fn over(mut self, below: Vec<Patch>) -> Vec<Patch> {
        let mut patches: BTreeMap<u64, Patch> = BTreeMap::new();
        for patch in below {
            self.cut(patch, &mut patches);
        }
        for block in std::mem::take(&mut self.changed) {
            if let Some(Ok(bytes)) = self.there.remove(&block) {
                let (at, len) = (block * self.size, bytes.len() as u64);
                patches.insert(at, Patch { at, len, content: PatchContent::Bytes(bytes) });
            }
        }
        patches.into_values().collect()
    }

    /// Keeps what of a patch is not changed again.
    fn cut(&self, patch: Patch, patches: &mut BTreeMap<u64, Patch>) {
        let PatchContent::Moved { from, fixups } = patch.content else {
            patches.insert(patch.at, patch);
            return;
        };
        let end = patch.at + patch.len;
        let mut at = patch.at;
        let holes =
            self.changed.range(patch.at / self.size..end.div_ceil(self.size)).map(|hole| hole * self.size);
        for hole in holes.chain([end]) {
            if hole > at {
                let skip = at - patch.at;
                let fixups = fixups_in(&fixups, ByteRange::new(skip, hole - at)).iter();
                let fixups =
                    fixups.map(|(place, fix)| ((u64::from(*place) - skip) as u32, fix.clone())).collect();
                let content = PatchContent::Moved { from: from + skip, fixups };
                patches.insert(at, Patch { at, len: hole - at, content });
            }
            at = hole + self.size;
        }
    }
}
