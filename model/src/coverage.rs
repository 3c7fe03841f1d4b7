//! The ledger: every byte of a source, classed.

use crate::{package::words, range::ByteRange};
use serde::{Deserialize, Serialize};
use std::fmt;

words! {
    /// What became of a range of bytes.
    CoverageClass {
        /// Filesystem metadata that was read, or that a clean filesystem need not be asked for (journal, backups).
        Metadata = "metadata",
        /// File data that was read.
        DataRead = "data-read",
        /// File data that nobody asked for.
        DataUnread = "data-unread",
        /// Free space of a filesystem.
        Free = "free",
        /// Partition tables and volume headers.
        PartitionTable = "partition-table",
        /// Nothing that was read says what is here.
        Gap = "gap",
        /// Swap space.
        Swap = "swap",
        /// Encrypted; the detail names the scheme.
        Encrypted = "encrypted",
        /// A format that is recognised and not read; the detail names it.
        Unsupported = "unsupported",
        /// Could not be read, or contradicts its format.
        Damaged = "damaged",
        /// Blocks that an image container never allocated.
        Unallocated = "unallocated",
    }
}

/// A classed range of the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CoverageRange {
    /// The volume it belongs to, or empty.
    pub volume: String,
    /// The bytes, counted from the start of the source.
    pub range: ByteRange,
    /// What became of them.
    pub class: CoverageClass,
    /// More words: a scheme, a format, a reason; often empty.
    pub detail: String,
}

/// Ranges that add up exactly to a source's size: sorted, no overlap, no hole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    ranges: Vec<CoverageRange>,
}

impl Ledger {
    /// A ledger of `size` bytes of which nothing is known yet: one range of class `gap`.
    pub fn new(size: u64) -> Self {
        let all = CoverageRange {
            volume: String::new(),
            range: ByteRange::new(0, size),
            class: CoverageClass::Gap,
            detail: "nothing refers to it".to_owned(),
        };
        Self { ranges: if size == 0 { Vec::new() } else { vec![all] } }
    }

    /// The ranges in order.
    pub fn ranges(&self) -> &[CoverageRange] {
        &self.ranges
    }

    /// Classes `claims` over whatever stood there. Claims past the end are cut; where claims of one call
    /// overlap, the later one in the slice wins. Cost: one pass over ledger and claims, after a sort.
    pub fn claim(&mut self, claims: &[CoverageRange]) {
        let size = self.ranges.last().map_or(0, |last| last.range.end());
        let whole = ByteRange::new(0, size);
        // Sweep line over the claims' borders; the active claim with the highest place in the slice wins.
        let mut starts: Vec<usize> = (0..claims.len()).collect();
        starts.sort_by_key(|&i| claims[i].range.start);
        let mut active = std::collections::BinaryHeap::new();
        let mut painted: Vec<(ByteRange, usize)> = Vec::with_capacity(claims.len());
        let mut next = 0;
        let mut at = 0;
        while at < size {
            while next < starts.len() && claims[starts[next]].range.start <= at {
                active.push(starts[next]);
                next += 1;
            }
            while active.peek().is_some_and(|&top: &usize| claims[top].range.end() <= at) {
                active.pop();
            }
            let upcoming = starts.get(next).map_or(size, |&i| claims[i].range.start.min(size));
            let Some(&top) = active.peek() else {
                at = upcoming;
                continue;
            };
            let until = claims[top].range.intersect(whole).end().min(upcoming);
            painted.push((ByteRange::between(at, until), top));
            at = until;
        }
        let mut out: Vec<CoverageRange> = Vec::with_capacity(self.ranges.len() + painted.len());
        let mut push = |piece: CoverageRange| match out.last_mut() {
            Some(last)
                if last.class == piece.class
                    && last.volume == piece.volume
                    && last.detail == piece.detail =>
            {
                last.range.len += piece.range.len;
            }
            _ => out.push(piece),
        };
        let mut painted = painted.into_iter().peekable();
        for old in &self.ranges {
            let mut at = old.range.start;
            while at < old.range.end() {
                while painted.next_if(|(range, _)| range.end() <= at).is_some() {}
                let (end, claim) = match painted.peek() {
                    Some((range, claim)) if range.start <= at => (range.end(), Some(*claim)),
                    Some((range, _)) => (range.start, None),
                    None => (u64::MAX, None),
                };
                let end = end.min(old.range.end());
                let from = claim.map_or(old, |i| &claims[i]);
                push(CoverageRange { range: ByteRange::between(at, end), ..from.clone() });
                at = end;
            }
        }
        self.ranges = out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLASSES: [CoverageClass; 4] =
        [CoverageClass::Metadata, CoverageClass::DataRead, CoverageClass::Free, CoverageClass::Damaged];

    proptest! {
        #[test]
        fn the_last_claim_wins_and_every_byte_stays_counted(
            rounds in prop::collection::vec(prop::collection::vec((0u64..120, 0u64..40, 0usize..4), 0..12), 1..4)
        ) {
            let mut ledger = Ledger::new(100);
            let mut bytes = [CoverageClass::Gap; 100];
            for round in rounds {
                let claims: Vec<_> = round.iter().map(|&(start, len, class)| CoverageRange {
                    volume: String::new(),
                    range: ByteRange::new(start, len),
                    class: CLASSES[class],
                    detail: "nothing refers to it".to_owned(),
                }).collect();
                ledger.claim(&claims);
                for &(start, len, class) in &round {
                    for at in start..(start + len).min(100) {
                        bytes[at as usize] = CLASSES[class];
                    }
                }
            }
            let mut at = 0;
            for part in ledger.ranges() {
                prop_assert_eq!(part.range.start, at);
                prop_assert!(part.range.len > 0);
                for byte in part.range.start..part.range.end() {
                    prop_assert_eq!(bytes[byte as usize], part.class);
                }
                at = part.range.end();
            }
            prop_assert_eq!(at, 100);
            for pair in ledger.ranges().windows(2) {
                prop_assert_ne!(pair[0].class, pair[1].class);
            }
        }
    }
}
