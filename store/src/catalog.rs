//! The index: what is small and changes. It stands behind one trait, so that it can lie elsewhere one day.

use crate::{
    error::{Error, Result},
    pack::PackRecord,
};
use coldread_model::{Kept, KeptKey, ObjectId, ObjectKind, codec, manifest::Head};
use std::{
    fmt,
    fs::{self, File, TryLockError},
    io,
    ops::Bound,
    panic,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// What of a pack the index tells apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct News {
    /// Heads of snapshots.
    pub(crate) heads: Vec<Head>,
    /// Results of extractors by their keys.
    pub(crate) kept: Vec<(KeptKey, ObjectId)>,
}

impl News {
    /// Takes what an object of this kind says, if it says anything to the index.
    pub(crate) fn take(&mut self, kind: ObjectKind, id: ObjectId, bytes: &[u8]) -> Result<()> {
        match kind {
            ObjectKind::Head => {
                let head = codec::from_bytes("head", bytes);
                self.heads.push(head.map_err(|source| Error::Decode { id, source })?);
            }
            ObjectKind::Kept => self.kept.extend(Kept::split(bytes).map(|(key, _)| (key, id))),
            _ => {}
        }
        Ok(())
    }
}

/// Packs and the heads of snapshots.
pub(crate) trait Catalog: Send + Sync + fmt::Debug {
    /// The registered packs by number.
    fn packs(&self) -> Result<Vec<(u64, PackRecord)>>;
    /// Adds a pack and what is new in it in one step, durable when this returns.
    fn register(&self, number: u64, record: &PackRecord, news: &News) -> Result<()>;
    /// Names a pack that holds all that those of `gone` hold, in place of these, in one step, durable when this returns.
    fn replace(&self, number: u64, record: &PackRecord, gone: &[u64]) -> Result<()>;
    /// Packs that were replaced and may still be there as files.
    fn gone(&self) -> Result<Vec<u64>>;
    /// The files of these packs are no more.
    fn forget(&self, gone: &[u64]) -> Result<()>;
    /// The object that holds the result kept under a key.
    fn kept(&self, key: KeptKey) -> Result<Option<ObjectId>>;
    /// The newest head of each asset, by name, from the first name after `after`.
    fn newest(&self, after: Option<&str>) -> Box<dyn Iterator<Item = Result<Head>> + '_>;
    /// The newest head of one asset.
    fn newest_of(&self, asset: &str) -> Result<Option<Head>>;
    /// All heads of one asset, the newest first.
    fn history(&self, asset: &str) -> Result<Vec<Head>>;
    /// The highest sequence of a head; 0 where there is none.
    fn last_sequence(&self) -> Result<u64>;
}

/// The trait over sled, in one tree so that a batch is one step. Keys:
///
/// - `p` and the pack's number (big-endian u64): [`PackRecord`];
/// - `g` and the pack's number: nothing, for a pack that was merged into another and whose file may still be there;
/// - `n` and the asset's name: its newest [`Head`];
/// - `h`, the length of the asset's name (big-endian u32), the name, the sequence (big-endian u64): [`Head`];
/// - `k` and a key of 32 bytes: the object of the result kept under it. An asset has one for each package database of
///   its own and a clone adds none, so these grow with assets as heads do, never with files;
/// - `s`: the highest sequence.
#[derive(Debug)]
pub(crate) struct SledCatalog(sled::Db);

const PACK: u8 = b'p';
const GONE: u8 = b'g';
const NEWEST: u8 = b'n';
const HISTORY: u8 = b'h';
const KEPT: u8 = b'k';
const SEQUENCE: &[u8] = b"s";
/// Bytes of sled's cache: the index of a hundred thousand assets is a few times this, and read seldom.
const CACHE_BYTES: u64 = 16 << 20;
/// How long a sled that was dropped may take to let go of its file.
const CLOSING: Duration = Duration::from_secs(5);

impl SledCatalog {
    /// Opens the index in `dir`, which is created. One that sled cannot read is removed: it can be rebuilt.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        wait_until_closed(dir)?;
        match Self::try_open(dir) {
            Err(Unreadable::Damaged(reason)) => {
                tracing::warn!(index = %dir.display(), reason, "the index of the store is damaged, rebuilding it");
                Self::remove(dir)?;
                Self::try_open(dir).map_err(Unreadable::into_error)
            }
            other => other.map_err(Unreadable::into_error),
        }
    }

    /// Removes the index in `dir`, if there is one.
    pub(crate) fn remove(dir: &Path) -> Result<()> {
        wait_until_closed(dir)?;
        match fs::remove_dir_all(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io(dir)(error)),
            _ => Ok(()),
        }
    }

    fn try_open(dir: &Path) -> Result<Self, Unreadable> {
        // No thread of sled's own flushes: `register` does, and what it would lose the packs have.
        let config = sled::Config::new()
            .path(dir)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::LowSpace)
            .use_compression(false)
            .flush_every_ms(None);
        // sled answers some damage with a panic.
        let opened = panic::catch_unwind(panic::AssertUnwindSafe(|| config.open().map(Self)));
        let catalog = match opened {
            Ok(Ok(catalog)) => catalog,
            Ok(Err(sled::Error::Io(error)))
                if !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
            {
                return Err(Unreadable::Refused(Error::io(dir)(error)));
            }
            Ok(Err(error)) => return Err(Unreadable::Damaged(error.to_string())),
            Err(_) => return Err(Unreadable::Damaged("sled gave up on it".to_owned())),
        };
        match catalog.packs().and_then(|_| catalog.last_sequence()) {
            Ok(_) => Ok(catalog),
            Err(error) => Err(Unreadable::Damaged(error.to_string())),
        }
    }
}

/// Why an index could not be opened.
enum Unreadable {
    /// Its content: it is to be rebuilt.
    Damaged(String),
    /// The operating system: it may be fine.
    Refused(Error),
}

impl Unreadable {
    fn into_error(self) -> Error {
        match self {
            Self::Damaged(reason) => Error::Index(reason),
            Self::Refused(error) => error,
        }
    }
}

/// Waits until nobody has the index in `dir` open. The store is locked, so this can only be a sled that was
/// dropped a moment ago: its threads hold the file a little longer.
fn wait_until_closed(dir: &Path) -> Result<()> {
    let path = dir.join("db");
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(Error::io(&path))?,
    };
    let deadline = Instant::now() + CLOSING;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(Error::io(&path)(error)),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(CLOSING / 1000),
            Err(TryLockError::WouldBlock) => return Err(Error::Busy { dir: dir.to_owned() }),
        }
    }
}

fn failed(error: impl fmt::Display) -> Error {
    Error::Index(error.to_string())
}

fn key(kind: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(kind);
    key.extend_from_slice(rest);
    key
}

/// What the keys of an asset's heads start with.
fn history_prefix(asset: &str) -> Vec<u8> {
    let mut prefix = key(HISTORY, &(asset.len() as u32).to_be_bytes());
    prefix.extend_from_slice(asset.as_bytes());
    prefix
}

fn number(bytes: &[u8]) -> Result<u64> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| Error::Index("a number is not one".to_owned()))
}

fn head(value: &[u8]) -> Result<Head> {
    codec::from_bytes("head in the index", value).map_err(failed)
}

impl Catalog for SledCatalog {
    fn packs(&self) -> Result<Vec<(u64, PackRecord)>> {
        let decode = |item: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = item.map_err(failed)?;
            let record = codec::from_bytes("pack in the index", &value).map_err(failed)?;
            Ok((number(&key[1..])?, record))
        };
        self.0.scan_prefix([PACK]).map(decode).collect()
    }

    fn register(&self, number: u64, record: &PackRecord, news: &News) -> Result<()> {
        let mut batch = sled::Batch::default();
        batch.insert(key(PACK, &number.to_be_bytes()), codec::to_bytes(record));
        let mut last = self.last_sequence()?;
        for (key, id) in &news.kept {
            batch.insert(self::key(KEPT, &key.0), &id.0[..]);
        }
        // A merged pack has many of one asset: the newest is to stay.
        let mut heads: Vec<&Head> = news.heads.iter().collect();
        heads.sort_by_key(|head| head.sequence);
        for head in heads {
            let value = codec::to_bytes(head);
            let mut place = history_prefix(&head.asset);
            place.extend_from_slice(&head.sequence.to_be_bytes());
            batch.insert(place, value.as_slice());
            let newest = self.newest_of(&head.asset)?;
            if newest.is_none_or(|newest| newest.sequence < head.sequence) {
                batch.insert(key(NEWEST, head.asset.as_bytes()), value);
            }
            last = last.max(head.sequence);
        }
        batch.insert(SEQUENCE, &last.to_be_bytes());
        self.0.apply_batch(batch).map_err(failed)?;
        self.0.flush().map_err(failed)?;
        Ok(())
    }

    fn replace(&self, number: u64, record: &PackRecord, gone: &[u64]) -> Result<()> {
        let mut batch = sled::Batch::default();
        batch.insert(key(PACK, &number.to_be_bytes()), codec::to_bytes(record));
        for number in gone {
            batch.remove(key(PACK, &number.to_be_bytes()));
            batch.insert(key(GONE, &number.to_be_bytes()), &[]);
        }
        self.0.apply_batch(batch).map_err(failed)?;
        self.0.flush().map_err(failed)?;
        Ok(())
    }

    fn gone(&self) -> Result<Vec<u64>> {
        let numbers = self.0.scan_prefix([GONE]).keys();
        numbers.map(|key| number(&key.map_err(failed)?[1..])).collect()
    }

    fn forget(&self, gone: &[u64]) -> Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let mut batch = sled::Batch::default();
        for number in gone {
            batch.remove(key(GONE, &number.to_be_bytes()));
        }
        self.0.apply_batch(batch).map_err(failed)?;
        self.0.flush().map_err(failed)?;
        Ok(())
    }

    fn newest(&self, after: Option<&str>) -> Box<dyn Iterator<Item = Result<Head>> + '_> {
        let from = match after {
            Some(asset) => Bound::Excluded(key(NEWEST, asset.as_bytes())),
            None => Bound::Included(vec![NEWEST]),
        };
        let range = self.0.range((from, Bound::Excluded(vec![NEWEST + 1])));
        Box::new(range.map(|item| head(&item.map_err(failed)?.1)))
    }

    fn newest_of(&self, asset: &str) -> Result<Option<Head>> {
        let value = self.0.get(key(NEWEST, asset.as_bytes())).map_err(failed)?;
        value.map(|value| head(&value)).transpose()
    }

    fn history(&self, asset: &str) -> Result<Vec<Head>> {
        let values = self.0.scan_prefix(history_prefix(asset)).rev();
        values.map(|item| head(&item.map_err(failed)?.1)).collect()
    }

    fn kept(&self, key: KeptKey) -> Result<Option<ObjectId>> {
        let value = self.0.get(self::key(KEPT, &key.0)).map_err(failed)?;
        let id = |value: sled::IVec| {
            let id: [u8; 32] =
                value[..].try_into().map_err(|_| Error::Index("a name is not one".to_owned()))?;
            Ok(ObjectId(id))
        };
        value.map(id).transpose()
    }

    fn last_sequence(&self) -> Result<u64> {
        self.0.get(SEQUENCE).map_err(failed)?.map_or(Ok(0), |value| number(&value))
    }
}
