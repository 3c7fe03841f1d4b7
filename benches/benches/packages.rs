//! Package databases of systems; throughput is packages and bytes a second.

// Of these, only makers of whole files are needed here.
#[path = "../../fuzz/src/rpm.rs"]
#[allow(dead_code, unreachable_pub)]
mod rpm;

use coldread_artifacts::{
    Companion, Context, Extractor, Input,
    packages::{
        apk::Apk, dpkg::Dpkg, flatpak::Flatpak, nix::Nix, pacman::Pacman, portage::Portage, rpm::Rpm,
        snap::Snap,
    },
    view::{FileView, SliceView},
};
use coldread_model::Findings;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::fmt::Write;

/// Packages of a database.
const COUNT: usize = 2000;

/// A name, an extractor, a path, the file, and those beside it.
type Case<'a> = (&'a str, &'static dyn Extractor, &'a str, Vec<u8>, Vec<(&'static str, Vec<u8>)>);

/// Reads one file, with those beside it; how many packages it has.
fn read(extractor: &dyn Extractor, path: &str, file: &[u8], beside: &[(&'static str, Vec<u8>)]) -> usize {
    let mut view = SliceView::from(file);
    let mut views: Vec<_> =
        beside.iter().map(|(suffix, bytes)| (*suffix, SliceView::from(&bytes[..]))).collect();
    let mut input = Input::new(path.as_bytes(), "p1", &mut view);
    input.companions = views
        .iter_mut()
        .map(|(suffix, view)| Companion { suffix, view: view as &mut dyn FileView })
        .collect();
    let mut found = Findings::default();
    extractor.extract(&mut input, &Context::default(), &mut found);
    assert!(found.gaps.is_empty(), "{:?}", found.gaps.first());
    found.packages.len()
}

/// A text of so many packages.
fn text(one: impl Fn(&mut String, usize)) -> Vec<u8> {
    let mut text = String::new();
    for index in 0..COUNT {
        one(&mut text, index);
    }
    text.into_bytes()
}

fn dpkg() -> Vec<u8> {
    text(|text, index| {
        let _ = writeln!(
            text,
            "Package: lib{index}\nStatus: install ok installed\nPriority: optional\nSection: libs\nInstalled-Size: 100\n\
             Maintainer: Debian Maintainers <x@example.org>\nArchitecture: amd64\nMulti-Arch: same\nSource: source{index} (1.2)\n\
             Version: 1:{index}.2-3+deb12u1\nDepends: libc6 (>= 2.34), libgcc-s1 (>= 3.0), libstdc++6 (>= 5)\n\
             Description: a library of some kind\n It does what libraries do, and says so in a few lines,\n each of some length.\n"
        );
    })
}

fn apk() -> Vec<u8> {
    text(|text, index| {
        let _ = writeln!(
            text,
            "C:Q1zKW6Fx8B1C4fW7CzQ0vLw1Zk3zA=\nP:lib{index}\nV:1.{index}-r1\nA:x86_64\nS:1000\nI:2000\nT:a library\nU:https://example.org\n\
             L:MIT\no:source{index}\nm:Ann <a@example.org>\nt:1700000000\nc:0123456789abcdef0123456789abcdef01234567\nF:usr/lib\nR:lib{index}.so\n\
             a:0:0:755\nZ:Q1zKW6Fx8B1C4fW7CzQ0vLw1Zk3zA=\n"
        );
    })
}

fn sqlite(
    schema: &str,
    insert: &str,
    row: impl Fn(&mut rusqlite::Statement<'_>, usize) -> rusqlite::Result<usize>,
) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("db");
    let mut database = rusqlite::Connection::open(&path).expect("a database");
    database.execute_batch(schema).expect("tables");
    let all = database.transaction().expect("a transaction");
    {
        let mut statement = all.prepare(insert).expect("a statement");
        for index in 1..=COUNT {
            row(&mut statement, index).expect("a row");
        }
    }
    all.commit().expect("all rows");
    drop(database);
    std::fs::read(path).expect("its bytes")
}

fn blobs() -> Vec<Vec<u8>> {
    (0..COUNT).map(|index| rpm::package(&format!("package-{index}"))).collect()
}

fn snap() -> Vec<u8> {
    let snaps = (0..COUNT).map(|index| {
        format!(r#""snap{index}": {{"type": "app", "sequence": [{{"name": "snap{index}", "snap-id": "x", "revision": "7"}}], "active": true, "current": "7"}}"#)
    });
    format!("{{\"data\": {{\"snaps\": {{{}}}}}}}", snaps.collect::<Vec<_>>().join(",")).into_bytes()
}

fn databases(criterion: &mut Criterion) {
    let blobs = blobs();
    let views: Vec<&[u8]> = blobs.iter().map(Vec::as_slice).collect();
    let rpm_sqlite = sqlite(
        "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)",
        "INSERT INTO Packages VALUES (?1, ?2)",
        |statement, index| statement.execute((index as i64, &blobs[index - 1])),
    );
    let nix = sqlite(
        "CREATE TABLE ValidPaths (id integer primary key autoincrement not null, path text unique not null, hash text not null,
         registrationTime integer not null, deriver text, narSize integer, ultimate integer, sigs text, ca text)",
        "INSERT INTO ValidPaths VALUES (?1, ?2, 'sha256:x', 1700000000, NULL, 7, NULL, NULL, NULL)",
        |statement, index| {
            statement.execute((index as i64, format!("/nix/store/{index:032}-package{index}-1.{index}")))
        },
    );
    let one = |extractor: &'static dyn Extractor, path: &'static str, file: Vec<u8>| (extractor, path, file);
    let cases: [(&str, _); 8] = [
        ("dpkg", one(&Dpkg, "/var/lib/dpkg/status", dpkg())),
        ("apk", one(&Apk, "/lib/apk/db/installed", apk())),
        ("rpm, BerkeleyDB", one(&Rpm, "/var/lib/rpm/Packages", rpm::hash(&views, false, 4096))),
        ("rpm, NDB", one(&Rpm, "/var/lib/rpm/Packages.db", rpm::ndb(&views))),
        ("rpm, SQLite", one(&Rpm, "/var/lib/rpm/rpmdb.sqlite", rpm_sqlite)),
        ("nix", one(&Nix, "/nix/var/nix/db/db.sqlite", nix)),
        ("snap", one(&Snap, "/var/lib/snapd/state.json", snap())),
        ("opkg", one(&coldread_artifacts::packages::dpkg::opkg::Opkg, "/usr/lib/opkg/status", dpkg())),
    ];
    let mut group = criterion.benchmark_group("databases");
    group.sample_size(20);
    for (name, (extractor, path, file)) in &cases {
        assert_eq!(read(*extractor, path, file, &[]), COUNT, "{name}");
        group.throughput(Throughput::ElementsAndBytes { elements: COUNT as u64, bytes: file.len() as u64 });
        group.bench_function(*name, |bencher| bencher.iter(|| read(*extractor, path, file, &[])));
    }
    group.finish();
}

/// Databases that have a file, or a few, for each package.
fn one_by_one(criterion: &mut Criterion) {
    let pacman = b"%NAME%\nbash\n\n%VERSION%\n5.2.15-1\n\n%BASE%\nbash\n\n%DESC%\nThe GNU shell\n\n%ARCH%\nx86_64\n\n\
        %INSTALLDATE%\n1700000000\n\n%PACKAGER%\nAnn <a@example.org>\n\n%SIZE%\n9000000\n\n%DEPENDS%\nreadline\nglibc\n\n";
    let flatpak = b"[Application]\nname=org.example.App\nruntime=org.freedesktop.Platform/x86_64/23.08\n\n[Context]\nshared=network;ipc;\n";
    let text = |text: &str| text.as_bytes().to_vec();
    let cases: [Case<'_>; 3] = [
        ("pacman", &Pacman, "/var/lib/pacman/local/bash-5.2.15-1/desc", pacman.to_vec(), vec![]),
        (
            "portage",
            &Portage,
            "/var/db/pkg/app-shells/bash-5.2/PF",
            text("bash-5.2\n"),
            vec![("SLOT", text("0\n")), ("BUILD_TIME", text("1700000000\n"))],
        ),
        (
            "flatpak",
            &Flatpak,
            "/var/lib/flatpak/app/org.example.App/x86_64/stable/active/metadata",
            flatpak.to_vec(),
            vec![],
        ),
    ];
    let mut group = criterion.benchmark_group("a file a package");
    for (name, extractor, path, file, beside) in &cases {
        assert_eq!(read(*extractor, path, file, beside), 1, "{name}");
        group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: file.len() as u64 });
        group.bench_function(*name, |bencher| bencher.iter(|| read(*extractor, path, file, beside)));
    }
    group.finish();
}

criterion_group!(benches, databases, one_by_one);
criterion_main!(benches);
