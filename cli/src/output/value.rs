//! One field of a row, borrowed, and how each format writes it.

use super::text::{human_size, plain};
use crate::eol::Support;
use coldread_model::Timestamp;
use coldread_proto::v1::{Evidence, PackageOrigin, Xattr};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap, SerializeSeq},
};
use std::{borrow::Cow, fmt};

/// A field's value. What it is decides how it looks in a table; programs get all of it in every format.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    /// Not known or not applicable: left out in json, empty elsewhere.
    Absent,
    /// Text.
    Text(&'a str),
    /// Text in bytes, as disks hold names: shown lossily, with all bytes in hex beside it where that loses any.
    Bytes(&'a [u8]),
    /// Bytes in lowercase hex.
    Hex(&'a [u8]),
    /// A long id in hex that tables cut short.
    Id(&'a str),
    /// A number.
    Number(u64),
    /// A number of bytes.
    Size(u64),
    /// Permission bits: a number, octal in tables.
    Mode(u32),
    /// Yes or no.
    Bool(bool),
    /// A point in time.
    Time(Timestamp),
    /// Major and minor number of a device.
    Device(u32, u32),
    /// Names and values, the values in hex.
    Xattrs(&'a [Xattr]),
    /// The file that proves a row.
    Origin(&'a PackageOrigin),
    /// Other records that tell of the same.
    Evidence(&'a [Evidence]),
    /// A day: a point in time of which tables show the date alone.
    Day(Timestamp),
    /// `SHA256:` and base64, which tables cut short.
    Fingerprint(&'a str),
    /// Until when a system is supported.
    Support(&'a Support),
    /// Several texts, of which tables show how many there are and the first few.
    Texts(&'a [String]),
}

/// Texts of a list that a narrow table shows.
const FEW: usize = 3;
/// Characters of a fingerprint that a narrow table shows, its `SHA256:` included.
const FINGERPRINT: usize = 19;

impl<'a> Value<'a> {
    /// Text that may be absent.
    pub fn text(text: Option<&'a String>) -> Self {
        text.map_or(Self::Absent, |text| Self::Text(text))
    }

    /// Text that is absent where it is empty.
    pub fn filled(text: &'a str) -> Self {
        if text.is_empty() { Self::Absent } else { Self::Text(text) }
    }

    /// Bytes that may be absent.
    pub fn bytes(bytes: Option<&'a Vec<u8>>) -> Self {
        bytes.map_or(Self::Absent, |bytes| Self::Bytes(bytes))
    }

    /// A number that may be absent.
    pub fn number(number: Option<impl Into<u64>>) -> Self {
        number.map_or(Self::Absent, |number| Self::Number(number.into()))
    }

    /// A flag that is said only where it is set.
    pub fn flag(set: bool) -> Self {
        if set { Self::Bool(true) } else { Self::Absent }
    }

    /// Other records, absent where there are none.
    pub fn evidence(evidence: &'a [Evidence]) -> Self {
        if evidence.is_empty() { Self::Absent } else { Self::Evidence(evidence) }
    }

    /// A time that may be absent.
    pub fn time(time: Option<coldread_proto::v1::Time>) -> Self {
        time.map_or(Self::Absent, |time| Self::Time(Timestamp::new(time.seconds, time.nanos)))
    }

    /// A day that may be absent.
    pub fn day(time: Option<coldread_proto::v1::Time>) -> Self {
        match Self::time(time) {
            Self::Time(time) => Self::Day(time),
            other => other,
        }
    }

    /// Bytes that are absent where there are none.
    pub fn filled_bytes(bytes: &'a [u8]) -> Self {
        if bytes.is_empty() { Self::Absent } else { Self::Bytes(bytes) }
    }

    /// Several texts, absent where there are none.
    pub fn texts(texts: &'a [String]) -> Self {
        if texts.is_empty() { Self::Absent } else { Self::Texts(texts) }
    }

    /// Whether json leaves it out.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// All the bytes, where text alone would lose some.
    pub fn lossless(&self) -> Option<Value<'a>> {
        match *self {
            Self::Bytes(bytes) if std::str::from_utf8(bytes).is_err() => Some(Self::Hex(bytes)),
            _ => None,
        }
    }

    /// Its text in a csv file: as in json, without quotes around text; what is composed is json.
    pub fn csv(&self) -> Cow<'a, str> {
        match *self {
            Self::Absent => Cow::Borrowed(""),
            Self::Text(text) | Self::Id(text) | Self::Fingerprint(text) => Cow::Borrowed(text),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes),
            Self::Hex(bytes) => Cow::Owned(Hex(bytes).to_string()),
            Self::Number(number) | Self::Size(number) => Cow::Owned(number.to_string()),
            Self::Mode(mode) => Cow::Owned(mode.to_string()),
            Self::Bool(set) => Cow::Borrowed(if set { "true" } else { "false" }),
            Self::Time(time) | Self::Day(time) => Cow::Owned(time.to_string()),
            Self::Device(..)
            | Self::Xattrs(_)
            | Self::Origin(_)
            | Self::Evidence(_)
            | Self::Support(_)
            | Self::Texts(_) => {
                // Maps and lists of strings, and pairs of numbers: there is nothing in them that json cannot say.
                Cow::Owned(serde_json::to_string(self).unwrap_or_default())
            }
        }
    }

    /// Its text in a table, safe for a terminal. `wide` abbreviates nothing.
    pub fn cell(&self, wide: bool) -> String {
        match self {
            Self::Id(text) if !wide => plain(text.get(..12).unwrap_or(text)).into_owned(),
            Self::Hex(bytes) if !wide => Hex(bytes.get(..6).unwrap_or(bytes)).to_string(),
            Self::Size(bytes) => human_size(*bytes),
            Self::Mode(mode) => format!("{mode:04o}"),
            Self::Bool(set) => if *set { "yes" } else { "no" }.to_owned(),
            Self::Time(time) => {
                let full = time.to_string();
                match full.split_once('.') {
                    Some((seconds, _)) if !wide => seconds.replacen('T', " ", 1),
                    _ => full,
                }
            }
            Self::Day(time) => {
                let full = time.to_string();
                match full.split_once('T') {
                    Some((day, _)) if !wide => day.to_owned(),
                    _ => full,
                }
            }
            Self::Fingerprint(text) if !wide => {
                plain(&text.chars().take(FINGERPRINT).collect::<String>()).into_owned()
            }
            Self::Texts(texts) => {
                let shown = if wide { texts } else { texts.get(..FEW).unwrap_or(texts) };
                let more = texts.len() - shown.len();
                let more = if more > 0 { format!(" +{more}") } else { String::new() };
                plain(&shown.join(", ")).into_owned() + &more
            }
            Self::Device(major, minor) => format!("{major}:{minor}"),
            Self::Support(support) => {
                plain(&if wide { support.text() } else { support.state.to_owned() }).into_owned()
            }
            Self::Origin(origin) => plain(&String::from_utf8_lossy(&origin.path)).into_owned(),
            Self::Evidence(evidence) => {
                let sources: Vec<&str> = evidence.iter().map(|one| one.source.as_str()).collect();
                plain(&sources.join(" ")).into_owned()
            }
            Self::Xattrs(xattrs) => {
                let names = xattrs.iter().map(|xattr| String::from_utf8_lossy(&xattr.name));
                plain(&names.collect::<Vec<_>>().join(" ")).into_owned()
            }
            _ => plain(&self.csv()).into_owned(),
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => serializer.serialize_none(),
            Self::Text(text) | Self::Id(text) | Self::Fingerprint(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_str(&String::from_utf8_lossy(bytes)),
            Self::Hex(bytes) => serializer.collect_str(&Hex(bytes)),
            Self::Number(number) | Self::Size(number) => serializer.serialize_u64(*number),
            Self::Mode(mode) => serializer.serialize_u32(*mode),
            Self::Bool(set) => serializer.serialize_bool(*set),
            Self::Time(time) | Self::Day(time) => serializer.collect_str(time),
            Self::Device(major, minor) => {
                let mut pair = serializer.serialize_seq(Some(2))?;
                pair.serialize_element(major)?;
                pair.serialize_element(minor)?;
                pair.end()
            }
            Self::Xattrs(xattrs) => {
                let mut map = serializer.serialize_map(Some(xattrs.len()))?;
                for xattr in *xattrs {
                    map.serialize_entry(&String::from_utf8_lossy(&xattr.name), &Value::Hex(&xattr.value))?;
                }
                map.end()
            }
            Self::Origin(origin) => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("volume", &origin.volume)?;
                let path = Value::Bytes(&origin.path);
                map.serialize_entry("path", &path)?;
                if let Some(all) = path.lossless() {
                    map.serialize_entry("path_hex", &all)?;
                }
                if let Some(digest) = &origin.sha256 {
                    map.serialize_entry("sha256", &Value::Hex(digest))?;
                }
                map.end()
            }
            Self::Support(support) => support.serialize(serializer),
            Self::Evidence(evidence) => serializer.collect_seq(evidence.iter().map(OneEvidence)),
            Self::Texts(texts) => serializer.collect_seq(*texts),
        }
    }
}

/// One of other records.
struct OneEvidence<'a>(&'a Evidence);

impl Serialize for OneEvidence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("source", &self.0.source)?;
        let origin = Value::Bytes(&self.0.origin);
        map.serialize_entry("origin", &origin)?;
        if let Some(all) = origin.lossless() {
            map.serialize_entry("origin_hex", &all)?;
        }
        map.serialize_entry("offset", &self.0.offset)?;
        map.end()
    }
}

/// Bytes shown as lowercase hex.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        for chunk in self.0.chunks(64) {
            let mut buffer = [0; 128];
            for (pair, byte) in buffer.chunks_exact_mut(2).zip(chunk) {
                pair[0] = DIGITS[usize::from(byte >> 4)];
                pair[1] = DIGITS[usize::from(byte & 15)];
            }
            f.write_str(std::str::from_utf8(&buffer[..chunk.len() * 2]).unwrap_or_default())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_of_any_length() {
        let bytes: Vec<u8> = (0..=255).collect();
        let expected = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        assert_eq!(Hex(&bytes).to_string(), expected);
        assert_eq!(Hex(&[]).to_string(), "");
    }

    #[test]
    fn tables_abbreviate_and_wide_does_not() {
        let id = "0123456789abcdef0123";
        assert_eq!(Value::Id(id).cell(false), "0123456789ab");
        assert_eq!(Value::Id(id).cell(true), id);
        assert_eq!(Value::Hex(&[0xab; 32]).cell(false), "abababababab");
        assert_eq!(Value::Mode(0o4755).cell(false), "4755");
        assert_eq!(Value::Size(1536).cell(false), "1.5 KiB");
        let time = Value::Time(Timestamp::new(0, 7));
        assert_eq!(time.cell(false), "1970-01-01 00:00:00");
        assert_eq!(time.cell(true), "1970-01-01T00:00:00.000000007Z");
    }

    #[test]
    fn tables_show_a_few_of_many() {
        let texts: Vec<String> = ["a", "b\n", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!(Value::Texts(&texts).cell(false), "a, b\\n, c +2");
        assert_eq!(Value::Texts(&texts[..3]).cell(false), "a, b\\n, c");
        assert_eq!(Value::Texts(&texts).cell(true), "a, b\\n, c, d, e");
        assert_eq!(Value::Texts(&texts[..2]).csv(), "[\"a\",\"b\\n\"]");
        let print = format!("SHA256:{}", "x".repeat(43));
        assert_eq!(Value::Fingerprint(&print).cell(false), "SHA256:xxxxxxxxxxxx");
        assert_eq!(Value::Fingerprint(&print).cell(true), print);
        let day = Value::Day(Timestamp::new(86_400, 0));
        assert_eq!((day.cell(false), day.csv().into_owned()), ("1970-01-02".into(), day.cell(true)));
    }

    #[test]
    fn what_is_not_utf8_keeps_its_bytes_beside_the_text() {
        assert!(Value::Bytes("käse".as_bytes()).lossless().is_none());
        let all = Value::Bytes(b"/a\xff").lossless().map(|value| value.csv().into_owned());
        assert_eq!(all.as_deref(), Some("2f61ff"));
        // An unpaired surrogate in WTF-8 is three bytes that are not UTF-8.
        assert_eq!(Value::Bytes(b"\xed\xa0\x80").csv(), "\u{fffd}\u{fffd}\u{fffd}");
    }
}
