//! Which layers of an image lie on each other, as container engines write it down beside them.
//!
//! A layer holds no more than what it changes. One that installs packages has their database, and the os-release that
//! says whose they are lies in a layer below. Sources: Docker's documentation, "OverlayFS storage driver" (`link` and
//! `lower` beside a layer's `diff`), and the older one of the same name (`lower-id` beside a container's `upper`);
//! containers-storage, `drivers/overlay/overlay.go`; containerd, `snapshots/storage/bolt.go`; Linux kernel documentation,
//! "Overlay Filesystem", section "whiteouts and opaque directories"; OCI Image Format Specification, "Image Layer
//! Filesystem Changeset", section "Whiteouts" (all of software as documentation).

use crate::{
    bolt::{Bolt, BoltError, Held},
    lines::StreamError,
};
use coldread_model::varint;
use std::collections::HashMap;

/// The file that holds a layer's short name.
pub const LINK: &str = "link";
/// The file that names the layers below one, by `l/` and their short names, the next one first.
pub const LOWER: &str = "lower";
/// The file that names the image below a container of Docker's `overlay` driver, which has all of it in its `root`.
pub const LOWER_ID: &str = "lower-id";
/// The database in which containerd keeps what lies on what, beside the directory of its snapshots.
pub const SNAPSHOTS: &str = "metadata.db";

/// Bytes of it that are read: a host of many images has some hundred kilobytes.
pub const SNAPSHOTS_LIMIT: u64 = 64 << 20;

/// What stands before a name in a directory that hides the one below, where there are no devices (unprivileged users).
pub const WHITEOUT: &[u8] = b".wh.";
/// The name in a directory that hides all of the one below.
pub const OPAQUE: &[u8] = b".wh..wh..opq";
/// The extended attributes that say the same, with the value `y`.
pub const OPAQUE_ATTRIBUTES: [&[u8]; 3] =
    [b"trusted.overlay.opaque", b"user.overlay.opaque", b"user.fuseoverlayfs.opaque"];

/// Bytes of these files that are read: the kernel takes no more than a page of options.
pub const LIMIT: u64 = 16 << 10;

/// Layers below one that are looked at: the kernel takes no more (`OVL_MAX_STACK`).
pub const MAX_LOWER: usize = 500;
/// A short name has 26 letters.
const MAX_SHORT: usize = 64;
/// The name of an image's directory has 64 digits.
const MAX_ID: usize = 128;

/// A layer by the path of its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'p> {
    /// In a store of overlay's kind: the layer's own directory, and that of all layers.
    Linked {
        /// The directory with `link` and `lower`.
        layer: &'p [u8],
        /// The directory of all layers.
        store: &'p [u8],
    },
    /// What a container of Docker's `overlay` driver changed: the container's directory, and that of all.
    Upper {
        /// The directory with `lower-id`.
        layer: &'p [u8],
        /// The directory of all.
        store: &'p [u8],
    },
    /// A snapshot of containerd: its number, and the directory that has the database and all snapshots.
    Snapshot {
        /// The number.
        id: u64,
        /// The directory.
        store: &'p [u8],
    },
}

impl<'p> Place<'p> {
    /// The layer that a root may be.
    pub fn of_root(root: &'p [u8]) -> Option<Self> {
        let (layer, name) = split(root)?;
        let (store, id) = split(layer)?;
        match name {
            b"diff" => Some(Self::Linked { layer, store }),
            b"upper" => Some(Self::Upper { layer, store }),
            b"fs" => {
                let store = store.strip_suffix(b"/snapshots")?;
                let id = std::str::from_utf8(id).ok().filter(|_| id.iter().all(u8::is_ascii_digit))?;
                let id = id.parse().ok()?;
                Some(Self::Snapshot { id, store })
            }
            _ => None,
        }
    }
}

/// The patterns of the files that tell what the layers of a store lie on, from the components of the pattern of its roots.
pub fn beside(store: &[Vec<u8>]) -> impl Iterator<Item = Vec<Vec<u8>>> {
    let (above, names): (usize, &[&str]) = match store.last().map(Vec::as_slice) {
        Some(b"diff") => (1, &[LINK, LOWER]),
        Some(b"upper") => (1, &[LOWER_ID]),
        // Behind the number and the directory of all snapshots.
        Some(b"fs") => (3, &[SNAPSHOTS]),
        _ => (0, &[]),
    };
    let above = store[..store.len().saturating_sub(above)].to_vec();
    names.iter().map(move |name| [&above[..], &[name.as_bytes().to_vec()]].concat())
}

/// A path's directory and its last name.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    Some((&path[..slash], &path[slash + 1..]))
}

/// The directory that a container's `lower-id` names.
pub fn lower_id(text: &[u8]) -> Option<&[u8]> {
    let id = text.trim_ascii();
    (id.len() >= 2 && id.len() <= MAX_ID && id.iter().all(u8::is_ascii_alphanumeric)).then_some(id)
}

/// Which of containerd's snapshots lie on which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshots {
    /// For each the one that it lies on, by their numbers; those that lie on nothing are left out.
    pub below: HashMap<u64, u64>,
    /// How many have no number that can be read, or lie on one that is not there.
    pub lost: u64,
}

/// Reads containerd's `metadata.db`.
pub fn snapshots(database: &[u8]) -> Result<Snapshots, BoltError> {
    let bolt = Bolt::open(database)?;
    let Some(bucket) = bolt.bucket(&[b"v1", b"snapshots"])? else { return Ok(Snapshots::default()) };
    let (mut numbers, mut parents, mut lost) = (HashMap::new(), Vec::new(), 0);
    bolt.each(bucket, &mut |name, held| {
        let Held::Bucket(snapshot) = held else { return Ok(()) };
        let (mut number, mut parent) = (None, None);
        bolt.each(snapshot, &mut |key, held| {
            if let Held::Value(value) = held {
                match key {
                    b"id" => number = varint::take(&mut { value }),
                    b"parent" => parent = Some(value),
                    _ => {}
                }
            }
            Ok(())
        })?;
        let Some(number) = number else {
            lost += 1;
            return Ok(());
        };
        numbers.insert(name, number);
        parents.extend(parent.filter(|parent| !parent.is_empty()).map(|parent| (number, parent)));
        Ok(())
    })?;
    let mut below = HashMap::new();
    for (number, parent) in parents {
        match numbers.get(parent) {
            Some(parent) => drop(below.insert(number, *parent)),
            None => lost += 1,
        }
    }
    Ok(Snapshots { below, lost })
}

/// A layer's short name, from its `link`.
pub fn short_name(link: &[u8]) -> Option<&[u8]> {
    let name = link.trim_ascii();
    (!name.is_empty() && name.len() <= MAX_SHORT && !name.contains(&b'/')).then_some(name)
}

/// The short names in a `lower`, that of the next layer first; an error says what is wrong with it.
pub fn lower(text: &[u8]) -> Result<Vec<&[u8]>, StreamError> {
    let mut names = Vec::new();
    for entry in text.trim_ascii().split(|byte| *byte == b':') {
        if names.len() >= MAX_LOWER {
            return Err(StreamError::Limit(format!("more than {MAX_LOWER} layers below one")));
        }
        let corrupt = || StreamError::Corrupt(format!("entry {} is no layer's short name", names.len()));
        let name = entry.strip_prefix(b"l/").and_then(short_name).ok_or_else(corrupt)?;
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bolt::build::{self, Node};
    use proptest::prelude::*;

    #[test]
    fn names_of_layers() {
        let text = b"l/ABC:l/DEF\n";
        assert_eq!(lower(text), Ok(vec![&b"ABC"[..], b"DEF"]));
        assert_eq!(short_name(b"ABC\n"), Some(&b"ABC"[..]));
        for broken in [&b""[..], b"l/", b"ABC", b"l/A:", b"l/../x", b"/a/b"] {
            assert!(lower(broken).is_err(), "{broken:?}");
        }
        let chain = |count: usize| vec!["l/A"; count].join(":");
        assert_eq!(lower(chain(MAX_LOWER).as_bytes()).map(|names| names.len()), Ok(MAX_LOWER));
        assert!(matches!(lower(chain(MAX_LOWER + 1).as_bytes()), Err(StreamError::Limit(_))));
    }

    #[test]
    fn places_of_layers() {
        let of = |path: &'static str| Place::of_root(path.as_bytes());
        assert_eq!(
            of("/s/overlay2/a/diff"),
            Some(Place::Linked { layer: b"/s/overlay2/a", store: b"/s/overlay2" })
        );
        assert_eq!(
            of("/s/overlay/a/upper"),
            Some(Place::Upper { layer: b"/s/overlay/a", store: b"/s/overlay" })
        );
        assert_eq!(of("/s/x/snapshots/12/fs"), Some(Place::Snapshot { id: 12, store: b"/s/x" }));
        let beside = |store: &str| {
            let store: Vec<Vec<u8>> = store.split('/').map(|part| part.as_bytes().to_vec()).collect();
            beside(&store).map(|path| String::from_utf8(path.join(&b'/')).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(beside("s/overlay2/*/diff"), ["s/overlay2/*/link", "s/overlay2/*/lower"]);
        assert_eq!(beside("s/overlay/*/upper"), ["s/overlay/*/lower-id"]);
        assert_eq!(beside("s/x/snapshots/*/fs"), ["s/x/metadata.db"]);
        assert!(beside("s/vfs/dir/*").is_empty() && beside("").is_empty());
        for other in [
            "/diff",
            "/s/a/fs",
            "/s/snapshots/a/fs",
            "/s/snapshots/-1/fs",
            "/s/snapshots/+1/fs",
            "/s/a/root",
            "",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
        assert_eq!(lower_id(b"0123abc\n"), Some(&b"0123abc"[..]));
        for wrong in [&b""[..], b"..", b"a/b", b"\0\0", &[b'a'; 200]] {
            assert_eq!(lower_id(wrong), None);
        }
    }

    #[test]
    fn snapshots_of_containerd_and_what_they_lie_on() {
        let bytes = build::snapshots(&[
            ("k8s.io/1/sha256:a", &[1], ""),
            ("k8s.io/2/sha256:b", &[0xac, 0x02], "k8s.io/1/sha256:a"),
            ("k8s.io/3/box", &[3], "k8s.io/2/sha256:b"),
            ("k8s.io/4/stray", &[4], "gone"),
            ("k8s.io/5/odd", &[0x80], "k8s.io/1/sha256:a"),
        ]);
        let below = HashMap::from([(300, 1), (3, 300)]);
        assert_eq!(snapshots(&bytes), Ok(Snapshots { below, lost: 2 }));
        let other = build::database(vec![(b"v2".to_vec(), Node::Bucket(Vec::new()))]);
        assert_eq!(snapshots(&other), Ok(Snapshots::default()));
        assert!(snapshots(b"no database").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_names_or_none(bytes in prop::collection::vec(prop_oneof![Just(b':'), Just(b'/'), Just(b'l'), any::<u8>()], 0..60)) {
            for name in lower(&bytes).unwrap_or_default() {
                prop_assert!(!name.is_empty() && !name.contains(&b':'));
            }
        }
    }
}
