//! Content: SHA-256 of streams, read in the order in which they lie on the disk.

use super::{
    Job, TaskContext, TaskError, plan,
    streams::{Content, Streams},
    survey::Opened,
};
use coldread_fsparse::{
    content::{
        ContentError, Sink,
        digest::{DigestSink, digest_of},
        read_items,
    },
    source::BlockSource,
};
use coldread_model::{
    CoverageClass, CoverageRange, Gap, GapKind, Sha256Digest,
    task::{ContentOutput, SourceSpec, StreamDigest, VolumeSpec},
};
use std::{ops::Range, thread};

/// What a stream costs besides the bytes that it allocates, counted in such bytes.
const STREAM_BYTES: u64 = 4 << 10;
/// So many streams that need no reading are hashed between two looks at whether the lease is lost.
const UNREAD_AT_A_TIME: usize = 4096;

/// What became of a volume's streams.
#[derive(Default)]
pub(super) struct Hashed {
    /// By the stream's place in the plan; none where it could not be read.
    pub(super) digests: Vec<Option<Sha256Digest>>,
    /// What could not be.
    pub(super) faults: Faults,
}

/// What could not be read, sorted.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) coverage: Vec<CoverageRange>,
    pub(super) gaps: Vec<Gap>,
}

impl Job<'_> {
    pub(super) fn content(
        &self,
        source: &SourceSpec,
        volume: &VolumeSpec,
        plan: &str,
    ) -> Result<ContentOutput, TaskError> {
        let opened = self.open_volume(source, volume)?;
        let bytes = self.context.get_output(plan)?;
        let streams = plan::decode(&bytes).map_err(|error| TaskError::Invalid(error.to_string()))?;
        drop(bytes);
        let Hashed { digests, faults } = self.hash(&opened, volume, &streams)?;
        let found = streams.into_iter().zip(digests).filter_map(|(stream, sha256)| {
            Some(StreamDigest { inode: stream.inode, stream: stream.stream, sha256: sha256? })
        });
        let mut digests: Vec<_> = found.collect();
        digests.sort_unstable();
        Ok(ContentOutput { digests, coverage: faults.coverage, gaps: faults.gaps })
    }

    /// Hashes streams on all threads, each a stretch of the disk.
    pub(super) fn hash(
        &self,
        opened: &Opened<'_>,
        volume: &VolumeSpec,
        streams: &dyn Streams,
    ) -> Result<Hashed, TaskError> {
        let weight = |place| streams.content(place).allocated().saturating_add(STREAM_BYTES);
        let mut digests = vec![None; streams.count()];
        let mut rest = &mut digests[..];
        let mut parts = Vec::new();
        for places in cuts(streams.count(), self.threads, weight) {
            let (part, later) = rest.split_at_mut(places.len());
            parts.push((places, part));
            rest = later;
        }
        let one = |places, digests| self.hash_part(opened, volume, streams, places, digests);
        let one = &one;
        let outcomes: Vec<Result<Faults, TaskError>> = thread::scope(|scope| {
            let running: Vec<_> =
                parts.into_iter().map(|(places, part)| scope.spawn(move || one(places, part))).collect();
            let panicked = || TaskError::Invalid("a content thread ended without a result".to_owned());
            running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect()
        });
        let mut faults = Faults::default();
        for outcome in outcomes {
            let mut outcome = outcome?;
            faults.coverage.append(&mut outcome.coverage);
            faults.gaps.append(&mut outcome.gaps);
        }
        self.check()?;
        faults.coverage.sort_unstable();
        faults.gaps.sort_unstable();
        Ok(Hashed { digests, faults })
    }

    /// Hashes the streams at `places`, whose digests go to the same places of `digests`.
    fn hash_part(
        &self,
        opened: &Opened<'_>,
        volume: &VolumeSpec,
        streams: &dyn Streams,
        places: Range<usize>,
        digests: &mut [Option<Sha256Digest>],
    ) -> Result<Faults, TaskError> {
        for (at, (place, digest)) in places.clone().zip(&mut *digests).enumerate() {
            if at % UNREAD_AT_A_TIME == 0 {
                self.check()?;
            }
            if let Content::Here(bytes, size) = streams.content(place) {
                *digest = Some(digest_of(bytes, size));
            }
        }
        let mut queue = opened.source.open_queue().map_err(|error| TaskError::Source(error.to_string()))?;
        let items = places.clone().enumerate().filter_map(|(at, place)| match streams.content(place) {
            Content::Here(..) => None,
            Content::Stored(item) => Some((at, item)),
        });
        let mut sink =
            Placing { hashing: DigestSink::default(), context: self.context, digests, failed: Vec::new() };
        read_items(items, &mut *queue, self.memory.ahead(self.threads), &mut sink);
        let mut faults = Faults::default();
        for (at, error) in sink.failed {
            let owner = streams.owner(places.start + at);
            // Others' bytes lay there in the meantime.
            if !(owner.deleted && matches!(error, ContentError::Corrupt { .. })) {
                faults.add(volume, owner.inode, &error);
            }
        }
        Ok(faults)
    }
}

/// Cuts so many streams into parts of about the same weight, at most one a thread.
fn cuts(count: usize, threads: usize, weight: impl Fn(usize) -> u64) -> Vec<Range<usize>> {
    let sum = |sum: u128, place| sum + u128::from(weight(place));
    let total = (0..count).fold(0, sum);
    let threads = threads.max(1);
    let mut parts = Vec::with_capacity(threads);
    let (mut start, mut before) = (0, 0);
    for part in 1..threads as u128 {
        let mut end = start;
        while end < count {
            let with = sum(before, end);
            if with > total * part / threads as u128 {
                break;
            }
            (end, before) = (end + 1, with);
        }
        parts.push(start..end);
        start = end;
    }
    parts.push(start..count);
    parts.retain(|part| !part.is_empty());
    parts
}

impl Faults {
    /// Records a stream that could not be hashed.
    fn add(&mut self, volume: &VolumeSpec, inode: u64, error: &ContentError) {
        let (kind, structure, range) = match error {
            ContentError::Io { range, .. } => (GapKind::Io, "content", *range),
            ContentError::Corrupt { range, .. } => (GapKind::Corrupt, "compressed data", *range),
        };
        let gap = Gap::new(kind, structure, error.to_string()).in_volume(&volume.name);
        self.gaps.push(gap.at_inode(inode).at_byte(range.start));
        if let Some(range) = range.shifted(volume.range.start).filter(|range| !range.is_empty()) {
            let (volume, class) = (volume.name.clone(), CoverageClass::Damaged);
            self.coverage.push(CoverageRange { volume, range, class, detail: String::new() });
        }
    }
}

/// Puts each digest where it belongs, counts what is read, and stops when the lease is lost.
struct Placing<'a> {
    hashing: DigestSink,
    context: &'a dyn TaskContext,
    digests: &'a mut [Option<Sha256Digest>],
    failed: Vec<(usize, ContentError)>,
}

impl Placing<'_> {
    fn place(&mut self) {
        for (item, result) in self.hashing.results.drain(..) {
            match result {
                Ok(digest) => self.digests[item] = Some(digest),
                Err(error) => self.failed.push((item, error)),
            }
        }
    }
}

impl Sink for Placing<'_> {
    fn bytes(&mut self, item: usize, bytes: &[u8]) {
        self.hashing.bytes(item, bytes);
    }
    fn zeros(&mut self, item: usize, len: u64) {
        self.hashing.zeros(item, len);
    }
    fn done(&mut self, item: usize) {
        self.hashing.done(item);
        self.place();
    }
    fn failed(&mut self, item: usize, error: ContentError) {
        self.hashing.failed(item, error);
        self.place();
    }
    fn stop(&self) -> bool {
        self.context.cancelled()
    }
}

/// No stream.
pub(super) const NO_STREAM: u32 = u32::MAX;

/// Digests by the index of the stream in its survey.
pub(super) struct Digests {
    /// For each stream its place among the digests; [`NO_STREAM`] for none.
    places: Vec<u32>,
    digests: Vec<Option<Sha256Digest>>,
}

impl Digests {
    /// Of streams that were hashed in the order of a plan; the survey has `count` streams.
    pub(super) fn new(count: usize, plan: &[u32], digests: Vec<Option<Sha256Digest>>) -> Self {
        let mut places = vec![NO_STREAM; count];
        for (place, stream) in (0..).zip(plan) {
            places[*stream as usize] = place;
        }
        Self { places, digests }
    }

    pub(super) fn get(&self, stream: u32) -> Option<Sha256Digest> {
        let place = *self.places.get(stream as usize)?;
        self.digests.get(place as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parts_are_all_streams_in_order_and_none_weighs_much_more_than_its_share(
            weights in prop::collection::vec(prop_oneof![0..9_u64, Just(u64::MAX)], 0..60),
            threads in 0..9_usize,
        ) {
            let parts = cuts(weights.len(), threads, |place| weights[place]);
            prop_assert!(parts.len() <= threads.max(1));
            let all: Vec<usize> = parts.iter().cloned().flatten().collect();
            prop_assert_eq!(all, (0..weights.len()).collect::<Vec<_>>());
            let sum = |weights: &[u64]| weights.iter().map(|weight| u128::from(*weight)).sum::<u128>();
            let share = sum(&weights) / threads.max(1) as u128 + 1;
            let heaviest = weights.iter().copied().max().unwrap_or(0);
            for part in parts {
                prop_assert!(sum(&weights[part]) <= share + u128::from(heaviest));
            }
        }
    }
}
