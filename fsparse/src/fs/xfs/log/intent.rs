//! Changes that take several transactions: an intent starts one, a done item with its number ends it.
//! Linux' `xfs_log_format.h` and `xfs_log_recover.c`.

use super::{super::extent::Remap, Fault, Shape, Unfinished, le::Le};
use crate::gap_list::GapList;
use coldread_model::{ByteRange, Gap, GapKind};
use std::collections::{BTreeMap, BTreeSet};

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
/// Runs of blocks that open intents would free, that they would map, and inodes that change hands, kept.
const MAX_RUNS: usize = 100_000;
/// Gaps kept.
const MAX_GAPS: usize = 1000;

// me_flags: the low byte says what is to be done.
const MAP: u32 = 1;
const UNMAP: u32 = 2;
const REALTIME: u32 = 1 << 29;
const UNWRITTEN: u32 = 1 << 30;
const ATTRIBUTE_FORK: u32 = 1 << 31;
/// What an intent on attributes does to parent pointers (XFS_ATTRI_OP_FLAGS_PPTR_…), which are never shown.
const PARENT_POINTERS: std::ops::RangeInclusive<u32> = 4..=6;
/// The same as an attribute's namespace.
const PARENT: u32 = 1 << 3;

/// The open intents.
#[derive(Default)]
pub(super) struct Intents {
    /// By kind and number, which is a place in the memory of the host: their order is kept beside.
    open: BTreeMap<(IntentKind, u64), (u64, Vec<u8>)>,
    opened: u64,
    bytes: usize,
    /// Inodes whose fork trees change hands.
    owners: BTreeSet<u64>,
    owners_left_out: u64,
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
        self.opened += 1;
        if let Some((_, old)) = self.open.insert((kind, Le(region).u64(8)), (self.opened, region.to_vec())) {
            self.bytes -= old.len();
        }
        Ok(())
    }

    pub(super) fn done(&mut self, kind: IntentKind, region: &[u8]) {
        if let Some((_, old)) = self.open.remove(&(kind, Le(region).u64(8))) {
            self.bytes -= old.len();
        }
    }

    pub(super) fn owner_change(&mut self, inode: u64) {
        if self.owners.len() < MAX_RUNS {
            self.owners.insert(inode);
        } else if !self.owners.contains(&inode) {
            self.owners_left_out += 1;
        }
    }

    /// What the kernel does when it finishes what is open, and gaps for what of it cannot be told.
    pub(super) fn finish(self, shape: &Shape) -> (Unfinished, Vec<Gap>) {
        let mut gaps = GapList::of_at_most(MAX_GAPS);
        let freed = self.freed(shape, &mut gaps);
        let remaps = self.remaps(shape, &mut gaps);
        if self.owners_left_out > 0 {
            let reason =
                format!("{} more times the trees of an inode's forks change hands", self.owners_left_out);
            gaps.push(Gap::new(GapKind::Limit, super::STRUCTURE, reason));
        }
        let owners = self.owners.into_iter().collect();
        (Unfinished { freed, remaps, owners }, gaps.finish(super::STRUCTURE))
    }

    /// The blocks that become free, by place.
    fn freed(&self, shape: &Shape, gaps: &mut GapList) -> Vec<ByteRange> {
        let (mut freed, mut left_out) = (Vec::new(), 0_u64);
        for (&(kind, _), (_, region)) in &self.open {
            let count = Le(region).u32(4) as usize;
            let body = region.get(16..).unwrap_or_default();
            if kind != IntentKind::Free || count == 0 {
                continue;
            }
            // Sixteen bytes each, twelve on 32-bit hosts.
            let size = if body.len() / count >= 16 { 16 } else { 12 };
            if body.len() / size < count {
                let reason = format!("{count} runs of blocks to be freed, of which it holds fewer");
                gaps.push(Gap::new(GapKind::Corrupt, super::STRUCTURE, reason));
            }
            for extent in body.chunks_exact(size).take(count) {
                let (start, len) = (Le(extent).u64(0), u64::from(Le(extent).u32(8)));
                match shape.geometry.place(start, len).filter(|_| len > 0) {
                    Some(place) if freed.len() < MAX_RUNS => {
                        freed.push(shape.geometry.bytes_of(place, len));
                    }
                    Some(_) => left_out += 1,
                    None => {
                        let reason =
                            format!("{len} blocks at {start:#x} to be freed: not blocks of one group");
                        gaps.push(Gap::new(GapKind::Corrupt, super::STRUCTURE, reason));
                    }
                }
            }
        }
        if left_out > 0 {
            let reason = format!("{left_out} more runs of blocks that become free are not told as free");
            gaps.push(Gap::new(GapKind::Limit, super::STRUCTURE, reason));
        }
        freed.sort_unstable_by_key(|range| range.start);
        freed
    }

    /// Changes of block maps that can be finished, by inode and in order; a gap for each that cannot, and for whatever
    /// else is visible.
    fn remaps(&self, shape: &Shape, gaps: &mut GapList) -> Vec<Remap> {
        let mut remaps = Vec::new();
        let mut gap = |inode: u64, what: &str| {
            gaps.push(Gap::new(GapKind::Unreplayed, super::STRUCTURE, what).at_inode(inode));
        };
        for (&(kind, _), (order, region)) in &self.open {
            let fields = Le(region);
            match kind {
                IntentKind::Map => {
                    for map in region.get(16..).unwrap_or_default().chunks(32).take(fields.u32(4) as usize) {
                        match remap(shape, map) {
                            Some(found) if remaps.len() < MAX_RUNS => remaps.push((*order, found)),
                            _ => gap(Le(map).u64(0), "a change of its block map is unfinished"),
                        }
                    }
                }
                IntentKind::Attribute => {
                    let parent =
                        PARENT_POINTERS.contains(&(fields.u32(24) & 0xff)) || fields.u32(36) & PARENT != 0;
                    if !parent {
                        gap(fields.u64(16), "a change of its attributes is unfinished");
                    }
                }
                IntentKind::Exchange => {
                    for inode in [fields.u64(16), fields.u64(24)] {
                        gap(inode, "an exchange of blocks with another file is unfinished");
                    }
                }
                _ => {}
            }
        }
        remaps.sort_by_key(|&(order, remap)| (remap.inode, order));
        remaps.into_iter().map(|(_, remap)| remap).collect()
    }
}

/// A change of a data fork (xfs_map_extent); `None` where it is another fork's or contradicts itself.
fn remap(shape: &Shape, map: &[u8]) -> Option<Remap> {
    let fields = Le(map);
    let (flags, offset, count) = (fields.u32(28), fields.u64(16), u64::from(fields.u32(24)));
    if map.len() < 32 || flags & (REALTIME | ATTRIBUTE_FORK) != 0 || count == 0 || offset >> 54 != 0 {
        return None;
    }
    let block = match flags & 0xff {
        MAP => Some(shape.geometry.place(fields.u64(8), count)?),
        UNMAP => None,
        _ => return None,
    };
    Some(Remap { inode: fields.u64(0), offset, count, block, unwritten: flags & UNWRITTEN != 0 })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        let geometry = super::super::super::tests::geometry();
        Shape { geometry, volume_bytes: 1 << 30, uuid: [0; 16], meta_uuid: false }
    }

    /// A change of a block map: inode, block, offset, length, flags.
    fn map(id: u64, inode: u64, block: u64, offset: u64, len: u32, flags: u32) -> Vec<u8> {
        let mut region = [&[0x44, 0x12, 1, 0, 1, 0, 0, 0][..], &id.to_le_bytes()].concat();
        region.extend([inode, block, offset].iter().flat_map(|field| field.to_le_bytes()));
        region.extend([len, flags].iter().flat_map(|field| field.to_le_bytes()));
        region
    }

    #[test]
    fn changes_of_block_maps_are_finished_in_order_and_the_rest_told() {
        let mut intents = Intents::default();
        intents.open(IntentKind::Map, &map(9, 131, 100, 5, 2, UNMAP)).unwrap();
        intents.open(IntentKind::Map, &map(3, 131, 200, 5, 2, MAP | UNWRITTEN)).unwrap();
        for (id, block, flags) in
            [(10, 1 << 40, MAP), (11, 100, MAP | REALTIME), (12, 100, MAP | ATTRIBUTE_FORK)]
        {
            intents.open(IntentKind::Map, &map(id, id, block, 0, 1, flags)).unwrap();
        }
        let (Unfinished { remaps, .. }, gaps) = intents.finish(&shape());
        let unmap = Remap { inode: 131, offset: 5, count: 2, block: None, unwritten: false };
        assert_eq!(remaps, [unmap, Remap { block: Some(200), unwritten: true, ..unmap }]);
        assert_eq!(gaps.iter().map(|gap| gap.inode).collect::<Vec<_>>(), [Some(10), Some(11), Some(12)]);
    }

    #[test]
    fn what_is_done_to_parent_pointers_is_not_visible() {
        for (operation, namespace, told) in [(1u32, 0u32, 1), (4, 0, 0), (1, PARENT, 0)] {
            let mut region = vec![0; 40];
            region[24..28].copy_from_slice(&operation.to_le_bytes());
            region[36..].copy_from_slice(&namespace.to_le_bytes());
            let mut intents = Intents::default();
            intents.open(IntentKind::Attribute, &region).unwrap();
            assert_eq!(intents.finish(&shape()).1.len(), told);
        }
    }

    #[test]
    fn what_is_done_is_no_longer_open() {
        let region = |id: u64| map(id, 131, 100, 0, 1, MAP);
        let mut intents = Intents::default();
        intents.open(IntentKind::Map, &region(5)).unwrap();
        intents.open(IntentKind::Map, &region(6)).unwrap();
        intents.done(IntentKind::Refcount, &region(5));
        intents.done(IntentKind::Map, &region(5));
        for inode in [7, 5, 7] {
            intents.owner_change(inode);
        }
        assert!(intents.open(IntentKind::Map, &[0; 15]).is_err());
        let unfinished = intents.finish(&shape()).0;
        assert_eq!((unfinished.remaps.len(), &unfinished.owners[..]), (1, &[5, 7][..]));
    }
    /// An intent to free so many runs of two blocks, beginning with block `first`.
    fn frees(id: u64, first: u64, count: usize, said: u32) -> Vec<u8> {
        let mut region = [&[0x36, 0x12, 1, 0][..], &said.to_le_bytes(), &id.to_le_bytes()].concat();
        region.extend((0..count as u64).flat_map(|run| {
            let len = 2_u64;
            [(first + run % 50 * 2).to_le_bytes(), len.to_le_bytes()].concat()
        }));
        region
    }

    #[test]
    fn blocks_that_become_free_are_told_or_counted() {
        let mut intents = Intents::default();
        intents.open(IntentKind::Free, &frees(1, 100, MAX_RUNS, MAX_RUNS as u32)).unwrap();
        intents.open(IntentKind::Free, &frees(2, 100, 7, 7)).unwrap();
        intents.open(IntentKind::Free, &frees(3, 1 << 40, 1, 1)).unwrap();
        intents.open(IntentKind::Free, &frees(4, 100, 1, 3)).unwrap();
        let (Unfinished { freed, .. }, gaps) = intents.finish(&shape());
        assert_eq!((freed.len(), freed[0]), (MAX_RUNS, ByteRange::new(100 * 4096, 8192)));
        let told: Vec<_> = gaps.iter().map(|gap| (gap.kind, &gap.reason[..7])).collect();
        let expected =
            [(GapKind::Corrupt, "2 block"), (GapKind::Corrupt, "3 runs "), (GapKind::Limit, "8 more ")];
        assert_eq!(told, expected);
    }

    #[test]
    fn gaps_of_a_hostile_log_are_counted_beyond_a_bound() {
        let mut intents = Intents::default();
        for id in 0..MAX_GAPS as u64 + 5 {
            intents.open(IntentKind::Map, &map(id, id, 100, 0, 1, MAP | REALTIME)).unwrap();
        }
        let gaps = intents.finish(&shape()).1;
        assert_eq!((gaps.len(), &*gaps[MAX_GAPS].reason), (MAX_GAPS + 1, "5 more gaps are not listed"));
    }
}
