//! Nodes of extent trees, and blocks of block numbers.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", sections "Extent Tree" and
//! "Direct/Indirect Block Addressing".

use super::{
    bytes::{u16_at, u32_at, wide},
    checksum::crc32c,
    geometry::Geometry,
};
use crate::survey::Extent;
use std::ops::Range;

/// Logical blocks are 32 bits wide.
pub(super) const LOGICAL_END: u64 = 1 << 32;
/// Levels of a tree of extents.
const MAX_DEPTH: u16 = 5;

/// What a node starts with.
pub(super) const EXTENT_MAGIC: u16 = 0xF30A;
const HEADER_BYTES: usize = 12;
const ENTRY_BYTES: usize = 12;
/// Lengths above this one mean an unwritten extent that is so much shorter.
const INIT_MAX_LEN: u16 = 32768;

/// A child of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Child {
    /// Its block.
    pub block: u64,
    /// Its depth.
    pub depth: u16,
    /// The logical blocks that it may speak of.
    pub keys: Range<u64>,
}

/// Reads a node that speaks of the logical blocks `keys`; `depth` is what its parent demands of it. Extents
/// (in bytes) go to `pieces`, children to `children`. A node with anything wrong yields nothing, as in the
/// kernel: expected and found.
pub(super) fn read_node(
    geometry: &Geometry,
    bytes: &[u8],
    depth: Option<u16>,
    keys: Range<u64>,
    pieces: &mut Vec<Extent>,
    children: &mut Vec<Child>,
) -> Result<(), (String, String)> {
    let wrong = |expected: &str, actual: u64| Err((expected.to_owned(), actual.to_string()));
    let eh_magic = u16_at(bytes, 0);
    let eh_entries = usize::from(u16_at(bytes, 2));
    let eh_max = usize::from(u16_at(bytes, 4));
    let eh_depth = u16_at(bytes, 6);
    if eh_magic != EXTENT_MAGIC {
        return Err(("magic 0xf30a".to_owned(), format!("{eh_magic:#x}")));
    }
    let room = bytes.len().saturating_sub(HEADER_BYTES) / ENTRY_BYTES;
    if eh_max == 0 || eh_max > room || eh_entries > eh_max {
        return Err((format!("at most {room} entries"), format!("{eh_entries} of {eh_max}")));
    }
    if eh_depth > MAX_DEPTH || depth.is_some_and(|depth| depth != eh_depth) {
        return wrong("the depth that follows from the parent, at most 5", eh_depth.into());
    }
    if eh_depth > 0 && eh_entries == 0 {
        return wrong("an index with entries", 0);
    }
    let (first_piece, first_child) = (pieces.len(), children.len());
    let mut next = keys.start;
    let entries = bytes.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(ENTRY_BYTES).take(eh_entries);
    for (index, entry) in entries.enumerate() {
        let key = u64::from(u32_at(entry, 0));
        if key < next || key >= keys.end {
            pieces.truncate(first_piece);
            children.truncate(first_child);
            return wrong("logical blocks in ascending order inside the node's range", key);
        }
        let (block, count) = if eh_depth == 0 {
            let ee_len = u16_at(entry, 4);
            let block = wide(u32_at(entry, 8), u16_at(entry, 6).into());
            let unwritten = ee_len > INIT_MAX_LEN;
            let count = u64::from(if unwritten { ee_len - INIT_MAX_LEN } else { ee_len });
            next = key + count;
            let at = geometry.bytes_of(block, count);
            pieces.push(Extent {
                logical: key * geometry.block(),
                physical: at.start,
                len: at.len,
                unwritten,
            });
            (block, count)
        } else {
            next = key + 1;
            let block = wide(u32_at(entry, 4), u16_at(entry, 8).into());
            if index > 0
                && let Some(before) = children.last_mut()
            {
                before.keys.end = key;
            }
            children.push(Child { block, depth: eh_depth - 1, keys: key..keys.end });
            (block, 1)
        };
        if !geometry.holds(block, count) || next > keys.end {
            pieces.truncate(first_piece);
            children.truncate(first_child);
            return wrong("blocks inside the filesystem", block);
        }
    }
    Ok(())
}

/// That the checksum at the end of a node in a block of its own is right: expected and found, else.
pub(super) fn verify_node(geometry: &Geometry, seed: u32, bytes: &[u8]) -> Result<(), (String, String)> {
    if !geometry.features.metadata_csum() {
        return Ok(());
    }
    let tail = HEADER_BYTES + usize::from(u16_at(bytes, 4)) * ENTRY_BYTES;
    let Some(covered) = bytes.get(..tail).filter(|_| tail + 4 <= bytes.len()) else {
        return Err(("room for a checksum".to_owned(), format!("{tail} bytes of entries")));
    };
    let (sum, found) = (crc32c(seed, covered), u32_at(bytes, tail));
    if sum == found { Ok(()) } else { Err((format!("checksum {sum:#010x}"), format!("{found:#010x}"))) }
}

/// Makes the checksum at the end of a node in a block of its own right, if it has one.
pub(super) fn seal_node(geometry: &Geometry, seed: u32, bytes: &mut [u8]) {
    let tail = HEADER_BYTES + usize::from(u16_at(bytes, 4)) * ENTRY_BYTES;
    if geometry.features.metadata_csum() && tail + 4 <= bytes.len() {
        let sum = crc32c(seed, &bytes[..tail]);
        bytes[tail..tail + 4].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Reads block numbers that map the logical blocks from `logical` on, each `span` blocks apart. Those of
/// data (`span` 1) go to `pieces` as extents, the others to `children` with the first block they map. A list
/// with a block outside the filesystem yields nothing, as in the kernel.
pub(super) fn read_numbers(
    geometry: &Geometry,
    bytes: &[u8],
    logical: u64,
    span: u64,
    pieces: &mut Vec<Extent>,
    children: &mut Vec<(u64, u64)>,
) -> Result<(), (String, String)> {
    let first_piece = pieces.len();
    let first_child = children.len();
    let size = geometry.block();
    for (index, number) in bytes.chunks_exact(4).enumerate() {
        let block = u64::from(u32_at(number, 0));
        let at = logical + index as u64 * span;
        if block == 0 {
            continue;
        }
        if !geometry.holds(block, 1) || at >= LOGICAL_END {
            pieces.truncate(first_piece);
            children.truncate(first_child);
            return Err(("blocks inside the filesystem".to_owned(), block.to_string()));
        }
        if span > 1 {
            children.push((block, at));
            continue;
        }
        match pieces[first_piece..].last_mut() {
            Some(last)
                if last.logical + last.len == at * size && last.physical + last.len == block * size =>
            {
                last.len += size;
            }
            _ => pieces.push(Extent {
                logical: at * size,
                physical: block * size,
                len: size,
                unwritten: false,
            }),
        }
    }
    Ok(())
}

/// Sorts extents and joins those that continue each other; false where two overlap, which a damaged disk
/// alone can make them do.
pub(super) fn join(extents: &mut Vec<Extent>) -> bool {
    extents.sort_unstable();
    let mut disjoint = true;
    extents.dedup_by(|next, last| {
        let end = last.logical + last.len;
        disjoint &= end <= next.logical;
        let continues = end == next.logical
            && last.physical + last.len == next.physical
            && last.unwritten == next.unwritten;
        if continues {
            last.len += next.len;
        }
        continues
    });
    disjoint
}

/// With bigalloc a file owns whole clusters of `cluster` bytes: adds what no extent maps of them, which reads
/// as zeros. `end` is the volume's; the extents are sorted and disjoint.
pub(super) fn fill_clusters(extents: &mut Vec<Extent>, cluster: u64, end: u64) {
    let mut filled = Vec::with_capacity(extents.len() * 2);
    let mut done = 0;
    for (index, extent) in extents.iter().enumerate() {
        let within = extent.logical % cluster;
        let after = extent.logical + extent.len;
        let next = extents.get(index + 1).map_or(u64::MAX, |next| next.logical);
        let aligned = within == extent.physical % cluster;
        let before = if aligned { within.min(extent.logical.saturating_sub(done)) } else { 0 };
        if before > 0 {
            let (logical, physical) = (extent.logical - before, extent.physical - before);
            filled.push(Extent { logical, physical, len: before, unwritten: true });
        }
        filled.push(*extent);
        let physical = extent.physical + extent.len;
        let room = if aligned { after.next_multiple_of(cluster).min(next) - after } else { 0 };
        let room = room.min(end.saturating_sub(physical));
        if room > 0 {
            filled.push(Extent { logical: after, physical, len: room, unwritten: true });
        }
        done = after + room;
    }
    *extents = filled;
}

#[cfg(test)]
mod tests {
    use super::{super::geometry::tests::small, *};
    use proptest::prelude::*;

    fn node(depth: u16, entries: &[[u8; 12]]) -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[..2].copy_from_slice(&0xF30A_u16.to_le_bytes());
        bytes[2..4].copy_from_slice(&(entries.len() as u16).to_le_bytes());
        bytes[4..6].copy_from_slice(&84_u16.to_le_bytes());
        bytes[6..8].copy_from_slice(&depth.to_le_bytes());
        for (index, entry) in entries.iter().enumerate() {
            bytes[12 + index * 12..24 + index * 12].copy_from_slice(entry);
        }
        bytes
    }

    fn leaf(key: u32, len: u16, block: u32) -> [u8; 12] {
        let mut entry = [0; 12];
        entry[..4].copy_from_slice(&key.to_le_bytes());
        entry[4..6].copy_from_slice(&len.to_le_bytes());
        entry[8..].copy_from_slice(&block.to_le_bytes());
        entry
    }

    fn index(key: u32, block: u32) -> [u8; 12] {
        let mut entry = [0; 12];
        entry[..4].copy_from_slice(&key.to_le_bytes());
        entry[4..8].copy_from_slice(&block.to_le_bytes());
        entry
    }

    fn read(bytes: &[u8], depth: Option<u16>, keys: Range<u64>) -> Result<(Vec<Extent>, Vec<Child>), String> {
        let (mut pieces, mut children) = (Vec::new(), Vec::new());
        let result = read_node(&small(), bytes, depth, keys, &mut pieces, &mut children);
        if result.is_err() {
            assert!(pieces.is_empty() && children.is_empty());
        }
        result.map(|()| (pieces, children)).map_err(|(expected, _)| expected)
    }

    #[test]
    fn leaves_hold_written_and_unwritten_extents() {
        let bytes = node(0, &[leaf(0, 2, 100), leaf(5, 32768, 5000), leaf(40000, 32768 + 3, 200)]);
        let (pieces, _) = read(&bytes, Some(0), 0..LOGICAL_END).unwrap();
        let shown: Vec<_> =
            pieces.iter().map(|p| (p.logical >> 10, p.physical >> 10, p.len >> 10, p.unwritten)).collect();
        assert_eq!(shown, [(0, 100, 2, false), (5, 5000, 32768, false), (40000, 200, 3, true)]);
    }

    #[test]
    fn an_index_gives_each_child_its_own_range() {
        let (_, children) = read(&node(2, &[index(0, 70), index(9, 71)]), None, 0..LOGICAL_END).unwrap();
        assert_eq!(children[0], Child { block: 70, depth: 1, keys: 0..9 });
        assert_eq!(children[1], Child { block: 71, depth: 1, keys: 9..LOGICAL_END });
    }

    #[test]
    fn a_node_with_anything_wrong_yields_nothing() {
        let all = 0..LOGICAL_END;
        assert!(read(&[0; 1024], None, all.clone()).is_err());
        assert!(read(&[], None, all.clone()).is_err());
        assert!(read(&node(6, &[index(0, 70)]), None, all.clone()).is_err());
        assert!(read(&node(1, &[index(0, 70)]), Some(0), all.clone()).is_err());
        assert!(read(&node(1, &[]), None, all.clone()).is_err());
        assert!(read(&node(0, &[leaf(0, 2, 100), leaf(1, 2, 300)]), None, all.clone()).is_err(), "overlap");
        assert!(read(&node(0, &[leaf(0, 2, 100)]), None, 5..9).is_err(), "outside its range");
        assert!(read(&node(0, &[leaf(8, 2, 100)]), None, 5..9).is_err(), "past its range");
        assert!(read(&node(0, &[leaf(0, 1, 0)]), None, all.clone()).is_err(), "block 0");
        assert!(read(&node(0, &[leaf(0, 9, 64 * 8192)]), None, all.clone()).is_err(), "past the end");
        assert!(read(&node(0, &[leaf(0, 0, 100)]), None, all).is_err(), "no length");
    }

    #[test]
    fn block_numbers_in_a_row_are_one_extent() {
        let numbers: Vec<u8> = [50_u32, 51, 0, 52, 53, 90].iter().flat_map(|n| n.to_le_bytes()).collect();
        let (mut pieces, mut children) = (Vec::new(), Vec::new());
        read_numbers(&small(), &numbers, 12, 1, &mut pieces, &mut children).unwrap();
        let shown: Vec<_> = pieces.iter().map(|p| (p.logical >> 10, p.physical >> 10, p.len >> 10)).collect();
        assert_eq!(shown, [(12, 50, 2), (15, 52, 2), (17, 90, 1)]);
        read_numbers(&small(), &numbers, 12, 256, &mut pieces, &mut children).unwrap();
        assert_eq!(children[2], (52, 12 + 3 * 256));
        assert!(read_numbers(&small(), &[0xFF; 8], 12, 1, &mut pieces, &mut children).is_err());
        assert_eq!(pieces.len(), 3);
    }

    #[test]
    fn clusters_are_filled_with_zeros() {
        let extent = |logical, physical, len, unwritten| Extent { logical, physical, len, unwritten };
        let mut extents = vec![
            extent(1, 81, 1, false),
            extent(3, 83, 2, false),
            extent(8, 40, 3, true),
            extent(21, 98, 1, false),
        ];
        fill_clusters(&mut extents, 4, 99);
        let wanted = vec![
            extent(0, 80, 1, true),
            extent(1, 81, 1, false),
            extent(2, 82, 1, true),
            extent(3, 83, 2, false),
            extent(5, 85, 3, true),
            extent(8, 40, 3, true),
            extent(11, 43, 1, true),
            extent(21, 98, 1, false),
        ];
        assert_eq!(extents, wanted);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), magic: bool) {
            let mut bytes = bytes;
            if magic && bytes.len() > 8 {
                let depth = bytes[6] & 1;
                bytes[..8].copy_from_slice(&[0x0A, 0xF3, 3, 0, 4, 0, depth, 0]);
            }
            let _ = verify_node(&small(), 1, &bytes);
            if let Ok((mut pieces, _)) = read(&bytes, None, 0..LOGICAL_END) {
                prop_assert!(join(&mut pieces));
                for piece in pieces {
                    prop_assert!(piece.physical + piece.len <= small().volume_bytes);
                }
            }
        }
    }
}
