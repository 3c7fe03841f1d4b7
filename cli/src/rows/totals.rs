//! Sums of an asset's coverage.

use crate::output::{Row, Value};
use coldread_proto::v1::CoverageTotal;

type Column = crate::output::Column<CoverageTotal>;

impl Row for CoverageTotal {
    const NOUN: &'static str = "classes";
    const COLUMNS: &'static [Column] = &[
        Column::new("class", |total| Value::Text(&total.class)),
        Column::new("bytes", |total| Value::Size(total.bytes)).right(),
    ];
}
