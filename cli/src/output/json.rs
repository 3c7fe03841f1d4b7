//! Rows as json objects, written straight from borrowed fields.

use super::Row;
use serde::{Serialize, Serializer, ser::SerializeMap};

/// A row as an object: its columns in order, what is absent left out.
pub struct Object<'a, R>(pub &'a R);

impl<R: Row> Serialize for Object<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for column in R::COLUMNS {
            let value = (column.get)(self.0);
            if value.is_absent() {
                continue;
            }
            map.serialize_entry(column.name, &value)?;
            if let (Some(name), Some(all)) = (column.hex, value.lossless()) {
                map.serialize_entry(name, &all)?;
            }
        }
        map.end()
    }
}
