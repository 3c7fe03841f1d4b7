//! Appx and MSIX packages.
//!
//! Source: Microsoft Learn, "Package identity in Windows", section "Package full name":
//! `name_version_architecture_resource_publisher`.

use super::{package, tell};
use crate::hive::Records;
use coldread_model::{PackageState, PackageType};

const STORE: &str = "Microsoft\\Windows\\CurrentVersion\\Appx\\AppxAllUserStore";
const OF_USER: &str =
    "Local Settings\\Software\\Microsoft\\Windows\\CurrentVersion\\AppModel\\Repository\\Packages";

/// What is installed for all, what each user has, and what waits for users to come.
pub(super) fn of_machine(records: &mut Records<'_, '_>) {
    let Some(store) = records.key(STORE) else { return };
    records.each_subkey(&store, |records, list| {
        let state = match list.name.as_str() {
            "Applications" | "InboxApplications" => PackageState::Installed,
            "Staged" => PackageState::Staged,
            // A user by his security identifier.
            user if user.starts_with("S-1-") => PackageState::Installed,
            // Settings, and packages that were removed.
            _ => return,
        };
        records.each_subkey(&list, |records, key| one(records, &key.name, state));
    });
}

/// What one user has, in the hive of his classes.
pub(super) fn of_user(records: &mut Records<'_, '_>) {
    let Some(list) = records.key(OF_USER) else { return };
    records.each_subkey(&list, |records, key| one(records, &key.name, PackageState::Installed));
}

/// A package by its full name; keys that are none (a family's name) hold settings.
fn one(records: &mut Records<'_, '_>, full_name: &str, state: PackageState) {
    let parts: Vec<&str> = full_name.split('_').collect();
    let [name, version, arch, _, publisher] = parts.as_slice() else { return };
    let arch = (!arch.is_empty()).then_some(*arch);
    let mut found = package(records, PackageType::Msix, (*name).to_owned(), (*version).to_owned(), arch);
    found.state = state;
    found.vendor = Some((*publisher).to_owned());
    tell(records, found);
}
