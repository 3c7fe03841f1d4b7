//! Which Windows it is.
//!
//! Source: Microsoft Learn, "Operating System Version" and "Windows 11 release information".

use crate::hive::{Key, Records, filetime};
use coldread_model::{SystemIdentity, Timestamp};

const CURRENT_VERSION: &str = "Microsoft\\Windows NT\\CurrentVersion";

/// The first build of Windows 11, whose ProductName still says 10.
const FIRST_11: u64 = 22_000;

/// Reads the SOFTWARE hive's part, and gives the architecture.
pub(super) fn read(records: &mut Records<'_, '_>) -> Option<&'static str> {
    let key = records.key(CURRENT_VERSION)?;
    let build = records.text(&key, "CurrentBuildNumber").or_else(|| records.text(&key, "CurrentBuild"));
    let old_version = records.text(&key, "CurrentVersion");
    let major = records.number(&key, "CurrentMajorVersionNumber");
    let minor = records.number(&key, "CurrentMinorVersionNumber");
    let version = match (major, minor) {
        (Some(major), Some(minor)) => Some(format!("{major}.{minor}")),
        // Windows 10 has 6.3 here.
        _ => old_version,
    };
    let revision = records.number(&key, "UBR");
    let display = records.text(&key, "DisplayVersion").or_else(|| records.text(&key, "ReleaseId"));
    let product = records.text(&key, "ProductName").map(|name| product_name(&name, build.as_deref()));
    let service_pack = records.text(&key, "CSDVersion");
    let full = version.clone().zip(build).map(|(version, build)| {
        let revision = revision.map(|revision| format!(".{revision}")).unwrap_or_default();
        format!("{version}.{build}{revision}")
    });
    let part = SystemIdentity {
        id: Some("windows".to_owned()),
        version_id: display.or(version),
        pretty_name: product.map(|name| match service_pack {
            Some(pack) => format!("{name} {pack}"),
            None => name,
        }),
        build: full,
        edition: records.text(&key, "EditionID"),
        installed_at: installed(records, &key),
        ..SystemIdentity::default()
    };
    records.out.system(part);
    architecture(&records.text(&key, "BuildLabEx").or_else(|| records.text(&key, "BuildLab"))?)
}

fn installed(records: &mut Records<'_, '_>, key: &Key) -> Option<Timestamp> {
    let exact = records.number(key, "InstallTime").and_then(filetime);
    exact.or_else(|| {
        let seconds = records.number(key, "InstallDate").filter(|seconds| *seconds > 0)?;
        Some(Timestamp::new(i64::try_from(seconds).ok()?, 0))
    })
}

fn product_name(name: &str, build: Option<&str>) -> String {
    let is_11 = build.and_then(|build| build.parse::<u64>().ok()).is_some_and(|build| build >= FIRST_11);
    match name.strip_prefix("Windows 10") {
        Some(rest) if is_11 => format!("Windows 11{rest}"),
        _ => name.to_owned(),
    }
}

/// `19041.1.amd64fre.vb_release.191206-1406` names it.
fn architecture(lab: &str) -> Option<&'static str> {
    [("amd64fre", "x64"), ("arm64fre", "arm64"), ("x86fre", "x86"), ("amd64chk", "x64"), ("x86chk", "x86")]
        .into_iter()
        .find_map(|(word, arch)| lab.contains(word).then_some(arch))
}

/// Reads the SYSTEM hive's part: the machine's name, and the zone by Windows' name for it.
pub(super) fn of_control_set(records: &mut Records<'_, '_>, set: &str) {
    let mut part = SystemIdentity::default();
    for (path, name) in
        [("Control\\ComputerName\\ComputerName", "ComputerName"), ("Services\\Tcpip\\Parameters", "Hostname")]
    {
        if part.hostname.is_none()
            && let Some(key) = records.key(&format!("{set}\\{path}"))
        {
            part.hostname = records.text(&key, name);
        }
    }
    if let Some(key) = records.key(&format!("{set}\\Control\\TimeZoneInformation")) {
        // From Vista on; before that there is only the name as users see it.
        part.timezone = records.text(&key, "TimeZoneKeyName").or_else(|| records.text(&key, "StandardName"));
    }
    records.out.system(part);
}
