//! A directory's index: its names in the order of a tree's nodes.

use super::{
    boot::{u16_at, u32_at, u64_at},
    loader::File,
    record::{Form, Malformed, Reference, apply_fixups, kind, malformed},
    runs::{Clusters, Piece, decode_runs, locate},
};
use coldread_model::ByteRange;

/// The name of the attributes that make up an index of names, in UTF-16.
const NAMES: &[u8; 8] = b"$\0I\x003\x000\0";

/// Flag of an entry: a node lies before it.
const HAS_NODE: u16 = 1;
/// Flag of an entry: it is its node's last and names nothing.
const IS_LAST: u16 = 2;

/// Where a directory's index is.
#[derive(Debug)]
pub(super) struct Index {
    root: Vec<u8>,
    node_bytes: u64,
    /// Bytes that a node's number counts.
    unit_bytes: u64,
    pieces: Vec<Piece>,
}

impl Index {
    /// From a directory's records. Nodes that their mapping does not reach are not found by [`Index::node_at`].
    ///
    /// Source: Flatcap NTFS documentation, "Attribute - $INDEX_ROOT (0x90)", "Attribute - $INDEX_ALLOCATION
    /// (0xA0)".
    pub(super) fn of(file: &File<'_>, clusters: Clusters) -> Result<Self, Malformed> {
        let (mut root, mut pieces) = (None, Vec::new());
        let attributes = file.records.iter().flat_map(|(header, record)| header.attributes(record));
        for attribute in attributes.map_while(Result::ok).filter(|attribute| attribute.name == NAMES) {
            match (attribute.kind, attribute.form) {
                (kind::INDEX_ROOT, Form::Resident(value)) => root = Some(value),
                (kind::INDEX_ALLOCATION, Form::NonResident(part)) => {
                    // What is wrong with it is said where all mappings of the file are read.
                    let _ = decode_runs(&part, clusters, &mut pieces);
                }
                _ => {}
            }
        }
        pieces.sort_unstable_by_key(|piece| piece.logical);
        let root = root.ok_or(malformed("the attribute $INDEX_ROOT", 0))?.to_vec();
        let node_bytes = u32_at(&root, 8).unwrap_or(0);
        if !node_bytes.is_power_of_two() || !(512..=65_536).contains(&node_bytes) {
            return Err(malformed("index nodes of 512 bytes to 64 KiB", node_bytes.into()));
        }
        let unit_bytes = if clusters.bytes <= node_bytes { clusters.bytes } else { 512 };
        Ok(Self { root, node_bytes: node_bytes.into(), unit_bytes: unit_bytes.into(), pieces })
    }

    /// The root node's index header and what follows it.
    pub(super) fn root(&self) -> &[u8] {
        self.root.get(16..).unwrap_or_default()
    }

    /// The ranges of the volume that hold a node, with their offsets in it; nothing where not all of it is
    /// mapped.
    pub(super) fn node_at(&self, number: u64) -> Vec<(u64, ByteRange)> {
        let Some(start) = number.checked_mul(self.unit_bytes) else { return Vec::new() };
        let parts = locate(&self.pieces, start, self.node_bytes);
        let parts: Vec<_> = parts.map(|(at, range)| (at - start, range)).collect();
        let mapped: u64 = parts.iter().map(|(_, range)| range.len).sum();
        if mapped == self.node_bytes { parts } else { Vec::new() }
    }

    /// Bytes of a node.
    pub(super) fn node_bytes(&self) -> usize {
        self.node_bytes as usize
    }
}

/// Verifies a node below the root and gives its index header and what follows it.
///
/// Source: Flatcap NTFS documentation, "Concept - Index Record".
pub(super) fn node_header(node: &mut [u8]) -> Result<&[u8], Malformed> {
    let magic = u32_at(node, 0).unwrap_or(0);
    if magic != u32::from_le_bytes(*b"INDX") {
        return Err(malformed("the signature \"INDX\"", u64::from(magic)));
    }
    apply_fixups(node)?;
    Ok(node.get(24..).unwrap_or_default())
}

/// An entry of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry<'a> {
    /// The file that it names.
    pub(super) file: Reference,
    /// The name, as the attribute `$FILE_NAME` has it; `None` of a node's last entry.
    pub(super) key: Option<&'a [u8]>,
    /// The number of the node with the names before it.
    pub(super) below: Option<u64>,
}

/// The entries behind an index header, up to the one that is the last; ends after the first malformed one.
///
/// Source: Flatcap NTFS documentation, "Concept - Index Header", "Concept - Index Entry".
pub(super) fn entries(header: &[u8]) -> Entries<'_> {
    let first = u32_at(header, 0).unwrap_or(u32::MAX) as usize;
    Entries { rest: header.get(first..), is_over: false }
}

/// Iterates over a node's entries.
#[derive(Debug)]
pub(super) struct Entries<'a> {
    rest: Option<&'a [u8]>,
    is_over: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<IndexEntry<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if std::mem::replace(&mut self.is_over, true) {
            return None;
        }
        let rest = self.rest.unwrap_or_default();
        let length = u16_at(rest, 8).unwrap_or(0);
        let flags = u16_at(rest, 12).unwrap_or(0);
        let Some((entry, after)) = rest.split_at_checked(length.into()).filter(|_| length >= 16) else {
            return Some(Err(malformed("an index entry within its node", length.into())));
        };
        (self.rest, self.is_over) = (Some(after), flags & IS_LAST != 0);
        let below = if flags & HAS_NODE == 0 {
            None
        } else {
            match entry[16..].last_chunk::<8>() {
                Some(number) => Some(u64::from_le_bytes(*number)),
                None => return Some(Err(malformed("a node's number in its entry", length.into()))),
            }
        };
        let key = (!self.is_over).then(|| &entry[16..]);
        Some(Ok(IndexEntry { file: Reference::new(u64_at(entry, 0).unwrap_or(0)), key, below }))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// An entry to write: its name as keys have it (none for the last one), its file, and the node before it.
    pub(in crate::fs::ntfs) type Written = (Option<Vec<u8>>, u64, Option<u64>);

    /// An index header and entries.
    pub(in crate::fs::ntfs) fn header(list: &[Written]) -> Vec<u8> {
        let mut out = vec![0; 16];
        out[0] = 16;
        for (key, file, below) in list {
            let mut entry = vec![0; 16];
            entry.extend(key.iter().flatten());
            entry.resize(entry.len().next_multiple_of(8), 0);
            entry.extend(below.map(u64::to_le_bytes).into_iter().flatten());
            let (len, flags) =
                (entry.len() as u16, u16::from(below.is_some()) | u16::from(key.is_none()) << 1);
            entry[..8].copy_from_slice(&file.to_le_bytes());
            entry[8..10].copy_from_slice(&len.to_le_bytes());
            entry[12..14].copy_from_slice(&flags.to_le_bytes());
            out.extend(entry);
        }
        let end = (out.len() as u32).to_le_bytes();
        out[4..8].copy_from_slice(&end);
        out
    }

    /// A node of 4096 bytes as it is stored.
    pub(in crate::fs::ntfs) fn node(list: &[Written]) -> Vec<u8> {
        let mut out = vec![0; 64];
        out[..4].copy_from_slice(b"INDX");
        (out[4], out[6], out[40]) = (40, 9, 5);
        let mut header = header(list);
        header[..4].copy_from_slice(&40u32.to_le_bytes());
        out[24..40].copy_from_slice(&header[..16]);
        out.extend(&header[16..]);
        out.resize(4096, 0);
        (1..=8).for_each(|stride| out[stride * 512 - 2] = 5);
        out
    }

    #[test]
    fn entries_end_with_the_last_or_with_what_is_wrong() {
        let key = b"12345678".to_vec();
        let mut bytes = header(&[(Some(key.clone()), 7 | 3 << 48, Some(9)), (None, 0, Some(4))]);
        bytes.extend([0xff; 40]);
        let found: Vec<_> = entries(&bytes).map(Result::unwrap).collect();
        let first = [&key[..], &9u64.to_le_bytes()].concat();
        let file = Reference { number: 7, sequence: 3 };
        assert_eq!(found[0], IndexEntry { file, key: Some(&first), below: Some(9) });
        assert_eq!((found[1].key, found[1].below, found.len()), (None, Some(4), 2));
        for length in [0, 8, 15, 17, 200] {
            let mut bytes = header(&[(None, 0, Some(4))]);
            bytes[24] = length;
            assert_eq!(entries(&bytes).filter(Result::is_err).count(), 1, "{length}");
        }
        assert_eq!(entries(&[]).map(|entry| entry.is_err()).collect::<Vec<_>>(), [true]);
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), small in 0u8..20) {
            let mut bytes = bytes;
            let count = |bytes: &[u8]| entries(bytes).count();
            prop_assert!(count(&bytes) <= 200);
            if let Some(first) = bytes.first_chunk_mut::<4>() {
                *first = [small, 0, 0, 0];
            }
            prop_assert!(count(&bytes) <= 200);
            let mut node = bytes.clone();
            node.resize(1024, 0);
            node[..4].copy_from_slice(b"INDX");
            let _ = node_header(&mut node).map(count);
        }
    }
}
