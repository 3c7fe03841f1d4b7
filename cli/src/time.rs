//! Points in time as people type them: RFC 3339, a date, or a span ago.

use crate::failure::Failure;
use coldread_proto::v1;
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use std::str::FromStr;

/// A point in time from the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointInTime(Timestamp);

impl PointInTime {
    fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self(time));
        }
        if let Ok(local) = text.parse::<DateTime>() {
            let zoned = local.to_zoned(TimeZone::UTC);
            return zoned.map(|zoned| Self(zoned.timestamp())).map_err(|error| error.to_string());
        }
        let seconds = span(text).ok_or(
            "not a time: give RFC 3339 (2025-11-02T21:30:00Z), a date (2025-11-02) or a span ago (7d, 12h, 1d12h)",
        )?;
        let then = now.as_second().checked_sub(seconds).ok_or("too long ago")?;
        Timestamp::new(then, now.subsec_nanosecond()).map(Self).map_err(|error| error.to_string())
    }
}

impl FromStr for PointInTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, Timestamp::now())
    }
}

impl From<PointInTime> for v1::Time {
    fn from(time: PointInTime) -> Self {
        let nanos = time.0.as_nanosecond();
        // jiff's times lie within the years -9999 to 9999: the seconds fit by far.
        Self {
            seconds: nanos.div_euclid(1_000_000_000) as i64,
            nanos: nanos.rem_euclid(1_000_000_000) as u32,
        }
    }
}

/// That a span of time does not end before it begins: it would find nothing, and that would tell nothing.
pub fn check_span(since: Option<PointInTime>, until: Option<PointInTime>) -> crate::failure::Result<()> {
    match (since, until) {
        (Some(since), Some(until)) if until.0 < since.0 => Err(Failure::usage(format!(
            "--until {} is before --since {}: no time lies between them",
            until.0, since.0
        ))),
        _ => Ok(()),
    }
}

/// Seconds of a span such as `90s`, `15m`, `12h`, `7d`, `2w` or `1d12h`.
fn span(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut seconds: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !one.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes().get(digits)? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(i64, u32), String> {
        let now = Timestamp::new(1_000_000_000, 5).unwrap();
        PointInTime::parse(text, now).map(|time| {
            let time = v1::Time::from(time);
            (time.seconds, time.nanos)
        })
    }

    #[test]
    fn a_span_that_ends_before_it_begins_is_wrong_usage() {
        let at = |text: &str| Some(text.parse::<PointInTime>().unwrap());
        for (since, until, good) in [
            (at("2025-11-01"), at("2025-11-02"), true),
            (at("2025-11-02"), at("2025-11-01"), false),
            (at("2025-11-02"), at("2025-11-02"), true),
            (at("2025-11-02"), None, true),
            (None, at("1999-11-02"), true),
        ] {
            assert_eq!(check_span(since, until).is_ok(), good, "{since:?} {until:?}");
        }
    }

    #[test]
    fn the_three_forms() {
        for (text, seconds, nanos) in [
            ("2001-09-09T01:46:40Z", 1_000_000_000, 0),
            ("2001-09-09T03:46:40.000000007+02:00", 1_000_000_000, 7),
            ("1969-12-31T23:59:59.5Z", -1, 500_000_000),
            ("2001-09-09", 999_993_600, 0),
            ("2001-09-09T01:46", 999_999_960, 0),
            ("0s", 1_000_000_000, 5),
            ("90s", 999_999_910, 5),
            ("15m", 999_999_100, 5),
            ("12h", 999_956_800, 5),
            ("7d", 999_395_200, 5),
            ("2w", 998_790_400, 5),
            ("1d12h", 999_870_400, 5),
        ] {
            assert_eq!(parsed(text), Ok((seconds, nanos)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "d",
            "7",
            "7x",
            "7d5",
            "yesterday",
            "-7d",
            "99999999999999999999d",
            "9999999999999w",
            "2001-13-01",
            "7dä",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }
}
