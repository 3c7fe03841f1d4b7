//! Reading a pack, and checking every byte that an answer rests on.

use super::{
    ENTRY_BYTES, Entry, FOOTER_BYTES, Footer, HEADER_BYTES, PackRecord, RECORD_HEADER_BYTES, filter::Filter,
    header, pack_path,
};
use crate::error::{Error, Result};
use coldread_model::{ObjectId, codec::Reader};
use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// A pack that the store knows of. Its filter is read when it is first asked for, and kept.
#[derive(Debug)]
pub(crate) struct Pack {
    pub(crate) number: u64,
    path: PathBuf,
    record: PackRecord,
    filter: OnceLock<Filter>,
}

impl Pack {
    /// Pack `number` in `dir`, which should be as `record` says; nothing is read yet.
    pub(crate) fn new(dir: &Path, number: u64, record: PackRecord) -> Self {
        Self { number, path: pack_path(dir, number, "pack"), record, filter: OnceLock::new() }
    }

    /// Bytes of its file.
    pub(crate) fn len(&self) -> u64 {
        self.record.len
    }

    /// A pack that nobody has registered: reads its length and footer, and checks all but the payloads.
    pub(crate) fn discover(dir: &Path, number: u64) -> Result<(Self, PackRecord, OpenPack)> {
        let path = pack_path(dir, number, "pack");
        let file = File::open(&path).map_err(Error::io(&path))?;
        let len = file.metadata().map_err(Error::io(&path))?.len();
        let at =
            len.checked_sub(FOOTER_BYTES).ok_or_else(|| Error::corrupt(&path, 0, "too short for a pack"))?;
        let footer = read(&file, &path, at, FOOTER_BYTES)?;
        let record = PackRecord { len, footer: *blake3::hash(&footer).as_bytes() };
        let pack = Self::new(dir, number, record);
        pack.filter()?;
        let open = pack.open()?;
        Ok((pack, record, open))
    }

    /// The file and its footer, checked against what was registered.
    fn footer(&self) -> Result<(File, Footer)> {
        let path = &self.path;
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::corrupt(path, 0, "the index names it and it is gone"));
            }
            other => other.map_err(Error::io(path))?,
        };
        let len = file.metadata().map_err(Error::io(path))?.len();
        if len != self.record.len {
            let reason = format!("{len} bytes long, {} registered", self.record.len);
            return Err(Error::corrupt(path, len.min(self.record.len), reason));
        }
        let at = len.checked_sub(FOOTER_BYTES).filter(|&at| at >= HEADER_BYTES);
        let at = at.ok_or_else(|| Error::corrupt(path, 0, "too short for a pack"))?;
        if read(&file, path, 0, HEADER_BYTES)? != header() {
            return Err(Error::corrupt(path, 0, "not a pack of version 1"));
        }
        let bytes = read(&file, path, at, FOOTER_BYTES)?;
        if *blake3::hash(&bytes).as_bytes() != self.record.footer {
            return Err(Error::corrupt(path, at, "the footer is not the one that was registered"));
        }
        let footer =
            Footer::decode(&bytes, len).map_err(|error| Error::corrupt(path, at, error.to_string()))?;
        Ok((file, footer))
    }

    /// The filter over its ids.
    pub(crate) fn filter(&self) -> Result<&Filter> {
        if let Some(filter) = self.filter.get() {
            return Ok(filter);
        }
        let (file, footer) = self.footer()?;
        let bytes = read(&file, &self.path, footer.filter_at, footer.filter_len)?;
        let damaged = || Error::corrupt(&self.path, footer.filter_at, "the filter does not fit its digest");
        if *blake3::hash(&bytes).as_bytes() != footer.filter_digest {
            return Err(damaged());
        }
        let filter = Filter::decode(&bytes).ok_or_else(damaged)?;
        Ok(self.filter.get_or_init(|| filter))
    }

    /// Reads its index.
    pub(crate) fn open(&self) -> Result<OpenPack> {
        let (file, footer) = self.footer()?;
        let at = footer.index_at;
        let bytes = read(&file, &self.path, at, footer.objects * ENTRY_BYTES)?;
        if *blake3::hash(&bytes).as_bytes() != footer.index_digest {
            return Err(Error::corrupt(&self.path, at, "the index does not fit its digest"));
        }
        let mut reader = Reader::new("index of a pack", &bytes);
        let records = HEADER_BYTES..footer.index_at;
        let entries = (0..footer.objects).map(|_| Entry::decode(&mut reader, &records));
        let entries = entries
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Error::corrupt(&self.path, at, error.to_string()))?;
        if !entries.is_sorted_by(|a, b| a.id < b.id) {
            return Err(Error::corrupt(&self.path, at, "the index is not sorted"));
        }
        Ok(OpenPack { path: self.path.clone(), file, entries })
    }
}

/// An open pack with its index in memory.
#[derive(Debug)]
pub(crate) struct OpenPack {
    path: PathBuf,
    file: File,
    entries: Vec<Entry>,
}

impl OpenPack {
    /// The index, sorted by id.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where an object is, if it is here.
    pub(crate) fn find(&self, id: &ObjectId) -> Option<Entry> {
        self.entries.binary_search_by(|entry| entry.id.cmp(id)).ok().map(|i| self.entries[i])
    }

    /// `len` bytes at `at`.
    pub(crate) fn read(&self, at: u64, len: u64) -> Result<Vec<u8>> {
        read(&self.file, &self.path, at, len)
    }

    /// The payload of the record `bytes`, which must be as `entry` and its checksum say.
    pub(crate) fn payload<'a>(&self, entry: &Entry, bytes: &'a [u8]) -> Result<&'a [u8]> {
        match bytes.split_at_checked(RECORD_HEADER_BYTES as usize) {
            Some((header, payload)) if header == entry.record_header(payload) => Ok(payload),
            _ => {
                Err(Error::corrupt(&self.path, entry.at, "the record does not fit its checksum or the index"))
            }
        }
    }
}

/// Exactly `len` bytes at `at`; a file that ends before is damaged. `len` is bounded by the file's length,
/// which the callers have checked.
fn read(file: &File, path: &Path, at: u64, len: u64) -> Result<Vec<u8>> {
    let mut bytes = vec![0; len as usize];
    match file.read_exact_at(&mut bytes, at) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(Error::corrupt(path, at, format!("{len} bytes should follow")))
        }
        Err(error) => Err(Error::io(path)(error)),
    }
}
