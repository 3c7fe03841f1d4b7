//! Inodes, their bitmaps and their maps, changed by fast commits.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", sections "Index Nodes",
//! "Extent Tree", "Block Group Descriptors", "Block and Inode Bitmaps".

use super::{
    super::super::{
        bytes::{u16_at, u32_at},
        checksum::crc32c,
        descriptor::{Descriptor, reach},
        extent::{EXTENT_MAGIC, LOGICAL_END, read_node, seal_node},
        inode::{FLAG_EXTENTS, FLAG_INLINE_DATA, generation_of, links_of, seal, seed_of},
    },
    FastCommits,
};
use crate::survey::Extent;

const BLOCK_AT: usize = 0x28;
const BLOCK_END: usize = 0x64;
const HEADER_BYTES: usize = 12;
const ENTRY_BYTES: usize = 12;
/// Entries of the node in the inode.
const ROOT_ENTRIES: usize = 4;
/// Blocks of an extent that was written, and of one that was not.
const MOST_WRITTEN: u64 = 32768;
const MOST_UNWRITTEN: u64 = 32767;

impl FastCommits {
    /// Block and byte in it of a group's descriptor.
    fn descriptor_place(&self, group: u32) -> (u64, usize) {
        let start = self.geometry.descriptors_from(group).0.start;
        (start / self.geometry.block(), (start % self.geometry.block()) as usize)
    }

    fn descriptor(&mut self, group: u32) -> Option<Descriptor> {
        let (block, at) = self.descriptor_place(group);
        let size = usize::from(self.geometry.descriptor_bytes);
        let bytes = self.blocks.get(block)?.ok()?.get(at..at + size)?.to_vec();
        let found = Descriptor::parse(&self.geometry, group, &bytes);
        found.misplaced(&self.geometry).is_none().then_some(found)
    }

    /// Block and byte in it of an inode.
    fn inode_place(&mut self, number: u32) -> Option<(u64, usize)> {
        let (group, index) = self.geometry.place_of(number)?;
        let table = self.descriptor(group)?.inode_table;
        let at = u64::from(index) * u64::from(self.geometry.inode_bytes);
        Some((table + at / self.geometry.block(), (at % self.geometry.block()) as usize))
    }

    /// An inode's bytes, where they are there.
    pub(super) fn raw(&mut self, number: u32) -> Option<Vec<u8>> {
        let (block, at) = self.inode_place(number)?;
        let size = usize::from(self.geometry.inode_bytes);
        Some(self.blocks.get(block)?.ok()?.get(at..at + size)?.to_vec())
    }

    /// An inode that the kernel would find.
    pub(super) fn live(&mut self, number: u32) -> Option<Vec<u8>> {
        self.raw(number).filter(|raw| u16_at(raw, 0) != 0 && links_of(raw) != 0)
    }

    /// Changes bytes of an inode.
    pub(super) fn edit(&mut self, number: u32, change: impl FnOnce(&mut [u8])) {
        let size = usize::from(self.geometry.inode_bytes);
        let place = self.inode_place(number);
        let Some((block, at)) = place else { return };
        if let Some(raw) = self.blocks.change(block).and_then(|bytes| bytes.get_mut(at..at + size)) {
            change(raw);
            self.touched.insert(number);
        }
    }

    pub(super) fn seal_inode(&mut self, number: u32) {
        let geometry = self.geometry.clone();
        self.edit(number, |raw| seal(&geometry, number, raw));
    }

    /// Touches what says that an inode is in use.
    pub(super) fn need_bitmap(&mut self, number: u32) {
        let place = self.geometry.place_of(number);
        if let Some(found) = place.and_then(|(group, _)| self.descriptor(group)) {
            let _ = self.blocks.get(found.inode_bitmap);
        }
    }

    /// Takes an inode over, its map aside: that stays what it was.
    pub(super) fn replace(&mut self, number: u32, new: &[u8]) -> Result<(), String> {
        if self.raw(number).is_none() {
            return Err(format!("inode {number} could not be read"));
        }
        self.map(number)?;
        self.edit(number, |raw| {
            raw[..BLOCK_AT].copy_from_slice(&new[..BLOCK_AT]);
            let end = new.len().min(raw.len());
            raw[BLOCK_END..end].copy_from_slice(&new[BLOCK_END..end]);
            let flags = u32_at(raw, 0x20);
            if flags & FLAG_EXTENTS != 0 {
                if u16_at(raw, BLOCK_AT) != EXTENT_MAGIC {
                    raw[BLOCK_AT..BLOCK_AT + HEADER_BYTES].fill(0);
                    raw[BLOCK_AT..BLOCK_AT + 2].copy_from_slice(&EXTENT_MAGIC.to_le_bytes());
                    raw[BLOCK_AT + 4] = ROOT_ENTRIES as u8;
                }
            } else if flags & FLAG_INLINE_DATA != 0 {
                raw[BLOCK_AT..BLOCK_END].copy_from_slice(&new[BLOCK_AT..BLOCK_END]);
            }
        });
        // The checksums of nodes start from the generation, which may be another now.
        self.remapped.insert(number);
        self.mark_used(number)
    }

    /// Marks an inode as used in its group's bitmap and descriptor.
    fn mark_used(&mut self, number: u32) -> Result<(), String> {
        let lost = || format!("the bitmap with inode {number} could not be read");
        let (group, index) = self.geometry.place_of(number).ok_or_else(lost)?;
        let found = self.descriptor(group).ok_or_else(lost)?;
        let geometry = self.geometry.clone();
        let bitmap = self.blocks.change(found.inode_bitmap).ok_or_else(lost)?;
        if found.inodes_used == 0 {
            bitmap.fill(0);
        }
        if let Some(byte) = bitmap.get_mut(index as usize / 8) {
            *byte |= 1 << (index % 8);
        }
        let covered = bitmap.get(..geometry.inodes_per_group as usize / 8).unwrap_or_default();
        let sum = crc32c(geometry.checksum_seed, covered);
        let (block, at) = self.descriptor_place(group);
        let size = usize::from(geometry.descriptor_bytes);
        let bytes = self.blocks.change(block).and_then(|bytes| bytes.get_mut(at..at + size));
        reach(&geometry, group, bytes.ok_or_else(lost)?, index + 1, sum);
        Ok(())
    }

    /// Reads the map of an inode: `None` where blocks of it are missing. Inodes without extents have none.
    pub(super) fn read_map(&mut self, raw: &[u8]) -> Option<Result<Vec<Extent>, String>> {
        let mut extents = Vec::new();
        if u32_at(raw, 0x20) & FLAG_EXTENTS == 0 || u16_at(raw, BLOCK_AT) != EXTENT_MAGIC {
            return Some(Ok(extents));
        }
        let geometry = self.geometry.clone();
        let wrong =
            |(expected, found): (String, String)| format!("extents: expected {expected}, found {found}");
        let mut children = Vec::new();
        let root = raw.get(BLOCK_AT..BLOCK_END).unwrap_or_default();
        if let Err(error) = read_node(&geometry, root, None, 0..LOGICAL_END, &mut extents, &mut children) {
            return Some(Err(wrong(error)));
        }
        let mut missing = false;
        let mut left = geometry.held();
        while let Some(child) = children.pop() {
            let Some(rest) = left.checked_sub(1) else { return Some(Err("extents without end".to_owned())) };
            left = rest;
            match self.blocks.get(child.block) {
                None => missing = true,
                Some(Err(error)) => return Some(Err(error.to_owned())),
                Some(Ok(bytes)) => {
                    let bytes = bytes.to_vec();
                    let depth = Some(child.depth);
                    let read = read_node(&geometry, &bytes, depth, child.keys, &mut extents, &mut children);
                    if let Err(error) = read {
                        return Some(Err(wrong(error)));
                    }
                }
            }
        }
        extents.sort_unstable();
        (!missing).then_some(Ok(extents))
    }

    /// The map of an inode as it is now.
    pub(super) fn map(&mut self, number: u32) -> Result<Vec<Extent>, String> {
        if let Some(map) = self.maps.get(&number).cloned() {
            self.spend((map.len() * size_of::<Extent>()) as u64)?;
            return Ok(map);
        }
        let lost = || format!("the map of inode {number} could not be read");
        let raw = self.raw(number).ok_or_else(lost)?;
        let map = self.read_map(&raw).ok_or_else(lost)??;
        self.maps.insert(number, map.clone());
        Ok(map)
    }

    /// Gives an inode another map.
    pub(super) fn set_map(&mut self, number: u32, map: Vec<Extent>) {
        self.maps.insert(number, map);
        self.remapped.insert(number);
        self.touched.insert(number);
    }

    /// Maps bytes of a file elsewhere, or nowhere.
    pub(super) fn remap(
        &mut self,
        number: u32,
        start: u64,
        len: u64,
        to: Option<Extent>,
    ) -> Result<(), String> {
        let Some(raw) = self.live(number) else { return Ok(()) };
        if u32_at(&raw, 0x20) & FLAG_EXTENTS == 0 {
            return Err(format!("inode {number} has no extents and is given some"));
        }
        let end = start.saturating_add(len);
        let mut map = Vec::new();
        for extent in self.map(number)? {
            let after = extent.logical + extent.len;
            if extent.logical < start {
                map.push(Extent { len: extent.len.min(start - extent.logical), ..extent });
            }
            if after > end {
                let skip = end.saturating_sub(extent.logical);
                let (logical, physical) = (extent.logical + skip, extent.physical + skip);
                map.push(Extent { logical, physical, len: extent.len - skip, ..extent });
            }
        }
        map.extend(to);
        map.sort_unstable();
        self.set_map(number, map);
        Ok(())
    }

    /// Writes the map of an inode as a tree of extents.
    pub(super) fn write_map(&mut self, number: u32) -> Result<(), String> {
        let raw = self.raw(number).ok_or_else(|| format!("inode {number} could not be read"))?;
        if u32_at(&raw, 0x20) & FLAG_EXTENTS == 0 {
            return Ok(());
        }
        let block = self.geometry.block();
        let mut entries = Vec::new();
        let mut sectors = 0;
        for extent in self.map(number)? {
            sectors += extent.len / 512;
            let most = if extent.unwritten { MOST_UNWRITTEN } else { MOST_WRITTEN };
            let (mut logical, mut physical) = (extent.logical / block, extent.physical / block);
            let mut left = extent.len / block;
            while left > 0 {
                let count = left.min(most);
                entries.push(leaf_entry(logical, physical, count, extent.unwritten));
                (logical, physical, left) = (logical + count, physical + count, left - count);
            }
        }
        let seed = seed_of(&self.geometry, number, generation_of(&raw));
        let room = (block as usize - HEADER_BYTES - 4) / ENTRY_BYTES;
        let mut depth = 0;
        while entries.len() > ROOT_ENTRIES {
            let mut upper = Vec::new();
            for chunk in entries.chunks(room) {
                let spare = self.spare.pop_front();
                let place = spare.ok_or_else(|| format!("no room for the extents of inode {number}"))?;
                let mut node = node(chunk, room, depth, block as usize);
                seal_node(&self.geometry, seed, &mut node);
                self.blocks.set(place, node);
                upper.push(index_entry(&chunk[0], place));
                sectors += block / 512;
            }
            entries = upper;
            depth += 1;
        }
        let root = node(&entries, ROOT_ENTRIES, depth, BLOCK_END - BLOCK_AT);
        self.edit(number, |raw| {
            raw[BLOCK_AT..BLOCK_END].copy_from_slice(&root);
            raw[0x1C..0x20].copy_from_slice(&(sectors as u32).to_le_bytes());
        });
        Ok(())
    }
}

fn leaf_entry(logical: u64, physical: u64, count: u64, unwritten: bool) -> [u8; ENTRY_BYTES] {
    let ee_len = count as u16 + if unwritten { MOST_WRITTEN as u16 } else { 0 };
    let mut entry = [0; ENTRY_BYTES];
    entry[..4].copy_from_slice(&(logical as u32).to_le_bytes());
    entry[4..6].copy_from_slice(&ee_len.to_le_bytes());
    entry[6..8].copy_from_slice(&((physical >> 32) as u16).to_le_bytes());
    entry[8..].copy_from_slice(&(physical as u32).to_le_bytes());
    entry
}

fn index_entry(first: &[u8; ENTRY_BYTES], child: u64) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    entry[..4].copy_from_slice(&first[..4]);
    entry[4..8].copy_from_slice(&(child as u32).to_le_bytes());
    entry[8..10].copy_from_slice(&((child >> 32) as u16).to_le_bytes());
    entry
}

fn node(entries: &[[u8; ENTRY_BYTES]], room: usize, depth: u16, size: usize) -> Vec<u8> {
    let mut node = Vec::with_capacity(size);
    for field in [EXTENT_MAGIC, entries.len() as u16, room as u16, depth] {
        node.extend_from_slice(&field.to_le_bytes());
    }
    node.extend_from_slice(&[0; 4]);
    node.extend(entries.iter().flatten());
    node.resize(size, 0);
    node
}
