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

    // A layer on the first one, with one between them, and one on a layer that is gone.
    let overlay = tree.join("var/lib/docker/overlay2");
    let above: (_, &[u8]) = ("lib/apk/db/installed", b"P:in-a-layer-above\nV:3-r0\nA:x86_64\n\n");
    let stray: (_, &[u8]) = ("lib/apk/db/installed", b"P:in-a-stray-layer\nV:4-r0\nA:x86_64\n\n");
    disk::put(&overlay.join("top/diff"), &[above]);
    disk::put(&overlay.join("stray/diff"), &[stray]);
    disk::put(&overlay.join("between/diff"), &[("etc/motd", b"hello\n")]);
    disk::put(
        &overlay,
        &[
            ("abc/link", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            ("between/link", b"BETWEEN"),
            ("between/lower", b"l/ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            ("top/link", b"TOP"),
            ("top/lower", b"l/BETWEEN:l/ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
            ("stray/lower", b"l/GONE"),
        ],
    );

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
        (
            "in-a-layer-above",
            "/var/lib/docker/overlay2/top/diff",
            "lib/apk/db/installed",
            "distro=alpine-3.19",
        ),
        ("in-a-stray-layer", "/var/lib/docker/overlay2/stray/diff", "lib/apk/db/installed", "arch=x86_64"),
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
    let stray = found.iter().find(|row| row.0 == "in-a-stray-layer").unwrap();
    assert!(!stray.3.contains("distro="), "{}", stray.3);
}

#[test]
fn files_that_tell_of_systems_have_a_bound_over_all_roots() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    dpkg(&tree, "on-the-host");
    disk::put(&tree, &[("etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\n")]);
    // Files that are all hole, and as large as may be: they take nothing on the disk.
    let hole = |path: &str, len: u64| {
        disk::put(&tree, &[(path, b"x")]);
        fs::OpenOptions::new().write(true).open(tree.join(path)).unwrap().set_len(len).unwrap();
    };
    for layer in 0..9 {
        hole(&format!("var/lib/docker/overlay2/{layer}/diff/etc/passwd"), 15 << 20);
    }
    hole("var/lib/machines/large/etc/os-release", 1 << 20);
    let image = dir.path().join("disk.img");
    disk::of_folder(&image, &tree, 32);
    let (place, _store) = ask::store();
    place.scan(&image, "host", &["--content", "none"]).exits(3);
    let rows = place.rows(&["packages"]);
    assert!(rows[0]["purl"].as_str().unwrap().contains("distro=debian-12"), "{rows:?}");
    // The extractor of accounts has gaps of its own.
    let gaps = place.rows(&["gaps"]);
    let crowd = gaps.iter().find(|gap| gap["structure"] == "system files").unwrap();
    let large = gaps.iter().find(|gap| gap["path"] == "/var/lib/machines/large/etc/os-release").unwrap();
    assert_eq!((&crowd["kind"], crowd["path"].as_str()), (&"limit".into(), None));
    assert!(crowd["reason"].as_str().unwrap().starts_with("5 of all roots"), "{crowd}");
    assert_eq!(large["kind"], "limit");
}

#[test]
fn a_file_with_several_names_is_told_under_each_that_says_something() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGgqo1o+dOHqeIc7A5MG53s5iYwpMQm7f3hnn+uxtUHM x\n";
    let metadata = "srv/one/lib/python3.11/site-packages/x-1.dist-info/METADATA";
    disk::put(
        &tree,
        &[
            ("etc/passwd", b"a:x:1000:1000::/home/a:/bin/sh\nb:x:1001:1001::/home/b:/bin/sh\n"),
            ("home/a/.ssh/authorized_keys", key.as_bytes()),
            (metadata, b"Metadata-Version: 2.1\nName: x\nVersion: 1\n"),
            (
                "var/log/auth.log",
                b"2024-01-02T03:04:05+00:00 h sshd[7]: Failed password for a from 192.0.2.1 port 9 ssh2\n",
            ),
        ],
    );
    for (one, other) in [
        ("home/a/.ssh/authorized_keys", "home/b/.ssh/authorized_keys"),
        (metadata, "srv/two/lib/python3.11/site-packages/x-1.dist-info/METADATA"),
        ("var/log/auth.log", "var/log/auth.log.1"),
    ] {
        fs::create_dir_all(tree.join(other).parent().unwrap()).unwrap();
        fs::hard_link(tree.join(one), tree.join(other)).unwrap();
    }
    // The same name by another way is no other name.
    std::os::unix::fs::symlink("b", tree.join("home/c")).unwrap();
    let image = dir.path().join("disk.img");
    disk::of_folder(&image, &tree, 16);
    let (place, _store) = ask::store();
    place.scan(&image, "host", &["--content", "none"]).exits(0);
    let users: Vec<String> =
        place.rows(&["keys"]).iter().map(|row| row["user"].as_str().unwrap().to_owned()).collect();
    assert_eq!(users, ["a", "b"]);
    let packages = place.rows(&["packages"]);
    let paths: Vec<&str> = packages.iter().map(|row| row["origin"]["path"].as_str().unwrap()).collect();
    assert_eq!(paths, [format!("/{metadata}"), format!("/{}", metadata.replace("one", "two"))]);
    assert_eq!(place.rows(&["logins"]).len(), 1, "a log under two names has its events once");
}
