//! Opening: one at a time, and with an index that is missing, damaged or wrong.

use super::{chunk, manifest};
use crate::{Error, Merged, Store, merge::Policy};
use coldread_model::{ObjectKind, Timestamp, manifest::Head};
use std::{fs, path::Path, sync::Arc};

fn commit(store: &Arc<Store>, asset: &str, content: u8) -> Head {
    let mut writer = store.writer();
    let chunk = chunk(&mut writer, &[("/".to_owned(), format!("file{content}"))]).unwrap();
    let manifest = manifest(&mut writer, asset, vec![chunk]).unwrap();
    writer.commit(&manifest, Timestamp::new(i64::from(content), 0)).unwrap()
}

/// A store with some snapshots; and all its heads, per asset.
fn filled(dir: &Path) -> Vec<Vec<Head>> {
    let store = Store::open(dir).unwrap();
    for i in 0..12 {
        commit(&store, ["a", "b", "ab", "a\0"][usize::from(i) % 4], i);
    }
    heads(&store)
}

fn heads(store: &Store) -> Vec<Vec<Head>> {
    let assets = store.assets(None).map(|asset| asset.unwrap());
    assets
        .map(|asset| {
            let history = store.snapshots(&asset.asset).unwrap();
            assert_eq!(history[0], asset);
            history
        })
        .collect()
}

#[test]
fn a_second_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    assert!(matches!(Store::open_existing(dir.path()), Err(Error::NoStore { .. })));
    let store = Store::open(dir.path()).unwrap();
    for second in [Store::open(dir.path()), Store::open_existing(dir.path()), Store::rebuild(dir.path())] {
        let error = second.unwrap_err();
        assert!(matches!(error, Error::Busy { .. }));
        assert!(error.to_string().contains("another coldread uses this store"));
    }
    drop(store);
    Store::open_existing(dir.path()).unwrap();
}

#[test]
fn a_rebuilt_index_is_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let before = filled(dir.path());
    assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 3, 3]);
    assert_eq!(heads(&Store::rebuild(dir.path()).unwrap()), before);
    fs::remove_dir_all(dir.path().join("index")).unwrap();
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(heads(&store), before);
    let names = store.assets(Some("a")).map(|asset| asset.unwrap().asset).collect::<Vec<_>>();
    assert_eq!(names, ["a\0", "ab", "b"]);
    let next = commit(&store, "a", 99);
    assert_eq!(next.sequence, 13);
}

#[test]
fn a_damaged_index_is_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let before = filled(dir.path());
    let index = dir.path().join("index");
    for file in ["db", "conf"] {
        let path = index.join(file);
        let whole = fs::read(&path).unwrap();
        let used = whole.iter().rposition(|&byte| byte != 0).unwrap() + 1;
        for at in (0..used).step_by((used / 40).max(1)) {
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 0x55;
            fs::write(&path, bytes).unwrap();
            assert_eq!(heads(&Store::open(dir.path()).unwrap()), before, "byte {at} of {file}");
        }
        for len in [0, 5, used / 2, used - 1] {
            fs::write(&path, &fs::read(&path).unwrap()[..len]).unwrap();
            assert_eq!(heads(&Store::open(dir.path()).unwrap()), before, "{file} cut at {len}");
        }
    }
}

#[test]
fn a_head_that_cannot_be_read_costs_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let before = filled(dir.path());
    let store = Store::open(dir.path()).unwrap();
    let mut writer = store.writer();
    let forged = writer.put_raw(ObjectKind::Head, b"no head").unwrap();
    let kept = writer.put_raw(ObjectKind::Gaps, b"of another snapshot").unwrap();
    writer.finish().unwrap();
    drop(store);
    let store = Store::rebuild(dir.path()).unwrap();
    assert_eq!(heads(&store), before);
    assert_eq!(store.has(&[forged, kept]).unwrap(), [true, true]);
    drop(store);
    // A head whose record is damaged: what else its pack holds is there.
    let pack = dir.path().join("packs/0000000000000001.pack");
    let mut bytes = fs::read(&pack).unwrap();
    let first =
        bytes.windows(5).position(|bytes| bytes[0] == ObjectKind::Head as u8 && bytes[2..5] == [0; 3]);
    bytes[first.unwrap() + 8] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let store = Store::rebuild(dir.path()).unwrap();
    assert_eq!(heads(&store).iter().map(Vec::len).sum::<usize>(), 11);
    let oldest = before[0].last().unwrap();
    store.manifest(oldest.manifest).unwrap();
}

#[test]
fn a_damaged_pack_is_not_merged_and_the_others_are() {
    let dir = tempfile::tempdir().unwrap();
    let before = filled(dir.path());
    let packs = dir.path().join("packs");
    let damaged = packs.join("0000000000000002.pack");
    let mut bytes = fs::read(&damaged).unwrap();
    bytes[60] ^= 1;
    fs::write(&damaged, &bytes).unwrap();
    let store = Store::open(dir.path()).unwrap();
    let policy = Policy { at: 4, objects: 1000, bytes: 1 << 30 };
    assert_eq!(store.merge_by(policy).unwrap(), Merged { packs: 11, into: 1 });
    assert_eq!(store.merge_by(policy).unwrap(), Merged::default());
    assert_eq!(fs::read_dir(&packs).unwrap().count(), 2);
    assert_eq!(fs::read(&damaged).unwrap(), bytes);
    // All heads are there, and all that the damaged pack does not hold.
    let readable = |store: &Store| {
        assert_eq!(heads(store), before);
        let all = before.iter().flatten();
        all.filter(|head| store.manifest(head.manifest).is_ok()).count()
    };
    assert!(readable(&store) >= 11);
    drop(store);
    assert!(readable(&Store::open(dir.path()).unwrap()) >= 11);
    assert!(readable(&Store::rebuild(dir.path()).unwrap()) >= 11);
}

#[test]
fn what_is_damaged_is_stored_again_by_the_next_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let head = commit(&store, "a", 1);
    let pack = dir.path().join("packs/0000000000000001.pack");
    let mut bytes = fs::read(&pack).unwrap();
    // Every record: all bytes before the index, which starts where the footer says.
    let footer = bytes.len() - (4 * 8 + 2 * 32 + 4 + 8);
    let index = u64::from_le_bytes(bytes[footer..footer + 8].try_into().unwrap()) as usize;
    for byte in &mut bytes[16..index] {
        *byte ^= 1;
    }
    fs::write(&pack, bytes).unwrap();
    drop(store);
    let store = Store::open(dir.path()).unwrap();
    assert_eq!(commit(&store, "a", 1).manifest, head.manifest);
    let manifest = store.manifest(head.manifest).unwrap();
    store.gaps(&manifest).unwrap();
    let chunk = manifest.volumes[0].chunks[0];
    store.get_many(&[chunk.stable, chunk.volatile]).unwrap();
}

#[test]
fn packs_are_merged_by_themselves_once_there_are_many() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for i in 0..100 {
        commit(&store, "a", i);
        store.merge().unwrap();
    }
    let files = fs::read_dir(dir.path().join("packs")).unwrap().count();
    assert!(files < 2 * 16, "{files} packs");
    for head in store.snapshots("a").unwrap() {
        store.manifest(head.manifest).unwrap();
    }
}

#[test]
fn damaged_packs_are_errors_and_unknown_ones_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path());
    let pack = dir.path().join("packs/0000000000000001.pack");
    let bytes = fs::read(&pack).unwrap();
    fs::write(&pack, &bytes[..bytes.len() - 1]).unwrap();
    let stray = dir.path().join("packs/00000000000000ff.pack");
    fs::write(&stray, b"not a pack").unwrap();
    fs::write(dir.path().join("packs/0000000000000100.tmp"), b"half").unwrap();

    let store = Store::open(dir.path()).unwrap();
    assert!(stray.exists());
    assert!(!dir.path().join("packs/0000000000000100.tmp").exists());
    let first = store.snapshots("a").unwrap().pop().unwrap();
    let error = store.manifest(first.manifest).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { pack: named, .. } if *named == pack), "{error}");
    // The others are not affected, and what was lost can be stored again.
    assert_eq!(store.has(&[first.manifest]).unwrap(), [false]);
    let newest = store.newest("a").unwrap().unwrap();
    let mut writer = store.writer();
    writer.put_raw(ObjectKind::Gaps, b"more").unwrap();
    writer.finish().unwrap();
    assert!(dir.path().join("packs/0000000000000100.pack").exists());
    assert_eq!(newest.manifest.asset, "a");
}
