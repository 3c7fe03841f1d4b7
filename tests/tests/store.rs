//! A store keeps what it was told, whatever ends a scan, and belongs to one process at a time.

#![allow(clippy::unwrap_used)]

use coldread_model::ObjectKind;
use std::{
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};
use tests::{
    ask::{self, Place, assert_same},
    disk, host,
    program::Running,
    sample,
};

fn folder(place: &Place) -> PathBuf {
    match place {
        Place::Store(dir) => dir.clone(),
        Place::Server(url) => panic!("{url} is no store"),
    }
}

fn copied(store: &Path, to: &Path) -> Place {
    host::tool("cp", &["-r".as_ref(), store.as_os_str(), to.as_os_str()]);
    Place::Store(to.to_owned())
}

/// Scans are killed at many moments between their start and their end.
#[test]
fn a_killed_scan_leaves_the_old_snapshot_or_the_new_one() {
    const MOMENTS: u32 = 8;
    let dir = tempfile::tempdir().unwrap();
    let image = sample::unpacked(dir.path());
    // At first its third volume cannot be recognised.
    let (old_place, _old) = ask::store();
    let volume = third_volume(&image);
    let saved = first_sector(&image, volume);
    disk::patch(&image, volume, &[0; 512]);
    old_place.scan(&image, "disk", &[]).exits(3);
    let old = old_place.everything();
    disk::patch(&image, volume, &saved);
    let whole = copied(&folder(&old_place), &dir.path().join("whole"));
    let began = Instant::now();
    whole.scan(&image, "disk", &[]).exits(0);
    let took = began.elapsed();
    let new = whole.everything();
    assert!(old != new);

    let (mut midway, mut kept, mut replaced) = (0, 0, 0);
    for moment in 0..MOMENTS {
        let place = copied(&folder(&old_place), &dir.path().join(format!("killed-{moment}")));
        let mut scan = Running::start(&mut place.scan_command(&image, "disk", &[]));
        thread::sleep(took * moment / (MOMENTS - 2));
        midway += u32::from(scan.is_running());
        scan.kill();
        let found = place.everything();
        if found == old {
            kept += 1;
        } else {
            assert_same(&found, &new);
            replaced += 1;
        }
        // What the killed one left behind is in nobody's way.
        place.scan(&image, "disk", &[]).exits(0);
        assert_same(&place.everything(), &new);
    }
    println!("{midway} of {MOMENTS} killed midway: {kept} kept the old snapshot, {replaced} had the new one");
    assert!(midway > 0 && kept > 0, "no scan was killed midway");
}

/// What is lost of one asset does not hide the others, and is told once they have been.
#[test]
fn a_damaged_asset_costs_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let image = sample::unpacked(dir.path());
    let (place, _store) = ask::store();
    for asset in ["a", "b"] {
        place.scan(&image, asset, &[]).exits(0);
    }
    let packs = fs::read_dir(folder(&place).join("packs")).unwrap().map(|item| item.unwrap().path());
    // The last one holds the manifest of the later asset and its head; all else is the same.
    let last = packs.max().unwrap();
    let mut bytes = fs::read(&last).unwrap();
    bytes[16 + 45 + 8] ^= 1;
    fs::write(&last, bytes).unwrap();
    for question in ["packages", "files", "assets", "gaps"] {
        let answer = place.run(&[question, "-o", "ndjson"]).exits(1).says(&["asset b", "damaged"]);
        let rows = answer.rows();
        assert!(!rows.is_empty() || question == "gaps", "{question}");
        assert!(rows.iter().all(|row| row["asset"] == "a"), "{question}");
        place.run(&[question, "--asset", "a"]).exits(0);
    }
    place.run(&["packages", "--asset", "b"]).exits(1).says(&["damaged"]);
    // Scanned again it is whole again.
    place.scan(&image, "b", &[]).exits(0);
    place.run(&["packages"]).exits(0);
}

/// The first byte of the sample's third volume.
fn third_volume(image: &Path) -> u64 {
    let size = fs::metadata(image).unwrap().len();
    // 32 MiB, before the last mebibyte: samples/README.md.
    size - disk::MIB - 32 * disk::MIB
}

fn first_sector(image: &Path, at: u64) -> [u8; 512] {
    let mut bytes = [0; 512];
    fs::File::open(image).unwrap().read_exact_at(&mut bytes, at).unwrap();
    bytes
}

#[test]
fn a_store_in_use_is_an_error_and_no_harm() {
    let (place, _dir) = ask::store();
    place.scan(&sample::compressed(), "speicher", &[]).exits(0);
    let before = place.everything();
    let store = folder(&place);
    let mut command = tests::program::coldread();
    command.args(["coordinator", "--listen", "127.0.0.1:0", "--store"]).arg(&store);
    let mut coordinator = Running::start(&mut command);
    let server = Place::Server(format!("http://{}", coordinator.address()));
    let name = store.to_str().unwrap();
    place.run(&["packages"]).exits(1).says(&[name, "another coldread uses this store"]);
    place
        .scan(&sample::compressed(), "speicher", &[])
        .exits(1)
        .says(&[name, "another coldread uses this store"]);
    // Who has it answers on, with the same words.
    assert_same(&server.everything(), &before);
    coordinator.kill();
    assert_same(&place.everything(), &before);
}

#[test]
fn commands_at_the_same_time_wait_for_each_other() {
    let (place, _dir) = ask::store();
    place.scan(&sample::compressed(), "speicher", &[]).exits(0);
    let asked: Vec<_> =
        (0..4).map(|_| Running::start(&mut place.command(&["packages", "-o", "ndjson"]))).collect();
    for running in asked {
        assert_eq!(running.finish().exits(0).rows().len(), 158);
    }
}

#[test]
fn the_index_is_rebuilt_from_the_packs() {
    let (place, _dir) = ask::store();
    place.scan(&sample::compressed(), "speicher", &[]).exits(0);
    let before = place.everything();
    let index = folder(&place).join("index");
    fs::remove_dir_all(&index).unwrap();
    assert_same(&place.everything(), &before);
    assert!(index.is_dir());
    // Damaged instead of gone.
    for entry in fs::read_dir(&index).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::write(&path, b"no longer what it was").unwrap();
        }
    }
    assert_same(&place.everything(), &before);
    place.scan(&sample::compressed(), "speicher", &[]).exits(0);
    assert_same(&place.everything(), &before);
}

/// Whatever object is damaged: an answer is the one from before, or an error that says where the damage is.
#[test]
fn a_damaged_pack_is_told_and_not_taken_for_nothing() {
    let (place, _dir) = ask::store();
    place.scan(&sample::compressed(), "speicher", &[]).exits(0);
    let before = place.everything();
    let packs = fs::read_dir(folder(&place).join("packs")).unwrap();
    let packs: Vec<_> = packs.map(|entry| entry.unwrap().path()).collect();
    let records: Vec<_> = packs.iter().flat_map(|pack| records(pack)).collect();
    assert!(records.len() > 10, "{records:?}");
    for Record { pack, kind, middle } in records {
        disk::flip(pack, middle);
        let mut told = false;
        for (line, expected) in &before {
            let answer = place.run(&line.split(' ').collect::<Vec<_>>());
            if answer.status.success() {
                assert_eq!(answer.text(), expected, "coldread {line}, {kind:?} damaged");
            } else {
                answer.exits(1).says(&["damaged at byte"]);
                told = true;
            }
        }
        // No query reads what is there for later tasks, nor what the index is rebuilt from.
        let asked = !matches!(kind, ObjectKind::Kept | ObjectKind::VolumeSpecs | ObjectKind::Head);
        assert_eq!(told, asked, "{kind:?} damaged");
        disk::flip(pack, middle);
    }
    assert_same(&place.everything(), &before);
}

/// An object in a pack.
#[derive(Debug)]
struct Record<'a> {
    pack: &'a Path,
    kind: ObjectKind,
    /// A byte in the middle of its payload.
    middle: u64,
}

/// The records of a pack, by the layout that `store/src/pack/mod.rs` gives.
fn records(pack: &Path) -> Vec<Record<'_>> {
    const HEADER: usize = 16;
    const RECORD_HEADER: usize = 45;
    const FOOTER: usize = 108;
    let bytes = fs::read(pack).unwrap();
    let index = bytes[bytes.len() - FOOTER..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes)).unwrap();
    let mut records = Vec::new();
    let mut at = HEADER;
    while at < usize::try_from(index).unwrap() {
        let kind = ObjectKind::from_u8(bytes[at]).unwrap();
        let stored = bytes[at + 1..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).unwrap() as usize;
        at += RECORD_HEADER;
        records.push(Record { pack, kind, middle: (at + stored / 2) as u64 });
        at += stored;
    }
    records
}

#[test]
fn a_store_that_is_not_there_is_told_and_not_made() {
    let (place, dir) = ask::store();
    let store = folder(&place);
    for line in ["assets", "packages", "logins", "files", "coverage", "gaps"] {
        place.run(&[line]).exits(1).says(&["no store", store.to_str().unwrap()]);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    // Nothing listens there.
    let answer = Place::Server("http://127.0.0.1:1".to_owned()).run(&["packages"]);
    answer.exits(1).says(&["http://127.0.0.1:1"]);
}
