//! What NuGet keeps: packages that were fetched for a user, and lock files.

use super::{Package, Rows, json, vendor};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, PackageType, Part, Parts};
use quick_xml::{Reader, events::Event};
use serde_json::Value;

/// The largest files that are read; specifications have some kilobytes, lock files some hundred.
const LIMIT: u64 = 4 << 20;

const STRUCTURE: &str = "nuspec";

/// Reads the specifications of packages that NuGet fetched.
#[derive(Debug)]
pub struct Nuget;

impl Extractor for Nuget {
    fn name(&self) -> &'static str {
        "nuget"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const fn want(pattern: &'static str) -> Want {
            Want::windows(pattern, Reading::Whole { limit: LIMIT })
        }
        const WANTS: &[Want] = &[
            want("/**/.nuget/packages/*/*/*.nuspec"),
            // What the SDK and Visual Studio bring.
            want("/**/NuGetFallbackFolder/*/*/*.nuspec"),
            want("/**/NuGetPackages/*/*/*.nuspec"),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let bytes = match input.view.read_all(LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => return out.gap(place.view_gap(STRUCTURE, &error)),
        };
        let spec = match Spec::read(&text(&bytes)) {
            Ok(spec) => spec,
            Err(reason) => return out.gap(place.gap(GapKind::Corrupt, STRUCTURE, reason)),
        };
        let mut rows = Rows::installed(PackageType::Nuget, STRUCTURE, place, out);
        let row = rows.row(&spec.id, &spec.version, &[]);
        rows.push(Package { vendor: vendor(&spec.authors), ..row });
        rows.finish();
    }
}

/// The text of an XML file, which has a byte order mark if it is not in UTF-8.
fn text(bytes: &[u8]) -> String {
    let wide = |order: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks_exact(2).map(|pair| order([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// A package's specification.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) id: String,
    pub(super) version: String,
    pub(super) authors: String,
}

impl Spec {
    /// Reads what `package/metadata` has; what follows it names dependencies and files.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut reader = Reader::from_str(text);
        let (mut found, mut depth, mut field) = (Self::default(), 0_usize, Field::Other);
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(start) => {
                    depth += 1;
                    field = match (depth, start.local_name().as_ref()) {
                        (3, b"id") => Field::Id,
                        (3, b"version") => Field::Version,
                        (3, b"authors") => Field::Authors,
                        _ => Field::Other,
                    };
                }
                Event::End(end) if depth == 2 && end.local_name().as_ref() == b"metadata" => break,
                Event::End(_) => {
                    depth = depth.saturating_sub(1);
                    field = Field::Other;
                }
                Event::Text(text) => found.add(field, &text.decode().map_err(|error| error.to_string())?),
                // A character that is written by its name; those of a name or version need none.
                Event::GeneralRef(name) if &*name == b"amp" => found.add(field, "&"),
                Event::Eof => break,
                _ => {}
            }
        }
        for text in [&mut found.id, &mut found.version] {
            *text = text.trim().to_owned();
        }
        if found.id.is_empty() || found.version.is_empty() {
            Err("it has no id or no version".to_owned())
        } else {
            Ok(found)
        }
    }

    fn add(&mut self, field: Field, text: &str) {
        match field {
            Field::Id => self.id.push_str(text),
            Field::Version => self.version.push_str(text),
            Field::Authors => self.authors.push_str(text),
            Field::Other => {}
        }
    }
}

#[derive(Clone, Copy)]
enum Field {
    Id,
    Version,
    Authors,
    Other,
}

/// Reads packages.lock.json.
#[derive(Debug)]
pub struct NugetLocks;

impl Extractor for NugetLocks {
    fn name(&self) -> &'static str {
        "nuget-lock"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want::windows("/**/packages.lock.json", Reading::Whole { limit: LIMIT })];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let bytes = match input.view.read_all(LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => return out.gap(place.view_gap("lock file", &error)),
        };
        let mut rows = Rows::declared(PackageType::Nuget, "lock file", place, out);
        match json::pick(&bytes, &["dependencies"]) {
            Ok(read) => locked(read.get("dependencies"), &mut rows),
            Err(error) => rows.gap(error.gap_kind(), error),
        }
        rows.finish();
    }
}

/// Packages by the framework that they are for, each with the version that was chosen.
fn locked(frameworks: Option<&Value>, rows: &mut Rows<'_, '_>) {
    for packages in
        frameworks.and_then(Value::as_object).into_iter().flat_map(|frameworks| frameworks.values())
    {
        for (name, says) in packages.as_object().into_iter().flatten() {
            // Projects of the same program have no version.
            if let Some(version) = says.as_object().and_then(|says| json::text(says, "resolved")) {
                rows.plain(name, version);
            }
        }
    }
}
