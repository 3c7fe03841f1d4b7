//! Counts of failed logins: faillog and pam_tally2's tallylog by user number, pam_faillock's files by name.
//!
//! Sources: faillog(5) and shadow's `faillog.h`; pam_tally2(8) and its `tallylog.h`; pam_faillock(8), faillock(8)
//! and their `faillock.h`. The order of bytes is the machine's: it is told by the times, as no record tells it.

use super::{
    address,
    by_user::{each_record, is_big_endian, sample},
    bytes_at, text_field,
    window::Span,
};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, LoginEvent, LoginKind, LoginSource, Text, Timestamp, text::shown};

const STRUCTURE: &str = "tally record";

/// The largest faillock file: 65,536 failures of one user.
const MAX_FAILLOCK: u64 = 4 << 20;

/// Bytes of a record of tallylog and of faillock.
const TALLY: u64 = 64;

/// Reads the counts of failed logins.
#[derive(Debug)]
pub struct Tallies;

impl Extractor for Tallies {
    fn name(&self) -> &'static str {
        "tallies"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Logins)
    }

    fn wants(&self) -> &'static [Want] {
        const FAILLOCK: Reading = Reading::Whole { limit: MAX_FAILLOCK };
        const WANTS: &[Want] = &[
            Want::new("/var/log/faillog", Reading::Ranges),
            Want::new("/var/log/tallylog", Reading::Ranges),
            Want::new("/run/faillock/*", FAILLOCK),
            Want::new("/var/run/faillock/*", FAILLOCK),
            Want::new("/var/lib/faillock/*", FAILLOCK),
            Want::new("/var/log/faillock/*", FAILLOCK),
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let path = input.path;
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let user = |uid: u64| {
            let known = u32::try_from(uid).ok().and_then(|uid| context.user_name(uid));
            Some(known.map_or_else(|| shown(uid), Text::new))
        };
        match name {
            b"faillog" => {
                // 32 bytes where times have 64 bits, else 24.
                let len = input.view.len();
                let size = if !len.is_multiple_of(32) && len.is_multiple_of(24) { 24 } else { 32 };
                let order = order(&sample(input, size), size, 16, input.mtime);
                let mut event = |record: &[u8], uid| faillog(record, order, uid, user(uid), path);
                each_record(input, size, (LoginSource::Faillog, STRUCTURE), &mut event, out);
            }
            b"tallylog" => {
                let order = order(&sample(input, TALLY), TALLY, 56, input.mtime);
                let mut event = |record: &[u8], uid| tallylog(record, order, uid, user(uid), path);
                each_record(input, TALLY, (LoginSource::Faillog, STRUCTURE), &mut event, out);
            }
            name => faillock(input, &String::from_utf8_lossy(name), out),
        }
    }
}

/// In which order a machine writes the bytes of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16_at(self, record: &[u8], at: usize) -> u16 {
        let bytes = bytes_at(record, at);
        if self == Self::Big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }
    }

    /// A time of 64 bits, or of the 32 bits that there are in a record of 24 bytes.
    fn seconds_at(self, record: &[u8], at: usize) -> i64 {
        match (self, record.len()) {
            (Self::Little, 24) => u32::from_le_bytes(bytes_at(record, at)).into(),
            (Self::Big, 24) => u32::from_be_bytes(bytes_at(record, at)).into(),
            (Self::Little, _) => i64::from_le_bytes(bytes_at(record, at)),
            (Self::Big, _) => i64::from_be_bytes(bytes_at(record, at)),
        }
    }
}

/// The order of records of `size` bytes that have a time at `at`.
fn order(records: &[u8], size: u64, at: usize, changed: Timestamp) -> Order {
    let order = |big_endian| if big_endian { Order::Big } else { Order::Little };
    order(is_big_endian(records, size, changed, |record, big_endian| {
        order(big_endian).seconds_at(record, at)
    }))
}

/// A user's last failure: one event, that says how many there were.
fn counted(count: u16, event: LoginEvent) -> Option<LoginEvent> {
    let detail = Some(format!("{count} failed since the last login").into()).filter(|_| count > 0);
    let has_time = event.time.is_some_and(|time| time.seconds > 0);
    has_time.then_some(LoginEvent { detail, ..event })
}

/// Count and bound of 16 bits each, a terminal of 12 bytes, the time of the last failure.
fn faillog(record: &[u8], order: Order, uid: u64, user: Option<Text>, path: &[u8]) -> Option<LoginEvent> {
    let offset = uid * record.len() as u64;
    let time = Some(Timestamp::new(order.seconds_at(record, 16), 0));
    let tty = record.get(4..16).and_then(text_field);
    let event = LoginEvent::new(LoginSource::Faillog, LoginKind::Failed, time, path, offset);
    counted(order.u16_at(record, 0), LoginEvent { user, tty, ..event })
}

/// A terminal or host of 52 bytes, 2 unused, a count, a time.
fn tallylog(record: &[u8], order: Order, uid: u64, user: Option<Text>, path: &[u8]) -> Option<LoginEvent> {
    let time = Some(Timestamp::new(order.seconds_at(record, 56), 0));
    let event = LoginEvent::new(LoginSource::Faillog, LoginKind::Failed, time, path, uid * TALLY);
    let place = record.get(..52).and_then(text_field);
    let is_tty = place.as_deref().is_some_and(|place| {
        ["tty", "pts/", ":", "ssh", "/dev/"].iter().any(|start| place.starts_with(start))
    });
    let (tty, from) = if is_tty { (place, None) } else { (None, place) };
    let from = from.map(|from| address::canonical(from.as_bytes()));
    counted(order.u16_at(record, 54), LoginEvent { user, tty, from, ..event })
}

/// Each failure of a user: a host, terminal or service of 52 bytes, 2 unused, flags (1 for one that counts
/// still, 2 for a host, 4 for a terminal), a time. A login empties the file.
fn faillock(input: &mut Input<'_>, user: &str, out: &mut dyn Output) {
    let place = input.place();
    let (mut span, mut gaps) = (Span::new(LoginSource::Faillock), place.gaps(STRUCTURE));
    match input.view.read_all(MAX_FAILLOCK) {
        Ok(bytes) => {
            let order = order(&bytes, TALLY, 56, input.mtime);
            let mut records = bytes.chunks_exact(TALLY as usize);
            for (record, number) in records.by_ref().zip(0u64..) {
                let seconds = order.seconds_at(record, 56);
                if record.iter().all(|byte| *byte == 0) {
                    continue;
                }
                let status = order.u16_at(record, 54);
                // Times past the year 9999 are no times.
                if status > 7 || !(0..253_402_300_800).contains(&seconds) {
                    let reason = format!("record {number}: flags {status:#x}, time {seconds}");
                    gaps.push(out, GapKind::Corrupt, reason);
                    continue;
                }
                let source = record.get(..52).and_then(text_field);
                let time = Some(Timestamp::new(seconds, 0));
                let event = LoginEvent::new(
                    LoginSource::Faillock,
                    LoginKind::Failed,
                    time,
                    place.path,
                    number * TALLY,
                );
                let mut event = LoginEvent { user: Some(user.into()), ..event };
                match status & 6 {
                    2 => event.from = source.map(|from| address::canonical(from.as_bytes())),
                    4 => event.tty = source.map(|tty| tty.trim_start_matches("/dev/").into()),
                    _ => event.method = source,
                }
                if status & 1 == 0 {
                    event.detail = Some("no longer counted".into());
                }
                span.take(event.time);
                out.login(event);
            }
            if let (rest @ 1.., at) = (records.remainder().len(), bytes.len() - records.remainder().len()) {
                let reason = format!("byte {at}: the last record has {rest} bytes only");
                gaps.push(out, GapKind::Corrupt, reason);
            }
        }
        Err(error) => out.gap(place.view_gap(STRUCTURE, &error)),
    }
    gaps.finish(out);
    span.finish(&place, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{context::ContextFile, view::MemoryView};
    use coldread_model::Findings;
    use proptest::prelude::*;

    fn read(path: &str, bytes: Vec<u8>) -> Findings {
        let passwd = Some(b"root:x:0:0::/root:/bin/sh\nme:x:2:2::/:/bin/sh\n".to_vec());
        let context = Context::from_files(
            "p1",
            &[ContextFile { path: "/etc/passwd", bytes: passwd, ..ContextFile::default() }],
        );
        let (mut found, mut view) = (Findings::default(), MemoryView::from(bytes));
        Tallies.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &context, &mut found);
        found
    }

    #[test]
    fn much_damage_is_told_in_few_words() {
        let found = read("/run/faillock/al", vec![0xff; 64 * 10_000 + 1]);
        assert_eq!((found.logins.len(), found.gaps.len()), (0, 65));
        assert_eq!(found.gaps[64].reason, "9937 more like those told");
    }

    fn tally(source: &str, last: u16, time: u64) -> Vec<u8> {
        let mut record = source.as_bytes().to_vec();
        record.resize(54, 0);
        record.extend(last.to_le_bytes());
        record.extend(time.to_le_bytes());
        record
    }

    #[test]
    fn faillog_of_both_widths() {
        for size in [32, 24] {
            let mut record = vec![3, 0, 10, 0];
            record.extend(b"pts/1\0\0\0\0\0\0\0");
            record.extend(1_700_000_000u32.to_le_bytes());
            record.resize(size, 0);
            let found = read("/var/log/faillog", [vec![0; 2 * size], record].concat());
            let event = &found.logins[0];
            assert_eq!((found.logins.len(), found.gaps.len(), event.offset), (1, 0, 2 * size as u64));
            assert_eq!((event.user.as_deref(), event.tty.as_deref()), (Some("me"), Some("pts/1")));
            assert_eq!(event.detail.as_deref(), Some("3 failed since the last login"));
            assert_eq!(event.time, Some(Timestamp::new(1_700_000_000, 0)));
        }
    }

    /// As s390x and other machines that write the high byte first have them.
    #[test]
    fn machines_of_the_other_order() {
        const TIME: u32 = 1_700_000_000;
        for size in [32, 24] {
            let mut record = vec![0, 3, 0, 10];
            record.extend(b"pts/1\0\0\0\0\0\0\0");
            if size == 32 {
                record.extend(u64::from(TIME).to_be_bytes());
            } else {
                record.extend(TIME.to_be_bytes());
            }
            record.resize(size, 0);
            let found = read("/var/log/faillog", [vec![0; 2 * size], record].concat());
            let event = &found.logins[0];
            assert_eq!((found.logins.len(), found.gaps.len(), event.user.as_deref()), (1, 0, Some("me")));
            assert_eq!(event.detail.as_deref(), Some("3 failed since the last login"));
            assert_eq!(event.time, Some(Timestamp::new(TIME.into(), 0)));
        }
        let mut record = tally("192.0.2.1", 0, 0);
        record[54..56].copy_from_slice(&3_u16.to_be_bytes());
        record[56..].copy_from_slice(&u64::from(TIME).to_be_bytes());
        for (path, user) in [("/var/log/tallylog", "root"), ("/run/faillock/al", "al")] {
            let found = read(path, record.clone());
            let event = &found.logins[0];
            assert_eq!((event.user.as_deref(), event.from.as_deref()), (Some(user), Some("192.0.2.1")));
            assert_eq!((event.time, found.gaps.len()), (Some(Timestamp::new(TIME.into(), 0)), 0));
        }
    }

    #[test]
    fn tallylog_by_number() {
        let bytes =
            [tally("192.0.2.1", 2, 1_700_000_000), vec![0; 64], tally("tty1", 1, 1_700_000_001)].concat();
        let found = read("/var/log/tallylog", bytes);
        let rows: Vec<_> =
            found.logins.iter().map(|event| (event.from.as_deref(), event.tty.as_deref())).collect();
        assert_eq!(rows, [(Some("192.0.2.1"), None), (None, Some("tty1"))]);
        assert_eq!((found.windows[0].records, found.logins[0].user.as_deref()), (2, Some("root")));
    }

    #[test]
    fn faillock_of_a_user() {
        let mut bytes = [
            tally("::ffff:192.0.2.1", 3, 1_700_000_000),
            tally("/dev/tty1", 5, 1_700_000_001),
            tally("su", 0, 1_700_000_002),
            tally("x", 0x100, 1),
        ]
        .concat();
        bytes.push(1);
        let found = read("/run/faillock/al", bytes);
        let rows: Vec<_> = found
            .logins
            .iter()
            .map(|event| [&event.from, &event.tty, &event.method, &event.detail].map(Option::as_deref))
            .collect();
        let expected = [
            [Some("192.0.2.1"), None, None, None],
            [None, Some("tty1"), None, None],
            [None, None, Some("su"), Some("no longer counted")],
        ];
        assert_eq!(rows, expected);
        assert!(found.logins.iter().all(|event| event.user.as_deref() == Some("al")));
        assert_eq!((found.gaps.len(), found.windows[0].records), (2, 3));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            for path in ["/var/log/faillog", "/var/log/tallylog", "/run/faillock/x"] {
                read(path, bytes.clone());
            }
        }
    }
}
