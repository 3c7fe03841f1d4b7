//! A tree's rows as chunks of the listing.

use super::super::{Job, TaskError, content::Digests};
use coldread_fsparse::tree::{Tree, for_each_row};
use coldread_model::{
    FileKind, ObjectKind, RowFlags, Sha256Digest,
    listing::{CutChunk, DigestColumn, ListingWriter},
    manifest::ChunkRef,
    task::AssembledVolume,
};

/// Writes all rows of a tree as chunks, with digests where they are known.
pub(super) fn write(
    tree: &Tree<'_>,
    digests: Option<&Digests<'_>>,
    job: &Job<'_>,
    assembled: &mut AssembledVolume,
) -> Result<(), TaskError> {
    let mut writer = ListingWriter::new();
    let mut column: Vec<Option<Sha256Digest>> = Vec::new();
    let mut failed = None;
    for_each_row(tree, |row, _, stream| {
        if failed.is_some() {
            return;
        }
        if let Some(digests) = digests {
            let hashed = row.stable.kind == FileKind::File
                && stream.is_some()
                && !row.stable.flags.intersects(RowFlags::INTERNAL | RowFlags::DELETED);
            column.push(if hashed { digests.get(row.volatile.inode, row.stable.stream) } else { None });
        }
        if let Some(chunk) = writer.push(row) {
            failed = put(chunk, digests.map(|_| std::mem::take(&mut column)), job, assembled).err();
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if let Some(chunk) = writer.finish() {
        put(chunk, digests.map(|_| column), job, assembled)?;
    }
    Ok(())
}

fn put(
    chunk: CutChunk,
    column: Option<Vec<Option<Sha256Digest>>>,
    job: &Job<'_>,
    assembled: &mut AssembledVolume,
) -> Result<(), TaskError> {
    job.check()?;
    let put = |kind, bytes| job.context.put_object(kind, bytes);
    let digests =
        column.map(|column| put(ObjectKind::ListingDigests, DigestColumn(column).encode())).transpose()?;
    assembled.chunks.push(ChunkRef {
        stable: put(ObjectKind::ListingStable, chunk.stable)?,
        volatile: put(ObjectKind::ListingVolatile, chunk.volatile)?,
        digests,
        rows: chunk.rows,
    });
    assembled.rows += u64::from(chunk.rows);
    Ok(())
}
