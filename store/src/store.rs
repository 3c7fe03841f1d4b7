//! Opening a store, and reading its objects.

use crate::{
    catalog::{Catalog, News, SledCatalog},
    disk::{Disk, OsDisk},
    error::{Error, Result},
    pack::{PackRecord, pack_number, pack_path, reader::Pack},
    packs::{Object, Packs, object},
    writer::PackWriter,
};
use coldread_model::{KeptKey, ObjectId, ObjectKind};
use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// A store that this process has open. Threads share it as an `Arc`; no other process can open it meanwhile.
#[derive(Debug)]
pub struct Store {
    pub(crate) packs_dir: PathBuf,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) packs: Packs,
    pub(crate) catalog: Box<dyn Catalog>,
    /// The number of the next pack.
    next_pack: AtomicU64,
    /// The sequence of the last head.
    sequence: AtomicU64,
    /// Held while a pack is registered.
    pub(crate) registering: Mutex<()>,
    /// Packs that could not be read when they were to be merged. Held while packs are merged.
    pub(crate) damaged: Mutex<HashSet<u64>>,
    /// Locked as long as it is open. The last field, so that it is let go last.
    _lock: File,
}

impl Store {
    /// Opens the store in `dir`; creates it if there is none.
    ///
    /// What a crash left behind is put in order: half-written packs are removed, packs that the index does not
    /// know are registered, and an index that is missing or damaged is rebuilt from the packs.
    pub fn open(dir: &Path) -> Result<Arc<Self>> {
        Self::open_on(Arc::new(OsDisk), dir)
    }

    /// Like [`Store::open`], but where there is no store it is an error and nothing is created.
    pub fn open_existing(dir: &Path) -> Result<Arc<Self>> {
        if Self::exists(dir)? { Self::open(dir) } else { Err(Error::NoStore { dir: dir.to_owned() }) }
    }

    /// Whether there is a store in `dir`. Creates nothing.
    pub fn exists(dir: &Path) -> Result<bool> {
        let packs = dir.join("packs");
        packs.try_exists().map_err(Error::io(&packs))
    }

    /// Removes the index of the store in `dir`, builds it anew from the packs alone and opens the store.
    pub fn rebuild(dir: &Path) -> Result<Arc<Self>> {
        let lock = lock(dir)?;
        SledCatalog::remove(&dir.join("index"))?;
        Self::open_locked(Arc::new(OsDisk), dir, lock)
    }

    /// [`Store::open`] with file operations of the caller's.
    pub(crate) fn open_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<Arc<Self>> {
        let lock = lock(dir)?;
        Self::open_locked(disk, dir, lock)
    }

    fn open_locked(disk: Arc<dyn Disk>, dir: &Path, lock: File) -> Result<Arc<Self>> {
        let packs_dir = dir.join("packs");
        let new = !packs_dir.is_dir();
        fs::create_dir_all(&packs_dir).map_err(Error::io(&packs_dir))?;
        disk.sync_dir(dir).map_err(Error::io(dir))?;
        if let Some(parent) = dir.parent().filter(|parent| new && !parent.as_os_str().is_empty()) {
            disk.sync_dir(parent).map_err(Error::io(parent))?;
        }
        let mut there = tidy(&packs_dir)?;
        let catalog = SledCatalog::open(&dir.join("index"))?;
        let last = there.last().copied().unwrap_or(0);
        let gone = catalog.gone()?;
        for number in gone.iter().filter(|number| there.remove(number)) {
            let path = pack_path(&packs_dir, *number, "pack");
            tracing::warn!(file = %path.display(), "removing a pack that was merged into another");
            disk.remove(&path).map_err(Error::io(&path))?;
        }
        catalog.forget(&gone)?;
        let registered = catalog.packs()?;
        let packs = Packs::default();
        let mut known = BTreeSet::new();
        for (number, record) in registered {
            if !there.contains(&number) {
                tracing::warn!(pack = number, "the index names a pack that is gone");
            }
            known.insert(number);
            packs.add(Pack::new(&packs_dir, number, record));
        }
        let unknown: Vec<u64> = there.difference(&known).copied().collect();
        if !unknown.is_empty() {
            tracing::warn!(packs = unknown.len(), store = %dir.display(), "registering packs that the index lacks");
        }
        for number in unknown {
            match adopt(&packs_dir, number) {
                Ok((pack, record, news)) => {
                    catalog.register(number, &record, &news)?;
                    packs.add(pack);
                }
                // Nobody was told that it was stored; it stays where it is, for a closer look.
                Err(error @ Error::Corrupt { .. }) => tracing::warn!(%error, "ignoring a pack"),
                Err(error) => return Err(error),
            }
        }
        let last = last.max(known.last().copied().unwrap_or(0));
        let sequence = catalog.last_sequence()?;
        tracing::debug!(store = %dir.display(), "opened");
        Ok(Arc::new(Self {
            packs_dir,
            disk,
            packs,
            catalog: Box::new(catalog),
            next_pack: AtomicU64::new(last + 1),
            sequence: AtomicU64::new(sequence),
            registering: Mutex::new(()),
            damaged: Mutex::default(),
            _lock: lock,
        }))
    }

    /// Whether each object can be read from the store.
    pub fn has(&self, ids: &[ObjectId]) -> Result<Vec<bool>> {
        self.packs.has(ids)
    }

    /// An object. Its checksum, length and name are verified every time.
    pub fn get(&self, id: ObjectId) -> Result<Object> {
        self.get_many(&[id])?.pop().ok_or(Error::Missing(id))
    }

    /// Objects in the order asked for; objects that were stored together are read together. All of them are in
    /// memory at once, so ask for a few at a time.
    pub fn get_many(&self, ids: &[ObjectId]) -> Result<Vec<Object>> {
        self.packs.get_many(ids)
    }

    /// An object that must be of `kind`.
    pub(crate) fn get_kind(&self, id: ObjectId, kind: ObjectKind) -> Result<Vec<u8>> {
        let object = self.get(id)?;
        of_kind(id, object, kind)
    }

    /// The object that keeps an extractor's result under `key`, if there is one that can be read.
    pub fn kept(&self, key: KeptKey) -> Result<Option<Vec<u8>>> {
        let Some(id) = self.catalog.kept(key)? else { return Ok(None) };
        match self.get_kind(id, ObjectKind::Kept) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error @ (Error::Corrupt { .. } | Error::Missing(_) | Error::Decode { .. })) => {
                tracing::warn!(%error, "a kept result cannot be read and is made anew");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Starts a pack. Several may be written at a time.
    pub fn writer(self: &Arc<Self>) -> PackWriter {
        PackWriter::new(Arc::clone(self))
    }

    /// A new pack file.
    pub(crate) fn create_pack(&self) -> Result<crate::pack::writer::PackFile> {
        let number = self.next_pack.fetch_add(1, Ordering::Relaxed);
        crate::pack::writer::PackFile::create(Arc::clone(&self.disk), &self.packs_dir, number)
    }

    /// A pack of this store.
    pub(crate) fn pack(&self, number: u64, record: PackRecord) -> Pack {
        Pack::new(&self.packs_dir, number, record)
    }

    /// The sequence of the next head.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Publishes a pack that is durable, and what is new in it.
    pub(crate) fn register(&self, number: u64, record: &PackRecord, news: &News) -> Result<()> {
        let _one_at_a_time = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
        self.packs.add(self.pack(number, *record));
        self.catalog.register(number, record, news)
    }
}

/// The bytes of an object that must be of `kind`.
pub(crate) fn of_kind(id: ObjectId, object: Object, kind: ObjectKind) -> Result<Vec<u8>> {
    if object.kind == kind {
        return Ok(object.bytes);
    }
    let reason = format!("{:?} where {kind:?} should be", object.kind);
    Err(Error::Decode { id, source: coldread_model::DecodeError::Invalid { structure: "object", reason } })
}

/// Locks the store, or says that somebody else has.
fn lock(dir: &Path) -> Result<File> {
    fs::create_dir_all(dir).map_err(Error::io(dir))?;
    let path = dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(Error::io(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(Error::io(&path)(error)),
    }
}

/// Removes packs that were never finished; gives the numbers of the others.
fn tidy(packs_dir: &Path) -> Result<BTreeSet<u64>> {
    let mut there = BTreeSet::new();
    for item in fs::read_dir(packs_dir).map_err(Error::io(packs_dir))? {
        let path = item.map_err(Error::io(packs_dir))?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        match (pack_number(&path), extension) {
            (Some(number), Some("pack")) => drop(there.insert(number)),
            (Some(_), Some("tmp")) => {
                tracing::warn!(file = %path.display(), "removing a pack that was never finished");
                fs::remove_file(&path).map_err(Error::io(&path))?;
            }
            _ => {}
        }
    }
    Ok(there)
}

/// Reads a pack that the index lacks, and what is new in it. A head or a kept result that cannot be read is told and
/// left out: what else the pack holds may be part of other snapshots.
fn adopt(packs_dir: &Path, number: u64) -> Result<(Pack, PackRecord, News)> {
    let (pack, record, open) = Pack::discover(packs_dir, number)?;
    let mut news = News::default();
    for entry in open.entries() {
        if !matches!(entry.kind, ObjectKind::Head | ObjectKind::Kept) {
            continue;
        }
        let read = open.read(entry.at, entry.record_len()).and_then(|record| object(&open, entry, &record));
        let taken = read.and_then(|object| news.take(entry.kind, entry.id, &object.bytes));
        match taken {
            Ok(()) => {}
            Err(error @ (Error::Corrupt { .. } | Error::Decode { .. })) => {
                tracing::warn!(%error, pack = number, "leaving an object out of the index");
            }
            Err(error) => return Err(error),
        }
    }
    Ok((pack, record, news))
}
