//! Packs: immutable files of objects.
//!
//! All numbers are little-endian. A pack is, without padding:
//!
//! | part | bytes |
//! |---|---|
//! | header | magic `coldpack`, version (u32) = 1, zero (u32) |
//! | records | one after the other, in the order they were put |
//! | index | one entry an object, sorted by id, no id twice |
//! | filter | 256-bit blocks, see [`filter`] |
//! | footer | see below |
//!
//! A record: kind (u8), stored length (u32), raw length (u32), id (32 bytes), CRC-32C (u32) of those fields
//! and of the payload, payload (a zstd frame of the stored length that unfolds to the raw length).
//!
//! An index entry: id (32 bytes), byte offset of the record (u64), stored length (u32), raw length (u32),
//! kind (u8).
//!
//! The footer: offset of the index (u64), number of objects (u64), offset of the filter (u64), its length
//! (u64), BLAKE3 of the index (32 bytes), BLAKE3 of the filter (32 bytes), CRC-32C (u32) of those fields,
//! magic `kcapdloc`.
//!
//! Who trusts what: the index of the store keeps each pack's length and the BLAKE3 of its footer; the footer
//! vouches for index and filter; the index and the record's checksum vouch for the payload; and the object's
//! name vouches for what comes out of it. Every one is checked each time its bytes are read from the file, so
//! a damaged pack gives an error and never an answer.
//!
//! A pack is written as `N.tmp`, synced, renamed to `N.pack`, and its directory synced, before anybody is
//! told of it. A file named `.pack` is therefore whole unless the disk under it lost bytes later.

pub(crate) mod filter;
pub(crate) mod reader;
pub(crate) mod writer;

use crate::compress::{MAX_OBJECT_BYTES, MAX_STORED_BYTES};
use coldread_model::{
    DecodeError, ObjectId, ObjectKind,
    codec::{Reader, Writer},
    crc,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"coldpack";
const END_MAGIC: &[u8; 8] = b"kcapdloc";
const VERSION: u32 = 1;
const HEADER_BYTES: u64 = 16;
const RECORD_HEADER_BYTES: u64 = 1 + 4 + 4 + 32 + 4;
const ENTRY_BYTES: u64 = 32 + 8 + 4 + 4 + 1;
const FOOTER_BYTES: u64 = 4 * 8 + 2 * 32 + 4 + 8;

/// What the store's index keeps of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PackRecord {
    /// Length of the file in bytes.
    pub(crate) len: u64,
    /// BLAKE3 of its footer.
    pub(crate) footer: [u8; 32],
}

/// The name of pack `number`, with the extension `pack` or `tmp`.
pub(crate) fn pack_path(dir: &Path, number: u64, extension: &str) -> PathBuf {
    dir.join(format!("{number:016x}.{extension}"))
}

/// The number in a pack's name, or nothing for a name that no pack has.
pub(crate) fn pack_number(path: &Path) -> Option<u64> {
    let stem = path.file_stem()?.to_str()?;
    (stem.len() == 16).then(|| u64::from_str_radix(stem, 16).ok()).flatten()
}

fn header() -> Vec<u8> {
    let mut out = Writer::new();
    out.raw(MAGIC);
    out.u32(VERSION);
    out.u32(0);
    out.bytes
}

/// Where an object is in a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: ObjectId,
    /// Byte offset of the record.
    pub(crate) at: u64,
    /// Length of the payload in bytes.
    pub(crate) stored: u32,
    /// Length of the object in bytes.
    pub(crate) raw: u32,
    pub(crate) kind: ObjectKind,
}

impl Entry {
    /// Length of the whole record in bytes.
    pub(crate) fn record_len(&self) -> u64 {
        RECORD_HEADER_BYTES + u64::from(self.stored)
    }

    fn encode(&self, out: &mut Writer) {
        out.raw(&self.id.0);
        out.u64(self.at);
        out.u32(self.stored);
        out.u32(self.raw);
        out.u8(self.kind as u8);
    }

    /// Decodes an entry and checks that its record lies inside `records`.
    fn decode(reader: &mut Reader<'_>, records: &std::ops::Range<u64>) -> Result<Self, DecodeError> {
        let id = ObjectId(array(reader)?);
        let (at, stored, raw, kind) = (reader.u64()?, reader.u32()?, reader.u32()?, reader.u8()?);
        let kind = ObjectKind::from_u8(kind)
            .ok_or_else(|| reader.invalid(format!("object kind {kind} is not known")))?;
        let entry = Self { id, at, stored, raw, kind };
        let end = at.checked_add(entry.record_len());
        if at < records.start || end.is_none_or(|end| end > records.end) {
            return Err(
                reader.invalid(format!("a record of {stored} bytes at {at} is not among the records"))
            );
        }
        if stored as usize > MAX_STORED_BYTES || raw as usize > MAX_OBJECT_BYTES {
            return Err(reader.invalid(format!("an object of {raw} bytes, {stored} stored, is too large")));
        }
        Ok(entry)
    }

    /// The header of the record with this payload.
    fn record_header(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(self.kind as u8);
        out.u32(self.stored);
        out.u32(self.raw);
        out.raw(&self.id.0);
        let crc = crc::crc32c_append(crc::crc32c(&out.bytes), payload);
        out.u32(crc);
        out.bytes
    }
}

/// The end of a pack: where its index and filter are, and their digests.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Footer {
    index_at: u64,
    objects: u64,
    filter_at: u64,
    filter_len: u64,
    index_digest: [u8; 32],
    filter_digest: [u8; 32],
}

impl Footer {
    fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u64s([self.index_at, self.objects, self.filter_at, self.filter_len]);
        out.raw(&self.index_digest);
        out.raw(&self.filter_digest);
        let crc = crc::crc32c(&out.bytes);
        out.u32(crc);
        out.raw(END_MAGIC);
        out.bytes
    }

    /// Decodes the footer of a pack of `len` bytes and checks that its parts fill the file exactly.
    fn decode(bytes: &[u8], len: u64) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("footer of a pack", bytes);
        let footer = Self {
            index_at: reader.u64()?,
            objects: reader.u64()?,
            filter_at: reader.u64()?,
            filter_len: reader.u64()?,
            index_digest: array(&mut reader)?,
            filter_digest: array(&mut reader)?,
        };
        let fields = bytes.len() - reader.left();
        if reader.u32()? != crc::crc32c(&bytes[..fields]) || reader.take(8)? != END_MAGIC {
            return Err(reader.invalid("checksum or magic do not fit"));
        }
        let index_len = footer.objects.checked_mul(ENTRY_BYTES);
        let fits = footer.index_at >= HEADER_BYTES
            && index_len.and_then(|index| index.checked_add(footer.index_at)) == Some(footer.filter_at)
            && footer.filter_at.checked_add(footer.filter_len).and_then(|end| end.checked_add(FOOTER_BYTES))
                == Some(len);
        if !fits {
            return Err(reader.invalid("index, filter and footer do not fill the pack"));
        }
        Ok(footer)
    }
}

/// The next 32 bytes.
fn array(reader: &mut Reader<'_>) -> Result<[u8; 32], DecodeError> {
    let mut out = [0; 32];
    out.copy_from_slice(reader.take(32)?);
    Ok(out)
}
