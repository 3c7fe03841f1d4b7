//! The years of a log that writes none.
//!
//! A log's last line was written when the file was last modified, so the year of that is its own. Walking
//! back from there, every place where the date goes from the start of a year to its end is a year's end.

use super::header::{self, Yearless};
use crate::zone::{Converter, LocalSeconds, year_of};
use coldread_model::Timestamp;

/// Days by which a date must go back to be in the next year; less is a line that came late, or a clock that was wrong.
/// Logs that are silent for nearly a year are as rare, and rotated before.
const NEXT_YEAR: i32 = 45;

/// Days by which a date must go forward to be in the year before: a line from December that was written
/// after the first of January.
const YEAR_BEFORE: i32 = 330;

/// A line that is this much younger than the file is from the year before: clocks differ a little.
const TOLERANCE_SECONDS: i64 = 86_400;

/// Leap years come at least so often.
const LEAP_YEARS: i32 = 8;

/// Counts the years that pass from line to line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct YearCounter {
    last: Option<Yearless>,
    years: i32,
    /// The count at the last 29 February.
    leap: Option<i32>,
    /// How the line before begins, if with a day.
    day: [u8; 7],
}

impl YearCounter {
    /// Takes the next line, if it begins with a time without a year. Lines of the same day are not looked at further.
    pub(super) fn line(&mut self, line: &[u8]) {
        let Some(start) = line.first_chunk::<7>().filter(|start| **start != self.day) else { return };
        if let Some(stamp) = header::yearless(line) {
            // `Nov 14 ` and `Nov 4 0` are of one day; after a priority there may be any.
            self.day = if start[0].is_ascii_uppercase() { *start } else { [0; 7] };
            self.next(stamp);
        }
    }

    /// Takes the next line's date; gives the number of year ends passed so far.
    pub(super) fn next(&mut self, stamp: Yearless) -> i32 {
        if let Some(last) = self.last {
            let forward = stamp.day_of_year() - last.day_of_year();
            if forward < -NEXT_YEAR {
                self.years = self.years.saturating_add(1);
            } else if forward > YEAR_BEFORE {
                self.years = self.years.saturating_sub(1);
            }
        }
        if (stamp.month, stamp.day) == (2, 29) {
            self.leap = Some(self.years);
        }
        self.last = Some(stamp);
        self.years
    }

    /// The year in which the count was zero, once all lines were counted and the file is of `mtime`: the latest in which
    /// its days exist and its last line is not younger than the file.
    pub(super) fn first_year(self, mtime: Timestamp, converter: &Converter<'_>) -> i32 {
        let modified = converter.to_local(mtime);
        let latest = modified.and_then(year_of).map_or(1970, i32::from);
        let fits = |year: &i32| {
            let leap = self.leap.is_none_or(|count| is_leap(year.saturating_sub(self.years - count)));
            let last = self.last.and_then(|last| local(last, *year));
            let too_young = match (last, modified) {
                (Some(last), Some(modified)) => last.0 > modified.0.saturating_add(TOLERANCE_SECONDS),
                _ => false,
            };
            leap && !too_young
        };
        let year = (0..=LEAP_YEARS).map(|back| latest.saturating_sub(back)).find(fits).unwrap_or(latest);
        year.saturating_sub(self.years)
    }
}

fn is_leap(year: i32) -> bool {
    year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0)
}

/// A date in a year; `None` where that year has no such day.
pub(super) fn local(stamp: Yearless, year: i32) -> Option<LocalSeconds> {
    LocalSeconds::from_civil(i16::try_from(year).ok()?, stamp.month, stamp.day, stamp.clock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zone::DiskZone;
    use proptest::prelude::*;

    fn years(mtime: (i16, u8, u8), days: &[(u8, u8)]) -> Vec<i32> {
        let stamp = |&(month, day): &(u8, u8)| Yearless { month, day, clock: (12, 0, 0), nanos: 0 };
        let mut all = YearCounter::default();
        for day in days {
            all.next(stamp(day));
        }
        let modified = LocalSeconds::from_civil(mtime.0, mtime.1, mtime.2, (13, 0, 0)).unwrap();
        let zone = DiskZone::default();
        let first = all.first_year(Timestamp::new(modified.0, 0), &zone.converter());
        let mut counter = YearCounter::default();
        days.iter().map(|day| first + counter.next(stamp(day))).collect()
    }

    #[test]
    fn years_end_in_the_middle_and_at_the_end() {
        assert_eq!(years((2022, 3, 1), &[(12, 30), (12, 31), (1, 1), (2, 28)]), [2021, 2021, 2022, 2022]);
        assert_eq!(years((2022, 1, 1), &[(12, 30), (12, 31)]), [2021, 2021]);
        assert_eq!(years((2022, 11, 14), &[(11, 14)]), [2022]);
        assert_eq!(years((2022, 6, 1), &[(6, 1), (3, 1), (1, 1)]), [2020, 2021, 2022]);
        assert_eq!(years((2022, 6, 1), &[(3, 1), (2, 1), (3, 2)]), [2022; 3]);
        assert_eq!(years((2022, 6, 1), &[(12, 31), (1, 1), (12, 31), (1, 1)]), [2021, 2022, 2021, 2022]);
        assert_eq!(years((2022, 6, 1), &[(5, 3), (5, 1), (5, 3)]), [2022; 3]);
    }

    #[test]
    fn a_leap_day_tells_its_year() {
        assert_eq!(years((2026, 3, 1), &[(2, 28), (2, 29)]), [2024; 2]);
        assert_eq!(years((2024, 3, 1), &[(2, 29), (3, 1)]), [2024; 2]);
        assert_eq!(years((2024, 2, 1), &[(2, 29)]), [2020]);
        assert_eq!(years((2026, 3, 1), &[(2, 29), (12, 31), (1, 1)]), [2024, 2024, 2025]);
    }

    #[test]
    fn only_the_first_line_of_a_day_counts() {
        let lines = [
            "Dec 31 23:00:00 h x",
            "Dec 31 23:00:01 h x",
            "",
            "Jan  1 00:00:00 h",
            "Jan  1 0",
            "<1>May  1 00:00:00 h",
            "<1>May  2 00:00:00 h",
            "Jan 1 10:00:00 h x",
            "<1>Jan  2 00:00:00 h",
        ];
        let (mut by_line, mut by_stamp) = (YearCounter::default(), YearCounter::default());
        for line in lines {
            by_line.line(line.as_bytes());
            if let Some(stamp) = header::yearless(line.as_bytes()) {
                by_stamp.next(stamp);
            }
            assert_eq!(by_line.years, by_stamp.years, "{line}");
        }
        assert_eq!(by_line.years, 2);
    }

    proptest! {
        #[test]
        fn lines_in_order_get_their_own_years(start in 0i64..60_000, steps in prop::collection::vec(0i64..300, 1..40)) {
            let mut day = start;
            let mut written = Vec::new();
            for step in steps {
                day += step;
                written.push(LocalSeconds(day * 86_400));
            }
            let dates: Vec<_> = written.iter().map(|at| {
                let shown = Timestamp::new(at.0, 0).to_string();
                (shown[..4].parse::<i32>().unwrap(), shown[5..7].parse().unwrap(), shown[8..10].parse().unwrap())
            }).collect();
            let (year, month, of_month) = *dates.last().unwrap();
            let days: Vec<(u8, u8)> = dates.iter().map(|date| (date.1, date.2)).collect();
            // A jump to almost the same day of the next year cannot be told from none, and is left out.
            prop_assume!(dates.windows(2).all(|pair| {
                let of_year = |date: (i32, u8, u8)| Yearless { month: date.1, day: date.2, clock: (0, 0, 0), nanos: 0 }.day_of_year();
                pair[0].0 == pair[1].0 || of_year(pair[1]) - of_year(pair[0]) < -NEXT_YEAR
            }));
            let expected: Vec<_> = dates.iter().map(|date| date.0).collect();
            prop_assert_eq!(years((i16::try_from(year).unwrap(), month, of_month), &days), expected);
        }
    }
}
