//! Which deleted files' content may still be where it was.

use crate::survey::{Encoding, Survey};
use coldread_model::{ByteRange, RowFlags};
use std::collections::HashSet;

/// The streams of deleted inodes, by index, whose bytes nothing took since, as far as the volume tells: they
/// are in the inode itself, or all that they allocate is free and no other deleted stream claims it. What
/// wrote there and was deleted without a trace cannot be told.
pub fn intact(survey: &Survey) -> HashSet<usize> {
    let mut found = HashSet::new();
    let mut claims: Vec<(ByteRange, usize)> = Vec::new();
    for inode in survey.inodes.iter().filter(|inode| inode.flags.contains(RowFlags::DELETED)) {
        for index in inode.streams.range() {
            let Some(stream) = survey.streams.get(index) else { continue };
            let extents = survey.extents_of(stream);
            claims.extend(extents.iter().map(|extent| (ByteRange::new(extent.physical, extent.len), index)));
            if !matches!(stream.encoding, Encoding::Unreadable { .. }) {
                found.insert(index);
            }
        }
    }
    if claims.is_empty() {
        return found;
    }
    let free = survey.free.clone().into_ranges();
    let is_free = |range: ByteRange| {
        let at = free.partition_point(|one| one.end() <= range.start);
        free.get(at).is_some_and(|one| one.contains(range))
    };
    claims.sort_unstable();
    // Of the claims so far, the one that reaches furthest.
    let mut furthest: Option<(u64, usize)> = None;
    for (range, index) in claims.into_iter().filter(|(range, _)| !range.is_empty()) {
        if !is_free(range) {
            found.remove(&index);
        }
        if let Some((_, other)) = furthest.filter(|(end, _)| range.start < *end) {
            found.remove(&index);
            found.remove(&other);
        }
        if furthest.is_none_or(|(end, _)| end < range.end()) {
            furthest = Some((range.end(), index));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::{Extent, Span, Stream};
    use coldread_model::FileKind;
    use proptest::prelude::*;

    fn survey(files: &[(bool, Vec<(u64, u64)>)], free: &[(u64, u64)]) -> Survey {
        let kinds: Vec<_> = (0..files.len() as u64).map(|number| (number, FileKind::File)).collect();
        let mut survey = crate::tree::test_survey(&kinds, &[]);
        for (index, (deleted, ranges)) in files.iter().enumerate() {
            let extents = ranges.iter().zip(0..).map(|(&(physical, len), at)| Extent {
                logical: at * 1000,
                physical,
                len,
                unwritten: false,
            });
            let extents = survey.keep_extents(extents.collect::<Vec<_>>()).unwrap();
            let encoding = Encoding::Plain(extents);
            let stream = Stream { name: Span::default(), size: 9, initialized: 9, encoding };
            survey.inodes[index].streams = survey.keep_streams([stream]).unwrap();
            survey.inodes[index].flags.set(RowFlags::DELETED, *deleted);
        }
        for &(start, len) in free {
            survey.free.insert(ByteRange::new(start, len));
        }
        survey
    }

    proptest! {
        #[test]
        fn a_stream_is_intact_if_each_of_its_bytes_is_free_and_claimed_once(
            files in prop::collection::vec((any::<bool>(), prop::collection::vec((0u64..60, 0u64..9), 0..4)), 0..8),
            free in prop::collection::vec((0u64..60, 0u64..40), 0..6),
        ) {
            let found = intact(&survey(&files, &free));
            let claims = |byte: u64| files.iter().filter(|file| file.0).flat_map(|file| &file.1)
                .filter(|range| (range.0..range.0 + range.1).contains(&byte)).count();
            let is_free = |byte: u64| free.iter().any(|range| (range.0..range.0 + range.1).contains(&byte));
            for (index, (deleted, ranges)) in files.iter().enumerate() {
                let mut bytes = ranges.iter().flat_map(|range| range.0..range.0 + range.1);
                let want = *deleted && bytes.all(|byte| is_free(byte) && claims(byte) == 1);
                prop_assert_eq!(found.contains(&index), want);
            }
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_intact_and_what_is_in_the_inode_is() {
        let mut survey = survey(&[(true, vec![]), (true, vec![(0, 5)])], &[(0, 100)]);
        survey.streams[0].encoding = Encoding::Inline(Span::default());
        let Encoding::Plain(extents) = survey.streams[1].encoding else { panic!("not plain") };
        let reason = Span::default();
        survey.streams[1].encoding = Encoding::Unreadable { encrypted: true, reason, extents };
        assert_eq!(intact(&survey), HashSet::from([0]));
    }
}
