//! `*.deps.json`: `libraries` has `NAME/VERSION` and what each is, `targets` which files of it are used.

use super::{
    Package, PackageState, Rows,
    json::{self, JsonError},
};
use coldread_model::GapKind;
use serde_json::{Map, Value};

/// What of a library is part of the application.
const ASSETS: [&str; 4] = ["runtime", "native", "runtimeTargets", "resources"];

/// What the SDK puts before the name of the package that holds the runtime of an application that brings its own.
const RUNTIME_PACK: &str = "runtimepack.";

pub(super) fn read(bytes: &[u8], rows: &mut Rows<'_, '_>) -> Result<(), JsonError> {
    let read = json::pick(bytes, &["runtimeTarget", "targets", "libraries"])?;
    let target =
        read.get("runtimeTarget").and_then(|target| target.as_str().or_else(|| target.get("name")?.as_str()));
    let targets = read.get("targets").and_then(Value::as_object);
    let used = targets.and_then(|targets| target.and_then(|name| targets.get(name))?.as_object());
    for (library, says) in read.get("libraries").and_then(Value::as_object).into_iter().flatten() {
        let kind = says.get("type").and_then(Value::as_str).unwrap_or_default();
        // Others are the application's own parts, or assemblies of the system that it was only compiled against.
        if !kind.eq_ignore_ascii_case("package") && !kind.eq_ignore_ascii_case("runtimepack") {
            continue;
        }
        let Some((name, version)) = library.split_once('/') else {
            rows.gap(GapKind::Corrupt, "a library without a version");
            continue;
        };
        let name = name.strip_prefix(RUNTIME_PACK).unwrap_or(name);
        let row = rows.row(name, version, &[]);
        let state = if used.is_none_or(|used| has_assets(used, library)) {
            row.state
        } else {
            PackageState::Declared
        };
        rows.push(Package { state, ..row });
    }
    Ok(())
}

/// Whether files of a library are part of the application: of packages that only name others, or that helped to compile
/// it, none are.
fn has_assets(used: &Map<String, Value>, library: &str) -> bool {
    let says = used.get(library).and_then(Value::as_object);
    says.is_some_and(|says| {
        ASSETS
            .iter()
            .any(|assets| says.get(*assets).and_then(Value::as_object).is_some_and(|files| !files.is_empty()))
    })
}
