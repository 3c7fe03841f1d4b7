//! Layers of containers' images: whose packages they have is told by the layers that they lie on, as far as nothing hides
//! it.

#![allow(clippy::unwrap_used)]

#[path = "../../artifacts/src/bolt/build.rs"]
mod bolt;

use std::{collections::BTreeMap, fs, path::Path};
use tests::{ask, disk, host};

/// A database of apk with one package.
fn apk(root: &Path, package: &str) {
    let database = format!("P:{package}\nV:1-r0\nA:x86_64\n\n");
    disk::put(root, &[("lib/apk/db/installed", database.as_bytes())]);
}

/// An os-release, and the link to it from /etc.
fn alpine(root: &Path) {
    disk::put(root, &[("usr/lib/os-release", b"ID=alpine\nVERSION_ID=3.19\n"), ("etc/motd", b"x")]);
    std::os::unix::fs::symlink("../usr/lib/os-release", root.join("etc/os-release")).unwrap();
}

/// The distribution in the URL of each package, by the package's name; empty where there is none.
fn distributions(place: &ask::Place) -> BTreeMap<String, String> {
    let rows = place.rows(&["packages"]);
    let rows = rows.iter().map(|row| {
        let purl = row["purl"].as_str().unwrap();
        let distribution = purl.split(['?', '&']).find_map(|part| part.strip_prefix("distro="));
        (row["name"].as_str().unwrap().to_owned(), distribution.unwrap_or_default().to_owned())
    });
    rows.collect()
}

/// Scans a tree whole and for its packages alone, which must tell the same; gives the distributions, and the gaps.
fn scanned(tree: &Path, exit: i32) -> (BTreeMap<String, String>, Vec<serde_json::Value>) {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("disk.img");
    disk::of_folder(&image, tree, 32);
    let (whole, _store) = ask::store();
    whole.scan(&image, "host", &["--content", "none"]).exits(exit);
    let (part, _other) = ask::store();
    part.scan(&image, "host", &["--only", "packages"]).exits(exit);
    assert_eq!(distributions(&whole), distributions(&part));
    (distributions(&whole), whole.rows(&["gaps"]))
}

#[test]
fn what_a_layer_hides_does_not_speak_for_those_above_it() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    let store = tree.join("var/lib/docker/overlay2");
    let short = |name: &str| name.to_uppercase();
    // Layers, each with those below it, the next one first.
    let layer = |name: &str, below: &[&str]| {
        let root = store.join(name).join("diff");
        fs::create_dir_all(&root).unwrap();
        let lower: Vec<String> = below.iter().map(|below| format!("l/{}", short(below))).collect();
        disk::put(&store.join(name), &[("link", short(name).as_bytes())]);
        if !lower.is_empty() {
            disk::put(&store.join(name), &[("lower", lower.join(":").as_bytes())]);
        }
        root
    };
    alpine(&layer("base", &[]));
    let debian: (_, &[u8]) = ("etc/os-release", b"ID=debian\nVERSION_ID=12\n");
    disk::put(&layer("second", &["base"]), &[debian]);
    disk::put(&layer("no-link", &["base"]), &[("etc/.wh.os-release", b"")]);
    disk::put(&layer("no-usr", &["base"]), &[("usr/lib/.wh.os-release", b"")]);
    disk::put(&layer("new-usr", &["base"]), &[("usr/.wh..wh..opq", b""), ("usr/bin/x", b"x")]);
    disk::put(&layer("gone-usr", &["base"]), &[(".wh.usr", b"")]);
    disk::put(&layer("empty", &["base"]), &[("usr/lib/os-release", b"")]);
    disk::put(&layer("both", &["base"]), &[("usr/.wh.lib", b""), ("etc/.wh..wh..opq", b"")]);
    let mut expected = BTreeMap::new();
    let mut top = |name: &'static str, below: &[&str], distribution: &'static str| {
        apk(&layer(name, below), name);
        expected.insert(name.to_owned(), distribution.to_owned());
    };
    top("on-base", &["base"], "alpine-3.19");
    top("on-second", &["second", "base"], "debian-12");
    top("on-no-link", &["no-link", "base"], "alpine-3.19");
    top("on-no-usr", &["no-usr", "base"], "");
    top("on-new-usr", &["new-usr", "base"], "");
    top("on-gone-usr", &["gone-usr", "base"], "");
    top("on-empty", &["empty", "base"], "");
    top("on-both", &["both", "base"], "");
    // The second has a file of its own in /etc, and what is hidden below it does not matter.
    top("on-second-without-usr", &["second", "no-usr", "base"], "debian-12");
    top("on-second-without-link", &["no-link", "second", "base"], "alpine-3.19");
    // A device of the kernel's, which root alone can make.
    if rustix::process::geteuid().is_root() {
        let device = layer("device", &["base"]).join("usr/lib/os-release");
        fs::create_dir_all(device.parent().unwrap()).unwrap();
        host::tool("mknod", &[device.as_os_str(), "c".as_ref(), "0".as_ref(), "0".as_ref()]);
        top("on-device", &["device", "base"], "");
    } else {
        println!("skipped: devices are made by root alone");
    }
    let opaque = layer("opaque", &["base"]).join("usr");
    fs::create_dir_all(&opaque).unwrap();
    match rustix::fs::setxattr(&opaque, "user.overlay.opaque", b"y", rustix::fs::XattrFlags::empty()) {
        Ok(()) => top("on-opaque", &["opaque", "base"], ""),
        Err(error) => println!("skipped: extended attributes: {error}"),
    }
    let (found, gaps) = scanned(&tree, 0);
    assert_eq!((found, gaps), (expected, Vec::new()));
}

#[test]
fn layers_of_every_engine_have_the_system_that_they_lie_on() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    // Docker's old driver has an image whole, and of a container what it changed.
    let overlay = tree.join("var/lib/docker/overlay");
    alpine(&overlay.join("0a1b/root"));
    apk(&overlay.join("0a1b/root"), "old-image");
    apk(&overlay.join("c0de/upper"), "old-container");
    apk(&overlay.join("dead/upper"), "old-stray");
    disk::put(&overlay, &[("c0de/lower-id", b"0a1b\n"), ("dead/lower-id", b"9999")]);
    // These copy every tree.
    for (place, name) in [
        ("var/lib/docker/vfs/dir/0a", "vfs"),
        ("home/al/.local/share/containers/storage/vfs/dir/0a", "vfs-of-a-user"),
        ("var/lib/containerd/io.containerd.snapshotter.v1.native/snapshots/1", "native"),
    ] {
        alpine(&tree.join(place));
        apk(&tree.join(place), name);
    }
    let snapshots = "var/lib/containerd/io.containerd.snapshotter.v1.overlayfs";
    let database = bolt::snapshots(&[
        ("default/1/sha256:aa", &[1], ""),
        ("default/2/sha256:bb", &[2], "default/1/sha256:aa"),
        ("default/3/box", &[3], "default/2/sha256:bb"),
        ("default/4/round", &[4], "default/5/about"),
        ("default/5/about", &[5], "default/4/round"),
    ]);
    let containerd = tree.join(snapshots);
    disk::put(&containerd, &[("metadata.db", &database)]);
    alpine(&containerd.join("snapshots/1/fs"));
    disk::put(&containerd.join("snapshots/2/fs"), &[("etc/motd", b"x")]);
    apk(&containerd.join("snapshots/3/fs"), "snapshot");
    apk(&containerd.join("snapshots/4/fs"), "round");
    // Without its database, and with one that is damaged.
    let k3s = tree.join("var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.overlayfs");
    apk(&k3s.join("snapshots/1/fs"), "without-database");
    let rootless = tree.join("home/al/.local/share/containerd/io.containerd.snapshotter.v1.overlayfs");
    apk(&rootless.join("snapshots/1/fs"), "damaged-database");
    disk::put(&rootless, &[("metadata.db", &database[..9000])]);
    let (found, gaps) = scanned(&tree, 3);
    let expected = [
        ("damaged-database", ""),
        ("native", "alpine-3.19"),
        ("old-container", "alpine-3.19"),
        ("old-image", "alpine-3.19"),
        ("old-stray", ""),
        ("round", ""),
        ("snapshot", "alpine-3.19"),
        ("vfs", "alpine-3.19"),
        ("vfs-of-a-user", "alpine-3.19"),
        ("without-database", ""),
    ];
    assert!(found.iter().map(|(name, distribution)| (&**name, &**distribution)).eq(expected), "{found:?}");
    let told: Vec<_> = gaps.iter().map(|gap| (gap["kind"].as_str().unwrap(), gap["path"].as_str())).collect();
    let k3s = "/var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.overlayfs/metadata.db";
    let rootless = "/home/al/.local/share/containerd/io.containerd.snapshotter.v1.overlayfs/metadata.db";
    let round = format!("/{snapshots}/snapshots/4/fs");
    assert_eq!(told, [("limit", Some(&*round)), ("not-found", Some(k3s)), ("corrupt", Some(rootless))]);
}
