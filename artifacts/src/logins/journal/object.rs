//! Objects: what a journal is made of after its header.
//!
//! Source: "Journal File Format", "Objects", "Data Objects", "Entry Objects".

use super::{JournalError, lz4};
use crate::{lines::StreamError, logins::bytes_at};
use std::io::Read;

/// Bytes of every object's header.
pub(super) const HEADER: usize = 16;

/// Bytes before an entry's items.
pub(super) const ENTRY_FIXED: u64 = 64;

/// Memory for an xz decoder: what `xz -6`, with which journald packs, asks for, and as much again.
const XZ_MEMORY: u64 = 32 << 20;

/// The largest window of zstd, 8 MiB: what its levels up to 19 ask for.
const ZSTD_WINDOW_LOG: u32 = 23;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Field,
    Entry,
    DataHashTable,
    FieldHashTable,
    EntryArray,
    Tag,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Xz,
    Lz4,
    Zstd,
}

/// An object's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub kind: Kind,
    pub packing: Packing,
    /// In bytes, this header included.
    pub size: u64,
}

impl Object {
    /// From its header at `at` in a file of `len` bytes; `None` where no object can look so.
    pub(super) fn read(bytes: &[u8], at: u64, len: u64) -> Option<Self> {
        let header = bytes.first_chunk::<HEADER>()?;
        let size = u64::from_le_bytes(bytes_at(header, 8));
        let (kind, least) = match header[0] {
            1 => (Kind::Data, 65),
            2 => (Kind::Field, 41),
            3 => (Kind::Entry, ENTRY_FIXED),
            4 => (Kind::DataHashTable, 32),
            5 => (Kind::FieldHashTable, 32),
            6 => (Kind::EntryArray, 24),
            7 => (Kind::Tag, 64),
            _ => return None,
        };
        let packing = match header[1] {
            0 => Packing::None,
            1 => Packing::Xz,
            2 => Packing::Lz4,
            4 => Packing::Zstd,
            _ => return None,
        };
        let fits = size >= least && at.checked_add(size).is_some_and(|end| end <= len);
        let plain = kind == Kind::Data || packing == Packing::None;
        (header[2..8] == [0; 6] && fits && plain).then_some(Self { kind, packing, size })
    }
}

/// The first `limit` bytes of what a data object holds, from its stored bytes. Stored bytes may end early
/// where no more than the start is asked for.
pub(super) fn unpack(packing: Packing, stored: &[u8], limit: usize) -> Result<Vec<u8>, JournalError> {
    match packing {
        Packing::None => Ok(stored[..stored.len().min(limit)].to_vec()),
        Packing::Lz4 => {
            let block = stored.get(8..).unwrap_or_default();
            lz4::start(block, limit).map_err(|reason| JournalError::Corrupt(format!("lz4: {reason}")))
        }
        Packing::Zstd => {
            let failed = |error: std::io::Error| of_decoder("zstd", error);
            let mut decoder = zstd::stream::read::Decoder::with_buffer(stored).map_err(failed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(failed)?;
            take(decoder, limit).map_err(failed)
        }
        Packing::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, 0)
                .map_err(|error| JournalError::Limit(format!("xz: {error}")))?;
            take(liblzma::bufread::XzDecoder::new_stream(stored, stream), limit)
                .map_err(|error| of_decoder("xz", error))
        }
    }
}

/// A decoder's word: a bound that it was given is a limit, all else is damage.
fn of_decoder(form: &str, error: std::io::Error) -> JournalError {
    match StreamError::from(error) {
        StreamError::Limit(reason) => JournalError::Limit(reason),
        other => JournalError::Corrupt(format!("{form}: {other}")),
    }
}

fn take(reader: impl Read, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    reader.take(limit as u64).read_to_end(&mut out)?;
    Ok(out)
}
