//! RPM header blobs: what the database holds for each package.
//!
//! Source: "RPM V4 Package format" (rpm.org, `docs/manual/format_header.md`) and `rpmtag.h` for tag numbers. A
//! blob is a count of index entries, the length of the data, the entries, the data; all numbers big-endian.

/// Index entries and data bytes that a header may have at most (rpm's own bounds).
const MAX_ENTRIES: usize = 0xffff;
const MAX_DATA: usize = 256 << 20;

const ENTRY: usize = 16;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const INSTALLTIME: u32 = 1008;
const ARCH: u32 = 1022;
const SOURCERPM: u32 = 1044;

const INT32: u32 = 4;
const STRING: u32 = 6;
const STRING_ARRAY: u32 = 8;
const I18NSTRING: u32 = 9;

/// The fields of a header that name a package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub name: String,
    pub epoch: Option<u32>,
    pub version: String,
    pub release: String,
    pub arch: Option<String>,
    pub source_rpm: Option<String>,
    /// Seconds since 1970.
    pub installed_at: Option<u32>,
}

/// Reads a blob; an error says what is wrong.
pub(super) fn parse(blob: &[u8]) -> Result<Header, String> {
    let entries = number(blob, 0).ok_or("a header of less than eight bytes")? as usize;
    let data_len = number(blob, 4).ok_or("a header of less than eight bytes")? as usize;
    if entries == 0 || entries > MAX_ENTRIES || data_len > MAX_DATA {
        return Err(format!("a header of {entries} entries and {data_len} bytes"));
    }
    let (index, data) =
        blob[8..].split_at_checked(entries * ENTRY).ok_or("an index longer than its header")?;
    let data = data.get(..data_len).ok_or("data longer than its header")?;
    let mut header = Header::default();
    // What was added after the package was built stands later in the index and counts.
    for entry in index.chunks_exact(ENTRY) {
        let field = |at| number(entry, at).unwrap_or(0);
        let (tag, kind, at) = (field(0), field(4), field(8) as usize);
        if !matches!(tag, NAME | VERSION | RELEASE | EPOCH | INSTALLTIME | ARCH | SOURCERPM) {
            continue;
        }
        let text = || {
            string(data, kind, at).ok_or_else(|| format!("tag {tag} of type {kind} is no text in the data"))
        };
        let word = || match kind {
            INT32 => number(data, at).ok_or_else(|| format!("tag {tag} lies outside the data")),
            _ => Err(format!("tag {tag} of type {kind} is no number")),
        };
        match tag {
            NAME => header.name = text()?,
            VERSION => header.version = text()?,
            RELEASE => header.release = text()?,
            EPOCH => header.epoch = Some(word()?),
            INSTALLTIME => header.installed_at = Some(word()?),
            ARCH => header.arch = Some(text()?),
            _ => header.source_rpm = Some(text()?),
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

impl Header {
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

/// The (first) text at `at`, up to its NUL.
fn string(data: &[u8], kind: u32, at: usize) -> Option<String> {
    let rest = data.get(at..).filter(|_| matches!(kind, STRING | STRING_ARRAY | I18NSTRING))?;
    let len = memchr::memchr(0, rest)?;
    Some(String::from_utf8_lossy(&rest[..len]).into_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A blob of entries: tag, type, value.
    pub(in super::super) fn blob(entries: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        for (tag, kind, value) in entries {
            for field in [*tag, *kind, data.len() as u32, 1] {
                index.extend(field.to_be_bytes());
            }
            data.extend_from_slice(value);
        }
        let counts = [entries.len() as u32, data.len() as u32];
        [counts.map(u32::to_be_bytes).concat(), index, data].concat()
    }

    pub(in super::super) fn bash() -> Vec<u8> {
        blob(&[
            (63, 7, &[0; 16]),
            (NAME, STRING, b"bash\0"),
            (VERSION, STRING, b"5.1\0"),
            (RELEASE, STRING, b"2.el9\0"),
            (EPOCH, INT32, &[0, 0, 0, 2]),
            (ARCH, STRING, b"x86_64\0"),
            (SOURCERPM, STRING, b"bash-extra-5.1-2.el9.src.rpm\0"),
            (INSTALLTIME, INT32, &[0, 0, 1, 0]),
        ])
    }

    #[test]
    fn a_package() {
        let header = parse(&bash()).unwrap();
        assert_eq!((header.name.as_str(), header.full_version().as_str()), ("bash", "2:5.1-2.el9"));
        assert_eq!(header.source(), Some(("bash-extra".to_owned(), "5.1-2.el9".to_owned())));
        assert_eq!((header.arch.as_deref(), header.installed_at), (Some("x86_64"), Some(256)));
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

    proptest! {
        #[test]
        fn any_bytes_are_a_header_or_none(at in 0usize..200, value in any::<u8>(), bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut whole = bash();
            let at = at % whole.len();
            whole[at] = value;
            let _ = (parse(&whole), parse(&bytes));
        }
    }
}
