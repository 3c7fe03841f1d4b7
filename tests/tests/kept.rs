//! A clone's databases are not read by an extractor twice: what it said is kept, wherever the disk lies.

#![allow(clippy::unwrap_used)]

use coldread_model::{
    Kept, KeptKey, ObjectId, ObjectKind, Package, Parts, RowsRef, codec,
    rows::RowsIter,
    task::{AssembleOutput, ContentMode, IoMode, ProbeOutput, Share, SourceSpec, TaskInput},
};
use coldread_worker::tasks::{TaskContext, TaskError, Tasks};
use std::{collections::HashMap, path::Path, sync::Mutex};
use tests::sample;

/// A store in memory.
#[derive(Default)]
struct Memory {
    objects: Mutex<HashMap<ObjectId, Vec<u8>>>,
    kept: Mutex<HashMap<KeptKey, Vec<u8>>>,
    hits: Mutex<usize>,
    misses: Mutex<usize>,
}

impl TaskContext for Memory {
    fn put_object(&self, kind: ObjectKind, bytes: Vec<u8>) -> Result<ObjectId, TaskError> {
        let id = ObjectId::of(kind, &bytes);
        if kind == ObjectKind::Kept {
            let (key, _) = Kept::split(&bytes).unwrap();
            self.kept.lock().unwrap().insert(key, bytes.clone());
        }
        self.objects.lock().unwrap().insert(id, bytes);
        Ok(id)
    }
    fn kept(&self, keys: &[KeptKey]) -> Result<Vec<Option<Vec<u8>>>, TaskError> {
        let kept = self.kept.lock().unwrap();
        let found: Vec<_> = keys.iter().map(|key| kept.get(key).cloned()).collect();
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
