//! A bit stream of 16-bit little-endian words, highest bit first.
//!
//! Source: MS-XCA "Xpress Compression Algorithm", section 2.2 (LZ77+Huffman); MS-PATCH "LZX DELTA
//! Compression", section 2.2 (Bitstream): both read words in the same way.

use super::WofError;

/// Words past the input's end that may be looked at: decoders look ahead further than they consume.
const MAX_PHANTOM_WORDS: u32 = 2;

/// Reads bits; past the input's end there are a few zeros to look at.
pub(super) struct Bits<'a> {
    input: &'a [u8],
    /// The next byte that is not in `buffer`.
    at: usize,
    /// The next bits, from the highest one down.
    buffer: u32,
    /// How many there are.
    count: u32,
    phantoms: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0, buffer: 0, count: 0, phantoms: 0 }
    }

    /// Makes sure that 16 bits or more are at hand.
    pub(super) fn fill(&mut self) -> Result<(), WofError> {
        if self.count >= 16 {
            return Ok(());
        }
        let word = match self.input.get(self.at..).and_then(|rest| rest.first_chunk::<2>()) {
            Some(word) => u16::from_le_bytes(*word),
            None if self.phantoms < MAX_PHANTOM_WORDS => {
                self.phantoms += 1;
                0
            }
            None => return Err(WofError::Short),
        };
        self.at += 2;
        self.buffer |= u32::from(word) << (16 - self.count);
        self.count += 16;
        Ok(())
    }

    /// The next 16 bits; they stay.
    pub(super) fn peek(&mut self) -> Result<u32, WofError> {
        self.fill()?;
        Ok(self.buffer >> 16)
    }

    /// Drops bits that were looked at: at most 16.
    pub(super) fn consume(&mut self, bits: u32) {
        self.buffer <<= bits;
        self.count = self.count.saturating_sub(bits);
    }

    /// Takes bits: at most 16.
    pub(super) fn take(&mut self, bits: u32) -> Result<u32, WofError> {
        let next = self.peek()?;
        self.consume(bits);
        Ok(if bits == 0 { 0 } else { next >> (16 - bits) })
    }

    /// Takes whole bytes from behind the words that are in the buffer.
    pub(super) fn bytes(&mut self, len: usize) -> Result<&'a [u8], WofError> {
        let bytes = self.input.get(self.at..).and_then(|rest| rest.get(..len)).ok_or(WofError::Short)?;
        self.at += len;
        Ok(bytes)
    }

    /// Drops the rest of the word that bits were last taken from, or the next word where none is begun.
    pub(super) fn align(&mut self) {
        if self.count >= 16 {
            // A word that was only looked at.
            self.at -= 2;
            self.count -= 16;
        }
        if self.count == 0 {
            self.at += 2;
        }
        (self.buffer, self.count) = (0, 0);
    }
}
