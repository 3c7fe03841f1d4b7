//! Rows of `snapshots`.

use crate::output::{Row, Value};
use coldread_proto::v1::Snapshot;

type Column = crate::output::Column<Snapshot>;

impl Row for Snapshot {
    const NOUN: &'static str = "snapshots";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |snapshot| Value::Text(&snapshot.asset)),
        Column::new("snapshot", |snapshot| Value::Id(&snapshot.snapshot)),
        Column::new("committed", |snapshot| Value::time(snapshot.committed)),
        Column::new("tool_version", |snapshot| Value::Text(&snapshot.tool_version)).wide(),
        Column::new("source", |snapshot| Value::Text(&snapshot.source)).flexible(),
        Column::new("size", |snapshot| Value::Size(snapshot.size)).right().spare(),
        Column::new("files", |snapshot| Value::number(snapshot.files)).right(),
        Column::new("gaps", |snapshot| Value::Number(snapshot.gaps)).right(),
        Column::new("hashed", |snapshot| Value::Bool(snapshot.hashed)).spare(),
        Column::new("only", |snapshot| Value::filled(&snapshot.only)).wide(),
    ];
}
