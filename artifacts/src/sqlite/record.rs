//! Rows as they are stored (section 2.1, "Record Format").

use super::Encoding;
use std::borrow::Cow;

/// Columns of a table: as many as SQLite can be made to allow ("Limits In SQLite", section 2).
const MAX_COLUMNS: usize = 32_767;

/// One column of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing; also a column that is the row's number.
    Null,
    /// A number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// A text, in UTF-8; what was none is replaced.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(&'a [u8]),
}

impl Value<'_> {
    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub const fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The bytes, if it is a blob.
    pub const fn blob(&self) -> Option<&[u8]> {
        match self {
            Self::Blob(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// A number of one to nine bytes, the high bits first (section 1.6, "A variable-length integer"), and the rest.
pub(super) fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some((value << 8 | u64::from(*byte), &bytes[9..]));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

/// The columns of a record; an error says what is wrong.
pub(super) fn values(record: &[u8], encoding: Encoding) -> Result<Vec<Value<'_>>, &'static str> {
    let (len, types) = varint(record).ok_or("a record without a header")?;
    let header = usize::try_from(len).ok().and_then(|len| record.split_at_checked(len));
    let (header, mut body) = header.ok_or("a record header longer than its record")?;
    let mut types =
        header.get(record.len() - types.len()..).ok_or("a record header shorter than its length")?;
    let mut values = Vec::new();
    while !types.is_empty() {
        if values.len() == MAX_COLUMNS {
            return Err("a record of more columns than a table can have");
        }
        let (kind, rest) = varint(types).ok_or("a record header that ends within a type")?;
        types = rest;
        let size = match kind {
            0 | 8 | 9 => 0,
            1..=4 => kind,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return Err("a column of a reserved type"),
            _ => (kind - 12) / 2,
        };
        let split = usize::try_from(size).ok().and_then(|size| body.split_at_checked(size));
        let (bytes, rest) = split.ok_or("a column longer than its record")?;
        body = rest;
        values.push(match kind {
            0 => Value::Null,
            1..=6 => Value::Integer(signed(bytes)),
            7 => Value::Real(f64::from_bits(signed(bytes) as u64)),
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            _ if kind.is_multiple_of(2) => Value::Blob(bytes),
            _ => Value::Text(text(bytes, encoding)),
        });
    }
    Ok(values)
}

/// A big-endian number of up to eight bytes in two's complement.
fn signed(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |value, byte| value << 8 | i64::from(*byte))
}

fn text(bytes: &[u8], encoding: Encoding) -> Cow<'_, str> {
    let units = |unit: fn([u8; 2]) -> u16| {
        let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match encoding {
        Encoding::Utf8 => String::from_utf8_lossy(bytes),
        Encoding::Utf16Le => Cow::Owned(units(u16::from_le_bytes)),
        Encoding::Utf16Be => Cow::Owned(units(u16::from_be_bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of so many columns that are NULL; a header's length that has three bytes.
    fn nulls(columns: usize) -> Vec<u8> {
        let len = columns + 3;
        let header = [0x80 | (len >> 14) as u8, 0x80 | (len >> 7 & 0x7f) as u8, (len & 0x7f) as u8];
        [&header[..], &vec![0; columns]].concat()
    }

    #[test]
    fn columns_are_no_more_than_a_table_can_have() {
        assert_eq!(values(&nulls(MAX_COLUMNS), Encoding::Utf8).map(|values| values.len()), Ok(MAX_COLUMNS));
        assert!(values(&nulls(MAX_COLUMNS + 1), Encoding::Utf8).is_err());
    }
}
