//! What a stream's content is made of, step by step.

use crate::{
    fs::ntfs::wof::chunks::Packing,
    survey::{Encoding, Extent, Packed, Stream, Survey},
};
use coldread_model::ByteRange;

/// How an item's extents hold its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemEncoding<'a> {
    /// As they are.
    Plain,
    /// Compressed with LZNT1 in units of so many bytes.
    Lznt1 {
        /// Bytes of a unit.
        unit_bytes: u32,
    },
    /// In chunks behind a table of their places; the extents hold the packed stream without holes.
    Wof(Packing),
    /// The same, with the packed stream here.
    WofInline(Packing, &'a [u8]),
}

/// A stream to read.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// Bytes of content.
    pub size: u64,
    /// From here on it is zeros.
    pub initialized: u64,
    /// How the extents hold it.
    pub encoding: ItemEncoding<'a>,
    /// Where it lies, sorted by logical offset, without overlap.
    pub extents: &'a [Extent],
}

impl<'a> Item<'a> {
    /// The item that a stream is; `None` for inline data and for what is not readable.
    pub fn of(survey: &'a Survey, stream: &Stream) -> Option<Self> {
        let encoding = match stream.encoding {
            Encoding::Plain(_) => ItemEncoding::Plain,
            Encoding::Lznt1 { unit_bytes, .. } => ItemEncoding::Lznt1 { unit_bytes },
            Encoding::Wof { packed, algorithm } => match packed {
                Packed::Inline(span) => {
                    let bytes = survey.bytes(span);
                    let packing = Packing::new(algorithm, stream.size, bytes.len() as u64);
                    ItemEncoding::WofInline(packing, bytes)
                }
                Packed::Extents { bytes, .. } => {
                    ItemEncoding::Wof(Packing::new(algorithm, stream.size, bytes))
                }
            },
            Encoding::Inline(_) | Encoding::Unreadable { .. } => return None,
        };
        let (size, initialized) = (stream.size, stream.initialized);
        Some(Self { size, initialized, encoding, extents: survey.extents_of(stream) })
    }

    /// Where on the volume its first bytes lie; `None` where nothing is allocated.
    pub fn first_physical(&self) -> Option<u64> {
        self.extents.first().map(|extent| extent.physical)
    }
}

/// Whether a file claims so much more than it allocates that no digest is made of its zeros.
pub fn is_too_sparse(size: u64, extents: &[Extent]) -> bool {
    let allocated = extents.iter().fold(0_u64, |sum, extent| sum.saturating_add(extent.len));
    size > allocated.saturating_mul(64).saturating_add(16 << 30)
}

/// A step on the way through an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Zeros that nobody reads.
    Zeros(u64),
    /// Bytes of the volume, as they are.
    Read(ByteRange),
    /// Bytes of the volume that belong to the compression unit announced before.
    Packed(ByteRange),
    /// The unit's bytes are complete: unpack them, fill up with zeros to `len`; the first `keep` count
    /// (those before the size and the initialized size), the rest up to `len` is zeros.
    Unpack {
        /// Byte of the file where the unit starts.
        at: u64,
        /// Bytes of the file in the unit.
        len: u64,
        /// How many of them may be other than zero.
        keep: u64,
    },
    /// Bytes of the volume that are the next ones of a packed stream.
    Chunks(ByteRange),
    /// All of a packed stream, which is in the item.
    InlineChunks,
    /// The packed stream is over: so must be the last chunk.
    EndOfChunks,
}

/// Goes through an item's steps in logical order. Cheap to clone: one walker asks, another one feeds.
#[derive(Clone, Debug)]
pub(super) struct Steps<'a> {
    item: Item<'a>,
    /// Next byte of the file, or of the packed stream.
    at: u64,
    /// Next extent.
    extent: usize,
    /// The packed stream is over.
    over: bool,
    /// Steps of a compression unit that are still to come.
    unit: Option<Unit>,
}

#[derive(Clone, Copy, Debug)]
struct Unit {
    at: u64,
    len: u64,
    keep: u64,
    /// Past the last allocated byte of the unit.
    end: u64,
}

impl<'a> Steps<'a> {
    pub(super) fn new(mut item: Item<'a>) -> Self {
        item.initialized = item.initialized.min(item.size);
        Self { item, at: 0, extent: 0, over: false, unit: None }
    }

    /// The extent that holds or follows the next byte.
    fn upcoming(&mut self) -> Option<Extent> {
        while let Some(extent) = self.item.extents.get(self.extent) {
            if extent.logical.saturating_add(extent.len) > self.at {
                return Some(*extent);
            }
            self.extent += 1;
        }
        None
    }

    fn plain(&mut self) -> Step {
        let until = self.item.initialized;
        let (len, read) = match self.upcoming() {
            _ if self.at >= until => (self.item.size - self.at, None),
            Some(extent) if extent.logical <= self.at => {
                let skip = self.at - extent.logical;
                let len = (extent.len - skip).min(until - self.at);
                (len, (!extent.unwritten).then(|| extent.physical.saturating_add(skip)))
            }
            Some(extent) => (extent.logical.min(until) - self.at, None),
            None => (self.item.size - self.at, None),
        };
        self.at += len;
        read.map_or(Step::Zeros(len), |physical| Step::Read(ByteRange::new(physical, len)))
    }

    /// The next compression unit, or a step of the one under way.
    fn packed(&mut self, unit_bytes: u64) -> Step {
        if let Some(unit) = self.unit {
            if self.at < unit.end
                && let Some(extent) = self.upcoming()
            {
                let skip = self.at.saturating_sub(extent.logical);
                let len = (extent.len - skip).min(unit.end - self.at);
                self.at += len;
                return Step::Packed(ByteRange::new(extent.physical.saturating_add(skip), len));
            }
            self.unit = None;
            self.at = unit.at + unit.len;
            return Step::Unpack { at: unit.at, len: unit.len, keep: unit.keep };
        }
        let start = self.at;
        let len = (start / unit_bytes + 1).saturating_mul(unit_bytes).min(self.item.size) - start;
        let keep = self.item.initialized.saturating_sub(start).min(len);
        let Some(first) = self.upcoming().filter(|_| keep > 0) else {
            self.at = self.item.size;
            return Step::Zeros(self.item.size - start);
        };
        if first.logical >= start + unit_bytes {
            // Nothing is allocated up to the unit that the next extent is in.
            let until = (first.logical / unit_bytes).saturating_mul(unit_bytes).min(self.item.size);
            self.at = until;
            return Step::Zeros(until - start);
        }
        let mut end = start;
        for extent in &self.item.extents[self.extent..] {
            if extent.logical > end {
                break;
            }
            end = extent.logical.saturating_add(extent.len).min(start.saturating_add(unit_bytes));
        }
        if end - start == unit_bytes {
            // Wholly allocated: stored as it is.
            let skip = start - first.logical;
            let len = (first.len - skip).min(keep);
            self.at += len;
            return if first.unwritten {
                Step::Zeros(len)
            } else {
                Step::Read(ByteRange::new(first.physical.saturating_add(skip), len))
            };
        }
        self.unit = Some(Unit { at: start, len, keep, end });
        self.packed(unit_bytes)
    }
}

impl<'a> Steps<'a> {
    pub(super) fn encoding(&self) -> ItemEncoding<'a> {
        self.item.encoding
    }

    /// The packed stream, extent by extent: where its chunks begin is known once its table was read.
    fn chunks(&mut self, packing: &Packing) -> Option<Step> {
        if self.over || self.item.size == 0 {
            return None;
        }
        let left = packing.packed_bytes.saturating_sub(self.at);
        if let Some(extent) = self.upcoming().filter(|_| left > 0) {
            let skip = self.at.saturating_sub(extent.logical);
            let len = (extent.len - skip).min(left);
            self.at += len;
            return Some(Step::Chunks(ByteRange::new(extent.physical.saturating_add(skip), len)));
        }
        self.over = true;
        Some(Step::EndOfChunks)
    }
}

impl Iterator for Steps<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let over = self.at >= self.item.size && self.unit.is_none();
        match self.item.encoding {
            ItemEncoding::Plain => (!over).then(|| self.plain()),
            ItemEncoding::Lznt1 { unit_bytes } => (!over).then(|| self.packed(u64::from(unit_bytes.max(1)))),
            ItemEncoding::Wof(packing) => self.chunks(&packing),
            ItemEncoding::WofInline(..) => {
                let done = std::mem::replace(&mut self.over, true) || self.item.size == 0;
                (!done).then_some(Step::InlineChunks)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(logical: u64, physical: u64, len: u64) -> Extent {
        Extent { logical, physical, len, unwritten: false }
    }

    fn steps(size: u64, initialized: u64, encoding: ItemEncoding<'_>, extents: &[Extent]) -> Vec<Step> {
        Steps::new(Item { size, initialized, encoding, extents }).collect()
    }

    #[test]
    fn holes_unwritten_extents_and_the_rest_past_the_initialized_size_are_zeros() {
        let mut extents = [extent(10, 100, 10), extent(30, 200, 10), extent(40, 300, 50)];
        extents[1].unwritten = true;
        assert_eq!(
            steps(60, 50, ItemEncoding::Plain, &extents),
            [
                Step::Zeros(10),
                Step::Read(ByteRange::new(100, 10)),
                Step::Zeros(10),
                Step::Zeros(10),
                Step::Read(ByteRange::new(300, 10)),
                Step::Zeros(10),
            ]
        );
        assert_eq!(steps(5, 5, ItemEncoding::Plain, &[]), [Step::Zeros(5)]);
        assert_eq!(steps(0, 0, ItemEncoding::Plain, &extents), []);
        assert_eq!(
            steps(15, 99, ItemEncoding::Plain, &[extent(0, 7, 4096)]),
            [Step::Read(ByteRange::new(7, 15))]
        );
    }

    #[test]
    fn units_are_stored_packed_or_absent() {
        let packed = ItemEncoding::Lznt1 { unit_bytes: 16 };
        // Unit 0 as it is, unit 1 packed in two pieces, unit 2 a hole, unit 3 packed and cut by the size.
        let extents = [extent(0, 1000, 20), extent(20, 3000, 4), extent(48, 5000, 4)];
        assert_eq!(
            steps(58, 58, packed, &extents),
            [
                Step::Read(ByteRange::new(1000, 16)),
                Step::Packed(ByteRange::new(1016, 4)),
                Step::Packed(ByteRange::new(3000, 4)),
                Step::Unpack { at: 16, len: 16, keep: 16 },
                Step::Zeros(16),
                Step::Packed(ByteRange::new(5000, 4)),
                Step::Unpack { at: 48, len: 10, keep: 10 },
            ]
        );
        assert_eq!(
            steps(40, 20, packed, &extents),
            [
                Step::Read(ByteRange::new(1000, 16)),
                Step::Packed(ByteRange::new(1016, 4)),
                Step::Packed(ByteRange::new(3000, 4)),
                Step::Unpack { at: 16, len: 16, keep: 4 },
                Step::Zeros(8),
            ]
        );
    }

    #[test]
    fn a_terabyte_of_nothing_is_too_sparse() {
        assert!(is_too_sparse(1 << 40, &[extent(0, 0, 4096)]));
        assert!(!is_too_sparse(1 << 34, &[]));
        assert!(!is_too_sparse(u64::MAX, &[extent(0, 0, u64::MAX)]));
    }
}
