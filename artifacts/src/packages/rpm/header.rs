//! RPM header blobs: what the database holds for each package.
//!
//! Source: "RPM V4 Package format" (rpm.org, `docs/manual/format_header.md`) and `rpmtag.h` for tag numbers. A
//! blob is a count of index entries, the length of the data, the entries, the data; all numbers big-endian.

use super::fault::Fault;
use std::collections::BTreeMap;

/// Index entries and data bytes that a header may have at most (rpm's own bounds).
const MAX_ENTRIES: usize = 0xffff;
const MAX_DATA: usize = 256 << 20;

/// Texts of one array, and bytes of a path, that are taken over: packages of many files have some hundred thousand, and
/// longer paths cannot be opened.
const MAX_TEXTS: usize = 1 << 20;
const MAX_PATH: usize = 4096;

const ENTRY: usize = 16;

const REGION_IMAGE: u32 = 61;
const REGION_SIGNATURES: u32 = 62;
const REGION_IMMUTABLE: u32 = 63;
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const INSTALLTIME: u32 = 1008;
const VENDOR: u32 = 1011;
const ARCH: u32 = 1022;
const OLDFILENAMES: u32 = 1027;
const FILESTATES: u32 = 1029;
const SOURCERPM: u32 = 1044;
const DIRINDEXES: u32 = 1116;
const BASENAMES: u32 = 1117;
const DIRNAMES: u32 = 1118;
const MODULARITYLABEL: u32 = 5096;

const CHAR: u32 = 1;
const INT32: u32 = 4;
const STRING: u32 = 6;
const BIN: u32 = 7;
const STRING_ARRAY: u32 = 8;
const I18NSTRING: u32 = 9;

/// A file that is there, as opposed to replaced, left out or of another architecture (`rpmfileState`).
const STATE_NORMAL: u8 = 0;

/// The fields of a header that tell of a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub name: String,
    pub epoch: Option<u32>,
    pub version: String,
    pub release: String,
    pub arch: Option<String>,
    pub source_rpm: Option<String>,
    pub vendor: Option<String>,
    /// The module stream: `name:stream:version:context`.
    pub module: Option<String>,
    /// Seconds since 1970.
    pub installed_at: Option<u32>,
    /// What is wrong with it and costs only a part.
    pub faults: Vec<Fault>,
    files: Files<'a>,
}

/// The lists that make its files' paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Files<'a> {
    base_names: Vec<&'a [u8]>,
    directories: Vec<&'a [u8]>,
    /// For each file its directory: big-endian numbers.
    indexes: &'a [u8],
    states: &'a [u8],
    /// Whole paths, of packages made before rpm 4.
    paths: Vec<&'a [u8]>,
}

/// One entry of the index with the data.
#[derive(Clone, Copy)]
struct Entry<'a> {
    tag: u32,
    kind: u32,
    at: usize,
    count: usize,
    data: &'a [u8],
}

/// Reads a blob; an error says what is wrong.
pub(super) fn parse(blob: &[u8]) -> Result<Header<'_>, String> {
    let entries = number(blob, 0).ok_or("a header of less than eight bytes")? as usize;
    let data_len = number(blob, 4).ok_or("a header of less than eight bytes")? as usize;
    if entries == 0 || entries > MAX_ENTRIES || data_len > MAX_DATA {
        return Err(format!("a header of {entries} entries and {data_len} bytes"));
    }
    let (index, data) =
        blob[8..].split_at_checked(entries * ENTRY).ok_or("an index longer than its header")?;
    let data = data.get(..data_len).ok_or("data longer than its header")?;
    let mut header = Header::default();
    // What was added after the package was built stands later in the index and counts. Only that is read: all of the
    // index may lead to the same data.
    let tag_of = |entry: &[u8]| number(entry, 0).unwrap_or(0);
    let last: BTreeMap<u32, usize> =
        index.chunks_exact(ENTRY).enumerate().map(|(place, entry)| (tag_of(entry), place)).collect();
    for (place, entry) in index.chunks_exact(ENTRY).enumerate() {
        if place > 0 && last.get(&tag_of(entry)) != Some(&place) {
            continue;
        }
        let field = |at| number(entry, at).unwrap_or(0);
        let entry =
            Entry { tag: field(0), kind: field(4), at: field(8) as usize, count: field(12) as usize, data };
        match header.take(entry, place, entries) {
            Ok(()) => {}
            // Without these it is not known which package it is.
            Err(fault) if matches!(entry.tag, NAME | VERSION | RELEASE | EPOCH) => {
                return Err(fault.to_string());
            }
            Err(fault) => header.faults.push(fault),
        }
    }
    match &header {
        Header { name, version, release, .. }
            if name.is_empty() || version.is_empty() || release.is_empty() =>
        {
            Err(format!("a header without name, version or release: {name:?} {version:?} {release:?}"))
        }
        _ => Ok(header),
    }
}

impl<'a> Header<'a> {
    fn take(&mut self, entry: Entry<'a>, place: usize, entries: usize) -> Result<(), Fault> {
        match entry.tag {
            REGION_IMAGE | REGION_SIGNATURES | REGION_IMMUTABLE if place == 0 => entry.region(entries)?,
            NAME => self.name = entry.text()?,
            VERSION => self.version = entry.text()?,
            RELEASE => self.release = entry.text()?,
            EPOCH => self.epoch = Some(entry.word()?),
            INSTALLTIME => self.installed_at = Some(entry.word()?),
            ARCH => self.arch = Some(entry.text()?),
            SOURCERPM => self.source_rpm = Some(entry.text()?),
            VENDOR => self.vendor = Some(entry.text()?),
            MODULARITYLABEL => self.module = Some(entry.text()?),
            OLDFILENAMES => self.files.paths = entry.texts()?,
            BASENAMES => self.files.base_names = entry.texts()?,
            DIRNAMES => self.files.directories = entry.texts()?,
            DIRINDEXES => self.files.indexes = entry.array(INT32, 4)?,
            FILESTATES => self.files.states = entry.array(CHAR, 1)?,
            _ => {}
        }
        Ok(())
    }

    /// Calls `each` with the path of every file that the package has on the disk. An error says what is wrong
    /// with the lists; what they say until there was told.
    pub(super) fn each_file(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), Fault> {
        let files = &self.files;
        let is_there = |index: usize| files.states.get(index).is_none_or(|state| *state == STATE_NORMAL);
        for (index, path) in files.paths.iter().enumerate() {
            if is_there(index) {
                each(path);
            }
        }
        let (mut path, mut too_long) = (Vec::new(), 0_usize);
        for (index, name) in files.base_names.iter().enumerate() {
            let directory = number(files.indexes, index * 4);
            let directory = directory.and_then(|directory| files.directories.get(directory as usize));
            let Some(directory) = directory else {
                let reason = format!("file {index} of {} has no directory", files.base_names.len());
                return Err(Fault::Corrupt(reason));
            };
            if directory.len() + name.len() > MAX_PATH {
                too_long += 1;
            } else if is_there(index) {
                path.clear();
                path.extend_from_slice(directory);
                path.extend_from_slice(name);
                each(&path);
            }
        }
        match too_long {
            0 => Ok(()),
            count => Err(Fault::Limit(format!("{count} files with paths of more than {MAX_PATH} bytes"))),
        }
    }
}

impl<'a> Entry<'a> {
    /// A region's first entry leads to a trailer in the data, which says how much of the index the region holds.
    fn region(&self, entries: usize) -> Result<(), String> {
        let trailer = (self.kind == BIN && self.count == ENTRY).then(|| self.data.get(self.at..)).flatten();
        let trailer = trailer.and_then(|rest| rest.get(..ENTRY)).ok_or("a region without a trailer")?;
        let field = |at| number(trailer, at).unwrap_or(0);
        let length = (field(8) as i32).checked_neg().and_then(|length| usize::try_from(length).ok());
        let holds = length.filter(|length| length % ENTRY == 0).map(|length| length / ENTRY);
        let own = field(0) == self.tag || field(0) == REGION_IMAGE;
        match holds {
            Some(1..) if own && field(4) == BIN && holds <= Some(entries) => Ok(()),
            _ => Err(format!("region {} with a trailer that is not its own", self.tag)),
        }
    }

    /// The (first) text, up to its NUL.
    fn text(&self) -> Result<String, String> {
        let rest =
            self.data.get(self.at..).filter(|_| matches!(self.kind, STRING | STRING_ARRAY | I18NSTRING));
        let text = rest.and_then(|rest| Some(&rest[..memchr::memchr(0, rest)?]));
        let text =
            text.ok_or_else(|| format!("tag {} of type {} is no text in the data", self.tag, self.kind))?;
        Ok(String::from_utf8_lossy(text).into_owned())
    }

    /// All texts of an array.
    fn texts(&self) -> Result<Vec<&'a [u8]>, Fault> {
        let mut rest = self.data.get(self.at..).filter(|_| self.kind == STRING_ARRAY);
        if self.count > MAX_TEXTS {
            let reason = format!("tag {}: {} texts, at most {MAX_TEXTS} are read", self.tag, self.count);
            return Err(Fault::Limit(reason));
        }
        let mut texts = Vec::new();
        while texts.len() < self.count {
            let split = rest.and_then(|rest| Some((rest, memchr::memchr(0, rest)?)));
            let Some((text, end)) = split else {
                let (tag, held, count) = (self.tag, texts.len(), self.count);
                return Err(Fault::Corrupt(format!("tag {tag}: {held} of {count} texts are in the data")));
            };
            texts.push(&text[..end]);
            rest = text.get(end + 1..);
        }
        Ok(texts)
    }

    /// The (first) number.
    fn word(&self) -> Result<u32, String> {
        match self.kind {
            INT32 => {
                number(self.data, self.at).ok_or_else(|| format!("tag {} lies outside the data", self.tag))
            }
            kind => Err(format!("tag {} of type {kind} is no number", self.tag)),
        }
    }

    /// The bytes of an array of `kind` whose elements have `size` bytes.
    fn array(&self, kind: u32, size: usize) -> Result<&'a [u8], String> {
        let end = self.count.checked_mul(size).and_then(|len| self.at.checked_add(len));
        let bytes = end.and_then(|end| self.data.get(self.at..end)).filter(|_| self.kind == kind);
        bytes.ok_or_else(|| {
            format!("tag {}: {} of type {} are not in the data", self.tag, self.count, self.kind)
        })
    }
}

impl Header<'_> {
    /// `version-release`.
    pub(super) fn version_release(&self) -> String {
        format!("{}-{}", self.version, self.release)
    }

    /// `epoch:version-release`, without an epoch of zero.
    pub(super) fn full_version(&self) -> String {
        match self.epoch {
            Some(epoch @ 1..) => format!("{epoch}:{}-{}", self.version, self.release),
            _ => self.version_release(),
        }
    }

    /// Name and version of the source package, from `name-version-release.src.rpm`.
    pub(super) fn source(&self) -> Option<(String, String)> {
        let file = self.source_rpm.as_deref()?;
        let stem = file.strip_suffix(".src.rpm").or_else(|| file.strip_suffix(".nosrc.rpm"))?;
        let (rest, release) = stem.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        Some((name.to_owned(), format!("{version}-{release}")))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A blob of entries: tag, type, value.
    pub(in super::super) fn blob(entries: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        for (tag, kind, value) in entries {
            let count = match *kind {
                BIN | CHAR => value.len(),
                INT32 => value.len() / 4,
                _ => memchr::memchr_iter(0, value).count(),
            };
            for field in [*tag, *kind, data.len() as u32, count as u32] {
                index.extend(field.to_be_bytes());
            }
            data.extend_from_slice(value);
        }
        let counts = [entries.len() as u32, data.len() as u32];
        [counts.map(u32::to_be_bytes).concat(), index, data].concat()
    }

    pub(in super::super) fn bash() -> Vec<u8> {
        blob(&[
            (REGION_IMMUTABLE, BIN, &trailer(63, 8)),
            (NAME, STRING, b"bash\0"),
            (VERSION, STRING, b"5.1\0"),
            (RELEASE, STRING, b"2.el9\0"),
            (EPOCH, INT32, &[0, 0, 0, 2]),
            (ARCH, STRING, b"x86_64\0"),
            (SOURCERPM, STRING, b"bash-extra-5.1-2.el9.src.rpm\0"),
            (INSTALLTIME, INT32, &[0, 0, 1, 0]),
            (VENDOR, STRING, b"Some Vendor\0"),
            (MODULARITYLABEL, STRING, b"shell:5:1:c\0"),
            (BASENAMES, STRING_ARRAY, b"bash\0sh\0gone\0"),
            (DIRNAMES, STRING_ARRAY, b"/usr/bin/\0/bin/\0"),
            (DIRINDEXES, INT32, &[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]),
            (FILESTATES, CHAR, &[0, 0, 2]),
        ])
    }

    /// The trailer of a region of so many entries.
    fn trailer(tag: u32, entries: i32) -> Vec<u8> {
        [tag, BIN, (-16 * entries) as u32, 16].map(u32::to_be_bytes).concat()
    }

    #[test]
    fn a_package() {
        let blob = bash();
        let header = parse(&blob).unwrap();
        assert_eq!((header.name.as_str(), header.full_version().as_str()), ("bash", "2:5.1-2.el9"));
        assert_eq!(header.source(), Some(("bash-extra".to_owned(), "5.1-2.el9".to_owned())));
        assert_eq!((header.arch.as_deref(), header.installed_at), (Some("x86_64"), Some(256)));
        assert_eq!(header.vendor.as_deref(), Some("Some Vendor"));
        assert_eq!((header.module.as_deref(), header.faults.len()), (Some("shell:5:1:c"), 0));
        let mut files = Vec::new();
        header.each_file(&mut |path| files.push(path.to_vec())).unwrap();
        assert_eq!(files, [&b"/usr/bin/bash"[..], b"/bin/sh"]);
        let zero = Header { epoch: Some(0), version: "1".into(), release: "2".into(), ..Header::default() };
        assert_eq!((zero.full_version().as_str(), zero.source()), ("1-2", None));
    }

    #[test]
    fn lies_are_errors() {
        let whole = bash();
        for len in 0..whole.len() {
            assert!(parse(&whole[..len]).is_err());
        }
        assert!(parse(&blob(&[(NAME, STRING, b"x\0")])).is_err());
        assert!(parse(&blob(&[(NAME, STRING, b"no end")])).is_err());
        assert!(parse(&blob(&[(EPOCH, STRING, b"x\0")])).is_err());
        assert!(parse(&[0xff; 64]).is_err());
    }

    #[test]
    fn what_is_wrong_and_costs_a_part() {
        let nvr: [(u32, u32, &[u8]); 3] =
            [(NAME, STRING, b"x\0"), (VERSION, STRING, b"1\0"), (RELEASE, STRING, b"2\0")];
        for (entries, count) in [
            (vec![(REGION_IMMUTABLE, BIN, &trailer(62, 4)[..])], 1),
            (vec![(REGION_IMMUTABLE, BIN, &trailer(63, 5))], 1),
            (vec![(REGION_IMMUTABLE, BIN, &trailer(63, 4))], 0),
            (vec![(ARCH, INT32, &[0; 4][..]), (VENDOR, BIN, b"x"), (BASENAMES, STRING, b"x\0")], 3),
        ] {
            let blob = blob(&[entries, nvr.to_vec()].concat());
            let header = parse(&blob).unwrap();
            assert_eq!((header.name.as_str(), header.faults.len()), ("x", count), "{:?}", header.faults);
        }
        let stray = blob(&[&nvr[..], &[(BASENAMES, STRING_ARRAY, b"a\0")]].concat());
        assert_eq!(
            parse(&stray).unwrap().each_file(&mut |_| {}),
            Err(Fault::Corrupt("file 0 of 1 has no directory".into()))
        );
    }

    #[test]
    fn what_is_said_again_and_again_is_read_once() {
        let nvr: [(u32, u32, &[u8]); 3] =
            [(NAME, STRING, b"x\0"), (VERSION, STRING, b"1\0"), (RELEASE, STRING, b"2\0")];
        let many =
            [&nvr[..], &vec![(BASENAMES, STRING, &b"x\0"[..]); 100], &[(ARCH, STRING, b"a\0")]].concat();
        assert_eq!(parse(&blob(&many)).unwrap().faults.len(), 1);
        let later = [&nvr[..], &[(VERSION, STRING, &b"3\0"[..])]].concat();
        assert_eq!(parse(&blob(&later)).unwrap().version, "3");
    }

    #[test]
    fn many_texts_and_long_paths_are_bounded() {
        let nvr: [(u32, u32, &[u8]); 3] =
            [(NAME, STRING, b"x\0"), (VERSION, STRING, b"1\0"), (RELEASE, STRING, b"2\0")];
        let texts = vec![0; MAX_TEXTS + 1];
        let many = blob(&[&nvr[..], &[(BASENAMES, STRING_ARRAY, &texts)]].concat());
        assert!(matches!(parse(&many).unwrap().faults[..], [Fault::Limit(_)]));
        let directories = [vec![b'd'; MAX_PATH], b"\0/\0".to_vec()].concat();
        let long = blob(
            &[
                &nvr[..],
                &[(BASENAMES, STRING_ARRAY, b"a\0b\0"), (DIRNAMES, STRING_ARRAY, &directories)],
                &[(DIRINDEXES, INT32, &[0, 0, 0, 0, 0, 0, 0, 1])],
            ]
            .concat(),
        );
        let mut files = Vec::new();
        let told = parse(&long).unwrap().each_file(&mut |path| files.push(path.to_vec()));
        assert_eq!(files, [b"/b"]);
        assert!(matches!(told, Err(Fault::Limit(_))), "{told:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_none(at in 0usize..500, value in any::<u8>(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut whole = bash();
            let at = at % whole.len();
            whole[at] = value;
            for blob in [&whole, &bytes] {
                let _ = parse(blob).map(|header| header.each_file(&mut |_| {}));
            }
        }
    }
}
