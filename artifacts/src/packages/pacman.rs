//! pacman's local database: /var/lib/pacman/local/PACKAGE/desc, and the files beside it.
//!
//! Source: pacman's `lib/libalpm/be_local.c` (as documentation): a name between percent signs on a line, its values
//! on the lines after it, an empty line at the end.

use super::{
    purl::PurlBuilder,
    rows::{oversized, too_long, vendor},
};
use crate::{
    Context, Extractor, Input, Output,
    lines::{Lines, StreamError, ViewReader},
    view::FileView,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageType, Part, Parts, Timestamp};

/// The largest file that is read; the file lists of large packages have some megabytes.
const LIMIT: u64 = 64 << 20;

const STRUCTURE: &str = "pacman local database";

/// Reads pacman's local database.
#[derive(Debug)]
pub struct Pacman;

impl Extractor for Pacman {
    fn name(&self) -> &'static str {
        "pacman"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want {
            siblings: &["files"],
            ..Want::new("/var/lib/pacman/local/*/desc", Reading::Whole { limit: LIMIT })
        }];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let place = input.place();
        let mut desc = Desc::default();
        if let Err(error) = each_value(input.view, &mut |field, value| desc.take(field, value)) {
            out.gap(place.stream_gap(STRUCTURE, &error));
        }
        let (Some(name), Some(version)) = (desc.name, desc.version) else {
            out.gap(place.gap(GapKind::Corrupt, STRUCTURE, "a package without a name or a version"));
            return;
        };
        if let Some(reason) = too_long(&name, &version) {
            out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
            return;
        }
        let owner = format!("pacman:{name}");
        for companion in &mut input.companions {
            let mut path = Vec::new();
            let read = each_value(&mut *companion.view, &mut |field, value| {
                if field == b"FILES" {
                    path.clear();
                    path.push(b'/');
                    path.extend_from_slice(value.strip_suffix(b"/").unwrap_or(value));
                    out.owned(&owner, &path);
                }
            });
            if let Err(error) = read {
                out.gap(place.stream_gap("pacman file list", &error));
            }
        }
        let purl = PurlBuilder::of(PackageType::Pacman, &context.system);
        let row = Package {
            purl: purl.build(&name, &version, desc.arch.as_deref(), None),
            source_version: desc.base.is_some().then(|| version.clone()),
            source_name: desc.base,
            arch: desc.arch,
            vendor: desc.packager.as_deref().and_then(vendor),
            installed_at: desc.installed.map(|seconds| Timestamp::new(seconds, 0)),
            root: place.root.to_owned(),
            ..Package::new(PackageType::Pacman, name, version, place.origin())
        };
        match oversized(&row) {
            Some(reason) => out.gap(place.gap(GapKind::Limit, STRUCTURE, reason)),
            None => out.package(row),
        }
    }
}

#[derive(Default)]
struct Desc {
    name: Option<String>,
    version: Option<String>,
    base: Option<String>,
    arch: Option<String>,
    packager: Option<String>,
    /// Seconds since 1970.
    installed: Option<i64>,
}

impl Desc {
    fn take(&mut self, field: &[u8], value: &[u8]) {
        let text = || Some(String::from_utf8_lossy(value).into_owned());
        match field {
            b"NAME" => self.name = text(),
            b"VERSION" => self.version = text(),
            b"BASE" => self.base = text(),
            b"ARCH" => self.arch = text(),
            b"PACKAGER" => self.packager = text(),
            b"INSTALLDATE" => self.installed = text().and_then(|text| text.parse().ok()),
            _ => {}
        }
    }
}

/// Calls `each` with every value and the field that it belongs to.
fn each_value(view: &mut dyn FileView, each: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StreamError> {
    let mut lines = Lines::new(ViewReader::whole(view), 0);
    let mut field = Vec::new();
    while let Some(line) = lines.next_line()? {
        if line.cut {
            return Err(StreamError::Limit(format!("the line at byte {} is too long", line.offset)));
        }
        match line.bytes {
            [] => field.clear(),
            [b'%', name @ .., b'%'] if !name.is_empty() => field = name.to_vec(),
            value if !field.is_empty() => each(&field, value),
            _ => {
                return Err(StreamError::Corrupt(format!(
                    "the line at byte {} belongs to no field",
                    line.offset
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Companion, output::recorder::Recorder, view::MemoryView};
    use proptest::prelude::*;

    fn read(desc: &[u8], files: &[u8]) -> Recorder {
        let mut found = Recorder::default();
        let mut view = MemoryView::from(desc.to_vec());
        let mut list = MemoryView::from(files.to_vec());
        let mut input = Input::new(b"/var/lib/pacman/local/zstd-1.5.5-1/desc", "p1", &mut view);
        input.companions.push(Companion { suffix: "files", view: &mut list });
        Pacman.extract(&mut input, &Context::default(), &mut found);
        found
    }

    #[test]
    fn a_package_with_its_files() {
        let found = read(
            b"%NAME%\nzstd\n\n%VERSION%\n1:1.5.5-1\n\n%BASE%\nzstd-base\n\n%ARCH%\nx86_64\n\n%INSTALLDATE%\n1700000001\n\n\
              %PACKAGER%\nSome One <a@b>\n\n%DEPENDS%\nglibc\nzlib\n",
            b"%FILES%\nusr/\nusr/bin/zstd\n\n%BACKUP%\netc/x\tabc\n",
        );
        let package = &found.findings.packages[0];
        assert_eq!((package.name.as_str(), package.version.as_str()), ("zstd", "1:1.5.5-1"));
        assert_eq!(package.purl, "pkg:alpm/arch/zstd@1:1.5.5-1?arch=x86_64");
        assert_eq!(package.installed_at, Some(Timestamp::new(1_700_000_001, 0)));
        assert_eq!(
            (package.source_name.as_deref(), package.vendor.as_deref()),
            (Some("zstd-base"), Some("Some One <a@b>"))
        );
        let owned: Vec<_> = found.owned.iter().map(|(_, path)| path.as_slice()).collect();
        assert_eq!(owned, [&b"/usr"[..], b"/usr/bin/zstd"]);
        assert_eq!(found.findings.gaps, []);
        let broken = read(b"zstd\n", b"").findings;
        assert_eq!((broken.packages.len(), broken.gaps.len()), (0, 2));
    }

    #[test]
    fn texts_without_end_are_told() {
        let long = "n".repeat(5000);
        for desc in [
            format!("%NAME%\n{long}\n\n%VERSION%\n1-1\n"),
            format!("%NAME%\na\n\n%VERSION%\n{long}\n"),
            format!("%NAME%\na\n\n%VERSION%\n1-1\n\n%ARCH%\n{long}\n"),
        ] {
            let found = read(desc.as_bytes(), b"%FILES%\nusr/\n").findings;
            assert_eq!((found.packages.len(), found.gaps.len()), (0, 1));
            assert!(found.gaps[0].kind == GapKind::Limit && found.gaps[0].reason.len() < 200);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            read(&bytes, &bytes);
            read(&[b"%NAME%\n", &bytes[..]].concat(), &[b"%FILES%\n", &bytes[..]].concat());
        }
    }
}
