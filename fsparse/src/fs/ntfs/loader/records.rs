//! Asking for records and taking them.

use super::{
    super::record::{RecordHeader, RecordState},
    super::runs::locate,
    Loader, MAX_PIECED_BYTES, Purpose, Sink, Want, Wave,
};
use crate::machine::{Fetched, Requests};
use coldread_model::{ByteRange, Gap, GapKind};
use std::{ops::Range, sync::Arc};

/// Bytes of one request for MFT records.
const TABLE_BYTES: u64 = 1 << 20;

const RECORD: &str = "MFT record";

impl<S: Sink> Loader<S> {
    /// Asks for a run of records, whole ones in large requests, those in pieces piece by piece.
    pub(super) fn ask_records(&mut self, run: Range<u64>, ask: &mut Requests) {
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
                    self.want(Want::Records(number), ByteRange::new(range.start, count * size), ask);
                    number += count;
                }
                _ if self.pieced >= MAX_PIECED_BYTES => {
                    self.left -= 1;
                    self.later.push_back(number..run.end.min(self.geometry.records));
                    break;
                }
                _ => {
                    self.pieced += size;
                    self.gather(Purpose::Record(number), &mft, at, size, None, ask);
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

    /// Takes records that lie next to each other.
    pub(super) fn take_records(&mut self, first: u64, fetched: &Fetched<'_>, ask: &mut Requests) {
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

    pub(super) fn unreadable(&mut self, number: u64, at: u64, reason: String) {
        if self.wave == Wave::Records {
            let size = u64::from(self.geometry.record_bytes);
            if let Some(start) = self.place_of(number) {
                self.sink.damaged(ByteRange::new(start, size));
            }
            self.sink.gap(Gap::new(GapKind::Io, RECORD, reason.clone()).at_inode(number).at_byte(at));
        }
        self.extensions.fail(number, GapKind::Io, reason);
    }

    fn not_found(&mut self, number: u64, reason: &str) {
        self.sink.gap(Gap::new(GapKind::NotFound, RECORD, reason).at_inode(number));
    }

    /// Takes one record's bytes.
    pub(super) fn record(&mut self, number: u64, bytes: &mut [u8], ask: &mut Requests) {
        match RecordHeader::parse(bytes) {
            Err(wrong) => {
                if self.wave == Wave::Records {
                    let at = self.place_of(number).unwrap_or(0);
                    self.sink.damaged(ByteRange::new(at, bytes.len() as u64));
                    self.sink.gap(wrong.to_gap(RECORD, number, Some(at)));
                }
                let reason = format!("expected {}, found {}", wrong.expected, wrong.actual);
                self.extensions.fail(number, GapKind::Corrupt, reason);
            }
            Ok(RecordState::Free | RecordState::Deleted(_)) if self.named && self.wave == Wave::Records => {
                self.not_found(number, "it is not in use");
            }
            Ok(RecordState::InUse(header) | RecordState::Deleted(header)) if header.base.is_some() => {
                if self.named && self.wave == Wave::Records {
                    self.not_found(number, "it extends another record");
                }
                self.extensions.keep(number, header, bytes);
            }
            Ok(RecordState::InUse(header) | RecordState::Deleted(header)) if self.wave == Wave::Records => {
                self.base(number, header, bytes, ask);
            }
            // Free, or a base record that an attribute list names: `build` says so.
            Ok(RecordState::Free | RecordState::Deleted(_) | RecordState::InUse(_)) => {}
        }
    }
}
