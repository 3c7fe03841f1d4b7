//! The power is cut at each file operation in turn. After reopening, every snapshot that was acknowledged is
//! there, and one that was not is there whole or not at all.

use super::{chunk, manifest};
use crate::{
    Error, Merged, Store,
    disk::{Disk, OsDisk, Output},
    merge::Policy,
};
use coldread_model::{ObjectId, ObjectKind, Timestamp, manifest::Head};
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// What the power cut does to what was not synced.
#[derive(Clone, Copy, Debug)]
enum Unsynced {
    /// It happened to be written.
    Stays,
    /// Bytes and names are gone.
    Vanishes,
    /// Names and lengths stay, bytes are zero.
    Zeroed,
}

/// What becomes of the index meanwhile.
#[derive(Clone, Copy, Debug)]
enum Index {
    /// It is as sled left it.
    Stays,
    /// It knows nothing of the packs written since the store was created.
    Lags,
    /// It is gone.
    Gone,
}

/// The files of the operating system up to the power cut.
#[derive(Clone, Debug)]
struct Mortal(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Operations until the power is cut.
    left: usize,
    /// Length and synced length of each file, by its present name.
    files: BTreeMap<PathBuf, (u64, u64)>,
    /// New names, with the old ones, that are not durable yet.
    renamed: Vec<(PathBuf, PathBuf)>,
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other("the power is off")),
        }
        Ok(())
    }
}

impl Disk for Mortal {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        OsDisk.create(path)?;
        state.files.insert(path.to_owned(), (0, 0));
        Ok(Box::new(MortalFile { state: Arc::clone(&self.0), path: path.to_owned() }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        OsDisk.rename(from, to)?;
        let lengths = state.files.remove(from).unwrap();
        state.files.insert(to.to_owned(), lengths);
        state.renamed.push((to.to_owned(), from.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        state.renamed.clear();
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.step()?;
        state.files.remove(path);
        OsDisk.remove(path)
    }
}

struct MortalFile {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

impl Output for MortalFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        // The last write before the cut gets half way.
        let dies = state.left == 0;
        let written = if dies { &bytes[..bytes.len() / 2] } else { bytes };
        if let Some((len, _)) = state.files.get_mut(&self.path) {
            *len += written.len() as u64;
            io::Write::write_all(&mut OpenOptions::new().append(true).open(&self.path)?, written)?;
        }
        state.step()
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.step()?;
        if let Some((len, synced)) = state.files.get_mut(&self.path) {
            *synced = *len;
        }
        Ok(())
    }
}

impl Mortal {
    fn cut(&self, unsynced: Unsynced) {
        let mut state = self.0.lock().unwrap();
        for (path, (len, synced)) in &state.files {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            match unsynced {
                Unsynced::Stays => {}
                Unsynced::Vanishes => file.set_len(*synced).unwrap(),
                Unsynced::Zeroed => {
                    file.set_len(*synced).unwrap();
                    file.set_len(*len).unwrap();
                }
            }
        }
        if matches!(unsynced, Unsynced::Vanishes) {
            for (new, old) in std::mem::take(&mut state.renamed).iter().rev() {
                fs::rename(new, old).unwrap();
            }
        }
    }
}

/// The snapshots that are written one after the other: asset and a number that makes its content its own.
const COMMITS: [(&str, u8); 3] = [("a", 1), ("b", 2), ("a", 3)];

/// Commits, then merges all packs, until the power is cut; gives the acknowledged heads and how many commits were begun,
/// or more than any number of commits where all was done.
fn work(dir: &Path, disk: Arc<dyn Disk>) -> (Vec<Head>, usize) {
    let mut acknowledged = Vec::new();
    let Ok(store) = Store::open_on(disk, dir) else { return (acknowledged, 0) };
    for (i, (asset, content)) in COMMITS.into_iter().enumerate() {
        match commit(&store, asset, content) {
            Ok(head) => acknowledged.push(head),
            Err(Error::Io { .. }) => return (acknowledged, i + 1),
            Err(other) => panic!("{other}"),
        }
    }
    match store.merge_by(Policy { at: 3, objects: 1000, bytes: 1 << 30 }) {
        Ok(merged) => assert_eq!(merged, Merged { packs: 2 * COMMITS.len() as u64, into: 1 }),
        Err(Error::Io { .. }) => return (acknowledged, COMMITS.len()),
        Err(other) => panic!("{other}"),
    }
    (acknowledged, usize::MAX)
}

fn commit(store: &Arc<Store>, asset: &str, content: u8) -> crate::Result<Head> {
    let mut other = store.writer();
    other.put_raw(ObjectKind::Gaps, &[content])?;
    other.finish()?;
    let mut writer = store.writer();
    let rows = [("/".to_owned(), format!("file{content}"))];
    let chunk = chunk(&mut writer, &rows)?;
    let manifest = manifest(&mut writer, asset, vec![chunk])?;
    writer.commit(&manifest, Timestamp::new(i64::from(content), 0))
}

/// Every head of the store, with everything that its manifest names readable.
fn heads(store: &Store) -> Vec<Head> {
    let mut heads = Vec::new();
    for asset in ["a", "b"] {
        let history = store.snapshots(asset).unwrap();
        assert_eq!(store.newest(asset).unwrap().map(|newest| newest.head), history.first().cloned());
        heads.extend(history);
    }
    heads.sort_by_key(|head| head.sequence);
    for head in &heads {
        let manifest = store.manifest(head.manifest).unwrap();
        for package in store.packages(&manifest) {
            package.unwrap();
        }
        store.ledger(&manifest).unwrap();
        assert_eq!(store.gaps(&manifest).unwrap().len() as u64, manifest.counts.gaps);
        let chunk = manifest.volumes[0].chunks[0];
        store.get_many(&[chunk.stable, chunk.volatile]).unwrap();
    }
    heads
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn every_crash(unsynced: Unsynced, index: Index) {
    let mut left = 0;
    while !survives(left, unsynced, index) {
        left += 1;
    }
    assert!(left > 15, "only {left} operations");
}

#[test]
fn the_process_dies() {
    every_crash(Unsynced::Stays, Index::Stays);
}

#[test]
fn the_power_goes() {
    every_crash(Unsynced::Vanishes, Index::Stays);
}

#[test]
fn the_power_goes_and_the_index_lags() {
    every_crash(Unsynced::Vanishes, Index::Lags);
}

#[test]
fn the_power_goes_and_zeros_and_the_index_with_it() {
    every_crash(Unsynced::Zeroed, Index::Gone);
}

/// One crash; `true` if all the work was done before it.
fn survives(left: usize, unsynced: Unsynced, index: Index) -> bool {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().join("store");
    drop(Store::open(&dir).unwrap());
    let old_index = place.path().join("index");
    copy_dir(&dir.join("index"), &old_index);
    let state = State { left, files: BTreeMap::new(), renamed: Vec::new() };
    let disk = Mortal(Arc::new(Mutex::new(state)));
    let (acknowledged, begun) = work(&dir, Arc::new(disk.clone()));
    disk.cut(unsynced);
    if !matches!(index, Index::Stays) {
        fs::remove_dir_all(dir.join("index")).unwrap();
    }
    if matches!(index, Index::Lags) {
        copy_dir(&old_index, &dir.join("index"));
    }

    let store = Store::open(&dir).unwrap();
    let case = format!("{left} operations, {unsynced:?}, index {index:?}");
    let found = heads(&store);
    assert_eq!(found[..acknowledged.len()], acknowledged, "{case}");
    let more = found.len() - acknowledged.len();
    assert!(more <= begun.min(COMMITS.len()) - acknowledged.len(), "{case}");
    for (head, (asset, content)) in found.iter().zip(COMMITS) {
        assert_eq!((head.asset.as_str(), head.committed_at.seconds), (asset, i64::from(content)), "{case}");
    }
    // Life goes on, and nothing of the crash is left.
    let next = commit(&store, "b", 9).unwrap();
    assert_eq!(store.newest("b").unwrap().unwrap().head, next, "{case}");
    assert!(found.iter().all(|head| head.sequence < next.sequence), "{case}");
    let names = fs::read_dir(dir.join("packs")).unwrap().map(|item| item.unwrap().path());
    assert!(names.into_iter().all(|name| name.extension().is_some_and(|e| e == "pack")), "{case}");
    assert!(matches!(store.get(ObjectId([0; 32])), Err(Error::Missing(_))), "{case}");
    begun == usize::MAX
}
