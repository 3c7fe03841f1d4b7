//! Some keys of a JSON object, the rest passed over without being held.
//!
//! Source: RFC 8259, section 4: of equal keys the last one counts, as for JavaScript.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// The values that an object has under `keys`.
pub(super) fn pick(bytes: &[u8], keys: &[&str]) -> Result<Map<String, Value>, serde_json::Error> {
    // Editors of Windows put one there; Node.js and npm pass over it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let picked = Keys(keys).deserialize(&mut reader)?;
    reader.end()?;
    Ok(picked)
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
) -> Result<(), serde_json::Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    reader.deserialize_any(Listed { key: Some(key), keys, each })?;
    reader.end()
}

/// A list, or the object that has it under a key.
struct Listed<'k, 'e> {
    key: Option<&'k str>,
    keys: &'k [&'k str],
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
        while let Some(one) = list.next_element_seed(Keys(self.keys))? {
            (self.each)(one);
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

struct Keys<'k>(&'k [&'k str]);

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
            if self.0.contains(&key.as_str()) {
                picked.insert(key, map.next_value()?);
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
