//! Commits and queries.

use super::{chunk, digests_of, manifest};
use crate::{Error, Packed, PathFilter, Store};
use coldread_model::{
    GapKind, ObjectId, ObjectKind, SnapshotManifest, Timestamp, codec, listing::path_of, manifest::ChunkRef,
};
use std::{ops::ControlFlow, sync::Arc};

/// Names in listing order, in directories whose names sort before and after a slash.
fn names() -> Vec<(String, String)> {
    let dirs = ["/", "/a", "/a-b", "/a/b", "/a/b/c", "/a0", "/z"];
    let mut names = vec![(String::new(), String::new())];
    for dir in dirs {
        names.extend((0..30).map(|i| (dir.to_owned(), format!("f{i:02}"))));
    }
    names.extend([("/".to_owned(), "a".to_owned()), ("/a".to_owned(), "b".to_owned())]);
    names.sort();
    names
}

fn committed(dir: &std::path::Path) -> (Arc<Store>, SnapshotManifest) {
    let store = Store::open(dir).unwrap();
    let mut writer = store.writer();
    let chunks: Vec<ChunkRef> = names().chunks(17).map(|rows| chunk(&mut writer, rows).unwrap()).collect();
    let manifest = manifest(&mut writer, "host", chunks).unwrap();
    writer.commit(&manifest, Timestamp::new(1, 0)).unwrap();
    (store, manifest)
}

fn listed(store: &Store, manifest: &SnapshotManifest, filter: &PathFilter) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let flow = store.files::<()>(manifest, filter, |volume, row, digest| {
        assert_eq!(volume.name, "whole");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let row = (text(row.stable.parent), text(row.stable.name));
        assert_eq!(digest, digests_of(std::slice::from_ref(&row))[0]);
        rows.push(row);
        ControlFlow::Continue(())
    });
    assert_eq!(flow.unwrap(), ControlFlow::Continue(()));
    rows
}

#[test]
fn rows_come_in_order_and_as_filtered() {
    let dir = tempfile::tempdir().unwrap();
    let (store, manifest) = committed(dir.path());
    assert_eq!(listed(&store, &manifest, &PathFilter::all()), names());
    for under in ["/", "/a", "/a/b", "/a/b/c/", "/a/f03", "/z", "/z/f29", "/none", "/a-b", "/a/b/c/f00"] {
        let trimmed = under.trim_end_matches('/');
        let wanted: Vec<_> = names()
            .into_iter()
            .filter(|(parent, name)| {
                let path = String::from_utf8(path_of(parent.as_bytes(), name.as_bytes())).unwrap();
                trimmed.is_empty() || path == trimmed || path.starts_with(&format!("{trimmed}/"))
            })
            .collect();
        assert_eq!(wanted.is_empty(), under == "/none");
        assert_eq!(listed(&store, &manifest, &PathFilter::under(under.as_bytes())), wanted, "{under}");
    }
    let found = listed(&store, &manifest, &PathFilter::glob("/a/**/f0[1-2]").unwrap());
    let wanted =
        ["/a", "/a/b", "/a/b/c"].map(|dir| ["f01", "f02"].map(|name| (dir.to_owned(), name.to_owned())));
    assert_eq!(found, wanted.concat());
}

#[test]
fn the_reader_may_break_off() {
    let dir = tempfile::tempdir().unwrap();
    let (store, manifest) = committed(dir.path());
    let mut seen = 0;
    let flow = store.files(&manifest, &PathFilter::all(), |_, _, _| {
        seen += 1;
        if seen == 20 { ControlFlow::Break("enough") } else { ControlFlow::Continue(()) }
    });
    assert_eq!(flow.unwrap(), ControlFlow::Break("enough"));
    assert_eq!(seen, 20);
}

#[test]
fn only_chunks_that_may_match_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (store, mut manifest) = committed(dir.path());
    // The last chunk is one that the store does not have: whoever reads it notices.
    let last = manifest.volumes[0].chunks.last_mut().unwrap();
    last.volatile = ObjectId([1; 32]);
    assert_eq!(listed(&store, &manifest, &PathFilter::under(b"/a/b/c")).len(), 30);
    let all = store.files::<()>(&manifest, &PathFilter::all(), |_, _, _| ControlFlow::Continue(()));
    assert!(matches!(all, Err(Error::Missing(id)) if id == ObjectId([1; 32])));
}

#[test]
fn chunks_that_do_not_fit_each_other_are_errors() {
    let dir = tempfile::tempdir().unwrap();
    let (store, whole) = committed(dir.path());
    let read = |manifest: &SnapshotManifest| {
        store.files::<()>(manifest, &PathFilter::all(), |_, _, _| ControlFlow::Continue(()))
    };
    let mut manifest = whole.clone();
    manifest.volumes[0].chunks[0].rows += 1;
    assert!(matches!(read(&manifest), Err(Error::Decode { .. })));
    let mut manifest = whole.clone();
    manifest.volumes[0].chunks[0].volatile = manifest.volumes[0].chunks[0].stable;
    assert!(matches!(read(&manifest), Err(Error::Decode { .. })));
    let mut manifest = whole.clone();
    let last = manifest.volumes[0].chunks.last().unwrap().digests;
    manifest.volumes[0].chunks[0].digests = last;
    assert!(matches!(read(&manifest), Err(Error::Decode { .. })));
}

#[test]
fn a_commit_publishes_a_whole_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let (store, manifest) = committed(dir.path());
    let newest = store.newest("host").unwrap().unwrap();
    assert_eq!(newest.manifest, manifest);
    assert_eq!(newest.head.manifest, ObjectId::of(ObjectKind::Manifest, &codec::to_bytes(&manifest)));
    assert_eq!(store.gaps(&manifest).unwrap()[0].kind, GapKind::Io);
    assert_eq!(store.ledger(&manifest).unwrap().ranges().len(), 1);
    assert_eq!(store.packages(&manifest).count(), 0);
    assert_eq!(store.newest("other").unwrap(), None);

    // The same result again is a new head of the same manifest.
    let again = store.writer().commit(&manifest, Timestamp::new(0, 0)).unwrap();
    assert_eq!(again.manifest, newest.head.manifest);
    assert_eq!(store.snapshots("host").unwrap(), [again, newest.head]);

    // One that names something that is nowhere is not published.
    let mut dangling = manifest.clone();
    dangling.gaps = ObjectId([3; 32]);
    let refused = store.writer().commit(&dangling, Timestamp::new(2, 0));
    assert!(matches!(refused, Err(Error::Missing(id)) if id == dangling.gaps));
    assert_eq!(store.snapshots("host").unwrap().len(), 2);
    let packs = std::fs::read_dir(dir.path().join("packs")).unwrap().count();
    assert_eq!(packs, 2);
}

#[test]
fn threads_may_write_and_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..10_u8 {
                    let mut writer = store.writer();
                    writer.put(&Packed::new(ObjectKind::Gaps, &[round]).unwrap()).unwrap();
                    let rows = [("/".to_owned(), format!("{thread} {round}"))];
                    let chunk = chunk(&mut writer, &rows).unwrap();
                    let manifest = manifest(&mut writer, "shared", vec![chunk]).unwrap();
                    let head = writer.commit(&manifest, Timestamp::default()).unwrap();
                    let newest = store.newest("shared").unwrap().unwrap();
                    assert!(newest.head.sequence >= head.sequence);
                    store.get(ObjectId::of(ObjectKind::Gaps, &[round])).unwrap();
                }
            });
        }
    });
    let sequences: Vec<u64> = store.snapshots("shared").unwrap().iter().map(|head| head.sequence).collect();
    assert_eq!(sequences, (1..=40).rev().collect::<Vec<_>>());
}
