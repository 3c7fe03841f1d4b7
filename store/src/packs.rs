//! All packs of a store: which of them holds an object, and its bytes.

use crate::{
    compress::decompress,
    error::{Error, Result},
    pack::{
        Entry,
        reader::{OpenPack, Pack},
    },
};
use coldread_model::{ObjectId, ObjectKind};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

/// Packs whose file and index are kept open …
const MAX_OPEN_PACKS: usize = 128;
/// … as long as their indexes have no more entries than this, of 56 bytes each.
const MAX_OPEN_ENTRIES: usize = 1 << 20;
/// Records are read in one go if no more than this lies between them …
const MAX_READ_HOLE: u64 = 16 << 10;
/// … and the read gets no longer than this.
const MAX_READ_BYTES: u64 = 4 << 20;

/// An object of the store. Its checksum, its length and its name have been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it holds.
    pub kind: ObjectKind,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The packs in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Packs {
    list: RwLock<Vec<Arc<Pack>>>,
    open: Mutex<OpenPacks>,
    /// Objects whose records turned out to be damaged since the last pack was added: they are to be stored again.
    lost: Mutex<HashSet<ObjectId>>,
}

/// The most recently used open packs.
#[derive(Debug, Default)]
struct OpenPacks {
    used: HashMap<u64, (u64, Arc<OpenPack>)>,
    clock: u64,
}

/// An object's place.
struct Place {
    /// Where in the caller's list the object was asked for.
    asked: usize,
    entry: Entry,
    pack: Arc<OpenPack>,
}

impl Packs {
    /// Adds a pack; from now on its objects are found.
    pub(crate) fn add(&self, pack: Pack) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.push(Arc::new(pack));
        list.sort_by_key(|pack| pack.number);
        // It may hold them anew; if it does not, the next reader will notice.
        self.lost().clear();
    }

    fn lost(&self) -> MutexGuard<'_, HashSet<ObjectId>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All packs, in the order of their numbers.
    pub(crate) fn all(&self) -> Vec<Arc<Pack>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts a pack in the place of those whose objects it holds.
    pub(crate) fn replace(&self, pack: Pack, gone: &[u64]) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|pack| !gone.contains(&pack.number));
        list.push(Arc::new(pack));
        list.sort_by_key(|pack| pack.number);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.used.retain(|number, _| !gone.contains(number));
    }

    /// A pack by its number, open; not one of those kept open.
    pub(crate) fn open_number(&self, number: u64) -> Result<Option<Arc<OpenPack>>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let found = list.iter().find(|pack| pack.number == number);
        found.map(|pack| pack.open().map(Arc::new)).transpose()
    }

    /// Whether each object can be read, as far as that is known without reading it. A pack that is damaged counts as
    /// holding nothing, and so does a record that was found to be, so that its objects are stored again.
    pub(crate) fn has(&self, ids: &[ObjectId]) -> Result<Vec<bool>> {
        let mut damage = None;
        let mut found = Vec::with_capacity(ids.len());
        let lost: HashSet<ObjectId> = self.lost().clone();
        for id in ids {
            found.push(match self.locate(id) {
                Ok(place) => place.is_some() && !lost.contains(id),
                Err(error @ Error::Corrupt { .. }) => {
                    damage = Some(error);
                    false
                }
                Err(error) => return Err(error),
            });
        }
        if let Some(error) = damage {
            tracing::warn!(%error, "what this pack holds will be stored again");
        }
        Ok(found)
    }

    /// Where an object is. That a damaged pack may hold it is an error, not an absence.
    fn locate(&self, id: &ObjectId) -> Result<Option<(Entry, Arc<OpenPack>)>> {
        let mut damage = None;
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        // What is asked for together was mostly written together, and lately.
        for pack in list.iter().rev() {
            let found = pack.filter().and_then(|filter| {
                if !filter.may_hold(id) {
                    return Ok(None);
                }
                let open = self.open(pack)?;
                Ok(open.find(id).map(|entry| (entry, open)))
            });
            match found {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(error) => damage = Some(error),
            }
        }
        damage.map_or(Ok(None), Err)
    }

    /// The pack's file and index, from those kept open if it is among them.
    fn open(&self, pack: &Pack) -> Result<Arc<OpenPack>> {
        let kept = || self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = kept().get(pack.number) {
            return Ok(open);
        }
        let open = Arc::new(pack.open()?);
        kept().keep(pack.number, Arc::clone(&open));
        Ok(open)
    }

    /// The objects in the order asked for. Records that lie close together are read in one go.
    pub(crate) fn get_many(&self, ids: &[ObjectId]) -> Result<Vec<Object>> {
        let mut places = Vec::with_capacity(ids.len());
        for (asked, id) in ids.iter().enumerate() {
            let (entry, pack) = self.locate(id)?.ok_or(Error::Missing(*id))?;
            places.push(Place { asked, entry, pack });
        }
        places.sort_by(|a, b| (a.pack.path(), a.entry.at).cmp(&(b.pack.path(), b.entry.at)));
        let mut objects: Vec<Option<Object>> = ids.iter().map(|_| None).collect();
        for run in places.chunk_by(follows) {
            // One read a run, cut where it would get too long.
            let mut left = run;
            while let Some(first) = left.first() {
                let start = first.entry.at;
                let fits =
                    |place: &&Place| place.entry.at + place.entry.record_len() - start <= MAX_READ_BYTES;
                let (now, later) = left.split_at(left.iter().take_while(fits).count().max(1));
                left = later;
                let end = now.iter().map(|place| place.entry.at + place.entry.record_len()).max();
                let bytes = first.pack.read(start, end.unwrap_or(start) - start)?;
                for Place { asked, entry, pack } in now {
                    let at = (entry.at - start) as usize;
                    let record = &bytes[at..at + entry.record_len() as usize];
                    let read = object(pack, entry, record);
                    if matches!(read, Err(Error::Corrupt { .. })) {
                        self.lost().insert(entry.id);
                    }
                    objects[*asked] = Some(read?);
                }
            }
        }
        // Every place was one of the ids, so every object is there.
        Ok(objects.into_iter().flatten().collect())
    }
}

/// Whether `b` begins close behind the end of `a` in the same pack, or is the same record.
fn follows(a: &Place, b: &Place) -> bool {
    let end = a.entry.at + a.entry.record_len();
    Arc::ptr_eq(&a.pack, &b.pack) && b.entry.at <= end + MAX_READ_HOLE
}

/// The object in a record, verified.
pub(crate) fn object(pack: &OpenPack, entry: &Entry, record: &[u8]) -> Result<Object> {
    let payload = pack.payload(entry, record)?;
    let damaged = |reason: String| Error::corrupt(pack.path(), entry.at, reason);
    let bytes = decompress(payload, entry.raw).map_err(damaged)?;
    // BLAKE3 takes about 20 microseconds for a chunk of 64 KiB, a third of what unfolding it does.
    if ObjectId::of(entry.kind, &bytes) != entry.id {
        return Err(damaged(format!("the content is not that of object {}", entry.id)));
    }
    Ok(Object { kind: entry.kind, bytes })
}

impl OpenPacks {
    fn get(&mut self, number: u64) -> Option<Arc<OpenPack>> {
        self.clock += 1;
        let (used, open) = self.used.get_mut(&number)?;
        *used = self.clock;
        Some(Arc::clone(open))
    }

    fn keep(&mut self, number: u64, open: Arc<OpenPack>) {
        self.clock += 1;
        self.used.insert(number, (self.clock, open));
        let entries = |kept: &Self| kept.used.values().map(|(_, open)| open.entries().len()).sum::<usize>();
        while self.used.len() > 1 && (self.used.len() > MAX_OPEN_PACKS || entries(self) > MAX_OPEN_ENTRIES) {
            let oldest = self.used.iter().min_by_key(|(_, (used, _))| *used).map(|(number, _)| *number);
            oldest.and_then(|oldest| self.used.remove(&oldest));
        }
    }
}
