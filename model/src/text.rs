//! Texts and paths that rows have by the million: a copy costs no memory of its own.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Borrow, cmp::Ordering, fmt, hash, ops::Deref, sync::Arc};

/// A text of a row. Up to 23 bytes lie in it, as nearly all names, addresses and words do; longer ones are shared by
/// their copies.
pub type Text = smol_str::SmolStr;

/// The text by which a value is shown.
pub fn shown(value: impl fmt::Display) -> Text {
    smol_str::ToSmolStr::to_smolstr(&value)
}

/// A file's path in the asset's tree, shared by what was found in the file. Encoded as the list of its bytes.
#[derive(Clone, Eq)]
pub struct Origin(Arc<[u8]>);

impl Deref for Origin {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Origin {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Ord for Origin {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for Origin {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl hash::Hash for Origin {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<const N: usize> PartialEq<&[u8; N]> for Origin {
    fn eq(&self, other: &&[u8; N]) -> bool {
        *self.0 == other[..]
    }
}

impl From<&[u8]> for Origin {
    fn from(path: &[u8]) -> Self {
        Self(path.into())
    }
}

impl From<Vec<u8>> for Origin {
    fn from(path: Vec<u8>) -> Self {
        Self(path.into())
    }
}

impl From<&str> for Origin {
    fn from(path: &str) -> Self {
        path.as_bytes().into()
    }
}

impl From<&Self> for Origin {
    fn from(path: &Self) -> Self {
        path.clone()
    }
}

impl From<Origin> for Vec<u8> {
    fn from(path: Origin) -> Self {
        path.to_vec()
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self), f)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Path;
        impl de::Visitor<'_> for Path {
            type Value = Origin;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path's bytes")
            }
            fn visit_bytes<E: de::Error>(self, path: &[u8]) -> Result<Origin, E> {
                Ok(path.into())
            }
        }
        deserializer.deserialize_bytes(Path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{from_bytes, to_bytes};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn encoded_as_the_strings_and_lists_that_they_stand_for(text in ".{0,40}", path in prop::collection::vec(any::<u8>(), 0..40)) {
            let (short, origin) = (Text::from(&*text), Origin::from(&path[..]));
            let bytes = to_bytes(&(&text, &path));
            prop_assert_eq!(&to_bytes(&(&short, &origin)), &bytes);
            prop_assert_eq!(from_bytes::<(Text, Origin)>("both", &bytes), Ok((short, origin)));
            prop_assert!(from_bytes::<(Text, Origin)>("both", &bytes[..bytes.len() - 1]).is_err());
        }
    }
}
