//! Whether Windows hibernated: what a sleeping session has in memory is not on the volume, and what it has
//! cached of the volume may contradict it. A shutdown for a "fast startup" sleeps, too.
//!
//! The session is in `hiberfil.sys`, which the root directory's index leads to: one node of it is read besides
//! what the probe reads anyway, and more only where that file may be.

use super::{
    index::{Index, entries, node_header},
    record::{Malformed, Reference},
};
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

/// Where the search in the root directory's index starts.
pub(super) fn search_root(index: &Index) -> Result<Step, Malformed> {
    search(index.root())
}

/// Goes through a node's bytes.
pub(super) fn search_node(node: &mut [u8]) -> Result<Step, Malformed> {
    node_header(node).and_then(search)
}

/// Goes through the entries behind an index header.
fn search(header: &[u8]) -> Result<Step, Malformed> {
    for entry in entries(header) {
        let entry = entry?;
        let order = match entry.key {
            None => Ordering::Greater,
            Some(key) => {
                let units = usize::from(key.get(64).copied().unwrap_or(0));
                order(key.get(66..66 + units * 2).unwrap_or_default())
            }
        };
        match order {
            Ordering::Less => {}
            Ordering::Equal => return Ok(Step::Found(entry.file)),
            Ordering::Greater => return Ok(entry.below.map_or(Step::Nowhere, Step::Node)),
        }
    }
    Ok(Step::Nowhere)
}

#[cfg(test)]
mod tests {
    use super::{super::index::tests::header, *};

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    /// Entries as (name, its file, the node before it); the last one has no name.
    fn entries(list: &[(&str, u64, Option<u64>)]) -> Vec<u8> {
        let key = |name: &str| {
            let mut key = vec![0; 66];
            key[64] = name.encode_utf16().count() as u8;
            [key, utf16(name)].concat()
        };
        let list: Vec<_> = list
            .iter()
            .map(|&(name, file, below)| ((!name.is_empty()).then(|| key(name)), file, below))
            .collect();
        header(&list)
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
        ] {
            assert_eq!(search(&entries(list)), Ok(want), "{list:?}");
        }
        // An index that ends without its last entry may have held it.
        assert!(search(&entries(&[])).is_err() && search(&entries(&[("a", 1, None)])).is_err());
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
}
