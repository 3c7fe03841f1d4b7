//! Rows of `packages`.

use crate::output::{Row, Value};
use coldread_proto::v1::Package;

type Column = crate::output::Column<Package>;

impl Row for Package {
    const NOUN: &'static str = "packages";
    const COLUMNS: &'static [Column] = &[
        Column::new("asset", |package| Value::Text(&package.asset)),
        Column::new("type", |package| Value::Text(&package.r#type)),
        Column::new("name", |package| Value::Text(&package.name)).flexible(),
        Column::new("version", |package| Value::Text(&package.version)).flexible(),
        Column::new("arch", |package| Value::text(package.arch.as_ref())),
        Column::new("state", |package| Value::Text(&package.state)),
        Column::new("source_name", |package| Value::text(package.source_name.as_ref())).wide(),
        Column::new("source_version", |package| Value::text(package.source_version.as_ref())).wide(),
        Column::new("purl", |package| Value::Text(&package.purl)).wide(),
        Column::new("root", |package| Value::Text(&package.root)).wide(),
        Column::new("origin", |package| package.origin.as_ref().map_or(Value::Absent, Value::Origin)).wide(),
        Column::new("vendor", |package| Value::text(package.vendor.as_ref())).wide(),
        Column::new("module", |package| Value::text(package.module.as_ref())).wide(),
        Column::new("owner", |package| Value::text(package.owner.as_ref())).wide(),
        Column::new("installed", |package| Value::time(package.installed)).wide(),
    ];
}
