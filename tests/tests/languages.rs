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

/// Programs of one directory share their libraries, and a project may have the lock files of two tools. What is installed
/// is told apart from what is only named.
#[test]
fn what_files_of_one_directory_name_is_told_once() {
    if host::lacks(&["mke2fs"]) {
        return;
    }
    let disk = Disk::new();
    let deps = |name: &str| {
        format!(r#"{{"runtimeTarget": "x", "libraries": {{"{name}/2.10.0": {{"type": "package"}}}}}}"#)
    };
    let lock = r#"{"packages": {"node_modules/a": {"version": "1.0.0"}, "node_modules/b/node_modules/a": {"version": "1.0.0"}}}"#;
    for (path, text) in [
        ("srv/sdk/first.deps.json", &*deps("Serilog")),
        ("srv/sdk/second.deps.json", &*deps("Serilog")),
        ("srv/other/third.deps.json", &*deps("Serilog")),
        ("srv/app/package-lock.json", lock),
        ("srv/app/yarn.lock", "a@^1:\n  version \"1.0.0\"\n"),
        ("srv/app/node_modules/a/package.json", r#"{"name": "a", "version": "1.0.0"}"#),
    ] {
        put(&disk.tree().join(path), text);
    }
    let (place, _store) = disk.scan();
    let rows = place.rows(&["packages", "--all"]);
    let mut told: Vec<_> = rows
        .iter()
        .map(|row| (row["origin"]["path"].as_str().unwrap(), row["state"].as_str().unwrap()))
        .collect();
    told.sort_unstable();
    let expected = [
        ("/srv/app/node_modules/a/package.json", "installed"),
        ("/srv/app/package-lock.json", "declared"),
        ("/srv/other/third.deps.json", "installed"),
        ("/srv/sdk/first.deps.json", "installed"),
    ];
    assert_eq!(told, expected);
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

#[test]
fn what_an_rpm_brought_says_so() {
    if host::lacks(&["mke2fs", "rpm", "rpmbuild"]) {
        return;
    }
    let disk = Disk::new();
    let (tree, build) = (disk.tree(), disk.dir.path().join("build"));
    let owned = "/usr/lib/python3.9/site-packages/six-1.15.0.dist-info/METADATA";
    put(
        &build.join("six.spec"),
        &format!(
            "Name: python3-six\nVersion: 1.15.0\nRelease: 9\nSummary: s\nLicense: MIT\nBuildArch: noarch\n%description\nd\n\
             %install\nmkdir -p %{{buildroot}}$(dirname {owned})\n\
             printf 'Name: six\\nVersion: 1.15.0\\n\\n' > %{{buildroot}}{owned}\n%files\n{owned}\n"
        ),
    );
    let top = format!("_topdir {}", build.display());
    let mut rpmbuild = Command::new("rpmbuild");
    rpmbuild.args(["-bb", "--quiet", "--define", &top]).arg(build.join("six.spec"));
    if prints(&mut rpmbuild).is_none() {
        return;
    }
    let mut install = Command::new("rpm");
    install
        .args(["-i", "--nodeps", "--noscripts", "--ignorearch", "--dbpath", "/var/lib/rpm", "--root"])
        .arg(&tree);
    if prints(install.arg(build.join("RPMS/noarch/python3-six-1.15.0-9.noarch.rpm"))).is_none() {
        return;
    }
    put(&tree.join("usr/lib/python3.9/site-packages/own-2.dist-info/METADATA"), "Name: own\nVersion: 2\n\n");
    let (place, _store) = disk.scan();
    let rows = place.rows(&["packages"]);
    let owner = |name: &str| {
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}: {rows:?}"));
        row["owner"].as_str().map(str::to_owned)
    };
    assert_eq!(owner("six").as_deref(), Some("rpm:python3-six"));
    assert_eq!(owner("own"), None);
    assert_eq!(found(&place, "rpm").len(), 1);
}

/// Ruby's own listing: `NAME (default: VERSION, VERSION, …)`.
fn gems(text: &str) -> BTreeSet<(String, String)> {
    let mut gems = BTreeSet::new();
    for line in text.lines() {
        let Some((name, versions)) = line.trim_end_matches(')').split_once(" (") else { continue };
        // A platform may follow a version.
        let versions = versions.split(", ").map(|version| version.trim_start_matches("default: "));
        gems.extend(versions.map(|version| (name.to_owned(), version.split(' ').next().unwrap().to_owned())));
    }
    gems
}

#[test]
fn gem_lists_what_is_found() {
    if host::lacks(&["mke2fs", "gem", "ruby"]) {
        return;
    }
    let disk = Disk::new();
    let (home, source) = (disk.tree().join("var/lib/gems/3.1.0"), disk.dir.path().join("source"));
    for (name, version, more) in [
        ("first_one", "1.0.0", ""),
        ("first_one", "1.1.0.rc1", ""),
        ("second-one", "2024.1", "s.add_dependency 'first_one', '>= 1'"),
        ("third", "0.1", "s.platform = 'x86_64-linux'"),
    ] {
        put(&source.join("lib/x.rb"), "");
        put(
            &source.join("x.gemspec"),
            &format!(
                "Gem::Specification.new do |s|\n s.name = '{name}'\n s.version = '{version}'\n s.summary = 's'\n \
                 s.authors = ['Ann']\n s.files = ['lib/x.rb']\n {more}\nend\n"
            ),
        );
        let mut build = Command::new("gem");
        build.args(["build", "-q", "x.gemspec", "-o", "x.gem"]).current_dir(&source);
        let mut install = Command::new("gem");
        install.args(["install", "-q", "--local", "--force", "--no-document", "--install-dir"]).arg(&home);
        if prints(&mut build).is_none() || prints(install.arg("x.gem").current_dir(&source)).is_none() {
            return;
        }
    }
    // Those that come with Ruby are listed wherever others are installed.
    let script = "puts Gem::Specification.select(&:default_gem?).map(&:loaded_from)";
    for path in prints(Command::new("ruby").args(["-e", script])).unwrap_or_default().lines() {
        put(&disk.tree().join(&path[1..]), &fs::read_to_string(path).unwrap());
    }
    let mut list = Command::new("gem");
    list.args(["list", "--local", "--all"]).env("GEM_HOME", &home).env("GEM_PATH", &home);
    let listed = gems(&prints(&mut list).unwrap());
    assert!(listed.contains(&("first_one".to_owned(), "1.1.0.rc1".to_owned())), "{listed:?}");
    let (place, _store) = disk.scan();
    assert_eq!(found(&place, "gem"), listed);
    let rows = place.rows(&["packages", "--name", "third"]);
    assert_eq!((&rows[0]["arch"], &rows[0]["vendor"]), (&"x86_64-linux".into(), &"Ann".into()));
    assert!(rows[0]["installed"].is_string());
}

#[test]
fn go_says_what_is_found() {
    if host::lacks(&["mke2fs", "go"]) {
        return;
    }
    let disk = Disk::new();
    let source = disk.dir.path().join("source");
    put(
        &source.join("go.mod"),
        "module example.org/cmd\n\ngo 1.18\n\nrequire example.org/a v1.2.3\n\nreplace example.org/a => ./a\n",
    );
    put(
        &source.join("main.go"),
        "package main\n\nimport \"example.org/a\"\n\nfunc main() { println(a.A) }\n",
    );
    put(&source.join("a/go.mod"), "module example.org/a\n\ngo 1.18\n");
    put(&source.join("a/a.go"), "package a\n\nconst A = 7\n");
    let program = disk.tree().join("usr/local/bin/cmd");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    let mut build = Command::new("go");
    build.args(["build", "-buildvcs=false", "-o"]).arg(&program).current_dir(&source);
    build.env("GOFLAGS", "-mod=mod").env("GOPROXY", "off").env("GOTOOLCHAIN", "local");
    build.env("HOME", disk.dir.path()).env("GOCACHE", disk.dir.path().join("cache"));
    if prints(&mut build).is_none() {
        return;
    }
    let shown = prints(Command::new("go").args(["version", "-m"]).arg(&program)).unwrap();
    let (place, _store) = disk.scan();
    assert_eq!(found(&place, "golang"), go_modules(&shown));
}

/// What `go version -m` shows of one program.
fn go_modules(shown: &str) -> BTreeSet<(String, String)> {
    let mut modules: Vec<(String, String)> = Vec::new();
    for line in shown.lines() {
        let fields: Vec<&str> = line.trim_start_matches('\t').split('\t').collect();
        let version = fields.get(2).filter(|version| **version != "(devel)").unwrap_or(&"");
        match fields[0] {
            "mod" | "dep" => modules.push((fields[1].to_owned(), (*version).to_owned())),
            "=>" if !version.is_empty() => {
                *modules.last_mut().unwrap() = (fields[1].to_owned(), (*version).to_owned());
            }
            first if !line.starts_with('\t') => {
                let version = first.split_once(": go").unwrap().1;
                modules.push(("stdlib".to_owned(), version.split(' ').next().unwrap().to_owned()));
            }
            _ => {}
        }
    }
    modules.into_iter().collect()
}
