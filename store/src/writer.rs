//! Writing objects, and publishing a snapshot.

use crate::{
    catalog::News,
    compress::{Packed, decompress},
    error::{Error, Result},
    pack::writer::PackFile,
    store::Store,
};
use coldread_model::{
    Kept, KeptKey, ObjectId, ObjectKind, SnapshotManifest, Timestamp, codec, manifest::Head,
};
use std::sync::Arc;

/// Takes objects into a new pack. Dropped before [`finish`](PackWriter::finish) or
/// [`commit`](PackWriter::commit), it leaves nothing behind.
pub struct PackWriter {
    store: Arc<Store>,
    /// Created with the first object that the store does not have.
    pack: Option<PackFile>,
    /// Kept results in it.
    kept: Vec<(KeptKey, ObjectId)>,
}

impl PackWriter {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { store, pack: None, kept: Vec::new() }
    }

    /// Adds an object; `false` where the store or this pack already has it.
    pub fn put(&mut self, object: &Packed) -> Result<bool> {
        if self.has(&[object.id])?[0] {
            return Ok(false);
        }
        let pack = match &mut self.pack {
            Some(pack) => pack,
            none => none.insert(self.store.create_pack()?),
        };
        pack.put(object)?;
        if object.kind == ObjectKind::Kept {
            let raw = decompress(&object.bytes, object.raw_len);
            let raw = raw.map_err(|reason| Error::Refused { id: object.id, reason })?;
            self.kept.extend(Kept::split(&raw).map(|(key, _)| (key, object.id)));
        }
        Ok(true)
    }

    /// Names, compresses and adds an object. Where the store has it, it is read first: one that is damaged there is added
    /// again.
    pub fn put_raw(&mut self, kind: ObjectKind, raw: &[u8]) -> Result<ObjectId> {
        let object = Packed::new(kind, raw)?;
        if !self.put(&object)? && !self.is_here(&object.id) {
            match self.store.get(object.id) {
                // Now the store knows, and does not say any more that it has it.
                Err(Error::Corrupt { .. }) => drop(self.put(&object)?),
                read => drop(read?),
            }
        }
        Ok(object.id)
    }

    fn is_here(&self, id: &ObjectId) -> bool {
        self.pack.as_ref().is_some_and(|pack| pack.has(id))
    }

    /// Whether each object is in this pack or in the store.
    pub fn has(&self, ids: &[ObjectId]) -> Result<Vec<bool>> {
        let elsewhere: Vec<ObjectId> = ids.iter().filter(|id| !self.is_here(id)).copied().collect();
        let mut found = self.store.has(&elsewhere)?.into_iter();
        Ok(ids.iter().map(|id| self.is_here(id) || found.next().unwrap_or(false)).collect())
    }

    /// Makes the objects durable and gives them to readers. Nothing is published.
    pub fn finish(self) -> Result<()> {
        self.close(Vec::new())
    }

    /// Publishes `manifest` as the newest snapshot of its asset: readers see the old one or the new one, and
    /// when this returns it has survived a crash. Everything that the manifest names must be in this pack or
    /// in the store. `committed_at` is for people; the order of snapshots is that of the commits.
    ///
    /// On an error nothing is promised: after the next opening the snapshot is there whole or not at all.
    pub fn commit(mut self, manifest: &SnapshotManifest, committed_at: Timestamp) -> Result<Head> {
        let chunks = manifest.volumes.iter().flat_map(|volume| &volume.chunks);
        let mut named = vec![manifest.volume_specs, manifest.coverage, manifest.gaps];
        named.extend(manifest.found.objects());
        named.extend(
            chunks.flat_map(|chunk| [Some(chunk.stable), Some(chunk.volatile), chunk.digests]).flatten(),
        );
        let missing = self.has(&named)?.iter().position(|found| !found);
        if let Some(missing) = missing {
            return Err(Error::Missing(named[missing]));
        }
        let head = Head {
            asset: manifest.asset.clone(),
            manifest: self.put_raw(ObjectKind::Manifest, &codec::to_bytes(manifest))?,
            committed_at,
            sequence: self.store.next_sequence(),
        };
        self.put_raw(ObjectKind::Head, &codec::to_bytes(&head))?;
        self.close(vec![head.clone()])?;
        Ok(head)
    }

    fn close(self, heads: Vec<Head>) -> Result<()> {
        let Some(pack) = self.pack else { return Ok(()) };
        let number = pack.number();
        let record = pack.finish()?;
        self.store.register(number, &record, &News { heads, kept: self.kept })
    }
}

impl std::fmt::Debug for PackWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackWriter")
            .field("pack", &self.pack.as_ref().map(PackFile::number))
            .finish_non_exhaustive()
    }
}
