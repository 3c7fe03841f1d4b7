//! Streaming the rows of a listing.

use super::PathFilter;
use crate::{
    error::{Error, Result},
    store::{Store, of_kind},
};
use coldread_model::{
    DecodeError, ObjectId, ObjectKind, Sha256Digest, SnapshotManifest, VolumeManifest,
    listing::{Chunk, DigestColumn, Row},
    manifest::ChunkRef,
};
use std::{
    ops::ControlFlow,
    sync::mpsc::{Receiver, sync_channel},
    thread,
};

/// No more threads than this read ahead …
const MAX_READERS: usize = 4;
/// … each by so many chunks.
const CHUNKS_AHEAD: usize = 2;
/// Listings of fewer chunks are read without threads, and without a search for where to start.
const FEW_CHUNKS: usize = 4;

/// The bytes of a chunk in which something may match.
struct Loaded {
    stable: Vec<u8>,
    volatile: Vec<u8>,
    digests: Option<Vec<u8>>,
}

impl Store {
    /// Hands the rows that `filter` lets through to `each`, with their volume and digest: volume by volume in
    /// disk order, then by parent path, name and stream. `each` may break off; what it breaks with is returned.
    ///
    /// Chunks are read ahead on other threads, a few at a time, so memory does not depend on the listing's
    /// size. Since rows are sorted by parent path, only chunks that may hold a match are read.
    pub fn files<B>(
        &self,
        manifest: &SnapshotManifest,
        filter: &PathFilter,
        mut each: impl FnMut(&VolumeManifest, &Row<'_>, Option<Sha256Digest>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>> {
        for volume in &manifest.volumes {
            let chunks = self.chunks(volume, filter)?;
            let mut rows = |chunk: &ChunkRef, loaded: &Loaded| {
                each_row(chunk, loaded, filter, |row, digest| each(volume, row, digest))
            };
            let flow = if chunks.len() < FEW_CHUNKS {
                self.read_here(&chunks, filter, &mut rows)
            } else {
                self.read_ahead(&chunks, filter, &mut rows)
            };
            if let ControlFlow::Break(value) = flow? {
                return Ok(ControlFlow::Break(value));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn read_here<'v, B>(
        &self,
        chunks: &[&'v ChunkRef],
        filter: &PathFilter,
        rows: &mut impl FnMut(&'v ChunkRef, &Loaded) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        for &chunk in chunks {
            if let Some(loaded) = self.load(chunk, filter)?
                && let ControlFlow::Break(value) = rows(chunk, &loaded)?
            {
                return Ok(ControlFlow::Break(value));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Reader `i` of `n` loads chunks `i`, `i + n`, … into a channel of its own, which are emptied in turn: so
    /// the order is kept, and each is bounded.
    fn read_ahead<'v, B>(
        &self,
        chunks: &[&'v ChunkRef],
        filter: &PathFilter,
        rows: &mut impl FnMut(&'v ChunkRef, &Loaded) -> Result<ControlFlow<B>>,
    ) -> Result<ControlFlow<B>> {
        let readers = thread::available_parallelism().map_or(1, usize::from).clamp(1, MAX_READERS);
        thread::scope(|scope| {
            let read = |first: usize| -> Receiver<Result<Option<Loaded>>> {
                let (sender, receiver) = sync_channel(CHUNKS_AHEAD);
                scope.spawn(move || {
                    for chunk in chunks.iter().skip(first).step_by(readers) {
                        // The receiver is gone once the caller has broken off.
                        if sender.send(self.load(chunk, filter)).is_err() {
                            break;
                        }
                    }
                });
                receiver
            };
            let channels: Vec<_> = (0..readers).map(read).collect();
            for (&chunk, channel) in chunks.iter().zip(channels.iter().cycle()) {
                // A reader sends all its chunks before it ends, unless it panicked, which the scope passes on.
                let Ok(loaded) = channel.recv() else { break };
                if let Some(loaded) = loaded?
                    && let ControlFlow::Break(value) = rows(chunk, &loaded)?
                {
                    return Ok(ControlFlow::Break(value));
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// The chunks of a volume that may hold a match, found by binary search for the filter's directories.
    fn chunks<'v>(&self, volume: &'v VolumeManifest, filter: &PathFilter) -> Result<Vec<&'v ChunkRef>> {
        let chunks = &volume.chunks;
        let Some(ranges) = filter.parents().filter(|_| chunks.len() >= FEW_CHUNKS) else {
            return Ok(chunks.iter().collect());
        };
        let mut wanted = vec![false; chunks.len()];
        for range in ranges {
            // The chunk before the first that starts at or after the range's start may end inside it.
            let first = self.partition(chunks, &range.start)?.saturating_sub(1);
            let behind = self.partition(chunks, &range.end)?;
            wanted[first..behind.max(first)].fill(true);
        }
        Ok(chunks.iter().zip(wanted).filter_map(|(chunk, wanted)| wanted.then_some(chunk)).collect())
    }

    /// How many chunks start with a directory before `parent`.
    fn partition(&self, chunks: &[ChunkRef], parent: &[u8]) -> Result<usize> {
        let (mut low, mut high) = (0, chunks.len());
        while low < high {
            let middle = low.midpoint(high);
            let id = chunks[middle].stable;
            let stable = self.get_kind(id, ObjectKind::ListingStable)?;
            let chunk = Chunk::decode_stable(&stable).map_err(|source| Error::Decode { id, source })?;
            if chunk.parents().next().is_none_or(|first| first < parent) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// Reads a chunk; its volatile columns and digests only if something may match.
    fn load(&self, chunk: &ChunkRef, filter: &PathFilter) -> Result<Option<Loaded>> {
        let mut asked = vec![(chunk.stable, ObjectKind::ListingStable)];
        let mut parts: Vec<Vec<u8>> = Vec::with_capacity(3);
        if filter.parents().is_some() {
            let stable = self.get_kind(chunk.stable, ObjectKind::ListingStable)?;
            let decoded = decode(chunk.stable, Chunk::decode_stable(&stable))?;
            if !decoded.parents().any(|parent| filter.may_match_in(parent)) {
                return Ok(None);
            }
            asked.clear();
            parts.push(stable);
        }
        asked.push((chunk.volatile, ObjectKind::ListingVolatile));
        asked.extend(chunk.digests.map(|id| (id, ObjectKind::ListingDigests)));
        let ids: Vec<ObjectId> = asked.iter().map(|(id, _)| *id).collect();
        for ((id, kind), object) in asked.into_iter().zip(self.get_many(&ids)?) {
            parts.push(of_kind(id, object, kind)?);
        }
        let mut parts = parts.into_iter();
        let (stable, volatile) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        Ok(Some(Loaded { stable, volatile, digests: parts.next() }))
    }
}

fn decode<T>(id: ObjectId, decoded: Result<T, DecodeError>) -> Result<T> {
    decoded.map_err(|source| Error::Decode { id, source })
}

/// Hands out the rows of one chunk.
fn each_row<B>(
    chunk: &ChunkRef,
    loaded: &Loaded,
    filter: &PathFilter,
    mut each: impl FnMut(&Row<'_>, Option<Sha256Digest>) -> ControlFlow<B>,
) -> Result<ControlFlow<B>> {
    let rows = decode(chunk.stable, Chunk::decode(&loaded.stable, &loaded.volatile))?;
    let uneven = |id, found: usize| {
        let reason = format!("{found} rows, the manifest says {}", chunk.rows);
        Error::Decode { id, source: DecodeError::Invalid { structure: "listing chunk", reason } }
    };
    if rows.rows() != chunk.rows as usize {
        return Err(uneven(chunk.stable, rows.rows()));
    }
    let digests = match (chunk.digests, &loaded.digests) {
        (Some(id), Some(bytes)) => {
            let column = decode(id, DigestColumn::decode(bytes))?.0;
            if column.len() != rows.rows() {
                return Err(uneven(id, column.len()));
            }
            column
        }
        _ => vec![None; rows.rows()],
    };
    let mut path = Vec::new();
    for (row, digest) in rows.iter().zip(digests) {
        if filter.matches(&row.stable, &mut path)
            && let ControlFlow::Break(value) = each(&row, digest)
        {
            return Ok(ControlFlow::Break(value));
        }
    }
    Ok(ControlFlow::Continue(()))
}
