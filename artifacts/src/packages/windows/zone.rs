//! The machine's time zone, by the rules that its registry holds: Windows' names for zones are its own.
//!
//! Sources: Microsoft Learn, "TIME_ZONE_INFORMATION structure" (biases in minutes, UTC = local time + bias; what the
//! two starts mean) and "TIME_FIELDS structure" (how the registry stores them); POSIX.1-2024, "Environment Variables",
//! TZ.

use crate::{
    Output,
    hive::{Key, Records},
    input::{Companion, Place},
    zone::DiskZone,
};

/// The hive beside SOFTWARE that knows it, and its logs.
pub(super) const SYSTEM: &[&str] = &["SYSTEM", "SYSTEM.LOG1", "SYSTEM.LOG2", "SYSTEM.LOG"];

/// The zone that the SYSTEM hive beside a hive tells.
pub(super) fn of_system(
    place: Place<'_>,
    companions: &mut [Companion<'_>],
    out: &mut dyn Output,
) -> Option<DiskZone> {
    let mut records = Records::open_sibling(place, SYSTEM[0], companions, out)?;
    let set = super::services::control_set(&mut records);
    let key = set.and_then(|set| records.key(&format!("{set}\\Control\\TimeZoneInformation")));
    let zone = key.and_then(|key| read(&mut records, &key));
    records.finish();
    zone
}

fn read(records: &mut Records<'_, '_>, key: &Key) -> Option<DiskZone> {
    let mut minutes = |name: &str| records.number(key, name).map(|number| i64::from(number as u32 as i32));
    let bias = minutes("Bias")?;
    let standard = bias + minutes("StandardBias").unwrap_or(0);
    let daylight = bias + minutes("DaylightBias").unwrap_or(0);
    // Vista and later, and before.
    let is_off = |number: Option<i64>| number.is_some_and(|number| number != 0);
    let off = is_off(minutes("DynamicDaylightTimeDisabled")) || is_off(minutes("DisableAutoDaylightTimeSet"));
    let mut start = |name: &str| records.data(key, name).and_then(|data| change(&data.bytes));
    let (to_daylight, to_standard) = (start("DaylightStart"), start("StandardStart"));
    let rules = match (to_daylight, to_standard) {
        (Some(to_daylight), Some(to_standard)) if !off && daylight != standard => {
            format!("<std>{}<dst>{},{to_daylight},{to_standard}", west(standard), west(daylight))
        }
        _ => format!("<std>{}", west(standard)),
    };
    let name = records.text(key, "TimeZoneKeyName").or_else(|| records.text(key, "StandardName"));
    DiskZone::from_posix(name.as_deref(), &rules)
}

/// Minutes west of Greenwich.
fn west(minutes: i64) -> String {
    let sign = if minutes < 0 { "-" } else { "" };
    format!("{sign}{}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

/// A change of every year: year (0), month, week (5 is the last), hour, minute, second, milliseconds, weekday from
/// Sunday. One with a year holds for that year alone.
fn change(bytes: &[u8]) -> Option<String> {
    let fields: [u8; 16] = *bytes.first_chunk()?;
    let fields: [u16; 8] = std::array::from_fn(|at| u16::from_le_bytes([fields[at * 2], fields[at * 2 + 1]]));
    let [0, month @ 1..=12, week @ 1..=5, hour @ 0..=23, minute @ 0..=59, second @ 0..=59, _, day @ 0..=6] =
        fields
    else {
        return None;
    };
    Some(format!("M{month}.{week}.{day}/{hour}:{minute:02}:{second:02}"))
}
