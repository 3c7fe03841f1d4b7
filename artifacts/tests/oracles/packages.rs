//! Package databases against the tools that made them, and against a corpus of real ones.

use crate::support::{corpus, extract, output_of};
use coldread_artifacts::Context;
use coldread_model::{Findings, PackageState};

fn installed(found: &Findings) -> Vec<String> {
    let packages = found.packages.iter().filter(|package| package.state.is_installed());
    packages.map(|package| package.name.clone()).collect()
}

#[test]
fn dpkg_as_dpkg_query_lists_it() {
    let format = "${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\t${source:Package}\t${source:Version}\n";
    let Some(listed) = output_of("dpkg-query", &["-W", "-f", format]) else { return };
    let Ok(bytes) = std::fs::read("/var/lib/dpkg/status") else {
        println!("skipped: no /var/lib/dpkg/status");
        return;
    };
    let found = extract("/var/lib/dpkg/status", bytes, 0, &Context::default());
    assert_eq!(found.gaps, []);
    let mut ours: Vec<String> = found
        .packages
        .iter()
        .map(|package| {
            let source = package.source_name.as_deref().unwrap_or(&package.name);
            let version = package.source_version.as_deref().unwrap_or(&package.version);
            let arch = package.arch.as_deref().unwrap_or_default();
            format!("{}\t{}\t{arch}\t{}\t{source}\t{version}", package.name, package.version, package.state)
        })
        .collect();
    let mut theirs: Vec<String> = listed.lines().map(str::to_owned).collect();
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
}

#[test]
fn dpkg_corpus() {
    let Some(root) = corpus("dpkg") else { return };
    for (file, count) in [
        ("debian-only.status", 1),
        ("scalibr-valid", 7),
        ("syft-multiple", 3),
        ("texlive.status", 357),
        ("trivy-valid.txtar", 91),
    ] {
        let mut bytes = std::fs::read(root.join(file)).unwrap();
        if file == "trivy-valid.txtar" {
            let start = bytes.windows(9).position(|part| part == b"\nPackage:").unwrap();
            bytes.drain(..=start);
        }
        let found = extract("/var/lib/dpkg/status", bytes, 0, &Context::default());
        println!("{file}: {:?}", found.gaps);
        assert_eq!(found.packages.len(), count, "{file}");
    }
    let bytes = std::fs::read(root.join("syft-deinstall")).unwrap();
    let found = extract("/var/lib/dpkg/status", bytes, 0, &Context::default());
    assert_eq!(installed(&found), ["linux-image-6.14.0-1012-aws"]);
    assert!(found.packages.iter().any(|package| package.state == PackageState::ConfigFiles));
}

#[test]
fn apk_corpus() {
    let Some(root) = corpus("apk") else { return };
    for (file, count, gaps) in [("scalibr-installed", 15, 0), ("trivy-apk", 15, 1)] {
        let bytes = std::fs::read(root.join(file)).unwrap();
        let found = extract("/lib/apk/db/installed", bytes, 0, &Context::default());
        assert_eq!((found.packages.len(), found.gaps.len()), (count, gaps), "{file}: {:?}", found.gaps);
    }
}

/// name, epoch, version-release, architecture and source rpm, as a line each.
fn rpm_lines(found: &Findings) -> Vec<String> {
    let mut lines: Vec<_> = found
        .packages
        .iter()
        .map(|package| {
            let source = package.source_name.as_ref().zip(package.source_version.as_ref());
            let source =
                source.map_or("(none)".to_owned(), |(name, version)| format!("{name}-{version}.src.rpm"));
            let arch = package.arch.as_deref().unwrap_or("(none)");
            format!("{} {} {arch} {source}", package.name, package.version)
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn rpm_corpus_as_rpm_lists_it() {
    let Some(root) = corpus("rpmdb") else { return };
    let file = root.join("al2023-rpmdb.sqlite");
    let found = extract("/var/lib/rpm/rpmdb.sqlite", std::fs::read(&file).unwrap(), 0, &Context::default());
    assert_eq!((found.packages.len(), found.gaps.as_slice()), (103, &[][..]));
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&file, folder.path().join("rpmdb.sqlite")).unwrap();
    let path = folder.path().to_string_lossy().into_owned();
    let format = "%{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} %{ARCH} %{SOURCERPM}\n";
    let arguments = ["-qa", "--dbpath", &path, "--define", "_db_backend sqlite", "--qf", format];
    let Some(listed) = output_of("rpm", &arguments) else { return };
    let mut theirs: Vec<_> = listed.lines().map(|line| line.replace(" 0:", " ")).collect();
    theirs.sort();
    assert_eq!(rpm_lines(&found), theirs);
}

#[test]
fn rpm_databases_that_are_not_read_are_named() {
    let Some(root) = corpus("rpmdb") else { return };
    for (path, file, word) in [
        ("/var/lib/rpm/rpmdb.sqlite", "no_packages.sqlite", "no table Packages"),
        ("/var/lib/rpm/Packages", "dive-Packages", "BerkeleyDB"),
        ("/var/lib/rpm/Packages", "libuuid-el8-Packages", "BerkeleyDB"),
        ("/usr/lib/sysimage/rpm/Packages.db", "sle15-bci-Packages.db", "NDB"),
    ] {
        let found = extract(path, std::fs::read(root.join(file)).unwrap(), 0, &Context::default());
        assert!(found.packages.is_empty() && found.gaps.len() == 1, "{file}");
        assert!(found.gaps[0].reason.contains(word), "{file}: {}", found.gaps[0].reason);
    }
}
