//! Python's packages: `*.dist-info/METADATA` of wheels, `*.egg-info` of what came before them.
//!
//! Sources: Python Packaging User Guide, "Recording installed projects" (INSTALLER, direct_url.json), "Core metadata
//! specifications", "Binary distribution format" (WHEEL), "Direct URL data structure"; setuptools, "The Internal
//! Structure of Python Eggs"; pip, `req_uninstall.py` (as documentation) for names that begin with `~`.
//!
//! Each file is small and there are many, so that reading one is cheaper than asking whether it was read before:
//! results are not kept.

mod headers;

use super::{
    json::{self, JsonError},
    rows::{Rows, vendor, without_user},
};
use crate::{
    Context, Extractor, Input, Output,
    view::{FileView, ViewError},
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageState, PackageType, Part, Parts, Timestamp};
use headers::Headers;
use serde_json::Value;

/// The largest of the files beside the metadata that is read; each has a few lines.
const BESIDE: u64 = 64 << 10;

const STRUCTURE: &str = "Python metadata";

/// Directories whose packages Python finds by itself.
const SITES: [&[u8]; 4] = [b"site-packages", b"dist-packages", b"pyshared", b"python-support"];

/// Reads what describes one package each.
#[derive(Debug)]
pub struct Python;

impl Extractor for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Libraries)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want {
                siblings: &["INSTALLER", "WHEEL", "direct_url.json"],
                ..Want::new("/**/*.dist-info/METADATA", Reading::Stream)
            },
            Want {
                siblings: &["installed-files.txt"],
                ..Want::new("/**/*.egg-info/PKG-INFO", Reading::Stream)
            },
            Want::new("/**/EGG-INFO/PKG-INFO", Reading::Stream),
            Want::new("/**/*.egg-info", Reading::Stream),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let headers = match headers::read(input.view) {
            Ok(headers) => headers,
            Err(error) => return out.gap(place.stream_gap(STRUCTURE, &error)),
        };
        let Headers { name: Some(name), version: Some(version), author } = headers else {
            let reason = "it has no Name and Version";
            return out.gap(place.gap(GapKind::Corrupt, STRUCTURE, reason));
        };
        let mut beside = Beside::default();
        for companion in &mut input.companions {
            if let Err(error) = beside.read(companion.suffix, &mut *companion.view) {
                out.gap(place.view_gap(companion.suffix, &error));
            }
        }
        let mut rows = Rows::installed(PackageType::Pypi, STRUCTURE, place, out);
        let qualifiers =
            [("vcs_url", beside.repository.as_deref()), ("download_url", beside.archive.as_deref())];
        let row = rows.row(&name, &version, &qualifiers);
        rows.push(Package {
            arch: beside.arch,
            vendor: author.as_deref().and_then(vendor),
            state: state(place.path, beside.has_list),
            // pip gives the files that it unpacks the time of that moment; other tools may keep older ones.
            installed_at: Some(input.mtime)
                .filter(|time| beside.installer.as_deref() == Some("pip") && *time != Timestamp::default()),
            ..row
        });
        rows.finish();
    }
}

/// What the path says of how far a package is installed.
fn state(path: &[u8], has_list: bool) -> PackageState {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let name = match parts.as_slice() {
        [.., directory, b"METADATA" | b"PKG-INFO"] => directory,
        [.., name] => name,
        [] => path,
    };
    if name.starts_with(b"~") {
        // pip renames a package before it removes it; this is left where that did not end.
        return PackageState::HalfInstalled;
    }
    // Source trees have an egg-info of their own as soon as setuptools has looked at them.
    let is_egg_info = name.ends_with(b".egg-info");
    let is_placed = parts.iter().any(|part| SITES.contains(part) || part.ends_with(b".egg"));
    if is_egg_info && !is_placed && !has_list { PackageState::Declared } else { PackageState::Installed }
}

/// What the files beside the metadata say.
#[derive(Default)]
struct Beside {
    installer: Option<String>,
    arch: Option<String>,
    repository: Option<String>,
    archive: Option<String>,
    has_list: bool,
}

impl Beside {
    fn read(&mut self, name: &str, view: &mut dyn FileView) -> Result<(), ViewError> {
        if name == "installed-files.txt" {
            self.has_list = true;
            return Ok(());
        }
        let bytes = view.read_all(BESIDE)?;
        let text = String::from_utf8_lossy(&bytes);
        match name {
            "INSTALLER" => self.installer = text.lines().next().map(|line| line.trim().to_owned()),
            "WHEEL" => self.arch = text.lines().find_map(|line| arch(line.strip_prefix("Tag:")?.trim())),
            _ => self.origin(&bytes)?,
        }
        Ok(())
    }

    /// Where a package came from that is of no index.
    fn origin(&mut self, bytes: &[u8]) -> Result<(), ViewError> {
        let read = json::pick(bytes, &["url", "vcs_info", "archive_info"]);
        let read = read.map_err(|error| match error {
            JsonError::Wrong(error) => ViewError::Corrupt(error.to_string()),
            JsonError::TooMuch => ViewError::Unsupported(error.to_string()),
        })?;
        let url = json::text(&read, "url").map(without_user).unwrap_or_default();
        let vcs = read.get("vcs_info").and_then(Value::as_object);
        if let Some((vcs, commit)) =
            vcs.and_then(|vcs| Some((json::text(vcs, "vcs")?, json::text(vcs, "commit_id")?)))
        {
            self.repository = Some(format!("{vcs}+{url}@{commit}"));
        } else if read.contains_key("archive_info") && !url.starts_with("file:") {
            self.archive = Some(url);
        }
        Ok(())
    }
}

/// The machine of a wheel's tag, e.g. `cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64`: what follows the
/// name of the platform. None for those that run anywhere.
fn arch(tag: &str) -> Option<String> {
    let platform = tag.splitn(3, '-').nth(2)?.split('.').next()?;
    let machine = match platform.split_once('_') {
        Some(("macosx" | "manylinux" | "musllinux", rest)) => rest.splitn(3, '_').nth(2)?,
        Some((_, machine)) => machine,
        None => platform.strip_prefix("win").filter(|bits| *bits == "32").map(|_| "x86")?,
    };
    (!machine.is_empty()).then(|| machine.to_owned())
}

#[cfg(test)]
mod tests;
