//! Byte ranges of a source or a volume, and sets of them.

use serde::{Deserialize, Serialize};

/// `len` bytes from byte `start`. The end never overflows: the constructors see to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ByteRange {
    /// First byte.
    pub start: u64,
    /// Number of bytes.
    pub len: u64,
}

impl ByteRange {
    /// The range `start .. start + len`; a length that would pass `u64::MAX` is cut there.
    pub const fn new(start: u64, len: u64) -> Self {
        let room = u64::MAX - start;
        Self { start, len: if len > room { room } else { len } }
    }

    /// The range from `start` to before `end`; empty where `end` is not after `start`.
    pub const fn between(start: u64, end: u64) -> Self {
        Self { start, len: end.saturating_sub(start) }
    }

    /// The byte after the last one.
    pub const fn end(self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// Whether it holds no byte.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// The bytes that both hold; empty where they do not meet.
    pub fn intersect(self, other: Self) -> Self {
        let start = self.start.max(other.start);
        Self::between(start, self.end().min(other.end()))
    }

    /// Whether `other` lies wholly inside.
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }

    /// The same bytes counted from `base` bytes further on; `None` where the end would overflow.
    pub fn shifted(self, base: u64) -> Option<Self> {
        let start = self.start.checked_add(base)?;
        start.checked_add(self.len)?;
        Some(Self { start, len: self.len })
    }
}

/// A set of bytes as ranges; sorted, disjoint and merged once [`RangeSet::ranges`] is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeSet {
    ranges: Vec<ByteRange>,
    sorted: bool,
}

impl RangeSet {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a range; neighbours that come in order are merged at once.
    pub fn insert(&mut self, range: ByteRange) {
        if range.is_empty() {
            return;
        }
        if let Some(last) = self.ranges.last_mut() {
            if range.start >= last.start && range.start <= last.end() {
                *last = ByteRange::between(last.start, last.end().max(range.end()));
                return;
            }
            self.sorted &= range.start > last.end();
        } else {
            self.sorted = true;
        }
        self.ranges.push(range);
    }

    /// Adds every range of `other`.
    pub fn extend(&mut self, other: &Self) {
        for range in &other.ranges {
            self.insert(*range);
        }
    }

    /// Sorts and merges.
    pub fn normalize(&mut self) {
        if self.sorted {
            return;
        }
        self.ranges.sort_unstable();
        let mut merged: Vec<ByteRange> = Vec::with_capacity(self.ranges.len());
        for range in self.ranges.drain(..) {
            match merged.last_mut() {
                Some(last) if range.start <= last.end() => {
                    *last = ByteRange::between(last.start, last.end().max(range.end()));
                }
                _ => merged.push(range),
            }
        }
        self.ranges = merged;
        self.sorted = true;
    }

    /// The ranges, sorted, disjoint, none touching the next.
    pub fn ranges(&mut self) -> &[ByteRange] {
        self.normalize();
        &self.ranges
    }

    /// The ranges, sorted and merged, by value.
    pub fn into_ranges(mut self) -> Vec<ByteRange> {
        self.normalize();
        self.ranges
    }

    /// How many bytes are in the set.
    pub fn total(&mut self) -> u64 {
        self.ranges().iter().map(|r| r.len).sum()
    }

    /// Whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

impl FromIterator<ByteRange> for RangeSet {
    fn from_iter<T: IntoIterator<Item = ByteRange>>(iter: T) -> Self {
        let mut set = Self::new();
        for range in iter {
            set.insert(range);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_holds_exactly_the_bytes_put_in(parts in prop::collection::vec((0u64..200, 0u64..20), 0..40)) {
            let mut set: RangeSet = parts.iter().map(|&(s, l)| ByteRange::new(s, l)).collect();
            let ranges = set.ranges().to_vec();
            for pair in ranges.windows(2) {
                prop_assert!(pair[0].end() < pair[1].start);
            }
            for byte in 0..240 {
                let wanted = parts.iter().any(|&(s, l)| byte >= s && byte < s + l);
                let held = ranges.iter().any(|r| byte >= r.start && byte < r.end());
                prop_assert_eq!(wanted, held);
            }
        }
    }

    #[test]
    fn a_range_never_passes_the_last_byte() {
        assert_eq!(ByteRange::new(u64::MAX - 3, 100).len, 3);
        assert_eq!(ByteRange::new(5, 7).shifted(u64::MAX), None);
        assert!(ByteRange::between(9, 4).is_empty());
    }
}
