//! Reading what can be read: short reads, interruptions and bad sectors.

use super::{
    file::{DiskFile, RawRead},
    waiting::Part,
};
use coldread_fsparse::source::SourceError;
use coldread_model::ByteRange;
use std::io;

/// A read that answers "try again" is tried so often, a millisecond apart.
const MAX_TRIES: u32 = 100;

/// Errors that can be one sector's alone: the rest of a read may still be had. `ENODATA` and `EILSEQ` are
/// the block layer's medium and protection errors (`blk_errors` in block/blk-core.c of Linux); `EUCLEAN`
/// and `EBADMSG` are checksum errors of the file system that holds an image.
pub(super) fn is_local(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EIO
                | libc::ENODATA
                | libc::EILSEQ
                | libc::EREMOTEIO
                | libc::ETIMEDOUT
                | libc::EUCLEAN
                | libc::EBADMSG
        )
    )
}

/// Where the last of `parts` ends.
pub(super) fn wanted_end(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.range.end()).max().unwrap_or(0)
}

/// Reads `span` (whole blocks) up to `end` into `room`, whose first byte is the span's, going on from the
/// first `done` bytes that are there already. Returns what could not be read, in order and disjoint.
///
/// After an error that can be one sector's, the rest is halved down to single blocks; any other error is
/// the error of everything that is still missing.
pub(super) fn read(
    raw: &dyn RawRead,
    file: &DiskFile,
    room: &mut [u8],
    span: ByteRange,
    end: u64,
    done: usize,
) -> Vec<(ByteRange, SourceError)> {
    let len = (span.len as usize).min(room.len());
    let room = &mut room[..len];
    let need = (end.saturating_sub(span.start) as usize).min(len);
    let block = file.block() as usize;
    let mut bad: Vec<(ByteRange, SourceError)> = Vec::new();
    let mut fail = |from: usize, to: usize, reason: String| {
        let range = ByteRange::new(span.start + from as u64, (to - from) as u64);
        let joins = |(last, error): &(ByteRange, SourceError)| {
            last.end() == range.start
                && matches!(error, SourceError::Io { reason: before, .. } if *before == reason)
        };
        if bad.last().is_some_and(joins)
            && let Some((last, error)) = bad.last_mut()
        {
            *last = ByteRange::between(last.start, range.end());
            *error = file.error(*last, reason);
        } else {
            bad.push((range, file.error(range, reason)));
        }
    };
    // The stretches still to be read, the next on top.
    let mut todo = vec![(done - done % block, len)];
    while let Some((from, to)) = todo.pop() {
        if from >= need || from >= to {
            continue;
        }
        let (at, stop) = fill(raw, &mut room[..to], span.start, from, need);
        match stop {
            None => {}
            Some(Stop::End) => {
                fail(
                    at,
                    need,
                    format!("it ends at {}: it has shrunk since it was opened", span.start + at as u64),
                );
                break;
            }
            Some(Stop::Error(error)) if !is_local(&error) => {
                fail(at, need, error.to_string());
                break;
            }
            Some(Stop::Error(error)) => {
                let from = at - at % block;
                let blocks = (to - from).div_ceil(block);
                if blocks <= 1 {
                    fail(at, to.min(need), error.to_string());
                } else {
                    let middle = from + blocks / 2 * block;
                    todo.push((middle, to));
                    todo.push((from, middle));
                }
            }
        }
    }
    bad
}

/// Why a stretch was not filled.
enum Stop {
    End,
    Error(io::Error),
}

/// Reads `room[from..]` until `need` is met or the room is full. Returns how far it came.
fn fill(raw: &dyn RawRead, room: &mut [u8], start: u64, from: usize, need: usize) -> (usize, Option<Stop>) {
    let need = need.min(room.len());
    let mut at = from;
    let mut reached = from;
    let mut tries = 0;
    while reached < need {
        match raw.read_at(&mut room[at..], start + at as u64) {
            Ok(0) => return (reached, Some(Stop::End)),
            Ok(count) => {
                reached = reached.max(at + count.min(room.len() - at));
                // Past the page cache a read goes on at a block's start only; within a block is the end.
                let next = reached - reached % raw.alignment();
                if next <= at && reached < need {
                    return (reached, Some(Stop::End));
                }
                at = next;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && tries < MAX_TRIES => {
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            Err(error) => return (at, Some(Stop::Error(error))),
        }
    }
    (reached, None)
}
