//! Canonical Huffman codes of at most 16 bits: a table for the short ones, comparisons for the rest.

use super::{WofError, bits::Bits};

/// Codes of so many bits or fewer are looked up.
const FAST_BITS: usize = 10;
/// Bits of the longest code.
pub(super) const MAX_BITS: usize = 16;

/// Decodes symbols below 2048.
#[derive(Default)]
pub(super) struct Huffman {
    /// By the next [`FAST_BITS`] bits: symbol and length; 0 where the code is longer or unknown.
    fast: Vec<u16>,
    /// By length: the 16-bit value that all codes up to this length lie below.
    limit: [u32; MAX_BITS + 1],
    /// By length: the first code.
    first: [u32; MAX_BITS + 1],
    /// By length: the place of the first code's symbol.
    index: [usize; MAX_BITS + 1],
    /// Sorted by code.
    symbols: Vec<u16>,
}

impl Huffman {
    /// Makes the code in which symbol `i` has `lengths[i]` bits; 0 for symbols that do not occur. A code
    /// may leave bit patterns unused: they are an error when they are met.
    pub(super) fn build(&mut self, lengths: &[u8]) -> Result<(), WofError> {
        let mut counts = [0_u32; MAX_BITS + 1];
        for &length in lengths {
            *counts.get_mut(usize::from(length)).ok_or(WofError::Code)? += 1;
        }
        let (mut code, mut index) = (0_u32, 0);
        for (length, &count) in counts.iter().enumerate().skip(1) {
            (self.first[length], self.index[length]) = (code, index);
            code += count;
            index += count as usize;
            if code > 1 << length {
                return Err(WofError::Code);
            }
            self.limit[length] = code << (MAX_BITS - length);
            code <<= 1;
        }
        self.symbols.clear();
        self.symbols.resize(index, 0);
        let mut next = self.index;
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut next[usize::from(length)];
            self.symbols[*place] = symbol as u16;
            *place += 1;
        }
        self.fast.clear();
        for (length, &count) in counts.iter().enumerate().take(FAST_BITS + 1).skip(1) {
            let from = self.index[length];
            for &symbol in &self.symbols[from..from + count as usize] {
                let filled = self.fast.len() + (1 << (FAST_BITS - length));
                self.fast.resize(filled, symbol << 5 | length as u16);
            }
        }
        self.fast.resize(1 << FAST_BITS, 0);
        Ok(())
    }

    /// Takes one symbol.
    pub(super) fn decode(&self, bits: &mut Bits<'_>) -> Result<usize, WofError> {
        let next = bits.peek()?;
        let found = self.fast.get(next as usize >> (MAX_BITS - FAST_BITS)).copied().unwrap_or(0);
        if found != 0 {
            bits.consume(u32::from(found & 31));
            return Ok(usize::from(found >> 5));
        }
        for length in FAST_BITS + 1..=MAX_BITS {
            if next < self.limit[length] {
                let code = next >> (MAX_BITS - length);
                let place = self.index[length] + (code - self.first[length]) as usize;
                bits.consume(length as u32);
                return self.symbols.get(place).map(|symbol| usize::from(*symbol)).ok_or(WofError::Code);
            }
        }
        Err(WofError::Code)
    }
}
