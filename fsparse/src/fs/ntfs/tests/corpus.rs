//! Stored volumes against their listings, in the folder that `COLDREAD_CORPUS` names.
//!
//! A listing is lines of path (with `\` between, and `:stream`), kind, record, size, change in nanoseconds and
//! SHA-256, with tabs between; or the Sleuth Kit's `r/r RECORD-…:`, a tab and the path.

use super::{facts, in_units, probe, survey};
use crate::{
    content::{Item, digest::DigestSink, read_items},
    source::{BlockSource, memory::MemorySource},
    survey::Encoding,
    tree::{Tree, for_each_row},
    volume::recognise::{Content, recognise},
};
use coldread_model::{FileKind, RowFlags, VolumeState, listing::path_of};
use std::{collections::BTreeMap, env, fs, path::Path, path::PathBuf, process::Command};

/// Kind, record, size, change in nanoseconds and digest, as far as they are known.
type Row = (&'static str, u64, Option<u64>, Option<i128>, Option<String>);

fn folder() -> Option<PathBuf> {
    let folder = env::var_os("COLDREAD_CORPUS").map(|corpus| Path::new(&corpus).join("fs-ntfs"));
    if folder.is_none() {
        println!("skipped: COLDREAD_CORPUS is not set");
    }
    folder
}

/// A file's bytes, unpacked where it is compressed.
fn bytes_of(path: &Path) -> Vec<u8> {
    if path.extension().is_some_and(|extension| extension == "gz") {
        return Command::new("gzip").arg("-dc").arg(path).output().unwrap().stdout;
    }
    fs::read(path).unwrap()
}

/// The rows of what is in use and the users' own.
fn rows(source: &MemorySource) -> BTreeMap<String, Row> {
    let probed = probe(source).unwrap();
    assert_eq!((probed.state, &probed.gaps[..]), (VolumeState::Clean, &[][..]));
    let found = survey(source, &probed.geometry, 0..probed.units);
    assert_eq!(found.gaps, []);
    assert_eq!(facts(&in_units(source, &probed)), facts(&found));
    let mut sink = DigestSink::default();
    let items =
        found.streams.iter().enumerate().filter_map(|(index, one)| Some((index, Item::of(&found, one)?)));
    read_items(items, &mut *source.open_queue().unwrap(), 4 << 20, &mut sink);
    let digests: BTreeMap<_, _> = sink.results.into_iter().collect();
    let tree = Tree::build(&found, 5);
    assert_eq!(tree.gaps(), []);
    let mut rows = BTreeMap::new();
    for_each_row(&tree, |row, index, stream| {
        if row.stable.flags.intersects(RowFlags::INTERNAL | RowFlags::DELETED) || row.stable.parent.is_empty()
        {
            return;
        }
        let mut path = String::from_utf8(path_of(row.stable.parent, row.stable.name)).unwrap();
        if !row.stable.stream.is_empty() {
            path = format!("{path}:{}", String::from_utf8_lossy(row.stable.stream));
        }
        let digest = stream.filter(|_| row.stable.kind == FileKind::File).map(|stream| {
            let range = found.inodes[index as usize].streams.range();
            let at = range.start + found.streams[range].iter().position(|one| one == stream).unwrap();
            let digest = match stream.encoding {
                Encoding::Inline(span) => crate::content::digest::digest_of(found.bytes(span), stream.size),
                _ => digests[&at].clone().unwrap(),
            };
            digest.to_string()
        });
        let (kind, size) = match row.stable.kind {
            FileKind::Dir => ("d", None),
            _ => ("f", Some(row.stable.size)),
        };
        let mtime = i128::from(row.stable.mtime.seconds) * 1_000_000_000 + i128::from(row.stable.mtime.nanos);
        rows.insert(path, (kind, row.volatile.inode, size, Some(mtime), digest));
    });
    rows
}

/// What a listing says.
fn listed(path: &Path) -> BTreeMap<String, Row> {
    let text = fs::read_to_string(path).unwrap();
    // What is below `$Extend` is the filesystem's own.
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.contains("$Extend"));
    let mut rows = BTreeMap::new();
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let (path, row) = match &fields[..] {
            [place, path] => {
                let (kind, address) = place.split_once(' ').unwrap();
                let number = address.split('-').next().unwrap().parse().unwrap();
                let kind = if kind.starts_with('d') { "d" } else { "f" };
                (*path, (kind, number, None, None, None))
            }
            [path, kind, number, size, time, digest] => {
                let kind = if *kind == "d" { "d" } else { "f" };
                let digest = (!digest.is_empty()).then(|| (*digest).to_owned());
                (*path, (kind, number.parse().unwrap(), size.parse().ok(), time.parse().ok(), digest))
            }
            _ => panic!("{line}"),
        };
        if row.1 >= 24 {
            rows.insert(format!("/{}", path.replace('\\', "/")), row);
        }
    }
    rows
}

#[test]
fn stored_volumes_are_read_as_listed() {
    let Some(folder) = folder() else { return };
    let mut volumes = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let listing = PathBuf::from(format!("{}.listing.tsv", path.display()));
        if !listing.is_file() {
            continue;
        }
        volumes += 1;
        let (mut got, want) = (rows(&MemorySource::new(bytes_of(&path))), listed(&listing));
        for row in got.iter_mut().filter_map(|(path, row)| Some((want.get(path)?, row))) {
            // What a listing does not say is not compared.
            let (want, row) = row;
            row.2 = row.2.filter(|_| want.2.is_some());
            row.3 = row.3.filter(|_| want.3.is_some());
            row.4 = row.4.take().filter(|_| want.4.is_some());
        }
        let differ: Vec<_> = want.iter().filter(|(path, row)| got.get(*path) != Some(row)).take(5).collect();
        assert!(differ.is_empty(), "{}: {differ:#?}", path.display());
        let more: Vec<_> = got.keys().filter(|path| !want.contains_key(*path)).take(5).collect();
        assert!(more.is_empty(), "{}: not listed: {more:#?}", path.display());
        assert!(want.len() > 30);
    }
    assert_eq!(volumes, 3);
}

#[test]
fn stored_copies_of_an_mft_alone_are_named() {
    let Some(folder) = folder() else { return };
    for name in ["compressed_sparse.mft", "unicode.mft", "mft.bin.gz"] {
        let found = recognise(&bytes_of(&folder.join(name)));
        assert!(matches!(found, Content::Named { name: "NTFS $MFT", gap: Some(_), .. }), "{name}");
    }
}
