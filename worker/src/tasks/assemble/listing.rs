//! A tree's rows as chunks of the listing.
//!
//! One thread walks the rows and cuts them into chunks; as many others as the task has name, compress and send
//! the chunks, which costs more than making them.

use super::super::{Job, TaskError, content::Digests};
use coldread_fsparse::tree::{Tree, for_each_row};
use coldread_model::{
    FileKind, Gap, GapKind, ObjectKind, RowFlags, Sha256Digest,
    listing::{CutChunk, DigestColumn, ListingWriter},
    manifest::ChunkRef,
    task::AssembledVolume,
};
use std::{
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
    digests: Option<Vec<Option<Sha256Digest>>>,
}

/// Writes all rows of a tree as chunks, with digests where they are known. The gaps tell what rows lack.
pub(super) fn write(
    tree: &Tree<'_>,
    digests: Option<&Digests<'_>>,
    job: &Job<'_>,
    assembled: &mut AssembledVolume,
) -> Result<Vec<Gap>, TaskError> {
    let (sender, receiver) = sync_channel(job.threads * CHUNKS_AHEAD);
    let (receiver, failed) = (Mutex::new(receiver), AtomicBool::new(false));
    let (gaps, sent) = thread::scope(|scope| {
        let senders: Vec<_> =
            (0..job.threads).map(|_| scope.spawn(|| send_all(&receiver, job, &failed))).collect();
        // The sender ends with it, and so do the threads when they have sent everything.
        let gaps = cut_all(tree, digests, sender, &failed);
        let panicked = || Err(TaskError::Invalid("a listing thread ended without a result".to_owned()));
        let sent: Vec<_> =
            senders.into_iter().map(|thread| thread.join().unwrap_or_else(|_| panicked())).collect();
        (gaps, sent)
    });
    let sent = sent.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut chunks: Vec<(usize, ChunkRef)> = sent.into_iter().flatten().collect();
    chunks.sort_unstable_by_key(|(place, _)| *place);
    assembled.rows += chunks.iter().map(|(_, chunk)| u64::from(chunk.rows)).sum::<u64>();
    assembled.chunks.extend(chunks.into_iter().map(|(_, chunk)| chunk));
    Ok(gaps)
}

/// Walks the rows and cuts them into chunks, until one could not be sent.
fn cut_all(
    tree: &Tree<'_>,
    digests: Option<&Digests<'_>>,
    sender: SyncSender<Cut>,
    failed: &AtomicBool,
) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut writer = ListingWriter::new();
    let mut column: Vec<Option<Sha256Digest>> = Vec::new();
    let mut place = 0;
    // The threads take chunks until the end, whatever becomes of them: sending does not fail.
    let send = move |cut| sender.send(cut).unwrap_or_default();
    let bare = for_each_row(tree, |row, _, stream| {
        if failed.load(Ordering::Relaxed) {
            return;
        }
        let mut row = *row;
        if row.stable.xattrs.len() > MAX_XATTR_BYTES {
            let reason = format!("{} bytes of attributes are not listed", row.stable.xattrs.len());
            gaps.push(Gap::new(GapKind::Limit, "extended attributes", reason).at_inode(row.volatile.inode));
            row.stable.xattrs = b"";
        }
        if let Some(digests) = digests {
            let hashed = row.stable.kind == FileKind::File
                && stream.is_some()
                && !row.stable.flags.contains(RowFlags::INTERNAL);
            column.push(if hashed { digests.get(row.volatile.inode, row.stable.stream) } else { None });
        }
        if let Some(chunk) = writer.push(&row) {
            let digests = digests.map(|_| std::mem::take(&mut column));
            send(Cut { place, chunk, digests });
            place += 1;
        }
    });
    if let Some(chunk) = writer.finish() {
        send(Cut { place, chunk, digests: digests.map(|_| column) });
    }
    if bare > 0 {
        let reason = format!("{bare} further names of files are listed without attributes and streams");
        gaps.push(Gap::new(GapKind::Limit, "directory", reason));
    }
    gaps
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
        match put(cut, job) {
            Ok(chunk) => list.push((place, chunk)),
            Err(error) => {
                failed.store(true, Ordering::Relaxed);
                sent = Err(error);
            }
        }
    }
}

fn put(cut: Cut, job: &Job<'_>) -> Result<ChunkRef, TaskError> {
    job.check()?;
    let put = |kind, bytes| job.context.put_object(kind, bytes);
    let digests = cut
        .digests
        .map(|column| put(ObjectKind::ListingDigests, DigestColumn(column).encode()))
        .transpose()?;
    Ok(ChunkRef {
        stable: put(ObjectKind::ListingStable, cut.chunk.stable)?,
        volatile: put(ObjectKind::ListingVolatile, cut.chunk.volatile)?,
        digests,
        rows: cut.chunk.rows,
    })
}
