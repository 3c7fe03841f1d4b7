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

/// The four numbers of an address of version 4 (RFC 791) written as `192.0.2.7`. There is one way alone to write it, so
/// that [`Dotted`] gives back the same text.
pub fn dotted(text: &[u8]) -> Option<[u8; 4]> {
    if !(7..=15).contains(&text.len()) {
        return None;
    }
    let (mut numbers, mut place, mut number, mut digits) = ([0; 4], 0, 0, 0);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 && digits < 3 && (digits == 0 || number > 0) {
            number = number * 10 + u16::from(digit);
            digits += 1;
        } else if *byte == b'.' && digits > 0 && place < 3 {
            numbers[place] = u8::try_from(number).ok()?;
            (place, number, digits) = (place + 1, 0, 0);
        } else {
            return None;
        }
    }
    numbers[3] = u8::try_from(number).ok().filter(|_| digits > 0 && place == 3)?;
    Some(numbers)
}

/// The text of an address of version 4, without memory of its own.
#[derive(Clone, Copy, Debug)]
pub struct Dotted {
    text: [u8; 16],
    len: usize,
}

impl Dotted {
    /// Of these four numbers.
    pub fn new(numbers: [u8; 4]) -> Self {
        let (mut text, mut len) = ([b'.'; 16], 0);
        for number in numbers {
            let [hundreds, tens, ones] =
                [number / 100, number / 10 % 10, number % 10].map(|digit| digit + b'0');
            let digits = 1 + usize::from(number >= 10) + usize::from(number >= 100);
            let first = [hundreds, tens, ones].into_iter().skip(3 - digits);
            for (to, digit) in text[len..].iter_mut().zip(first) {
                *to = digit;
            }
            len += digits + 1;
        }
        Self { text, len: len - 1 }
    }

    /// Its bytes, all of them ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
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

impl Origin {
    /// The order of paths in which rotated logs come oldest first. What was rotated away has a longer name
    /// (`auth.log.10.gz`, `auth.log.1`, `auth.log`); of names as long the larger number is older, but the smaller date
    /// (`secure-20251026`), which is told by three digits that both have in common.
    pub fn oldest_first(one: &[u8], other: &[u8]) -> Ordering {
        if std::ptr::eq(one, other) {
            return Ordering::Equal;
        }
        let same_length = || {
            let place = one.iter().zip(other).position(|(one, other)| one != other);
            place.map_or(Ordering::Equal, |place| {
                let digits = one[..place].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
                let order = one[place].cmp(&other[place]);
                if digits < 3 { order.reverse() } else { order }
            })
        };
        other.len().cmp(&one.len()).then_with(same_length)
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

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            "1.2.3",
            "1.2.3.4.",
            "1.2.3.4.5",
            "256.1.1.1",
            "1.02.3.4",
            "1..2.3",
            "00.1.1.1",
            "1.2.3.1000",
            "a.b.c.d",
            "1.2.3.4 ",
            "66000.1.1.1",
            "0.0.0.65536",
        ] {
            assert_eq!(dotted(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn what_was_rotated_away_comes_first() {
        for names in [
            &["auth.log.10.gz", "auth.log.9.gz", "auth.log.2.gz", "auth.log.1", "auth.log"][..],
            &["secure-20251026", "secure-20251102", "secure"],
            &["auth.log-20251026.gz", "auth.log-20251102", "auth.log"],
            &["system@0006-0001.journal", "system.journal"],
        ] {
            let older = |pair: &[&str]| Origin::oldest_first(pair[0].as_bytes(), pair[1].as_bytes()).is_lt();
            assert!(names.windows(2).all(older), "{names:?}");
        }
    }

    proptest! {
        #[test]
        fn addresses_are_read_and_written_as_the_library_does(numbers in any::<[u8; 4]>(), text in "[0-9.]{0,16}") {
            let expected = std::net::Ipv4Addr::from(numbers).to_string();
            let shown = Dotted::new(numbers);
            prop_assert_eq!(shown.as_bytes(), expected.as_bytes());
            prop_assert_eq!(dotted(expected.as_bytes()), Some(numbers));
            prop_assert_eq!(dotted(text.as_bytes()), text.parse::<std::net::Ipv4Addr>().ok().map(|one| one.octets()));
        }

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
