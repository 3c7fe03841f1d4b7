//! Extended attributes: "XFS Algorithms & Data Structures", 3rd edition, "Extended Attributes".
//!
//! In short form they are in the inode. Else the attribute fork maps a small file of blocks: hash-index
//! nodes, leaves, and values too long for a leaf. The survey reads the whole fork at once and walks it in
//! memory.

use super::{
    acl,
    be::Be,
    fork_image::ForkImage,
    geometry::{Geometry, Owner, SelfCheck},
};
use crate::error::ParseError;
use coldread_model::listing::encode_xattr;

const SHORT_FORM: &str = "short-form attribute list";
const LEAF: &str = "attribute leaf";
const NODE: &str = "attribute node";
const REMOTE: &str = "remote attribute value";

// Flags of an entry.
const LOCAL: u8 = 1;
const ROOT: u8 = 1 << 1;
const SECURE: u8 = 1 << 2;
const PARENT: u8 = 1 << 3;
const INCOMPLETE: u8 = 1 << 7;

const MAX_VALUE_BYTES: u32 = 64 << 10;
/// Faults of one fork that are told: a fork of 64 MiB has room for millions of entries that are wrong.
const MAX_ERRORS: usize = 1000;

/// The attributes of one inode as they are collected; reused from inode to inode.
#[derive(Default)]
pub(super) struct Xattrs {
    /// Encoded, in the order found.
    bytes: Vec<u8>,
    /// Start and end in `bytes`, and length of the name.
    places: Vec<(usize, usize, usize)>,
    name: Vec<u8>,
    acl: Vec<u8>,
    /// A remote value being put together.
    value: Vec<u8>,
}

impl Xattrs {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    fn put(&mut self, prefix: &str, name: &[u8], value: &[u8]) {
        self.name.clear();
        self.name.extend_from_slice(prefix.as_bytes());
        self.name.extend_from_slice(name);
        let start = self.bytes.len();
        encode_xattr(&mut self.bytes, &self.name, value);
        self.places.push((start, self.bytes.len(), self.name.len()));
    }

    /// Adds one as listxattr shows it to root: parent pointers and half-written ones are hidden, access
    /// control lists appear under two names.
    fn add(&mut self, flags: u8, name: &[u8], value: &[u8], at: u64) -> Result<(), ParseError> {
        if flags & (PARENT | INCOMPLETE) != 0 {
            return Ok(());
        }
        if flags & ROOT == 0 {
            self.put(if flags & SECURE != 0 { "security." } else { "user." }, name, value);
            return Ok(());
        }
        self.put("trusted.", name, value);
        let shown = match name {
            b"SGI_ACL_FILE" => "system.posix_acl_access",
            b"SGI_ACL_DEFAULT" => "system.posix_acl_default",
            _ => return Ok(()),
        };
        let mut list = std::mem::take(&mut self.acl);
        let decoded = acl::to_posix(value, &mut list);
        if decoded.is_some() {
            self.put(shown, b"", &list);
        }
        self.acl = list;
        decoded.ok_or_else(|| ParseError::corrupt(at, "access control list", "a list", "other bytes"))
    }

    /// The encoded attributes sorted by name, appended to `out`.
    pub(super) fn encode(&mut self, out: &mut Vec<u8>) {
        let bytes = &self.bytes;
        let name = |&(start, _, len): &(usize, usize, usize)| &bytes[start + 6..start + 6 + len];
        self.places.sort_unstable_by(|one, other| name(one).cmp(name(other)));
        for &(start, end, _) in &self.places {
            out.extend_from_slice(&self.bytes[start..end]);
        }
    }

    /// Reads attributes that lie in the inode.
    pub(super) fn short_form(&mut self, fork: &[u8], at: u64) -> Result<(), ParseError> {
        let fields = Be(fork);
        let mut place = 4;
        for _ in 0..fields.u8(2) {
            let (name_len, value_len) = (usize::from(fields.u8(place)), usize::from(fields.u8(place + 1)));
            let (name_at, value_at) = (place + 3, place + 3 + name_len);
            let (Some(name), Some(value)) =
                (fields.slice(name_at, name_len), fields.slice(value_at, value_len))
            else {
                return Err(ParseError::corrupt(at, SHORT_FORM, "entries in the inode", place));
            };
            self.add(fields.u8(place + 2), name, value, at)?;
            place = value_at + value_len;
        }
        Ok(())
    }

    /// Walks the attribute fork of `inode`. Every block is visited once at most, and names and values
    /// together may not be larger than the fork, so that a damaged fork cannot ask for more than it holds.
    pub(super) fn walk(
        &mut self,
        geometry: &Geometry,
        inode: u64,
        fork: &ForkImage,
        errors: &mut Vec<ParseError>,
    ) {
        let mut walk = Walk { geometry, inode, fork, room: fork.len() };
        let mut seen = std::collections::BTreeSet::new();
        let mut next = vec![0u32];
        while let Some(block) = next.pop() {
            if errors.len() >= MAX_ERRORS {
                let at = fork.place(geometry, u64::from(block));
                errors.push(ParseError::corrupt(at, NODE, "fewer faults: the rest is not read", MAX_ERRORS));
                break;
            }
            if !seen.insert(block) {
                errors.push(ParseError::corrupt(
                    fork.place(geometry, u64::from(block)),
                    NODE,
                    "a block once",
                    block,
                ));
                continue;
            }
            if let Err(error) = walk.block(block, self, &mut next, errors) {
                errors.push(error);
            }
        }
    }
}

struct Walk<'a> {
    geometry: &'a Geometry,
    inode: u64,
    fork: &'a ForkImage,
    /// Bytes that names and values may still have.
    room: usize,
}

impl Walk<'_> {
    fn block(
        &mut self,
        block: u32,
        out: &mut Xattrs,
        next: &mut Vec<u32>,
        errors: &mut Vec<ParseError>,
    ) -> Result<(), ParseError> {
        let (bytes, at) = self.fork.block(self.geometry, u64::from(block), LEAF)?;
        let fields = Be(bytes);
        let v5 = self.geometry.v5;
        let owner = Some((48, Owner::Inode(self.inode)));
        let with = |structure| SelfCheck { structure, crc: 12, address: Some(16), uuid: 32, owner };
        match (v5, fields.u16(8)) {
            (true, 0x3ebe) | (false, 0xfebe) => {
                self.geometry.check(bytes, at, with(NODE))?;
                let (count_at, header) = if v5 { (56, 64) } else { (12, 16) };
                let count = usize::from(fields.u16(count_at));
                let entries = fields.slice(header, count * 8);
                let wrong = || ParseError::corrupt(at, NODE, "entries in the block", count);
                next.extend(entries.ok_or_else(wrong)?.chunks_exact(8).map(|entry| Be(entry).u32(4)));
                Ok(())
            }
            (true, 0x3bee) | (false, 0xfbee) => {
                self.geometry.check(bytes, at, with(LEAF))?;
                let (count_at, header) = if v5 { (56, 80) } else { (12, 32) };
                let count = usize::from(fields.u16(count_at));
                let entries = fields.slice(header, count * 8);
                let wrong = || ParseError::corrupt(at, LEAF, "entries in the block", count);
                for entry in entries.ok_or_else(wrong)?.chunks_exact(8) {
                    let (place, flags) = (usize::from(Be(entry).u16(4)), Be(entry).u8(6));
                    if flags & (PARENT | INCOMPLETE) != 0 {
                        continue;
                    }
                    if let Err(error) = self.entry(fields, place, flags, at, out) {
                        errors.push(error);
                    }
                    if errors.len() >= MAX_ERRORS {
                        break;
                    }
                }
                Ok(())
            }
            (_, magic) => {
                Err(ParseError::corrupt(at, LEAF, "its magic or a node's", format!("{magic:#06x}")))
            }
        }
    }

    /// One entry of a leaf, its name and value at `place`.
    fn entry(
        &mut self,
        leaf: Be<'_>,
        place: usize,
        flags: u8,
        at: u64,
        out: &mut Xattrs,
    ) -> Result<(), ParseError> {
        let outside = || ParseError::corrupt(at, LEAF, "names and values in the block", place);
        if flags & LOCAL != 0 {
            let (value_len, name_len) = (usize::from(leaf.u16(place)), usize::from(leaf.u8(place + 2)));
            let name = leaf.slice(place + 3, name_len).ok_or_else(outside)?;
            let value = leaf.slice(place + 3 + name_len, value_len).ok_or_else(outside)?;
            self.take_room(name_len + value_len, at)?;
            return out.add(flags, name, value, at);
        }
        let (value_block, value_len) = (leaf.u32(place), leaf.u32(place + 4));
        let name_len = usize::from(leaf.u8(place + 8));
        let name = leaf.slice(place + 9, name_len).ok_or_else(outside)?;
        if value_len > MAX_VALUE_BYTES {
            return Err(ParseError::corrupt(at, LEAF, "a value of at most 64 KiB", value_len));
        }
        self.take_room(name_len + value_len as usize, at)?;
        let mut value = std::mem::take(&mut out.value);
        value.clear();
        let read = self.remote(u64::from(value_block), value_len as usize, &mut value);
        let added = read.and_then(|()| out.add(flags, name, &value, at));
        out.value = value;
        added
    }

    fn take_room(&mut self, len: usize, at: u64) -> Result<(), ParseError> {
        let left = self.room.checked_sub(len);
        let wrong = || ParseError::corrupt(at, LEAF, "values no larger than the fork", len);
        self.room = left.ok_or_else(wrong)?;
        Ok(())
    }

    /// A value in blocks of its own; in version 5 each block has a header.
    fn remote(&self, first: u64, len: usize, value: &mut Vec<u8>) -> Result<(), ParseError> {
        let mut block = first;
        while value.len() < len {
            let (bytes, at) = self.fork.block(self.geometry, block, REMOTE)?;
            let mut held = bytes;
            if self.geometry.v5 {
                let fields = Be(bytes);
                if fields.u32(0) != 0x5841_524d {
                    return Err(ParseError::corrupt(
                        at,
                        REMOTE,
                        "magic XARM",
                        format!("{:#x}", fields.u32(0)),
                    ));
                }
                let owner = Some((32, Owner::Inode(self.inode)));
                let with = SelfCheck { structure: REMOTE, crc: 12, address: Some(40), uuid: 16, owner };
                self.geometry.check(bytes, at, with)?;
                let (offset, count) = (fields.u32(4) as usize, fields.u32(8) as usize);
                let wrong = || ParseError::corrupt(at, REMOTE, format!("byte {} of it", value.len()), offset);
                held = fields
                    .slice(56, count)
                    .filter(|_| offset == value.len() && count > 0)
                    .ok_or_else(wrong)?;
            }
            value.extend_from_slice(&held[..held.len().min(len - value.len())]);
            block += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_of_nothing_but_faults_is_told_in_a_thousand() {
        let geometry = Geometry { v5: false, ..super::super::tests::geometry() };
        let size = geometry.block_bytes() as usize;
        let count = (size - 32) / 8;
        let put = |block: &mut [u8], at: usize, value: u16| {
            block[at..at + 2].copy_from_slice(&value.to_be_bytes());
        };
        let leaves = 2 * MAX_ERRORS / count + 2;
        let mut bytes = vec![0xff; size * (1 + leaves)];
        for (number, block) in bytes.chunks_exact_mut(size).enumerate() {
            put(block, 8, if number == 0 { 0xfebe } else { 0xfbee });
            put(block, 12, if number == 0 { leaves } else { count } as u16);
        }
        for leaf in 1..=leaves {
            bytes[16 + (leaf - 1) * 8 + 4..][..4].copy_from_slice(&(leaf as u32).to_be_bytes());
            // Names and values of entries lie outside of the block, flags say that they are whole.
            for entry in bytes[leaf * size + 32..][..count * 8].chunks_exact_mut(8) {
                entry[6] = LOCAL;
            }
        }
        let blocks = bytes.len() as u64 >> geometry.block_log;
        let mapping =
            super::super::extent::Mapping { offset: 0, block: 100, count: blocks, unwritten: false };
        let mut fork = ForkImage::new(&geometry, vec![mapping]);
        fork.fill(0, &bytes, &[]);
        let (mut found, mut errors) = (Xattrs::default(), Vec::new());
        found.walk(&geometry, 131, &fork, &mut errors);
        assert_eq!((errors.len(), found.is_empty()), (MAX_ERRORS + 1, true));
    }
}
