//! Registry hives.

use super::Stated;
use crate::support::extract;
use coldread_artifacts::{
    Context,
    hive::{Data, Hive, HiveState},
    view::{FileView, MemoryView},
};
use coldread_model::{AccountKind, Findings, GapKind};
use std::collections::HashSet;

/// Paths of keys with their values, and how many parts could not be read.
type Walked = (Vec<(String, Vec<(String, Data)>)>, usize);

fn open(bytes: &[u8], logs: &[Vec<u8>]) -> (Walked, HiveState) {
    let mut view = MemoryView::from(bytes.to_vec());
    let mut logs: Vec<MemoryView> = logs.iter().cloned().map(MemoryView::from).collect();
    let logs = logs.iter_mut().map(|log| log as &mut dyn FileView).collect();
    let mut hive = Hive::open(&mut view, logs).unwrap();
    (walk(&mut hive), hive.state.clone())
}

fn walk(hive: &mut Hive<'_>) -> Walked {
    let (mut keys, mut errors, mut seen) = (Vec::new(), 0, HashSet::new());
    let mut stack = vec![(String::new(), hive.root().unwrap())];
    while let Some((path, key)) = stack.pop() {
        let mut values = Vec::new();
        let listed = hive.values(&key);
        errors += usize::from(listed.error.is_some());
        for cell in listed.cells {
            match hive.value(cell).and_then(|value| Ok((value.name.clone(), hive.data(&value)?))) {
                Ok(value) => values.push(value),
                Err(_) => errors += 1,
            }
        }
        let listed = hive.subkeys(&key);
        errors += usize::from(listed.error.is_some());
        for cell in listed.cells.into_iter().filter(|cell| seen.insert(*cell)) {
            match hive.key(cell) {
                Ok(key) => stack.push((format!("{path}\\{}", key.name), key)),
                Err(_) => errors += 1,
            }
        }
        keys.push((path, values));
    }
    keys.sort_by(|one, other| one.0.cmp(&other.0));
    (keys, errors)
}

/// Keys and values: as the index has them, and of others as python-registry counts them.
fn counted(name: &str) -> Option<(usize, usize)> {
    Some(match name {
        "100_sub_keys.hiv" => (101, 100),
        "Amcache.hve" | "regipy-amcache.hve.xz" => (2105, 17_539),
        "NTUSER-RunTests.DAT" => (893, 1306),
        "NTUSER-XP.DAT" => (1127, 5602),
        "SAM" => (76, 84),
        "issue22.hive" => (1, 10),
        "newdirty1-RecoveredHive_Windows10" => (5, 1),
        "newdirty1-NewDirtyHive" | "newdirty2-NewDirtyHive" => (5, 2),
        "notatin-NTUSER.DAT" => (2853, 5523),
        "regipy-NTUSER-WSL.DAT.xz" => (3074, 4949),
        "regipy-SAM.xz" => (65, 70),
        "regipy-SYSTEM.xz" => (30_756, 73_456),
        "regipy-ntuser_software_partial.xz" => (6396, 19_990),
        "regipy-transactions_NTUSER.DAT.xz" => (2590, 4119),
        "yarp-BigDataHive" | "yarp-MultiSzHive" => (2, 2),
        "yarp-DeletedDataHive" => (2, 1),
        "yarp-GarbageHive" => (1, 0),
        "yarp-ManySubkeysHive" => (5003, 0),
        "yarp-TruncatedHive" => (2, 0),
        "yarp-UnicodeHive" => (3, 0),
        _ => return None,
    })
}

pub(super) fn check(stated: &Stated) {
    let name = stated.name.as_str();
    let lower = name.to_lowercase();
    if lower.contains(".log1") || lower.contains(".log2") {
        return log(stated);
    }
    let ((keys, errors), state) = open(&stated.read(), &[]);
    let values: usize = keys.iter().map(|(_, values)| values.len()).sum();
    if let Some(counted) = counted(name) {
        assert_eq!((keys.len(), values), counted, "{name}");
    }
    // It ends in the middle; of all others every key and value is read.
    assert_eq!(errors > 0, name == "yarp-TruncatedHive", "{name}: {errors}");
    let dirty = name.ends_with("-NewDirtyHive") || name.contains("transactions");
    // Others were in use when they were copied, too.
    assert!(!dirty || state == HiveState::Unreplayed, "{name}: {state:?}");
    shapes(name, &keys);
    rows(stated);
}

fn value<'a>(keys: &'a [(String, Vec<(String, Data)>)], path: &str, name: &str) -> &'a Data {
    let (_, values) = keys.iter().find(|(key, _)| key == path).unwrap();
    let (_, data) = values.iter().find(|(value, _)| value == name).unwrap();
    data
}

/// What some hives were made for.
fn shapes(name: &str, keys: &[(String, Vec<(String, Data)>)]) {
    let has = |path: &str| keys.iter().any(|(key, _)| key == path);
    match name {
        "yarp-BigDataHive" => {
            assert_eq!(value(keys, "\\key_with_bigdata", "").bytes, [0x31; 16_345]);
        }
        "yarp-ManySubkeysHive" => {
            assert!((1..=5000).all(|number| has(&format!("\\key_with_many_subkeys\\{number}"))));
            assert!(has("\\key_with_many_subkeys\\2119\\find_me"));
        }
        "yarp-MultiSzHive" => {
            assert_eq!(value(keys, "\\key", "1").texts().unwrap(), [""; 0]);
            assert_eq!(value(keys, "\\key", "2").texts().unwrap(), ["привет", "как дела?"]);
        }
        "yarp-UnicodeHive" => assert!(has("\\Привет\\Ключ")),
        "newdirty1-NewDirtyHive" => {
            assert!(["\\Key1", "\\Key2\\Key2_1", "\\Key2\\Key2_2"].into_iter().all(has));
        }
        _ => {}
    }
}

/// What the extractors make of a hive at its own place.
fn rows(stated: &Stated) {
    let at = |path: &str| extract(path, stated.read(), 0, &Context::default());
    let users = |found: &Findings| {
        let users = found.accounts.iter().filter(|account| account.kind == AccountKind::User);
        users.map(|user| (user.name.clone(), user.id.unwrap())).collect::<Vec<_>>()
    };
    match stated.name.as_str() {
        "SAM" => {
            let found = at("/Windows/System32/config/SAM");
            assert_eq!((found.gaps.len(), users(&found).len()), (0, 3));
            let first = found.accounts.iter().find(|account| account.id == Some(500)).unwrap();
            assert_eq!((first.name.as_str(), first.login_count), ("Administrator", Some(3)));
            assert_eq!(first.last_login.unwrap().to_string(), "2014-03-18T10:20:47.341425600Z");
            assert_eq!(first.password_changed.unwrap().to_string(), "2014-03-18T10:20:51.075795400Z");
        }
        "regipy-SAM.xz" => {
            let found = at("/Windows/System32/config/SAM");
            assert!(found.gaps.is_empty() && users(&found).contains(&("Administrator".to_owned(), 500)));
        }
        "regipy-SYSTEM.xz" => {
            let found = at("/Windows/System32/config/SYSTEM");
            assert!(found.gaps.is_empty() && found.packages.len() > 300, "{}", found.packages.len());
            assert_eq!(found.system.hostname.as_deref(), Some("WKS-WIN732BITA"));
        }
        name if name.to_lowercase().contains("ntuser") => {
            let found = at("/Users/joe/NTUSER.DAT");
            assert!(found.gaps.iter().all(|gap| gap.kind == GapKind::Unreplayed), "{name}: {:?}", found.gaps);
        }
        _ => {}
    }
}

/// A transaction log: with it and its sibling the hive is what Windows makes of it.
fn log(stated: &Stated) {
    let folder = stated.file.parent().unwrap();
    let sibling = |name: String| {
        let file = folder.join(&name);
        let bytes = std::fs::metadata(&file).unwrap().len();
        Stated { name, file, bytes, words: String::new() }.read()
    };
    let (hive, logs, recovered) = match stated.name.split_once(".LOG") {
        Some((hive, _)) => (
            sibling(hive.to_owned()),
            [".LOG1", ".LOG2"].map(|end| sibling(format!("{hive}{end}"))),
            Some(sibling("newdirty1-RecoveredHive_Windows10".to_owned())),
        ),
        None => (
            sibling("regipy-transactions_NTUSER.DAT.xz".to_owned()),
            ["log1", "log2"].map(|end| sibling(format!("regipy-transactions_ntuser.dat.{end}.xz"))),
            None,
        ),
    };
    let (before, _) = open(&hive, &[]);
    let (after, state) = open(&hive, &logs);
    assert!(matches!(state, HiveState::Replayed { .. }), "{}: {state:?}", stated.name);
    match recovered {
        Some(recovered) => assert_eq!(after.0, open(&recovered, &[]).0.0, "{}", stated.name),
        None => assert!(after.1 == 0 && after.0 != before.0, "{}", stated.name),
    }
}
