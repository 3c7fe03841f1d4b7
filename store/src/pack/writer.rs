//! Writing a pack.

use super::{Entry, Footer, HEADER_BYTES, PackRecord, filter::Filter, header, pack_path};
use crate::{
    compress::Packed,
    disk::{Disk, Output},
    error::{Error, Result},
};
use coldread_model::{ObjectId, codec::Writer};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Appended to the file in pieces of about this size.
const BUFFER_BYTES: usize = 512 << 10;

/// A pack under construction; its file is removed when this is dropped unfinished.
pub(crate) struct PackFile {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    number: u64,
    temporary: PathBuf,
    output: Box<dyn Output>,
    buffer: Vec<u8>,
    /// Bytes of the pack so far, those in the buffer included.
    len: u64,
    entries: BTreeMap<ObjectId, Entry>,
    renamed: bool,
}

impl PackFile {
    pub(crate) fn create(disk: Arc<dyn Disk>, dir: &Path, number: u64) -> Result<Self> {
        let temporary = pack_path(dir, number, "tmp");
        let output = disk.create(&temporary).map_err(Error::io(&temporary))?;
        let entries = BTreeMap::new();
        let dir = dir.to_owned();
        let buffer = header();
        let len = HEADER_BYTES;
        Ok(Self { disk, dir, number, temporary, output, buffer, len, entries, renamed: false })
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn has(&self, id: &ObjectId) -> bool {
        self.entries.contains_key(id)
    }

    /// Appends an object that is not there yet.
    pub(crate) fn put(&mut self, object: &Packed) -> Result<()> {
        let entry = Entry {
            id: object.id,
            at: self.len,
            stored: object.bytes.len() as u32,
            raw: object.raw_len,
            kind: object.kind,
        };
        self.buffer.extend_from_slice(&entry.record_header(&object.bytes));
        self.buffer.extend_from_slice(&object.bytes);
        self.len += entry.record_len();
        self.entries.insert(entry.id, entry);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.output.append(&self.buffer).map_err(Error::io(&self.temporary))?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes index, filter and footer, and makes the pack durable under its own name.
    pub(crate) fn finish(mut self) -> Result<PackRecord> {
        let mut index = Writer::new();
        for entry in self.entries.values() {
            entry.encode(&mut index);
        }
        let filter = Filter::of(self.entries.keys().copied()).encode();
        let filter_at = self.len + index.bytes.len() as u64;
        let footer = Footer {
            index_at: self.len,
            objects: self.entries.len() as u64,
            filter_at,
            filter_len: filter.len() as u64,
            index_digest: *blake3::hash(&index.bytes).as_bytes(),
            filter_digest: *blake3::hash(&filter).as_bytes(),
        };
        let footer = footer.encode();
        for part in [&index.bytes, &filter, &footer] {
            self.buffer.extend_from_slice(part);
        }
        self.flush()?;
        self.output.sync().map_err(Error::io(&self.temporary))?;
        let path = pack_path(&self.dir, self.number, "pack");
        self.disk.rename(&self.temporary, &path).map_err(Error::io(&path))?;
        self.renamed = true;
        self.disk.sync_dir(&self.dir).map_err(Error::io(&self.dir))?;
        let len = filter_at + filter.len() as u64 + footer.len() as u64;
        Ok(PackRecord { len, footer: *blake3::hash(&footer).as_bytes() })
    }
}

impl Drop for PackFile {
    fn drop(&mut self) {
        if !self.renamed {
            // What stays behind is removed when the store is opened next.
            let _ = self.disk.remove(&self.temporary);
        }
    }
}
