//! The .NET Framework and .NET runtimes.
//!
//! Source: Microsoft Learn, "How to determine which .NET Framework versions are installed" (the table of
//! `Release` numbers) and ".NET install location: registry".

use super::{package, tell};
use crate::hive::{Key, Records};
use coldread_model::PackageType;

const SETUP: &str = "Microsoft\\NET Framework Setup\\NDP";

/// The first `Release` of each version from 4.5 on: some are one more or less on different Windows.
const RELEASES: &[(u64, &str)] = &[
    (533_320, "4.8.1"),
    (528_040, "4.8"),
    (461_808, "4.7.2"),
    (461_308, "4.7.1"),
    (460_798, "4.7"),
    (394_802, "4.6.2"),
    (394_254, "4.6.1"),
    (393_295, "4.6"),
    (379_893, "4.5.2"),
    (378_675, "4.5.1"),
    (378_389, "4.5"),
];

pub(super) fn framework(records: &mut Records<'_, '_>) {
    let Some(setup) = records.key(SETUP) else { return };
    records.each_subkey(&setup, |records, key| {
        if !key.name.starts_with('v') {
            return;
        }
        if key.name == "v4" {
            if let Some(full) = records.subkey(&key, "Full") {
                version_4(records, &full);
            }
        } else if records.number(&key, "Install") == Some(1) {
            let version = records.text(&key, "Version").unwrap_or_else(|| key.name[1..].to_owned());
            let found = package(records, PackageType::Dotnet, FRAMEWORK.to_owned(), version, None);
            tell(records, found);
        }
    });
}

const FRAMEWORK: &str = ".NET Framework";

fn version_4(records: &mut Records<'_, '_>, full: &Key) {
    let file_version = records.text(full, "Version");
    let release = records.number(full, "Release");
    let named = release.and_then(|release| RELEASES.iter().find(|(first, _)| release >= *first));
    let version = named.map(|(_, version)| (*version).to_owned()).or_else(|| file_version.clone());
    let mut found =
        package(records, PackageType::Dotnet, FRAMEWORK.to_owned(), version.unwrap_or_default(), None);
    found.source_version = file_version;
    tell(records, found);
}

/// Runtimes and SDKs: installers write them into the 32-bit view, whatever their architecture.
pub(super) fn runtimes(records: &mut Records<'_, '_>) {
    for view in ["", "Wow6432Node\\"] {
        let Some(list) = records.key(&format!("{view}dotnet\\Setup\\InstalledVersions")) else { continue };
        records.each_subkey(&list, |records, of_arch| {
            let arch = of_arch.name.clone();
            if let Some(frameworks) = records.subkey(&of_arch, "sharedfx") {
                records.each_subkey(&frameworks, |records, key| {
                    versions(records, &key, &key.name, &arch);
                });
            }
            if let Some(sdk) = records.subkey(&of_arch, "sdk") {
                versions(records, &sdk, "Microsoft.NET.Sdk", &arch);
            }
        });
    }
}

fn versions(records: &mut Records<'_, '_>, key: &Key, name: &str, arch: &str) {
    for version in records.value_names(key) {
        if version.starts_with(|first: char| first.is_ascii_digit()) {
            let found = package(records, PackageType::Dotnet, name.to_owned(), version, Some(arch));
            tell(records, found);
        }
    }
}
