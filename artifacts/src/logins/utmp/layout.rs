//! Where the fields of a record lie, by the machine that wrote it.
//!
//! Sources: glibc's `bits/types/struct_utmp.h`: 384 bytes where 64-bit programs keep 32-bit times (x86-64, and all
//! 32-bit machines), 400 where session and times have 64 bits (aarch64, s390x); musl's `utmpx.h`, 400 bytes
//! with a session of 32. Byte order is the machine's: s390x is big-endian.

use crate::logins::bytes_at;
use coldread_model::Timestamp;

/// Both sizes of records divide this: a part of a sparse file starts at a record of either.
pub(super) const RECORDS_ALIGN: usize = 384 * 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub size: usize,
    seconds: usize,
    micros: usize,
    address: usize,
    /// Whether session and times have 64 bits.
    wide: bool,
    big_endian: bool,
}

const NARROW: Layout =
    Layout { size: 384, seconds: 340, micros: 344, address: 348, wide: false, big_endian: false };
const WIDE: Layout =
    Layout { size: 400, seconds: 344, micros: 352, address: 360, wide: true, big_endian: false };

/// The layouts that are known, the most common first.
pub(super) const LAYOUTS: [Layout; 4] =
    [NARROW, WIDE, Layout { big_endian: true, ..WIDE }, Layout { big_endian: true, ..NARROW }];

impl Layout {
    /// The layout in which the largest share of the first records makes sense; in doubt that of more records,
    /// then the more common.
    pub(super) fn of(start: &[u8]) -> Self {
        let share = |layout: Self| {
            let records =
                start.chunks_exact(layout.size).filter(|record| record.iter().any(|byte| *byte != 0));
            let (fine, all) = records
                .fold((0, 0), |(fine, all), record| (fine + u64::from(layout.is_plausible(record)), all + 1));
            ((fine * 1_000_000).checked_div(all).unwrap_or(0), fine)
        };
        // The first of the best: `max_by_key` would take the last.
        LAYOUTS.into_iter().rev().max_by_key(|layout| share(*layout)).unwrap_or(NARROW)
    }

    /// A record without a type is none that speaks for a layout: it is what a wrong one sees everywhere.
    fn is_plausible(self, record: &[u8]) -> bool {
        let micros = self.number(record, self.micros);
        let kind = self.kind(record);
        (1..=9).contains(&kind) && bytes_at::<2>(record, 2) == [0; 2] && (0..1_000_000).contains(&micros)
    }

    pub(super) fn kind(self, record: &[u8]) -> i16 {
        let bytes = bytes_at(record, 0);
        if self.big_endian { i16::from_be_bytes(bytes) } else { i16::from_le_bytes(bytes) }
    }

    pub(super) fn pid(self, record: &[u8]) -> i32 {
        self.i32_at(record, 4)
    }

    /// Of the 64 bits that some have, the low ones: no session has a higher number, and musl leaves the rest.
    pub(super) fn session(self, record: &[u8]) -> i32 {
        self.i32_at(record, if self.wide && self.big_endian { 340 } else { 336 })
    }

    pub(super) fn time(self, record: &[u8]) -> Timestamp {
        let micros = u32::try_from(self.number(record, self.micros)).unwrap_or(0).min(999_999);
        Timestamp::new(self.number(record, self.seconds), micros * 1000)
    }

    /// In the order of the network, whatever the machine's is.
    pub(super) fn address(self, record: &[u8]) -> [u8; 16] {
        bytes_at(record, self.address)
    }

    fn i32_at(self, record: &[u8], at: usize) -> i32 {
        let bytes = bytes_at(record, at);
        if self.big_endian { i32::from_be_bytes(bytes) } else { i32::from_le_bytes(bytes) }
    }

    fn number(self, record: &[u8], at: usize) -> i64 {
        if self.wide {
            let bytes = bytes_at(record, at);
            if self.big_endian { i64::from_be_bytes(bytes) } else { i64::from_le_bytes(bytes) }
        } else {
            // Unsigned: no record is older than 1970, and some are to be younger than 2038.
            i64::from(self.i32_at(record, at) as u32)
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A record of process 4321 and session 7 at 1,700,000,000.25 from 192.0.2.7.
    pub(in super::super) fn encode(layout: Layout, kind: i16, line: &str, user: &str, host: &str) -> Vec<u8> {
        let mut record = vec![0; layout.size];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        let turned = |bytes: &[u8]| -> Vec<u8> {
            if layout.big_endian { bytes.iter().rev().copied().collect() } else { bytes.to_vec() }
        };
        put(0, &turned(&kind.to_le_bytes()));
        put(4, &turned(&4321i32.to_le_bytes()));
        put(8, line.as_bytes());
        put(44, user.as_bytes());
        put(76, host.as_bytes());
        let number = |value: i64| turned(&value.to_le_bytes()[..if layout.wide { 8 } else { 4 }]);
        put(336, &number(7));
        put(layout.seconds, &number(1_700_000_000));
        put(layout.micros, &number(250_000));
        put(layout.address, &[192, 0, 2, 7]);
        record
    }

    #[test]
    fn each_is_known_by_its_records() {
        for layout in LAYOUTS {
            for count in 1..5 {
                let records = encode(layout, 7, "pts/0", "al", "192.0.2.7").repeat(count);
                assert_eq!(Layout::of(&records), layout, "{count}");
            }
            let records = [vec![0; layout.size], encode(layout, 8, "pts/0", "", "")].concat();
            assert_eq!(Layout::of(&records), layout);
        }
        assert_eq!(Layout::of(&[]), NARROW);
        assert_eq!(Layout::of(&[0; 800]), NARROW);
    }
}
