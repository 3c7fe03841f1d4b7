//! Portage's database of installed packages: a directory /var/db/pkg/CATEGORY/NAME-VERSION of small files each.
//!
//! Sources: Package Manager Specification 8, sections 3.1.2 and 3.2 (names and versions); portage(5),
//! "/var/db/pkg".

use super::{
    purl::purl_of,
    rows::{oversized, too_long},
};
use crate::{
    Context, Extractor, Input, Output,
    lines::{Lines, StreamError, ViewReader},
    view::FileView,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageType, Part, Parts, Timestamp};

/// Bytes of all files but the contents that are read: each is a word or a line.
const SHORT: u64 = 64 << 10;

const STRUCTURE: &str = "portage database";

/// Reads Portage's database.
#[derive(Debug)]
pub struct Portage;

impl Extractor for Portage {
    fn name(&self) -> &'static str {
        "portage"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want {
            siblings: &["SLOT", "repository", "CHOST", "BUILD_TIME", "CONTENTS"],
            ..Want::new("/var/db/pkg/*/*/PF", Reading::Whole { limit: SHORT })
        }];
        WANTS
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let whole_name = match word(input.view) {
            Ok(name) => name.unwrap_or_default(),
            Err(error) => {
                out.gap(place.stream_gap(STRUCTURE, &error));
                return;
            }
        };
        let category = place.path.rsplit(|byte| *byte == b'/').nth(2).map(String::from_utf8_lossy);
        let (Some(category), Some((name, version))) = (category, split(&whole_name)) else {
            let reason = format!("{whole_name:?} is no package's name and version");
            out.gap(place.gap(GapKind::Corrupt, STRUCTURE, reason));
            return;
        };
        let name = format!("{category}/{name}");
        if let Some(reason) = too_long(&name, version) {
            out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
            return;
        }
        let owner = format!("portage:{name}");
        let (mut slot, mut repository, mut arch, mut built) = (None, None, None, None);
        for companion in &mut input.companions {
            let read = match companion.suffix {
                "CONTENTS" => contents(&mut *companion.view, &owner, out),
                suffix => word(&mut *companion.view).map(|word| match suffix {
                    "SLOT" => slot = word,
                    "repository" => repository = word,
                    // The machine that it was built for: `x86_64-pc-linux-gnu`.
                    "CHOST" => arch = word.and_then(|host| Some(host.split_once('-')?.0.to_owned())),
                    _ => built = word.and_then(|time| time.parse().ok()),
                }),
            };
            if let Err(error) = read {
                out.gap(place.stream_gap(companion.suffix, &error));
            }
        }
        let qualifiers = [("repository", repository.as_deref()), ("slot", slot.as_deref())];
        let row = Package {
            purl: purl_of(PackageType::Portage, &name, version, &qualifiers),
            arch,
            vendor: repository.clone(),
            // Packages are built as they are installed.
            installed_at: built.map(|seconds| Timestamp::new(seconds, 0)),
            root: place.root.to_owned(),
            ..Package::new(PackageType::Portage, name.as_str(), version, place.origin())
        };
        match oversized(&row) {
            Some(reason) => out.gap(place.gap(GapKind::Limit, STRUCTURE, reason)),
            None => out.package(row),
        }
    }
}

/// The first line of a short file.
fn word(view: &mut dyn FileView) -> Result<Option<String>, StreamError> {
    let bytes = view.read_all(SHORT).map_err(StreamError::View)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(Some(String::from_utf8_lossy(line).trim().to_owned()).filter(|text| !text.is_empty()))
}

/// `obj path digest time`, `sym path -> target time`, `dir path`: paths may hold spaces.
fn contents(view: &mut dyn FileView, owner: &str, out: &mut dyn Output) -> Result<(), StreamError> {
    let mut lines = Lines::new(ViewReader::whole(view), 0);
    let mut cut = 0_u64;
    while let Some(line) = lines.next_line()? {
        if line.cut {
            cut += 1;
            continue;
        }
        let rest = |kind: &[u8]| line.bytes.strip_prefix(kind);
        let last_space = |text: &mut &[u8]| {
            if let Some(space) = memchr::memrchr(b' ', text) {
                *text = &text[..space];
            }
        };
        let path = if let Some(mut path) = rest(b"obj ") {
            last_space(&mut path);
            last_space(&mut path);
            path
        } else if let Some(path) = rest(b"sym ") {
            memchr::memmem::find(path, b" -> ").map_or(path, |arrow| &path[..arrow])
        } else if let Some(path) = rest(b"dir ") {
            path
        } else {
            continue;
        };
        out.owned(owner, path);
    }
    match cut {
        0 => Ok(()),
        _ => Err(StreamError::Limit(format!("{cut} lines are too long to be read"))),
    }
}

/// Name and version with its revision: the version begins after the last dash before a digit that is followed by
/// nothing but a version.
fn split(whole: &str) -> Option<(&str, &str)> {
    whole
        .match_indices('-')
        .map(|(dash, _)| (&whole[..dash], &whole[dash + 1..]))
        .find(|(name, version)| !name.is_empty() && is_version(version))
}

/// Numbers with dots, a letter, suffixes, a revision.
fn is_version(text: &str) -> bool {
    let (text, revision) = text.split_once("-r").map_or((text, "0"), |(text, revision)| (text, revision));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = text.split('_');
    let numbers = parts.next().unwrap_or_default();
    let numbers = numbers.strip_suffix(|last: char| last.is_ascii_lowercase()).unwrap_or(numbers);
    digits(revision)
        && numbers.split('.').all(digits)
        && parts.all(|suffix| {
            ["alpha", "beta", "pre", "rc", "p"].iter().any(|word| {
                suffix.strip_prefix(word).is_some_and(|number| number.is_empty() || digits(number))
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Companion, output::recorder::Recorder, view::MemoryView};
    use proptest::prelude::*;

    fn read(name: &[u8], beside: &[(&'static str, &[u8])]) -> Recorder {
        let mut found = Recorder::default();
        let mut view = MemoryView::from(name.to_vec());
        let mut views: Vec<_> =
            beside.iter().map(|(suffix, bytes)| (*suffix, MemoryView::from(bytes.to_vec()))).collect();
        let mut input = Input::new(b"/var/db/pkg/app-shells/bash-5.2_p15-r6/PF", "p1", &mut view);
        for (suffix, view) in &mut views {
            input.companions.push(Companion { suffix, view });
        }
        Portage.extract(&mut input, &Context::default(), &mut found);
        found
    }

    #[test]
    fn a_package_with_its_contents() {
        let found = read(
            b"bash-5.2_p15-r6\n",
            &[
                ("SLOT", b"0/8.2\n"),
                ("repository", b"gentoo\n"),
                ("CHOST", b"x86_64-pc-linux-gnu\n"),
                ("BUILD_TIME", b"1690000000\n"),
                (
                    "CONTENTS",
                    b"dir /bin\nobj /bin/a b 0123 1690000000\nsym /bin/sh -> bash 1690000000\nfif /x\n",
                ),
            ],
        );
        let package = &found.findings.packages[0];
        assert_eq!((package.name.as_str(), package.version.as_str()), ("app-shells/bash", "5.2_p15-r6"));
        assert_eq!(package.purl, "pkg:ebuild/app-shells/bash@5.2_p15-r6?repository=gentoo&slot=0%2F8.2");
        assert_eq!(package.installed_at, Some(Timestamp::new(1_690_000_000, 0)));
        assert_eq!(package.arch.as_deref(), Some("x86_64"));
        let owned: Vec<_> = found.owned.iter().map(|(_, path)| path.as_slice()).collect();
        assert_eq!(owned, [&b"/bin"[..], b"/bin/a b", b"/bin/sh"]);
    }

    #[test]
    fn lines_without_end_are_told_and_the_others_read() {
        let text = [b"obj /".to_vec(), vec![b'a'; 4 << 20], b" 0 1\nobj /b 0 1\n".to_vec()].concat();
        let (mut view, mut found) = (MemoryView::from(text), Recorder::default());
        let told = contents(&mut view, "ebuild:x/y", &mut found);
        assert!(matches!(told, Err(StreamError::Limit(_))), "{told:?}");
        assert_eq!(found.owned, [("ebuild:x/y".to_owned(), b"/b".to_vec())]);
    }

    #[test]
    fn names_and_versions() {
        for (whole, expected) in [
            ("gtk+-2.24.33-r3", Some(("gtk+", "2.24.33-r3"))),
            ("font-misc-misc-1.1.3", Some(("font-misc-misc", "1.1.3"))),
            ("libfoo-3-bar-2a_rc1_p2", Some(("libfoo-3-bar", "2a_rc1_p2"))),
            ("iputils-20221126-r1", Some(("iputils", "20221126-r1"))),
            ("x-9999", Some(("x", "9999"))),
            ("none", None),
            ("-1", None),
            ("x-1-r", None),
        ] {
            assert_eq!(split(whole), expected, "{whole}");
        }
        let (endless, long) = (format!("{}-1", "n".repeat(5000)), "s".repeat(5000));
        for found in [
            read(endless.as_bytes(), &[]),
            read(b"bash-1", &[("SLOT", long.as_bytes()), ("CHOST", format!("{long}-").as_bytes())]),
        ] {
            let found = found.findings;
            assert_eq!((found.packages.len(), found.gaps[0].kind, found.gaps.len()), (0, GapKind::Limit, 1));
        }
        let found = read(b"", &[]).findings;
        assert_eq!((found.packages.len(), found.gaps.len()), (0, 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(name in "[a-z0-9_.-]{0,12}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            read(name.as_bytes(), &[("CONTENTS", &bytes), ("SLOT", &bytes), ("BUILD_TIME", &bytes)]);
            read(&bytes, &[]);
        }
    }
}
