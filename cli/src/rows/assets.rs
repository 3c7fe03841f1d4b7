//! Rows of `assets`.

use crate::output::{Row, Value};
use coldread_proto::v1::Asset;

type Column = crate::output::Column<Asset>;

impl Row for Asset {
    const NOUN: &'static str = "assets";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |asset| Value::Text(&asset.asset)),
        Column::new("account", |asset| Value::text(asset.account.as_ref())).wide(),
        Column::new("snapshot", |asset| Value::Id(&asset.snapshot)),
        Column::new("system", |asset| Value::text(asset.system.as_ref())).flexible(),
        Column::new("hostname", |asset| Value::text(asset.hostname.as_ref())).flexible(),
        Column::new("source", |asset| Value::Text(&asset.source)).wide(),
        Column::new("size", |asset| Value::Size(asset.size)).right(),
        Column::new("volumes", |asset| Value::Number(asset.volumes)).right(),
        Column::new("files", |asset| Value::Number(asset.files)).right(),
        Column::new("packages", |asset| Value::Number(asset.packages)).right(),
        Column::new("logins", |asset| Value::Number(asset.logins)).right(),
        Column::new("failed_logins", |asset| Value::Number(asset.failed_logins)).right(),
        Column::new("gaps", |asset| Value::Number(asset.gaps)).right(),
    ];
}
