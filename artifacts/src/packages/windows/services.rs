//! Services and drivers.
//!
//! Source: Microsoft Learn, "HKLM\SYSTEM\CurrentControlSet\Services Registry Tree" and "QUERY_SERVICE_CONFIGA"
//! (types and start types).

use super::{super::rows::MAX_FURTHER, package, tell};
use crate::{
    hive::{Key, Records},
    secrets::masked,
};
use coldread_model::{GapKind, PackageType};

/// The key of the control set that was in use.
pub(super) fn control_set(records: &mut Records<'_, '_>) -> Option<String> {
    let select = records.key("Select")?;
    let current = records.number(&select, "Current").or_else(|| records.number(&select, "Default"));
    let Some(current) = current else {
        records.gap(GapKind::Corrupt, "Select does not say which control set is current");
        return None;
    };
    Some(format!("ControlSet{current:03}"))
}

pub(super) fn read(records: &mut Records<'_, '_>, set: &str) {
    let Some(list) = records.key(&format!("{set}\\Services")) else { return };
    records.each_subkey(&list, |records, key| service(records, &key));
}

fn service(records: &mut Records<'_, '_>, key: &Key) {
    // Keys without a type hold settings and performance counters.
    let Some(kind) = records.number(key, "Type") else { return };
    let kind = match kind {
        // Kernel, filesystem, adapter and recognizer drivers.
        1 | 2 | 4 | 8 => PackageType::WindowsDriver,
        // Own process, shared process, for each user.
        kind if kind & 0x70 != 0 => PackageType::WindowsService,
        _ => return,
    };
    let mut service = package(records, kind, key.name.clone(), String::new(), None);
    let library = records.subkey(key, "Parameters").and_then(|key| records.text(&key, "ServiceDll"));
    let program = library.or_else(|| records.text(key, "ImagePath"));
    service.source_name = program.map(|program| masked(&program).into_owned());
    if let Some(program) = service.source_name.take_if(|program| program.len() > MAX_FURTHER) {
        let reason = format!("{}: a program's line of {} bytes is not told", key.name, program.len());
        records.gap(GapKind::Limit, reason);
    }
    let start = records.number(key, "Start");
    service.module = start.and_then(|start| {
        let words = ["boot", "system", "auto", "manual", "disabled"];
        words.get(usize::try_from(start).ok()?).map(|word| (*word).to_owned())
    });
    tell(records, service);
}
