//! Putting files together: what takes more than a base record waits here for the rest.

use super::{
    super::{
        record::{Form, RecordHeader, Reference, listed_records},
        runs::decode_runs,
        value::{Loaded, Need, Value},
    },
    File, LIST, Loader, MAX_LOADED_BYTES, Purpose, Sink,
};
use crate::machine::Requests;
use coldread_model::{Gap, GapKind};

/// Bytes that an attribute list has at most (Flatcap NTFS documentation, "$ATTRIBUTE_LIST").
const MAX_LIST_BYTES: u64 = 256 << 10;

const EXTENSION: &str = "MFT extension record";

/// A file that takes more than its base record.
pub(super) struct Job {
    pub(super) number: u64,
    pub(super) header: RecordHeader,
    pub(super) base: Vec<u8>,
    pub(super) extensions: Vec<Reference>,
    pub(super) loaded: Vec<Loaded>,
    pub(super) waiting: usize,
    /// Its attribute list was read to the end.
    pub(super) listed: bool,
    /// The sink has all of it.
    pub(super) done: bool,
}

impl<S: Sink> Loader<S> {
    /// Takes a base record.
    pub(super) fn base(&mut self, number: u64, header: RecordHeader, bytes: &[u8], ask: &mut Requests) {
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
        let Some(list) = header.list(bytes) else {
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
                        self.gather(Purpose::List(index), &pieces, 0, part.data_size, None, ask);
                    }
                    Err(wrong) => self.sink.gap(wrong.to_gap(LIST, number, None)),
                }
            }
        }
    }

    /// Takes a file's attribute list.
    pub(super) fn read_list(&mut self, job: usize, list: &[u8]) {
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

    /// The extension records of files (in use, or deleted ones) that were not passed, ascending.
    pub(super) fn missing_extensions(&self, deleted: bool) -> Vec<u64> {
        let passed = |number: u64| !self.named && self.records.iter().any(|run| run.contains(&number));
        let jobs = self.jobs.iter().filter(|job| job.header.deleted == deleted);
        let mut missing: Vec<u64> = jobs
            .flat_map(|job| job.extensions.iter().map(|reference| reference.number))
            .filter(|number| !passed(*number) && !self.extensions.is_known(*number))
            .filter(|number| *number < self.geometry.records)
            .collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Shows a file to the sink, with its extension records.
    pub(super) fn build(&mut self, job: usize, ask: &mut Requests) {
        let Job { number, header, .. } = self.jobs[job];
        let first_time = self.jobs[job].loaded.is_empty();
        let mut records = vec![(header, &self.jobs[job].base[..])];
        let mut whole = self.jobs[job].listed;
        for &reference in &self.jobs[job].extensions {
            match self.extensions.of_file(number, &header, reference) {
                Ok(record) => records.push(record),
                Err((kind, reason)) => {
                    whole = false;
                    if first_time && !header.deleted {
                        self.sink.gap(Gap::new(kind, EXTENSION, reason).at_inode(number));
                    }
                }
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

    /// Takes a file's value and shows the file to the sink once none is missing.
    pub(super) fn loaded(&mut self, job: usize, value: Value, bytes: Option<Vec<u8>>, ask: &mut Requests) {
        self.jobs[job].loaded.push((value, bytes));
        self.jobs[job].waiting -= 1;
        if self.jobs[job].waiting == 0 {
            self.build(job, ask);
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
            self.gather(purpose, &pieces, 0, len, Some(need), ask);
        }
    }
}
