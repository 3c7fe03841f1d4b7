//! Files of a volume as extractors see them.
//!
//! Small files of one volume are fetched together in one batch ([`fetch`]); a large one is read through a
//! window that moves over it ([`DiskView`]).

mod ahead;

use ahead::Ahead;
use coldread_artifacts::view::{FileView, ViewError};
use coldread_fsparse::{
    content::{ContentError, Item, ItemEncoding, Sink, read_items},
    fs::ntfs::wof::{Algorithm, WofError, chunks::Packing},
    source::{BlockSource, ReadQueue},
    survey::{Encoding, Extent, Packed, Stream, Survey},
};
use coldread_model::ByteRange;

/// Files up to this size are fetched whole.
pub(super) const WHOLE_BYTES: u64 = 4 << 20;
/// Bytes of a large file's window; a multiple of every compression unit. No more, so that what was read is still in the
/// processor's cache when it is parsed.
const WINDOW_BYTES: u64 = 1 << 20;
/// Windows that are under way while one is parsed, of a file that is read in order.
const WINDOWS_AHEAD: u64 = 4;
/// Bytes of a window where a larger one cannot be read: what is lost around a bad place of the disk.
const NARROW_BYTES: u64 = 64 << 10;
/// Bytes under way while fetching.
const BUDGET: u64 = 16 << 20;

/// Collects items whole.
struct Collect {
    items: Vec<(Vec<u8>, Option<ContentError>)>,
}

impl Sink for Collect {
    fn bytes(&mut self, item: usize, bytes: &[u8]) {
        self.items[item].0.extend_from_slice(bytes);
    }
    fn zeros(&mut self, item: usize, len: u64) {
        let bytes = &mut self.items[item].0;
        // Items are at most a window or a whole small file.
        bytes.resize(bytes.len() + len.min(WINDOW_BYTES.max(WHOLE_BYTES)) as usize, 0);
    }
    fn done(&mut self, _: usize) {}
    fn failed(&mut self, item: usize, error: ContentError) {
        self.items[item].1 = Some(error);
    }
}

/// Why a stream has no bytes to show.
fn unreadable(survey: &Survey, stream: &Stream) -> Option<ViewError> {
    match stream.encoding {
        Encoding::Unreadable { reason, .. } => {
            Some(ViewError::Unsupported(String::from_utf8_lossy(survey.bytes(reason)).into_owned()))
        }
        _ => None,
    }
}

/// Fetches streams of at most [`WHOLE_BYTES`] in one batch, sorted by where they lie.
pub(super) fn fetch(
    survey: &Survey,
    streams: &[&Stream],
    queue: &mut dyn ReadQueue,
) -> Vec<Result<Vec<u8>, ViewError>> {
    let mut collect = Collect { items: vec![(Vec::new(), None); streams.len()] };
    let mut items: Vec<(usize, Item<'_>)> = Vec::new();
    for (i, stream) in streams.iter().enumerate() {
        match stream.encoding {
            Encoding::Inline(span) => {
                let bytes = survey.bytes(span);
                let valid = stream.initialized.min(stream.size).min(bytes.len() as u64) as usize;
                collect.items[i].0.extend_from_slice(&bytes[..valid]);
                collect.items[i].0.resize(stream.size.min(WHOLE_BYTES) as usize, 0);
            }
            _ => items.extend(Item::of(survey, stream).map(|item| (i, item))),
        }
    }
    items.sort_by_key(|(_, item)| item.first_physical());
    read_items(items, queue, BUDGET, &mut collect);
    let results = collect.items.into_iter().zip(streams);
    results
        .map(|((bytes, error), stream)| match (unreadable(survey, stream), error) {
            (Some(error), _) => Err(error),
            (None, Some(error)) => Err(view_error(&error, 0, stream.size)),
            (None, None) => Ok(bytes),
        })
        .collect()
}

/// Parts of streams, in one batch: what each has of its range, or nothing where the stream's form needs a window
/// of its own ([`DiskView`]).
pub(super) fn fetch_parts(
    survey: &Survey,
    parts: &[(&Stream, ByteRange)],
    source: &dyn BlockSource,
) -> Vec<Option<Result<Vec<u8>, ViewError>>> {
    let mut extents: Vec<Vec<Extent>> = Vec::with_capacity(parts.len());
    for (stream, range) in parts {
        extents.push(match stream.encoding {
            Encoding::Plain(_) => {
                clip(survey.extents_of(stream), range.intersect(ByteRange::new(0, stream.size)))
            }
            _ => Vec::new(),
        });
    }
    let mut collect = Collect { items: vec![(Vec::new(), None); parts.len()] };
    let mut items: Vec<(usize, Item<'_>)> = Vec::new();
    for (i, (stream, range)) in parts.iter().enumerate() {
        let part = range.intersect(ByteRange::new(0, stream.size));
        match stream.encoding {
            Encoding::Plain(_) => {
                let initialized = stream.initialized.saturating_sub(part.start);
                let encoding = ItemEncoding::Plain;
                items.push((i, Item { size: part.len, initialized, encoding, extents: &extents[i] }));
            }
            Encoding::Inline(span) => {
                let bytes = survey.bytes(span);
                let valid = stream.initialized.min(bytes.len() as u64);
                let known = part.intersect(ByteRange::new(0, valid));
                let (from, until) = (known.start as usize, known.end() as usize);
                collect.items[i].0.extend_from_slice(bytes.get(from..until).unwrap_or_default());
                collect.items[i].0.resize(part.len.min(WHOLE_BYTES) as usize, 0);
            }
            _ => {}
        }
    }
    items.sort_by_key(|(_, item)| item.first_physical());
    match source.open_queue() {
        Ok(mut queue) => read_items(items, &mut *queue, BUDGET, &mut collect),
        // A window's own queue meets the same error and tells it.
        Err(_) => return parts.iter().map(|_| None).collect(),
    }
    let results = collect.items.into_iter().zip(parts);
    results
        .map(|((bytes, error), (stream, range))| match stream.encoding {
            Encoding::Plain(_) | Encoding::Inline(_) => Some(match error {
                Some(error) => Err(view_error(&error, range.start, range.len)),
                None => Ok(bytes),
            }),
            _ => None,
        })
        .collect()
}

fn view_error(error: &ContentError, start: u64, len: u64) -> ViewError {
    match error {
        ContentError::Io { .. } => {
            ViewError::Io { range: ByteRange::new(start, len), reason: error.to_string() }
        }
        ContentError::Corrupt { .. } => ViewError::Corrupt(error.to_string()),
    }
}

/// A file on the disk, read through a window.
pub(super) struct DiskView<'a> {
    survey: &'a Survey,
    stream: &'a Stream,
    source: &'a dyn BlockSource,
    /// Kept from window to window: its buffers cost more to make than to fill.
    queue: Option<Box<dyn ReadQueue + 'a>>,
    segments: Vec<ByteRange>,
    window: Option<(u64, Vec<u8>)>,
    /// The window that the disk could not read whole.
    bad: Option<u64>,
    ahead: Ahead,
}

impl<'a> DiskView<'a> {
    pub(super) fn new(survey: &'a Survey, stream: &'a Stream, source: &'a dyn BlockSource) -> Self {
        let until = stream.initialized.min(stream.size);
        let unit = match stream.encoding {
            Encoding::Lznt1 { unit_bytes, .. } => u64::from(unit_bytes.max(1)),
            _ => 1,
        };
        let mut segments: Vec<ByteRange> = Vec::new();
        let ahead = Ahead::default();
        let view = Self {
            survey,
            stream,
            source,
            queue: None,
            segments: Vec::new(),
            window: None,
            bad: None,
            ahead,
        };
        if matches!(stream.encoding, Encoding::Wof { .. }) && until > 0 {
            segments.push(ByteRange::new(0, until));
            return Self { segments, ..view };
        }
        for extent in survey.extents_of(stream).iter().filter(|extent| !extent.unwritten) {
            // A unit's allocated clusters come first, but its data may fill all of it.
            let start = extent.logical / unit * unit;
            let end =
                extent.logical.saturating_add(extent.len).div_ceil(unit).saturating_mul(unit).min(until);
            match segments.last_mut() {
                Some(last) if start <= last.end() => {
                    *last = ByteRange::between(last.start, end.max(last.end()));
                }
                _ if start < end => segments.push(ByteRange::between(start, end)),
                _ => {}
            }
        }
        Self { segments, ..view }
    }

    /// Reads an item of at most a window's bytes.
    fn read_item(&mut self, item: Item<'_>, window: ByteRange) -> Result<Vec<u8>, ViewError> {
        let io = |reason: String| ViewError::Io { range: window, reason };
        let mut queue = match self.queue.take().filter(|_| self.ahead.is_idle()) {
            Some(queue) => queue,
            None => self.source.open_queue().map_err(|error| io(error.to_string()))?,
        };
        self.ahead = Ahead::default();
        let (_, mut room) = self.window.take().unwrap_or_default();
        room.clear();
        let mut collect = Collect { items: vec![(room, None)] };
        read_items([(0, item)], &mut *queue, BUDGET, &mut collect);
        let (bytes, error) = collect.items.pop().unwrap_or_default();
        if let Some(error) = error {
            // Its queue is given up: it may be broken for good.
            return Err(view_error(&error, window.start, window.len));
        }
        self.queue = Some(queue);
        Ok(bytes)
    }

    /// A window of a file in packed chunks: first the part of the table that says where they lie.
    fn read_chunks(
        &mut self,
        packed: Packed,
        algorithm: Algorithm,
        window: ByteRange,
    ) -> Result<Vec<u8>, ViewError> {
        let corrupt = |error: WofError| ViewError::Corrupt(error.to_string());
        match packed {
            Packed::Inline(span) => {
                let all = self.survey.bytes(span);
                let part = |range: ByteRange| {
                    let from =
                        all.get(range.start as usize..).and_then(|rest| rest.get(..range.len as usize));
                    from.ok_or(corrupt(WofError::Table))
                };
                let packing = Packing::new(algorithm, self.stream.size, all.len() as u64);
                let entries = part(packing.entries_of(window))?;
                let (packing, [table, data]) = packing.stretch(window, entries).map_err(corrupt)?;
                let bytes = [part(table)?, part(data)?].concat();
                let encoding = ItemEncoding::WofInline(packing, &bytes);
                let (size, extents) = (window.len, &[][..]);
                self.read_item(Item { size, initialized: size, encoding, extents }, window)
            }
            Packed::Extents { bytes, .. } => {
                let all = self.survey.extents_of(self.stream);
                let packing = Packing::new(algorithm, self.stream.size, bytes.0);
                let wanted = packing.entries_of(window);
                let (size, extents) = (wanted.len, clip(all, wanted));
                let encoding = ItemEncoding::Plain;
                let entries =
                    self.read_item(Item { size, initialized: size, encoding, extents: &extents }, window)?;
                let (packing, [table, data]) = packing.stretch(window, &entries).map_err(corrupt)?;
                let mut extents = clip(all, table);
                extents.extend(clip(all, data).into_iter().map(|mut extent| {
                    extent.logical += table.len;
                    extent
                }));
                let (size, encoding) = (window.len, ItemEncoding::Wof(packing));
                self.read_item(Item { size, initialized: size, encoding, extents: &extents }, window)
            }
        }
    }

    /// A window that holds the byte `at`, read anew.
    fn load(&mut self, at: u64) -> Result<(), ViewError> {
        let start = at / WINDOW_BYTES * WINDOW_BYTES;
        if self.bad != Some(start) && self.load_ahead(start) {
            return Ok(());
        }
        if self.bad != Some(start) {
            match self.load_window(start, WINDOW_BYTES) {
                Err(ViewError::Io { .. }) if matches!(self.stream.encoding, Encoding::Plain(_)) => {
                    self.bad = Some(start);
                }
                loaded => return loaded,
            }
        }
        self.load_window(at / NARROW_BYTES * NARROW_BYTES, NARROW_BYTES)
    }

    /// Loads the window of a file that is read in order, and asks for those behind it. Whether it could: what is told of
    /// a window that cannot be read is told by who reads it alone.
    fn load_ahead(&mut self, start: u64) -> bool {
        let follows = self.window.as_ref().is_some_and(|(before, _)| before + WINDOW_BYTES == start);
        let next = self.ahead.expected().next();
        let plain = matches!(self.stream.encoding, Encoding::Plain(_));
        if !plain || !follows || next.is_some_and(|next| next != start) {
            return false;
        }
        if self.queue.is_none() {
            self.queue = self.source.open_queue().ok();
        }
        let Some(mut queue) = self.queue.take() else { return false };
        let until = self.stream.initialized.min(self.stream.size);
        for begin in (0..=WINDOWS_AHEAD).map(|ahead| start.saturating_add(ahead * WINDOW_BYTES)) {
            if begin < self.stream.size && !self.ahead.expected().any(|start| start == begin) {
                let window = ByteRange::new(begin, WINDOW_BYTES.min(self.stream.size - begin));
                let valid = window.intersect(ByteRange::new(0, until));
                let extents = if valid.is_empty() {
                    Vec::new()
                } else {
                    clip(self.survey.extents_of(self.stream), valid)
                };
                self.ahead.ask(begin, window.len as usize, &extents, &mut *queue);
            }
        }
        let Some(bytes) = self.ahead.next(&mut *queue) else { return false };
        self.queue = Some(queue);
        if let Some((_, before)) = self.window.replace((start, bytes)) {
            self.ahead.recycle(before);
        }
        true
    }

    fn load_window(&mut self, start: u64, len: u64) -> Result<(), ViewError> {
        if let Some(error) = unreadable(self.survey, self.stream) {
            return Err(error);
        }
        let window = ByteRange::new(start, len.min(self.stream.size - start));
        let bytes = match self.stream.encoding {
            Encoding::Wof { packed, algorithm } => self.read_chunks(packed, algorithm, window)?,
            encoding => {
                let extents = clip(self.survey.extents_of(self.stream), window);
                let encoding = match encoding {
                    Encoding::Lznt1 { unit_bytes, .. } => ItemEncoding::Lznt1 { unit_bytes },
                    _ => ItemEncoding::Plain,
                };
                let initialized = self.stream.initialized.saturating_sub(start);
                self.read_item(Item { size: window.len, initialized, encoding, extents: &extents }, window)?
            }
        };
        self.window = Some((start, bytes));
        Ok(())
    }
}

/// The parts of extents inside a window, counted from its start.
fn clip(extents: &[Extent], window: ByteRange) -> Vec<Extent> {
    let first = extents.partition_point(|extent| extent.logical.saturating_add(extent.len) <= window.start);
    let inside = extents[first..].iter().take_while(|extent| extent.logical < window.end());
    let part = |extent: &Extent| {
        let part = ByteRange::new(extent.logical, extent.len).intersect(window);
        let skip = part.start - extent.logical;
        Extent {
            logical: part.start - window.start,
            physical: extent.physical.saturating_add(skip),
            len: part.len,
            unwritten: extent.unwritten,
        }
    };
    inside.map(part).collect()
}

impl FileView for DiskView<'_> {
    fn len(&self) -> u64 {
        self.stream.size
    }

    fn data_segments(&self) -> &[ByteRange] {
        &self.segments
    }

    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, ViewError> {
        let mut done = 0;
        while done < out.len() {
            let at = offset.saturating_add(done as u64);
            if at >= self.stream.size {
                break;
            }
            let holds = |(start, bytes): &(u64, Vec<u8>)| {
                (*start..start.saturating_add(bytes.len() as u64)).contains(&at)
            };
            if !self.window.as_ref().is_some_and(holds) {
                self.load(at)?;
            }
            let Some((start, bytes)) = &self.window else { break };
            let part = bytes.get((at - start) as usize..).unwrap_or_default();
            if part.is_empty() {
                break;
            }
            let len = part.len().min(out.len() - done);
            out[done..done + len].copy_from_slice(&part[..len]);
            done += len;
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::{
        source::memory::MemorySource,
        survey::{PackedBytes, Span},
    };
    use proptest::prelude::*;

    #[test]
    fn a_sparse_file_is_read_through_its_window() {
        let mut disk = vec![0; 64 << 10];
        disk[4096..8192].fill(1);
        disk[8192..12288].fill(2);
        let source = MemorySource::new(disk).with_bad(vec![ByteRange::new(12288, 512)]);
        let mut survey = Survey::default();
        let tera = 1 << 40;
        let extents = [
            Extent { logical: 0, physical: 4096, len: 4096, unwritten: false },
            Extent { logical: tera, physical: 8192, len: 4096, unwritten: false },
            Extent { logical: 2 * tera, physical: 12288, len: 4096, unwritten: false },
        ];
        let run = survey.keep_extents(extents).unwrap();
        let encoding = Encoding::Plain(run);
        let stream = Stream { name: Span::default(), size: 3 * tera, initialized: 3 * tera, encoding };
        let mut view = DiskView::new(&survey, &stream, &source);
        assert_eq!(view.data_segments().len(), 3);
        let mut out = [9; 8];
        assert_eq!(view.read_at(4092, &mut out), Ok(8));
        assert_eq!(out, [1, 1, 1, 1, 0, 0, 0, 0]);
        assert_eq!(view.read_at(tera - 4, &mut out), Ok(8));
        assert_eq!(out, [0, 0, 0, 0, 2, 2, 2, 2]);
        assert!(matches!(view.read_at(2 * tera, &mut out), Err(ViewError::Io { .. })));
        assert_eq!(view.read_at(3 * tera - 2, &mut out), Ok(2));
        assert_eq!(view.read_at(3 * tera, &mut out), Ok(0));
    }

    #[test]
    fn around_a_bad_place_little_is_lost() {
        let disk: Vec<u8> = (0..6 << 20).map(|at: u32| (at >> 9) as u8).collect();
        let bad = ByteRange::new((1 << 20) + 5000, 512);
        let source = MemorySource::new(disk.clone()).with_bad(vec![bad]);
        let mut survey = Survey::default();
        let size = disk.len() as u64;
        let run =
            survey.keep_extents([Extent { logical: 0, physical: 0, len: size, unwritten: false }]).unwrap();
        let stream =
            Stream { name: Span::default(), size, initialized: size, encoding: Encoding::Plain(run) };
        let mut view = DiskView::new(&survey, &stream, &source);
        let mut lost = Vec::new();
        for start in (0..size).step_by(4096) {
            let mut out = [0; 4096];
            match view.read_at(start, &mut out) {
                Ok(got) => assert_eq!(out[..got], disk[start as usize..][..4096]),
                Err(ViewError::Io { range, .. }) => lost.push(range),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(lost, [ByteRange::new(1 << 20, NARROW_BYTES); 16]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// In whatever order and steps a file is read, it is what its extents say, and what cannot be read is told.
        #[test]
        fn a_file_is_the_same_in_whatever_order_it_is_read(
            lens in prop::collection::vec((1..6u64, 0..3u8), 3..9),
            initialized in 0..24u64,
            bad in prop::option::of(0..24u64),
            reads in prop::collection::vec((0..26u64, any::<bool>()), 1..12),
        ) {
            let mib = 1 << 20;
            let (mut survey, mut extents, mut logical) = (Survey::default(), Vec::new(), 0);
            for (number, (len, form)) in lens.iter().enumerate() {
                let physical = (lens.len() - number) as u64 * 6 * mib;
                if *form > 0 {
                    extents.push(Extent { logical, physical, len: len * mib, unwritten: *form == 2 });
                }
                logical += len * mib;
            }
            let (size, disk) = (logical - 77, (lens.len() as u64 + 1) * 6 * mib);
            let disk: Vec<u8> = (0..disk).map(|at| (at >> 12) as u8 | 1).collect();
            let bad = bad.map(|bad| ByteRange::new(bad * 3 * mib + 512, 512));
            let source = MemorySource::new(disk.clone()).with_bad(bad.into_iter().collect());
            let initialized = (initialized * mib).min(size);
            let mut wanted = vec![0; size as usize];
            let mut lost = vec![];
            for extent in extents.iter().filter(|extent| !extent.unwritten) {
                let part = ByteRange::new(extent.logical, extent.len).intersect(ByteRange::new(0, initialized));
                let from = extent.physical as usize;
                wanted[part.start as usize..part.end() as usize].copy_from_slice(&disk[from..][..part.len as usize]);
                let hit = bad.unwrap_or_default().intersect(ByteRange::new(extent.physical, part.len));
                if !hit.is_empty() {
                    lost.push((hit.start - extent.physical + extent.logical) / NARROW_BYTES);
                }
            }
            let run = survey.keep_extents(extents).unwrap();
            let stream = Stream { name: Span::default(), size, initialized, encoding: Encoding::Plain(run) };
            let mut view = DiskView::new(&survey, &stream, &source);
            let mut at = 0;
            for (jump, goes_on) in reads {
                if !goes_on {
                    at = jump * mib / 2;
                }
                for _ in 0..9 {
                    let mut out = vec![9; 1 << 20];
                    let end = (at + out.len() as u64).min(size).max(at);
                    let hit = lost.iter().any(|lost| (at / NARROW_BYTES..end.div_ceil(NARROW_BYTES)).contains(lost));
                    match view.read_at(at, &mut out) {
                        Ok(got) => {
                            prop_assert_eq!(got as u64, end - at);
                            prop_assert!(got == 0 || !hit);
                            prop_assert!(out[..got] == wanted[(at as usize).min(wanted.len())..][..got]);
                        }
                        Err(ViewError::Io { .. }) => prop_assert!(hit),
                        Err(error) => panic!("{error}"),
                    }
                    at = (at + out.len() as u64).min(size);
                }
            }
        }
    }

    /// A packed stream whose chunks are stored as they are.
    fn stored_chunks(data: &[u8]) -> Vec<u8> {
        let starts = (1..data.len().div_ceil(32 << 10) as u32).map(|chunk| chunk * (32 << 10));
        starts.flat_map(u32::to_le_bytes).chain(data.iter().copied()).collect()
    }

    #[test]
    fn a_file_in_chunks_is_read_through_its_window() {
        let size = (9 << 20) + 77;
        let data: Vec<u8> = (0..size as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 9) as u8).collect();
        let packed = stored_chunks(&data);
        // In two pieces, the second one first, cut where no chunk ends.
        let (cut, bytes) = (5_000_001, packed.len() as u64);
        let source = MemorySource::new([&packed[cut..], &packed[..cut]].concat());
        let second = bytes - cut as u64;
        let mut survey = Survey::default();
        let extents = [
            Extent { logical: 0, physical: second, len: cut as u64, unwritten: false },
            Extent { logical: cut as u64, physical: 0, len: second, unwritten: false },
        ];
        let extents = survey.keep_extents(extents).unwrap();
        let span = survey.keep(&packed).unwrap();
        let bytes = PackedBytes(bytes);
        for packed in [Packed::Extents { extents, bytes }, Packed::Inline(span)] {
            let encoding = Encoding::Wof { packed, algorithm: Algorithm::Lzx };
            let stream =
                Stream { name: Span::default(), size: size as u64, initialized: size as u64, encoding };
            let mut view = DiskView::new(&survey, &stream, &source);
            assert_eq!(view.data_segments(), [ByteRange::new(0, size as u64)]);
            for at in [0, 32_760, (4 << 20) - 5, (8 << 20) + 1, size - 10] {
                let mut out = [0; 10];
                assert_eq!(view.read_at(at as u64, &mut out), Ok(10));
                assert_eq!(out, data[at..at + 10]);
            }
            assert_eq!(fetch(&survey, &[&stream], &mut *source.open_queue().unwrap()), [Ok(data.clone())]);
        }
    }
}
