//! Joining digests to a listing: the content shards' results become the third column of each chunk.

use coldread_model::{
    ObjectId, ObjectKind, Sha256Digest,
    listing::{Chunk, DigestColumn},
    manifest::ChunkRef,
    task::StreamDigest,
};
use coldread_store::{Error, Object, PackWriter, Store};

/// Chunks whose columns are in memory at a time.
const CHUNKS_AT_A_TIME: usize = 16;

/// The digests of one volume, sorted for looking up.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    /// Unnamed streams, which nearly all are.
    unnamed: Vec<(u64, Sha256Digest)>,
    named: Vec<StreamDigest>,
}

impl Digests {
    /// Takes digests in any order. A stream that is there twice keeps the smaller digest, whatever the order.
    pub(crate) fn new(digests: impl IntoIterator<Item = StreamDigest>) -> Self {
        let mut all = Self::default();
        for digest in digests {
            if digest.stream.is_empty() {
                all.unnamed.push((digest.inode, digest.sha256));
            } else {
                all.named.push(digest);
            }
        }
        all.unnamed.sort_unstable();
        all.named.sort_unstable();
        all
    }

    fn get(&self, inode: u64, stream: &[u8]) -> Option<Sha256Digest> {
        if stream.is_empty() {
            let at = self.unnamed.partition_point(|(one, _)| *one < inode);
            return self.unnamed.get(at).filter(|(one, _)| *one == inode).map(|(_, digest)| *digest);
        }
        let at = self.named.partition_point(|one| (one.inode, &one.stream[..]) < (inode, stream));
        let found = self.named.get(at).filter(|one| one.inode == inode && one.stream == stream);
        found.map(|one| one.sha256)
    }
}

/// The chunks with their digests. A chunk that has digests keeps them; one without a single digest has no
/// column, however it came about, so that equal results are equal bytes.
pub(crate) fn join(
    store: &Store,
    writer: &mut PackWriter,
    chunks: &[ChunkRef],
    digests: &Digests,
) -> Result<Vec<ChunkRef>, Error> {
    let mut joined = Vec::with_capacity(chunks.len());
    for group in chunks.chunks(CHUNKS_AT_A_TIME) {
        let open: Vec<&ChunkRef> = group.iter().filter(|chunk| chunk.digests.is_none()).collect();
        let nothing = digests.unnamed.is_empty() && digests.named.is_empty();
        let ids: Vec<ObjectId> = if nothing {
            Vec::new()
        } else {
            open.iter().flat_map(|chunk| [chunk.stable, chunk.volatile]).collect()
        };
        let columns = store.get_many(&ids)?;
        let mut pairs = columns.chunks_exact(2);
        for chunk in group {
            let column = match chunk.digests {
                Some(id) => Some(id).filter(|id| *id != empty_column(chunk.rows)),
                None => match pairs.next() {
                    Some([stable, volatile]) => put_column(writer, chunk, stable, volatile, digests)?,
                    _ => None,
                },
            };
            joined.push(ChunkRef { digests: column, ..*chunk });
        }
    }
    Ok(joined)
}

/// The name of a column of `rows` rows that holds no digest.
fn empty_column(rows: u32) -> ObjectId {
    ObjectId::of(ObjectKind::ListingDigests, &DigestColumn(vec![None; rows as usize]).encode())
}

fn put_column(
    writer: &mut PackWriter,
    chunk: &ChunkRef,
    stable: &Object,
    volatile: &Object,
    digests: &Digests,
) -> Result<Option<ObjectId>, Error> {
    let decoded = Chunk::decode(&stable.bytes, &volatile.bytes)
        .map_err(|source| Error::Decode { id: chunk.stable, source })?;
    let rows = decoded.iter().map(|row| digests.get(row.volatile.inode, row.stable.stream));
    let column = DigestColumn(rows.collect());
    if column.0.iter().all(Option::is_none) {
        return Ok(None);
    }
    writer.put_raw(ObjectKind::ListingDigests, &column.encode()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_found_by_inode_and_stream() {
        let digest = |inode, stream: &str, byte| StreamDigest {
            inode,
            stream: stream.as_bytes().to_vec(),
            sha256: Sha256Digest([byte; 32]),
        };
        let all =
            vec![digest(9, "", 1), digest(5, "b", 2), digest(5, "", 3), digest(5, "a", 4), digest(9, "", 0)];
        let digests = Digests::new(all);
        assert_eq!(digests.get(5, b""), Some(Sha256Digest([3; 32])));
        assert_eq!(digests.get(5, b"b"), Some(Sha256Digest([2; 32])));
        assert_eq!(digests.get(9, b""), Some(Sha256Digest([0; 32])));
        assert_eq!(digests.get(9, b"a"), None);
        assert_eq!(digests.get(6, b""), None);
    }
}
