//! XPRESS with Huffman codes: LZ77 of one chunk behind a table of code lengths.
//!
//! Source: MS-XCA "Xpress Compression Algorithm", section 2.2 (LZ77+Huffman Decompression Algorithm Details).

use super::{WofError, bits::Bits, copy_match, huffman::Huffman};

/// Symbols: 256 bytes, then matches by length and distance.
const SYMBOLS: usize = 512;
/// Bytes of the code lengths, four bits each.
const TABLE_BYTES: usize = SYMBOLS / 2;
/// Bytes of the shortest match.
const MIN_MATCH: usize = 3;

/// Unpacks chunks.
#[derive(Default)]
pub(super) struct XpressHuffman {
    code: Huffman,
}

impl XpressHuffman {
    /// Appends a chunk's `len` bytes to `out`, which is empty.
    pub(super) fn decompress(
        &mut self,
        packed: &[u8],
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), WofError> {
        let (table, rest) = packed.split_first_chunk::<TABLE_BYTES>().ok_or(WofError::Short)?;
        let mut lengths = [0; SYMBOLS];
        for (pair, byte) in lengths.chunks_exact_mut(2).zip(table) {
            pair.copy_from_slice(&[byte & 15, byte >> 4]);
        }
        self.code.build(&lengths)?;
        let mut bits = Bits::new(rest);
        while out.len() < len {
            let symbol = self.code.decode(&mut bits)?;
            let Some(symbol) = symbol.checked_sub(256) else {
                out.push(symbol as u8);
                continue;
            };
            let (distance_bits, mut length) = ((symbol >> 4) as u32, symbol & 15);
            // Bytes of a long length lie behind the words that have been read up to the symbol.
            bits.fill()?;
            if length == 15 {
                length = usize::from(bits.bytes(1)?[0]) + 15;
                if length == 255 + 15 {
                    length = little_endian(bits.bytes(2)?);
                    if length == 0 {
                        length = little_endian(bits.bytes(4)?);
                    }
                    if length < 15 {
                        return Err(WofError::Code);
                    }
                }
            }
            let distance = (1 << distance_bits) + bits.take(distance_bits)? as usize;
            copy_match(out, distance, length.saturating_add(MIN_MATCH), len)?;
        }
        Ok(())
    }
}

/// A number of at most four bytes.
fn little_endian(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte))
}
