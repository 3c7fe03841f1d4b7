//! Chunks and their records ("Chunk", "Event record").

use super::{EvtxError, Record, event::Source, template::Templates, u32_at, u64_at};
use coldread_model::{Timestamp, crc};
use std::cell::RefCell;

/// Bytes of a chunk.
pub const CHUNK: usize = 64 << 10;

const HEADER: usize = 512;
const RECORD_HEADER: usize = 24;
/// A record's header and the copy of its size at its end.
const SMALLEST: usize = RECORD_HEADER + 4;
const NO_CHECKSUMS: u32 = 4;

/// Reads one chunk; whether to go on. The error is of the chunk as a whole: damage that has no record.
pub(super) fn read(
    bytes: &[u8],
    at: u64,
    dirty: bool,
    each: &mut dyn FnMut(Result<Record<'_>, EvtxError>) -> bool,
) -> Result<bool, EvtxError> {
    // Room that was never used.
    if bytes.iter().all(|byte| *byte == 0) {
        return Ok(true);
    }
    let corrupt = |offset: usize, reason: String| EvtxError::Corrupt { at: at + offset as u64, reason };
    if bytes.len() < HEADER || !bytes.starts_with(b"ElfChnk\0") {
        return Err(corrupt(0, "a chunk's signature \"ElfChnk\" expected".to_owned()));
    }
    let free = u32_at(bytes, 48).map_or(0, |free| free as usize);
    if free > CHUNK {
        return Err(corrupt(48, format!("free space from byte {free} of a chunk on")));
    }
    let templates = RefCell::new(Templates::new(bytes, at));
    let mut offset = HEADER;
    let mut last = None;
    while offset + SMALLEST <= bytes.len() {
        let number = u64_at(bytes, offset + 8).unwrap_or(0);
        let is_record = bytes[offset..].starts_with(b"**\0\0");
        // A chunk that was being written may say that its records end earlier than they do: those that
        // continue the others belong to it, and what follows is from before the chunk was used anew.
        let continues = last.is_none_or(|last: u64| last.checked_add(1) == Some(number));
        if offset >= free && !(dirty && is_record && continues) {
            break;
        }
        if !is_record {
            return Err(corrupt(offset, "a record's signature expected".to_owned()));
        }
        let size = u32_at(bytes, offset + 4).map_or(0, |size| size as usize);
        let Some(record) = bytes.get(offset..offset.saturating_add(size)).filter(|_| size >= SMALLEST) else {
            return Err(corrupt(offset, format!("record {number} has {size} bytes")));
        };
        let is_whole = u32_at(record, size - 4) == Some(size as u32);
        last = Some(number);
        let written = Timestamp::from_filetime(u64_at(record, 16).unwrap_or(0));
        let content = offset + RECORD_HEADER..offset + size - 4;
        let event = Source::new(&templates, bytes, content);
        if !each(Ok(Record { number, written, event })) {
            return Ok(false);
        }
        // Its start was written, its end was not: it is told as far as it makes sense, and marked. Where the
        // next one would be is not known.
        if !is_whole {
            return Err(corrupt(offset, format!("record {number} is not whole: its sizes differ")));
        }
        offset += size;
    }
    if !checksum_holds(bytes, free) && !dirty {
        return Err(corrupt(52, "the records fail their checksum".to_owned()));
    }
    Ok(true)
}

fn checksum_holds(bytes: &[u8], free: usize) -> bool {
    if u32_at(bytes, 120).is_some_and(|flags| flags & NO_CHECKSUMS != 0) {
        return true;
    }
    bytes.get(HEADER..free).is_none_or(|records| Some(crc::crc32(records)) == u32_at(bytes, 52))
}
