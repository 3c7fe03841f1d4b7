//! PHP's packages: `composer/installed.json` of a vendor directory as installed, `composer.lock` as declared.
//!
//! Source: Composer's documentation, "The composer.json schema" and "composer.lock"; Composer, `InstalledVersions` and
//! `JsonInstalledRepository` (as documentation): Composer 1 writes a list, Composer 2 an object with `packages`.

use super::{
    json,
    rows::{Rows, vendor},
};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageType, Part, Parts};
use serde_json::{Map, Value};

/// The largest file that is read; those of large programs have some megabytes.
const LIMIT: u64 = 16 << 20;

const KEYS: [&str; 3] = ["name", "version", "authors"];

/// Reads what Composer installed.
#[derive(Debug)]
pub struct Composer;

impl Extractor for Composer {
    fn name(&self) -> &'static str {
        "composer"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want::new("/**/composer/installed.json", Reading::Whole { limit: LIMIT })];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let mut rows = Rows::installed(PackageType::Composer, "installed.json", place, out);
        read(input, &["packages"], &mut rows);
        rows.finish();
    }
}

/// Reads composer.lock.
#[derive(Debug)]
pub struct ComposerLocks;

impl Extractor for ComposerLocks {
    fn name(&self) -> &'static str {
        "composer-lock"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want::new("/**/composer.lock", Reading::Whole { limit: LIMIT })];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        // Those that packages bring are of their developers' tools.
        if memchr::memmem::find(place.path, b"/vendor/").is_some() {
            return;
        }
        let mut rows = Rows::declared(PackageType::Composer, "lock file", place, out);
        read(input, &["packages", "packages-dev"], &mut rows);
        rows.finish();
    }
}

fn read(input: &mut Input<'_>, lists: &[&str], rows: &mut Rows<'_, '_>) {
    let bytes = match input.view.read_all(LIMIT) {
        Ok(bytes) => bytes,
        Err(error) => return rows.gap(error.gap_kind(), error),
    };
    for list in lists {
        if let Err(error) = json::list(&bytes, list, &KEYS, &mut |package| tell(&package, rows)) {
            return rows.gap(error.gap_kind(), error);
        }
    }
}

fn tell(package: &Map<String, Value>, rows: &mut Rows<'_, '_>) {
    let Some(name) = json::text(package, "name") else {
        return rows.gap(GapKind::Corrupt, "a package without a name");
    };
    let version = json::text(package, "version").unwrap_or_default();
    // Tags of versions may begin so; Composer compares without it.
    let version = version
        .strip_prefix('v')
        .filter(|rest| rest.starts_with(|one: char| one.is_ascii_digit()))
        .unwrap_or(version);
    let authors = package.get("authors").and_then(Value::as_array);
    let author = authors.and_then(|authors| authors.first()?.as_object());
    let row = rows.row(name, version, &[]);
    rows.push(Package {
        vendor: author.and_then(|author| json::text(author, "name")).and_then(vendor),
        ..row
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::{Findings, PackageState};
    use proptest::prelude::*;

    fn read(extractor: &dyn Extractor, path: &str, text: &[u8]) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.to_vec());
        extractor.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
        found
    }

    const LIST: &str = r#"[{"name": "symfony/console", "version": "v5.4.1", "authors": [{"name": "Ann"}, {"name": "B"}], "dist": {"type": "zip"}},
        {"name": "Acme/x", "version": "dev-main"}]"#;

    #[test]
    fn both_forms_of_what_is_installed() {
        for text in [
            LIST.to_owned(),
            format!(r#"{{"packages": {LIST}, "dev": true, "dev-package-names": ["acme/x"]}}"#),
        ] {
            let found = read(&Composer, "/srv/vendor/composer/installed.json", text.as_bytes());
            assert!(found.gaps.is_empty(), "{:?}", found.gaps);
            let purls: Vec<_> = found.packages.iter().map(|package| package.purl.as_str()).collect();
            assert_eq!(purls, ["pkg:composer/symfony/console@5.4.1", "pkg:composer/acme/x@dev-main"]);
            assert_eq!(found.packages[0].vendor.as_deref(), Some("Ann"));
            assert_eq!(found.packages[0].state, PackageState::Installed);
        }
    }

    #[test]
    fn what_is_locked_is_declared() {
        let text = r#"{"packages": [{"name": "a/b", "version": "1"}], "packages-dev": [{"name": "a/c", "version": "2"}]}"#;
        let found = read(&ComposerLocks, "/srv/composer.lock", text.as_bytes());
        let rows: Vec<_> = found.packages.iter().map(|package| (&*package.name, package.state)).collect();
        assert_eq!(rows, [("a/b", PackageState::Declared), ("a/c", PackageState::Declared)]);
        assert!(read(&ComposerLocks, "/srv/vendor/a/b/composer.lock", text.as_bytes()).packages.is_empty());
    }

    #[test]
    fn damage_is_told() {
        for text in [
            &b""[..],
            b"{\"packages\": [{\"name\": \"a/b\"",
            b"{\"packages\": 7}",
            b"[7]",
            b"[{\"version\": \"1\"}]",
        ] {
            let found = read(&Composer, "/vendor/composer/installed.json", text);
            let kinds: Vec<_> = found.gaps.iter().map(|gap| gap.kind).collect();
            assert_eq!(kinds, [GapKind::Corrupt], "{}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn any_values_are_read(name in "[\"a-z0-9\\[\\]{}:,/]{1,12}", version in "[\"a-z0-9.]{1,8}", authors in "[\"a-z\\[\\]{}:,]{1,8}") {
            let text = format!("[{{\"name\": {name}, \"version\": \"{version}\", \"authors\": {authors}}}]");
            read(&Composer, "/composer/installed.json", text.as_bytes());
        }
    }
}
