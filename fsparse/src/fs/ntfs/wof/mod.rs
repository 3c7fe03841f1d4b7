//! System compression: files that the Windows Overlay Filter keeps packed in a stream of their own.
//!
//! The file's unnamed stream is a hole of the file's size; its content is the stream `WofCompressedData`:
//! a table of the chunks' places, then the chunks, each packed for itself ([`chunks`]).
//!
//! Source: wimlib, "Windows Imaging (WIM) file format", section "Resources" (the stream has the form of a
//! WIM resource); Windows SDK, "`WOF_EXTERNAL_INFO`" and "`FILE_PROVIDER_EXTERNAL_INFO_V1`".

mod bits;
pub mod chunks;
mod huffman;
mod lzx;
mod xpress_huffman;

use serde::{Deserialize, Serialize};

/// Why a chunk cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WofError {
    /// The packed bytes end before the chunk is whole.
    #[error("a chunk's packed bytes end before it is whole")]
    Short,
    /// Code lengths that make no prefix code, or a code that stands for nothing.
    #[error("a Huffman code contradicts its table")]
    Code,
    /// A match refers to bytes before the chunk's start.
    #[error("a match reaches back past its chunk's start")]
    Displaced,
    /// A match or block passes its chunk's end.
    #[error("a match or block passes its chunk's end")]
    Long,
    /// An LZX block of no known type, or one without bytes.
    #[error("an LZX block's header is malformed")]
    Block,
    /// The table gives a chunk no bytes, or more than it unpacks to, or bytes outside the stream.
    #[error("the chunk table contradicts itself or the stream's size")]
    Table,
}

/// How chunks are packed, and how large they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    /// XPRESS with Huffman codes, chunks of 4 KiB.
    Xpress4K,
    /// XPRESS with Huffman codes, chunks of 8 KiB.
    Xpress8K,
    /// XPRESS with Huffman codes, chunks of 16 KiB.
    Xpress16K,
    /// LZX, chunks of 32 KiB.
    Lzx,
}

impl Algorithm {
    /// By its number in a reparse point (`FILE_PROVIDER_COMPRESSION_*`).
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Xpress4K,
            1 => Self::Lzx,
            2 => Self::Xpress8K,
            3 => Self::Xpress16K,
            _ => return None,
        })
    }

    /// Its number in a reparse point.
    pub fn number(self) -> u32 {
        match self {
            Self::Xpress4K => 0,
            Self::Lzx => 1,
            Self::Xpress8K => 2,
            Self::Xpress16K => 3,
        }
    }

    /// Bytes of a file in one chunk; the last one may have fewer.
    pub fn chunk_bytes(self) -> u64 {
        match self {
            Self::Xpress4K => 4 << 10,
            Self::Xpress8K => 8 << 10,
            Self::Xpress16K => 16 << 10,
            Self::Lzx => 32 << 10,
        }
    }
}

/// Unpacks chunks; holds the tables that they share.
#[derive(Default)]
pub struct Unpacker {
    xpress: xpress_huffman::XpressHuffman,
    lzx: lzx::Lzx,
}

impl Unpacker {
    /// Makes `out` the `len` bytes of one chunk, at most [`Algorithm::chunk_bytes`]. A chunk that takes as
    /// many bytes as it unpacks to is stored as it is.
    pub fn unpack(
        &mut self,
        algorithm: Algorithm,
        packed: &[u8],
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), WofError> {
        out.clear();
        if packed.len() == len {
            out.extend_from_slice(packed);
            return Ok(());
        }
        match algorithm {
            Algorithm::Lzx => self.lzx.decompress(packed, len, out),
            Algorithm::Xpress4K | Algorithm::Xpress8K | Algorithm::Xpress16K => {
                self.xpress.decompress(packed, len, out)
            }
        }
    }
}

/// Appends `length` bytes from `distance` bytes back; `out` holds nothing but the chunk and grows to `end`
/// bytes at most.
fn copy_match(out: &mut Vec<u8>, distance: usize, length: usize, end: usize) -> Result<(), WofError> {
    let from = out.len().checked_sub(distance).filter(|_| distance > 0).ok_or(WofError::Displaced)?;
    if length > end - out.len() {
        return Err(WofError::Long);
    }
    if distance >= length {
        out.extend_from_within(from..from + length);
    } else {
        // The match overlaps what it writes: its bytes repeat.
        for at in from..from + length {
            let byte = out[at];
            out.push(byte);
        }
    }
    Ok(())
}

#[cfg(test)]
pub(in crate::fs::ntfs) mod tests;
