//! Rows of `logins windows`.

use crate::output::{Row, Value};
use coldread_proto::v1::LogWindow;

type Column = crate::output::Column<LogWindow>;

impl Row for LogWindow {
    const NOUN: &'static str = "login records";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |window| Value::Text(&window.asset)),
        Column::new("source", |window| Value::Text(&window.source)),
        Column::new("root", |window| Value::Text(&window.root)).wide(),
        Column::new("origin", |window| Value::Bytes(&window.origin)).or_hex("origin_hex").flexible(),
        Column::new("since", |window| Value::time(window.since)),
        Column::new("until", |window| Value::time(window.until)),
        Column::new("records", |window| Value::Number(window.records)).right().spare(),
    ];
}
