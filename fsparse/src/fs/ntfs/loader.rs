//! Loads MFT records with everything that belongs to them: extension records, wherever they lie, and the few
//! values outside the MFT that decide what a file is. What comes of a file is up to a [`Sink`].
//!
//! Two waves: the records asked for, then all extension records that are missing at once. Values outside
//! the MFT are fetched as soon as a file's records are complete.

use super::{
    geometry::{Geometry, pieces_of},
    record::{Form, Malformed, RecordHeader, RecordState, Reference, freed_from, kind, listed_records},
    runs::{Piece, decode_runs, locate},
    value::{Loaded, Need, Value},
};
use crate::{
    error::ParseError,
    machine::{Fetched, Machine, Requests},
};
use coldread_model::{ByteRange, Gap, GapKind};
use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::Arc,
};

/// Bytes of one request for MFT records.
const TABLE_BYTES: u64 = 1 << 20;

/// Extension records that one machine fetches at most, besides those it passes anyway.
const MAX_EXTENSIONS: usize = 1 << 18;

/// Bytes that an attribute list has at most (Flatcap NTFS documentation, "$ATTRIBUTE_LIST").
const MAX_LIST_BYTES: u64 = 256 << 10;

/// Bytes of attribute lists and other values that one machine loads at most: a hostile volume can let every
/// record refer to the same clusters.
const MAX_LOADED_BYTES: u64 = 256 << 20;

/// Bytes of records in several pieces that are put together at a time: all of an MFT may be so.
const MAX_PIECED_BYTES: u64 = 32 << 20;

const RECORD: &str = "MFT record";
const EXTENSION: &str = "MFT extension record";
const LIST: &str = "$ATTRIBUTE_LIST";

/// A file's records.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    /// The base record's number.
    pub(super) number: u64,
    /// Its place on the volume.
    pub(super) at: Option<u64>,
    /// Base record first, then its extension records: all in use, or all deleted.
    pub(super) records: &'a [(RecordHeader, &'a [u8])],
    /// Whether these are all of its records.
    pub(super) whole: bool,
    /// The values asked for before.
    pub(super) loaded: &'a [Loaded],
}

impl File<'_> {
    /// Whether its records are free again.
    pub(super) fn is_deleted(&self) -> bool {
        self.records.first().is_some_and(|(header, _)| header.deleted)
    }
}

/// Takes what is loaded.
pub(super) trait Sink {
    /// Takes a file, or asks for values and is shown the file again once they are there. Nothing is loaded for
    /// a deleted file: its clusters may be another's by now.
    fn file(&mut self, file: File<'_>) -> Vec<Need>;
    /// Takes a gap.
    fn gap(&mut self, gap: Gap);
    /// Takes a range that could not be read or contradicts its format.
    fn damaged(&mut self, range: ByteRange);
}

/// What a request is for.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// Whole records, the first of this number.
    Records(u64),
    /// A part of a value, at this offset in it.
    Part { gather: usize, offset: usize },
}

/// What a value in several parts is for.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Record(u64),
    List(usize),
    Value(usize, Value),
}

struct Gather {
    purpose: Purpose,
    /// None until the first part is there.
    bytes: Vec<u8>,
    len: usize,
    left: usize,
    fault: Option<(u64, String)>,
    /// Where it is the value of a file: the request.
    need: Option<Need>,
}

/// A file that takes more than its base record.
struct Job {
    number: u64,
    header: RecordHeader,
    base: Vec<u8>,
    extensions: Vec<Reference>,
    loaded: Vec<Loaded>,
    waiting: usize,
    /// Its attribute list was read to the end.
    listed: bool,
    /// The sink has all of it.
    done: bool,
}

/// An extension record that was looked at.
enum Extension {
    Read { header: RecordHeader, start: usize },
    Failed { kind: GapKind, reason: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wave {
    Records,
    Extensions,
    Rest,
}

/// The machine.
pub(super) struct Loader<S> {
    pub(super) sink: S,
    geometry: Geometry,
    mft: Arc<[Piece]>,
    /// The records asked for, as runs.
    records: Vec<Range<u64>>,
    /// Whether each record asked for has to be a file.
    named: bool,
    wants: Vec<Want>,
    gathers: Vec<Gather>,
    jobs: Vec<Job>,
    extensions: HashMap<u64, Extension>,
    extension_bytes: Vec<u8>,
    /// Bytes of records in pieces that are being put together, and the records that wait until these are whole.
    pieced: u64,
    later: VecDeque<Range<u64>>,
    wave: Wave,
    /// Requests of this wave under way.
    left: usize,
    /// Bytes of values that may still be loaded.
    room: u64,
    scratch: Vec<u8>,
}

impl<S: Sink> Loader<S> {
    /// Loads a run of records, deleted files too.
    pub(super) fn of_range(geometry: Geometry, records: Range<u64>, sink: S) -> Self {
        Self::new(geometry, vec![records], false, sink)
    }

    /// Loads single records; those that are no file in use become gaps.
    pub(super) fn of_numbers(geometry: Geometry, numbers: &[u64], sink: S) -> Self {
        let mut numbers = numbers.to_vec();
        numbers.sort_unstable();
        numbers.dedup();
        Self::new(geometry, runs_of(&numbers), true, sink)
    }

    fn new(geometry: Geometry, records: Vec<Range<u64>>, named: bool, sink: S) -> Self {
        Self {
            sink,
            mft: pieces_of(&geometry.mft).into(),
            geometry,
            records,
            named,
            wants: Vec::new(),
            gathers: Vec::new(),
            jobs: Vec::new(),
            extensions: HashMap::new(),
            extension_bytes: Vec::new(),
            pieced: 0,
            later: VecDeque::new(),
            wave: Wave::Records,
            left: 0,
            room: MAX_LOADED_BYTES,
            scratch: Vec::new(),
        }
    }

    /// The geometry.
    pub(super) fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// Asks for a run of records, whole ones in large requests, those in pieces piece by piece.
    fn ask_records(&mut self, run: Range<u64>, ask: &mut Requests) {
        let size = u64::from(self.geometry.record_bytes);
        let mut number = run.start;
        while number < run.end.min(self.geometry.records) {
            let at = number * size;
            self.left += 1;
            let mft = Arc::clone(&self.mft);
            let first = locate(&mft, at, (run.end - number).saturating_mul(size)).next();
            match first {
                Some((start, range)) if start == at && range.len >= size => {
                    let count = (range.len.min(TABLE_BYTES) / size).min(self.geometry.records - number);
                    ask.push(self.want(Want::Records(number)), ByteRange::new(range.start, count * size));
                    number += count;
                }
                _ if self.pieced >= MAX_PIECED_BYTES => {
                    self.left -= 1;
                    self.later.push_back(number..run.end.min(self.geometry.records));
                    break;
                }
                _ => {
                    self.pieced += size;
                    self.gather(Purpose::Record(number), &mft, at, size, ask);
                    number += 1;
                }
            }
        }
        if self.named {
            for missing in run.start.max(self.geometry.records)..run.end {
                self.not_found(missing, "the MFT ends before it");
            }
        }
    }

    /// The place on the volume of a record's first byte.
    fn place_of(&self, number: u64) -> Option<u64> {
        let at = number.checked_mul(u64::from(self.geometry.record_bytes))?;
        locate(&self.mft, at, 1).next().map(|(_, range)| range.start)
    }

    fn want(&mut self, want: Want) -> u64 {
        self.wants.push(want);
        self.wants.len() as u64 - 1
    }

    /// Asks for `len` bytes of a value from `start`.
    fn gather(&mut self, purpose: Purpose, pieces: &[Piece], start: u64, len: u64, ask: &mut Requests) {
        self.gather_value(purpose, pieces, start, len, None, ask);
    }

    fn gather_value(
        &mut self,
        purpose: Purpose,
        pieces: &[Piece],
        start: u64,
        len: u64,
        need: Option<Need>,
        ask: &mut Requests,
    ) {
        let gather = self.gathers.len();
        let mut left = 0;
        for (offset, range) in locate(pieces, start, len) {
            left += 1;
            let offset = (offset - start) as usize;
            ask.push(self.want(Want::Part { gather, offset }), range);
        }
        let len = len as usize;
        self.gathers.push(Gather { purpose, bytes: Vec::new(), len, left, fault: None, need });
        if left == 0 {
            self.gathers[gather].bytes.resize(len, 0);
            self.gathered(gather, ask);
        }
    }

    /// All parts of a value are there.
    fn gathered(&mut self, gather: usize, ask: &mut Requests) {
        let gather = &mut self.gathers[gather];
        let (purpose, mut bytes) = (gather.purpose, std::mem::take(&mut gather.bytes));
        let (fault, need) = (gather.fault.take(), gather.need.take());
        match purpose {
            Purpose::Record(number) => {
                self.left -= 1;
                self.pieced -= bytes.len() as u64;
                match fault {
                    None => self.record(number, &mut bytes, ask),
                    Some((at, reason)) => self.unreadable(number, at, reason),
                }
            }
            Purpose::List(job) => {
                self.left -= 1;
                let number = self.jobs[job].number;
                if let Some((at, reason)) = fault {
                    self.sink.gap(Gap::new(GapKind::Io, LIST, reason).at_inode(number).at_byte(at));
                } else {
                    self.read_list(job, &bytes);
                }
            }
            Purpose::Value(job, value) => {
                let number = self.jobs[job].number;
                let unpacked = match (fault, need) {
                    (Some((at, reason)), _) => {
                        Err(Gap::new(GapKind::Io, value.name(), reason).at_inode(number).at_byte(at))
                    }
                    (None, Some(need)) => need.unpack(bytes).map_err(|error| {
                        Gap::new(GapKind::Corrupt, value.name(), error.to_string()).at_inode(number)
                    }),
                    (None, None) => Ok(bytes),
                };
                let unpacked = unpacked.map_err(|gap| self.sink.gap(gap)).ok();
                self.loaded(job, value, unpacked, ask);
            }
        }
    }

    /// Takes a file's value and shows the file to the sink once none is missing.
    fn loaded(&mut self, job: usize, value: Value, bytes: Option<Vec<u8>>, ask: &mut Requests) {
        self.jobs[job].loaded.push((value, bytes));
        self.jobs[job].waiting -= 1;
        if self.jobs[job].waiting == 0 {
            self.build(job, ask);
        }
    }

    fn unreadable(&mut self, number: u64, at: u64, reason: String) {
        if self.wave == Wave::Records {
            let size = u64::from(self.geometry.record_bytes);
            if let Some(start) = self.place_of(number) {
                self.sink.damaged(ByteRange::new(start, size));
            }
            self.sink.gap(Gap::new(GapKind::Io, RECORD, reason.clone()).at_inode(number).at_byte(at));
        }
        self.extensions.insert(number, Extension::Failed { kind: GapKind::Io, reason });
    }

    fn not_found(&mut self, number: u64, reason: &str) {
        self.sink.gap(Gap::new(GapKind::NotFound, RECORD, reason).at_inode(number));
    }

    /// Takes one record's bytes.
    fn record(&mut self, number: u64, bytes: &mut [u8], ask: &mut Requests) {
        match RecordHeader::parse(bytes) {
            Err(wrong) => {
                if self.wave == Wave::Records {
                    let at = self.place_of(number).unwrap_or(0);
                    self.sink.damaged(ByteRange::new(at, bytes.len() as u64));
                    self.sink.gap(wrong.to_gap(RECORD, number, Some(at)));
                }
                let reason = format!("expected {}, found {}", wrong.expected, wrong.actual);
                self.extensions.insert(number, Extension::Failed { kind: GapKind::Corrupt, reason });
            }
            Ok(RecordState::Free | RecordState::Deleted(_)) if self.named && self.wave == Wave::Records => {
                self.not_found(number, "it is not in use");
            }
            Ok(RecordState::InUse(header) | RecordState::Deleted(header)) if header.base.is_some() => {
                if self.named && self.wave == Wave::Records {
                    self.not_found(number, "it extends another record");
                }
                let start = self.extension_bytes.len();
                self.extension_bytes.extend_from_slice(bytes);
                self.extensions.insert(number, Extension::Read { header, start });
            }
            Ok(RecordState::InUse(header) | RecordState::Deleted(header)) if self.wave == Wave::Records => {
                self.base(number, header, bytes, ask);
            }
            // Free, or a base record that an attribute list names: `build` says so.
            Ok(RecordState::Free | RecordState::Deleted(_) | RecordState::InUse(_)) => {}
        }
    }

    /// Takes a base record.
    fn base(&mut self, number: u64, header: RecordHeader, bytes: &[u8], ask: &mut Requests) {
        let list = header
            .attributes(bytes)
            .map_while(Result::ok)
            .take_while(|attribute| attribute.kind <= kind::ATTRIBUTE_LIST)
            .find(|attribute| attribute.kind == kind::ATTRIBUTE_LIST);
        let job = |extensions| Job {
            number,
            header,
            base: bytes.to_vec(),
            extensions,
            loaded: Vec::new(),
            waiting: 0,
            listed: false,
            done: false,
        };
        let Some(list) = list else {
            let at = self.place_of(number);
            let records = [(header, bytes)];
            let needs = self.sink.file(File { number, at, records: &records, whole: true, loaded: &[] });
            if !needs.is_empty() {
                self.jobs.push(Job { listed: true, ..job(Vec::new()) });
                self.load(self.jobs.len() - 1, needs, ask);
            }
            return;
        };
        let index = self.jobs.len();
        self.jobs.push(job(Vec::new()));
        match list.form {
            Form::Resident(value) => self.read_list(index, value),
            Form::NonResident(_) if header.deleted => {}
            Form::NonResident(part) if part.data_size > MAX_LIST_BYTES => {
                let reason = format!("a list of {} bytes; at most {MAX_LIST_BYTES} are read", part.data_size);
                self.sink.gap(Gap::new(GapKind::Limit, LIST, reason).at_inode(number));
            }
            Form::NonResident(part) if !self.reserve(part.data_size) => self.too_much(number, LIST),
            Form::NonResident(part) => {
                let mut pieces = Vec::new();
                match decode_runs(&part, self.geometry.clusters(), &mut pieces) {
                    Ok(()) => {
                        self.left += 1;
                        self.gather(Purpose::List(index), &pieces, 0, part.data_size, ask);
                    }
                    Err(wrong) => self.sink.gap(wrong.to_gap(LIST, number, None)),
                }
            }
        }
    }

    /// Takes a file's attribute list.
    fn read_list(&mut self, job: usize, list: &[u8]) {
        let mut found = Vec::new();
        let number = self.jobs[job].number;
        let read = listed_records(list, &mut found);
        self.jobs[job].listed = read.is_ok();
        if let Err(wrong) = read
            && !self.jobs[job].header.deleted
        {
            self.sink.gap(wrong.to_gap(LIST, number, None));
        }
        found.retain(|reference| reference.number != number);
        self.jobs[job].extensions = found;
    }

    /// Goes on with records that wait, and to the next wave where this one is over.
    fn advance(&mut self, ask: &mut Requests) {
        while self.pieced <= MAX_PIECED_BYTES / 2
            && let Some(run) = self.later.pop_front()
        {
            self.ask_records(run, ask);
        }
        if self.left == 0 && self.wave == Wave::Records {
            self.wave = Wave::Extensions;
            let mut missing = self.missing_extensions(false);
            for number in missing.drain(missing.len().min(MAX_EXTENSIONS)..) {
                let reason = format!("more than {MAX_EXTENSIONS} extension records");
                self.extensions.insert(number, Extension::Failed { kind: GapKind::Limit, reason });
            }
            // Those of deleted files take the room that is left.
            let mut wanted = self.missing_extensions(true);
            wanted.retain(|number| missing.binary_search(number).is_err());
            wanted.truncate(MAX_EXTENSIONS - missing.len());
            missing.append(&mut wanted);
            missing.sort_unstable();
            let named = std::mem::take(&mut self.named);
            for run in runs_of(&missing) {
                self.ask_records(run, ask);
            }
            self.named = named;
        }
        if self.left == 0 && self.wave == Wave::Extensions {
            self.wave = Wave::Rest;
            for job in 0..self.jobs.len() {
                // Files without an attribute list were shown as their records came.
                if !self.jobs[job].done && self.jobs[job].waiting == 0 {
                    self.build(job, ask);
                }
            }
        }
    }

    /// The extension records of files (in use, or deleted ones) that were not passed, ascending.
    fn missing_extensions(&self, deleted: bool) -> Vec<u64> {
        let passed = |number: u64| !self.named && self.records.iter().any(|run| run.contains(&number));
        let jobs = self.jobs.iter().filter(|job| job.header.deleted == deleted);
        let mut missing: Vec<u64> = jobs
            .flat_map(|job| job.extensions.iter().map(|reference| reference.number))
            .filter(|number| !passed(*number) && !self.extensions.contains_key(number))
            .filter(|number| *number < self.geometry.records)
            .collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Shows a file to the sink, with its extension records.
    fn build(&mut self, job: usize, ask: &mut Requests) {
        let Job { number, header, .. } = self.jobs[job];
        let first_time = self.jobs[job].loaded.is_empty();
        let size = self.geometry.record_bytes as usize;
        let mut records = vec![(header, &self.jobs[job].base[..])];
        let mut whole = self.jobs[job].listed;
        for reference in &self.jobs[job].extensions {
            let failed = match self.extensions.get(&reference.number) {
                Some(Extension::Read { header: extension, start }) if extension.deleted == header.deleted => {
                    let counts = |now: u16, then: u16| {
                        then == 0 || now == then || (header.deleted && freed_from(now, then))
                    };
                    let ours = extension
                        .base
                        .is_some_and(|base| base.number == number && counts(header.sequence, base.sequence));
                    if ours && counts(extension.sequence, reference.sequence) {
                        records.push((*extension, &self.extension_bytes[*start..*start + size]));
                        continue;
                    }
                    (GapKind::Corrupt, format!("record {} belongs to another file", reference.number))
                }
                Some(Extension::Failed { kind, reason }) => {
                    (*kind, format!("record {}: {reason}", reference.number))
                }
                Some(Extension::Read { .. }) | None => (
                    GapKind::NotFound,
                    format!("record {} is not an extension record in use", reference.number),
                ),
            };
            whole = false;
            if first_time && !header.deleted {
                self.sink.gap(Gap::new(failed.0, EXTENSION, failed.1).at_inode(number));
            }
        }
        let at = self.place_of(number);
        let needs =
            self.sink.file(File { number, at, records: &records, whole, loaded: &self.jobs[job].loaded });
        self.load(job, needs, ask);
        let job = &mut self.jobs[job];
        if job.waiting == 0 {
            job.done = true;
            (job.base, job.loaded, job.extensions) = (Vec::new(), Vec::new(), Vec::new());
        }
    }

    /// Takes `len` bytes from the room for values, if there is so much.
    fn reserve(&mut self, len: u64) -> bool {
        let left = self.room.checked_sub(len);
        self.room = left.unwrap_or(self.room);
        left.is_some()
    }

    fn too_much(&mut self, number: u64, structure: &'static str) {
        let reason = format!("more than {MAX_LOADED_BYTES} bytes of values outside the MFT");
        self.sink.gap(Gap::new(GapKind::Limit, structure, reason).at_inode(number));
    }

    /// Asks for the values that a sink needs.
    fn load(&mut self, job: usize, needs: Vec<Need>, ask: &mut Requests) {
        // A value is asked for once: a sink that gets it has what it needs.
        let needs: Vec<Need> = needs
            .into_iter()
            .filter(|need| self.jobs[job].loaded.iter().all(|(value, _)| *value != need.value))
            .collect();
        self.jobs[job].waiting += needs.len();
        for need in needs {
            let purpose = Purpose::Value(job, need.value);
            // Compressed values are unpacked unit by unit.
            let len = need.unit_bytes.map_or(need.len, |unit| need.len.next_multiple_of(unit));
            if !self.reserve(len) {
                self.too_much(self.jobs[job].number, need.value.name());
                self.loaded(job, need.value, None, ask);
                continue;
            }
            let pieces = need.pieces.clone();
            self.gather_value(purpose, &pieces, 0, len, Some(need), ask);
        }
    }
}

impl<S: Sink> Machine for Loader<S> {
    fn start(&mut self, ask: &mut Requests) {
        for run in std::mem::take(&mut self.records) {
            self.records.push(run.clone());
            self.ask_records(run, ask);
        }
        self.advance(ask);
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        match self.wants.get(fetched.tag as usize).copied() {
            Some(Want::Records(first)) => {
                self.left -= 1;
                let size = self.geometry.record_bytes as usize;
                let mut scratch = std::mem::take(&mut self.scratch);
                for (number, bytes) in (first..).zip(fetched.bytes.chunks_exact(size)) {
                    let at = fetched.range.start + (number - first) * size as u64;
                    if let Some((bad, error)) = fetched.fault(ByteRange::new(at, size as u64)) {
                        self.unreadable(number, bad.start, error.to_string());
                        continue;
                    }
                    scratch.clear();
                    scratch.extend_from_slice(bytes);
                    self.record(number, &mut scratch, ask);
                }
                self.scratch = scratch;
            }
            Some(Want::Part { gather: index, offset }) => {
                let gather = &mut self.gathers[index];
                gather.bytes.resize(gather.len, 0);
                if let Some(place) = gather.bytes.get_mut(offset..offset + fetched.bytes.len()) {
                    place.copy_from_slice(fetched.bytes);
                }
                if let Some((bad, error)) = fetched.bad.first() {
                    gather.fault = Some((bad.start, error.to_string()));
                }
                gather.left -= 1;
                if gather.left == 0 {
                    self.gathered(index, ask);
                }
            }
            None => {}
        }
        self.advance(ask);
    }
}

impl Malformed {
    /// The gap that records it.
    pub(super) fn to_gap(self, structure: &'static str, number: u64, at: Option<u64>) -> Gap {
        let error = ParseError::corrupt(at.unwrap_or(0), structure, self.expected, self.actual);
        Gap { at, ..error.to_gap() }.at_inode(number)
    }
}

/// Ascending numbers as runs.
fn runs_of(numbers: &[u64]) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some(run) if run.end == number => run.end += 1,
            _ => runs.push(number..number.saturating_add(1)),
        }
    }
    runs
}
