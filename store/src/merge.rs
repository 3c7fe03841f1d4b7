//! Merging packs. Each scan writes packs of its own, and an object is looked for in every pack: after a year of daily
//! scans there would be as many packs as scans. So packs of about the same size are copied together into one as soon as
//! there are many of them, as a log-structured merge tree does it; an object is copied once for each step in size.
//!
//! The new pack is durable, then the index names it in place of the old ones, in one step, then these are removed. A
//! crash in between leaves every object where it was, in the new pack or twice.

use crate::{
    compress::Packed,
    error::{Error, Result},
    pack::{Entry, PackRecord, pack_path, reader::OpenPack},
    store::Store,
};
use std::{
    collections::{BTreeMap, HashSet},
    io,
    sync::{Arc, PoisonError, TryLockError},
};

/// When packs are merged, and into what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// Packs of one class of size are merged once there are so many.
    pub(crate) at: usize,
    /// No merged pack has more objects: its index is in memory while it is read.
    pub(crate) objects: u64,
    /// No merged pack is longer.
    pub(crate) bytes: u64,
}

/// How the packs of a store are merged.
const POLICY: Policy = Policy { at: 16, objects: 64 << 10, bytes: 512 << 20 };
/// No more packs are merged at a time: all of them are open meanwhile.
const MAX_PACKS: usize = 256;
/// No more merges one after the other: whoever waits for them has something else to do as well.
const MAX_MERGES: usize = 16;
/// Packs that are shorter are of one class.
const SMALL_BYTES: u64 = 64 << 10;
/// A class of size reaches to so many doublings of its least.
const DOUBLINGS: u32 = 3;
/// Records are read in pieces of about this size.
const PIECE_BYTES: u64 = 4 << 20;

/// What merging did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Packs that are no more.
    pub packs: u64,
    /// Packs that they went into.
    pub into: u64,
}

/// A pack that may be merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candidate {
    number: u64,
    bytes: u64,
    objects: u64,
}

impl Store {
    /// Merges packs where there are many of about the same size. Whoever reads meanwhile is not disturbed; where another
    /// thread is at it already, nothing is done. A pack that cannot be read is told and left as it is.
    pub fn merge(&self) -> Result<Merged> {
        self.merge_by(POLICY)
    }

    /// [`Store::merge`] with limits of the caller's.
    pub(crate) fn merge_by(&self, policy: Policy) -> Result<Merged> {
        let mut merged = Merged::default();
        let mut damaged = match self.damaged.try_lock() {
            Ok(damaged) => damaged,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(merged),
        };
        for _ in 0..MAX_MERGES {
            let Some(chosen) = choose(self.candidates(policy, &mut damaged)?, policy) else { break };
            match self.merge_these(&chosen, policy, &mut damaged)? {
                0 => {}
                packs => {
                    merged.packs += packs;
                    merged.into += 1;
                }
            }
        }
        if merged.into > 0 {
            tracing::info!(packs = merged.packs, into = merged.into, "merged packs");
        }
        Ok(merged)
    }

    /// The packs that are so small that several fit into one.
    fn candidates(&self, policy: Policy, damaged: &mut HashSet<u64>) -> Result<Vec<Candidate>> {
        let mut found = Vec::new();
        let packs = self.packs.all();
        if packs.len() < policy.at {
            return Ok(found);
        }
        for pack in packs {
            if pack.len() > policy.bytes / 2 || damaged.contains(&pack.number) {
                continue;
            }
            match pack.filter() {
                Ok(filter) if filter.ids_at_most() > policy.objects / 2 => {}
                Ok(filter) => {
                    let objects = filter.ids_at_most();
                    found.push(Candidate { number: pack.number, bytes: pack.len(), objects });
                }
                Err(error) => skip(error, pack.number, damaged)?,
            }
        }
        Ok(found)
    }

    /// Copies these packs into one and puts it in their place; gives how many they were.
    fn merge_these(&self, chosen: &[Candidate], policy: Policy, damaged: &mut HashSet<u64>) -> Result<u64> {
        let mut opened: Vec<(u64, Arc<OpenPack>)> = Vec::new();
        for candidate in chosen {
            match self.packs.open_number(candidate.number) {
                Ok(open) => opened.extend(open.map(|open| (candidate.number, open))),
                Err(error) => skip(error, candidate.number, damaged)?,
            }
        }
        let mut new = self.create_pack()?;
        let mut gone: Vec<u64> = Vec::new();
        for (number, open) in opened {
            // A pack is copied whole or not at all: what was copied of one that turns out to be damaged stays in the new
            // one too, which costs only its room.
            match copy(&open, &mut |object| if new.has(&object.id()) { Ok(()) } else { new.put(&object) }) {
                Ok(()) => gone.push(number),
                Err(error) => skip(error, number, damaged)?,
            }
        }
        if gone.len() < 2 {
            return Ok(0);
        }
        debug_assert!(gone.len() <= MAX_PACKS && policy.at > 1);
        let number = new.number();
        let record = new.finish()?;
        self.replace(number, &record, &gone)?;
        Ok(gone.len() as u64)
    }

    /// Publishes a merged pack in place of those that it holds, and removes these.
    fn replace(&self, number: u64, record: &PackRecord, gone: &[u64]) -> Result<()> {
        {
            let _one_at_a_time = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
            self.catalog.replace(number, record, gone)?;
            self.packs.replace(self.pack(number, *record), gone);
        }
        self.remove_packs(gone)
    }

    /// Removes packs that the index does not name any more, and lets it forget them.
    pub(crate) fn remove_packs(&self, gone: &[u64]) -> Result<()> {
        for number in gone {
            let path = pack_path(&self.packs_dir, *number, "pack");
            match self.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(Error::io(&path)(error)),
                _ => {}
            }
        }
        self.catalog.forget(gone)
    }
}

/// Notes a damaged pack; any other error is one.
fn skip(error: Error, number: u64, damaged: &mut HashSet<u64>) -> Result<()> {
    if !matches!(error, Error::Corrupt { .. }) {
        return Err(error);
    }
    tracing::warn!(%error, "a damaged pack is not merged with others");
    damaged.insert(number);
    Ok(())
}

/// The packs to merge: of the smallest class that has enough, the oldest, as many as fit into one.
fn choose(mut candidates: Vec<Candidate>, policy: Policy) -> Option<Vec<Candidate>> {
    candidates.sort_by_key(|one| one.number);
    let mut classes: BTreeMap<u32, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        let class = candidate.bytes.max(SMALL_BYTES).ilog2() / DOUBLINGS;
        classes.entry(class).or_default().push(candidate);
    }
    let (_, class) = classes.into_iter().find(|(_, class)| class.len() >= policy.at)?;
    let (mut bytes, mut objects) = (0_u64, 0_u64);
    let fits = |one: &Candidate| {
        bytes = bytes.saturating_add(one.bytes);
        objects = objects.saturating_add(one.objects);
        bytes <= policy.bytes && objects <= policy.objects
    };
    Some(class.into_iter().take(MAX_PACKS).take_while(fits).collect())
}

/// Hands every object of a pack to `put`, as it is stored, in the order of the records; each record's checksum is
/// verified.
fn copy(open: &OpenPack, put: &mut impl FnMut(Packed) -> Result<()>) -> Result<()> {
    let mut entries: Vec<&Entry> = open.entries().iter().collect();
    entries.sort_by_key(|entry| entry.at);
    let mut left = &entries[..];
    while let Some(first) = left.first() {
        let start = first.at;
        let fits = |entry: &&&Entry| entry.at + entry.record_len() - start <= PIECE_BYTES;
        let (now, later) = left.split_at(left.iter().take_while(fits).count().max(1));
        left = later;
        let end = now.iter().map(|entry| entry.at + entry.record_len()).max().unwrap_or(start);
        let bytes = open.read(start, end - start)?;
        for entry in now {
            let at = (entry.at - start) as usize;
            let payload = open.payload(entry, &bytes[at..at + entry.record_len() as usize])?;
            put(Packed::trusted(entry.id, entry.kind, entry.raw, payload.to_vec())?)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Policy = Policy { at: 3, objects: 100, bytes: 1 << 20 };

    fn chosen(sizes: &[(u64, u64)]) -> Option<Vec<u64>> {
        let candidates =
            sizes.iter().zip(1..).map(|(&(bytes, objects), number)| Candidate { number, bytes, objects });
        choose(candidates.collect(), LIMITS).map(|chosen| chosen.iter().map(|one| one.number).collect())
    }

    #[test]
    fn packs_of_about_the_same_size_are_merged_as_far_as_one_can_hold_them() {
        assert_eq!(chosen(&[(10, 1), (20, 1)]), None);
        assert_eq!(chosen(&[(10, 1), (1 << 19, 1), (20, 1), (1 << 19, 1)]), None);
        assert_eq!(chosen(&[(10, 1), (1 << 19, 1), (20, 1), (30, 1)]), Some(vec![1, 3, 4]));
        assert_eq!(chosen(&[(1, 40), (1, 40), (1, 40), (1, 1)]), Some(vec![1, 2]));
        assert_eq!(chosen(&[(1 << 19, 1), (1 << 19, 1), (1 << 19, 1)]), Some(vec![1, 2]));
    }
}
