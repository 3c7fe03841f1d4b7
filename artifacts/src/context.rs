//! What must be known of an asset before its logs and databases can be read: its system, its zone, its users.

use crate::{
    fstab::{self, Entry},
    identity::{host_name, older, os_release},
    view::ViewError,
    zone::DiskZone,
};
use coldread_model::{Gap, GapKind, SystemIdentity};
use std::collections::BTreeMap;

/// A file to read before any extractor runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextWant {
    /// Its path in the asset's tree. /etc/fstab says how that tree is put together, so it is read from the
    /// root volume alone at first.
    pub path: &'static str,
    /// At most so many bytes of it are wanted.
    pub limit: u64,
}

/// The files that make a [`Context`].
pub const CONTEXT_FILES: &[ContextWant] = &[
    ContextWant { path: OS_RELEASE, limit: 64 << 10 },
    ContextWant { path: OS_RELEASE_USR, limit: 64 << 10 },
    older(0),
    older(1),
    older(2),
    older(3),
    older(4),
    older(5),
    older(6),
    older(7),
    older(8),
    older(9),
    older(10),
    older(11),
    older(12),
    older(13),
    older(14),
    older(15),
    older(16),
    ContextWant { path: host_name::FILES[0], limit: host_name::LIMIT },
    ContextWant { path: host_name::FILES[1], limit: host_name::LIMIT },
    ContextWant { path: host_name::FILES[2], limit: host_name::LIMIT },
    ContextWant { path: host_name::FILES[3], limit: host_name::LIMIT },
    ContextWant { path: TIMEZONE, limit: 4 << 10 },
    ContextWant { path: LOCALTIME, limit: 256 << 10 },
    ContextWant { path: PASSWD, limit: 16 << 20 },
    ContextWant { path: FSTAB, limit: 1 << 20 },
];

/// So many of [`CONTEXT_FILES`], from the first on, tell what the system is.
pub const IDENTITY_FILES: usize = 2 + older::FILES.len();

/// A file of systems that have no os-release.
const fn older(index: usize) -> ContextWant {
    ContextWant { path: older::FILES[index], limit: older::LIMIT }
}

/// The longest name or version of a system that is taken over, in bytes: every package's URL has them.
const MAX_IDENTITY: usize = 256;

const OS_RELEASE: &str = "/etc/os-release";
const OS_RELEASE_USR: &str = "/usr/lib/os-release";
const TIMEZONE: &str = "/etc/timezone";
const LOCALTIME: &str = "/etc/localtime";
const PASSWD: &str = "/etc/passwd";
const FSTAB: &str = "/etc/fstab";

/// One of [`CONTEXT_FILES`] as it was found. A file that does not exist is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContextFile {
    /// The path as [`CONTEXT_FILES`] has it.
    pub path: &'static str,
    /// Its bytes after symbolic links were followed, unless that failed.
    pub bytes: Option<Vec<u8>>,
    /// Why there are none, where the file itself is there.
    pub fault: Option<ViewError>,
    /// The target as stored, if the path is a symbolic link.
    pub link_target: Option<Vec<u8>>,
}

/// What extractors may know beside their own file.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// The system.
    pub system: SystemIdentity,
    /// The zone of local times.
    pub zone: DiskZone,
    /// What /etc/fstab mounts.
    pub fstab: Vec<Entry>,
    /// What was there and could not be read.
    pub gaps: Vec<Gap>,
    users: BTreeMap<u32, String>,
    /// Users by home directory, without a `/` at its end.
    homes: BTreeMap<Vec<u8>, String>,
}

impl Context {
    /// From the files that were found, on the volume named.
    pub fn from_files(volume: &str, files: &[ContextFile]) -> Self {
        let mut context = Self::default();
        let file = |path: &str| files.iter().find(|file| file.path == path);
        let bytes = |path: &str| file(path).and_then(|file| file.bytes.as_deref());
        for file in files {
            if let Some(error) = &file.fault {
                let gap = Gap::new(error.gap_kind(), "system file", error.to_string()).in_volume(volume);
                context.gaps.push(gap.at_path(file.path.as_bytes()));
            }
        }
        // /usr/lib/os-release is the vendor's; /etc/os-release, usually a link to it, takes its place.
        let system = &mut context.system;
        let mut modern = [OS_RELEASE, OS_RELEASE_USR].into_iter();
        let teller = modern.find(|path| bytes(path).is_some_and(|text| os_release::read(text, system)));
        let mut older = older::FILES.into_iter();
        let teller = teller
            .or_else(|| older.find(|path| bytes(path).is_some_and(|text| older::read(path, text, system))));
        for text in [&mut system.id, &mut system.version_id, &mut system.codename] {
            if text.take_if(|text| text.len() > MAX_IDENTITY).is_some() {
                let reason = format!("a name or version of more than {MAX_IDENTITY} bytes");
                let gap = Gap::new(GapKind::Limit, "os-release", reason).in_volume(volume);
                context.gaps.push(gap.at_path(teller.unwrap_or_default().as_bytes()));
            }
        }
        context.system.hostname =
            host_name::FILES.iter().find_map(|path| host_name::read(path, bytes(path)?));
        context.users = bytes(PASSWD).map(users).unwrap_or_default();
        context.homes = bytes(PASSWD).map(homes).unwrap_or_default();
        context.fstab = bytes(FSTAB).map(fstab::parse).unwrap_or_default();
        if let Some(reason) = bytes(FSTAB).and_then(fstab::left_out) {
            let gap = Gap::new(GapKind::Limit, "fstab", reason).in_volume(volume);
            context.gaps.push(gap.at_path(FSTAB.as_bytes()));
        }

        let link = file(LOCALTIME).and_then(|file| file.link_target.as_deref());
        let name = link.and_then(zone_of_link).or_else(|| bytes(TIMEZONE).and_then(host_name::first_word));
        let from_bytes = bytes(LOCALTIME).and_then(|tzif| DiskZone::from_tzif(name.as_deref(), tzif));
        if from_bytes.is_none() && bytes(LOCALTIME).is_some() {
            let gap = Gap::new(GapKind::Corrupt, "TZif", "not a time zone file; the zone's name is used");
            context.gaps.push(gap.in_volume(volume).at_path(LOCALTIME.as_bytes()));
        }
        let from_name = || name.as_deref().and_then(DiskZone::from_name);
        context.zone = from_bytes.or_else(from_name).unwrap_or_default();
        context.system.timezone = name;
        context
    }

    /// What a cached extractor may see: the system without what differs between clones. A zone is none of it: the same
    /// bytes would tell other times elsewhere.
    pub fn for_packages(&self) -> Self {
        let system = SystemIdentity {
            hostname: None,
            timezone: None,
            installed_at: None,
            kernels: Vec::new(),
            ..self.system.clone()
        };
        Self { system, ..Self::default() }
    }

    /// The name of a user by number, as /etc/passwd has it first.
    pub fn user_name(&self, uid: u32) -> Option<&str> {
        self.users.get(&uid).map(String::as_str)
    }

    /// The user whose home directory this is, as /etc/passwd has it first.
    pub fn user_of_home(&self, directory: &[u8]) -> Option<&str> {
        self.homes.get(directory).map(String::as_str)
    }
}

/// The zone's name in the target of /etc/localtime: what follows `zoneinfo/`.
fn zone_of_link(target: &[u8]) -> Option<String> {
    let target = std::str::from_utf8(target).ok()?;
    let (_, name) = target.rsplit_once("zoneinfo/")?;
    // Copies of the database that count leap seconds or do not.
    let name = name.strip_prefix("posix/").or_else(|| name.strip_prefix("right/")).unwrap_or(name);
    (!name.is_empty()).then(|| name.to_owned())
}

/// Names by number (passwd(5)). As for the C library, the first entry of a number counts.
fn users(text: &[u8]) -> BTreeMap<u32, String> {
    let mut users = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.split(|byte| *byte == b':');
        let (Some(name), Some(_), Some(uid)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let uid = std::str::from_utf8(uid).ok().and_then(|uid| uid.parse().ok());
        if let (Some(uid), false) = (uid, name.is_empty() || name.starts_with(b"#")) {
            users.entry(uid).or_insert_with(|| String::from_utf8_lossy(name).into_owned());
        }
    }
    users
}

/// Users by home directory. Of directories that many share (`/`, `/nonexistent`) no user is the owner.
fn homes(text: &[u8]) -> BTreeMap<Vec<u8>, String> {
    let mut homes: BTreeMap<Vec<u8>, Option<String>> = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        let fields: Vec<&[u8]> = line.splitn(7, |byte| *byte == b':').collect();
        let [name, _, _, _, _, home, ..] = fields.as_slice() else { continue };
        let home = home.strip_suffix(b"/").unwrap_or(home);
        if home.starts_with(b"/") && !name.is_empty() {
            let name = String::from_utf8_lossy(name).into_owned();
            homes.entry(home.to_vec()).and_modify(|owner| *owner = None).or_insert(Some(name));
        }
    }
    homes.into_iter().filter_map(|(home, owner)| Some((home, owner?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_model::Zone;
    use proptest::prelude::*;

    fn file(path: &'static str, bytes: &[u8]) -> ContextFile {
        ContextFile { path, bytes: Some(bytes.to_vec()), ..ContextFile::default() }
    }

    #[test]
    fn the_first_files_tell_what_the_system_is() {
        let paths: Vec<_> = CONTEXT_FILES.iter().map(|want| want.path).collect();
        assert_eq!(paths[..2], [OS_RELEASE, OS_RELEASE_USR]);
        assert_eq!(paths[2..IDENTITY_FILES], older::FILES);
    }

    #[test]
    fn a_debian_machine() {
        let context = Context::from_files(
            "p1",
            &[
                file("/etc/os-release", b"ID=debian\nVERSION_ID=\"12\"\n"),
                file("/usr/lib/os-release", b"ID=other\n"),
                file("/etc/hostname", b"# name\nweb-1 \n"),
                file("/etc/timezone", b"America/New_York\n"),
                file("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nbad\n:x:3:\ntoor:x:0:0::/:\nme:x:1000:1000::/:\nx:x:y:\n"),
                file("/etc/fstab", b"UUID=0 / ext4 defaults 0 1\n"),
                ContextFile {
                    path: "/etc/localtime",
                    bytes: None,
                    fault: None,
                    link_target: Some(b"../usr/share/zoneinfo/posix/Europe/Berlin".to_vec()),
                },
            ],
        );
        assert_eq!(context.system.id.as_deref(), Some("debian"));
        assert_eq!(context.system.hostname.as_deref(), Some("web-1"));
        assert_eq!(context.system.timezone.as_deref(), Some("Europe/Berlin"));
        assert_eq!(context.zone.name.as_deref(), Some("Europe/Berlin"));
        assert_eq!(context.zone.known, Zone::Disk);
        assert_eq!(context.user_name(0), Some("root"));
        assert_eq!((context.user_name(1000), context.user_name(3)), (Some("me"), None));
        assert_eq!(context.fstab.len(), 1);
        assert!(context.gaps.is_empty());
    }

    /// A TZif of version 2 with one rule and no transition (RFC 9636, section 3).
    fn tzif() -> Vec<u8> {
        let header = |version: u8, types: u8, chars: u8| {
            let mut header = b"TZif".to_vec();
            header.push(version);
            header.extend([0; 15]);
            for count in [0, 0, 0, 0, types, chars] {
                header.extend([0, 0, 0, count]);
            }
            header
        };
        let block = b"\0\0\x0e\x10\0\0CET\0";
        let mut tzif = header(b'2', 1, 4);
        tzif.extend(block);
        tzif.extend(header(b'2', 1, 4));
        tzif.extend(block);
        tzif.extend(b"\nCET-1CEST,M3.5.0,M10.5.0/3\n");
        tzif
    }

    #[test]
    fn a_machine_without_os_release() {
        let context = Context::from_files(
            "p1",
            &[
                file("/etc/redhat-release", b"Red Hat Enterprise Linux Server release 6.5 (Santiago)\n"),
                file("/etc/oracle-release", b"Oracle Linux Server release 6.5\n"),
                file("/etc/issue", b"Debian GNU/Linux 6.0 \\n \\l\n"),
                file("/etc/sysconfig/network", b"NETWORKING=yes\nHOSTNAME=db-1.example\n"),
            ],
        );
        let system = &context.system;
        assert_eq!((system.id.as_deref(), system.version_id.as_deref()), (Some("ol"), Some("6.5")));
        assert_eq!(system.hostname.as_deref(), Some("db-1.example"));
    }

    #[test]
    fn bytes_of_a_zone_come_before_its_name() {
        let context = Context::from_files(
            "p1",
            &[file("/etc/localtime", &tzif()), file("/etc/timezone", b"Asia/Tokyo")],
        );
        let midsummer = coldread_model::Timestamp::new(1_687_348_800, 0);
        assert_eq!(context.zone.known, Zone::Disk);
        assert_eq!(context.zone.converter().to_local(midsummer).unwrap().0, 1_687_348_800 + 7200);
        let broken = Context::from_files(
            "p1",
            &[file("/etc/localtime", b"TZif"), file("/etc/timezone", b"Asia/Tokyo")],
        );
        assert_eq!(broken.gaps.len(), 1);
        assert_eq!(broken.zone.converter().to_local(midsummer).unwrap().0, 1_687_348_800 + 9 * 3600);
        let none = Context::from_files("p1", &[]);
        assert_eq!((none.zone.known, none.system.timezone), (Zone::Assumed, None));
    }

    #[test]
    fn files_that_could_not_be_read_are_told_as_what_they_are() {
        let faults = [
            (OS_RELEASE, ViewError::Io { range: coldread_model::ByteRange::new(0, 9), reason: "bad".into() }),
            (PASSWD, ViewError::TooLarge { size: 1 << 30, limit: 1 << 20 }),
        ];
        let files =
            faults.map(|(path, error)| ContextFile { path, fault: Some(error), ..ContextFile::default() });
        let context = Context::from_files("p1", &files);
        let told: Vec<_> = context.gaps.iter().map(|gap| (gap.kind, gap.path.as_deref())).collect();
        let expected =
            [(GapKind::Io, Some(OS_RELEASE.as_bytes())), (GapKind::Limit, Some(PASSWD.as_bytes()))];
        assert_eq!(told, expected);
    }

    #[test]
    fn mounts_that_are_left_out_are_told() {
        for (count, gaps) in [(4096, 0), (4099, 1)] {
            let table = "/dev/sda1 /mnt ext4\n".repeat(count);
            let context = Context::from_files("p1", &[file(FSTAB, table.as_bytes())]);
            assert_eq!((context.fstab.len(), context.gaps.len()), (4096, gaps));
            if let Some(gap) = context.gaps.first() {
                assert_eq!(gap.kind, GapKind::Limit);
                assert_eq!(gap.reason, "3 more entries than the 4096 that are read");
            }
        }
    }

    #[test]
    fn names_of_systems_have_an_end() {
        let text = format!("ID={}\nVERSION_ID=12\n", "d".repeat(60_000));
        let context = Context::from_files("p1", &[file(OS_RELEASE_USR, text.as_bytes())]);
        assert_eq!((&context.system.id, context.system.version_id.as_deref()), (&None, Some("12")));
        let told: Vec<_> = context.gaps.iter().map(|gap| (gap.kind, gap.path.as_deref())).collect();
        assert_eq!(told, [(GapKind::Limit, Some(OS_RELEASE_USR.as_bytes()))]);
    }

    proptest! {
        #[test]
        fn a_damaged_zone_never_panics(at in 0usize..130, value in any::<u8>(), time in any::<i64>()) {
            let mut tzif = tzif();
            let at = at % tzif.len();
            tzif[at] = value;
            let context = Context::from_files("p1", &[file("/etc/localtime", &tzif)]);
            let mut converter = context.zone.converter();
            let _ = converter.to_local(coldread_model::Timestamp::new(time, 0));
            let _ = converter.to_utc(crate::zone::LocalSeconds(time % 100_000_000_000), 0);
        }

        #[test]
        fn any_bytes_make_a_context(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let files: Vec<_> = CONTEXT_FILES.iter().map(|want| ContextFile {
                path: want.path, bytes: Some(bytes.clone()), link_target: Some(bytes.clone()), fault: None,
            }).collect();
            Context::from_files("p1", &files);
        }
    }
}
