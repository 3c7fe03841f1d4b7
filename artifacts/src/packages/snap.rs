//! Snaps that snapd has installed: /var/lib/snapd/state.json.
//!
//! Source: snapd's `overlord/snapstate/snapstate.go`, `SnapState` (as documentation). Versions are inside the snaps
//! themselves, which are squashfs files; the state names revisions, and these are what is reported.

use super::{
    json,
    purl::purl_of,
    rows::{oversized, too_long},
};
use crate::{
    Context, Extractor, Input, Output,
    input::PACKAGES_PER_FILE,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageState, PackageType, Part, Parts, Timestamp};
use serde_json::Value;
use std::collections::BTreeSet;

/// The largest state that is read; it holds recent changes too, and has a few megabytes.
const LIMIT: u64 = 64 << 20;

const STRUCTURE: &str = "snapd state";

/// Reads snapd's state.
#[derive(Debug)]
pub struct Snap;

impl Extractor for Snap {
    fn name(&self) -> &'static str {
        "snap"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want::new("/var/lib/snapd/state.json", Reading::Whole { limit: LIMIT })];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let bytes = match input.view.read_all(LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => {
                out.gap(place.view_gap(STRUCTURE, &error));
                return;
            }
        };
        let state = match json::pick(&bytes, &["data"]) {
            Ok(state) => state,
            Err(error) => {
                out.gap(place.gap(error.gap_kind(), STRUCTURE, error));
                return;
            }
        };
        let mut gaps = place.gaps(STRUCTURE);
        let mut rows = 0;
        // A snapd that never had a snap has no such key.
        let snaps = state.get("data").and_then(|data| data.get("snaps")).and_then(Value::as_object);
        for (name, snap) in snaps.into_iter().flatten() {
            let text = |key: &str| snap.get(key).and_then(Value::as_str);
            let Some(current) = revision(snap, "current").or_else(|| revision(snap, "Current")) else {
                gaps.push(out, GapKind::Corrupt, format!("{name}: no current revision"));
                continue;
            };
            let refreshed = text("last-refresh-time").and_then(|time| time.parse::<jiff::Timestamp>().ok());
            let sequence = snap.get("sequence").and_then(Value::as_array);
            let mut revisions = BTreeSet::from([current.clone()]);
            for one in sequence.into_iter().flatten() {
                // Since 2.62 each revision's facts are in an object of their own.
                match revision(one.get("snap").unwrap_or(one), "revision") {
                    Some(revision) => {
                        revisions.insert(revision);
                    }
                    None => gaps.push(out, GapKind::Corrupt, format!("{name}: one without a revision")),
                }
            }
            for revision in &revisions {
                rows += 1;
                if rows > PACKAGES_PER_FILE {
                    gaps.push(out, GapKind::Limit, format!("{name}: too many snaps"));
                    continue;
                }
                if let Some(reason) = too_long(name, revision) {
                    gaps.push(out, GapKind::Limit, reason);
                    continue;
                }
                let is_current = *revision == current;
                let time = refreshed.filter(|_| is_current);
                let row = Package {
                    purl: purl_of(
                        PackageType::Snap,
                        name,
                        revision,
                        &[("channel", text("channel").filter(|_| is_current))],
                    ),
                    state: if is_current { PackageState::Installed } else { PackageState::Superseded },
                    installed_at: time.map(|time| {
                        Timestamp::new(time.as_second(), time.subsec_nanosecond().unsigned_abs())
                    }),
                    root: place.root.to_owned(),
                    ..Package::new(PackageType::Snap, name.as_str(), revision.as_str(), place.origin())
                };
                match oversized(&row) {
                    Some(reason) => gaps.push(out, GapKind::Limit, reason),
                    None => out.package(row),
                }
            }
        }
        gaps.finish(out);
    }
}

/// A revision: snapd writes a text, and reads a number too.
fn revision(within: &Value, key: &str) -> Option<String> {
    match within.get(key)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::Findings;

    fn read(text: &str) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.as_bytes().to_vec());
        let mut input = Input::new(b"/var/lib/snapd/state.json", "p1", &mut view);
        Snap.extract(&mut input, &Context::default(), &mut found);
        found
    }

    #[test]
    fn texts_without_end_are_told_and_the_others_read() {
        let long = "n".repeat(1 << 20);
        let revisions: Vec<_> = (2..2002).map(|one| format!(r#"{{"revision":"{one}"}}"#)).collect();
        let revisions = revisions.join(",");
        let found = read(&format!(
            r#"{{"data":{{"snaps":{{"{long}":{{"sequence":[{revisions}],"current":"1"}},
                "a":{{"sequence":[{{"revision":"{long}"}}],"current":"1"}},
                "b":{{"sequence":[],"current":"1","channel":"{long}"}}}}}}}}"#
        ));
        let shown: Vec<_> =
            found.packages.iter().map(|one| (one.name.as_str(), one.version.as_str())).collect();
        assert_eq!(shown, [("a", "1")]);
        assert!(found.gaps.iter().all(|gap| gap.kind == GapKind::Limit && gap.reason.len() < 200));
        assert_eq!(found.gaps.len(), 65);
    }

    #[test]
    fn old_and_new_sequences() {
        let found = read(
            r#"{"data":{"snaps":{"core20":{"type":"base","sequence":[{"name":"core20","revision":"1400"},
                {"name":"core20","revision":"1405"}],"active":true,"current":"1405","channel":"latest/stable",
                "last-refresh-time":"2023-01-02T03:04:05.5Z"},
                "hello":{"sequence":[{"snap":{"name":"hello","revision":"x1"},"components":null}],"current":"x1"},
                "broken":{"sequence":[]}}},"changes":{}}"#,
        );
        let shown: Vec<_> = found
            .packages
            .iter()
            .map(|one| (one.name.as_str(), one.version.as_str(), one.state.name(), one.purl.as_str()))
            .collect();
        assert_eq!(
            shown,
            [
                ("core20", "1400", "superseded", "pkg:generic/core20@1400"),
                ("core20", "1405", "installed", "pkg:generic/core20@1405?channel=latest%2Fstable"),
                ("hello", "x1", "installed", "pkg:generic/hello@x1"),
            ]
        );
        let again = read(
            r#"{"data":{"snaps":{"a":{"sequence":[{"revision":"7"},{"revision":7},{"snap":{"revision":"8"}},{"snap":{}}],
                "current":8}}}}"#,
        );
        let shown: Vec<_> =
            again.packages.iter().map(|one| (one.version.as_str(), one.state.name())).collect();
        assert_eq!(shown, [("7", "superseded"), ("8", "installed")]);
        assert_eq!(again.gaps[0].reason, "a: one without a revision");
        assert_eq!(found.packages[1].installed_at, Some(Timestamp::new(1_672_628_645, 500_000_000)));
        assert_eq!(found.gaps[0].reason, "broken: no current revision");
        assert_eq!(read(r#"{"data":{}}"#), Findings::default());
        assert_eq!(read("{").gaps[0].kind, GapKind::Corrupt);
        assert_eq!(read(&"[".repeat(100_000)).gaps[0].kind, GapKind::Corrupt);
    }
}
