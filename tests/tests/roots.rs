//! Systems within a system: each database is told under the root that it belongs to.

#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};
use tests::{ask, disk, host};

fn dpkg(root: &Path, package: &str) {
    let status = format!(
        "Package: {package}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMaintainer: x\n\n"
    );
    disk::put(root, &[("var/lib/dpkg/status", status.as_bytes())]);
}

#[test]
fn packages_of_layers_and_chroots_have_their_own_root_and_system() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    let layer = tree.join("var/lib/docker/overlay2/abc/diff");
    let machine = tree.join("var/lib/machines/build");
    let jail = tree.join("srv/jail");
    dpkg(&tree, "on-the-host");
    disk::put(&tree, &[("etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\n")]);
    let database: (_, &[u8]) = ("lib/apk/db/installed", b"P:in-a-layer\nV:2-r0\nA:x86_64\n\n");
    disk::put(&layer, &[database, ("etc/os-release", b"ID=alpine\nVERSION_ID=3.19\n")]);
    // A link that would lead out, were it not followed as in a chroot.
    dpkg(&machine.join("real"), "in-a-machine");
    fs::rename(machine.join("real/var/lib/dpkg"), machine.join("real/dpkg")).unwrap();
    fs::create_dir_all(machine.join("var/lib")).unwrap();
    std::os::unix::fs::symlink("/real/dpkg", machine.join("var/lib/dpkg")).unwrap();
    dpkg(&jail.join("inner"), "within-within");
    dpkg(&jail.join("inner/jail"), "deeper");

    let image = dir.path().join("disk.img");
    disk::of_folder(&image, &tree, 32);
    let (place, _store) = ask::store();
    place.scan(&image, "host", &["--content", "none"]).exits(0);
    let found: Vec<(String, String, String, String)> = place
        .rows(&["packages"])
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            let path = row["origin"]["path"].as_str().unwrap().to_owned();
            (text("name"), text("root"), path, text("purl"))
        })
        .collect();
    let expect = [
        ("in-a-layer", "/var/lib/docker/overlay2/abc/diff", "lib/apk/db/installed", "distro=alpine-3.19"),
        ("deeper", "/srv/jail/inner/jail", "var/lib/dpkg/status", "pkg:deb/"),
        ("in-a-machine", "/var/lib/machines/build", "var/lib/dpkg/status", "pkg:deb/"),
        ("on-the-host", "/", "var/lib/dpkg/status", "distro=debian-12"),
        ("within-within", "/srv/jail/inner", "var/lib/dpkg/status", "pkg:deb/"),
    ];
    assert_eq!(found.len(), expect.len(), "{found:?}");
    for (name, root, path, purl) in expect {
        let row = found.iter().find(|row| row.0 == name).unwrap_or_else(|| panic!("{name}: {found:?}"));
        assert_eq!(row.1, root);
        assert_eq!(row.2, format!("{}/{path}", root.trim_end_matches('/')), "{name}");
        assert!(row.3.contains(purl), "{}", row.3);
    }
    assert!(!found.iter().any(|row| row.1.starts_with("/var") && row.3.contains("debian-12")), "{found:?}");
}
