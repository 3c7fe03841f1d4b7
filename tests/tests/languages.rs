//! Packages of languages, from end to end: what the languages' own tools list of a tree where they installed
//! something is what a scan of a disk with that tree says.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};
use tests::{
    ask::{self, Place},
    host,
};

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A tree that becomes a disk.
struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let disk = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(disk.tree()).unwrap();
        disk
    }

    fn tree(&self) -> PathBuf {
        self.dir.path().join("tree")
    }

    /// Scans it; what is found is in the store of the answer.
    fn scan(&self) -> (Place, tempfile::TempDir) {
        let (image, tree) = (self.dir.path().join("disk.img"), self.tree());
        fs::File::create(&image).unwrap().set_len(96 << 20).unwrap();
        let words = ["-q".as_ref(), "-t".as_ref(), "ext4".as_ref(), "-d".as_ref(), tree.as_os_str()];
        host::tool("mke2fs", &[&words[..], &[image.as_os_str()]].concat());
        let (place, store) = ask::store();
        place.scan(&image, "disk", &["--content", "none"]).exits(0);
        (place, store)
    }
}

/// Name and version of installed packages of a kind.
fn found(place: &Place, kind: &str) -> BTreeSet<(String, String)> {
    let rows = place.rows(&["packages"]);
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = rows.iter().filter(|row| row["type"] == kind);
    rows.map(|row| (text(row, "name"), text(row, "version"))).collect()
}

/// What a program prints, or none where it says no; then why is told.
fn prints(command: &mut Command) -> Option<String> {
    let output = command.output().unwrap();
    if !output.status.success() {
        println!("skipped: {command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    Some(String::from_utf8(output.stdout).unwrap())
}

/// Makes a wheel, which is a zip archive, with Python's own module.
const WHEEL: &str = r#"
import sys, zipfile
name, version, tag, folder = sys.argv[1:]
info = f"{name}-{version}.dist-info/"
files = {
    f"{name}/__init__.py": "",
    info + "METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\nAuthor: Ann\n\nText\n",
    info + "WHEEL": f"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: {tag}\n",
    info + "RECORD": "",
}
with zipfile.ZipFile(f"{folder}/{name}-{version}-{tag}.whl", "w") as wheel:
    for path, text in files.items():
        wheel.writestr(path, text)
"#;

#[test]
fn pip_lists_what_is_found() {
    if host::lacks(&["mke2fs", "python3"]) {
        return;
    }
    let disk = Disk::new();
    let site = disk.tree().join("opt/app/site-packages");
    let wheels = disk.dir.path().join("wheels");
    fs::create_dir(&wheels).unwrap();
    for (name, version) in [("first_one", "1.0.post1"), ("Second", "2024.1rc1"), ("third.x", "1!3")] {
        let words = ["-c", WHEEL, name, version, "py3-none-any", wheels.to_str().unwrap()];
        assert!(prints(Command::new("python3").args(words)).is_some());
        let wheel = wheels.join(format!("{name}-{version}-py3-none-any.whl"));
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "-q", "--no-index", "--no-deps", "--root-user-action=ignore"]);
        if prints(install.arg("--target").arg(&site).arg(wheel)).is_none() {
            return;
        }
    }
    let mut list = Command::new("python3");
    list.args(["-m", "pip", "list", "--format", "json", "--path"]).arg(&site);
    let listed: Value = serde_json::from_str(&prints(&mut list).unwrap()).unwrap();
    let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
    let listed: BTreeSet<_> =
        listed.as_array().unwrap().iter().map(|row| (text(row, "name"), text(row, "version"))).collect();
    assert_eq!(listed.len(), 3);
    let (place, _store) = disk.scan();
    assert_eq!(found(&place, "pypi"), listed);
    let rows = place.rows(&["packages"]);
    assert!(rows.iter().all(|row| row["vendor"] == "Ann" && row["installed"].is_string()), "{rows:?}");
}

#[test]
fn npm_lists_what_is_found() {
    if host::lacks(&["mke2fs", "npm"]) {
        return;
    }
    let disk = Disk::new();
    let (app, sources) = (disk.tree().join("srv/app"), disk.dir.path().join("sources"));
    put(&app.join("package.json"), r#"{"name": "app", "version": "9.9.9"}"#);
    // The second has the first within it, in another version.
    put(&sources.join("a1/package.json"), r#"{"name": "@scope/a", "version": "1.0.0"}"#);
    put(
        &sources.join("b/package.json"),
        r#"{"name": "b", "version": "2.0.0-rc.1", "dependencies": {"@scope/a": "0.9.0"}, "bundleDependencies": ["@scope/a"]}"#,
    );
    put(
        &sources.join("b/node_modules/@scope/a/package.json"),
        r#"{"name": "@scope/a", "version": "0.9.0", "author": "Ann"}"#,
    );
    for source in ["a1", "b"] {
        let mut pack = Command::new("npm");
        pack.args(["pack", "--silent", "--offline"]).current_dir(sources.join(source));
        let Some(archive) = prints(&mut pack) else { return };
        let archive = sources.join(source).join(archive.trim());
        let mut install = Command::new("npm");
        install.args(["install", "--silent", "--offline", "--no-audit", "--no-fund"]).arg(archive);
        if prints(install.current_dir(&app)).is_none() {
            return;
        }
    }
    let mut list = Command::new("npm");
    list.args(["ls", "--all", "--json"]).current_dir(&app);
    let listed: Value = serde_json::from_str(&prints(&mut list).unwrap()).unwrap();
    let mut expected = BTreeSet::new();
    collect(&listed["dependencies"], &mut expected);
    assert_eq!(expected.len(), 3, "{listed}");
    let (place, _store) = disk.scan();
    assert_eq!(found(&place, "npm"), expected);
    let declared = place.rows(&["packages", "--all"]);
    let declared = declared.iter().filter(|row| row["state"] == "declared" && row["type"] == "npm").count();
    assert_eq!(declared, 3, "those of package-lock.json");
}

fn collect(dependencies: &Value, into: &mut BTreeSet<(String, String)>) {
    for (name, package) in dependencies.as_object().into_iter().flatten() {
        into.insert((name.clone(), package["version"].as_str().unwrap().to_owned()));
        collect(&package["dependencies"], into);
    }
}

#[test]
fn what_a_system_package_brought_says_so() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let disk = Disk::new();
    let tree = disk.tree();
    let owned = "/usr/lib/python3/dist-packages/requests-2.28.1.dist-info/METADATA";
    put(&tree.join(&owned[1..]), "Name: requests\nVersion: 2.28.1\n\n");
    put(
        &tree.join("usr/local/lib/python3.11/dist-packages/x-1.dist-info/METADATA"),
        "Name: x\nVersion: 1\n\n",
    );
    put(
        &tree.join("usr/share/nodejs/@s/semver/package.json"),
        r#"{"name": "@s/semver", "version": "7.3.5"}"#,
    );
    let status = |name: &str| {
        format!(
            "Package: {name}\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nMaintainer: x\n\n"
        )
    };
    let names = ["python3-requests", "node-semver"];
    put(&tree.join("var/lib/dpkg/status"), &names.map(status).concat());
    put(&tree.join("var/lib/dpkg/info/python3-requests.list"), &format!("/.\n/usr\n{owned}\n"));
    put(&tree.join("var/lib/dpkg/info/node-semver.list"), "/usr/share/nodejs/@s/semver/package.json\n");
    let (place, _store) = disk.scan();
    let rows = place.rows(&["packages"]);
    let owner = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}: {rows:?}"));
        row["owner"].as_str().map(str::to_owned)
    };
    assert_eq!(owner("requests").as_deref(), Some("deb:python3-requests"));
    assert_eq!(owner("@s/semver").as_deref(), Some("deb:node-semver"));
    assert_eq!(owner("x"), None);
    let requests = rows.iter().find(|row| row["name"] == "requests").unwrap();
    assert_eq!(requests["origin"]["path"], owned);
    assert!(requests["origin"]["sha256"].is_string());
}
