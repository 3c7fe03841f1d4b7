//! Changes that take several transactions: an intent starts one, a done item with its number ends it.
//! Linux' `xfs_log_format.h` and `xfs_log_recover.c`.

use super::{Fault, Shape, le::Le};
use coldread_model::{ByteRange, Gap, GapKind};
use std::collections::BTreeMap;

/// What is to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum IntentKind {
    /// Blocks become free.
    Free,
    FreeRealtime,
    ReverseMap,
    Refcount,
    /// A file's block map.
    Map,
    Attribute,
    /// Two files exchange blocks.
    Exchange,
}

/// Intents open at once; each is a step of a running system call.
const MAX_OPEN: usize = 1 << 20;
/// Bytes of intents kept.
const MAX_BYTES: usize = 64 << 20;
/// Runs of blocks that open intents would free, kept.
const MAX_FREED: usize = 100_000;

/// The open intents.
#[derive(Default)]
pub(super) struct Intents {
    open: BTreeMap<(IntentKind, u64), Vec<u8>>,
    bytes: usize,
    /// Inodes whose fork trees change hands, which is not followed.
    owners: Vec<u64>,
}

impl Intents {
    pub(super) fn open(&mut self, kind: IntentKind, region: &[u8]) -> Result<(), Fault> {
        if region.len() < 16 {
            return Err(Fault::corrupt("an intent that is too short"));
        }
        self.bytes += region.len();
        if self.open.len() >= MAX_OPEN || self.bytes > MAX_BYTES {
            return Err(Fault::limit("too many unfinished changes"));
        }
        if let Some(old) = self.open.insert((kind, Le(region).u64(8)), region.to_vec()) {
            self.bytes -= old.len();
        }
        Ok(())
    }

    pub(super) fn done(&mut self, kind: IntentKind, region: &[u8]) {
        if let Some(old) = self.open.remove(&(kind, Le(region).u64(8))) {
            self.bytes -= old.len();
        }
    }

    pub(super) fn owner_change(&mut self, inode: u64) {
        if !self.owners.contains(&inode) && self.owners.len() < 1000 {
            self.owners.push(inode);
        }
    }

    /// The blocks that the kernel would free when it finishes what is open.
    pub(super) fn freed(&self, shape: &Shape) -> Vec<ByteRange> {
        let mut freed = Vec::new();
        for (&(kind, _), region) in &self.open {
            let count = Le(region).u32(4) as usize;
            let body = region.get(16..).unwrap_or_default();
            if kind != IntentKind::Free || count == 0 {
                continue;
            }
            // Sixteen bytes each, twelve on 32-bit hosts.
            let size = if body.len() / count >= 16 { 16 } else { 12 };
            for extent in body.chunks_exact(size).take(count) {
                let (start, len) = (Le(extent).u64(0), u64::from(Le(extent).u32(8)));
                if let Some(place) = shape.geometry.place(start, len).filter(|_| len > 0)
                    && freed.len() < MAX_FREED
                {
                    freed.push(shape.geometry.bytes_of(place, len));
                }
            }
        }
        freed.sort_unstable_by_key(|range| range.start);
        freed
    }

    /// What is visible and was not finished, as gaps.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        for (&(kind, _), region) in &self.open {
            let fields = Le(region);
            let (inodes, what): (&[u64], _) = match kind {
                IntentKind::Map => (&[fields.u64(16)], "a change of the file's block map is unfinished"),
                IntentKind::Attribute => (&[fields.u64(16)], "a change of its attributes is unfinished"),
                IntentKind::Exchange => (
                    &[fields.u64(16), fields.u64(24)],
                    "an exchange of blocks with another file is unfinished",
                ),
                _ => continue,
            };
            for &inode in inodes {
                gaps.push(Gap::new(GapKind::Unreplayed, super::STRUCTURE, what).at_inode(inode));
            }
        }
        for &inode in &self.owners {
            let what = "the blocks of its extent tree change their owner, which is not replayed";
            gaps.push(Gap::new(GapKind::Unreplayed, super::STRUCTURE, what).at_inode(inode));
        }
        gaps
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_is_no_longer_open() {
        let region = |id: u64| [&[0x44, 0x12, 1, 0, 1, 0, 0, 0][..], &id.to_le_bytes(), &[7; 32]].concat();
        let mut intents = Intents::default();
        intents.open(IntentKind::Map, &region(5)).unwrap();
        intents.open(IntentKind::Map, &region(6)).unwrap();
        intents.done(IntentKind::Refcount, &region(5));
        intents.done(IntentKind::Map, &region(5));
        assert_eq!(intents.gaps().len(), 1);
        assert!(intents.open(IntentKind::Map, &[0; 15]).is_err());
    }
}
