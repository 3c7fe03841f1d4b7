//! A fork that is read whole: attribute forks and remote symbolic links.

use super::{
    be::Be,
    extent::Mapping,
    geometry::{Geometry, Owner, SelfCheck},
};
use crate::{error::ParseError, source::SourceError};
use coldread_model::ByteRange;

const SYMLINK: &str = "remote symbolic link";
/// No target is longer.
pub(super) const MAX_TARGET_BYTES: u64 = 1024;

/// The blocks of a fork one after the other, as they arrive.
pub(super) struct ForkImage {
    /// Sorted, disjoint.
    mappings: Vec<Mapping>,
    /// Where each mapping starts in `bytes`.
    starts: Vec<usize>,
    /// None until the first are there.
    bytes: Vec<u8>,
    len: usize,
    bad: Vec<(ByteRange, SourceError)>,
}

impl ForkImage {
    /// For mappings as `extent::settle` leaves them.
    pub(super) fn new(geometry: &Geometry, mappings: Vec<Mapping>) -> Self {
        let mut len = 0;
        let mut starts = Vec::with_capacity(mappings.len());
        for mapping in &mappings {
            starts.push(len);
            len += (mapping.count << geometry.block_log) as usize;
        }
        Self { mappings, starts, bytes: Vec::new(), len, bad: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Each mapping and where its bytes go.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Mapping, usize)> {
        self.mappings.iter().copied().zip(self.starts.iter().copied())
    }

    /// Puts bytes in their place.
    pub(super) fn fill(&mut self, at: usize, bytes: &[u8], bad: &[(ByteRange, SourceError)]) {
        if self.bytes.is_empty() {
            self.bytes = vec![0; self.len];
        }
        if let Some(room) = self.bytes.get_mut(at..at.saturating_add(bytes.len())) {
            room.copy_from_slice(bytes);
        }
        self.bad.extend_from_slice(bad);
    }

    fn mapping_of(&self, block: u64) -> Option<(usize, &Mapping)> {
        let index = self.mappings.partition_point(|mapping| mapping.end() <= block);
        self.mappings.get(index).filter(|mapping| mapping.offset <= block).map(|mapping| (index, mapping))
    }

    fn fault(&self, part: ByteRange, structure: &'static str) -> Result<(), ParseError> {
        match self.bad.iter().find(|(bad, _)| !bad.intersect(part).is_empty()) {
            Some((bad, error)) => Err(ParseError::Io { at: bad.start, structure, reason: error.to_string() }),
            None => Ok(()),
        }
    }

    /// The byte where block `block` of the fork lies, or 0 for one that is not mapped: for messages.
    pub(super) fn place(&self, geometry: &Geometry, block: u64) -> u64 {
        let place = |mapping: &Mapping| geometry.bytes_of(mapping.block + block - mapping.offset, 1).start;
        self.mapping_of(block).map_or(0, |(_, mapping)| place(mapping))
    }

    /// Block `block` of the fork and the byte of the volume where it lies.
    pub(super) fn block(
        &self,
        geometry: &Geometry,
        block: u64,
        structure: &'static str,
    ) -> Result<(&[u8], u64), ParseError> {
        let missing = || ParseError::NotFound { what: format!("block {block} of the fork ({structure})") };
        let (index, mapping) = self.mapping_of(block).ok_or_else(missing)?;
        let inside = block - mapping.offset;
        let place = geometry.bytes_of(mapping.block + inside, 1);
        self.fault(place, structure)?;
        let start = self.starts[index] + (inside << geometry.block_log) as usize;
        let bytes = self.bytes.get(start..start + place.len as usize).ok_or_else(missing)?;
        Ok((bytes, place.start))
    }

    /// The target of symbolic link `inode`, `len` bytes long: "XFS Algorithms & Data Structures", "Symbolic
    /// Links". In version 5 each extent, not each block, has a header.
    pub(super) fn symlink(&self, geometry: &Geometry, inode: u64, len: u64) -> Result<Vec<u8>, ParseError> {
        let mut target = Vec::new();
        for (mapping, start) in self.parts() {
            let place = geometry.bytes_of(mapping.block, mapping.count);
            self.fault(place, SYMLINK)?;
            let mut held = self.bytes.get(start..start + place.len as usize).unwrap_or_default();
            if geometry.v5 {
                let (fields, at) = (Be(held), place.start);
                if fields.u32(0) != 0x5853_4c4d {
                    return Err(ParseError::corrupt(
                        at,
                        SYMLINK,
                        "magic XSLM",
                        format!("{:#x}", fields.u32(0)),
                    ));
                }
                let owner = Some((32, Owner::Inode(inode)));
                let with = SelfCheck { structure: SYMLINK, crc: 12, address: Some(40), uuid: 16, owner };
                geometry.check(held, at, with)?;
                let (offset, count) = (fields.u32(4) as usize, fields.u32(8) as usize);
                let inside = fields.slice(56, count).filter(|_| offset == target.len());
                let wrong =
                    || ParseError::corrupt(at, SYMLINK, format!("byte {} of it", target.len()), offset);
                held = inside.ok_or_else(wrong)?;
            }
            target.extend_from_slice(&held[..held.len().min(len as usize - target.len())]);
        }
        if target.len() as u64 == len {
            return Ok(target);
        }
        let at = self.mappings.first().map_or(0, |mapping| geometry.bytes_of(mapping.block, 1).start);
        Err(ParseError::corrupt(at, SYMLINK, format!("{len} bytes"), target.len()))
    }
}
