//! An asset's volumes.

use crate::output::{Row, Value};
use coldread_proto::v1::Volume;

type Column = crate::output::Column<Volume>;

impl Row for Volume {
    const NOUN: &'static str = "volumes";
    const CUT: bool = false;
    const COLUMNS: &'static [Column] = &[
        Column::new("volume", |volume| Value::Text(&volume.name)),
        Column::new("content", |volume| Value::Text(&volume.content)),
        Column::new("start", |volume| Value::Number(volume.start)).right(),
        Column::new("length", |volume| Value::Size(volume.length)).right(),
        Column::new("label", |volume| Value::text(volume.label.as_ref())),
        Column::new("uuid", |volume| Value::text(volume.uuid.as_ref())),
        Column::new("mount", |volume| Value::text(volume.mount.as_ref())),
        Column::new("state", |volume| Value::text(volume.state.as_ref())),
        Column::new("reason", |volume| Value::filled(&volume.reason)).flexible(),
        Column::new("files", |volume| Value::number(volume.files)).right(),
    ];
}
