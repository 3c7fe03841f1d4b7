//! MFT records and the attributes in them.

use super::boot::{u16_at, u32_at, u64_at};
use crate::error::ParseError;
use coldread_model::Gap;

/// Bytes that one fixup protects, whatever the sector size.
const FIXUP_STRIDE: usize = 512;

/// What is wrong with a record or an attribute: what the format allows, and what is there instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// What the format allows.
    pub(super) expected: &'static str,
    /// What is there.
    pub(super) actual: u64,
}

/// A malformed structure.
pub(super) fn malformed(expected: &'static str, actual: u64) -> Malformed {
    Malformed { expected, actual }
}

impl Malformed {
    /// The gap that records it.
    pub(super) fn to_gap(self, structure: &'static str, number: u64, at: Option<u64>) -> Gap {
        let error = ParseError::corrupt(at.unwrap_or(0), structure, self.expected, self.actual);
        Gap { at, ..error.to_gap() }.at_inode(number)
    }
}

/// Verifies the update sequence of a record or restart page and puts the protected bytes back.
///
/// Source: Flatcap NTFS documentation, "Concept - Fixup".
pub(super) fn apply_fixups(record: &mut [u8]) -> Result<(), Malformed> {
    let usa_ofs = u16_at(record, 4).unwrap_or(0);
    let usa_count = u16_at(record, 6).unwrap_or(0);
    let (strides, at) = (record.len() / FIXUP_STRIDE, usize::from(usa_ofs));
    if usize::from(usa_count) != strides + 1 {
        return Err(malformed("one fixup for each 512 bytes", u64::from(usa_count)));
    }
    if at % 2 != 0 || at + usize::from(usa_count) * 2 > FIXUP_STRIDE - 2 {
        return Err(malformed("fixups inside the first 512 bytes", u64::from(usa_ofs)));
    }
    let number = u16_at(record, at).unwrap_or(0);
    for stride in 0..strides {
        let place = (stride + 1) * FIXUP_STRIDE - 2;
        if u16_at(record, place) != Some(number) {
            return Err(malformed("its update sequence number at the end of each 512 bytes", place as u64));
        }
        let from = at + 2 * (stride + 1);
        record.copy_within(from..from + 2, place);
    }
    Ok(())
}

/// A record's number and sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reference {
    /// The record's number.
    pub(super) number: u64,
    /// Its sequence number; 0 where any will do.
    pub(super) sequence: u16,
}

impl Reference {
    /// From its on-disk form: 48 bits of number, 16 of sequence.
    pub(super) fn new(raw: u64) -> Self {
        Self { number: raw & 0xffff_ffff_ffff, sequence: (raw >> 48) as u16 }
    }
}

/// Whether a record whose sequence number is `now` was freed from the use that `then` counts. Freeing a
/// record counts its number up, past 0; some writers leave that to the next use.
///
/// Source: ntfs-3g, "mft.c" (ntfs_mft_record_free), as documentation.
pub(super) fn freed_from(now: u16, then: u16) -> bool {
    now == then || now == then.wrapping_add(1).max(1)
}

/// The header of an MFT record.
///
/// Source: Flatcap NTFS documentation, "Concept - File Record".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// It is free again; what it says was true before.
    pub(super) deleted: bool,
    /// Counts the record's uses.
    pub(super) sequence: u16,
    /// It is a directory.
    pub(super) directory: bool,
    /// The record that it extends; `None` for a base record.
    pub(super) base: Option<Reference>,
    attributes_at: usize,
    end: usize,
}

/// What a record's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordState {
    /// Never written, or not in use and without a sound record.
    Free,
    /// Not in use, but a sound record of what used it last; its bytes are fixed up.
    Deleted(RecordHeader),
    /// In use; its bytes are fixed up.
    InUse(RecordHeader),
}

impl RecordHeader {
    /// Reads a record, fixups first; `record` is all of its bytes.
    pub(super) fn parse(record: &mut [u8]) -> Result<RecordState, Malformed> {
        let magic = u32_at(record, 0).unwrap_or(0);
        if magic == 0 {
            return Ok(RecordState::Free);
        }
        if magic != u32::from_le_bytes(*b"FILE") {
            return Err(malformed("the signature \"FILE\"", u64::from(magic)));
        }
        let flags = u16_at(record, 22).unwrap_or(0);
        if flags & 1 != 0 {
            return Self::sound(record, flags).map(RecordState::InUse);
        }
        // Nothing is lost where a free record is damaged.
        Ok(Self::sound(record, flags).map_or(RecordState::Free, RecordState::Deleted))
    }

    fn sound(record: &mut [u8], flags: u16) -> Result<Self, Malformed> {
        let sequence_number = u16_at(record, 16).unwrap_or(0);
        let attrs_offset = u16_at(record, 20).unwrap_or(0);
        let bytes_in_use = u32_at(record, 24).unwrap_or(0);
        let base_mft_record = u64_at(record, 32).unwrap_or(0);
        apply_fixups(record)?;
        let end = bytes_in_use as usize;
        if end > record.len() || !end.is_multiple_of(8) {
            return Err(malformed("bytes in use within the record", u64::from(bytes_in_use)));
        }
        if !attrs_offset.is_multiple_of(8) || attrs_offset < 42 || usize::from(attrs_offset) + 8 > end {
            return Err(malformed("attributes within the bytes in use", u64::from(attrs_offset)));
        }
        Ok(Self {
            deleted: flags & 1 == 0,
            sequence: sequence_number,
            directory: flags & 2 != 0,
            base: (base_mft_record != 0).then(|| Reference::new(base_mft_record)),
            attributes_at: usize::from(attrs_offset),
            end,
        })
    }

    /// The attributes of `record`, which this header was read from. Ends after the first malformed one.
    pub(super) fn attributes<'a>(&self, record: &'a [u8]) -> Attributes<'a> {
        Attributes { rest: record.get(self.attributes_at..self.end).unwrap_or_default() }
    }

    /// Its attribute list: few records have one, so only types and lengths are looked at before it.
    pub(super) fn list<'a>(&self, record: &'a [u8]) -> Option<Attribute<'a>> {
        let mut all = self.attributes(record);
        while u32_at(all.rest, 0)? < kind::ATTRIBUTE_LIST {
            let length = u32_at(all.rest, 4)? as usize;
            all.rest = all.rest.get(length..).filter(|_| length >= 24)?;
        }
        all.next()?.ok().filter(|attribute| attribute.kind == kind::ATTRIBUTE_LIST)
    }
}

/// Types of attributes.
///
/// Source: Flatcap NTFS documentation, "Attributes".
pub(super) mod kind {
    pub(in crate::fs::ntfs) const STANDARD_INFORMATION: u32 = 0x10;
    pub(in crate::fs::ntfs) const ATTRIBUTE_LIST: u32 = 0x20;
    pub(in crate::fs::ntfs) const FILE_NAME: u32 = 0x30;
    pub(in crate::fs::ntfs) const VOLUME_NAME: u32 = 0x60;
    pub(in crate::fs::ntfs) const VOLUME_INFORMATION: u32 = 0x70;
    pub(in crate::fs::ntfs) const DATA: u32 = 0x80;
    pub(in crate::fs::ntfs) const INDEX_ROOT: u32 = 0x90;
    pub(in crate::fs::ntfs) const INDEX_ALLOCATION: u32 = 0xa0;
    pub(in crate::fs::ntfs) const REPARSE_POINT: u32 = 0xc0;
    pub(in crate::fs::ntfs) const EA: u32 = 0xe0;
}

/// Flag of a compressed attribute.
pub(super) const COMPRESSED: u16 = 0x0001;
/// Flag of an encrypted attribute.
pub(super) const ENCRYPTED: u16 = 0x4000;

/// An attribute's header and value.
///
/// Source: Flatcap NTFS documentation, "Concept - Attribute Header".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    /// Its type.
    pub(super) kind: u32,
    /// Its name in UTF-16.
    pub(super) name: &'a [u8],
    /// Compressed, sparse, encrypted.
    pub(super) flags: u16,
    /// Its value, or where that lies.
    pub(super) form: Form<'a>,
}

/// An attribute's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// In the record.
    Resident(&'a [u8]),
    /// In clusters.
    NonResident(NonResident<'a>),
}

/// Where (a part of) an attribute's value lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NonResident<'a> {
    /// First cluster of the value that this part maps.
    pub(super) lowest_vcn: u64,
    /// The cluster after the last one that it maps.
    pub(super) end_vcn: u64,
    /// Clusters of a compression unit as a power of two; 0 where there are none.
    pub(super) compression_unit: u8,
    /// Bytes of the value; of the first part only.
    pub(super) data_size: u64,
    /// Bytes from here on are zeros; of the first part only.
    pub(super) initialized_size: u64,
    /// The mapping pairs.
    pub(super) runs: &'a [u8],
}

/// Iterates over a record's attributes.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let kind = u32_at(self.rest, 0)?;
        if kind == u32::MAX {
            self.rest = &[];
            return None;
        }
        let length = u32_at(self.rest, 4).unwrap_or(0) as usize;
        let result = match self.rest.get(..length) {
            Some(bytes) if length >= 24 && length.is_multiple_of(8) => parse_attribute(kind, bytes),
            _ => Err(malformed("an attribute's length within its record", length as u64)),
        };
        self.rest = if result.is_ok() { &self.rest[length..] } else { &[] };
        Some(result)
    }
}

/// Reads one attribute; `bytes` is all of it, 24 or more.
fn parse_attribute(kind: u32, bytes: &[u8]) -> Result<Attribute<'_>, Malformed> {
    let name_length = usize::from(bytes[9]);
    let name_offset = usize::from(u16_at(bytes, 10).unwrap_or(0));
    let flags = u16_at(bytes, 12).unwrap_or(0);
    let name = match name_length {
        0 => &[][..],
        _ => bytes
            .get(name_offset..name_offset + name_length * 2)
            .ok_or(malformed("an attribute's name within the attribute", name_offset as u64))?,
    };
    let form = if bytes[8] == 0 {
        let value_length = u32_at(bytes, 16).unwrap_or(0);
        let value_offset = usize::from(u16_at(bytes, 20).unwrap_or(0));
        let value = bytes.get(value_offset..).and_then(|value| value.get(..value_length as usize));
        Form::Resident(value.ok_or(malformed("a value within its attribute", u64::from(value_length)))?)
    } else {
        let field =
            |at: usize| u64_at(bytes, at).ok_or(malformed("a header of 64 bytes", bytes.len() as u64));
        let lowest_vcn = field(16)?;
        let highest_vcn = field(24)?;
        let mapping_pairs_offset = usize::from(u16_at(bytes, 32).unwrap_or(0));
        let compression_unit = bytes.get(34).copied().unwrap_or(0);
        let data_size = field(48)?;
        let initialized_size = field(56)?;
        let runs = bytes
            .get(mapping_pairs_offset..)
            .filter(|_| mapping_pairs_offset >= 64)
            .ok_or(malformed("mapping pairs within their attribute", mapping_pairs_offset as u64))?;
        let end_vcn = highest_vcn.wrapping_add(1);
        if lowest_vcn > i64::MAX as u64 || end_vcn < lowest_vcn || end_vcn > i64::MAX as u64 {
            return Err(malformed("a highest cluster not below the lowest", highest_vcn));
        }
        if lowest_vcn == 0 && data_size > i64::MAX as u64 {
            return Err(malformed("a size below 8 EiB", data_size));
        }
        Form::NonResident(NonResident {
            lowest_vcn,
            end_vcn,
            compression_unit,
            data_size,
            initialized_size,
            runs,
        })
    };
    Ok(Attribute { kind, name, flags, form })
}

/// Names the records that hold a file's attributes: base record included, each once, ascending.
///
/// Source: Flatcap NTFS documentation, "Attribute - $ATTRIBUTE_LIST (0x20)".
pub(super) fn listed_records(mut list: &[u8], out: &mut Vec<Reference>) -> Result<(), Malformed> {
    while !list.is_empty() {
        let length = usize::from(u16_at(list, 4).unwrap_or(0));
        let (entry, rest) = list
            .split_at_checked(length)
            .filter(|_| length >= 26)
            .ok_or(malformed("an attribute list's entry within the list", length as u64))?;
        out.push(Reference::new(u64_at(entry, 16).unwrap_or(0)));
        list = rest;
    }
    out.sort_unstable_by_key(|reference| (reference.number, reference.sequence));
    out.dedup();
    Ok(())
}
