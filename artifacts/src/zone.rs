//! The disk's own time zone, for logs that do not name one.

use coldread_model::{Timestamp, Zone};
use jiff::{
    civil::DateTime,
    tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase},
};
use std::collections::BTreeMap;

/// Local times within one block of so many seconds almost always have one offset.
const BLOCK_SECONDS: i64 = 900;

/// A time zone, and how it is known.
#[derive(Clone, Debug)]
pub struct DiskZone {
    /// The zone's rules.
    rules: TimeZone,
    /// Rules from years on, the earliest first, where they change from year to year.
    years: Vec<(i16, TimeZone)>,
    /// [`Zone::Disk`], or [`Zone::Assumed`] for UTC where the disk names none.
    pub known: Zone,
    /// Its name, where the disk gives one.
    pub name: Option<String>,
}

impl Default for DiskZone {
    /// UTC, assumed.
    fn default() -> Self {
        Self { rules: TimeZone::UTC, years: Vec::new(), known: Zone::Assumed, name: None }
    }
}

impl DiskZone {
    /// From /etc/localtime's bytes (RFC 9636, "The Time Zone Information Format").
    pub fn from_tzif(name: Option<&str>, bytes: &[u8]) -> Option<Self> {
        Some(Self::of_disk(name, TimeZone::tzif(name.unwrap_or("local"), bytes).ok()?))
    }

    /// From a name of the IANA database, by the tables that this program carries.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(Self::of_disk(Some(name), TimeZoneDatabase::bundled().get(name).ok()?))
    }

    /// From rules in the form of POSIX (`<std>-1:00<dst>-2:00,M3.5.0,M10.5.0/3`), under the name that the disk gives.
    pub fn from_posix(name: Option<&str>, rules: &str) -> Option<Self> {
        Some(Self::of_disk(name, TimeZone::posix(rules).ok()?))
    }

    /// The same for years: each has the rules of its own, or of the last year before it that has some; years before
    /// all of them have those of the first. `None` where there is no year.
    pub fn from_years(name: Option<&str>, years: &BTreeMap<i16, String>) -> Option<Self> {
        let rules = |(year, rules): (&i16, &String)| Some((*year, TimeZone::posix(rules).ok()?));
        let years: Vec<(i16, TimeZone)> = years.iter().filter_map(rules).collect();
        let (_, last) = years.last()?;
        Some(Self { years: years.clone(), ..Self::of_disk(name, last.clone()) })
    }

    fn of_disk(name: Option<&str>, rules: TimeZone) -> Self {
        Self { rules, years: Vec::new(), known: Zone::Disk, name: name.map(str::to_owned) }
    }

    fn rules_of(&self, year: i16) -> &TimeZone {
        let from = self.years.partition_point(|(first, _)| *first <= year);
        self.years.get(from.saturating_sub(1)).map_or(&self.rules, |(_, rules)| rules)
    }

    /// A converter; it remembers where it was, as the next time is nearly always close by.
    pub fn converter(&self) -> Converter<'_> {
        Converter { zone: self, block: None }
    }
}

/// A local date and time of day in seconds from 1970-01-01T00:00:00 on the same clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalSeconds(pub i64);

impl LocalSeconds {
    /// From calendar fields; `None` where there is no such day or time. A leap second is the next one.
    pub fn from_civil(year: i16, month: u8, day: u8, (hour, minute, second): (u8, u8, u8)) -> Option<Self> {
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let date = jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        let midnight = Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
        let of_day = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        Some(Self(midnight.as_second() + of_day))
    }

    fn civil(self) -> Option<DateTime> {
        Some(Offset::UTC.to_datetime(jiff::Timestamp::from_second(self.0).ok()?))
    }
}

/// Turns local times into UTC.
#[derive(Debug)]
pub struct Converter<'a> {
    zone: &'a DiskZone,
    /// The last block of local time that has one offset throughout, and that offset in seconds.
    block: Option<(i64, i64)>,
}

impl Converter<'_> {
    /// The point in time, and whether the clock showed it twice (then the earlier is taken). A time that a
    /// clock set forward has skipped is read with the offset before.
    pub fn to_utc(&mut self, local: LocalSeconds, nanos: u32) -> Option<(Timestamp, bool)> {
        let block = local.0.div_euclid(BLOCK_SECONDS);
        if let Some((known, offset)) = self.block
            && known == block
        {
            return Some((Timestamp::new(local.0 - offset, nanos), false));
        }
        let (offset, ambiguous) = self.offset(local)?;
        let start = LocalSeconds(block * BLOCK_SECONDS);
        let end = LocalSeconds(start.0 + BLOCK_SECONDS - 1);
        if [start, end].map(|at| self.offset(at)) == [Some((offset, false)); 2] {
            self.block = Some((block, offset));
        }
        Some((Timestamp::new(local.0 - offset, nanos), ambiguous))
    }

    fn offset(&self, local: LocalSeconds) -> Option<(i64, bool)> {
        let civil = local.civil()?;
        Some(match self.zone.rules_of(civil.year()).to_ambiguous_timestamp(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => (i64::from(offset.seconds()), false),
            AmbiguousOffset::Gap { before, .. } => (i64::from(before.seconds()), false),
            AmbiguousOffset::Fold { before, .. } => (i64::from(before.seconds()), true),
        })
    }

    /// What the disk's clock showed at `time`.
    pub fn to_local(&self, time: Timestamp) -> Option<LocalSeconds> {
        let time_of = jiff::Timestamp::from_second(time.seconds).ok()?;
        let year = Offset::UTC.to_datetime(time_of).year();
        let offset = self.zone.rules_of(year).to_offset(time_of);
        Some(LocalSeconds(time.seconds + i64::from(offset.seconds())))
    }
}

/// The year that a local time is in.
pub fn year_of(local: LocalSeconds) -> Option<i16> {
    Some(local.civil()?.year())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn local(month: u8, day: u8, hour: u8, minute: u8) -> LocalSeconds {
        LocalSeconds::from_civil(2023, month, day, (hour, minute, 0)).unwrap()
    }

    #[test]
    fn hours_that_come_twice_or_never() {
        let berlin = DiskZone::from_name("Europe/Berlin").unwrap();
        assert_eq!(berlin.known, Zone::Disk);
        let mut converter = berlin.converter();
        for (at, utc, ambiguous) in [
            (local(7, 1, 12, 0), "2023-07-01T10:00:00.000000005Z", false),
            (local(10, 29, 1, 59), "2023-10-28T23:59:00.000000005Z", false),
            (local(10, 29, 2, 30), "2023-10-29T00:30:00.000000005Z", true),
            (local(10, 29, 2, 31), "2023-10-29T00:31:00.000000005Z", true),
            (local(10, 29, 3, 0), "2023-10-29T02:00:00.000000005Z", false),
            (local(3, 26, 2, 30), "2023-03-26T01:30:00.000000005Z", false),
            (local(3, 26, 3, 0), "2023-03-26T01:00:00.000000005Z", false),
            (local(1, 1, 0, 0), "2022-12-31T23:00:00.000000005Z", false),
        ] {
            let (time, twice) = converter.to_utc(at, 5).unwrap();
            assert_eq!((time.to_string().as_str(), twice), (utc, ambiguous));
            if !ambiguous && utc != "2023-03-26T01:30:00.000000005Z" {
                assert_eq!(converter.to_local(time), Some(at));
            }
        }
    }

    #[test]
    fn days_that_are_none() {
        assert!(LocalSeconds::from_civil(2023, 2, 29, (0, 0, 0)).is_none());
        assert!(LocalSeconds::from_civil(2024, 2, 29, (24, 0, 0)).is_none());
        assert!(LocalSeconds::from_civil(2024, 13, 1, (0, 0, 0)).is_none());
        assert!(LocalSeconds::from_civil(2016, 12, 31, (23, 59, 60)).is_some());
        assert_eq!(year_of(local(1, 1, 0, 0)), Some(2023));
        assert!(DiskZone::from_name("Mars/Olympus").is_none());
    }

    proptest! {
        #[test]
        fn blocks_change_nothing(starts in prop::collection::vec(1_600_000_000i64..1_800_000_000, 1..20)) {
            let zone = DiskZone::from_name("Australia/Lord_Howe").unwrap();
            let mut kept = zone.converter();
            for start in starts {
                for at in (0..4).map(|step| LocalSeconds(start + step * 400)) {
                    prop_assert_eq!(kept.to_utc(at, 0), zone.converter().to_utc(at, 0));
                }
            }
        }

        #[test]
        fn any_bytes_are_a_zone_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<i64>()) {
            let mut tzif = b"TZif2".to_vec();
            tzif.extend(bytes);
            if let Some(zone) = DiskZone::from_tzif(None, &tzif) {
                let _ = zone.converter().to_local(Timestamp::new(at, 0));
                let _ = zone.converter().to_utc(LocalSeconds(at / 4), 0);
            }
        }
    }
}
