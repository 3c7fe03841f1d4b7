//! Databases of packages: rows, versions and what is told of stanzas that cannot be read.

use crate::index::{Line, Scanned};
use serde_json::Value;
use std::{collections::BTreeSet, fmt::Write, process::Command};
use tests::ask;

/// Name, version with its epoch, and architecture.
type Row = (String, String, String);

fn row(name: &str, epoch: &str, version: &str, arch: &str) -> Row {
    let epoch = if matches!(epoch, "" | "0") { String::new() } else { format!("{epoch}:") };
    let arch = if matches!(arch, "(none)" | "None") { "" } else { arch };
    (name.to_owned(), format!("{epoch}{version}"), arch.to_owned())
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row[name].as_str().unwrap_or_default()
}

fn rows(packages: &[Value]) -> BTreeSet<Row> {
    packages.iter().map(|one| row(text(one, "name"), "", text(one, "version"), text(one, "arch"))).collect()
}

fn names(packages: &[Value]) -> BTreeSet<&str> {
    ask::texts(packages, "name").into_iter().collect()
}

/// What listings of rpm's databases say: of each line name, epoch, version, release, architecture and source rpm or
/// the source's name, with tabs between; or with `¶` between and the epoch first.
fn listed(line: &str) -> (Row, String) {
    let pilcrows: Vec<&str> = line.split('¶').collect();
    let tabs: Vec<&str> = line.split('\t').collect();
    let (([epoch, name, version, release, arch, source, ..], _)
    | (_, [name, epoch, version, release, arch, source, ..])) = (&pilcrows[..], &tabs[..])
    else {
        panic!("{line}");
    };
    let source = match source.strip_suffix(".src.rpm") {
        Some(file) => file.rsplitn(3, '-').last().unwrap(),
        None => source,
    };
    (row(name, epoch, &format!("{version}-{release}"), arch), source.replace("(none)", ""))
}

/// Holds rows against a listing of the database, with the names of their sources.
pub(crate) fn are_listed(packages: &[Value], line: &Line) {
    let listed: BTreeSet<_> = line.listing().iter().map(|line| listed(line)).collect();
    let found: BTreeSet<_> = packages
        .iter()
        .map(|one| {
            let row = row(text(one, "name"), "", text(one, "version"), text(one, "arch"));
            (row, text(one, "source_name").to_owned())
        })
        .collect();
    assert_eq!(found, listed, "{}", line.name);
    assert_eq!(packages.len(), listed.len(), "{}", line.name);
}

pub(crate) fn rpm(line: &Line) {
    let (fact, bytes) = (line.fact.as_str(), line.bytes());
    if fact.contains("raw rpm header blob") {
        header(&bytes);
        return;
    }
    let path = match line.name.rsplit(['-', '.']).next() {
        Some("sqlite") => "/var/lib/rpm/rpmdb.sqlite",
        Some("db") => "/usr/lib/sysimage/rpm/Packages.db",
        _ => "/var/lib/rpm/Packages",
    };
    let scanned = Scanned::files(&[(path, &bytes)]);
    let packages = scanned.packages();
    if fact.starts_with("NEGATIVE") {
        assert!(packages.is_empty() && fact.contains("without Packages table"), "{packages:?}");
        assert_eq!(scanned.gaps(), [("not-found".to_owned(), "no table Packages".to_owned())]);
        return;
    }
    assert_eq!(scanned.gaps(), [], "{}", line.name);
    if let Some(count) = line.number(" packages") {
        assert_eq!(packages.len(), count, "{}", line.name);
        are_listed(&packages, line);
    } else if fact.contains("1 pkg ") {
        // Name, version and architecture.
        let told: Vec<_> = line.after("1 pkg ").take(3).collect();
        assert_eq!(rows(&packages), BTreeSet::from([row(told[0], "", told[1], told[2])]));
    } else if fact.contains("single pkg: ") {
        let told: Vec<_> = line.after("single pkg: ").take(3).collect();
        assert_eq!(rows(&packages), BTreeSet::from([row(told[0], "", told[1], told[2])]));
        let package = &packages[0];
        let vendor = fact.split_once("vendor ").unwrap().1.split_once(" sourcerpm ").unwrap().0;
        assert_eq!(package["vendor"], vendor);
        let source = line.after("sourcerpm ").next().unwrap().strip_suffix(".src.rpm").unwrap();
        let found = format!("{}-{}", text(package, "source_name"), text(package, "source_version"));
        assert_eq!(found, source);
        let seconds: i64 = line.after("installtime ").next().unwrap().parse().unwrap();
        assert_eq!(package["installed"], tests::truth::stamp(seconds, 0));
    } else {
        line.is_unknown();
    }
}

/// A header alone, as rpm's SQLite database keeps it.
fn header(blob: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("var/lib/rpm/rpmdb.sqlite");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let database = rusqlite::Connection::open(&path).unwrap();
    database.execute_batch("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)").unwrap();
    database.execute("INSERT INTO Packages VALUES (1, ?1)", [blob]).unwrap();
    database.close().unwrap();
    let scanned = Scanned::tree(dir.path());
    // Its last file names directory 4 of those numbered 0 to 3.
    let reason = "package 1, publicsuffix-list-dafsa: file 3 of 4 has no directory";
    assert_eq!(scanned.gaps(), [("corrupt".to_owned(), reason.to_owned())]);
    // What its first strings say.
    let expected = row("publicsuffix-list-dafsa", "", "20210518-2.fc35", "noarch");
    assert_eq!(rows(&scanned.packages()), BTreeSet::from([expected]));
}

pub(crate) fn dpkg(line: &Line) {
    let fact = line.fact.as_str();
    if fact.contains("records of install/upgrade/status") {
        log(line);
        return;
    }
    let mut bytes = line.bytes();
    if fact.starts_with("txtar archive") {
        let head = b"-- var/lib/dpkg/status --\n";
        let start = bytes.windows(head.len()).position(|part| part == head).unwrap();
        bytes.drain(..start + head.len());
    }
    let scanned = Scanned::files(&[("/var/lib/dpkg/status", &bytes)]);
    let packages = scanned.packages();
    let told = ["stanza", "packages", "Package: stanzas"]
        .iter()
        .find_map(|phrase| line.number(&format!(" {phrase}")));
    if let Some(count) = told {
        assert_eq!((packages.len(), scanned.gaps()), (count, vec![]), "{}", line.name);
    } else if let Some(list) = fact.strip_prefix("status: ") {
        // `libacl1(src acl)` and the like.
        let list = list.split_once(" [").unwrap().0.split(", ");
        let told: BTreeSet<_> =
            list.map(|one| one.trim_end_matches(')').split_once("(src ").unwrap_or((one, ""))).collect();
        let found = packages.iter().map(|one| (text(one, "name"), text(one, "source_name")));
        assert_eq!((found.collect::<BTreeSet<_>>(), scanned.gaps()), (told, vec![]), "{}", line.name);
    } else if fact.contains("deinstall entries must not be reported as installed") {
        stanzas(&bytes, &scanned);
    } else {
        line.is_unknown();
    }
}

/// Every stanza with a name is a row, installed where its status says so; one without a name is told.
fn stanzas(bytes: &[u8], scanned: &Scanned) {
    let status = std::str::from_utf8(bytes).unwrap();
    let (mut all, mut installed, mut nameless) = (BTreeSet::new(), BTreeSet::new(), 0);
    for stanza in status.split("\n\n").filter(|stanza| !stanza.trim().is_empty()) {
        let field = |name: &str| {
            let lines = stanza.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            lines.map(str::trim).find(|value| !value.is_empty())
        };
        let Some(name) = field("Package") else {
            nameless += 1;
            continue;
        };
        all.insert(name);
        if field("Status") == Some("install ok installed") {
            installed.insert(name);
        }
    }
    let (packages, gaps) = (scanned.packages(), scanned.gaps());
    assert_eq!(names(&packages), all);
    assert_eq!(names(&scanned.place.rows(&["packages"])), installed);
    assert!(
        gaps.len() == nameless && gaps.iter().all(|(_, reason)| reason.contains("no Package")),
        "{gaps:?}"
    );
}

/// dpkg's log gives the packages of a status file the time when they were last unpacked.
fn log(line: &Line) {
    let bytes = line.bytes();
    let text = std::str::from_utf8(&bytes).unwrap();
    let records: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .filter(|words| matches!(words[2], "install" | "upgrade" | "status"))
        .collect();
    assert_eq!(Some(records.len()), line.number(" records of install/upgrade/status"));
    let unpacked: Vec<_> = records.iter().filter(|words| words[2] != "status").collect();
    let first: Vec<_> = line.after("first upgrade ").take(2).collect();
    let package = format!("{}:amd64", first[0]);
    assert_eq!((unpacked[0][3], unpacked[0][5]), (package.as_str(), first[1]));
    let (mut status, mut expected) = (String::new(), BTreeSet::new());
    for words in unpacked {
        let ((name, arch), version) = (words[3].split_once(':').unwrap(), words[5]);
        writeln!(
            status,
            "Package: {name}\nStatus: install ok installed\nArchitecture: {arch}\nMulti-Arch: same\nVersion: {version}\n"
        )
        .unwrap();
        assert!(expected.insert((name, arch, version, format!("{}T{}.000000000Z", words[0], words[1]))));
    }
    let scanned =
        Scanned::files(&[("/var/lib/dpkg/status", status.as_bytes()), ("/var/log/dpkg.log", &bytes)]);
    let packages = scanned.packages();
    let found: BTreeSet<_> = packages
        .iter()
        .map(|one| {
            let [name, arch, version, at] =
                ["name", "arch", "version", "installed"].map(|name| self::text(one, name));
            (name, arch, version, at.to_owned())
        })
        .collect();
    assert_eq!((found, scanned.gaps()), (expected, vec![]));
}

pub(crate) fn apk(line: &Line) {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree");
    let database = tree.join("lib/apk/db/installed");
    if line.fact.starts_with("real docker-save") {
        for (from, to) in [(line.path(), dir.path()), (dir.path().join("layer.tar"), &tree)] {
            std::fs::create_dir_all(to).unwrap();
            let mut tar = Command::new("tar");
            tar.arg("-xf").arg(from).arg("-C").arg(to);
            if to == dir.path() {
                tar.args(["--strip-components=1", "--wildcards", "*/layer.tar"]);
            }
            assert!(tar.status().unwrap().success(), "{tar:?}");
        }
    } else {
        std::fs::create_dir_all(database.parent().unwrap()).unwrap();
        std::fs::write(&database, line.bytes()).unwrap();
    }
    let Some(records) = line.number(" P: records") else { line.is_unknown() };
    let text = std::fs::read_to_string(&database).unwrap();
    let entries: Vec<_> = text.split("\n\n").filter(|entry| !entry.trim().is_empty()).collect();
    assert_eq!(entries.len(), records, "{}", line.name);
    let field =
        |entry: &str, key: &str| entry.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned));
    let told = entries.iter().filter_map(|entry| {
        Some(row(&field(entry, "P:")?, "", &field(entry, "V:")?, &field(entry, "A:").unwrap_or_default()))
    });
    let told: BTreeSet<_> = told.collect();
    let scanned = Scanned::tree(&tree);
    let (packages, gaps) = (scanned.packages(), scanned.gaps());
    assert_eq!((rows(&packages), packages.len()), (told.clone(), told.len()), "{}", line.name);
    // An entry without a version is no row, and told.
    assert_eq!(gaps.len(), records - told.len(), "{}: {gaps:?}", line.name);
    assert!(gaps.iter().all(|(_, reason)| reason.contains("no version")), "{gaps:?}");
}
