//! Files that say which system it is where there is no os-release: older systems, and images cut down.
//!
//! Sources: lsb_release(1) for /etc/lsb-release; os-release(5), "Notes" (the files that it took the place of);
//! issue(5); the release packages of the distributions for the form of their lines.

use coldread_model::SystemIdentity;

/// Bytes of such a file that are read; real ones have a line or a few.
pub const LIMIT: u64 = 16 << 10;

/// The files, the one that knows best first: a derived system has its own file beside that of its model.
pub const FILES: [&str; 17] = [
    "/etc/lsb-release",
    "/etc/oracle-release",
    "/etc/rocky-release",
    "/etc/almalinux-release",
    "/etc/centos-release",
    "/etc/fedora-release",
    "/etc/mageia-release",
    "/etc/photon-release",
    "/etc/system-release",
    "/etc/redhat-release",
    "/etc/SuSE-release",
    "/etc/alpine-release",
    "/etc/gentoo-release",
    "/etc/arch-release",
    "/etc/slackware-version",
    "/etc/debian_version",
    "/etc/issue",
];

/// How names begin, and their os-release ID; longer ones first where one begins another.
const NAMES: [(&str, &str); 28] = [
    ("red hat enterprise linux", "rhel"),
    ("redhatenterprise", "rhel"),
    ("red hat linux", "redhat"),
    ("centos", "centos"),
    ("fedora", "fedora"),
    ("amazon linux", "amzn"),
    ("amazonami", "amzn"),
    ("oracle", "ol"),
    ("enterprise linux enterprise linux", "ol"),
    ("rocky", "rocky"),
    ("almalinux", "almalinux"),
    ("scientific", "scientific"),
    ("cloudlinux", "cloudlinux"),
    ("vmware photon", "photon"),
    ("photon", "photon"),
    ("mageia", "mageia"),
    ("mandriva", "mandriva"),
    ("opensuse", "opensuse"),
    ("suse linux enterprise desktop", "sled"),
    ("suse linux enterprise server", "sles"),
    ("suse linux", "suse"),
    ("ubuntu", "ubuntu"),
    ("linuxmint", "linuxmint"),
    ("linux mint", "linuxmint"),
    ("debian", "debian"),
    ("gentoo", "gentoo"),
    ("arch", "arch"),
    ("slackware", "slackware"),
];

/// Fills in what one of [`FILES`] says, and whether that names a system.
pub fn read(path: &str, text: &[u8], system: &mut SystemIdentity) -> bool {
    let text = String::from_utf8_lossy(&text[..text.len().min(LIMIT as usize)]);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match path {
        "/etc/lsb-release" => lsb(&text, system),
        "/etc/alpine-release" => bare("alpine", line, system),
        "/etc/debian_version" => bare("debian", line, system),
        // It is there, and usually empty: the system has no versions.
        "/etc/arch-release" => bare("arch", "", system),
        "/etc/SuSE-release" => suse(line, &text, system),
        "/etc/issue" => sentence(line.split('\\').next().unwrap_or_default().trim(), system),
        _ => sentence(line, system),
    }
}

fn id_of(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    NAMES.iter().find(|(start, _)| name.starts_with(start)).map(|(_, id)| *id)
}

/// A file whose name says the system and that holds nothing but a version.
fn bare(id: &str, line: &str, system: &mut SystemIdentity) -> bool {
    system.id = Some(id.to_owned());
    if line.starts_with(|first: char| first.is_ascii_digit()) {
        system.version_id = line.split_whitespace().next().map(str::to_owned);
    } else if let Some((codename, _)) = line.split_once('/') {
        // `trixie/sid` of a Debian that is not released yet.
        system.codename = Some(codename.to_owned());
    }
    true
}

/// `CentOS release 6.10 (Final)`, `Amazon Linux release 2 (Karoo)`, `Debian GNU/Linux 6.0`.
fn sentence(line: &str, system: &mut SystemIdentity) -> bool {
    let Some(id) = id_of(line.strip_prefix("Welcome to ").unwrap_or(line)) else { return false };
    let (before, codename) = match line.split_once('(') {
        Some((before, rest)) => (before, rest.split_once(')').map(|(codename, _)| codename.trim())),
        None => (line, None),
    };
    let version =
        before.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()));
    system.id = Some(id.to_owned());
    system.version_id = version.map(str::to_owned);
    system.codename = codename.filter(|codename| !codename.is_empty()).map(str::to_owned);
    system.pretty_name = Some(line.to_owned());
    true
}

/// A sentence, in which the parentheses hold the architecture, then `VERSION = 11` and `PATCHLEVEL = 4`.
fn suse(line: &str, text: &str, system: &mut SystemIdentity) -> bool {
    if !sentence(line, system) {
        return false;
    }
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
    };
    system.codename = field("CODENAME");
    if let Some(version) = field("VERSION") {
        let patch = field("PATCHLEVEL").filter(|patch| patch != "0");
        system.version_id = Some(patch.map_or(version.clone(), |patch| format!("{version}.{patch}")));
    }
    true
}

/// `DISTRIB_ID=Ubuntu` and its companions.
fn lsb(text: &str, system: &mut SystemIdentity) -> bool {
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        let value = lines.find(|(key, _)| key.trim() == name)?.1.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value).trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let Some(name) = field("DISTRIB_ID") else { return false };
    let id = id_of(&name).map_or_else(|| name.to_ascii_lowercase().replace(' ', "-"), str::to_owned);
    system.id = Some(id);
    system.version_id =
        field("DISTRIB_RELEASE").filter(|version| version.starts_with(|first: char| first.is_ascii_digit()));
    system.codename = field("DISTRIB_CODENAME");
    system.pretty_name = field("DISTRIB_DESCRIPTION");
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn as_the_systems_wrote_them() {
        for (path, text, id, version, codename) in [
            ("/etc/system-release", "Amazon Linux release 2 (Karoo)\n", "amzn", "2", "Karoo"),
            ("/etc/system-release", "Amazon Linux AMI release 2018.03\n", "amzn", "2018.03", ""),
            ("/etc/redhat-release", "CentOS release 6.10 (Final)\n", "centos", "6.10", "Final"),
            (
                "/etc/redhat-release",
                "Red Hat Enterprise Linux Server release 7.9 (Maipo)",
                "rhel",
                "7.9",
                "Maipo",
            ),
            ("/etc/oracle-release", "Oracle Linux Server release 8.5\n", "ol", "8.5", ""),
            ("/etc/fedora-release", "Fedora release 38 (Thirty Eight)\n", "fedora", "38", "Thirty Eight"),
            (
                "/etc/SuSE-release",
                "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n",
                "sles",
                "11.4",
                "",
            ),
            (
                "/etc/SuSE-release",
                "openSUSE 13.2 (x86_64)\nVERSION = 13.2\nCODENAME = Harlequin\n",
                "opensuse",
                "13.2",
                "Harlequin",
            ),
            (
                "/etc/lsb-release",
                "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.04\nDISTRIB_CODENAME=lucid\nDISTRIB_DESCRIPTION=\"Ubuntu 10.04.4 LTS\"\n",
                "ubuntu",
                "10.04",
                "lucid",
            ),
            ("/etc/lsb-release", "DISTRIB_ID=\"Arch\"\nDISTRIB_RELEASE=\"rolling\"\n", "arch", "", ""),
            ("/etc/alpine-release", "3.4.6\n", "alpine", "3.4.6", ""),
            ("/etc/debian_version", "7.11\n", "debian", "7.11", ""),
            ("/etc/debian_version", "trixie/sid\n", "debian", "", "trixie"),
            ("/etc/gentoo-release", "Gentoo Base System release 2.2\n", "gentoo", "2.2", ""),
            ("/etc/arch-release", "", "arch", "", ""),
            ("/etc/slackware-version", "Slackware 14.2\n", "slackware", "14.2", ""),
            ("/etc/issue", "\nDebian GNU/Linux 6.0 \\n \\l\n\n", "debian", "6.0", ""),
        ] {
            let mut system = SystemIdentity::default();
            assert!(FILES.contains(&path) && read(path, text.as_bytes(), &mut system), "{path}");
            let found = [&system.id, &system.version_id, &system.codename]
                .map(|part| part.as_deref().unwrap_or_default());
            assert_eq!(found, [id, version, codename], "{path}: {text}");
        }
        let mut system = SystemIdentity::default();
        assert!(!read("/etc/issue", b"Authorized users only!\n", &mut system));
        assert!(!read("/etc/lsb-release", b"LSB_VERSION=base-4.0\n", &mut system));
        assert_eq!(system, SystemIdentity::default());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(path in prop::sample::select(&FILES[..]), text in prop::collection::vec(any::<u8>(), 0..80)) {
            read(path, &text, &mut SystemIdentity::default());
            read(path, &[b"SUSE Linux ", &text[..]].concat(), &mut SystemIdentity::default());
        }
    }
}
