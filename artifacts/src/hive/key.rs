//! Keys and the lists of their subkeys ("Key node", "Index leaf", "Fast leaf", "Hash leaf", "Index root").

use super::{BINS, Hive, HiveError, u16_at, u32_at, u64_at};
use coldread_model::Timestamp;
use std::collections::HashSet;

/// Subkeys or values of one key that are listed.
const MAX_LISTED: usize = 1 << 18;

/// Components of a path that is looked up.
const MAX_DEPTH: usize = 512;

const NODE: usize = 76;
/// A name in bytes, one for each character, instead of UTF-16.
const COMPRESSED: u16 = 0x20;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// When it or its values last changed.
    pub written: Timestamp,
    /// Its cell.
    pub(super) cell: u32,
    pub(super) subkeys: (u32, u32),
    pub(super) values: (u32, u32),
    class: (u32, u16),
}

/// Cells of a list that could be read, and what stopped or hindered it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The cells.
    pub cells: Vec<u32>,
    /// Why there are fewer than there should be.
    pub error: Option<HiveError>,
}

impl Listed {
    pub(super) fn failed(error: HiveError) -> Self {
        Self { cells: Vec::new(), error: Some(error) }
    }
}

impl Hive<'_> {
    /// The root key.
    pub fn root(&mut self) -> Result<Key, HiveError> {
        self.key(self.root)
    }

    /// The key in a cell, as [`Hive::subkeys`] lists them.
    pub fn key(&mut self, cell: u32) -> Result<Key, HiveError> {
        let node = self.cell(cell, NODE + usize::from(u16::MAX))?;
        let at = BINS + u64::from(cell) + 4;
        if !node.starts_with(b"nk") || node.len() < NODE {
            return Err(HiveError::corrupt(at, "no key node is there"));
        }
        let field = |at: usize| u32_at(&node, at).unwrap_or(0);
        let small = |at: usize| u16_at(&node, at).unwrap_or(0);
        let name = node.get(NODE..NODE + usize::from(small(72)));
        let name = name.ok_or_else(|| HiveError::corrupt(at, "a key's name passes its cell's end"))?;
        Ok(Key {
            name: name_of(name, small(2) & COMPRESSED != 0),
            written: Timestamp::from_filetime(u64_at(&node, 4).unwrap_or(0)),
            cell,
            subkeys: (field(20), field(28)),
            values: (field(36), field(40)),
            class: (field(48), small(74)),
        })
    }

    /// The cells of a key's subkeys, in the order of their names.
    pub fn subkeys(&mut self, key: &Key) -> Listed {
        let (count, list) = key.subkeys;
        if count == 0 {
            return Listed::default();
        }
        let mut listed = Listed::default();
        if let Err(error) = self.leaf_or_root(list, &mut listed.cells, true) {
            listed.error = Some(error);
        } else if listed.cells.len() != count as usize {
            let reason = format!("{} of {count} subkeys are listed", listed.cells.len());
            listed.error = Some(HiveError::corrupt(BINS + u64::from(key.cell), reason));
        }
        listed
    }

    fn leaf_or_root(&mut self, list: u32, cells: &mut Vec<u32>, may_nest: bool) -> Result<(), HiveError> {
        let content = self.cell(list, 4 + 8 * usize::from(u16::MAX))?;
        let at = BINS + u64::from(list) + 4;
        let count = usize::from(u16_at(&content, 2).unwrap_or(0));
        let entry = match content.get(..2) {
            Some(b"lf" | b"lh") => 8,
            Some(b"li") => 4,
            Some(b"ri") if may_nest => 4,
            _ => return Err(HiveError::corrupt(at, "no list of subkeys is there")),
        };
        let entries = content.get(4..4 + count * entry);
        let entries =
            entries.ok_or_else(|| HiveError::corrupt(at, format!("{count} subkeys pass the list's end")))?;
        let offsets = entries.chunks_exact(entry).filter_map(|entry| u32_at(entry, 0));
        if content.starts_with(b"ri") {
            // No leaf is read twice, so that a root of 65,535 equal entries costs no more than one.
            let mut seen = HashSet::new();
            for leaf in offsets {
                if !seen.insert(leaf) {
                    return Err(HiveError::corrupt(at, format!("the list at {leaf:#x} is used twice")));
                }
                self.leaf_or_root(leaf, cells, false)?;
            }
            return Ok(());
        }
        if cells.len() + count > MAX_LISTED {
            return Err(HiveError::Limit(format!("more than {MAX_LISTED} subkeys of one key")));
        }
        cells.extend(offsets);
        Ok(())
    }

    /// The subkey of `key` with a name, compared as Windows does. A damaged neighbour is an error only if
    /// the name was not found: it may have been the one.
    pub fn subkey(&mut self, key: &Key, name: &str) -> Result<Option<Key>, HiveError> {
        let Listed { cells, mut error } = self.subkeys(key);
        for cell in cells {
            match self.key(cell) {
                Ok(key) if same_name(&key.name, name) => return Ok(Some(key)),
                Ok(_) => {}
                Err(damage) => error = error.or(Some(damage)),
            }
        }
        error.map_or(Ok(None), Err)
    }

    /// The key at a path of names with `\` between them, from the root key (which is not named).
    pub fn open_key(&mut self, path: &str) -> Result<Option<Key>, HiveError> {
        let mut key = self.root()?;
        for name in path.split('\\').filter(|name| !name.is_empty()).take(MAX_DEPTH) {
            match self.subkey(&key, name)? {
                Some(next) => key = next,
                None => return Ok(None),
            }
        }
        Ok(Some(key))
    }

    /// The class name that a key was made with, if any.
    pub fn class(&mut self, key: &Key) -> Result<Option<String>, HiveError> {
        let (cell, len) = key.class;
        if len == 0 || cell == u32::MAX {
            return Ok(None);
        }
        let content = self.cell(cell, usize::from(len))?;
        if content.len() < usize::from(len) {
            let reason = format!("a class name of {len} bytes passes its cell's end");
            return Err(HiveError::corrupt(BINS + u64::from(cell), reason));
        }
        Ok(Some(name_of(&content, false)))
    }
}

/// A name as it is stored: in Latin-1 where all its characters have one byte, else in UTF-16.
pub(super) fn name_of(bytes: &[u8], compressed: bool) -> String {
    if compressed {
        return bytes.iter().map(|byte| char::from(*byte)).collect();
    }
    let (units, _) = bytes.as_chunks::<2>();
    char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Whether Windows takes two names for the same: it compares them in upper case, character by character.
pub fn same_name(one: &str, other: &str) -> bool {
    one.chars().map(upper).eq(other.chars().map(upper))
}

fn upper(one: char) -> char {
    let mut upper = one.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        _ => one,
    }
}
