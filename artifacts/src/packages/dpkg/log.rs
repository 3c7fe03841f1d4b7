//! When packages were installed: /var/log/dpkg.log, rotated and compressed ones too.
//!
//! Source: dpkg(1), "Files", `/var/log/dpkg.log`: `date time action package:arch installed-version new-version`, in
//! the machine's own time zone.

use super::super::rows::MAX_TEXT;
use crate::{
    Context, Extractor, Input, Output,
    compressed::streams,
    input::PACKAGES_PER_FILE,
    lines::Lines,
    output::InstallTime,
    wants::{Reading, Want},
    zone::{Converter, LocalSeconds},
};
use coldread_model::{GapKind, Part, Parts, Timestamp};
use std::collections::BTreeMap;

/// Bytes of names and versions that are held; logs of a hundred thousand installations have some megabytes of them.
const MAX_HELD: usize = 64 << 20;

const STRUCTURE: &str = "dpkg log";

/// Reads dpkg's log for the time of each version's last installation.
#[derive(Debug)]
pub struct DpkgLog;

impl Extractor for DpkgLog {
    fn name(&self) -> &'static str {
        "dpkg-log"
    }

    fn version(&self) -> u32 {
        2
    }

    fn finds(&self) -> Parts {
        Parts::of(Part::Packages)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want::new("/var/log/dpkg.log*", Reading::Stream)];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let place = input.place();
        let mut converter = context.zone.converter();
        // The last time that each package, architecture and version was unpacked.
        let mut last: BTreeMap<(String, Option<String>, String), Timestamp> = BTreeMap::new();
        let (mut unread, mut first_unread, mut too_many, mut held) = (0u64, 0, false, 0_usize);
        let read = streams(input.view, 1, &mut |offset, stream| {
            let mut lines = Lines::new(stream, offset);
            while let Some(line) = lines.next_line()? {
                let start = line.bytes.iter().position(|byte| *byte != 0).unwrap_or(line.bytes.len());
                let text = String::from_utf8_lossy(&line.bytes[start..]);
                match action(&text, &mut converter) {
                    Ok(Some((key, at))) => {
                        if let Some(known) = last.get_mut(&key) {
                            *known = at;
                            continue;
                        }
                        held += key.0.len() + key.1.as_ref().map_or(0, String::len) + key.2.len();
                        too_many |= last.len() as u64 >= PACKAGES_PER_FILE || held > MAX_HELD;
                        if !too_many {
                            last.insert(key, at);
                        }
                    }
                    Ok(None) => {}
                    Err(()) => {
                        if unread == 0 {
                            first_unread = line.offset;
                        }
                        unread += 1;
                    }
                }
            }
            Ok(())
        });
        if let Err(error) = read {
            out.gap(place.stream_gap(STRUCTURE, &error));
        }
        if unread > 0 {
            let reason = format!("{unread} lines that are not dpkg's, the first at byte {first_unread}");
            out.gap(place.gap(GapKind::Corrupt, STRUCTURE, reason));
        }
        if too_many {
            let reason =
                format!("more than {PACKAGES_PER_FILE} packages and versions, or {MAX_HELD} bytes of them");
            out.gap(place.gap(GapKind::Limit, STRUCTURE, reason));
        }
        for ((name, arch, version), at) in last {
            out.install_time(InstallTime {
                root: place.root.to_owned(),
                owner: format!("deb:{name}"),
                arch,
                version: Some(version),
                at,
            });
        }
    }
}

type Unpacked = ((String, Option<String>, String), Timestamp);

/// What a line says was unpacked and when; nothing where it says something else; an error where it is no line of
/// such a log.
fn action(line: &str, converter: &mut Converter<'_>) -> Result<Option<Unpacked>, ()> {
    let mut words = line.split_ascii_whitespace();
    let Some(date) = words.next() else { return Ok(None) };
    let time = words.next().ok_or(())?;
    let local = local(date, time).ok_or(())?;
    let word = words.next().ok_or(())?;
    if !matches!(word, "install" | "upgrade") {
        return Ok(None);
    }
    let (Some(package), Some(_), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(());
    };
    if package.len() > MAX_TEXT || version.len() > MAX_TEXT {
        return Err(());
    }
    let (at, _) = converter.to_utc(local, 0).ok_or(())?;
    let (name, arch) = package.split_once(':').map_or((package, None), |(name, arch)| (name, Some(arch)));
    Ok(Some(((name.to_owned(), arch.map(str::to_owned), version.to_owned()), at)))
}

/// `2022-01-03` and `12:47:23`.
fn local(date: &str, time: &str) -> Option<LocalSeconds> {
    let mut date = date.split('-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let mut time = time.split(':');
    let (hour, minute, second) = (time.next()?, time.next()?, time.next()?);
    if date.next().is_some() || time.next().is_some() {
        return None;
    }
    let clock = (hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?);
    LocalSeconds::from_civil(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?, clock)
}

#[cfg(test)]
mod tests {
    use super::super::tests::times;
    use super::*;
    use crate::zone::DiskZone;

    #[test]
    fn the_last_unpacking_of_each_version_counts() {
        let mut context = Context::default();
        context.zone = DiskZone::from_name("Europe/Berlin").unwrap();
        let log = b"2022-01-03 12:47:23 startup archives unpack\n\
            2022-01-03 12:47:23 install a:amd64 <none> 1.0\n2022-07-03 12:47:24 upgrade a:amd64 1.0 1.1\n\
            2022-07-04 00:00:00 upgrade a:amd64 1.1 1.1\n2022-07-05 00:00:00 status installed a:amd64 1.1\n\
            2022-07-05 00:00:00 trigproc man-db:amd64 2.9 <none>\nrubbish\n2022-13-05 00:00:00 install b:all <none> 1\n";
        let endless = format!("2022-07-06 00:00:00 install c:all <none> {}\n", "1".repeat(600));
        let log = [&log[..], endless.as_bytes()].concat();
        let (times, gaps) = times(&DpkgLog, "/var/log/dpkg.log", &log, &context);
        let shown: Vec<_> = times
            .iter()
            .map(|time| (time.owner.as_str(), time.arch.as_deref(), time.version.as_deref(), time.at.seconds))
            .collect();
        assert_eq!(
            shown,
            [
                ("deb:a", Some("amd64"), Some("1.0"), 1_641_210_443),
                ("deb:a", Some("amd64"), Some("1.1"), 1_656_885_600),
            ]
        );
        assert_eq!(gaps, ["3 lines that are not dpkg's, the first at byte 281"]);
    }
}
