//! Installed programs.
//!
//! Source: Microsoft Learn, "Uninstall Registry Key" (Windows Installer). Windows' own list has the entries
//! with a `DisplayName`; others are left by installers for themselves.

use super::{super::rows::vendor, package, tell};
use crate::{
    hive::{Key, Records},
    zone::{DiskZone, LocalSeconds},
};
use coldread_model::{PackageType, Timestamp};

/// The programs below a view's `Microsoft` key.
pub(super) fn read(records: &mut Records<'_, '_>, view: &str, arch: Option<&str>, zone: &DiskZone) {
    let Some(list) = records.key(&format!("{view}\\Windows\\CurrentVersion\\Uninstall")) else { return };
    records.each_subkey(&list, |records, key| program(records, &key, arch, zone));
}

fn program(records: &mut Records<'_, '_>, key: &Key, arch: Option<&str>, zone: &DiskZone) {
    let Some(name) = records.text(key, "DisplayName") else { return };
    let version = records.text(key, "DisplayVersion").unwrap_or_default();
    let mut program = package(records, PackageType::Windows, name, version, arch);
    program.vendor = records.text(key, "Publisher").as_deref().and_then(vendor);
    program.installed_at = records.text(key, "InstallDate").and_then(|date| midnight(&date, zone));
    tell(records, program);
}

/// The start of a day as installers write it, `20231105`, in the disk's zone.
fn midnight(date: &str, zone: &DiskZone) -> Option<Timestamp> {
    if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, month, day) = (date[..4].parse().ok()?, date[4..6].parse().ok()?, date[6..].parse().ok()?);
    let local = LocalSeconds::from_civil(year, month, day, (0, 0, 0))?;
    zone.converter().to_utc(local, 0).map(|(time, _)| time)
}
