//! Packages of Node.js: `node_modules/NAME/package.json` as installed, lock files as declared.
//!
//! Sources: npm Docs, "package.json" and "folders"; pnpm, "Symlinked node_modules structure": its store below
//! `node_modules/.pnpm` has a `node_modules` for each package, and everything else there is a symbolic link, which
//! patterns that lie anywhere do not follow.

pub mod locks;
mod package_lock;
mod pnpm;
mod yarn;

use super::{
    json,
    rows::{Rows, vendor},
};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{Package, PackageType, Part, Parts};
use serde_json::{Map, Value};

/// The largest package.json that is read; npm refuses to publish much less.
const LIMIT: u64 = 4 << 20;

const STRUCTURE: &str = "package.json";

/// Reads what describes one package each. They are small and there are many, so that reading one is cheaper than
/// asking whether it was read before: results are not kept.
#[derive(Debug)]
pub struct Npm;

impl Extractor for Npm {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const fn want(pattern: &'static str) -> Want {
            Want::new(pattern, Reading::Whole { limit: LIMIT })
        }
        const WANTS: &[Want] = &[
            want("/**/node_modules/*/package.json"),
            want("/**/node_modules/@*/*/package.json"),
            // Debian's own place.
            want("/usr/share/nodejs/*/package.json"),
            want("/usr/share/nodejs/@*/*/package.json"),
            want("/usr/lib/nodejs/*/package.json"),
            want("/usr/lib/nodejs/@*/*/package.json"),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let folder = folder(place.path);
        // .bin, .cache and the like are no packages.
        if folder.starts_with('.') {
            return;
        }
        let bytes = match input.view.read_all(LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => return out.gap(place.view_gap(STRUCTURE, &error)),
        };
        let read = match json::pick(&bytes, &["name", "version", "author", "cpu"]) {
            Ok(read) => read,
            Err(error) => return out.gap(place.gap(error.gap_kind(), STRUCTURE, error)),
        };
        // Without a name, a package is known by its folder (npm and Node.js resolve it by that alone). That of an
        // alias has another name than its folder.
        let name = json::text(&read, "name").unwrap_or(&folder);
        let version = json::text(&read, "version").map(clean).unwrap_or_default();
        let mut rows = Rows::installed(PackageType::Npm, STRUCTURE, place, out);
        let row = rows.row(name, version, &[]);
        rows.push(Package { arch: arch(&read), vendor: author(&read), ..row });
        rows.finish();
    }
}

/// The package's folder below `node_modules`, with its scope.
fn folder(path: &[u8]) -> String {
    let mut parts = path.rsplit(|byte| *byte == b'/').skip(1).map(String::from_utf8_lossy);
    let name = parts.next().unwrap_or_default();
    match parts.next() {
        Some(scope) if scope.starts_with('@') => format!("{scope}/{name}"),
        _ => name.into_owned(),
    }
}

/// A version without what npm takes away from its start.
fn clean(version: &str) -> &str {
    version.trim_start_matches(['=', 'v', ' '])
}

/// The one processor that a package with compiled parts is for.
fn arch(read: &Map<String, Value>) -> Option<String> {
    match read.get("cpu")?.as_array()?.as_slice() {
        [Value::String(one)] if !one.starts_with('!') => vendor(one),
        _ => None,
    }
}

/// The author: a text `Name <mail> (url)`, or an object.
fn author(read: &Map<String, Value>) -> Option<String> {
    match read.get("author")? {
        Value::Object(author) => json::text(author, "name").and_then(vendor),
        Value::String(author) => vendor(author.split(['<', '(']).next().unwrap_or_default()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::{Findings, GapKind};
    use proptest::prelude::*;

    fn read(path: &str, bytes: &[u8]) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(bytes.to_vec());
        Npm.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
        found
    }

    #[test]
    fn packages_as_they_lie_there() {
        for (path, bytes, name, version, purl) in [
            (
                "/srv/node_modules/a/package.json",
                r#"{"name": "a", "version": "v1.2.3"}"#,
                "a",
                "1.2.3",
                "pkg:npm/a@1.2.3",
            ),
            (
                "/srv/node_modules/@s/b/package.json",
                r#"{"version": "1.0.0-rc.1"}"#,
                "@s/b",
                "1.0.0-rc.1",
                "pkg:npm/%40s/b@1.0.0-rc.1",
            ),
            (
                "/node_modules/alias/package.json",
                r#"{"name": "@x/real", "version": "2"}"#,
                "@x/real",
                "2",
                "pkg:npm/%40x/real@2",
            ),
            ("/node_modules/none/package.json", r#"{"version": 7}"#, "none", "", "pkg:npm/none"),
        ] {
            let found = read(path, bytes.as_bytes());
            assert!(found.gaps.is_empty(), "{:?}", found.gaps);
            let package = &found.packages[0];
            assert_eq!((&*package.name, &*package.version, &*package.purl), (name, version, purl));
        }
        assert!(read("/node_modules/.cache/package.json", b"{").packages.is_empty());
    }

    #[test]
    fn authors_and_processors() {
        let author =
            |json: &str| read("/node_modules/a/package.json", json.as_bytes()).packages[0].vendor.clone();
        assert_eq!(author(r#"{"author": "Ann B <a@x.org> (http://x)"}"#).as_deref(), Some("Ann B"));
        assert_eq!(author(r#"{"author": {"name": "Ann", "email": "x"}}"#).as_deref(), Some("Ann"));
        assert_eq!(author(r#"{"author": ["Ann"]}"#), None);
        let arch =
            |json: &str| read("/node_modules/a/package.json", json.as_bytes()).packages[0].arch.clone();
        assert_eq!(arch(r#"{"cpu": ["x64"]}"#).as_deref(), Some("x64"));
        assert_eq!(arch(r#"{"cpu": ["x64", "arm"]}"#), None);
        assert_eq!(arch(r#"{"cpu": ["!arm"]}"#), None);
    }

    #[test]
    fn damage_is_told() {
        for bytes in [&b""[..], b"{\"name\": \"a\", ", b"[1]", b"\xff\xfe{}"] {
            let found = read("/node_modules/a/package.json", bytes);
            assert_eq!((found.packages.len(), found.gaps.len()), (0, 1));
            assert_eq!(found.gaps[0].kind, GapKind::Corrupt);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(path in "/[a-z@./]{0,20}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            read(&path, &bytes);
        }

        #[test]
        fn any_values_are_read(
            name in "[\"a-z@/0-9\\[\\]{}:,]{1,8}", version in "[\"a-z0-9.]{1,8}", author in "[\"a-z(<]{0,8}",
        ) {
            read("/node_modules/a/package.json", format!("{{\"name\":{name},\"version\":{version},\"author\":{author}}}").as_bytes());
        }
    }
}
