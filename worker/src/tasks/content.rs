//! Content: SHA-256 of streams, read in the order in which they lie on the disk.

mod digests;
mod stretches;

use super::{
    Job, TaskError, plan,
    streams::{Content, Streams},
    survey::Opened,
};
use coldread_fsparse::{
    content::{
        ContentError, Sink,
        digest::{DigestSink, digest_of},
        read_items,
    },
    source::{BlockSource, Buf},
};
use coldread_model::{
    CoverageClass, CoverageRange, Gap, GapKind,
    task::{ContentOutput, SourceSpec, StreamDigest, VolumeSpec},
};
use digests::{DigestList, InOrder};
pub(super) use digests::{Digests, NO_STREAM};
use std::{
    cell::RefCell,
    iter,
    sync::{Mutex, PoisonError},
    thread,
};
use stretches::{Stretches, Taken};

/// Whether nobody wants the digests any more.
pub(super) type Stop<'a> = &'a (dyn Fn() -> bool + Sync);

/// What became of streams in a row.
#[derive(Debug)]
pub(super) struct Hashed {
    /// The place of the first one in the plan.
    pub(super) first: usize,
    /// None where a stream could not be read.
    digests: DigestList,
    /// Why, by places in the plan.
    failed: Vec<(usize, ContentError)>,
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
        let lost = || self.context.cancelled();
        let known = Mutex::new((InOrder::with_room(streams.len()), Vec::new()));
        self.hash(&opened, &streams, &lost, &|hashed| {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            known.0.add(hashed.first, hashed.digests);
            known.1.extend(hashed.failed);
        })?;
        let (told, failed) = known.into_inner().unwrap_or_else(PoisonError::into_inner);
        let digests = told.into_list();
        let faults = Faults::of(volume, &streams, failed);
        let found = streams.into_iter().enumerate().filter_map(|(place, stream)| {
            Some(StreamDigest { inode: stream.inode, stream: stream.stream, sha256: digests.get(place)? })
        });
        let mut digests: Vec<_> = found.collect();
        digests.sort_unstable();
        Ok(ContentOutput { digests, coverage: faults.coverage, gaps: faults.gaps })
    }

    /// Hashes streams on all threads, each a stretch of the disk after the other, and tells what became of each stretch as
    /// soon as it is known, from any thread. Ends early once `stop` says so.
    pub(super) fn hash(
        &self,
        opened: &Opened<'_>,
        streams: &dyn Streams,
        stop: Stop<'_>,
        tell: &(dyn Fn(Hashed) + Sync),
    ) -> Result<(), TaskError> {
        let stretches = Stretches::new(streams);
        let one = || self.hash_stretches(opened, streams, &stretches, stop, tell);
        thread::scope(|scope| {
            let running: Vec<_> = (0..self.threads).map(|_| scope.spawn(one)).collect();
            let panicked = || TaskError::Invalid("a content thread ended without a result".to_owned());
            let ended = running.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked())));
            ended.collect::<Vec<_>>().into_iter().collect::<Result<(), _>>()
        })?;
        if stop() { Err(TaskError::Cancelled) } else { Ok(()) }
    }

    /// Hashes one stretch after the other until all are taken.
    fn hash_stretches(
        &self,
        opened: &Opened<'_>,
        streams: &dyn Streams,
        stretches: &Stretches<'_>,
        stop: Stop<'_>,
        tell: &(dyn Fn(Hashed) + Sync),
    ) -> Result<(), TaskError> {
        let Some(mut places) = stretches.take() else { return Ok(()) };
        let taken = RefCell::new(Taken::new(tell));
        taken.borrow_mut().add(places.clone());
        let items = iter::from_fn(|| {
            loop {
                let Some(place) = places.next() else {
                    places = stretches.take().filter(|_| !stop())?;
                    taken.borrow_mut().add(places.clone());
                    continue;
                };
                match streams.content(place) {
                    Content::Here(bytes, size) => taken.borrow_mut().put(place, Ok(digest_of(bytes, size))),
                    Content::Stored(item) => return Some((place, item)),
                }
            }
        });
        let mut queue = opened.source.open_queue().map_err(|error| TaskError::Source(error.to_string()))?;
        let mut sink = Placing { hashing: DigestSink::default(), stop, taken: &taken };
        read_items(items, &mut *queue, self.memory.ahead(self.threads), &mut sink);
        Ok(())
    }
}

impl Faults {
    /// What could not be read of a volume's streams, by their places.
    pub(super) fn of(
        volume: &VolumeSpec,
        streams: &dyn Streams,
        failed: impl IntoIterator<Item = (usize, ContentError)>,
    ) -> Self {
        let mut faults = Self::default();
        for (place, error) in failed {
            let owner = streams.owner(place);
            // Others' bytes lay there in the meantime.
            if !(owner.deleted && matches!(error, ContentError::Corrupt { .. })) {
                faults.add(volume, owner.inode, &error);
            }
        }
        faults.coverage.sort_unstable();
        faults.gaps.sort_unstable();
        faults
    }

    /// Takes in what else could not be read of the volume.
    pub(super) fn append(&mut self, mut other: Self) {
        self.coverage.append(&mut other.coverage);
        self.gaps.append(&mut other.gaps);
    }

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

/// Puts each digest where it belongs.
struct Placing<'a, 't> {
    hashing: DigestSink,
    stop: Stop<'a>,
    taken: &'a RefCell<Taken<'t>>,
}

impl Placing<'_, '_> {
    fn place(&mut self) {
        for (item, result) in self.hashing.results.drain(..) {
            self.taken.borrow_mut().put(item, result);
        }
    }
}

impl Sink for Placing<'_, '_> {
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
    fn whole(&mut self, items: &[(usize, Buf)]) {
        self.hashing.whole(items);
        self.place();
    }
    fn failed(&mut self, item: usize, error: ContentError) {
        self.hashing.failed(item, error);
        self.place();
    }
    fn stop(&self) -> bool {
        (self.stop)()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        memory::Memory,
        tasks::{
            counted::Counted,
            disks::Disks,
            in_memory::Objects,
            plan::{PlannedContent, PlannedStream},
        },
    };
    use coldread_fsparse::{fs, source::memory::MemorySource, survey::Extent};
    use coldread_model::{ByteRange, task::FilesystemSpec};
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    /// Files of a mebibyte each, one after the other, each of one byte over and over.
    fn files(count: u8) -> (MemorySource, Vec<PlannedStream>) {
        const LEN: u64 = 1 << 20;
        let bytes = (0..count).flat_map(|file| vec![file; LEN as usize]).collect();
        let stream = |file: u8| {
            let physical = u64::from(file) * LEN;
            PlannedStream {
                inode: file.into(),
                stream: Vec::new(),
                size: LEN,
                initialized: LEN,
                deleted: false,
                content: PlannedContent::Plain(vec![Extent {
                    logical: 0,
                    physical,
                    len: LEN,
                    unwritten: false,
                }]),
            }
        };
        (MemorySource::new(bytes), (0..count).map(stream).collect())
    }

    /// Hashes them on three threads, and gives the digests and what failed; also how many bytes were read.
    fn hashed(
        source: MemorySource,
        streams: &dyn Streams,
        stop: Stop<'_>,
    ) -> (Result<(DigestList, Vec<usize>), TaskError>, u64) {
        let (context, disks) = (Objects::default(), Disks::within(1 << 20));
        let job = Job { disks: &disks, threads: 3, memory: Memory::of(1), context: &context };
        let driver = fs::by_name("ext4").unwrap();
        let size_bytes = source.size_bytes();
        let (driver_name, patches) = ("ext4".to_owned(), Vec::new());
        let spec =
            FilesystemSpec { driver: driver_name, geometry: Vec::new(), units: 1, size_bytes, patches };
        let opened = Opened { driver, spec: &spec, source: Counted::new(Arc::new(source), &context) };
        let told = Mutex::new((InOrder::default(), Vec::new()));
        let hashed = job.hash(&opened, streams, stop, &|hashed| {
            let mut told = told.lock().unwrap();
            told.0.add(hashed.first, hashed.digests);
            told.1.extend(hashed.failed.into_iter().map(|(place, _)| place));
        });
        let (digests, failed) = told.into_inner().unwrap();
        (hashed.map(|()| (digests.into_list(), failed)), context.read())
    }

    #[test]
    fn each_file_gets_its_digest_and_a_bad_place_costs_one_of_them() {
        let (source, streams) = files(20);
        let bad = ByteRange::new((7 << 20) + 512, 512);
        let (hashed, _) = hashed(source.with_bad(vec![bad]), &streams, &|| false);
        let (digests, failed) = hashed.unwrap();
        for file in 0..20 {
            let right = (file != 7).then(|| digest_of(&vec![file; 1 << 20], 1 << 20));
            assert_eq!(digests.get(file.into()), right, "file {file}");
        }
        assert_eq!(failed, [7]);
    }

    #[test]
    fn what_nobody_wants_any_more_is_not_read_to_its_end() {
        let (source, streams) = files(100);
        let asked = AtomicUsize::new(0);
        let (hashed, read) = hashed(source, &streams, &|| asked.fetch_add(1, Ordering::Relaxed) > 30);
        assert_eq!(hashed.err(), Some(TaskError::Cancelled));
        assert!(read < 60 << 20, "{read} bytes were read");
    }
}
