//! What is held of a file, and what was looked for and is not.

use coldread_model::ByteRange;
use object::read::ReadRef;
use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

/// Bytes that are asked for where a text's end is looked for.
const TEXT: u64 = 4096;
/// Places that are noted at a time.
const MAX_MISSING: usize = 16;

/// Parts of one file.
#[derive(Debug, Default)]
pub struct Pieces {
    size: u64,
    held: BTreeMap<u64, Vec<u8>>,
    missing: RefCell<VecDeque<ByteRange>>,
}

impl Pieces {
    /// Nothing as yet of a file of so many bytes.
    pub fn new(size: u64) -> Self {
        Self { size, ..Self::default() }
    }

    /// Adds the bytes of a range. Fewer than it has mean that the file ends there.
    pub fn add(&mut self, range: ByteRange, bytes: &[u8]) {
        let end = range.start.saturating_add(bytes.len() as u64);
        if end < range.end() {
            self.size = self.size.min(end);
        }
        let longest = self.held.get(&range.start).is_none_or(|held| held.len() < bytes.len());
        if longest {
            self.held.insert(range.start, bytes.to_vec());
        }
    }

    /// Takes the ranges that were looked for and are not held. None of them is empty or lies past the end.
    pub fn missing(&self) -> Vec<ByteRange> {
        std::mem::take(&mut *self.missing.borrow_mut()).into()
    }

    /// Bytes of memory that it takes, about.
    pub fn weight(&self) -> usize {
        self.held.values().map(|bytes| bytes.len() + 64).sum()
    }

    /// The whole file.
    pub fn window(&self) -> Window<'_> {
        Window { pieces: self, whole: ByteRange::new(0, self.size) }
    }

    /// The bytes of a range, where they are held. Where not, they are noted.
    pub fn bytes(&self, range: ByteRange) -> Option<&[u8]> {
        if range.len == 0 {
            return Some(&[]);
        }
        if range.end() > self.size {
            return None;
        }
        let found = self.from(range.start).and_then(|held| held.get(..usize::try_from(range.len).ok()?));
        if found.is_none() {
            self.note(range);
        }
        found
    }

    /// What is held in one piece from `start` on.
    fn from(&self, start: u64) -> Option<&[u8]> {
        let (at, held) = self.held.range(..=start).next_back()?;
        held.get(usize::try_from(start - at).ok()?..).filter(|held| !held.is_empty())
    }

    fn note(&self, range: ByteRange) {
        let mut missing = self.missing.borrow_mut();
        let known = missing.iter().any(|known| known.start <= range.start && range.end() <= known.end());
        if !known && missing.len() < MAX_MISSING {
            missing.push_back(range);
        }
    }
}

/// A part of a file as parsers see it.
#[derive(Clone, Copy, Debug)]
pub struct Window<'p> {
    pieces: &'p Pieces,
    whole: ByteRange,
}

impl Window<'_> {
    /// Where in the file it begins.
    pub fn start(&self) -> u64 {
        self.whole.start
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.whole.len
    }

    /// A part of it, if that lies inside.
    pub fn part(&self, start: u64, len: u64) -> Option<Self> {
        let end = start.checked_add(len)?;
        let whole = ByteRange::new(self.whole.start.checked_add(start)?, len);
        (end <= self.whole.len).then_some(Self { pieces: self.pieces, whole })
    }
}

impl<'p> ReadRef<'p> for Window<'p> {
    fn len(self) -> Result<u64, ()> {
        Ok(self.whole.len)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'p [u8], ()> {
        let part = self.part(offset, size).ok_or(())?;
        self.pieces.bytes(part.whole).ok_or(())
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'p [u8], ()> {
        let len = range.end.min(self.whole.len).checked_sub(range.start).ok_or(())?;
        let whole = self.part(range.start, len).ok_or(())?.whole;
        let held = self.pieces.from(whole.start).unwrap_or_default();
        let held = &held[..held.len().min(usize::try_from(len).map_err(|_| ())?)];
        if let Some(end) = memchr::memchr(delimiter, held) {
            return Ok(&held[..end]);
        }
        let known = held.len() as u64;
        if known < len {
            self.pieces.note(ByteRange::new(whole.start, len.min(known.saturating_add(TEXT))));
        }
        Err(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_noted_once_and_only_inside_the_file() {
        let mut pieces = Pieces::new(10_000);
        let read =
            |pieces: &Pieces, start, len| pieces.window().read_bytes_at(start, len).map(<[u8]>::to_vec);
        assert_eq!(read(&pieces, 4, 100), Err(()));
        assert_eq!(read(&pieces, 10, 20), Err(()));
        assert_eq!(read(&pieces, 9_999, 2), Err(()));
        assert_eq!(read(&pieces, u64::MAX, 2), Err(()));
        assert_eq!(pieces.missing(), [ByteRange::new(4, 100)]);
        assert_eq!(pieces.missing(), []);
        pieces.add(ByteRange::new(4, 100), &[7; 100]);
        assert_eq!(read(&pieces, 10, 20), Ok(vec![7; 20]));
        assert_eq!(read(&pieces, 100, 5), Err(()));
        // A file that ends sooner than was said.
        pieces.add(ByteRange::new(200, 100), &[1; 50]);
        assert_eq!(read(&pieces, 240, 10), Ok(vec![1; 10]));
        assert_eq!(read(&pieces, 240, 11), Err(()));
        assert_eq!(pieces.missing(), [ByteRange::new(100, 5)]);
    }

    #[test]
    fn the_end_of_a_text_is_looked_for_further_and_further() {
        let mut file = vec![b'x'; 6000];
        file.push(0);
        let mut pieces = Pieces::new(file.len() as u64);
        let mut rounds = 0;
        loop {
            let text = pieces.window().read_bytes_at_until(1..u64::MAX, 0).map(<[u8]>::len);
            let missing = pieces.missing();
            if missing.is_empty() {
                assert_eq!(text, Ok(5999));
                break;
            }
            for range in missing {
                pieces.add(range, &file[range.start as usize..range.end() as usize]);
            }
            rounds += 1;
        }
        assert_eq!(rounds, 2);
        assert_eq!(pieces.window().read_bytes_at_until(1..100, 0), Err(()));
        assert_eq!(pieces.missing(), []);
        let part = pieces.window().part(5000, 500).unwrap();
        assert_eq!(part.read_bytes_at_until(0..9999, 0), Err(()));
        assert!(part.part(400, 101).is_none());
    }
}
