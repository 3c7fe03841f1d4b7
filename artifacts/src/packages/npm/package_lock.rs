//! package-lock.json and npm-shrinkwrap.json of any version.
//!
//! Source: npm Docs, "package-lock.json".

use super::locks::LIMIT;
use crate::{
    lines::StreamError,
    packages::{
        json::{self, JsonError},
        rows::Rows,
    },
    view::FileView,
};
use coldread_model::GapKind;
use serde_json::{Map, Value};

/// How deep dependencies of the first version lie within each other: below the bound of the JSON parser.
const MAX_DEPTH: usize = 128;

pub(super) fn read(view: &mut dyn FileView, rows: &mut Rows<'_, '_>) -> Result<(), StreamError> {
    let bytes = view.read_all(LIMIT).map_err(StreamError::View)?;
    let read = json::pick(&bytes, &["packages", "dependencies"]).map_err(|error| match error {
        JsonError::Wrong(error) => StreamError::Corrupt(error.to_string()),
        JsonError::TooMuch => StreamError::Limit(error.to_string()),
    })?;
    // Version 2 has the same again under `dependencies`, for older programs.
    if let Some(packages) = object(&read, "packages", rows) {
        for (path, package) in packages {
            located(path, package, rows);
        }
    } else if let Some(dependencies) = object(&read, "dependencies", rows) {
        tree(dependencies, rows);
    }
    Ok(())
}

/// The object under a key; what is there and is none is told.
fn object<'v>(
    within: &'v Map<String, Value>,
    key: &str,
    rows: &mut Rows<'_, '_>,
) -> Option<&'v Map<String, Value>> {
    let value = within.get(key)?;
    if value.as_object().is_none() {
        rows.gap(GapKind::Corrupt, format!("{key} is no object"));
    }
    value.as_object()
}

/// One package by the place where it is to be put. Others than those below `node_modules` are the program's own.
fn located(path: &str, package: &Value, rows: &mut Rows<'_, '_>) {
    let Some((_, name)) = path.rsplit_once("node_modules/") else { return };
    let Some(package) = package.as_object() else {
        rows.gap(GapKind::Corrupt, format!("{name} is no object"));
        return;
    };
    if package.get("link").and_then(Value::as_bool) == Some(true) {
        return;
    }
    let name = json::text(package, "name").unwrap_or(name);
    rows.plain(name, json::text(package, "version").unwrap_or_default());
}

/// Packages within packages.
fn tree(dependencies: &Map<String, Value>, rows: &mut Rows<'_, '_>) {
    let mut levels = vec![dependencies.iter()];
    while let Some(level) = levels.last_mut() {
        let Some((name, package)) = level.next() else {
            levels.pop();
            continue;
        };
        let Some(package) = package.as_object() else {
            rows.gap(GapKind::Corrupt, format!("{name} is no object"));
            continue;
        };
        let version = json::text(package, "version").unwrap_or_default();
        let alias = version.strip_prefix("npm:").and_then(|alias| alias.rsplit_once('@'));
        let (name, version) = alias.filter(|(name, _)| !name.is_empty()).unwrap_or((name, version));
        rows.plain(name, version);
        if let Some(within) = object(package, "dependencies", rows)
            && levels.len() < MAX_DEPTH
        {
            levels.push(within.iter());
        }
    }
}
