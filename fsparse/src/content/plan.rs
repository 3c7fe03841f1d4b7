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
                    ItemEncoding::Wof(Packing::new(algorithm, stream.size, bytes.0))
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

/// How much content of one volume is read, cross-linked blocks and zeros counted each time: so many times
/// the volume …
const VOLUME_TIMES: u64 = 64;
/// … and besides.
const MAX_CONTENT: u64 = 16 << 30;

/// What may still be read of a volume's content. On a hostile disk a million files may claim the same blocks,
/// or 16 GiB of zeros each.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    left: u64,
}

impl Allowance {
    /// For a volume of so many bytes.
    pub fn new(volume_bytes: u64) -> Self {
        Self { left: volume_bytes.saturating_mul(VOLUME_TIMES).saturating_add(MAX_CONTENT) }
    }

    /// Takes a file's bytes off; false, and nothing taken, where they are more than is left.
    pub fn take(&mut self, bytes: u64) -> bool {
        let left = self.left.checked_sub(bytes);
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
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
    /// Up to here the compression unit under way is stored as it is.
    stored_until: u64,
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
        Self { item, at: 0, extent: 0, over: false, unit: None, stored_until: 0 }
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

    /// The next piece of a unit that is wholly allocated, and so stored as it is.
    fn stored(&mut self) -> Step {
        let until = self.stored_until.min(self.item.initialized);
        let Some(extent) = self.upcoming().filter(|extent| extent.logical <= self.at) else {
            let len = until - self.at;
            self.at = until;
            return Step::Zeros(len);
        };
        let skip = self.at - extent.logical;
        let len = (extent.len - skip).min(until - self.at);
        self.at += len;
        if extent.unwritten {
            Step::Zeros(len)
        } else {
            Step::Read(ByteRange::new(extent.physical.saturating_add(skip), len))
        }
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
        if start < self.stored_until.min(self.item.initialized) {
            return self.stored();
        }
        let past_unit = (start / unit_bytes + 1).saturating_mul(unit_bytes);
        let len = past_unit.min(self.item.size) - start;
        let keep = self.item.initialized.saturating_sub(start).min(len);
        let Some(first) = self.upcoming().filter(|_| keep > 0) else {
            self.at = self.item.size;
            return Step::Zeros(self.item.size - start);
        };
        if first.logical >= past_unit {
            // Nothing is allocated up to the unit that the next extent is in.
            let until = (first.logical / unit_bytes).saturating_mul(unit_bytes).min(self.item.size);
            self.at = until;
            return Step::Zeros(until - start);
        }
        let mut end = start;
        for extent in &self.item.extents[self.extent..] {
            if extent.logical > end || end == past_unit {
                break;
            }
            end = extent.logical.saturating_add(extent.len).clamp(end, past_unit);
        }
        if end == past_unit {
            self.stored_until = past_unit;
            return self.stored();
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
    use proptest::prelude::*;

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
    fn a_stored_unit_in_pieces_is_not_taken_for_a_packed_one() {
        let packed = ItemEncoding::Lznt1 { unit_bytes: 16 };
        let extents = [extent(0, 1000, 8), extent(8, 2000, 8), extent(16, 3000, 4)];
        assert_eq!(
            steps(30, 30, packed, &extents),
            [
                Step::Read(ByteRange::new(1000, 8)),
                Step::Read(ByteRange::new(2000, 8)),
                Step::Packed(ByteRange::new(3000, 4)),
                Step::Unpack { at: 16, len: 14, keep: 14 },
            ]
        );
        assert_eq!(
            steps(30, 10, packed, &extents),
            [Step::Read(ByteRange::new(1000, 8)), Step::Read(ByteRange::new(2000, 2)), Step::Zeros(20)]
        );
    }

    proptest! {
        #[test]
        fn the_steps_of_any_extents_add_up_to_the_size(
            size in prop_oneof![0u64..300, Just(u64::MAX), Just(u64::MAX - 7)],
            initialized in prop_oneof![0u64..300, any::<u64>()],
            unit_bytes in prop_oneof![Just(None), Just(Some(0)), Just(Some(u32::MAX)), (1u32..40).prop_map(Some)],
            extents in prop::collection::vec(
                (
                    prop_oneof![3 => 0u64..300, 1 => any::<u64>(), 1 => Just(u64::MAX)],
                    any::<u64>(),
                    prop_oneof![3 => 0u64..40, 1 => any::<u64>(), 1 => Just(u64::MAX)],
                    any::<bool>(),
                ),
                0..9,
            ),
            sorted: bool,
        ) {
            // No disk is so large that an extent on it could pass the last byte that can be counted.
            let make = |(logical, physical, len, unwritten): (u64, u64, u64, bool)| {
                Extent { logical, physical: physical >> 1, len: len >> 1, unwritten }
            };
            let mut extents: Vec<Extent> = extents.into_iter().map(make).collect();
            if sorted {
                extents.sort_unstable();
            }
            let encoding = unit_bytes.map_or(ItemEncoding::Plain, |unit_bytes| ItemEncoding::Lznt1 { unit_bytes });
            let unit = u64::from(unit_bytes.unwrap_or(1).max(1));
            let (mut total, mut packed, mut count) = (0_u128, 0_u64, 0);
            // With units of a few bytes a file of 16 EiB has too many steps to count; its first ones do.
            for step in Steps::new(Item { size, initialized, encoding, extents: &extents }).take(5000) {
                count += 1;
                match step {
                    Step::Zeros(len) => total += u128::from(len),
                    Step::Read(range) => total += u128::from(range.len),
                    Step::Packed(range) => packed += range.len,
                    Step::Unpack { len, keep, .. } => {
                        prop_assert!(packed <= unit && keep <= len && len <= unit);
                        (total, packed) = (total + u128::from(len), 0);
                    }
                    Step::Chunks(_) | Step::InlineChunks | Step::EndOfChunks => {
                        prop_assert!(false, "a step of another encoding");
                    }
                }
            }
            prop_assert!(total == u128::from(size) || count == 5000 && total < u128::from(size), "{total}");
        }
    }

    #[test]
    fn a_volume_is_not_read_a_million_times() {
        let mut allowance = Allowance::new(1 << 30);
        let files = (0..1_000_000).filter(|_| allowance.take(1 << 30)).count();
        assert_eq!(files, 64 + 16);
        assert!(!allowance.take(1) && allowance.take(0));
        assert!(Allowance::new(u64::MAX).take(u64::MAX));
    }

    #[test]
    fn a_terabyte_of_nothing_is_too_sparse() {
        assert!(is_too_sparse(1 << 40, &[extent(0, 0, 4096)]));
        assert!(!is_too_sparse(1 << 34, &[]));
        assert!(!is_too_sparse(u64::MAX, &[extent(0, 0, u64::MAX)]));
    }
}
