//! Rows of `keys`.

use crate::output::{Row, Value};
use coldread_proto::v1::Key;

type Column = crate::output::Column<Key>;

impl Row for Key {
    const NOUN: &'static str = "keys";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |key| Value::Text(&key.asset)),
        Column::new("kind", |key| Value::Text(&key.kind)),
        Column::new("user", |key| Value::text(key.user.as_ref())).flexible(),
        Column::new("algorithm", |key| Value::Text(&key.algorithm)).flexible(),
        Column::new("bits", |key| Value::number(key.bits)).right(),
        Column::new("fingerprint", |key| {
            key.fingerprint.as_deref().map_or(Value::Absent, Value::Fingerprint)
        }),
        Column::new("comment", |key| Value::text(key.comment.as_ref())).wide(),
        Column::new("options", |key| Value::texts(&key.options)).wide(),
        Column::new("encrypted", |key| key.encrypted.map_or(Value::Absent, Value::Bool)),
        Column::new("root", |key| Value::Text(&key.root)).wide(),
        Column::new("origin", |key| Value::Bytes(&key.origin)).or_hex("origin_hex").flexible(),
        Column::new("line", |key| if key.line == 0 { Value::Absent } else { Value::Number(key.line) })
            .right()
            .wide(),
    ];
}
