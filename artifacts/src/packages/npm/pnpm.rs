//! pnpm-lock.yaml of any version: YAML of one fixed shape, of which the keys under `packages` are read.
//!
//! Source: pnpm, "lockfile" of the specification repository (versions 5 to 9).

use crate::{
    lines::{Lines, StreamError, ViewReader},
    packages::rows::Rows,
    view::FileView,
};
use coldread_model::GapKind;

pub(super) fn read(view: &mut dyn FileView, rows: &mut Rows<'_, '_>) -> Result<(), StreamError> {
    let mut lines = Lines::new(ViewReader::whole(view), 0);
    let mut is_within = false;
    while let Some(line) = lines.next_line()? {
        let text = String::from_utf8_lossy(line.bytes.trim_ascii_end());
        let Some(key) = text.strip_prefix("  ").filter(|key| !key.starts_with(' ')) else {
            if !text.is_empty() && !text.starts_with([' ', '#']) {
                is_within = text == "packages:";
            }
            continue;
        };
        if !is_within || key.starts_with('#') {
            continue;
        }
        let key = key.strip_suffix(": {}").or_else(|| key.strip_suffix(':')).unwrap_or(key);
        let key = key.trim_start_matches("? ").trim_matches(['\'', '"']);
        match split(key) {
            Some((name, version)) => rows.plain(name, version),
            None => rows.gap(GapKind::Corrupt, format!("{key}: neither a name nor a version")),
        }
    }
    Ok(())
}

/// `/NAME/VERSION_PEERS` of version 5, `/NAME@VERSION(PEERS)` of version 6, without the slash since version 9.
fn split(key: &str) -> Option<(&str, &str)> {
    let key = key.strip_prefix('/').unwrap_or(key);
    let key = key.split('(').next().unwrap_or_default();
    let scope = key.strip_prefix('@').map_or(0, |rest| 1 + rest.find('/').map_or(0, |slash| slash + 1));
    let rest = key.get(scope..)?;
    let at = rest.find(['@', '/'])?;
    let (name, version) = (&key[..scope + at], &rest[at + 1..]);
    let is_old = rest[at..].starts_with('/');
    let version = if is_old { version.split('_').next().unwrap_or_default() } else { version };
    (!name.is_empty() && !version.is_empty()).then_some((name, version))
}
