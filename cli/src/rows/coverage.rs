//! Rows of `coverage`.

use crate::output::{Row, Value};
use coldread_proto::v1::CoverageRow;

type Column = crate::output::Column<CoverageRow>;

impl Row for CoverageRow {
    const NOUN: &'static str = "ranges";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |range| Value::Text(&range.asset)),
        Column::new("volume", |range| Value::filled(&range.volume)),
        Column::new("start", |range| Value::Number(range.start)).right(),
        Column::new("length", |range| Value::Size(range.length)).right(),
        Column::new("class", |range| Value::Text(&range.class)),
        Column::new("detail", |range| Value::filled(&range.detail)).flexible(),
    ];
}
