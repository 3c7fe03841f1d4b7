//! Flatpak's applications and runtimes: …/flatpak/app/ID/ARCH/BRANCH/active, for the system and for each user.
//!
//! Sources: flatpak-metadata(5); Flatpak's `common/flatpak-dir.c`, deploy data (as documentation): a GVariant of type
//! `(ssasta{sv})`, which begins with the remote's name.

use super::{
    purl::purl_of,
    rows::{oversized, too_long},
};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageType, Part, Parts};

/// The largest files that are read; real ones have some kilobytes.
const LIMIT: u64 = 4 << 20;

const STRUCTURE: &str = "flatpak metadata";

/// Reads what Flatpak deployed.
#[derive(Debug)]
pub struct Flatpak;

impl Extractor for Flatpak {
    fn name(&self) -> &'static str {
        "flatpak"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const fn want(pattern: &'static str) -> Want {
            Want { siblings: &["deploy"], ..Want::new(pattern, Reading::Whole { limit: LIMIT }) }
        }
        const WANTS: &[Want] = &[
            want("/var/lib/flatpak/app/*/*/*/active/metadata"),
            want("/var/lib/flatpak/runtime/*/*/*/active/metadata"),
            want("/home/*/.local/share/flatpak/app/*/*/*/active/metadata"),
            want("/home/*/.local/share/flatpak/runtime/*/*/*/active/metadata"),
            want("/root/.local/share/flatpak/app/*/*/*/active/metadata"),
            want("/root/.local/share/flatpak/runtime/*/*/*/active/metadata"),
        ];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let metadata = match input.view.read_all(LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => {
                out.gap(place.view_gap(STRUCTURE, &error));
                return;
            }
        };
        let Some(id) = name(&String::from_utf8_lossy(&metadata)) else {
            let reason = "no name of an application, a runtime or an extension";
            out.gap(place.gap(GapKind::Corrupt, STRUCTURE, reason));
            return;
        };
        // …/ID/ARCH/BRANCH/active/metadata; the path may also have been resolved to the commit's directory.
        let mut parts = place.path.rsplit(|byte| *byte == b'/').skip(2).map(String::from_utf8_lossy);
        let (branch, arch) = (parts.next().unwrap_or_default(), parts.next());
        let mut deploy = Vec::new();
        for companion in &mut input.companions {
            match companion.view.read_all(LIMIT) {
                Ok(bytes) => deploy = bytes,
                Err(error) => out.gap(place.view_gap("flatpak deploy data", &error)),
            }
        }
        let version = value(&deploy, b"appdata-version").unwrap_or_else(|| branch.clone().into_owned());
        if let Some(reason) = too_long(&id, &version) {
            out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
            return;
        }
        let remote = text(&deploy).filter(|remote| !remote.is_empty());
        let arch = arch.map(std::borrow::Cow::into_owned);
        let qualifiers =
            [("arch", arch.as_deref()), ("branch", Some(&*branch)), ("remote", remote.as_deref())];
        let row = Package {
            purl: purl_of(PackageType::Flatpak, &id, &version, &qualifiers),
            arch: arch.clone(),
            vendor: remote.clone(),
            root: place.root.to_owned(),
            ..Package::new(PackageType::Flatpak, id.as_str(), version.as_str(), place.origin())
        };
        match oversized(&row) {
            Some(reason) => out.gap(place.gap(GapKind::Limit, STRUCTURE, reason)),
            None => out.package(row),
        }
    }
}

/// `name=` of the first group that is one of a thing deployed.
fn name(metadata: &str) -> Option<String> {
    let mut group = "";
    metadata.lines().map(str::trim).find_map(|line| {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            group = name;
        }
        let (key, value) = line.split_once('=')?;
        let is = matches!(group, "Application" | "Runtime" | "ExtensionOf") && key.trim() == "name";
        is.then(|| value.trim().to_owned()).filter(|name| !name.is_empty())
    })
}

/// A GVariant's text, which ends at its NUL.
fn text(bytes: &[u8]) -> Option<String> {
    let end = memchr::memchr(0, bytes).filter(|end| *end <= 1024)?;
    std::str::from_utf8(&bytes[..end]).ok().map(str::to_owned)
}

/// The text that a key of the dictionary has: key, NUL, zeros up to a multiple of eight, the text, NUL, and its type
/// `s` after another NUL.
fn value(deploy: &[u8], key: &[u8]) -> Option<String> {
    let key = [key, b"\0"].concat();
    let mut finds = memchr::memmem::find_iter(deploy, &key);
    finds.find_map(|at| {
        let rest = &deploy[at + key.len()..];
        let start = rest.iter().take(8).position(|byte| *byte != 0)?;
        let rest = &rest[start..];
        let text = text(rest)?;
        (rest.get(text.len()..text.len() + 3) == Some(b"\0\0s")).then_some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Companion, view::MemoryView};
    use coldread_model::Findings;
    use proptest::prelude::*;

    fn read(metadata: &[u8], deploy: Option<&[u8]>) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(metadata.to_vec());
        let mut beside = MemoryView::from(deploy.unwrap_or_default().to_vec());
        let path = b"/var/lib/flatpak/app/org.gnome.Maps/x86_64/stable/active/metadata";
        let mut input = Input::new(path, "p1", &mut view);
        if deploy.is_some() {
            input.companions.push(Companion { suffix: "deploy", view: &mut beside });
        }
        Flatpak.extract(&mut input, &Context::default(), &mut found);
        found
    }

    #[test]
    fn an_application_with_and_without_deploy_data() {
        let metadata = b"[Application]\nname=org.gnome.Maps\nruntime=org.gnome.Platform/x86_64/45\n";
        let deploy =
            b"flathub\0abc\0\0\0\0\0appdata-name\0\0\0\0Maps\0\0s\0appdata-version\0\0\0\x0045.2\0\0s\0more";
        let found = read(metadata, Some(deploy));
        let package = &found.packages[0];
        assert_eq!((package.name.as_str(), package.version.as_str()), ("org.gnome.Maps", "45.2"));
        assert_eq!(package.purl, "pkg:generic/org.gnome.Maps@45.2?arch=x86_64&branch=stable&remote=flathub");
        assert_eq!((package.vendor.as_deref(), package.arch.as_deref()), (Some("flathub"), Some("x86_64")));
        let found = read(metadata, None);
        assert_eq!(found.packages[0].version, "stable");
        assert_eq!(read(b"[Other]\nname=x\n", None).gaps.len(), 1);
        let endless = read(format!("[Runtime]\nname={}\n", "n".repeat(1 << 20)).as_bytes(), None);
        assert_eq!((endless.packages.len(), endless.gaps[0].kind), (0, GapKind::Limit));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let deploy = [&b"appdata-version\0"[..], &bytes].concat();
            read(b"[Runtime]\nname=x\n", Some(&deploy));
            read(&bytes, Some(&bytes));
        }
    }
}
