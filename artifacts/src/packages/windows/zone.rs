//! The machine's time zone, by the rules that its registry holds: Windows' names for zones are its own.
//!
//! SYSTEM has the rules of the year in which it was last written. SOFTWARE has those of other years, where the zone has
//! had several: a day of some earlier summer may be read wrongly by the rules of today.
//!
//! Sources: Microsoft Learn, "TIME_ZONE_INFORMATION structure" (biases in minutes, UTC = local time + bias; what the
//! two starts mean), "TIME_FIELDS structure" (how SYSTEM stores them), "SYSTEMTIME structure" and
//! "DYNAMIC_TIME_ZONE_INFORMATION structure" (where rules of years are, and their form); POSIX.1-2024, "Environment
//! Variables", TZ.

use crate::{
    hive::{Key, Records},
    input::{Companion, Place},
    zone::DiskZone,
};
use coldread_model::Findings;
use jiff::civil::Date;
use std::collections::BTreeMap;

/// The hive beside SOFTWARE that knows the zone, and its logs.
pub(super) const BESIDE: &[&str] = &["SYSTEM", "SYSTEM.LOG1", "SYSTEM.LOG2", "SYSTEM.LOG"];

const SYSTEM: &str = "/Windows/System32/config/SYSTEM";
const SOFTWARE: &str = "/Windows/System32/config/SOFTWARE";

/// Both hives as users' hives are read with them, and their logs.
pub(super) const ELSEWHERE: &[&str] = &[
    SYSTEM,
    "/Windows/System32/config/SYSTEM.LOG1",
    "/Windows/System32/config/SYSTEM.LOG2",
    "/Windows/System32/config/SYSTEM.LOG",
    SOFTWARE,
    "/Windows/System32/config/SOFTWARE.LOG1",
    "/Windows/System32/config/SOFTWARE.LOG2",
    "/Windows/System32/config/SOFTWARE.LOG",
];

/// Years that a zone has rules of at most, counted from the first.
const MAX_YEARS: u64 = 256;

/// What the SYSTEM hive tells.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The rules that it holds itself.
    zone: Option<DiskZone>,
    /// The zone whose rules of years the machine follows.
    follows: Option<String>,
}

impl Told {
    /// The zone with its rules of years, if SOFTWARE has such.
    pub(super) fn by_year(self, software: &mut Records<'_, '_>) -> Option<DiskZone> {
        self.follows.and_then(|name| years(software, &name)).or(self.zone)
    }
}

/// What the SYSTEM hive among the companions tells of the zone. What is wrong with the hive, its own extractor tells.
pub(super) fn of_system(place: Place<'_>, name: &str, companions: &mut [Companion<'_>]) -> Told {
    let mut told_elsewhere = Findings::default();
    let Some(mut records) = Records::open_sibling(place, name, companions, &mut told_elsewhere) else {
        return Told::default();
    };
    let set = super::services::control_set(&mut records);
    let key = set.and_then(|set| records.key(&format!("{set}\\Control\\TimeZoneInformation")));
    key.map(|key| read(&mut records, &key)).unwrap_or_default()
}

/// The zone by both hives, for a hive of which they are no siblings.
pub(super) fn elsewhere(place: Place<'_>, companions: &mut [Companion<'_>]) -> Option<DiskZone> {
    let told = of_system(place, SYSTEM, companions);
    let mut told_elsewhere = Findings::default();
    match Records::open_sibling(place, SOFTWARE, companions, &mut told_elsewhere) {
        Some(mut records) => told.by_year(&mut records),
        None => told.zone,
    }
}

fn read(records: &mut Records<'_, '_>, key: &Key) -> Told {
    let mut minutes = |name: &str| records.number(key, name).map(|number| i64::from(number as u32 as i32));
    let Some(bias) = minutes("Bias") else { return Told::default() };
    let standard = bias + minutes("StandardBias").unwrap_or(0);
    let daylight = bias + minutes("DaylightBias").unwrap_or(0);
    // Vista and later, and before.
    let is_off = |number: Option<i64>| number.is_some_and(|number| number != 0);
    let off = is_off(minutes("DynamicDaylightTimeDisabled")) || is_off(minutes("DisableAutoDaylightTimeSet"));
    let mut start = |name: &str| records.data(key, name).and_then(|data| of_time_fields(&data.bytes));
    let starts = start("DaylightStart").zip(start("StandardStart")).filter(|_| !off);
    let name = records.text(key, "TimeZoneKeyName");
    let follows = name.clone().filter(|_| !off);
    let name = name.or_else(|| records.text(key, "StandardName"));
    let zone = Rules { standard, daylight, starts };
    let zone = match zone.own_year() {
        None => DiskZone::from_posix(name.as_deref(), &zone.of_year(0)),
        Some(year) => DiskZone::from_years(name.as_deref(), &by_years(&BTreeMap::from([(year, zone)]))),
    };
    Told { zone, follows }
}

/// The rules of each year that SOFTWARE has of a zone, from `FirstEntry` to `LastEntry`: 44 bytes, the three biases and
/// the starts of standard and of daylight time.
fn years(software: &mut Records<'_, '_>, name: &str) -> Option<DiskZone> {
    let zones = software.key("Microsoft\\Windows NT\\CurrentVersion\\Time Zones")?;
    // A name is one key: it is no path.
    let zone = software.subkey(&zones, name)?;
    let key = software.subkey(&zone, "Dynamic DST")?;
    let (first, last) = (software.number(&key, "FirstEntry")?, software.number(&key, "LastEntry")?);
    let range = first..=last.min(first.saturating_add(MAX_YEARS));
    let mut years = BTreeMap::new();
    for year in range.filter_map(|year| i16::try_from(year).ok()) {
        let data = software.data(&key, &year.to_string());
        let Some(fields) = data.as_ref().and_then(|data| data.bytes.first_chunk::<44>()) else { continue };
        let minutes = |at: usize| {
            let bytes: [u8; 4] = std::array::from_fn(|byte| fields[at + byte]);
            i64::from(i32::from_le_bytes(bytes))
        };
        let (standard, daylight) = (minutes(0) + minutes(4), minutes(0) + minutes(8));
        let starts = of_system_time(&fields[28..]).zip(of_system_time(&fields[12..28]));
        years.insert(year, Rules { standard, daylight, starts });
    }
    DiskZone::from_years(Some(name), &by_years(&years))
}

/// Minutes west in standard and daylight time, and when daylight and standard time start, if the clock is set at all.
#[derive(Debug)]
struct Rules {
    standard: i64,
    daylight: i64,
    starts: Option<(Start, Start)>,
}

impl Rules {
    /// The year for which alone a start holds, if one does.
    fn own_year(&self) -> Option<i16> {
        let (to_daylight, to_standard) = self.starts.as_ref()?;
        to_daylight.year.or(to_standard.year)
    }

    /// As POSIX writes them, for a year: in others than its own a start does not come.
    fn of_year(&self, year: i16) -> String {
        let Self { standard, daylight, starts } = self;
        let comes = |start: &Start| start.year.is_none_or(|own| own == year);
        let starts = starts.as_ref().filter(|(one, other)| comes(one) && comes(other));
        match starts.filter(|_| daylight != standard) {
            Some((to_daylight, to_standard)) => {
                let (to_daylight, to_standard) = (&to_daylight.posix, &to_standard.posix);
                format!("<std>{}<dst>{},{to_daylight},{to_standard}", west(*standard), west(*daylight))
            }
            None => format!("<std>{}", west(*standard)),
        }
    }
}

/// Rules of years as POSIX writes them. Where a start holds for one year alone, the years beside it that have no rules
/// do not take over that year's.
fn by_years(rules: &BTreeMap<i16, Rules>) -> BTreeMap<i16, String> {
    let mut years: BTreeMap<i16, String> =
        rules.iter().map(|(year, rules)| (*year, rules.of_year(*year))).collect();
    let first = rules.keys().next().copied();
    for (year, rules) in rules.iter().filter(|(_, rules)| rules.own_year().is_some()) {
        let before = year.checked_sub(1).filter(|_| first == Some(*year));
        for beside in before.into_iter().chain(year.checked_add(1)) {
            years.entry(beside).or_insert_with(|| rules.of_year(beside));
        }
    }
    years
}

/// Minutes west of Greenwich.
fn west(minutes: i64) -> String {
    let sign = if minutes < 0 { "-" } else { "" };
    format!("{sign}{}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// When daylight or standard time starts.
#[derive(Debug)]
struct Start {
    /// The year for which alone it holds; none where it comes every year.
    year: Option<i16>,
    posix: String,
}

/// A start as SYSTEM has it: year, month, week, hour, minute, second, milliseconds, weekday from Sunday.
fn of_time_fields(bytes: &[u8]) -> Option<Start> {
    let [year, month, week, hour, minute, second, _, day] = fields(bytes)?;
    change([year, month, week, day], [hour, minute, second])
}

/// A start as SOFTWARE has it: year, month, weekday from Sunday, week, hour, minute, second, milliseconds.
fn of_system_time(bytes: &[u8]) -> Option<Start> {
    let [year, month, day, week, hour, minute, second, _] = fields(bytes)?;
    change([year, month, week, day], [hour, minute, second])
}

fn fields(bytes: &[u8]) -> Option<[u16; 8]> {
    let bytes: [u8; 16] = *bytes.first_chunk()?;
    Some(std::array::from_fn(|at| u16::from_le_bytes([bytes[at * 2], bytes[at * 2 + 1]])))
}

/// Of every year: no year, a month, a week of it (5 is the last), a weekday. Of one year: the year, a month, a day of it.
fn change([year, month, week, weekday]: [u16; 4], time: [u16; 3]) -> Option<Start> {
    let [hour @ 0..=23, minute @ 0..=59, second @ 0..=59] = time else { return None };
    let (year, day) = match (year, month, week, weekday) {
        (0, 1..=12, 1..=5, 0..=6) => (None, format!("M{month}.{week}.{weekday}")),
        (0, ..) => return None,
        _ => {
            let year = i16::try_from(year).ok()?;
            let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(week).ok()?).ok()?;
            // Days from the first of January, with 29 February.
            (Some(year), (date.day_of_year() - 1).to_string())
        }
    };
    Some(Start { year, posix: format!("{day}/{hour}:{minute:02}:{second:02}") })
}
