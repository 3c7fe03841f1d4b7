//! A tree's rows as chunks of the listing.

use super::super::{Job, TaskError, content::Digests};
use coldread_fsparse::tree::{Tree, for_each_row};
use coldread_model::{
    FileKind, Gap, GapKind, ObjectKind, RowFlags, Sha256Digest,
    listing::{CutChunk, DigestColumn, ListingWriter},
    manifest::ChunkRef,
    task::AssembledVolume,
};

/// Attributes that one row shows; the kernel's `listxattr` gives 64 KiB of names, each with 64 KiB at most,
/// and a chunk of the listing must fit into one message.
const MAX_XATTR_BYTES: usize = 4 << 20;

/// Writes all rows of a tree as chunks, with digests where they are known. The gaps tell what rows lack.
pub(super) fn write(
    tree: &Tree<'_>,
    digests: Option<&Digests<'_>>,
    job: &Job<'_>,
    assembled: &mut AssembledVolume,
) -> Result<Vec<Gap>, TaskError> {
    let mut gaps = Vec::new();
    let mut writer = ListingWriter::new();
    let mut column: Vec<Option<Sha256Digest>> = Vec::new();
    let mut failed = None;
    let bare = for_each_row(tree, |row, _, stream| {
        if failed.is_some() {
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
            failed = put(chunk, digests.map(|_| std::mem::take(&mut column)), job, assembled).err();
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    if let Some(chunk) = writer.finish() {
        put(chunk, digests.map(|_| column), job, assembled)?;
    }
    if bare > 0 {
        let reason = format!("{bare} further names of files are listed without attributes and streams");
        gaps.push(Gap::new(GapKind::Limit, "directory", reason));
    }
    Ok(gaps)
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
