//! A clone's databases are not read by an extractor twice: what it said is kept, wherever the disk lies.

#![allow(clippy::unwrap_used)]

use coldread_model::{
    Kept, KeptKey, ObjectId, ObjectKind, Package, Parts, RowsRef, codec,
    rows::RowsIter,
    task::{AssembleOutput, ContentMode, IoMode, ProbeOutput, Share, SourceSpec, TaskInput},
};
use coldread_worker::tasks::{TaskContext, TaskError, Tasks};
use std::{collections::HashMap, path::Path, sync::Mutex};
use tests::{disk, host, sample};

/// A store in memory.
#[derive(Default)]
struct Memory {
    objects: Mutex<HashMap<ObjectId, Vec<u8>>>,
    kept: Mutex<HashMap<KeptKey, Vec<u8>>>,
    hits: Mutex<usize>,
    misses: Mutex<usize>,
    calls: Mutex<usize>,
}

impl TaskContext for Memory {
    fn put_object(&self, kind: ObjectKind, bytes: &[u8]) -> Result<ObjectId, TaskError> {
        let id = ObjectId::of(kind, bytes);
        if kind == ObjectKind::Kept {
            let (key, _) = Kept::split(bytes).unwrap();
            self.kept.lock().unwrap().insert(key, bytes.to_vec());
        }
        self.objects.lock().unwrap().insert(id, bytes.to_vec());
        Ok(id)
    }
    fn kept(&self, keys: &[KeptKey]) -> Result<Vec<Option<Vec<u8>>>, TaskError> {
        let kept = self.kept.lock().unwrap();
        let found: Vec<_> = keys.iter().map(|key| kept.get(key).cloned()).collect();
        *self.calls.lock().unwrap() += 1;
        *self.hits.lock().unwrap() += found.iter().flatten().count();
        *self.misses.lock().unwrap() += found.iter().filter(|one| one.is_none()).count();
        Ok(found)
    }
    fn get_output(&self, name: &str) -> Result<Vec<u8>, TaskError> {
        Err(TaskError::Invalid(name.to_owned()))
    }
    fn put_output(&self, _: &str, _: Vec<u8>) -> Result<(), TaskError> {
        Ok(())
    }
    fn emit(&self, _: u64, _: Vec<u8>) -> Result<(), TaskError> {
        Ok(())
    }
    fn progress(&self, _: u64) {}
    fn cancelled(&self) -> bool {
        false
    }
}

impl Memory {
    /// Scans a disk; gives what was found and how often the store had a result and had none.
    fn scan(&self, image: &Path) -> (AssembleOutput, usize, usize) {
        let tasks = Tasks::default();
        let source = SourceSpec { location: image.display().to_string(), io: IoMode::Pread };
        let probe = tasks.run(&TaskInput::Probe { source: source.clone() }, self).unwrap();
        let probe: ProbeOutput = codec::from_bytes("probe", &probe).unwrap();
        let assemble = TaskInput::Assemble {
            asked: Parts::ALL,
            source,
            probe,
            surveys: Vec::new(),
            content: ContentMode::None,
            shard_bytes: 1 << 30,
            whole: true,
            cross_check: Share::default(),
        };
        (*self.hits.lock().unwrap(), *self.misses.lock().unwrap()) = (0, 0);
        let output = codec::from_bytes("result", &tasks.run(&assemble, self).unwrap()).unwrap();
        let (hits, misses) = (*self.hits.lock().unwrap(), *self.misses.lock().unwrap());
        (output, hits, misses)
    }

    fn packages(&self, batches: &[RowsRef]) -> Vec<Package> {
        let objects = self.objects.lock().unwrap();
        batches
            .iter()
            .flat_map(|batch| RowsIter::new(objects[&batch.id].clone()))
            .map(Result::unwrap)
            .collect()
    }
}

#[test]
fn a_clones_databases_are_not_read_twice_and_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let image = sample::unpacked(dir.path());
    let store = Memory::default();
    let (first, hits, misses) = store.scan(&image);
    assert!(hits == 0 && misses > 0, "{hits} hits, {misses} misses");
    // The clone lies elsewhere.
    let clone = dir.path().join("clone.img");
    std::fs::copy(&image, &clone).unwrap();
    let (second, hits, again) = store.scan(&clone);
    assert_eq!((hits, again), (misses, 0));
    assert_eq!(first.found, second.found);
    assert_eq!(first.found_gaps, second.found_gaps);

    // That nothing was read: what is kept is believed.
    for (key, bytes) in store.kept.lock().unwrap().iter_mut() {
        let mut kept = Kept::decode(*key, bytes).unwrap();
        for package in &mut kept.packages {
            "kept".clone_into(&mut package.version);
        }
        *bytes = kept.encode(*key);
    }
    let (third, ..) = store.scan(&clone);
    let packages = store.packages(&third.found.packages);
    assert!(!packages.is_empty() && packages.iter().any(|package| package.version == "kept"));
    // One that is damaged counts as none.
    for bytes in store.kept.lock().unwrap().values_mut() {
        bytes.truncate(40);
    }
    let (fourth, ..) = store.scan(&clone);
    assert_eq!(fourth.found, first.found);
}

#[test]
fn a_thousand_small_databases_are_asked_about_in_a_few_calls() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    let text = "of some length ".repeat(300);
    for number in 0..1000 {
        let desc = format!("%NAME%\np{number}\n\n%VERSION%\n1-1\n\n%DESC%\n{text}\n\n");
        let path = format!("var/lib/pacman/local/p{number}-1-1/desc");
        disk::put(&tree, &[(path.as_str(), desc.as_bytes())]);
    }
    let image = dir.path().join("disk.img");
    disk::of_folder(&image, &tree, 32);
    let store = Memory::default();
    let (first, hits, misses) = store.scan(&image);
    assert_eq!((hits, misses), (0, 1000));
    let (second, hits, misses) = store.scan(&image);
    assert_eq!((hits, misses), (1000, 0));
    assert_eq!((store.packages(&first.found.packages).len(), &first.found), (1000, &second.found));
    let calls = *store.calls.lock().unwrap();
    assert!(calls <= 8, "{calls} calls");
}
