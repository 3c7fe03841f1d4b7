//! Whether Windows hibernated: what a sleeping session has in memory is not on the volume, and what it has
//! cached of the volume may contradict it. A shutdown for a "fast startup" sleeps, too.
//!
//! The session is in `hiberfil.sys`, which the root directory's index leads to: one node of it is read besides
//! what the probe reads anyway, and more only where that file may be.

use super::{
    boot::{u16_at, u32_at, u64_at},
    loader::File,
    record::{Form, Malformed, Reference, apply_fixups, kind, malformed},
    runs::{Clusters, Piece, decode_runs, locate},
};
use coldread_model::ByteRange;
use std::cmp::Ordering;

/// The file's name, in the order of the index: upper case.
const NAME: &str = "HIBERFIL.SYS";

/// Nodes of the index that are read at most; each is a level of the tree.
pub(super) const MAX_NODES: u32 = 8;

/// Bytes of the file's start that tell.
pub(super) const START_BYTES: u64 = 512;

/// Whether a session waits in a hibernation file that starts like this: one that sleeps, or one whose waking
/// was cut off. (`wake` stands there once it is awake, zeros where none was ever written.)
///
/// Source: libhibr, "Windows Hibernation File format", section 2 (memory image header).
pub(super) fn holds_session(start: &[u8]) -> bool {
    let signature = start.first_chunk::<4>().map(|bytes| bytes.to_ascii_lowercase());
    matches!(signature.as_deref(), Some(b"hibr" | b"rstr"))
}

/// Whether a record's names include the file's.
pub(super) fn is_named(name: &[u8]) -> bool {
    order(name) == Ordering::Equal
}

/// A name in UTF-16 against [`NAME`]. Letters beyond ASCII have no part in it: all sort behind it.
fn order(name: &[u8]) -> Ordering {
    let upper = |unit: [u8; 2]| match u16::from_le_bytes(unit) {
        unit @ 0x61..=0x7a => unit - 0x20,
        unit => unit,
    };
    NAME.encode_utf16().cmp(name.as_chunks::<2>().0.iter().map(|unit| upper(*unit))).reverse()
}

/// Where the search in the index goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// This file has the name.
    Found(Reference),
    /// In this node.
    Node(u64),
    /// No file has it.
    Nowhere,
}

/// The root directory's index of names.
#[derive(Debug)]
pub(super) struct RootIndex {
    root: Vec<u8>,
    node_bytes: u64,
    /// Bytes that a node's number counts.
    unit_bytes: u64,
    pieces: Vec<Piece>,
}

impl RootIndex {
    /// From the root directory's record; `None` where it has no sound index.
    ///
    /// Source: Flatcap NTFS documentation, "Attribute - $INDEX_ROOT (0x90)", "Attribute - $INDEX_ALLOCATION
    /// (0xA0)".
    pub(super) fn of(file: &File<'_>, clusters: Clusters) -> Option<Self> {
        let (mut root, mut pieces) = (Vec::new(), Vec::new());
        let attributes = file.records.iter().flat_map(|(header, record)| header.attributes(record));
        for attribute in attributes.map_while(Result::ok) {
            match (attribute.kind, attribute.form) {
                (kind::INDEX_ROOT, Form::Resident(value)) => root = value.to_vec(),
                (kind::INDEX_ALLOCATION, Form::NonResident(part)) => {
                    decode_runs(&part, clusters, &mut pieces).ok()?;
                }
                _ => {}
            }
        }
        pieces.sort_unstable_by_key(|piece| piece.logical);
        let node_bytes = u32_at(&root, 8)?;
        if !node_bytes.is_power_of_two() || !(512..=65_536).contains(&node_bytes) {
            return None;
        }
        let unit_bytes = if clusters.bytes <= node_bytes { clusters.bytes } else { 512 };
        Some(Self { root, node_bytes: node_bytes.into(), unit_bytes: unit_bytes.into(), pieces })
    }

    /// Where the search starts.
    pub(super) fn start(&self) -> Step {
        search(self.root.get(16..).unwrap_or_default())
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

/// Goes through a node's bytes.
///
/// Source: Flatcap NTFS documentation, "Concept - Index Record".
pub(super) fn search_node(node: &mut [u8]) -> Result<Step, Malformed> {
    let magic = u32_at(node, 0).unwrap_or(0);
    if magic != u32::from_le_bytes(*b"INDX") {
        return Err(malformed("the signature \"INDX\"", u64::from(magic)));
    }
    apply_fixups(node)?;
    Ok(search(node.get(24..).unwrap_or_default()))
}

/// Goes through the entries behind an index header.
///
/// Source: Flatcap NTFS documentation, "Concept - Index Header", "Concept - Index Entry".
fn search(header: &[u8]) -> Step {
    let first = u32_at(header, 0).unwrap_or(u32::MAX) as usize;
    let mut rest = header.get(first..).unwrap_or_default();
    while let (Some(length), Some(flags)) = (u16_at(rest, 8), u16_at(rest, 12)) {
        let Some((entry, after)) = rest.split_at_checked(length.into()).filter(|_| length >= 16) else {
            break;
        };
        let key = entry.get(16..).unwrap_or_default();
        let units = usize::from(key.get(64).copied().unwrap_or(0));
        let last = flags & 2 != 0;
        let order =
            if last { Ordering::Greater } else { order(key.get(66..66 + units * 2).unwrap_or_default()) };
        match order {
            Ordering::Less => rest = after,
            Ordering::Equal => return Step::Found(Reference::new(u64_at(entry, 0).unwrap_or(0))),
            Ordering::Greater if flags & 1 == 0 => break,
            Ordering::Greater => {
                let below = entry.len().checked_sub(8).and_then(|at| u64_at(entry, at));
                return below.map_or(Step::Nowhere, Step::Node);
            }
        }
    }
    Step::Nowhere
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    /// Entries as (name, its file, the node before it); the last one has no name.
    fn entries(list: &[(&str, u64, Option<u64>)]) -> Vec<u8> {
        let mut out = vec![0; 16];
        out[0] = 16;
        for &(name, file, below) in list {
            let mut entry = vec![0; 16];
            if !name.is_empty() {
                entry.resize(16 + 66, 0);
                entry[16 + 64] = name.encode_utf16().count() as u8;
                entry.extend(utf16(name));
                entry.resize(entry.len().next_multiple_of(8), 0);
            }
            entry.extend(below.map(u64::to_le_bytes).into_iter().flatten());
            let (len, flags) =
                (entry.len() as u16, u16::from(below.is_some()) | u16::from(name.is_empty()) << 1);
            entry[..8].copy_from_slice(&file.to_le_bytes());
            entry[8..10].copy_from_slice(&len.to_le_bytes());
            entry[12..14].copy_from_slice(&flags.to_le_bytes());
            out.extend(entry);
        }
        out
    }

    #[test]
    fn the_search_finds_the_name_or_the_node_where_it_may_be() {
        let found = Step::Found(Reference { number: 70, sequence: 0 });
        for (list, want) in [
            (&[("$MFT", 0, None), ("hiberfil.sys", 70, None), ("", 0, None)][..], found),
            (&[("a", 1, Some(3)), ("HiberFil.SYS", 70, Some(9)), ("", 0, Some(4))], found),
            (&[("a", 1, Some(3)), ("z", 2, Some(9)), ("", 0, Some(4))], Step::Node(9)),
            (&[("a", 1, Some(3)), ("", 0, Some(4))], Step::Node(4)),
            (&[("hiberfil.sys.old", 1, Some(3)), ("", 0, Some(4))], Step::Node(3)),
            (&[("hiberfil", 1, Some(3)), ("", 0, Some(4))], Step::Node(4)),
            (&[("é", 1, Some(3)), ("", 0, Some(4))], Step::Node(3)),
            (&[("a", 1, None), ("", 0, None)], Step::Nowhere),
            (&[], Step::Nowhere),
        ] {
            assert_eq!(search(&entries(list)), want, "{list:?}");
        }
    }

    #[test]
    fn sessions_are_told_by_the_signature() {
        for (start, want) in [
            (&b"hibr1234"[..], true),
            (b"HIBR", true),
            (b"rstr", true),
            (b"wake", false),
            (&[0; 512], false),
            (b"hib", false),
        ] {
            assert_eq!(holds_session(start), want);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), small in 0u8..20) {
            let mut bytes = bytes;
            search(&bytes);
            if let Some(first) = bytes.first_chunk_mut::<4>() {
                *first = [small, 0, 0, 0];
            }
            search(&bytes);
            let mut node = bytes.clone();
            node.resize(1024, 0);
            node[..4].copy_from_slice(b"INDX");
            let _ = search_node(&mut node);
        }
    }
}
