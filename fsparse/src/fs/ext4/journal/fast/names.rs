//! Names in directories, changed by fast commits.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Directory Entries".
//! A name goes into any leaf with room: a survey reads all leaves, so that the hash's order is no matter.

use super::{
    super::super::{
        bytes::{u16_at, u32_at},
        dir::{record_len, seal_leaf},
        features::{INCOMPAT_FILETYPE, INCOMPAT_LARGEDIR},
        inode::{FLAG_ENCRYPT, FLAG_EXTENTS, FLAG_INDEX, FLAG_INLINE_DATA, generation_of, links_of, seed_of},
    },
    FastCommits,
};
use crate::survey::Extent;
use std::ops::Range;

const HEADER_BYTES: usize = 8;
const TAIL_BYTES: usize = 12;
const DIRECTORY: u16 = 4;
/// Leaves of a directory beyond are not looked at; far fewer can be held.
const MAX_LEAVES: usize = 1 << 18;

/// An entry of a leaf.
struct Entry {
    at: usize,
    len: usize,
    inode: u32,
    name: Range<usize>,
}

/// The entries of a leaf, up to the first that is wrong.
fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    let mut next = 0;
    std::iter::from_fn(move || {
        let at = next;
        let name_len = usize::from(*bytes.get(at + 6)?);
        let len = record_len(bytes.len(), u16_at(bytes, at + 4));
        if len < needed(name_len) || !len.is_multiple_of(4) || at + len > bytes.len() {
            return None;
        }
        next = at + len;
        let name = at + HEADER_BYTES..at + HEADER_BYTES + name_len;
        Some(Entry { at, len, inode: u32_at(bytes, at), name })
    })
}

fn needed(name: usize) -> usize {
    (HEADER_BYTES + name).next_multiple_of(4)
}

impl FastCommits {
    /// The blocks of a directory that hold names, in order.
    pub(super) fn directory_blocks(&self, raw: &[u8], map: &[Extent]) -> Vec<u64> {
        let block = self.geometry.block();
        let large = self.geometry.features.incompat & INCOMPAT_LARGEDIR != 0;
        let high = if large { u64::from(u32_at(raw, 0x6C)) } else { 0 };
        let size = (high << 32 | u64::from(u32_at(raw, 4))).min(self.geometry.volume_bytes);
        let indexed = u32_at(raw, 0x20) & FLAG_INDEX != 0;
        let mut blocks = Vec::new();
        for extent in map.iter().filter(|extent| !extent.unwritten) {
            for index in 0..extent.len / block {
                let logical = extent.logical + index * block;
                if blocks.len() == MAX_LEAVES {
                    return blocks;
                }
                if logical < size && !(indexed && logical == 0) {
                    blocks.push(extent.physical / block + index);
                }
            }
        }
        blocks
    }

    /// A directory's leaves, or why it cannot be changed; `None` where the kernel would not find it.
    fn leaves(&mut self, parent: u32) -> Result<Option<Vec<u64>>, String> {
        let Some(raw) = self.live(parent) else { return Ok(None) };
        if u16_at(&raw, 0) >> 12 != DIRECTORY {
            return Ok(None);
        }
        let flags = u32_at(&raw, 0x20);
        if flags & (FLAG_INLINE_DATA | FLAG_ENCRYPT) != 0 || flags & FLAG_EXTENTS == 0 {
            return Err(format!("directory {parent} is inline, encrypted or without extents"));
        }
        let map = self.map(parent)?;
        let mut leaves = Vec::new();
        let blocks = self.directory_blocks(&raw, &map);
        self.spend(blocks.len() as u64 * self.geometry.block())?;
        for block in blocks {
            match self.blocks.get(block) {
                Some(Ok(bytes))
                    if record_len(bytes.len(), u16_at(bytes, 4)) == bytes.len() && u32_at(bytes, 0) == 0 =>
                {
                    // An inner block of the index looks like one unused entry; so does an empty leaf of a
                    // filesystem without checksums, which may stay empty.
                }
                Some(Ok(_)) => leaves.push(block),
                _ => return Err(format!("a block of directory {parent} could not be read")),
            }
        }
        Ok(Some(leaves))
    }

    /// Where a name is: its block, and its entry.
    fn find(&mut self, leaves: &[u64], name: &[u8]) -> Option<(u64, Entry)> {
        leaves.iter().find_map(|block| {
            let bytes = self.blocks.get(*block)?.ok()?;
            let entry =
                entries(bytes).find(|entry| entry.inode != 0 && bytes.get(entry.name.clone()) == Some(name));
            entry.map(|entry| (*block, entry))
        })
    }

    /// Seals a leaf that was changed.
    fn seal(&mut self, parent: u32, block: u64) {
        let Some(raw) = self.raw(parent) else { return };
        let seed = seed_of(&self.geometry, parent, generation_of(&raw));
        let geometry = &self.geometry;
        if let Some(bytes) = self.blocks.change(block) {
            seal_leaf(geometry, seed, bytes);
        }
    }

    fn set_links(&mut self, number: u32, links: u16) {
        self.edit(number, |raw| raw[0x1A..0x1C].copy_from_slice(&links.to_le_bytes()));
    }

    /// Adds a name; false where it is there already, or its directory is not.
    fn add(&mut self, parent: u32, inode: u32, name: &[u8]) -> Result<bool, String> {
        let Some(leaves) = self.leaves(parent)? else { return Ok(false) };
        if self.find(&leaves, name).is_some() {
            return Ok(false);
        }
        let mode = self.raw(inode).map_or(0, |raw| u16_at(&raw, 0)) >> 12;
        let typed = self.geometry.features.incompat & INCOMPAT_FILETYPE != 0;
        let kind = match mode {
            _ if !typed => 0,
            8 => 1,
            4 => 2,
            2 => 3,
            6 => 4,
            1 => 5,
            12 => 6,
            10 => 7,
            _ => 0,
        };
        for block in leaves {
            let Some(Ok(bytes)) = self.blocks.get(block) else { continue };
            let tail = if self.geometry.features.metadata_csum() { TAIL_BYTES } else { 0 };
            let end = bytes.len().saturating_sub(tail);
            let room = entries(bytes).find_map(|entry| {
                let used = if entry.inode == 0 { 0 } else { needed(entry.name.len()) };
                let fits = entry.at + entry.len <= end && entry.len - used >= needed(name.len());
                fits.then_some((entry.at, entry.len, used))
            });
            if let Some((at, len, used)) = room
                && let Some(bytes) = self.blocks.change(block)
            {
                if used > 0 {
                    bytes[at + 4..at + 6].copy_from_slice(&(used as u16).to_le_bytes());
                }
                put(bytes, at + used, len - used, inode, name, kind);
                self.seal(parent, block);
                return Ok(true);
            }
        }
        self.append(parent, |bytes, end| put(bytes, 0, end, inode, name, kind))?;
        Ok(true)
    }

    /// Adds a leaf to a directory.
    fn append(&mut self, parent: u32, fill: impl FnOnce(&mut [u8], usize)) -> Result<(), String> {
        let none = || format!("no room for another block of directory {parent}");
        let mut map = self.map(parent)?;
        let place = self.spare.pop_front().ok_or_else(none)?;
        let block = self.geometry.block();
        let raw = self.raw(parent).ok_or_else(none)?;
        let size = u64::from(u32_at(&raw, 4)).next_multiple_of(block);
        let new_size = u32::try_from(size + block).map_err(|_| none())?;
        let mut bytes = vec![0; block as usize];
        let summed = self.geometry.features.metadata_csum();
        let end = bytes.len() - if summed { TAIL_BYTES } else { 0 };
        fill(&mut bytes, end);
        if summed {
            bytes[end + 4] = TAIL_BYTES as u8;
            bytes[end + 7] = 0xDE;
        }
        self.blocks.set(place, bytes);
        map.push(Extent { logical: size, physical: place * block, len: block, unwritten: false });
        self.set_map(parent, map);
        self.edit(parent, |raw| raw[4..8].copy_from_slice(&new_size.to_le_bytes()));
        self.seal(parent, place);
        Ok(())
    }

    /// The first name of a new inode.
    pub(super) fn create(&mut self, parent: u32, inode: u32, name: &[u8]) -> Result<(), String> {
        let Some(raw) = self.live(inode) else {
            return Err(format!("inode {inode}, which is named, is not there"));
        };
        if u16_at(&raw, 0) >> 12 == DIRECTORY {
            if self.live(parent).is_none() || !self.map(inode)?.is_empty() {
                return Ok(());
            }
            if u32_at(&raw, 0x20) & FLAG_EXTENTS == 0 {
                return Err(format!("directory {inode} is new and without extents"));
            }
            self.edit(inode, |raw| raw[4..8].fill(0));
            self.append(inode, |bytes, end| {
                put(bytes, 0, 12, inode, b".", 2);
                put(bytes, 12, end - 12, parent, b"..", 2);
            })?;
        }
        self.add(parent, inode, name)?;
        self.set_links(inode, 1);
        Ok(())
    }

    /// Another name of an inode.
    pub(super) fn link(&mut self, parent: u32, inode: u32, name: &[u8]) -> Result<(), String> {
        let Some(raw) = self.live(inode) else { return Ok(()) };
        if self.add(parent, inode, name)? {
            self.set_links(inode, links_of(&raw).saturating_add(1));
        }
        Ok(())
    }

    /// A name goes; with the last one, its inode.
    pub(super) fn unlink(&mut self, parent: u32, inode: u32, name: &[u8]) -> Result<(), String> {
        let Some(raw) = self.live(inode) else { return Ok(()) };
        let Some(leaves) = self.leaves(parent)? else { return Ok(()) };
        let Some((block, entry)) = self.find(&leaves, name) else { return Ok(()) };
        if entry.inode == inode
            && let Some(bytes) = self.blocks.change(block)
        {
            bytes[entry.at..entry.at + 4].fill(0);
            self.seal(parent, block);
        }
        let links = links_of(&raw) - 1;
        self.set_links(inode, links);
        if links == 0 {
            self.map(inode)?;
            self.set_map(inode, Vec::new());
        }
        Ok(())
    }
}

/// Writes an entry of `len` bytes.
fn put(bytes: &mut [u8], at: usize, len: usize, inode: u32, name: &[u8], kind: u8) {
    let stored = if len >= 65536 { 0 } else { len as u16 };
    let name_at = at + HEADER_BYTES;
    if let Some(place) = bytes.get_mut(name_at..name_at + name.len()) {
        place.copy_from_slice(name);
    }
    if let Some(header) = bytes.get_mut(at..name_at) {
        header[..4].copy_from_slice(&inode.to_le_bytes());
        header[4..6].copy_from_slice(&stored.to_le_bytes());
        header[6] = name.len() as u8;
        header[7] = kind;
    }
}
