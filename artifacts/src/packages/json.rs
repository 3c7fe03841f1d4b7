//! Some keys of a JSON object, the rest passed over without being held.
//!
//! Source: RFC 8259, section 4: of equal keys the last one counts, as for JavaScript.

mod bounded;

use bounded::{Bounded, Room};
use coldread_model::GapKind;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Why a text was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum JsonError {
    /// It is no JSON, or not of the form that is expected.
    #[error("{0}")]
    Wrong(serde_json::Error),
    /// What it says takes too much memory.
    #[error("what it says takes more than {} MiB of memory", bounded::MAX_BYTES >> 20)]
    TooMuch,
}

impl JsonError {
    /// The kind of gap that it is.
    pub(super) fn gap_kind(&self) -> GapKind {
        match self {
            Self::Wrong(_) => GapKind::Corrupt,
            Self::TooMuch => GapKind::Limit,
        }
    }
}

/// Reads a text with what values may take at most.
fn read<T>(
    bytes: &[u8],
    visit: impl FnOnce(
        &mut serde_json::Deserializer<serde_json::de::SliceRead<'_>>,
        &Room,
    ) -> Result<T, serde_json::Error>,
) -> Result<T, JsonError> {
    // Editors of Windows put one there; Node.js and npm pass over it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let room = Room::default();
    let read = visit(&mut reader, &room).and_then(|read| reader.end().map(|()| read));
    read.map_err(|error| if room.is_used_up() { JsonError::TooMuch } else { JsonError::Wrong(error) })
}

/// The values that an object has under `keys`.
pub(super) fn pick(bytes: &[u8], keys: &[&str]) -> Result<Map<String, Value>, JsonError> {
    read(bytes, |reader, room| Keys { keys, room }.deserialize(reader))
}

/// The text under a key, without space around it, if there is any.
pub(super) fn text<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v str> {
    object.get(key).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

/// Hands on the objects of a list, each with `keys` alone: of the array that an object has under `key`, or that the text is.
/// What in it is no object is an error.
pub(super) fn list(
    bytes: &[u8],
    key: &str,
    keys: &[&str],
    each: &mut dyn FnMut(Map<String, Value>),
) -> Result<(), JsonError> {
    read(bytes, |reader, room| {
        reader.deserialize_any(Listed { key: Some(key), keys: Keys { keys, room }, each })
    })
}

/// A list, or the object that has it under a key.
struct Listed<'k, 'e> {
    key: Option<&'k str>,
    keys: Keys<'k>,
    each: &'e mut dyn FnMut(Map<String, Value>),
}

impl<'de> DeserializeSeed<'de> for Listed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Listed<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(one) = list.next_element_seed(self.keys)? {
            (self.each)(one);
            // They are handed on one by one.
            self.keys.room.refill();
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if self.key == Some(key.as_str()) {
                map.next_value_seed(Listed { key: None, keys: self.keys, each: &mut *self.each })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Keys<'k> {
    keys: &'k [&'k str],
    room: &'k Room,
}

impl<'de> DeserializeSeed<'de> for Keys<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Keys<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut picked = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.keys.contains(&key.as_str()) {
                let value = map.next_value_seed(Bounded(self.room))?;
                picked.insert(key, value);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(picked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_picked_and_all_of_the_text_is_checked() {
        let picked =
            pick(b"\xef\xbb\xbf{\"a\": 1, \"b\": {\"a\": 2}, \"a\": \" x \", \"c\": \"\"}", &["a", "c"])
                .unwrap();
        assert_eq!(picked.len(), 2);
        assert_eq!((text(&picked, "a"), text(&picked, "c"), text(&picked, "b")), (Some("x"), None, None));
        for wrong in [&b"[]"[..], b"{", b"{} x", b"", b"{\"a\": 1, }", b"\"a\""] {
            assert!(pick(wrong, &["a"]).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
        let mut found = Vec::new();
        for text in [&br#"[{"a": 1, "b": 2}, {}]"#[..], br#"{"x": [1], "l": [{"a": 2, "b": 2}], "a": {}}"#] {
            list(text, "l", &["a"], &mut |one| found.push(one.len())).unwrap();
        }
        assert_eq!(found, [1, 0, 1]);
        for wrong in [&b"[1]"[..], b"{\"l\": {}}", b"[] x", b"7", b"[{}"] {
            assert!(list(wrong, "l", &["a"], &mut |_| {}).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
        let deep = [b"{\"z\":".to_vec(), vec![b'['; 100_000]].concat();
        assert!(pick(&deep, &["a"]).is_err());
    }
}
