//! Rows of `settings`.

use crate::output::{Row, Value};
use coldread_proto::v1::Setting;

type Column = crate::output::Column<Setting>;

impl Row for Setting {
    const NOUN: &'static str = "settings";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |setting| Value::Text(&setting.asset)),
        Column::new("subject", |setting| Value::Text(&setting.subject)),
        Column::new("name", |setting| Value::Text(&setting.name)),
        Column::new("value", |setting| Value::Text(&setting.value)).flexible(),
        Column::new("condition", |setting| Value::text(setting.condition.as_ref())).flexible(),
        Column::new("root", |setting| Value::Text(&setting.root)).wide(),
        Column::new("origin", |setting| Value::filled_bytes(&setting.origin)).or_hex("origin_hex").flexible(),
        Column::new(
            "line",
            |setting| if setting.line == 0 { Value::Absent } else { Value::Number(setting.line) },
        )
        .right(),
    ];
}
