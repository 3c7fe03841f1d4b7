//! The list of crates that cargo-auditable puts into what it builds: JSON in the zlib format, in a section `.dep-v0`.
//!
//! Sources: cargo-auditable, PARSING.md and its JSON schema; RFC 1950.

use super::{Image, Package, PackageState, PackageType, Pieces, Rows};
use crate::{Output, input::Place, packages::json};
use coldread_model::GapKind;
use serde_json::{Map, Value};
use std::io::Read;

/// The largest section, and the largest list in it: that of a thousand crates has some 100 KB.
const MAX_SECTION: u64 = 1 << 20;
const MAX_LIST: u64 = 4 << 20;

const STRUCTURE: &str = "list of crates";

/// The crates of one executable.
#[derive(Debug, PartialEq)]
pub(super) struct Crates {
    packages: Vec<Value>,
    machine: Option<&'static str>,
}

/// The crates of an image, if it has the list. An error where bytes are missing is none of the file's.
pub(super) fn read(pieces: &Pieces, image: &Image) -> Result<Option<Crates>, (GapKind, String)> {
    let Some(section) = image.rust else { return Ok(None) };
    if section.len > MAX_SECTION {
        return Err((GapKind::Limit, format!("its section has {} bytes", section.len)));
    }
    let corrupt = |reason: String| (GapKind::Corrupt, reason);
    let packed = pieces.bytes(section).ok_or_else(|| corrupt("it lies outside of the file".to_owned()))?;
    let mut list = Vec::new();
    let unpacked = flate2::bufread::ZlibDecoder::new(packed).take(MAX_LIST + 1).read_to_end(&mut list);
    unpacked.map_err(|error| corrupt(error.to_string()))?;
    if list.len() as u64 > MAX_LIST {
        return Err((GapKind::Limit, format!("it has more than {MAX_LIST} bytes")));
    }
    let mut read = json::pick(&list, &["packages"]).map_err(|error| (error.gap_kind(), error.to_string()))?;
    match read.remove("packages") {
        Some(Value::Array(packages)) => Ok(Some(Crates { packages, machine: image.machine })),
        _ => Err(corrupt("it has no packages".to_owned())),
    }
}

impl Crates {
    pub(super) fn tell(&self, place: &Place<'_>, out: &mut dyn Output) {
        let mut rows = Rows::installed(PackageType::Cargo, STRUCTURE, *place, out);
        for package in &self.packages {
            let fields = package.as_object();
            let text = |key: &str| fields.and_then(|fields: &Map<String, Value>| json::text(fields, key));
            let (Some(name), Some(version)) = (text("name"), text("version")) else {
                rows.gap(GapKind::Corrupt, "a crate without name or version");
                continue;
            };
            let row = rows.row(name, version, &[]);
            // Crates that only helped to build it are not in it.
            let state = if text("kind") == Some("build") { PackageState::Declared } else { row.state };
            rows.push(Package { arch: self.machine.map(str::to_owned), state, ..row });
        }
        rows.finish();
    }
}
