//! A tree's rows as chunks of the listing.
//!
//! One thread walks the rows and cuts them into chunks; as many others as the task has name, compress and send
//! the chunks, which costs more than making them. Digests are columns of their own: they follow when contents are
//! hashed, which the disk is busy with meanwhile.

use super::super::{
    Job, TaskError,
    content::{Digests, NO_STREAM},
};
use coldread_fsparse::{
    survey::Stream,
    tree::{Tree, for_each_row},
};
use coldread_model::{
    FileKind, Gap, GapKind, ObjectId, ObjectKind, RowFlags,
    listing::{CutChunk, DigestColumn, ListingWriter},
    manifest::ChunkRef,
};
use std::{
    cmp::Reverse,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

/// Attributes that one row shows; the kernel's `listxattr` gives 64 KiB of names, each with 64 KiB at most,
/// and a chunk of the listing must fit into one message.
const MAX_XATTR_BYTES: usize = 4 << 20;
/// Chunks that wait for each thread that sends them.
const CHUNKS_AHEAD: usize = 4;

/// A chunk on its way to the store.
struct Cut {
    /// Its place among the volume's chunks.
    place: usize,
    chunk: CutChunk,
}

/// A volume's rows, written.
#[derive(Default)]
pub(super) struct Written {
    /// The chunks, in order.
    pub(super) chunks: Vec<ChunkRef>,
    /// What the rows lack.
    pub(super) gaps: Vec<Gap>,
    /// Of all chunks' rows, one after the other, which stream's digest is theirs, by its index in the survey, or
    /// [`NO_STREAM`]; nothing where there will be none.
    hashed: Vec<u32>,
}

/// Writes all rows of a tree as chunks, without digests; notes what those would be of if there will be any.
pub(super) fn write(tree: &Tree<'_>, will_hash: bool, job: &Job<'_>) -> Result<Written, TaskError> {
    let (sender, receiver) = sync_channel(job.threads * CHUNKS_AHEAD);
    let (receiver, failed) = (Mutex::new(receiver), AtomicBool::new(false));
    let ((gaps, hashed), sent) = thread::scope(|scope| {
        let senders: Vec<_> =
            (0..job.threads).map(|_| scope.spawn(|| send_all(&receiver, job, &failed))).collect();
        // The sender ends with it, and so do the threads when they have sent everything.
        let cut = cut_all(tree, will_hash, sender, &failed);
        let panicked = || Err(TaskError::Invalid("a listing thread ended without a result".to_owned()));
        let sent: Vec<_> =
            senders.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panicked())).collect();
        (cut, sent)
    });
    let sent = sent.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut chunks: Vec<(usize, ChunkRef)> = sent.into_iter().flatten().collect();
    chunks.sort_unstable_by_key(|(place, _)| *place);
    Ok(Written { chunks: chunks.into_iter().map(|(_, chunk)| chunk).collect(), gaps, hashed })
}

impl Written {
    /// The columns of digests of all chunks, which are to be written.
    pub(super) fn columns(&mut self, digests: &Digests) -> Columns<'_> {
        let mut rest = &self.hashed[..];
        let columns = self.chunks.iter_mut().map(|chunk| {
            let (rows, later) = rest.split_at((chunk.rows as usize).min(rest.len()));
            rest = later;
            let needed = rows.iter().map(|stream| digests.needed(*stream)).max().unwrap_or(0);
            Column { needed, rows, written: &mut chunk.digests }
        });
        let mut waiting: Vec<_> = columns.collect();
        waiting.sort_by_key(|column| Reverse(column.needed));
        Columns { waiting }
    }
}

/// Columns of digests that are not written yet; the last one is the first to be complete.
pub(super) struct Columns<'a> {
    waiting: Vec<Column<'a>>,
}

struct Column<'a> {
    /// So many places of the plan have to be known.
    needed: usize,
    /// Of each row the stream, or [`NO_STREAM`].
    rows: &'a [u32],
    written: &'a mut Option<ObjectId>,
}

impl Column<'_> {
    fn put(self, digests: &Digests, job: &Job<'_>) -> Result<(), TaskError> {
        job.check()?;
        let column = DigestColumn(self.rows.iter().map(|stream| digests.get(*stream)).collect());
        *self.written = Some(job.context.put_object(ObjectKind::ListingDigests, &column.encode())?);
        Ok(())
    }
}

impl Columns<'_> {
    /// Writes one of which all is known; false where there is none.
    pub(super) fn put_known(&mut self, digests: &Digests, job: &Job<'_>) -> Result<bool, TaskError> {
        let Some(column) = self.waiting.pop_if(|column| column.needed <= digests.known()) else {
            return Ok(false);
        };
        column.put(digests, job)?;
        Ok(true)
    }

    /// Writes all that are left, on all threads; digests that are not known there never will be.
    pub(super) fn put_rest(mut self, digests: &Digests, job: &Job<'_>) -> Result<(), TaskError> {
        let share = self.waiting.len().div_ceil(job.threads).max(1);
        let one =
            |columns: Vec<Column<'_>>| columns.into_iter().try_for_each(|column| column.put(digests, job));
        let one = &one;
        thread::scope(|scope| {
            let mut running = Vec::new();
            while !self.waiting.is_empty() {
                let part = self.waiting.split_off(self.waiting.len().saturating_sub(share));
                running.push(scope.spawn(move || one(part)));
            }
            let panicked = || Err(TaskError::Invalid("a listing thread ended without a result".to_owned()));
            running.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| panicked()))
        })
    }
}

/// Walks the rows and cuts them into chunks, until one could not be sent. Gives what rows lack, and what the digests
/// of each chunk's rows are of.
fn cut_all(
    tree: &Tree<'_>,
    will_hash: bool,
    sender: SyncSender<Cut>,
    failed: &AtomicBool,
) -> (Vec<Gap>, Vec<u32>) {
    let mut gaps = Vec::new();
    let mut writer = ListingWriter::new();
    let mut of_rows = Vec::new();
    let mut chunks = 0;
    let survey = tree.survey();
    // The threads take chunks until the end, whatever becomes of them: sending does not fail.
    let send = move |cut| sender.send(cut).unwrap_or_default();
    let bare = for_each_row(tree, |row, inode, stream| {
        if failed.load(Ordering::Relaxed) {
            return;
        }
        let mut row = *row;
        if row.stable.xattrs.len() > MAX_XATTR_BYTES {
            let reason = format!("{} bytes of attributes are not listed", row.stable.xattrs.len());
            gaps.push(Gap::new(GapKind::Limit, "extended attributes", reason).at_inode(row.volatile.inode));
            row.stable.xattrs = b"";
        }
        if will_hash {
            let hashed = row.stable.kind == FileKind::File && !row.stable.flags.contains(RowFlags::INTERNAL);
            let index = |stream: &Stream| {
                let inode = tree.inode(inode);
                let mut all = survey.streams_of(inode).iter().zip(inode.streams.first..);
                all.find_map(|(one, index)| std::ptr::eq(one, stream).then_some(index))
            };
            of_rows.push(stream.filter(|_| hashed).and_then(index).unwrap_or(NO_STREAM));
        }
        if let Some(chunk) = writer.push(&row) {
            send(Cut { place: chunks, chunk });
            chunks += 1;
        }
    });
    if let Some(chunk) = writer.finish() {
        send(Cut { place: chunks, chunk });
    }
    if bare > 0 {
        let reason = format!("{bare} further names of files are listed without attributes and streams");
        gaps.push(Gap::new(GapKind::Limit, "directory", reason));
    }
    (gaps, of_rows)
}

/// Sends chunks until there are no more. After a failure of any thread the rest is taken and dropped, so that
/// nobody waits for room.
fn send_all(
    chunks: &Mutex<Receiver<Cut>>,
    job: &Job<'_>,
    failed: &AtomicBool,
) -> Result<Vec<(usize, ChunkRef)>, TaskError> {
    let mut sent = Ok(Vec::new());
    loop {
        let next = chunks.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(cut) = next else { return sent };
        let Ok(list) = &mut sent else { continue };
        if failed.load(Ordering::Relaxed) {
            continue;
        }
        let place = cut.place;
        match put(&cut, job) {
            Ok(chunk) => list.push((place, chunk)),
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                sent = Err(error);
            }
        }
    }
}

fn put(cut: &Cut, job: &Job<'_>) -> Result<ChunkRef, TaskError> {
    job.check()?;
    let put = |kind, bytes: &[u8]| job.context.put_object(kind, bytes);
    Ok(ChunkRef {
        stable: put(ObjectKind::ListingStable, &cut.chunk.stable)?,
        volatile: put(ObjectKind::ListingVolatile, &cut.chunk.volatile)?,
        digests: None,
        rows: cut.chunk.rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        memory::Memory,
        tasks::{content::Hashed, disks::Disks, in_memory::Objects},
    };
    use coldread_model::{ObjectKind, Sha256Digest};

    #[test]
    fn a_column_is_written_as_soon_as_all_its_digests_are_known() {
        let none = ObjectId::of(ObjectKind::Gaps, b"");
        let chunk = |rows| ChunkRef { stable: none, volatile: none, digests: None, rows };
        let mut written = Written {
            chunks: vec![chunk(3), chunk(2), chunk(1), chunk(2)],
            gaps: Vec::new(),
            // The first chunk has the last place, the third none.
            hashed: vec![0, NO_STREAM, 3, 1, 1, NO_STREAM, 2, 4],
        };
        let mut digests = Digests::expected(5, [1, 2, 4, 0, 3].iter());
        let (context, disks) = (Objects::default(), Disks::within(1 << 20));
        let job = Job { disks: &disks, threads: 2, memory: Memory::of(1), context: &context };
        let mut columns = written.columns(&digests);
        let mut put = |digests: &Digests| {
            let all = std::iter::from_fn(|| columns.put_known(digests, &job).unwrap().then_some(()));
            all.count()
        };
        assert_eq!(put(&digests), 1);
        for (first, bytes, columns) in [(0, &[5][..], 1), (2, &[7], 0), (1, &[6], 1), (3, &[8], 0)] {
            digests.add(Hashed::of(first, bytes));
            assert_eq!(put(&digests), columns, "place {first}");
        }
        // The last place could not be read.
        digests.add(Hashed::of(4, &[0]));
        columns.put_rest(&digests, &job).unwrap();
        let column = |bytes: &[u8]| {
            let digest = |byte: &u8| Some(Sha256Digest([*byte; 32])).filter(|_| *byte > 0);
            let column = DigestColumn(bytes.iter().map(digest).collect()).encode();
            Some(ObjectId::of(ObjectKind::ListingDigests, &column))
        };
        let found: Vec<_> = written.chunks.iter().map(|chunk| chunk.digests).collect();
        assert_eq!(found, [column(&[8, 0, 0]), column(&[5, 5]), column(&[0]), column(&[6, 7])]);
    }
}
