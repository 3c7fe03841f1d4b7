//! Alpine's database: /lib/apk/db/installed.
//!
//! Source: "Apk spec" (wiki.alpinelinux.org), "APKINDEX Format" and "Installed Database V2": a letter, a
//! colon and a value on each line, an empty line after each package.

use super::{purl::PurlBuilder, rows::MAX_TEXT};
use crate::{
    Context, Extractor, Input, Output,
    input::PACKAGES_PER_FILE,
    lines::{Line, Lines, ViewReader},
    wants::{Reading, Want},
};
use coldread_model::{GapKind, Package, PackageType};

/// The largest database that is read; one of a thousand packages has some 15 MB.
const LIMIT: u64 = 256 << 20;

const STRUCTURE: &str = "apk installed database";

/// Reads apk's database.
#[derive(Debug)]
pub struct Apk;

impl Extractor for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    fn version(&self) -> u32 {
        3
    }

    fn is_cached(&self) -> bool {
        true
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[
            Want::new("/lib/apk/db/installed", Reading::Whole { limit: LIMIT }),
            Want::new("/usr/lib/apk/db/installed", Reading::Whole { limit: LIMIT }),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let place = input.place();
        let size = input.view.len();
        if size > LIMIT {
            out.gap(place.gap(GapKind::Limit, STRUCTURE, format!("{size} bytes, at most {LIMIT} are read")));
            return;
        }
        let purl = PurlBuilder::of(PackageType::Apk, &context.system);
        let mut gaps = place.gaps(STRUCTURE);
        let mut lines = Lines::new(ViewReader::whole(input.view), 0);
        let mut entry = Entry::default();
        let mut rows = 0;
        loop {
            let line = match lines.next_line() {
                Ok(line) => line,
                Err(error) => {
                    out.gap(place.stream_gap(STRUCTURE, &error));
                    entry = Entry::default();
                    None
                }
            };
            if let Some(line) = line.filter(|line| !line.bytes.is_empty()) {
                entry.line(line, out);
                continue;
            }
            let ended = std::mem::take(&mut entry);
            if let Some(offset) = ended.offset {
                match ended.package() {
                    Ok(_) if rows >= PACKAGES_PER_FILE => {
                        gaps.push(out, GapKind::Limit, format!("entry at byte {offset}: too many packages"));
                    }
                    Ok((name, version, arch, source_name)) => {
                        rows += 1;
                        out.package(Package {
                            purl: purl.build(&name, &version, arch.as_deref(), None),
                            source_version: source_name.is_some().then(|| version.clone()),
                            source_name,
                            arch,
                            root: place.root.to_owned(),
                            ..Package::new(PackageType::Apk, name, version, place.origin())
                        });
                    }
                    Err((kind, reason)) => {
                        gaps.push(out, kind, format!("entry at byte {offset}: {reason}"));
                    }
                }
            }
            if line.is_none() {
                break;
            }
        }
        gaps.finish(out);
    }
}

/// The fields of interest: package, version, architecture, origin (the source package).
const FIELDS: [u8; 4] = *b"PVAo";

type Found = (String, String, Option<String>, Option<String>);

#[derive(Default)]
struct Entry {
    offset: Option<u64>,
    values: [Option<String>; FIELDS.len()],
    /// The directory that files are in.
    directory: Vec<u8>,
    fault: Option<(GapKind, String)>,
}

impl Entry {
    fn line(&mut self, line: Line<'_>, out: &mut dyn Output) {
        self.offset.get_or_insert(line.offset);
        let [letter, b':', value @ ..] = line.bytes else {
            self.blame(GapKind::Corrupt, line, "no field");
            return;
        };
        match (letter, &self.values[0]) {
            (b'F', _) => self.directory = value.trim_ascii().to_vec(),
            (b'R', Some(name)) if !line.cut => {
                let slash: &[u8] = if self.directory.is_empty() { b"" } else { b"/" };
                let path = [b"/", self.directory.as_slice(), slash, value.trim_ascii()].concat();
                out.owned(&format!("apk:{name}"), &path);
            }
            _ => {}
        }
        let Some(field) = FIELDS.iter().position(|field| field == letter) else { return };
        if self.values[field].is_some() {
            self.blame(GapKind::Corrupt, line, "a field for the second time");
        } else if value.len() > MAX_TEXT {
            self.blame(GapKind::Limit, line, "a field of more bytes than are taken over");
        } else {
            self.values[field] = Some(String::from_utf8_lossy(value.trim_ascii()).into_owned());
        }
    }

    fn blame(&mut self, kind: GapKind, line: Line<'_>, fault: &str) {
        self.fault.get_or_insert_with(|| (kind, format!("line at byte {}: {fault}", line.offset)));
    }

    fn package(self) -> Result<Found, (GapKind, String)> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let [name, version, arch, origin] = self.values.map(|value| value.filter(|value| !value.is_empty()));
        let name = name.ok_or_else(|| (GapKind::Corrupt, "no package name".to_owned()))?;
        let version = version.ok_or_else(|| (GapKind::Corrupt, format!("{name}: no version")))?;
        Ok((name, version, arch, origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::Findings;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(text.to_vec());
        Apk.extract(
            &mut Input::new(b"/lib/apk/db/installed", "p1", &mut view),
            &Context::default(),
            &mut found,
        );
        found
    }

    #[test]
    fn packages_and_broken_entries() {
        let found = read(
            b"C:Q1=\nP:musl-utils\nV:1.2.3-r4\nA:x86_64\no:musl\nF:lib\na:0:0:777\nR:x\n\nP:noversion\n\n\n\
              P:bad\nV:1\nnonsense\n\nP:zlib\nV:1.2-r0",
        );
        let shown: Vec<_> =
            found.packages.iter().map(|package| (package.name.as_str(), package.purl.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("musl-utils", "pkg:apk/alpine/musl-utils@1.2.3-r4?arch=x86_64"),
                ("zlib", "pkg:apk/alpine/zlib@1.2-r0")
            ]
        );
        let musl = &found.packages[0];
        assert_eq!(
            (musl.source_name.as_deref(), musl.source_version.as_deref()),
            (Some("musl"), Some("1.2.3-r4"))
        );
        let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.as_str()).collect();
        assert_eq!(
            reasons,
            ["entry at byte 67: noversion: no version", "entry at byte 81: line at byte 91: no field"]
        );
    }

    #[test]
    fn texts_without_end_are_told_and_the_others_read() {
        let mut found = crate::output::recorder::Recorder::default();
        let long = "n".repeat(5000);
        let text = format!(
            "P:{long}\nV:1\nF:\nR:top\n\nP:a\nV:{long}\n\nP:b\nV:1\nA:{}\n\nP:c\nV:1\n",
            "x".repeat(100_000)
        );
        let mut view = MemoryView::from(text.into_bytes());
        let mut input = Input::new(b"/lib/apk/db/installed", "p1", &mut view);
        Apk.extract(&mut input, &Context::default(), &mut found);
        let findings = found.findings;
        assert_eq!(findings.packages.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["c"]);
        assert_eq!(findings.gaps.iter().map(|gap| gap.kind).collect::<Vec<_>>(), [GapKind::Limit; 3]);
        assert_eq!(found.owned, []);
    }

    #[test]
    fn files_of_packages() {
        let mut found = crate::output::recorder::Recorder::default();
        let text = b"P:a\nV:1\nF:\nR:top\nF:usr/bin\nM:0:0:1777\nR:x y\na:0:0:777\nZ:Q1=\nR:z\n\nP:b\nV:1\nF:lib\nR:q\n";
        let mut view = MemoryView::from(text.to_vec());
        let mut input = Input::new(b"/lib/apk/db/installed", "p1", &mut view);
        Apk.extract(&mut input, &Context::default(), &mut found);
        let owned: Vec<_> = found
            .owned
            .iter()
            .map(|(owner, path)| (owner.as_str(), std::str::from_utf8(path).unwrap()))
            .collect();
        assert_eq!(
            owned,
            [("apk:a", "/top"), ("apk:a", "/usr/bin/x y"), ("apk:a", "/usr/bin/z"), ("apk:b", "/lib/q")]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(parts in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::sample::select(vec!["P:x\n", "V:1\n", "\n", "A:\n", "o:y\n"]).prop_map(|text| text.as_bytes().to_vec()),
        ], 0..20)) {
            read(&parts.concat());
        }
    }
}
