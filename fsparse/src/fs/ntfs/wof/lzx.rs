//! LZX as it is used for chunks of 32 KiB: every chunk starts anew, and jump targets are always translated.
//!
//! Source: MS-PATCH "LZX DELTA Compression Format", section 2 (blocks, trees, repeated offsets); wimlib,
//! "Windows Imaging (WIM) file format" and its decompressor's comments for what differs in WIM resources:
//! the header of a block, the fixed file size of the E8 translation, and that it is always on.

use super::{WofError, bits::Bits, copy_match, huffman::Huffman};

/// Distances are given by one of so many slots in a window of 32 KiB.
const SLOTS: usize = 30;
/// Symbols of the main code: bytes, then slot and length header of a match.
const MAIN_SYMBOLS: usize = 256 + SLOTS * 8;
/// Symbols of the code for the lengths that a header has no room for.
const LENGTH_SYMBOLS: usize = 249;
/// Bytes of the shortest match.
const MIN_MATCH: usize = 2;
/// Bytes of a block whose header does not say.
const DEFAULT_BLOCK_BYTES: usize = 32_768;
/// The size of file that jump targets are translated for, whatever the file's.
const TRANSLATED_FILE_BYTES: i32 = 12_000_000;

/// By slot: how many bits follow, and the smallest number, which is two more than the distance: 0, 1 and 2 are
/// the last three distances.
const SLOT: [(u32, u32); SLOTS] = {
    let mut slots = [(0, 0); SLOTS];
    let (mut slot, mut base) = (0, 0);
    while slot < SLOTS {
        let bits = if slot < 4 { 0 } else { slot as u32 / 2 - 1 };
        slots[slot] = (bits, base);
        base += 1 << bits;
        slot += 1;
    }
    slots
};

/// Unpacks chunks.
#[derive(Default)]
pub(super) struct Lzx {
    pre: Huffman,
    main: Huffman,
    length: Huffman,
    aligned: Huffman,
}

/// Code lengths, which a block gives as differences to the block before.
struct Lengths {
    main: [u8; MAIN_SYMBOLS],
    length: [u8; LENGTH_SYMBOLS],
}

impl Lzx {
    /// Appends a chunk's `len` bytes to `out`, which is empty.
    pub(super) fn decompress(
        &mut self,
        packed: &[u8],
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), WofError> {
        let mut bits = Bits::new(packed);
        let mut lengths = Lengths { main: [0; MAIN_SYMBOLS], length: [0; LENGTH_SYMBOLS] };
        let mut recent = [1; 3];
        while out.len() < len {
            let kind = bits.take(3)?;
            let size = if bits.take(1)? == 1 { DEFAULT_BLOCK_BYTES } else { bits.take(16)? as usize };
            if size == 0 {
                return Err(WofError::Block);
            }
            let end = out.len() + size;
            if end > len {
                return Err(WofError::Long);
            }
            match kind {
                1 | 2 => {
                    self.trees(&mut bits, kind == 2, &mut lengths)?;
                    self.matches(&mut bits, kind == 2, &mut recent, end, out)?;
                }
                3 => stored(&mut bits, &mut recent, size, out)?,
                _ => return Err(WofError::Block),
            }
        }
        translate_back(out);
        Ok(())
    }

    /// Reads the codes of a block.
    fn trees(&mut self, bits: &mut Bits<'_>, aligned: bool, lengths: &mut Lengths) -> Result<(), WofError> {
        if aligned {
            let mut own = [0; 8];
            for length in &mut own {
                *length = bits.take(3)? as u8;
            }
            self.aligned.build(&own)?;
        }
        let (bytes, matches) = lengths.main.split_at_mut(256);
        self.read_lengths(bits, bytes)?;
        self.read_lengths(bits, matches)?;
        self.main.build(&lengths.main)?;
        self.read_lengths(bits, &mut lengths.length)?;
        self.length.build(&lengths.length)
    }

    /// Reads code lengths as differences to those that are there.
    fn read_lengths(&mut self, bits: &mut Bits<'_>, lengths: &mut [u8]) -> Result<(), WofError> {
        let mut own = [0; 20];
        for length in &mut own {
            *length = bits.take(4)? as u8;
        }
        self.pre.build(&own)?;
        let shorter = |old: u8, by: usize| ((17 + usize::from(old) - by) % 17) as u8;
        let mut at = 0;
        while at < lengths.len() {
            let symbol = self.pre.decode(bits)?;
            let (run, value) = match symbol {
                0..=16 => (1, shorter(lengths[at], symbol)),
                17 => (4 + bits.take(4)? as usize, 0),
                18 => (20 + bits.take(5)? as usize, 0),
                _ => {
                    let run = 4 + bits.take(1)? as usize;
                    let symbol = self.pre.decode(bits)?;
                    if symbol > 16 {
                        return Err(WofError::Code);
                    }
                    (run, shorter(lengths[at], symbol))
                }
            };
            let end = (at + run).min(lengths.len());
            lengths[at..end].fill(value);
            at = end;
        }
        Ok(())
    }

    /// Unpacks a block of bytes and matches up to `end`.
    fn matches(
        &mut self,
        bits: &mut Bits<'_>,
        aligned: bool,
        recent: &mut [usize; 3],
        end: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), WofError> {
        while out.len() < end {
            let symbol = self.main.decode(bits)?;
            let Some(symbol) = symbol.checked_sub(256) else {
                out.push(symbol as u8);
                continue;
            };
            let (slot, header) = (symbol >> 3, symbol & 7);
            let mut length = header + MIN_MATCH;
            if header == 7 {
                length += self.length.decode(bits)?;
            }
            let distance = if slot < 3 {
                recent.swap(0, slot);
                recent[0]
            } else {
                let (extra_bits, base) = SLOT.get(slot).copied().ok_or(WofError::Code)?;
                let extra = if aligned && extra_bits >= 3 {
                    let high = bits.take(extra_bits - 3)? << 3;
                    high | self.aligned.decode(bits)? as u32
                } else {
                    bits.take(extra_bits)?
                };
                let distance = (base + extra - 2) as usize;
                *recent = [distance, recent[0], recent[1]];
                distance
            };
            copy_match(out, distance, length, end)?;
        }
        Ok(())
    }
}

/// Copies a block that is stored as it is.
fn stored(
    bits: &mut Bits<'_>,
    recent: &mut [usize; 3],
    size: usize,
    out: &mut Vec<u8>,
) -> Result<(), WofError> {
    bits.align();
    for distance in recent {
        let bytes = bits.bytes(4)?.first_chunk::<4>().ok_or(WofError::Short)?;
        *distance = u32::from_le_bytes(*bytes) as usize;
    }
    out.extend_from_slice(bits.bytes(size)?);
    // Words start at even places; the last block may end without the byte that makes it so.
    if size % 2 == 1 {
        let _ = bits.bytes(1);
    }
    Ok(())
}

/// Turns the targets of what look like calls (x86 opcode E8) back from absolute to relative.
fn translate_back(chunk: &mut [u8]) {
    let mut at = 0;
    let end = chunk.len().saturating_sub(10);
    while at < end {
        if chunk[at] != 0xe8 {
            at += 1;
            continue;
        }
        if let Some(target) = chunk.get_mut(at + 1..).and_then(|rest| rest.first_chunk_mut::<4>()) {
            let (absolute, here) = (i32::from_le_bytes(*target), at as i32);
            if (0..TRANSLATED_FILE_BYTES).contains(&absolute) {
                *target = (absolute - here).to_le_bytes();
            } else if (-here..0).contains(&absolute) {
                *target = (absolute + TRANSLATED_FILE_BYTES).to_le_bytes();
            }
        }
        at += 5;
    }
}
