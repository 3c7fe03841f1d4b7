//! Columns of numbers in as few bytes as they need.
//!
//! A column is: which of the eight bytes of its numbers differ (1 byte, a bit for each, the lowest first), the first number (8
//! bytes, little-endian), and for each byte that differs a plane: this byte of all numbers, one after the other. Most
//! columns of most chunks differ in a byte or two, or not at all, and what is not written need not be named, compressed
//! and read either; planes are what compression finds runs in.
//!
//! Chunks of version 1 have all bytes of all numbers, one number after the other: stores that were written then are read.

use crate::codec::{DecodeError, Reader, Writer};

/// Writes columns.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// The numbers of the column that is being written.
    numbers: Vec<u64>,
}

impl Columns {
    /// Writes a column, without its length.
    pub(super) fn put<T: Into<u64>>(&mut self, out: &mut Writer, numbers: impl Iterator<Item = T> + Clone) {
        let first = numbers.clone().next().map_or(0, Into::into);
        let mut differ = 0;
        self.numbers.clear();
        self.numbers.extend(numbers.map(|number| {
            let number = number.into();
            differ |= number ^ first;
            number
        }));
        let differ = differ.to_le_bytes();
        let planes = || (0..8).filter(|&plane| differ[plane] != 0);
        out.u8(planes().fold(0, |set, plane| set | 1 << plane));
        out.u64(first);
        for plane in planes() {
            put_plane(&mut out.bytes, &self.numbers, plane);
        }
    }
}

/// Appends one byte of each number. A function of its own, as only so it becomes a loop over many numbers at once.
#[inline(never)]
fn put_plane(out: &mut Vec<u8>, numbers: &[u64], plane: usize) {
    let start = out.len();
    out.resize(start + numbers.len(), 0);
    for (byte, number) in out[start..].iter_mut().zip(numbers) {
        *byte = (number >> (8 * plane)) as u8;
    }
}

/// A number that columns are read as.
pub(super) trait Number: Copy {
    /// The number, if it is not too great.
    fn of(number: u64) -> Option<Self>;

    /// Sets the bits of a byte that are zeros so far; bytes that it does not have are left out.
    fn set(&mut self, byte: u8, plane: usize);

    /// Reads numbers that are there with all their bytes.
    fn whole(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<Self>, DecodeError>;
}

macro_rules! numbers {
    ($($number:ident $column:ident),*) => {$(
        impl Number for $number {
            fn of(number: u64) -> Option<Self> {
                number.try_into().ok()
            }

            fn set(&mut self, byte: u8, plane: usize) {
                *self |= Self::from(byte).checked_shl(8 * plane as u32).unwrap_or_default();
            }

            fn whole(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<Self>, DecodeError> {
                reader.$column(rows)
            }
        }
    )*};
}

numbers!(u8 u8s, u16 u16s, u32 u32s, u64 u64s);

/// How columns were written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Number after number.
    Whole,
    /// Plane after plane.
    Planes,
}

impl Layout {
    /// Reads a column of `rows` numbers. They need not take a byte: the caller bounds their number.
    pub(super) fn get<T: Number>(self, reader: &mut Reader<'_>, rows: usize) -> Result<Vec<T>, DecodeError> {
        match self {
            Self::Whole => T::whole(reader, rows),
            Self::Planes => planes(reader, rows),
        }
    }
}

fn planes<T: Number>(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<T>, DecodeError> {
    let set = reader.u8()?;
    let planes = || (0..8).filter(|plane| set & 1 << plane != 0);
    let same = planes().fold(reader.u64()?, |number, plane| number & !(0xFF << (8 * plane)));
    let greatest = planes().fold(same, |number, plane| number | 0xFF << (8 * plane));
    let (Some(same), Some(_)) = (T::of(same), T::of(greatest)) else {
        return Err(reader.invalid(format!("numbers up to {greatest} are too great for their column")));
    };
    let mut numbers = vec![same; rows];
    for plane in planes() {
        for (number, byte) in numbers.iter_mut().zip(reader.take(rows)?) {
            number.set(*byte, plane);
        }
    }
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(numbers: &[u64]) -> Vec<u8> {
        let mut out = Writer::new();
        Columns::default().put(&mut out, numbers.iter().copied());
        out.bytes
    }

    proptest! {
        #[test]
        fn columns_read_back(same: u64, numbers in prop::collection::vec(any::<u64>(), 0..40), differ: u64, shift in 0..64_u32) {
            let numbers: Vec<_> = numbers.iter().map(|number| same ^ number & differ >> shift).collect();
            let bytes = written(&numbers);
            let mut reader = Reader::new("test", &bytes);
            prop_assert_eq!(planes::<u64>(&mut reader, numbers.len()).unwrap(), numbers);
            prop_assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn a_column_has_the_bytes_in_which_its_numbers_differ() {
        for (numbers, planes) in [
            (&[][..], &[][..]),
            (&[u64::MAX; 3], &[]),
            (&[7, 255, 8], &[7, 255, 8]),
            (&[0x0505, 0x0304], &[5, 4, 5, 3]),
            (&[0x50_0007, 0x60_0007], &[0x50, 0x60]),
            (&[u64::MAX, 0], &[255, 0].repeat(8)),
        ] {
            let bytes = written(numbers);
            assert_eq!(&bytes[1..9], numbers.first().unwrap_or(&0).to_le_bytes(), "{numbers:?}");
            assert_eq!(&bytes[9..], planes, "{numbers:?}");
        }
    }

    #[test]
    fn what_is_no_column_is_an_error() {
        let bytes = written(&[65_535, 65_536]);
        let get_32 = |bytes, rows| planes::<u32>(&mut Reader::new("test", bytes), rows);
        assert_eq!(get_32(&bytes, 2), Ok(vec![65_535, 65_536]));
        assert!(planes::<u16>(&mut Reader::new("test", &bytes), 2).is_err());
        assert!(get_32(&bytes, 3).is_err() && get_32(&bytes[..8], 2).is_err() && get_32(&[], 2).is_err());
    }
}
