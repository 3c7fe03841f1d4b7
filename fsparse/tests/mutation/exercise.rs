//! A whole scan of a disk in memory, within a budget: everything that a worker does, without storing it.

use coldread_fsparse::{
    content::{ContentError, Item, Sink, is_too_sparse, read_items},
    coverage::{Rest, StreamUse, volume_coverage},
    fs::{Filesystem, by_name},
    machine,
    source::{
        BlockSource, Completion, MappedRange, ReadQueue, SharedSource, SourceError, memory::MemorySource,
        overlay::Overlay, slice::Slice,
    },
    survey::Survey,
    tree::{Tree, for_each_row},
    volume::{DiskProbe, recognise::Content},
};
use coldread_model::{
    ByteRange, FileKind, Ledger,
    listing::{Chunk, ListingWriter},
};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Requests that one scan may make.
const MAX_REQUESTS: u64 = 200_000;
/// Bytes that it may ask for: so many times the disk, and these.
const DISK_TIMES: u64 = 64;
const MAX_BYTES: u64 = 256 << 20;
/// Directories that are read one by one.
const MAX_DIRECTORIES: usize = 64;
/// Volumes of one disk that are scanned.
const MAX_VOLUMES: usize = 8;

/// What a scan found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Filesystems that were read.
    pub(crate) filesystems: usize,
    /// Rows listed.
    pub(crate) rows: u64,
    /// Files read to their end.
    pub(crate) files: usize,
    /// Gaps and errors told.
    pub(crate) gaps: usize,
}

/// Counts what is asked of a disk, and ends the test where it is too much.
struct Counting {
    disk: MemorySource,
    requests: AtomicU64,
    bytes: AtomicU64,
}

struct CountingQueue<'a> {
    source: &'a Counting,
    queue: Box<dyn ReadQueue + 'a>,
}

impl BlockSource for Counting {
    fn size_bytes(&self) -> u64 {
        self.disk.size_bytes()
    }
    fn map(&self, range: ByteRange) -> Result<Vec<MappedRange>, SourceError> {
        self.disk.map(range)
    }
    fn open_queue(&self) -> Result<Box<dyn ReadQueue + '_>, SourceError> {
        Ok(Box::new(CountingQueue { source: self, queue: self.disk.open_queue()? }))
    }
}

impl ReadQueue for CountingQueue<'_> {
    fn push(&mut self, tag: u64, range: ByteRange) {
        let requests = self.source.requests.fetch_add(1, Relaxed);
        let bytes = self.source.bytes.fetch_add(range.len, Relaxed);
        let most = self.source.size_bytes() * DISK_TIMES + MAX_BYTES;
        assert!(requests < MAX_REQUESTS && bytes < most, "{requests} requests for {bytes} bytes");
        self.queue.push(tag, range);
    }
    fn next(&mut self) -> Option<Completion> {
        self.queue.next()
    }
    fn next_ready(&mut self) -> Option<Completion> {
        self.queue.next_ready()
    }
}

/// Counts files' bytes instead of hashing them.
#[derive(Default)]
struct Measure {
    lens: std::collections::HashMap<usize, u64>,
    done: Vec<(usize, u64)>,
    failed: usize,
    bytes: u64,
    most: u64,
}

impl Sink for Measure {
    fn bytes(&mut self, item: usize, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        *self.lens.entry(item).or_default() += bytes.len() as u64;
    }
    fn zeros(&mut self, item: usize, len: u64) {
        *self.lens.entry(item).or_default() += len;
    }
    fn done(&mut self, item: usize) {
        self.done.push((item, self.lens.remove(&item).unwrap_or_default()));
    }
    fn failed(&mut self, item: usize, _: ContentError) {
        self.lens.remove(&item);
        self.failed += 1;
    }
    fn stop(&self) -> bool {
        self.bytes > self.most
    }
}

/// Scans a disk. Panics where an answer contradicts itself or the budget is passed.
pub(crate) fn exercise(disk: Vec<u8>) -> Answer {
    let size = disk.len() as u64;
    let disk: SharedSource = Arc::new(Counting {
        disk: MemorySource::new(disk),
        requests: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
    });
    let mut answer = Answer::default();
    let mut probe = DiskProbe::new(size);
    drive(&mut probe, &*disk);
    let found = probe.finish();
    answer.gaps += found.gaps.len();
    let mut ledger = Ledger::new(size);
    ledger.claim(&found.coverage);
    let filesystems = found.volumes.iter().filter_map(|volume| match volume.content {
        Content::Filesystem(driver) => Some((volume, driver)),
        _ => None,
    });
    for (volume, driver) in filesystems.take(MAX_VOLUMES) {
        let slice: SharedSource = Arc::new(Slice::new(Arc::clone(&disk), volume.range));
        scan(driver, volume.range, &slice, &mut ledger, &mut answer);
    }
    let total: u64 = ledger.ranges().iter().map(|part| part.range.len).sum();
    assert_eq!(total, size, "the ledger loses bytes");
    answer
}

fn drive(machine: &mut dyn machine::Machine, source: &dyn BlockSource) {
    let mut queue = source.open_queue().expect("memory opens");
    machine::run(machine, &mut *queue);
}

fn scan(
    driver: &'static dyn Filesystem,
    range: ByteRange,
    slice: &SharedSource,
    ledger: &mut Ledger,
    answer: &mut Answer,
) {
    let mut machine = driver.probe(range.len);
    drive(&mut *machine, &**slice);
    let Ok(probed) = machine.finish() else {
        answer.gaps += 1;
        return;
    };
    assert!(probed.size_bytes <= range.len, "a filesystem larger than its volume");
    assert!(by_name(driver.name()).is_some());
    answer.gaps += probed.gaps.len();
    let source: SharedSource = if probed.patches.is_empty() {
        Arc::clone(slice)
    } else {
        Arc::new(Overlay::new(Arc::clone(slice), probed.patches.clone()).expect("patches that fit"))
    };
    let units = probed.units.max(1);
    let Ok(mut machine) = driver.survey(&probed.geometry, 0..units) else {
        panic!("own geometry is refused")
    };
    drive(&mut *machine, &*source);
    let survey = machine.finish();
    answer.gaps += survey.gaps.len();
    answer.filesystems += 1;
    assert!(survey.inodes.is_sorted_by_key(|inode| inode.number), "inodes out of order");
    let survey = Survey::from_bytes(&survey.to_bytes()).expect("own encoding reads back");
    let root = driver.root(&probed.geometry).expect("own geometry has a root");
    let some: Vec<u64> =
        survey.inodes.iter().map(|inode| inode.number).take(5).chain([0, u64::MAX]).collect();
    let Ok(mut machine) = driver.inodes(&probed.geometry, &some) else { panic!("own geometry is refused") };
    drive(&mut *machine, &*source);
    drop(machine.finish());
    let directories = survey.inodes.iter().filter(|inode| inode.kind == FileKind::Dir);
    let some: Vec<u64> =
        directories.map(|inode| inode.number).take(MAX_DIRECTORIES).chain([root, u64::MAX]).collect();
    let Ok(mut machine) = driver.directories(&probed.geometry, &some) else {
        panic!("own geometry is refused")
    };
    drive(&mut *machine, &*source);
    let found = machine.finish();
    assert!(found.inodes.is_sorted_by_key(|inode| inode.number), "inodes out of order");
    assert!(found.inodes.len() <= some.len(), "inodes that nobody asked for");

    let tree = Tree::build(&survey, root);
    answer.gaps += tree.gaps().len();
    let mut writer = ListingWriter::new();
    let mut chunks = Vec::new();
    let mut rows = 0;
    let mut listed = vec![false; survey.inodes.len()];
    let bare = for_each_row(&tree, |row, inode, _| {
        rows += 1;
        listed[inode as usize] = true;
        chunks.extend(writer.push(row));
    });
    assert_eq!(tree.listed(), listed);
    chunks.extend(writer.finish());
    let listed: usize = chunks
        .iter()
        .map(|chunk| {
            Chunk::decode(&chunk.stable, &chunk.volatile).expect("own chunk reads back").iter().count()
        })
        .sum();
    assert_eq!(listed as u64, rows);
    answer.rows += rows;
    answer.gaps += usize::from(bare > 0);

    ledger.claim(&volume_coverage("v", range, probed.size_bytes, &survey, Rest::Unreferenced, |_, _| {
        StreamUse::Read
    }));
    let wanted =
        survey.streams.iter().enumerate().filter(|(_, one)| !is_too_sparse(one.size, survey.extents_of(one)));
    let items = wanted.filter_map(|(i, one)| Some((i, Item::of(&survey, one)?)));
    let mut measure = Measure { most: 16 * range.len + (64 << 20), ..Measure::default() };
    let mut queue = source.open_queue().expect("memory opens");
    read_items(items, &mut *queue, 8 << 20, &mut measure);
    for (index, len) in measure.done {
        assert_eq!(len, survey.streams[index].size, "a file's bytes do not add up to its size");
        answer.files += 1;
    }
    answer.gaps += measure.failed;
}
