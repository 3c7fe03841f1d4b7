//! Rows of `assets`.

use crate::{
    eol::Support,
    output::{Row, Value},
};
use coldread_proto::v1::Asset;

type Column = crate::output::Column<KnownAsset>;

/// An asset, and how its system is supported.
pub struct KnownAsset {
    pub asset: Asset,
    /// None where nobody asked.
    pub support: Option<Support>,
}

impl Row for KnownAsset {
    const NOUN: &'static str = "assets";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |known| Value::Text(&known.asset.asset)),
        Column::new("account", |known| Value::text(known.asset.account.as_ref())).wide(),
        Column::new("snapshot", |known| Value::Id(&known.asset.snapshot)).spare(),
        Column::new("system", |known| Value::text(known.asset.system.as_ref())).flexible(),
        Column::new("hostname", |known| Value::text(known.asset.hostname.as_ref())).flexible().spare(),
        Column::new("end_of_life", |known| known.support.as_ref().map_or(Value::Absent, Value::Support)),
        Column::new("source", |known| Value::Text(&known.asset.source)).wide(),
        Column::new("size", |known| Value::Size(known.asset.size)).right().spare(),
        Column::new("volumes", |known| Value::Number(known.asset.volumes)).right().spare(),
        Column::new("files", |known| Value::number(known.asset.files)).right().spare(),
        Column::new("packages", |known| Value::number(known.asset.packages)).right(),
        Column::new("logins", |known| Value::number(known.asset.logins)).right(),
        Column::new("failed_logins", |known| Value::number(known.asset.failed_logins)).right(),
        Column::new("gaps", |known| Value::Number(known.asset.gaps)).right(),
        Column::new("only", |known| Value::filled(&known.asset.only)).wide(),
    ];
}
