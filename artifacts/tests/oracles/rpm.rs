//! rpm's databases in all their forms against rpm itself, against databases that its backends and Berkeley DB's own
//! tools make, and against a corpus of real ones.

use crate::support::{WithOwned, corpus, extract, extract_owned, output_of};
use coldread_artifacts::{Context, packages::rpm::Rpm};
use coldread_model::Findings;
use std::{fmt::Write, path::Path, process::Command};

/// Name, version-release with its epoch, architecture, source rpm, install time, vendor, module: a line each.
const FORMAT: &str = "%{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM} %{INSTALLTIME} %{VENDOR} %{MODULARITYLABEL}\n";

fn lines(found: &Findings) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or("(none)".to_owned());
    let line = |package: &coldread_model::Package| {
        let source = package.source_name.as_ref().zip(package.source_version.as_ref());
        let source = source.map(|(name, version)| format!("{name}-{version}.src.rpm"));
        let [arch, source, vendor, module] =
            [&package.arch, &source, &package.vendor, &package.module].map(text);
        let time = package.installed_at.map_or("(none)".to_owned(), |time| { time.seconds }.to_string());
        format!("{} {} {arch} {source} {time} {vendor} {module}", package.name, package.version)
    };
    let mut lines: Vec<_> = found.packages.iter().map(line).collect();
    lines.sort();
    lines
}

/// What rpm answers about the database in `folder`, sorted lines.
fn rpm(folder: &Path, backend: &str, format: &str) -> Option<Vec<String>> {
    let folder = folder.to_string_lossy();
    let backend = format!("_db_backend {backend}");
    let arguments = ["-qa", "--dbpath", &folder, "--define", &backend, "--qf", format];
    let listed = output_of("rpm", &arguments)?;
    // Debian's rpm is built without NDB and then lists a dummy database.
    if listed.is_empty() {
        println!("skipped: this rpm has no {backend}");
        return None;
    }
    let mut lines: Vec<_> = listed.lines().map(|line| line.replace(" 0:", " ")).collect();
    lines.sort();
    Some(lines)
}

/// Name and path of every file that is there.
fn rpm_files(folder: &Path, backend: &str) -> Option<Vec<(String, String)>> {
    let listed = rpm(folder, backend, "[%{=NAME}\t%{FILENAMES}\t%{FILESTATES}\n]")?;
    let split = |line: &String| {
        let mut fields = line.split('\t');
        let (name, path, state) = (fields.next()?, fields.next()?, fields.next()?);
        (state == "0" || state == "normal").then(|| (format!("rpm:{name}"), path.to_owned()))
    };
    let mut files: Vec<_> = listed.iter().filter_map(split).collect();
    files.sort();
    Some(files)
}

/// Holds our answer of a database file against rpm's.
fn compare(folder: &Path, backend: &str, name: &str, found: &WithOwned) {
    assert_eq!(found.findings.gaps, [], "{name}");
    assert!(found.findings.packages.len() > 1);
    if let Some(theirs) = rpm(folder, backend, FORMAT) {
        assert_eq!(lines(&found.findings), theirs, "{name}");
    }
    if let Some(theirs) = rpm_files(folder, backend) {
        assert_eq!(found.owned, theirs, "{name}");
    }
}

fn read(folder: &Path, name: &str) -> WithOwned {
    extract_owned(&Rpm, &format!("/var/lib/rpm/{name}"), std::fs::read(folder.join(name)).unwrap())
}

#[test]
fn corpus_as_rpm_lists_it() {
    let Some(root) = corpus("rpmdb") else { return };
    for (file, backend, name, count) in [
        ("al2023-rpmdb.sqlite", "sqlite", "rpmdb.sqlite", 103),
        ("sle15-bci-Packages.db", "ndb", "Packages.db", 35),
        ("libuuid-el8-Packages", "bdb_ro", "Packages", 1),
        ("dive-Packages", "bdb_ro", "Packages", 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(root.join(file), folder.path().join(name)).unwrap();
        let found = read(folder.path(), name);
        assert_eq!(
            (found.findings.packages.len(), found.findings.gaps.as_slice()),
            (count, &[][..]),
            "{file}"
        );
        if count > 1 {
            compare(folder.path(), backend, file, &found);
        }
        println!("{file}: {count} packages, {} files", found.owned.len());
    }
    let listing = std::fs::read_to_string(root.join("sle15-bci-Packages.db.listing.tsv")).unwrap();
    let found =
        extract_owned(&Rpm, "/x", std::fs::read(root.join("sle15-bci-Packages.db")).unwrap()).findings;
    let ours: Vec<_> = found
        .packages
        .iter()
        .map(|package| {
            let source = package.source_name.as_deref().unwrap_or_default();
            format!("{} {} {source}", package.name, package.version)
        })
        .collect();
    let theirs: Vec<_> = listing
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            assert_eq!(fields[1], "", "none of them has an epoch");
            let source: Vec<&str> = fields[5].rsplitn(3, '-').collect();
            format!("{} {}-{} {}", fields[0], fields[2], fields[3], source[2])
        })
        .collect();
    assert_eq!(ours, theirs);
    let libuuid = extract(
        "/var/lib/rpm/Packages",
        std::fs::read(root.join("libuuid-el8-Packages")).unwrap(),
        0,
        &Context::default(),
    );
    assert_eq!(
        lines(&libuuid),
        ["libuuid 2.32.1-42.el8_8 x86_64 util-linux-2.32.1-42.el8_8.src.rpm 1696444673 Red Hat, Inc. (none)"]
    );
    let dive = read_as(&root.join("dive-Packages"));
    assert_eq!(dive.owned, [("rpm:dive".to_owned(), "/usr/local/bin/dive".to_owned())]);
    let none = extract(
        "/var/lib/rpm/rpmdb.sqlite",
        std::fs::read(root.join("no_packages.sqlite")).unwrap(),
        0,
        &Context::default(),
    );
    assert_eq!((none.packages.len(), none.gaps.len()), (0, 1));
    assert!(none.gaps[0].reason.contains("no table Packages"));
}

fn read_as(file: &Path) -> WithOwned {
    extract_owned(&Rpm, "/var/lib/rpm/Packages", std::fs::read(file).unwrap())
}

/// Packages that rpmbuild made: one with an epoch, a module and thousands of files, so that its header fills many
/// pages; small ones. `None` where it cannot.
fn packages(folder: &Path) -> Option<Vec<String>> {
    let spec = |name: &str, more: &str, files: usize| {
        format!(
            "Name: {name}\nVersion: 1.{files}\nRelease: 2%{{?dist}}\nSummary: s\nLicense: MIT\nVendor: House {name}\n\
             BuildArch: noarch\n{more}\n%description\nd\n%install\nmkdir -p %{{buildroot}}/opt/{name}/a\n\
             for i in $(seq {files}); do echo $i > %{{buildroot}}/opt/{name}/a/file-$i; done\n%files\n/opt/{name}\n"
        )
    };
    let top = format!("_topdir {}", folder.display());
    for (name, more, files) in [
        ("large", "Epoch: 3\nModularityLabel: large:9:8:7", 3000),
        ("medium", "Epoch: 0", 60),
        ("small", "", 1),
    ] {
        let path = folder.join(format!("{name}.spec"));
        std::fs::write(&path, spec(name, more, files)).unwrap();
        output_of("rpmbuild", &["-bb", "--quiet", "--define", &top, &path.to_string_lossy()])?;
    }
    let built = std::fs::read_dir(folder.join("RPMS/noarch")).unwrap();
    Some(built.map(|entry| entry.unwrap().path().to_string_lossy().into_owned()).collect())
}

#[test]
fn databases_that_rpm_and_berkeley_db_make() {
    let folder = tempfile::tempdir().unwrap();
    let Some(packages) = packages(folder.path()) else { return };
    for (backend, name) in [("sqlite", "rpmdb.sqlite"), ("ndb", "Packages.db")] {
        let dbpath = folder.path().join(backend);
        let path = dbpath.to_string_lossy();
        let define = format!("_db_backend {backend}");
        let common = ["--dbpath", &path, "--define", &define, "--nodeps", "--justdb", "--ignorearch"];
        let install: Vec<&str> =
            ["-i"].iter().chain(&common).copied().chain(packages.iter().map(String::as_str)).collect();
        if output_of("rpm", &install).is_none() {
            continue;
        }
        compare(&dbpath, backend, name, &read(&dbpath, name));
        // Slots and rows that were freed are no packages.
        let remove: Vec<&str> =
            ["-e"].iter().chain(&common[..4]).chain(&["--justdb", "medium"]).copied().collect();
        if output_of("rpm", &remove).is_some() {
            let found = read(&dbpath, name);
            assert_eq!(found.findings.packages.len(), 2);
            compare(&dbpath, backend, name, &found);
        }
    }
    hash_databases(folder.path());
}

/// The same headers in hash databases of both byte orders and several page sizes.
fn hash_databases(folder: &Path) {
    let database = rusqlite::Connection::open(folder.join("sqlite/rpmdb.sqlite")).unwrap();
    let mut statement = database.prepare("SELECT hnum, blob FROM Packages").unwrap();
    let blobs: Vec<(u32, Vec<u8>)> =
        statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::from(" "), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
    };
    let expected = lines(&read(&folder.join("sqlite"), "rpmdb.sqlite").findings);
    for (order, page_size) in [(1234, 4096), (4321, 4096), (1234, 512), (4321, 65_536)] {
        let number = |number: u32| if order == 1234 { number.to_le_bytes() } else { number.to_be_bytes() };
        let mut dump = format!(
            "VERSION=3\nformat=bytevalue\ntype=hash\ndb_lorder={order}\ndb_pagesize={page_size}\nHEADER=END\n"
        );
        // The counter, and copies of the packages under many numbers, so that buckets split and chain.
        writeln!(dump, "{}\n{}", hex(&number(0)), hex(&number(400))).unwrap();
        for copy in 0..60 {
            for (package, blob) in &blobs {
                if copy == 0 || blob.len() < 20_000 {
                    writeln!(dump, "{}\n{}", hex(&number(package + copy * 10)), hex(blob)).unwrap();
                }
            }
        }
        dump.push_str("DATA=END\n");
        let dbpath = folder.join(format!("bdb-{order}-{page_size}"));
        std::fs::create_dir(&dbpath).unwrap();
        std::fs::write(dbpath.join("dump"), dump).unwrap();
        let load = Command::new("db5.3_load").args(["-f", "dump", "Packages"]).current_dir(&dbpath).status();
        if !load.as_ref().is_ok_and(std::process::ExitStatus::success) {
            println!("skipped: db5.3_load: {load:?}");
            return;
        }
        let found = read(&dbpath, "Packages");
        assert_eq!(found.findings.gaps, [], "{order} {page_size}");
        let mut ours = lines(&found.findings);
        if order == 1234
            && let Some(theirs) = rpm(&dbpath, "bdb_ro", FORMAT)
        {
            assert_eq!(ours, theirs, "{order} {page_size}");
        }
        assert_eq!(ours.len(), found.findings.packages.len());
        assert!(ours.len() > 60, "{} packages", ours.len());
        ours.dedup();
        assert_eq!(ours, expected, "{order} {page_size}");
    }
}
