//! Updates and features: the packages of component based servicing.
//!
//! Source: Microsoft Learn, "Windows Update log files" and "CbsPackageState"; names are
//! `name~public key token~architecture~language~version`.

use super::{package, tell};
use crate::hive::{Key, Records, filetime};
use coldread_model::{GapKind, PackageState, PackageType};

const PACKAGES: &str = "Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\Packages";

pub(super) fn read(records: &mut Records<'_, '_>) {
    let Some(list) = records.key(PACKAGES) else { return };
    records.each_subkey(&list, |records, key| update(records, &key));
}

fn update(records: &mut Records<'_, '_>, key: &Key) {
    let mut parts = key.name.split('~');
    let identity = parts.next().unwrap_or_default();
    let (arch, version) = (parts.nth(1), parts.nth(1));
    // The monthly update is `Package_for_RollupFix`; only the place that it came from has its number.
    let number = knowledge_base(identity).or_else(|| {
        let from = identity.to_ascii_lowercase().contains("rollupfix");
        let place = from.then(|| records.text(key, "InstallLocation")).flatten()?;
        knowledge_base(&place)
    });
    let name = number.unwrap_or_else(|| identity.to_owned());
    let arch = arch.filter(|arch| !arch.is_empty());
    let mut update = package(records, PackageType::Kb, name, version.unwrap_or_default().to_owned(), arch);
    let current = records.number(key, "CurrentState");
    update.state = current.and_then(state).unwrap_or_else(|| {
        let current = current.map_or("no".to_owned(), |number| number.to_string());
        records.gap(GapKind::Unsupported, format!("{}: {current} CurrentState that is known", key.name));
        PackageState::NotInstalled
    });
    let half = |number: Option<u64>| number.and_then(|number| u32::try_from(number).ok());
    let high = half(records.number(key, "InstallTimeHigh"));
    let low = half(records.number(key, "InstallTimeLow"));
    update.installed_at =
        high.zip(low).and_then(|(high, low)| filetime(u64::from(high) << 32 | u64::from(low)));
    tell(records, update);
}

/// CBS_STATE: absent, resolved and staged ones are not in use; what is installed may be superseded.
fn state(number: u64) -> Option<PackageState> {
    Some(match number {
        0 | 0x10 | 0x20 => PackageState::NotInstalled,
        5 => PackageState::UninstallPending,
        0x30 => PackageState::Unpacked,
        0x40 => PackageState::Staged,
        0x50 => PackageState::Superseded,
        0x60 => PackageState::Pending,
        0x65 => PackageState::HalfInstalled,
        // Installed, and installed for good.
        0x70 | 0x80 => PackageState::Installed,
        _ => return None,
    })
}

/// `KB` and digits, wherever they stand.
fn knowledge_base(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    upper.match_indices("KB").find_map(|(at, _)| {
        let digits: String = upper[at + 2..].chars().take_while(char::is_ascii_digit).collect();
        (6..=8).contains(&digits.len()).then(|| format!("KB{digits}"))
    })
}
