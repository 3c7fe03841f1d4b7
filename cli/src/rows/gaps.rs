//! Rows of `gaps`.

use crate::output::{Row, Value};
use coldread_proto::v1::Gap;

type Column = crate::output::Column<Gap>;

impl Row for Gap {
    const NOUN: &'static str = "gaps";
    // The reason is what one looks for: it is never cut.
    const CUT: bool = false;
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |gap| Value::Text(&gap.asset)),
        Column::new("volume", |gap| Value::filled(&gap.volume)),
        Column::new("path", |gap| Value::bytes(gap.path.as_ref())).or_hex("path_hex").flexible(),
        Column::new("inode", |gap| Value::number(gap.inode)).right(),
        Column::new("at", |gap| Value::number(gap.at)).right().wide(),
        Column::new("kind", |gap| Value::Text(&gap.kind)),
        Column::new("structure", |gap| Value::Text(&gap.structure)).flexible(),
        Column::new("reason", |gap| Value::Text(&gap.reason)).flexible(),
    ];
}
