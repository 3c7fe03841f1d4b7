//! Points in time as disks hold them: seconds and nanoseconds from 1970, far past and far future included.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Seconds from 1970-01-01T00:00:00Z and nanoseconds after that second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "Encoded")]
// Four of them are most of a row, of which there are as many as files: twelve bytes each, not sixteen.
#[repr(C, packed(4))]
pub struct Timestamp {
    /// Whole seconds, rounded towards the past.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// A point in time as bytes have it, from whoever: its nanoseconds may be anything.
#[derive(Deserialize)]
struct Encoded {
    seconds: i64,
    nanos: u32,
}

impl From<Encoded> for Timestamp {
    fn from(encoded: Encoded) -> Self {
        Self::new(encoded.seconds, encoded.nanos)
    }
}

/// 1601-01-01 to 1970-01-01 in seconds: where Windows' FILETIME starts.
const FILETIME_EPOCH_SECONDS: i64 = 11_644_473_600;

impl Timestamp {
    /// From seconds and nanoseconds; nanoseconds past a second (a damaged disk) are carried over.
    pub const fn new(seconds: i64, nanos: u32) -> Self {
        Self { seconds: seconds.saturating_add((nanos / 1_000_000_000) as i64), nanos: nanos % 1_000_000_000 }
    }

    /// From Windows' FILETIME: intervals of 100 ns since 1601-01-01 UTC.
    pub const fn from_filetime(ticks: u64) -> Self {
        let seconds = (ticks / 10_000_000) as i64 - FILETIME_EPOCH_SECONDS;
        Self { seconds, nanos: (ticks % 10_000_000) as u32 * 100 }
    }

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self { seconds: micros.div_euclid(1_000_000), nanos: micros.rem_euclid(1_000_000) as u32 * 1000 }
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with nine digits of a second; years outside 0 to 9999 carry a sign, as ISO 8601 has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.seconds.div_euclid(86_400), self.seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        if (0..=9999).contains(&year) {
            write!(f, "{year:04}")?;
        } else {
            write!(f, "{year:+05}")?;
        }
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", self.nanos)
    }
}

/// Days from 1970 to year, month and day of the proleptic Gregorian calendar
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_what_date_shows() {
        for (seconds, nanos, shown) in [
            (0, 0, "1970-01-01T00:00:00.000000000Z"),
            (-1, 999_999_999, "1969-12-31T23:59:59.999999999Z"),
            (951_782_400, 5, "2000-02-29T00:00:00.000000005Z"),
            (4_294_967_303, 0, "2106-02-07T06:28:23.000000000Z"),
            (-11_644_473_600, 0, "1601-01-01T00:00:00.000000000Z"),
            (253_402_300_799, 0, "9999-12-31T23:59:59.000000000Z"),
            (253_402_300_800, 0, "+10000-01-01T00:00:00.000000000Z"),
        ] {
            assert_eq!(Timestamp::new(seconds, nanos).to_string(), shown);
        }
    }

    #[test]
    fn a_decoded_time_keeps_its_nanoseconds_within_a_second() {
        let read = |bytes: &[u8]| crate::codec::from_bytes::<Timestamp>("time", bytes).unwrap();
        let time = Timestamp::new(-7, 999_999_999);
        assert_eq!(read(&crate::codec::to_bytes(&time)), time);
        assert_eq!(read(&crate::codec::to_bytes(&(5_i64, 2_000_000_001_u32))), Timestamp::new(7, 1));
    }

    #[test]
    fn filetime_and_micros() {
        assert_eq!(Timestamp::from_filetime(116_444_736_000_000_000), Timestamp::new(0, 0));
        assert_eq!({ Timestamp::from_filetime(0).seconds }, -11_644_473_600);
        assert_eq!(Timestamp::from_micros(-1), Timestamp::new(-1, 999_999_000));
        let _ = Timestamp::new(i64::MAX, u32::MAX).to_string();
        let _ = Timestamp::new(i64::MIN, 0).to_string();
    }
}
