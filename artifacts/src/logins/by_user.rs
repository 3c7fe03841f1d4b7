//! Files that hold a record of one size for each user, at the place of its number.
//!
//! A user with a high number makes such a file claim terabytes, all of it holes: only the parts that hold
//! data are read.

use super::window::Span;
use crate::{Input, Output, input::EVENTS_PER_FILE, view::ViewError};
use coldread_model::{GapKind, LoginEvent, LoginSource, Timestamp};

/// Records read at a time.
const BATCH: u64 = 256;

/// Bytes that are read at most, holes apart: 14 million users.
const MAX_BYTES: u64 = 4 << 30;

/// Reads all records of `size` bytes: `event` makes of a record and its user's number what it tells, if it
/// tells anything.
pub(super) fn each_record(
    input: &mut Input<'_>,
    size: u64,
    (source, structure): (LoginSource, &str),
    event: &mut dyn FnMut(&[u8], u64) -> Option<LoginEvent>,
    out: &mut dyn Output,
) {
    let place = input.place();
    let len = input.view.len();
    let segments = input.view.data_segments().to_vec();
    let (mut next, mut room, mut span) = (0, MAX_BYTES / size, Span::new(source));
    let mut batch = vec![0; (BATCH * size) as usize];
    for segment in segments {
        let end = segment.end().min(len).div_ceil(size).min(len / size);
        let mut index = next.max(segment.start / size);
        while index < end {
            if room == 0 || span.records() >= EVENTS_PER_FILE {
                out.gap(place.gap(GapKind::Limit, structure, format!("not read from record {index} on")));
                span.finish(&place, out);
                return;
            }
            let count = BATCH.min(end - index).min(room);
            let wanted = &mut batch[..(count * size) as usize];
            if let Err(error) = read_exactly(input, index * size, wanted) {
                out.gap(place.view_gap(structure, &error));
            }
            for (record, uid) in wanted.chunks_exact(size as usize).zip(index..) {
                if let Some(event) = event(record, uid) {
                    span.take(event.time);
                    out.login(event);
                }
            }
            room -= count;
            index += count;
        }
        next = next.max(end);
    }
    if !len.is_multiple_of(size) {
        let reason = format!("byte {}: the last record has {} bytes only", len / size * size, len % size);
        out.gap(place.gap(GapKind::Corrupt, structure, reason));
    }
    span.finish(&place, out);
}

/// So many records show how a file was written.
const SAMPLE: usize = 64;

/// Records that are not empty from the start of each part that holds data; what cannot be read is left out.
pub(super) fn sample(input: &mut Input<'_>, size: u64) -> Vec<u8> {
    let len = input.view.len();
    let segments = input.view.data_segments().to_vec();
    let (mut sample, mut batch) = (Vec::new(), vec![0; (BATCH * size) as usize]);
    for segment in segments.into_iter().take(SAMPLE) {
        let first = segment.start / size;
        let end = segment.end().min(len).div_ceil(size).min(len / size);
        let wanted = &mut batch[..(BATCH.min(end.saturating_sub(first)) * size) as usize];
        if read_exactly(input, first * size, wanted).is_err() {
            continue;
        }
        let records = wanted.chunks_exact(size as usize);
        for record in records.filter(|record| record.iter().any(|byte| *byte != 0)) {
            if sample.len() >= SAMPLE * size as usize {
                return sample;
            }
            sample.extend_from_slice(record);
        }
    }
    sample
}

/// Seconds since 1970 from 1990 to 2038: what lies outside was hardly written in this order of bytes.
const LIKELY: std::ops::Range<i64> = 631_152_000..1 << 31;

/// No login is later than its file's last change, but for clocks that differ.
const DAY: i64 = 86_400;

/// Whether more of these records of `size` bytes have a likely time if the machine wrote the high byte first. `seconds`
/// is a record's time in that order, or in the other. No record tells the order itself.
pub(super) fn is_big_endian(
    records: &[u8],
    size: u64,
    changed: Timestamp,
    seconds: impl Fn(&[u8], bool) -> i64,
) -> bool {
    let seen = changed.seconds;
    let last = if LIKELY.contains(&seen) { seen + DAY } else { LIKELY.end };
    let [little, big] = [false, true].map(|big_endian| {
        let records = records.chunks_exact(size as usize);
        records.filter(|record| (LIKELY.start..last).contains(&seconds(record, big_endian))).count()
    });
    big > little
}

/// Fills `out`; what could not be read is zero, which no record is.
fn read_exactly(input: &mut Input<'_>, offset: u64, out: &mut [u8]) -> Result<(), ViewError> {
    let result = input.view.read_at(offset, out);
    let got = result.as_ref().map_or(0, |got| *got).min(out.len());
    out[got..].fill(0);
    result.map(|_| ())
}
