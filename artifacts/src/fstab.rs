//! /etc/fstab: which volume belongs where in the asset's tree.
//!
//! Source: fstab(5); the escapes are those of getmntent(3).

/// Entries that are read; real machines have a handful.
const MAX_ENTRIES: usize = 4096;

/// How an entry names what it mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// By the filesystem's UUID (also as a path below /dev/disk/by-uuid).
    Uuid(String),
    /// By the filesystem's label.
    Label(String),
    /// By the GPT partition's GUID.
    PartUuid(String),
    /// By the GPT partition's name.
    PartLabel(String),
    /// By the number of its partition on the first disk: /dev/sda2, /dev/nvme0n1p2.
    Partition(u32),
    /// By volume group and logical volume: /dev/mapper/vg-lv, /dev/vg/lv.
    Logical {
        /// Volume group.
        group: String,
        /// Logical volume.
        volume: String,
    },
    /// Anything else, raw: a pseudo filesystem, a network share, a file.
    Other(Vec<u8>),
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is mounted.
    pub spec: Spec,
    /// Where, without a `/` at the end (the root is `/`); `none` for swap.
    pub mount_point: Vec<u8>,
    /// The filesystem's type as written.
    pub kind: String,
    /// The options, split at commas.
    pub options: Vec<String>,
}

/// The names that a volume of the asset goes by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeNames {
    /// `whole`, `p1` …, or `group/volume` of LVM.
    pub name: String,
    /// The filesystem's UUID in its usual form.
    pub uuid: Option<String>,
    /// The filesystem's label.
    pub label: Option<String>,
    /// The GPT partition's GUID, or an MBR's `12345678-01`.
    pub partuuid: Option<String>,
    /// The GPT partition's name.
    pub partlabel: Option<String>,
    /// The partition's number.
    pub number: Option<u32>,
}

/// The entries of a table; lines that are none are passed over, as mount does.
pub fn parse(text: &[u8]) -> Vec<Entry> {
    entries(text).take(MAX_ENTRIES).collect()
}

/// What is told of the entries that [`parse`] leaves out, if there are such.
pub fn left_out(text: &[u8]) -> Option<String> {
    let more = entries(text).skip(MAX_ENTRIES).count();
    (more > 0).then(|| format!("{more} more entries than the {MAX_ENTRIES} that are read"))
}

fn entries(text: &[u8]) -> impl Iterator<Item = Entry> {
    text.split(|byte| *byte == b'\n').filter_map(entry)
}

fn entry(line: &[u8]) -> Option<Entry> {
    let line = line.trim_ascii();
    if line.starts_with(b"#") {
        return None;
    }
    let mut fields = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|field| !field.is_empty());
    let (spec, mount_point) = (fields.next()?, fields.next()?);
    let text = |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or_default()).into_owned();
    let kind = text(fields.next());
    let options = text(fields.next());
    let options = options.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect();
    let mut mount_point = unescape(mount_point);
    while mount_point.len() > 1 && mount_point.ends_with(b"/") {
        mount_point.pop();
    }
    Some(Entry { spec: spec_of(&unescape(spec)), mount_point, kind, options })
}

/// Resolves `\040` and its like: a backslash and three octal digits are a byte.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        match after {
            [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..] if first == b'\\' => {
                plain.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest = tail;
            }
            _ => {
                plain.push(first);
                rest = after;
            }
        }
    }
    plain
}

type Make = fn(String) -> Spec;

fn spec_of(spec: &[u8]) -> Spec {
    let Ok(text) = std::str::from_utf8(spec) else { return Spec::Other(spec.to_vec()) };
    let tags: [(&str, &str, Make); 4] = [
        ("UUID=", "/dev/disk/by-uuid/", Spec::Uuid),
        ("LABEL=", "/dev/disk/by-label/", Spec::Label),
        ("PARTUUID=", "/dev/disk/by-partuuid/", Spec::PartUuid),
        ("PARTLABEL=", "/dev/disk/by-partlabel/", Spec::PartLabel),
    ];
    for (tag, link, make) in tags {
        if let Some(value) = text.strip_prefix(tag) {
            return make(unquote(value).to_owned());
        }
        if let Some(value) = text.strip_prefix(link) {
            return make(udev_name(value));
        }
    }
    device(text).unwrap_or_else(|| Spec::Other(spec.to_vec()))
}

/// libmount takes values in double or single quotes too.
fn unquote(value: &str) -> &str {
    let quoted = |mark| value.strip_prefix(mark).and_then(|rest: &str| rest.strip_suffix(mark));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

/// Resolves udev's `\x20` in names of links.
fn udev_name(name: &str) -> String {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        if let (b'\\', Some(b'x'), Some(high), Some(low)) = (first, after.first(), hex(1), hex(2)) {
            plain.push((high * 16 + low) as u8);
            rest = &after[3..];
        } else {
            plain.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

fn device(path: &str) -> Option<Spec> {
    let name = path.strip_prefix("/dev/")?;
    if let Some(mapped) = name.strip_prefix("mapper/") {
        return logical(mapped);
    }
    if let Some((group, volume)) = name.split_once('/') {
        let plain =
            !volume.contains('/') && !matches!(group, "disk" | "md" | "loop" | "shm" | "pts" | "mqueue");
        return plain.then(|| Spec::Logical { group: group.to_owned(), volume: volume.to_owned() });
    }
    partition(name).map(Spec::Partition)
}

/// Splits a device-mapper name: a hyphen of its own parts group and volume, two stand for one
/// (lvm(8), "VALID NAMES").
fn logical(mapped: &str) -> Option<Spec> {
    let bytes = mapped.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'-' {
            at += 1;
        } else if bytes.get(at + 1) == Some(&b'-') {
            at += 2;
        } else {
            let (group, volume) = (&mapped[..at], &mapped[at + 1..]);
            let whole = !group.is_empty() && !volume.is_empty();
            return whole.then(|| Spec::Logical {
                group: group.replace("--", "-"),
                volume: volume.replace("--", "-"),
            });
        }
    }
    None
}

/// The partition's number in a disk's device name: `sda2`, `vda2`, `xvda2`, `hda2`, `nvme0n1p2`, `mmcblk0p2`.
/// An asset is taken to have one disk: a machine with more mounts the others by UUID, and where it does
/// not, a number that no volume has mounts nothing.
fn partition(name: &str) -> Option<u32> {
    let lettered = ["sd", "vd", "xvd", "hd"].iter().find_map(|prefix| name.strip_prefix(prefix));
    let number = if let Some(rest) = lettered {
        let number = rest.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
        (number.len() < rest.len()).then_some(number)?
    } else {
        let rest = name.strip_prefix("nvme").or_else(|| name.strip_prefix("mmcblk"))?;
        rest.rsplit_once('p')?.1
    };
    let digits = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    digits.then(|| number.parse().ok())?.filter(|number| *number > 0)
}

/// Which volume is mounted where: pairs of an index into `volumes` and a mount point, in the order in which
/// they must be mounted (parents first). Swap, bind mounts and entries that name no volume given are left
/// out. Where several entries name one mount point, the last that names a volume is the one seen.
pub fn mounts(entries: &[Entry], volumes: &[VolumeNames]) -> Vec<(usize, Vec<u8>)> {
    let mut mounts: Vec<(usize, Vec<u8>)> = Vec::new();
    for entry in entries {
        let bind = entry.options.iter().any(|option| matches!(option.as_str(), "bind" | "rbind"));
        if !entry.mount_point.starts_with(b"/") || entry.kind == "swap" || bind {
            continue;
        }
        let Some(index) = volumes.iter().position(|volume| names(&entry.spec, volume)) else { continue };
        mounts.retain(|(_, point)| *point != entry.mount_point);
        mounts.push((index, entry.mount_point.clone()));
    }
    mounts.sort_by(|(_, a), (_, b)| depth(a).cmp(&depth(b)).then_with(|| a.cmp(b)));
    mounts
}

fn depth(mount_point: &[u8]) -> usize {
    mount_point.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).count()
}

fn names(spec: &Spec, volume: &VolumeNames) -> bool {
    let is = |name: &Option<String>, wanted: &str| name.as_deref() == Some(wanted);
    let same = |name: &Option<String>, wanted: &str| {
        name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(wanted))
    };
    match spec {
        Spec::Uuid(uuid) => same(&volume.uuid, uuid),
        Spec::Label(label) => is(&volume.label, label),
        Spec::PartUuid(uuid) => same(&volume.partuuid, uuid),
        Spec::PartLabel(label) => is(&volume.partlabel, label),
        Spec::Partition(number) => volume.number == Some(*number),
        Spec::Logical { group, volume: logical } => {
            volume.name.split_once('/') == Some((group.as_str(), logical.as_str()))
        }
        Spec::Other(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spec(text: &str) -> Spec {
        spec_of(&unescape(text.as_bytes()))
    }

    #[test]
    fn names_of_volumes() {
        let logical =
            |group: &str, volume: &str| Spec::Logical { group: group.to_owned(), volume: volume.to_owned() };
        for (written, meant) in [
            ("UUID=\"AB-cd\"", Spec::Uuid("AB-cd".into())),
            ("/dev/disk/by-uuid/abcd", Spec::Uuid("abcd".into())),
            ("LABEL=my\\040data", Spec::Label("my data".into())),
            ("/dev/disk/by-label/my\\x20data", Spec::Label("my data".into())),
            ("PARTUUID=1-2", Spec::PartUuid("1-2".into())),
            ("PARTLABEL='root'", Spec::PartLabel("root".into())),
            ("/dev/sda2", Spec::Partition(2)),
            ("/dev/vda15", Spec::Partition(15)),
            ("/dev/xvda1", Spec::Partition(1)),
            ("/dev/nvme0n1p3", Spec::Partition(3)),
            ("/dev/mmcblk0p1", Spec::Partition(1)),
            ("/dev/mapper/my--vg-root", logical("my-vg", "root")),
            ("/dev/my-vg/root", logical("my-vg", "root")),
        ] {
            assert_eq!(spec(written), meant, "{written}");
        }
        for other in [
            "tmpfs",
            "/dev/sda",
            "/dev/nvme0n1",
            "/dev/sda0",
            "/dev/mapper/luks",
            "host:/srv",
            "/dev/sr0",
            "/dev/md/x",
        ] {
            assert_eq!(spec(other), Spec::Other(other.as_bytes().to_vec()));
        }
    }

    #[test]
    fn the_table() {
        let entries = parse(
            b"# comment\n\nUUID=11 / ext4 errors=remount-ro 0 1\n  UUID=22\t/var\\040x/ xfs\nlonely\n\
              /dev/sda3 none swap sw 0 0",
        );
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].options, ["errors=remount-ro"]);
        assert_eq!(entries[1].mount_point, b"/var x");
        assert_eq!((entries[1].kind.as_str(), entries[1].options.len()), ("xfs", 0));
        assert_eq!(entries[2].mount_point, b"none");
    }

    #[test]
    fn volumes_find_their_places() {
        let volumes = [
            VolumeNames {
                name: "p1".into(),
                uuid: Some("aa-11".into()),
                number: Some(1),
                ..Default::default()
            },
            VolumeNames {
                name: "p2".into(),
                label: Some("var".into()),
                number: Some(2),
                ..Default::default()
            },
            VolumeNames { name: "vg/home".into(), ..Default::default() },
            VolumeNames {
                name: "p3".into(),
                partuuid: Some("CC-03".into()),
                number: Some(3),
                ..Default::default()
            },
        ];
        let entries = parse(
            b"/dev/mapper/vg-home /var/home ext4\nLABEL=Var /x ext4\nLABEL=var /var ext4\nUUID=AA-11 / ext4\n\
              /dev/sda3 none swap\nPARTUUID=cc-03 /srv xfs\n/dev/sda2 /bound none bind\nUUID=99 /lost ext4\n\
              UUID= /none ext4",
        );
        let found = mounts(&entries, &volumes);
        let shown: Vec<_> =
            found.iter().map(|(index, point)| (*index, std::str::from_utf8(point).unwrap())).collect();
        assert_eq!(shown, [(0, "/"), (3, "/srv"), (1, "/var"), (2, "/var/home")]);
    }

    proptest! {
        #[test]
        fn any_text_is_a_table(text in prop::collection::vec(prop_oneof![
            any::<u8>(), Just(b'/'), Just(b'\\'), Just(b' '), Just(b'-'), Just(b'0'), Just(b'\n'), Just(b'x'),
        ], 0..200)) {
            mounts(&parse(&text), &[VolumeNames::default()]);
        }

        #[test]
        fn any_name_below_dev_is_read(name in "[a-z0-9/\\\\x-]{0,20}") {
            spec(&format!("/dev/{name}"));
            spec(&format!("/dev/mapper/{name}"));
            spec(&format!("/dev/nvme{name}"));
            spec(&format!("/dev/disk/by-label/{name}"));
        }
    }
}
