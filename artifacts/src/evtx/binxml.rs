//! The tokens of binary XML ([MS-EVEN6] section 2.2.12; "Binary XML").

use super::EvtxError;
use std::ops::Range;

/// Elements inside each other.
pub(super) const MAX_DEPTH: usize = 32;

/// Characters of a name: each of thousands of elements may name the longest text of its chunk.
pub(super) const MAX_NAME: u16 = 256;

pub(super) mod token {
    pub(in crate::evtx) const END: u8 = 0x00;
    pub(in crate::evtx) const ELEMENT: u8 = 0x01;
    pub(in crate::evtx) const CLOSE_START: u8 = 0x02;
    pub(in crate::evtx) const CLOSE_EMPTY: u8 = 0x03;
    pub(in crate::evtx) const CLOSE: u8 = 0x04;
    pub(in crate::evtx) const VALUE: u8 = 0x05;
    pub(in crate::evtx) const ATTRIBUTE: u8 = 0x06;
    pub(in crate::evtx) const CDATA: u8 = 0x07;
    pub(in crate::evtx) const CHARACTER: u8 = 0x08;
    pub(in crate::evtx) const ENTITY: u8 = 0x09;
    pub(in crate::evtx) const INSTRUCTION: u8 = 0x0a;
    pub(in crate::evtx) const INSTRUCTION_DATA: u8 = 0x0b;
    pub(in crate::evtx) const TEMPLATE: u8 = 0x0c;
    pub(in crate::evtx) const SUBSTITUTION: u8 = 0x0d;
    pub(in crate::evtx) const OPTIONAL: u8 = 0x0e;
    pub(in crate::evtx) const FRAGMENT: u8 = 0x0f;
    /// Set where more of the same follow, and on elements with attributes.
    pub(in crate::evtx) const MORE: u8 = 0x40;
}

/// A place in a chunk, up to an end.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'c> {
    chunk: &'c [u8],
    /// Where the chunk lies in the file, for errors.
    base: u64,
    pub(super) at: usize,
    end: usize,
}

impl<'c> Cursor<'c> {
    pub(super) fn new(chunk: &'c [u8], base: u64, range: Range<usize>) -> Self {
        Self { chunk, base, at: range.start.min(chunk.len()), end: range.end.min(chunk.len()) }
    }

    pub(super) fn corrupt(&self, reason: impl Into<String>) -> EvtxError {
        EvtxError::Corrupt { at: self.base + self.at as u64, reason: reason.into() }
    }

    pub(super) fn limit(&self, reason: impl Into<String>) -> EvtxError {
        EvtxError::Limit { at: self.base + self.at as u64, reason: reason.into() }
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'c [u8], EvtxError> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.end);
        let Some(end) = end else {
            return Err(self
                .corrupt(format!("{len} bytes are needed, {} are left", self.end - self.at.min(self.end))));
        };
        let taken = &self.chunk[self.at..end];
        self.at = end;
        Ok(taken)
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.chunk[..self.end].get(self.at).copied()
    }

    pub(super) fn u8(&mut self) -> Result<u8, EvtxError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, EvtxError> {
        let bytes = self.take(2)?;
        Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, EvtxError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// Text with its number of UTF-16 units before it.
    pub(super) fn counted_text(&mut self) -> Result<String, EvtxError> {
        let units = self.u16()?;
        Ok(utf16(self.take(usize::from(units) * 2)?))
    }

    /// A name: an offset in the chunk, where the name may follow at once ("Name").
    pub(super) fn name(&mut self) -> Result<String, EvtxError> {
        let offset = self.u32()? as usize;
        let is_here = offset == self.at;
        let mut there = Cursor { at: offset, end: self.chunk.len(), ..self.clone() };
        // The next name of the same hash, and the hash.
        there.take(6)?;
        let units = there.clone().u16()?;
        if units > MAX_NAME {
            return Err(there.limit(format!("a name of {units} characters, at most {MAX_NAME} are read")));
        }
        let name = there.counted_text()?;
        if is_here {
            there.take(2)?;
            self.at = there.at;
        }
        Ok(name)
    }

    /// Passes over a fragment's header if one is here.
    pub(super) fn skip_fragment_header(&mut self) -> Result<(), EvtxError> {
        if self.peek() == Some(token::FRAGMENT) {
            self.take(4)?;
        }
        Ok(())
    }
}

/// Text without its NUL.
pub(super) fn utf16(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    let mut text: String = char::decode_utf16(units.iter().map(|unit| u16::from_le_bytes(*unit)))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    while text.ends_with('\0') {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_bounded_length() {
        for (units, is_read) in [(MAX_NAME, true), (MAX_NAME + 1, false)] {
            let mut chunk = vec![4, 0, 0, 0];
            chunk.extend([0; 6]);
            chunk.extend(units.to_le_bytes());
            chunk.extend(b"n\0".repeat(usize::from(units)));
            chunk.extend([0; 2]);
            let mut cursor = Cursor::new(&chunk, 0, 0..chunk.len());
            match cursor.name() {
                Ok(name) => assert!(is_read && name.len() == usize::from(units) && cursor.at == chunk.len()),
                Err(error) => assert!(!is_read && matches!(error, EvtxError::Limit { .. }), "{error}"),
            }
        }
    }
}
