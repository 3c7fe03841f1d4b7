//! Real hives, from the folder that `COLDREAD_CORPUS` names.

use super::{
    tests::{walk, with},
    *,
};
use std::path::PathBuf;

fn corpus() -> Option<PathBuf> {
    let folder = std::env::var_os("COLDREAD_CORPUS").map(|folder| PathBuf::from(folder).join("registry"));
    if folder.is_none() {
        println!("skipped: COLDREAD_CORPUS names no folder of real files");
    }
    folder
}

fn read(folder: &std::path::Path, name: &str) -> Vec<u8> {
    let bytes = std::fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    if std::path::Path::new(name).extension().is_none_or(|ending| ending != "xz") {
        return bytes;
    }
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut liblzma::read::XzDecoder::new(&bytes[..]), &mut plain).unwrap();
    plain
}

#[test]
fn counts_of_keys_and_values() {
    let Some(folder) = corpus() else { return };
    for (name, keys, values) in [
        ("100_sub_keys.hiv", 101, 100),
        ("Amcache.hve", 2105, 17_539),
        ("NTUSER-RunTests.DAT", 893, 1306),
        ("NTUSER-XP.DAT", 1127, 5602),
        ("SAM", 76, 84),
        ("issue22.hive", 1, 10),
        ("notatin-NTUSER.DAT", 2853, 5523),
        ("newdirty1-RecoveredHive_Windows10", 5, 1),
        ("yarp-DeletedDataHive", 2, 1),
        ("yarp-TruncatedHive", 2, 0),
    ] {
        let (found, errors) = with(&read(&folder, name), &[], walk).unwrap();
        let count: usize = found.iter().map(|(_, values)| values.len()).sum();
        println!("{name}: {} keys, {count} values, {errors:?}", found.len());
        assert_eq!((found.len(), count), (keys, values), "{name}: {errors:?}");
    }
}

#[test]
fn logs_make_a_dirty_hive_what_windows_makes_of_it() {
    let Some(folder) = corpus() else { return };
    let recovered = with(&read(&folder, "newdirty1-RecoveredHive_Windows10"), &[], walk).unwrap();
    for set in ["newdirty1", "newdirty2"] {
        let file = |end: &str| read(&folder, &format!("{set}-NewDirtyHive{end}"));
        let before = with(&file(""), &[], walk).unwrap();
        let count: usize = before.0.iter().map(|(_, values)| values.len()).sum();
        assert_eq!((before.0.len(), count), (5, 2));
        let logs = [file(".LOG1"), file(".LOG2")];
        let (after, state) = with(&file(""), &logs, |hive| (walk(hive), hive.state.clone())).unwrap();
        assert!(matches!(state, HiveState::Replayed { .. }));
        assert_eq!(after, recovered, "{set}");
    }
    let file = |name: &str| read(&folder, name);
    let logs =
        [file("regipy-transactions_ntuser.dat.log1.xz"), file("regipy-transactions_ntuser.dat.log2.xz")];
    let hive = file("regipy-transactions_NTUSER.DAT.xz");
    let before = with(&hive, &[], walk).unwrap();
    let (after, state, notes) =
        with(&hive, &logs, |hive| (walk(hive), hive.state.clone(), hive.notes.clone())).unwrap();
    println!("{} keys before, {} after, {state:?}, {notes:?}", before.0.len(), after.0.len());
    assert!(matches!(state, HiveState::Replayed { .. }));
    assert_eq!(after.1, []);
    assert_ne!(before.0, after.0);
}

#[test]
fn shapes_that_are_rare() {
    let Some(folder) = corpus() else { return };
    with(&read(&folder, "yarp-BigDataHive"), &[], |hive| {
        let key = hive.open_key("key_with_bigdata").unwrap().unwrap();
        assert_eq!(hive.values(&key).cells.len(), 2);
        assert_eq!(hive.named(&key, "").unwrap().unwrap().bytes, [0x31; 16_345]);
    })
    .unwrap();
    with(&read(&folder, "yarp-ManySubkeysHive"), &[], |hive| {
        let key = hive.open_key("key_with_many_subkeys").unwrap().unwrap();
        let listed = hive.subkeys(&key);
        assert_eq!((listed.cells.len(), listed.error), (5000, None));
        assert!(hive.open_key("key_with_many_subkeys\\2119\\find_me").unwrap().is_some());
    })
    .unwrap();
    with(&read(&folder, "yarp-MultiSzHive"), &[], |hive| {
        let key = hive.open_key("key").unwrap().unwrap();
        assert_eq!(hive.named(&key, "1").unwrap().unwrap().texts().unwrap(), [""; 0]);
        assert_eq!(hive.named(&key, "2").unwrap().unwrap().texts().unwrap(), ["привет", "как дела?"]);
    })
    .unwrap();
    with(&read(&folder, "yarp-UnicodeHive"), &[], |hive| {
        assert!(hive.open_key("привет\\КЛЮЧ").unwrap().is_some());
    })
    .unwrap();
    let (_, errors) = with(&read(&folder, "yarp-GarbageHive"), &[], walk).unwrap();
    assert_eq!(errors, []);
}
