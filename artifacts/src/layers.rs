//! Which layers of an image lie on each other, as the overlay drivers of Docker and of Podman write it down beside them.
//!
//! A layer holds no more than what it changes. One that installs packages has their database, and the os-release that
//! says whose they are lies in a layer below. Sources: Docker's documentation, "OverlayFS storage driver" (`link` and
//! `lower` beside a layer's `diff`); containers-storage, `drivers/overlay/overlay.go` (as documentation: the same).

use crate::lines::StreamError;

/// The file that holds a layer's short name.
pub const LINK: &str = "link";
/// The file that names the layers below one, by `l/` and their short names, the next one first.
pub const LOWER: &str = "lower";

/// Bytes of these files that are read: the kernel takes no more than a page of options.
pub const LIMIT: u64 = 16 << 10;

/// Layers below one that are looked at: the kernel takes no more (`OVL_MAX_STACK`).
const MAX_LOWER: usize = 500;
/// A short name has 26 letters.
const MAX_SHORT: usize = 64;

/// The directory of a layer and the one of all layers, from the path of its root.
pub fn of_root(root: &[u8]) -> Option<(&[u8], &[u8])> {
    let layer = root.strip_suffix(b"/diff")?;
    let slash = layer.iter().rposition(|byte| *byte == b'/')?;
    Some((layer, &layer[..slash]))
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
        assert_eq!(of_root(b"/s/overlay2/a/diff"), Some((&b"/s/overlay2/a"[..], &b"/s/overlay2"[..])));
        assert_eq!((of_root(b"/diff"), of_root(b"/s/a/fs")), (None, None));
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
