//! Loads MFT records with everything that belongs to them: extension records, wherever they lie, and the few
//! values outside the MFT that decide what a file is. What comes of a file is up to a [`Sink`].
//!
//! Two waves: the records asked for, then all extension records that are missing at once. Values outside
//! the MFT are fetched as soon as a file's records are complete.
//!
//! It is one type in several files: `records` asks for records and takes them, `files` puts files together and loads
//! values for them, `gather` holds what comes in several parts, `extensions` the extension records.

mod extensions;
mod files;
mod gather;
mod records;

use super::{
    geometry::{Geometry, pieces_of},
    record::RecordHeader,
    runs::{Piece, locate},
    value::{Loaded, Need},
};
use crate::{
    machine::{Fetched, Machine, Requests},
    slab::Slab,
};
use coldread_model::{ByteRange, Gap, GapKind};
use extensions::Extensions;
use files::Job;
use gather::{Gathered, Gathers, Purpose};
use std::{collections::VecDeque, ops::Range, sync::Arc};

/// Extension records that one machine fetches at most, besides those it passes anyway.
const MAX_EXTENSIONS: usize = 1 << 18;

/// Bytes of attribute lists and other values that one machine loads at most: a hostile volume can let every
/// record refer to the same clusters.
const MAX_LOADED_BYTES: u64 = 256 << 20;

/// Bytes of records in several pieces that are put together at a time: all of an MFT may be so.
const MAX_PIECED_BYTES: u64 = 32 << 20;

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
    wants: Slab<Want>,
    gathers: Gathers,
    jobs: Vec<Job>,
    extensions: Extensions,
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
            wants: Slab::default(),
            gathers: Gathers::default(),
            jobs: Vec::new(),
            extensions: Extensions::default(),
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

    /// The place on the volume of a record's first byte.
    fn place_of(&self, number: u64) -> Option<u64> {
        let at = number.checked_mul(u64::from(self.geometry.record_bytes))?;
        locate(&self.mft, at, 1).next().map(|(_, range)| range.start)
    }

    fn want(&mut self, want: Want, range: ByteRange, ask: &mut Requests) {
        ask.push(self.wants.insert(want) as u64, range);
    }

    /// Asks for `len` bytes of a value from `start`.
    fn gather(
        &mut self,
        purpose: Purpose,
        pieces: &[Piece],
        start: u64,
        len: u64,
        need: Option<Need>,
        ask: &mut Requests,
    ) {
        let parts = locate(pieces, start, len).count();
        if parts == 0 {
            let bytes = vec![0; len as usize];
            self.gathered(Gathered { purpose, bytes, fault: None, need }, ask);
            return;
        }
        let gather = self.gathers.begin(purpose, len as usize, parts, need);
        for (offset, range) in locate(pieces, start, len) {
            self.want(Want::Part { gather, offset: (offset - start) as usize }, range, ask);
        }
    }

    /// All parts of a value are there.
    fn gathered(&mut self, whole: Gathered, ask: &mut Requests) {
        let Gathered { purpose, mut bytes, fault, need } = whole;
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
                self.extensions.fail(number, GapKind::Limit, reason);
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
        match self.wants.remove(fetched.tag as usize) {
            Some(Want::Records(first)) => self.take_records(first, &fetched, ask),
            Some(Want::Part { gather, offset }) => {
                if let Some(whole) = self.gathers.put(gather, offset, &fetched) {
                    self.gathered(whole, ask);
                }
            }
            None => {}
        }
        self.advance(ask);
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
