//! The volumes of a scan that has ended.

use crate::output::{Row, Value};
use coldread_proto::v1::VolumeSummary;

type Column = crate::output::Column<VolumeSummary>;

impl Row for VolumeSummary {
    const NOUN: &'static str = "volumes";
    const COLUMNS: &'static [Column] = &[
        Column::new("volume", |volume| Value::Text(&volume.name)),
        Column::new("content", |volume| Value::Text(&volume.content)).flexible(),
        Column::new("mount", |volume| Value::filled(&volume.mount)).flexible(),
        Column::new("state", |volume| Value::filled(&volume.state)),
        Column::new("files", |volume| Value::number(volume.files)).right(),
        Column::new("bytes", |volume| Value::Size(volume.bytes)).right(),
    ];
}
