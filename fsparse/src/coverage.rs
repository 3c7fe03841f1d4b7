//! What became of each byte of a volume, from its survey.

use crate::survey::{Encoding, Survey};
use coldread_model::{ByteRange, CoverageClass, CoverageRange, RangeSet, RowFlags};
use std::collections::BTreeMap;

/// What became of a stream's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamUse {
    /// It was read.
    Read,
    /// Nobody asked for it.
    NotAsked,
}

/// What is to be said of bytes that nothing speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The whole volume was surveyed: nothing refers to them.
    Unreferenced,
    /// Only some directories were looked at: whatever may be there was not asked for.
    NotAsked,
}

/// The volume's ranges, counted from the start of its source, for [`coldread_model::Ledger::claim`]:
/// later ones win. `volume` is where the volume lies, `size_bytes` what its filesystem covers of it. `use_of` is asked with
/// the indexes of an inode and of one of its streams.
pub fn volume_coverage(
    name: &str,
    volume: ByteRange,
    size_bytes: u64,
    survey: &Survey,
    rest: Rest,
    mut use_of: impl FnMut(usize, usize) -> StreamUse,
) -> Vec<CoverageRange> {
    let mut read = RangeSet::new();
    let mut unread = RangeSet::new();
    let mut recovered = RangeSet::new();
    let mut unreadable: BTreeMap<(bool, &[u8]), RangeSet> = BTreeMap::new();
    for (index, inode) in survey.inodes.iter().enumerate() {
        // The extents of internal files are metadata and were counted by the survey.
        if inode.flags.contains(RowFlags::INTERNAL) {
            continue;
        }
        let deleted = inode.flags.contains(RowFlags::DELETED);
        for (at, stream) in inode.streams.range().zip(survey.streams_of(inode)) {
            let set = match stream.encoding {
                _ if deleted && use_of(index, at) == StreamUse::Read => &mut recovered,
                // What a deleted file had is free or another's.
                _ if deleted => continue,
                Encoding::Unreadable { encrypted, reason, .. } => {
                    unreadable.entry((encrypted, survey.bytes(reason))).or_default()
                }
                _ if use_of(index, at) == StreamUse::Read => &mut read,
                _ => &mut unread,
            };
            for extent in survey.extents_of(stream) {
                set.insert(ByteRange::new(extent.physical, extent.len));
            }
        }
    }
    let mut claims = Vec::new();
    let mut claim = |ranges: Vec<ByteRange>, class: CoverageClass, detail: &str| {
        for range in ranges {
            let Some(range) = range.shifted(volume.start).map(|range| range.intersect(volume)) else {
                continue;
            };
            if !range.is_empty() {
                claims.push(CoverageRange {
                    volume: name.to_owned(),
                    range,
                    class,
                    detail: detail.to_owned(),
                });
            }
        }
    };
    claim(vec![ByteRange::new(0, volume.len)], CoverageClass::Gap, "behind the filesystem's end");
    let (class, detail) = match rest {
        Rest::Unreferenced => (CoverageClass::Gap, "allocated, and nothing that was read refers to it"),
        Rest::NotAsked => (CoverageClass::DataUnread, "not asked for"),
    };
    claim(vec![ByteRange::new(0, size_bytes)], class, detail);
    claim(survey.free.clone().into_ranges(), CoverageClass::Free, "");
    claim(recovered.into_ranges(), CoverageClass::Free, "read as the content of a deleted file");
    claim(unread.into_ranges(), CoverageClass::DataUnread, "");
    claim(read.into_ranges(), CoverageClass::DataRead, "");
    for ((encrypted, reason), set) in unreadable {
        let class = if encrypted { CoverageClass::Encrypted } else { CoverageClass::Unsupported };
        claim(set.into_ranges(), class, &String::from_utf8_lossy(reason));
    }
    claim(survey.metadata.clone().into_ranges(), CoverageClass::Metadata, "");
    claim(survey.damaged.clone().into_ranges(), CoverageClass::Damaged, "");
    claims
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::{Extent, Span, Stream};
    use coldread_model::{FileKind, Ledger};

    #[test]
    fn every_byte_of_the_volume_is_classed() {
        let files = [2, 3, 4, 5].map(|number| (number, FileKind::File));
        let mut survey = crate::tree::test_survey(&files, &[]);
        for (i, unwritten) in [(0, false), (1, true), (2, false), (3, false)] {
            let extent = Extent { logical: 0, physical: 20 + 10 * i as u64, len: 10, unwritten };
            let run = survey.keep_extents([extent]).unwrap();
            let encoding = Encoding::Plain(run);
            let stream = Stream { name: Span::default(), size: 10, initialized: 10, encoding };
            survey.inodes[i].streams = survey.keep_streams([stream]).unwrap();
        }
        for index in [2, 3] {
            survey.inodes[index].flags |= RowFlags::DELETED;
        }
        survey.metadata.insert(ByteRange::new(0, 10));
        survey.free.insert(ByteRange::new(40, 50));
        survey.damaged.insert(ByteRange::new(5, 2));
        let volume = ByteRange::new(100, 100);
        let read =
            |index, _: usize| if matches!(index, 0 | 2) { StreamUse::Read } else { StreamUse::NotAsked };
        let mut ledger = Ledger::new(300);
        ledger.claim(&volume_coverage("p1", volume, 90, &survey, Rest::Unreferenced, read));
        let shown: Vec<_> = ledger
            .ranges()
            .iter()
            .map(|part| (part.range.start, part.range.len, part.class.name()))
            .collect();
        let recovered = ledger.ranges().iter().find(|part| part.range.start == 140).unwrap();
        assert_eq!(recovered.detail, "read as the content of a deleted file");
        assert_eq!(
            shown,
            [
                (0, 100, "gap"),
                (100, 5, "metadata"),
                (105, 2, "damaged"),
                (107, 3, "metadata"),
                (110, 10, "gap"),
                (120, 10, "data-read"),
                (130, 10, "data-unread"),
                (140, 10, "free"),
                (150, 40, "free"),
                (190, 10, "gap"),
                (200, 100, "gap"),
            ]
        );
        let mut ledger = Ledger::new(300);
        ledger.claim(&volume_coverage("p1", volume, 90, &survey, Rest::NotAsked, read));
        let at = |byte: u64| {
            let part =
                ledger.ranges().iter().find(|part| part.range.contains(ByteRange::new(byte, 1))).unwrap();
            (part.class.name(), part.detail.as_str())
        };
        assert_eq!((at(110), at(195).0), (("data-unread", "not asked for"), "gap"));
        assert_eq!((at(120).0, at(140).0, at(160).0), ("data-read", "free", "free"));
    }
}
