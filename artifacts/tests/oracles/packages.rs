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
