//! Go's build information: with which Go an executable was built, and of which modules.
//!
//! Sources: Go, package `debug/buildinfo`, `buildinfo.go`; package `runtime/debug`, `BuildInfo.String` and
//! `ParseBuildInfo` (as documentation). Until Go 1.17 the information has pointers to two strings, since 1.18 the
//! strings themselves.

use super::{Image, Pieces, Rows};
use crate::{Output, executable::GoPlace, input::Place};
use coldread_model::{ByteRange, Package, PackageType, varint};

/// What it begins with, and the alignment of that.
const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
const ALIGN: u64 = 16;
/// Bytes before the strings, or with the pointers.
const HEADER: usize = 32;
/// Flags.
const BIG_ENDIAN: u8 = 1;
const INLINE: u8 = 2;
/// The longest text that is read: of programs with a thousand modules it has some 100 KB.
const MAX_TEXT: u64 = 1 << 20;
/// Bytes of marks at the start and at the end of the modules' text.
const MARK: usize = 16;

/// The longest name of a processor: each module's row has it.
const MAX_ARCH: usize = 32;

const STRUCTURE: &str = "Go build information";

/// What an executable says of its making.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BuildInfo {
    version: String,
    modules: String,
    machine: Option<&'static str>,
}

/// The information of an image, if it is one of Go's. An error where bytes are missing is none of the file's.
pub(super) fn read(pieces: &Pieces, image: &Image) -> Result<Option<BuildInfo>, &'static str> {
    let (range, is_certain) = match image.go {
        GoPlace::None => return Ok(None),
        GoPlace::Section(range) => (ByteRange::new(range.start, range.len.min(MAX_TEXT)), true),
        GoPlace::Search(range) => (range, false),
    };
    let data = pieces.bytes(range).ok_or("it lies outside of the file")?;
    let mut fault = "it does not begin as it must";
    for at in memchr::memmem::find_iter(data, MAGIC) {
        // Programs that look for it hold its first bytes too.
        if !range.start.saturating_add(at as u64).is_multiple_of(ALIGN) {
            continue;
        }
        match decode(pieces, image, &data[at..]) {
            Ok((version, modules)) => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let (version, modules) = (text(version), text(inner(modules)));
                return Ok(Some(BuildInfo { version, modules, machine: image.machine }));
            }
            Err(reason) => fault = reason,
        }
    }
    if is_certain { Err(fault) } else { Ok(None) }
}

/// The version and the modules, with the marks around them. Nothing is copied: of data that is searched, each part may
/// look like a beginning.
fn decode<'p>(
    pieces: &'p Pieces,
    image: &Image,
    data: &'p [u8],
) -> Result<(&'p [u8], &'p [u8]), &'static str> {
    let header = data.get(..HEADER).ok_or("it is cut short")?;
    let (pointer_bytes, flags) = (header[14], header[15]);
    let (version, modules) = if flags & INLINE != 0 {
        let (version, rest) = inline(&data[HEADER..])?;
        (version, inline(rest)?.0)
    } else {
        let words = Words { is_big_endian: flags & BIG_ENDIAN != 0, bytes: usize::from(pointer_bytes) };
        if !matches!(pointer_bytes, 4 | 8) {
            return Err("its pointers are of no size that there is");
        }
        let text = |index: usize| {
            let address = words.at(&header[MARK..], index).ok_or("it is cut short")?;
            words.text(pieces, image, address)
        };
        // Both are looked for before either is found missing: that saves a round.
        let (version, modules) = (text(0), text(1));
        (version?, modules?)
    };
    if version.is_empty() { Err("it names no version") } else { Ok((version, modules)) }
}

/// A text after its length, which is a varint of Go (LEB128).
fn inline(data: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let mut rest = data;
    let len = varint::take(&mut rest).ok_or("a text's length in it has no end")?;
    let len = usize::try_from(len).ok().filter(|len| *len <= rest.len());
    len.map(|len| rest.split_at(len)).ok_or("a text in it is longer than its section")
}

/// How numbers of the machine lie in memory.
struct Words {
    is_big_endian: bool,
    bytes: usize,
}

impl Words {
    fn at(&self, data: &[u8], index: usize) -> Option<u64> {
        let word = data.get(index * self.bytes..(index + 1) * self.bytes)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.is_big_endian { word.iter().fold(0, add) } else { word.iter().rev().fold(0, add) })
    }

    /// The text that a string in memory has: its address and its length.
    fn text<'p>(&self, pieces: &'p Pieces, image: &Image, address: u64) -> Result<&'p [u8], &'static str> {
        if address == 0 {
            return Ok(&[]);
        }
        let get = |address: u64, len: u64| {
            let place = image.place(address).filter(|place| len <= place.len)?;
            pieces.bytes(ByteRange::new(place.start, len))
        };
        let outside = "it points outside of the file";
        let string = get(address, 2 * self.bytes as u64).ok_or(outside)?;
        let (start, len) = (self.at(string, 0).ok_or(outside)?, self.at(string, 1).ok_or(outside)?);
        if len > MAX_TEXT {
            return Err("a text in it has more than a megabyte");
        }
        if len == 0 { Ok(&[]) } else { get(start, len).ok_or(outside) }
    }
}

/// The modules without their marks; nothing where these are not, as for programs built without modules.
fn inner(modules: &[u8]) -> &[u8] {
    let is_marked = modules.len() > 2 * MARK && modules[modules.len() - MARK - 1] == b'\n';
    if is_marked { &modules[MARK..modules.len() - MARK] } else { &[] }
}

impl BuildInfo {
    /// Tells Go's own library and the modules.
    pub(super) fn tell(&self, place: &Place<'_>, out: &mut dyn Output) {
        let mut rows = Rows::installed(PackageType::Golang, STRUCTURE, *place, out);
        let arch = self.modules.lines().find_map(|line| line.strip_prefix("build\tGOARCH="));
        let arch = arch.filter(|arch| arch.len() <= MAX_ARCH).or(self.machine).map(str::to_owned);
        let mut push = |name: &str, version: &str| {
            let row = rows.row(name, version, &[]);
            rows.push(Package { arch: arch.clone(), ..row });
        };
        push("stdlib", library_version(&self.version));
        for (name, version) in modules(&self.modules) {
            push(name, version);
        }
        rows.finish();
    }
}

/// `go1.21.3`, with what a vendor adds behind a space, or `devel go1.22-0123abc date`, as the library's version.
fn library_version(text: &str) -> &str {
    let mut words = text.split_ascii_whitespace();
    let version = words.find(|word| word.starts_with("go1")).unwrap_or(text);
    version.strip_prefix("go").unwrap_or(version)
}

/// The modules by path and version: the main one (`mod`), those that it depends on (`dep`), each replaced by what
/// follows it (`=>`). One that is replaced by a directory is told by its own name.
fn modules(text: &str) -> Vec<(&str, &str)> {
    let mut modules: Vec<(&str, &str)> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (word, path) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        // What was not built from a release.
        let version = fields.next().filter(|version| *version != "(devel)").unwrap_or_default();
        match (word, modules.last_mut()) {
            ("mod" | "dep", _) if !path.is_empty() => modules.push((path, version)),
            ("=>", Some(last)) if !path.starts_with(['.', '/']) && !version.is_empty() => {
                *last = (path, version);
            }
            _ => {}
        }
    }
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_library() {
        for (text, expected) in [
            ("go1.21.3", "1.21.3"),
            ("go1.19.8 (Red Hat 1.19.8-1.el8)", "1.19.8"),
            ("go1.22.0 X:nocoverageredesign", "1.22.0"),
            ("devel go1.22-abc Thu", "1.22-abc"),
            ("devel +abc", "devel +abc"),
        ] {
            assert_eq!(library_version(text), expected);
        }
    }

    #[test]
    fn modules_and_what_replaces_them() {
        let text = "path\tx/cmd\nmod\tx\t(devel)\t\ndep\ta\tv1.0.0\th1:x\ndep\tb\tv1.0.0\n=>\tc\tv2.0.0\th1:y\n\
            dep\td\tv1.0.0\n=>\t../d\t(devel)\t\nbuild\tGOARCH=arm64\n";
        assert_eq!(modules(text), [("x", ""), ("a", "v1.0.0"), ("c", "v2.0.0"), ("d", "v1.0.0")]);
        assert_eq!(modules("=>\ta\tv1\ndep\n"), []);
    }

    #[test]
    fn a_long_processor_is_not_repeated_with_each_module() {
        let arch = "a".repeat(MAX_ARCH + 1);
        let modules = format!("dep\ta\tv1\nbuild\tGOARCH={arch}\n");
        let info = BuildInfo { version: "go1.21".to_owned(), modules, machine: Some("x86_64") };
        let mut found = coldread_model::Findings::default();
        info.tell(&Place { path: b"/x", root: "/", volume: "p1", sha256: None }, &mut found);
        let arches: Vec<_> = found.packages.iter().map(|package| package.arch.as_deref()).collect();
        assert_eq!(arches, [Some("x86_64"); 2]);
    }

    #[test]
    fn lengths_of_texts() {
        assert_eq!(inline(b"\x02abc"), Ok((&b"ab"[..], &b"c"[..])));
        assert_eq!(inline(&[b"\x80\x01".to_vec(), vec![7; 128]].concat()).unwrap().0.len(), 128);
        for wrong in [
            &b""[..],
            b"\x02a",
            b"\x80",
            &[0xff; 12],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert!(inline(wrong).is_err(), "{wrong:x?}");
        }
    }
}
