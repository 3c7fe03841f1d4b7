//! Values within a bound: of a text of megabytes, values may take a hundred times as much.

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::{cell::Cell, fmt};

/// Bytes that the values of a text take at most. Lock files of many megabytes take four times their size.
pub(super) const MAX_BYTES: usize = 128 << 20;

/// About what a text takes besides its characters, with what its allocation wastes.
const TEXT: usize = 32;
/// What an object takes that is not empty: a node of a tree has room for eleven keys and values.
const OBJECT: usize = 640;
/// What a list takes that is not empty: room for four values.
const LIST: usize = 4 * VALUE;
const VALUE: usize = size_of::<Value>();
const ENTRY: usize = size_of::<String>() + VALUE;

/// Room for values.
pub(super) struct Room {
    left: Cell<usize>,
    is_used_up: Cell<bool>,
}

impl Default for Room {
    fn default() -> Self {
        Self { left: Cell::new(MAX_BYTES), is_used_up: Cell::new(false) }
    }
}

impl Room {
    /// Whether there was not enough.
    pub(super) fn is_used_up(&self) -> bool {
        self.is_used_up.get()
    }

    /// What was read is held no more.
    pub(super) fn refill(&self) {
        self.left.set(MAX_BYTES);
    }

    fn take<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(bytes);
        self.is_used_up.set(left.is_none());
        self.left.set(left.unwrap_or(0));
        left.map(|_| ()).ok_or_else(|| E::custom("too many values"))
    }
}

/// Reads a value into the room that is left.
#[derive(Clone, Copy)]
pub(super) struct Bounded<'r>(pub(super) &'r Room);

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        self.0.take(TEXT + value.len())?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(self)? {
            // A list that grows takes half as much again as it holds.
            self.0.take(if values.is_empty() { LIST } else { 2 * VALUE })?;
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let node = if object.is_empty() { OBJECT } else { ENTRY };
            self.0.take(node + TEXT + key.len())?;
            object.insert(key, map.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{JsonError, list, pick};
    use super::*;
    use coldread_model::GapKind;

    #[test]
    fn values_are_those_of_the_text() {
        let text = r#"{"a": [null, true, 1, -2, 1.5, "x", [], {}, {"b": {"c": [[["d"]]]}}]}"#;
        let whole: Value = serde_json::from_str(text).unwrap();
        assert_eq!(Value::Object(pick(text.as_bytes(), &["a"]).unwrap()), whole);
    }

    #[test]
    fn texts_that_take_too_much_memory_are_a_limit() {
        // Each a few bytes a value: of these the text has up to sixteen megabytes.
        for part in ["0,", "{\"\":0},", "[[[[[[[[0]]]]]]]],", "\"\",", "[0],"] {
            let many = part.repeat((12 << 20) / part.len());
            let text = format!("{{\"z\": [{many}0], \"a\": [{many}0]}}");
            let error = pick(text.as_bytes(), &["a"]).unwrap_err();
            assert!(matches!(error, JsonError::TooMuch), "{part}: {error}");
            assert_eq!(error.gap_kind(), GapKind::Limit);
            // What nobody asks for takes nothing.
            assert!(pick(text.as_bytes(), &["b"]).is_ok());
        }
        // A list is handed on one by one.
        let one = format!("{{\"a\": [{}0]}},", "0,".repeat(400_000));
        let text = format!("[{}{{}}]", one.repeat(12));
        let mut read = 0;
        list(text.as_bytes(), "", &["a"], &mut |_| read += 1).unwrap();
        assert_eq!(read, 13);
    }
}
