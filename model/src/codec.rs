//! The encodings that cross threads, processes, the wire and the store.
//!
//! Columns are written as fixed-width little-endian arrays through [`Writer`] and read back through
//! [`Reader`], which checks every length against what is there. Small records go through serde and
//! postcard ([`to_bytes`], [`from_bytes`]).

use serde::{Serialize, de::DeserializeOwned};

/// Bytes that are not what they should be: from a damaged store or a hostile peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end before what they announce.
    #[error("{structure}: {wanted} more bytes announced, {left} left")]
    Short {
        /// What was being read.
        structure: &'static str,
        /// Bytes that should follow.
        wanted: u64,
        /// Bytes that do.
        left: u64,
    },
    /// A value outside what its field allows.
    #[error("{structure}: {reason}")]
    Invalid {
        /// What was being read.
        structure: &'static str,
        /// Why it cannot be so.
        reason: String,
    },
}

/// Encodes a small record.
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    // Serialising to a growing vector fails only for types without a postcard form; ours have one.
    postcard::to_stdvec(value).unwrap_or_else(|error| unreachable!("a record without an encoding: {error}"))
}

/// Decodes a small record; bytes left over are an error too.
pub fn from_bytes<T: DeserializeOwned>(structure: &'static str, bytes: &[u8]) -> Result<T, DecodeError> {
    let wrong = |reason: String| DecodeError::Invalid { structure, reason };
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|error| wrong(error.to_string()))?;
    if rest.is_empty() { Ok(value) } else { Err(wrong(format!("{} bytes too many", rest.len()))) }
}

/// Appends little-endian numbers and columns of them.
#[derive(Debug, Default)]
pub struct Writer {
    /// What has been written.
    pub bytes: Vec<u8>,
}

macro_rules! numbers {
    ($($number:ident $put:ident $put_column:ident $get:ident $get_column:ident),*) => {
        impl Writer {$(
            #[doc = concat!("Appends one `", stringify!($number), "`.")]
            pub fn $put(&mut self, value: $number) {
                self.bytes.extend_from_slice(&value.to_le_bytes());
            }
            #[doc = concat!("Appends a column of `", stringify!($number), "`, without its length.")]
            pub fn $put_column<I>(&mut self, values: I)
            where
                I: IntoIterator<Item = $number>,
                I::IntoIter: ExactSizeIterator,
            {
                let values = values.into_iter();
                let start = self.bytes.len();
                // Room for all of them first: a column is written as fast as memory takes it.
                self.bytes.resize(start + values.len() * size_of::<$number>(), 0);
                for (place, value) in self.bytes[start..].chunks_exact_mut(size_of::<$number>()).zip(values) {
                    place.copy_from_slice(&value.to_le_bytes());
                }
            }
        )*}
        impl<'a> Reader<'a> {$(
            #[doc = concat!("Reads one `", stringify!($number), "`.")]
            pub fn $get(&mut self) -> Result<$number, DecodeError> {
                let bytes = self.take(size_of::<$number>())?;
                let mut array = [0; size_of::<$number>()];
                array.copy_from_slice(bytes);
                Ok($number::from_le_bytes(array))
            }
            #[doc = concat!("Reads a column of `count` `", stringify!($number), "`.")]
            pub fn $get_column(&mut self, count: usize) -> Result<Vec<$number>, DecodeError> {
                let wanted = count.checked_mul(size_of::<$number>()).ok_or(DecodeError::Short {
                    structure: self.structure, wanted: u64::MAX, left: self.rest.len() as u64,
                })?;
                let bytes = self.take(wanted)?;
                Ok(bytes.chunks_exact(size_of::<$number>()).map(|chunk| {
                    let mut array = [0; size_of::<$number>()];
                    array.copy_from_slice(chunk);
                    $number::from_le_bytes(array)
                }).collect())
            }
        )*}
    };
}

numbers!(u8 u8 u8s u8 u8s, u16 u16 u16s u16 u16s, u32 u32 u32s u32 u32s, u64 u64 u64s u64 u64s, i64 i64 i64s i64 i64s);

impl Writer {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

/// Reads what [`Writer`] wrote; every length is checked.
#[derive(Debug)]
pub struct Reader<'a> {
    structure: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Over `bytes`; errors name `structure`.
    pub fn new(structure: &'static str, bytes: &'a [u8]) -> Self {
        Self { structure, rest: bytes }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let short = DecodeError::Short {
            structure: self.structure,
            wanted: count as u64,
            left: self.rest.len() as u64,
        };
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(short)?;
        self.rest = rest;
        Ok(taken)
    }

    /// An error at this place.
    pub fn invalid(&self, reason: impl Into<String>) -> DecodeError {
        DecodeError::Invalid { structure: self.structure, reason: reason.into() }
    }

    /// Bytes not read yet.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// That nothing is left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.invalid(format!("{} bytes too many", self.rest.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_read_back_and_a_short_one_is_an_error() {
        let mut writer = Writer::new();
        writer.u32(3);
        writer.u16s([1, 2, 3]);
        writer.i64(-5);
        let mut reader = Reader::new("test", &writer.bytes);
        assert_eq!(reader.u32(), Ok(3));
        assert_eq!(reader.u16s(3), Ok(vec![1, 2, 3]));
        assert_eq!(reader.i64(), Ok(-5));
        assert!(reader.u64s(usize::MAX).is_err());
        assert!(reader.u8().is_err());
        assert!(reader.finish().is_ok());
    }

    #[test]
    fn records_with_a_tail_are_refused() {
        let mut bytes = to_bytes(&("a", 7u32));
        assert_eq!(from_bytes::<(String, u32)>("pair", &bytes), Ok(("a".to_owned(), 7)));
        bytes.push(0);
        assert!(from_bytes::<(String, u32)>("pair", &bytes).is_err());
        assert!(from_bytes::<(String, u32)>("pair", &bytes[..1]).is_err());
    }
}
