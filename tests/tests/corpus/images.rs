//! Stored filesystem images against their listings, in the folder that `COLDREAD_CORPUS` names. They hold what the
//! kernels at hand cannot make: XFS version 4, without file types in directories, with attributes of version 1.
//!
//! A listing is lines of path, type, mode, owner, group, size, inode, time of change in nanoseconds, and SHA-256 or
//! target, with tabs between; or lines of inode and path alone.

use crate::folder;
use serde_json::{Map, Value};
use std::{fs, path::Path};
use tests::{
    ask,
    truth::{self, Table},
};

/// What a line of a listing says, as the row of `coldread files` would say it.
fn row(line: &str) -> Map<String, Value> {
    let mut row = Map::new();
    let fields: Vec<&str> = line.split('\t').collect();
    let [path, kind, mode, owner, group, size, inode, changed, rest @ ..] = &fields[..] else {
        let (inode, path) = line.trim_start().split_once(' ').unwrap();
        let path = path.strip_suffix("/.").unwrap_or(path);
        row.insert("path".into(), format!("/{path}").into());
        row.insert("inode".into(), inode.parse::<u64>().unwrap().into());
        return row;
    };
    let kind = match *kind {
        "f" => "file",
        "d" => "dir",
        "l" => "symlink",
        other => panic!("{other}: {line}"),
    };
    row.insert("path".into(), (*path).into());
    row.insert("type".into(), kind.into());
    let mode = u32::from_str_radix(mode.strip_prefix("0o").unwrap(), 8).unwrap();
    row.insert("mode".into(), (mode & 0o7777).into());
    for (name, text) in [("uid", owner), ("gid", group), ("inode", inode), ("size", size)] {
        // That of a directory is not shown.
        if name != "size" || kind != "dir" {
            row.insert(name.into(), text.parse::<u64>().unwrap().into());
        }
    }
    let changed: i64 = changed.parse().unwrap();
    let stamp = truth::stamp(changed.div_euclid(1_000_000_000), changed.rem_euclid(1_000_000_000));
    row.insert("mtime".into(), stamp.into());
    let name = if kind == "file" { "sha256" } else { "target" };
    if let Some(text) = rest.first().filter(|text| !text.is_empty()) {
        row.insert(name.into(), (*text).into());
    }
    row
}

fn listing(path: &Path) -> Table {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    truth::table(lines.map(|line| row(line).into()).collect())
}

#[test]
fn xfs_images_are_read_as_listed() {
    let Some(corpus) = folder() else { return };
    let folder = corpus.join("fs-xfs");
    let mut images = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let image = entry.unwrap().path();
        if image.extension().is_some_and(|extension| extension == "tsv") {
            continue;
        }
        images += 1;
        let want = listing(Path::new(&format!("{}.listing.tsv", image.display())));
        let (place, _dir) = ask::store();
        place.scan(&image, "disk", &[]).exits(0);
        assert_eq!(place.asset("disk")["volumes"][0]["state"], "clean", "{}", image.display());
        let mut got = truth::table(place.rows(&["files"]));
        for name in ["/xattrs/local", "/xattrs/extents", "/xattrs/extents4"] {
            if let Some(row) = got.get(&(name.to_owned(), None)) {
                assert!(row.get("xattrs").is_some(), "{}: {name}", image.display());
            }
        }
        // A listing leaves the root out.
        got.remove(&("/".to_owned(), None)).unwrap();
        let found = truth::disagreements(&got, &want, false);
        assert!(found.is_empty(), "{}: {:#?}", image.display(), &found[..found.len().min(5)]);
    }
    assert!(images > 0, "{} holds no image", corpus.display());
}

#[test]
fn lines_of_both_forms_are_understood() {
    let full = row("/a\tl\t0o120777\t1\t2\t3\t4\t-1\tb");
    assert_eq!((&full["mode"], &full["target"], &full["size"]), (&0o777.into(), &"b".into(), &3.into()));
    assert_eq!(full["mtime"], "1969-12-31T23:59:59.999999999Z");
    let short = row("     65568 block/.");
    assert_eq!((&short["path"], &short["inode"]), (&"/block".into(), &65568.into()));
}
