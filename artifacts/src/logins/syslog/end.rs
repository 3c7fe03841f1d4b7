//! When a log's last line was written at the latest.
//!
//! Sources: logrotate(8), "dateext" and "dateformat" (`-YYYYMMDD`, or with `-HH`); RFC 1952, section 2.3.1
//! (MTIME: gzip keeps the time of what it packs).

use crate::view::FileView;
use coldread_model::Timestamp;

const DAY: i64 = 86_400;

/// The earliest of the file's own time, the date in its name and the time in its gzip header: a copy may
/// have been changed later than its log. The day after the date is still possible, as zones differ.
pub(super) fn of(path: &[u8], mtime: Timestamp, view: &mut dyn FileView) -> Timestamp {
    let named = date_in_name(path).map(|seconds| seconds.saturating_add(2 * DAY));
    let packed = packed_time(view);
    // A file without a time (a damaged inode) has 1970: any other is better.
    let known = [Some(mtime.seconds).filter(|seconds| *seconds > 0), named, packed];
    known.into_iter().flatten().min().map_or(mtime, |seconds| Timestamp::new(seconds, 0))
}

/// Midnight in UTC of the date that a rotated file's name ends in, before any ending.
fn date_in_name(path: &[u8]) -> Option<i64> {
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    name.split(|byte| matches!(byte, b'-' | b'.')).find_map(|part| {
        let digits = <&[u8; 8]>::try_from(part).ok()?;
        let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit))?;
        let (year, month, day) = (text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?);
        let plausible = (1990..2100).contains(&year);
        plausible.then(|| crate::zone::LocalSeconds::from_civil(year, month, day, (0, 0, 0)))?.map(|at| at.0)
    })
}

fn packed_time(view: &mut dyn FileView) -> Option<i64> {
    let mut start = [0; 8];
    let got = view.read_at(0, &mut start).ok()?;
    match start {
        [0x1f, 0x8b, 8, _, time @ ..] if got >= 8 => {
            Some(i64::from(u32::from_le_bytes(time))).filter(|seconds| *seconds > 0)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;

    #[test]
    fn the_earliest_that_is_known() {
        let end = |path: &str, mtime, bytes: &[u8]| {
            of(path.as_bytes(), Timestamp::new(mtime, 0), &mut MemoryView::from(bytes.to_vec())).seconds
        };
        let later = 1_800_000_000;
        assert_eq!(end("/var/log/auth.log.1", later, b""), later);
        // 2022-01-02 and two days.
        assert_eq!(end("/var/log/secure-20220102", later, b""), 1_641_254_400);
        assert_eq!(end("/var/log/secure-20220102.gz", 1_600_000_000, b""), 1_600_000_000);
        assert_eq!(end("/var/log/secure-20221345", later, b""), later);
        let gzip = [0x1f, 0x8b, 8, 0, 0x00, 0xf1, 0x53, 0x65, 0, 3];
        assert_eq!(end("/var/log/auth.log.2.gz", later, &gzip), 0x6553_f100);
        assert_eq!(end("/var/log/auth.log.2.gz", 0, &gzip), 0x6553_f100);
    }
}
