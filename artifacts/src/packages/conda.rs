//! Packages of conda: `conda-meta/NAME-VERSION-BUILD.json` of each environment.
//!
//! Source: conda, "Managing environments" and `PrefixRecord` (as documentation); purl's type definition of conda. A
//! record names the package's files, so that what they bring for Python is not told as somebody else's.

use super::{json, rows::Rows};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageType, Part, Parts, Timestamp};
use serde_json::Value;

/// The largest record that is read; those of packages with tens of thousands of files have some megabytes.
const LIMIT: u64 = 16 << 20;

const STRUCTURE: &str = "conda record";

/// Reads the records of conda's environments.
#[derive(Debug)]
pub struct Conda;

impl Extractor for Conda {
    fn name(&self) -> &'static str {
        "conda"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want::new("/**/conda-meta/*.json", Reading::Whole { limit: LIMIT })];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let bytes = match input.view.read_all(LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => return out.gap(place.view_gap(STRUCTURE, &error)),
        };
        let keys = ["name", "version", "build", "channel", "subdir", "fn", "files"];
        let read = match json::pick(&bytes, &keys) {
            Ok(read) => read,
            Err(error) => return out.gap(place.gap(error.gap_kind(), STRUCTURE, error)),
        };
        let (Some(name), Some(version)) = (json::text(&read, "name"), json::text(&read, "version")) else {
            // Other programs keep their own notes there.
            let is_record = read.contains_key("build") || read.contains_key("files");
            return if is_record {
                out.gap(place.gap(GapKind::Corrupt, STRUCTURE, "it has no name or no version"));
            };
        };
        let channel = json::text(&read, "channel").map(channel);
        let form = json::text(&read, "fn")
            .and_then(|name| ["conda", "tar.bz2"].into_iter().find(|form| name.ends_with(form)));
        let qualifiers = [
            ("build", json::text(&read, "build")),
            ("channel", channel),
            ("subdir", json::text(&read, "subdir")),
            ("type", form),
        ];
        let owner = format!("conda:{name}");
        // …/ENVIRONMENT/conda-meta/RECORD.json
        let mut ends = memchr::memrchr_iter(b'/', place.path);
        let environment = ends.nth(1).map_or(&[][..], |end| &place.path[..end]);
        for file in
            read.get("files").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            out.owned(&owner, &[environment, b"/", file.as_bytes()].concat());
        }
        let mut rows = Rows::installed(PackageType::Conda, STRUCTURE, place, out);
        let row = rows.row(name, version, &qualifiers);
        rows.push(Package {
            arch: json::text(&read, "subdir").map(str::to_owned),
            vendor: channel.map(str::to_owned),
            // The record is written when the package is linked into the environment.
            installed_at: Some(input.mtime).filter(|time| *time != Timestamp::default()),
            ..row
        });
        rows.finish();
    }
}

/// A channel's name: of one that is told by its URL, what follows the host, without the platform.
fn channel(text: &str) -> &str {
    let Some((_, path)) = text.split_once("://") else { return text };
    let path = path.split_once('/').map_or(path, |(_, path)| path).trim_end_matches('/');
    match path.rsplit_once('/') {
        Some((channel, platform)) if platform == "noarch" || platform.contains('-') => channel,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{output::recorder::Recorder, view::MemoryView};
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Recorder {
        let mut found = Recorder::default();
        let mut view = MemoryView::from(text.to_vec());
        let mut input = Input::new(b"/opt/conda/conda-meta/x-1.json", "p1", &mut view);
        input.mtime = Timestamp::new(1_700_000_000, 0);
        Conda.extract(&mut input, &Context::default(), &mut found);
        found
    }

    #[test]
    fn a_record_and_its_files() {
        let found = read(
            br#"{"arch": "x86_64", "build": "py36h06a4308_0", "channel": "https://repo.anaconda.com/pkgs/main/linux-64", "name": "absl-py",
            "version": "0.4.1", "subdir": "linux-64", "fn": "absl-py-0.4.1-py36h06a4308_0.tar.bz2",
            "files": ["lib/python3.6/site-packages/absl_py-0.4.1.dist-info/METADATA", 7]}"#,
        );
        assert!(found.findings.gaps.is_empty(), "{:?}", found.findings.gaps);
        let package = &found.findings.packages[0];
        let purl =
            "pkg:conda/absl-py@0.4.1?build=py36h06a4308_0&channel=pkgs%2Fmain&subdir=linux-64&type=tar.bz2";
        assert_eq!((&*package.purl, package.vendor.as_deref()), (purl, Some("pkgs/main")));
        assert_eq!(package.installed_at, Some(Timestamp::new(1_700_000_000, 0)));
        let file = b"/opt/conda/lib/python3.6/site-packages/absl_py-0.4.1.dist-info/METADATA".to_vec();
        assert_eq!(found.owned, [("conda:absl-py".to_owned(), file)]);
    }

    #[test]
    fn channels() {
        for (text, expected) in [
            ("conda-forge", "conda-forge"),
            ("https://conda.anaconda.org/conda-forge/noarch", "conda-forge"),
            ("https://conda.anaconda.org/conda-forge/", "conda-forge"),
            ("file:///srv/mine", "srv/mine"),
        ] {
            assert_eq!(channel(text), expected);
        }
    }

    #[test]
    fn damage_is_told_and_what_is_no_record_is_not() {
        for text in [&b""[..], b"{\"name\": \"a\"", b"[]", b"{\"name\": \"a\", \"build\": \"0\"}"] {
            assert_eq!(read(text).findings.gaps[0].kind, GapKind::Corrupt);
        }
        assert_eq!(read(b"{\"pinned\": []}").findings.gaps.len(), 0);
    }

    proptest! {
        #[test]
        fn any_values_are_read(files in "[\"a-z0-9\\[\\]{}:,/]{1,12}", channel in "[a-z:/-]{0,12}") {
            let text = format!("{{\"name\": \"a\", \"version\": \"1\", \"channel\": \"{channel}\", \"files\": {files}}}");
            read(text.as_bytes());
        }
    }
}
