//! A hive's bytes: blocks of the file that were read last, under what logs change.

use super::HiveError;
use crate::view::FileView;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// Bytes of a block.
pub const BLOCK: u64 = 64 << 10;

/// Blocks that are kept: 8 MiB.
pub const CACHED_BLOCKS: usize = 128;

/// Bytes of a hive that logs may change.
pub const MAX_PATCHED: u64 = 64 << 20;

/// The unit of logs.
pub(super) const SECTOR: u64 = 512;

pub(super) struct Blocks<'a> {
    view: &'a mut dyn FileView,
    cached: HashMap<u64, Vec<u8>>,
    order: VecDeque<u64>,
    /// Where in `patches` the new content of a sector is, by its number in the file.
    patched: BTreeMap<u64, usize>,
    patches: Vec<u8>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(view: &'a mut dyn FileView) -> Self {
        Self {
            view,
            cached: HashMap::new(),
            order: VecDeque::new(),
            patched: BTreeMap::new(),
            patches: Vec::new(),
        }
    }

    /// Bytes of the file, those that logs put after its end included.
    pub(super) fn len(&self) -> u64 {
        let patched = self.patched.last_key_value().map_or(0, |(sector, _)| (sector + 1) * SECTOR);
        self.view.len().max(patched)
    }

    /// Bytes that are patched.
    pub(super) fn patched(&self) -> u64 {
        self.patches.len() as u64
    }

    /// Puts whole sectors over the file from `at`, a multiple of [`SECTOR`]. A later patch of the same
    /// sector takes the place of the earlier.
    pub(super) fn patch(&mut self, at: u64, bytes: &[u8]) -> Result<(), HiveError> {
        for (index, sector) in bytes.chunks_exact(SECTOR as usize).enumerate() {
            let number = at / SECTOR + index as u64;
            if let Some(place) = self.patched.get(&number) {
                self.patches[*place..*place + sector.len()].copy_from_slice(sector);
                continue;
            }
            if self.patched() + SECTOR > MAX_PATCHED {
                let reason = format!("logs change more than {MAX_PATCHED} bytes of the hive");
                return Err(HiveError::Limit(reason));
            }
            self.patched.insert(number, self.patches.len());
            self.patches.extend_from_slice(sector);
        }
        self.cached.clear();
        self.order.clear();
        Ok(())
    }

    /// Fills `out` from `at` and says how many bytes there were.
    pub(super) fn read(&mut self, at: u64, out: &mut [u8]) -> Result<usize, HiveError> {
        let mut done = 0;
        while done < out.len() {
            let Some(at) = at.checked_add(done as u64) else { break };
            let block = self.block(at / BLOCK)?;
            let rest = block.get((at % BLOCK) as usize..).unwrap_or_default();
            let len = rest.len().min(out.len() - done);
            out[done..done + len].copy_from_slice(&rest[..len]);
            done += len;
            if len == 0 {
                break;
            }
        }
        Ok(done)
    }

    fn block(&mut self, number: u64) -> Result<&[u8], HiveError> {
        if !self.cached.contains_key(&number) {
            let block = self.load(number)?;
            if self.order.len() >= CACHED_BLOCKS
                && let Some(oldest) = self.order.pop_front()
            {
                self.cached.remove(&oldest);
            }
            self.order.push_back(number);
            self.cached.insert(number, block);
        }
        Ok(self.cached.get(&number).map(Vec::as_slice).unwrap_or_default())
    }

    fn load(&mut self, number: u64) -> Result<Vec<u8>, HiveError> {
        let start = number * BLOCK;
        let len = self.len().saturating_sub(start).min(BLOCK) as usize;
        let mut block = vec![0; len];
        self.view.read_at(start, &mut block)?;
        let sectors = start / SECTOR..(start + BLOCK) / SECTOR;
        for (sector, place) in self.patched.range(sectors) {
            let at = (sector * SECTOR - start) as usize;
            let patch = &self.patches[*place..*place + SECTOR as usize];
            // The last patched sector ends the file at the earliest, so there is always room.
            if let Some(into) = block.get_mut(at..at + patch.len()) {
                into.copy_from_slice(patch);
            }
        }
        Ok(block)
    }
}
