//! Random work against a model that keeps everything in a map.

use crate::{Error, PackWriter, Packed, Store, merge::Policy};
use coldread_model::{ObjectId, ObjectKind};
use proptest::prelude::*;
use std::{collections::HashMap, sync::Arc};

#[derive(Clone, Debug)]
enum Step {
    Put { kind: u8, content: u8, len: usize },
    Receive { kind: u8, content: u8, len: usize },
    Finish,
    Abandon,
    Reopen,
    Rebuild,
    Merge,
}

fn step() -> impl Strategy<Value = Step> {
    // Of every kind but those that mean something to the index.
    let kind = || prop_oneof![1_u8..=3, 5_u8..=6, 9_u8..=15];
    let object = move || (kind(), 0_u8..20, prop_oneof![0_usize..50, 1000_usize..200_000]);
    prop_oneof![
        6 => object().prop_map(|(kind, content, len)| Step::Put { kind, content, len }),
        3 => object().prop_map(|(kind, content, len)| Step::Receive { kind, content, len }),
        2 => Just(Step::Finish),
        1 => Just(Step::Abandon),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rebuild),
        2 => Just(Step::Merge),
    ]
}

/// Bytes that compress a little.
fn content(seed: u8, len: usize) -> Vec<u8> {
    (0..len).map(|i| (i as u8).wrapping_mul(seed) ^ (i >> 7) as u8).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_was_finished_is_there_and_nothing_else(steps in prop::collection::vec(step(), 1..40)) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let mut writer: Option<PackWriter> = None;
        let mut kept: HashMap<ObjectId, (ObjectKind, Vec<u8>)> = HashMap::new();
        let mut pending: HashMap<ObjectId, (ObjectKind, Vec<u8>)> = HashMap::new();
        for step in steps {
            match step {
                Step::Put { kind, content: seed, len } | Step::Receive { kind, content: seed, len } => {
                    let kind = ObjectKind::from_u8(kind).unwrap();
                    let raw = content(seed, len);
                    let mut packed = Packed::new(kind, &raw).unwrap();
                    if matches!(step, Step::Receive { .. }) {
                        let bytes = packed.bytes().to_vec();
                        packed = Packed::received(packed.id(), kind, packed.raw_len(), bytes).unwrap();
                    }
                    let id = packed.id();
                    let new = writer.get_or_insert_with(|| store.writer()).put(&packed).unwrap();
                    prop_assert_eq!(new, !kept.contains_key(&id) && !pending.contains_key(&id));
                    if new {
                        pending.insert(id, (kind, raw));
                    }
                }
                Step::Finish => {
                    if let Some(writer) = writer.take() {
                        writer.finish().unwrap();
                        kept.extend(pending.drain());
                    }
                }
                Step::Merge => {
                    let files = || std::fs::read_dir(dir.path().join("packs")).unwrap().count() as u64;
                    let before = files();
                    let merged = store.merge_by(Policy { at: 2, objects: 1000, bytes: 1 << 30 }).unwrap();
                    prop_assert_eq!(files() + merged.packs, before + merged.into);
                }
                Step::Abandon => {
                    writer = None;
                    pending.clear();
                }
                Step::Reopen | Step::Rebuild => {
                    writer = None;
                    pending.clear();
                    prop_assert_eq!(Arc::strong_count(&store), 1);
                    drop(store);
                    let open = if matches!(step, Step::Reopen) { Store::open } else { Store::rebuild };
                    store = open(dir.path()).unwrap();
                }
            }
            let ids: Vec<ObjectId> = kept.keys().copied().collect();
            for (id, object) in ids.iter().zip(store.get_many(&ids).unwrap()) {
                prop_assert_eq!(&(object.kind, object.bytes), &kept[id]);
            }
            prop_assert!(store.has(&ids).unwrap().into_iter().all(|found| found));
            for id in pending.keys() {
                prop_assert!(matches!(store.get(*id), Err(Error::Missing(_))));
            }
        }
    }
}
