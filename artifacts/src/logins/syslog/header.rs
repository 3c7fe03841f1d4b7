//! What stands before the message in a line of syslog: time, host, program, process.
//!
//! Sources: RFC 3164, section 4.1; RFC 3339, section 5.6 (rsyslog's RSYSLOG_FileFormat); RFC 5424 in
//! [`structured`].

use super::structured;
use crate::{logins::message::whole_number as number, zone::LocalSeconds};
use coldread_model::Timestamp;

/// A time without its year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Yearless {
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// Hour, minute, second.
    pub clock: (u8, u8, u8),
    /// Nanoseconds.
    pub nanos: u32,
}

impl Yearless {
    /// The day's number in a leap year, near enough to see a year end.
    pub(super) fn day_of_year(self) -> i32 {
        const BEFORE: [i32; 12] = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335];
        BEFORE[usize::from(self.month - 1) % 12] + i32::from(self.day)
    }
}

/// A line's time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// With its zone.
    Absolute(Timestamp),
    /// A full date without a zone.
    Local(LocalSeconds, u32),
    /// Neither year nor zone.
    Yearless(Yearless),
}

/// A line, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header<'a> {
    pub stamp: Stamp,
    /// The program's name without its directory; empty where the line names none.
    pub program: &'a [u8],
    pub pid: Option<u32>,
    pub message: &'a [u8],
}

/// Takes a line apart; `None` where it does not begin with a time.
pub(super) fn parse(line: &[u8]) -> Option<Header<'_>> {
    Heads::default().parse(line)
}

/// Takes lines apart one after the other. In a busy log most begin as the one before does, up to the number of the
/// process: so far they need not be taken apart again.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// The last line up to its `[`, where a host stands whole before that.
    head: Vec<u8>,
    /// Its time; none where the last line has no such head.
    stamp: Option<Stamp>,
    /// Where its program begins.
    program: usize,
}

impl Heads {
    /// Takes the next line apart; `None` where it does not begin with a time.
    #[inline]
    pub(super) fn parse<'a>(&mut self, line: &'a [u8]) -> Option<Header<'a>> {
        if let Some(stamp) = self.known(line)
            && let Some((pid, message)) = process(&line[self.head.len()..])
        {
            let program = &line[self.program..self.head.len() - 1];
            return Some(Header { stamp, program, pid, message });
        }
        self.parse_all(line)
    }

    fn parse_all<'a>(&mut self, line: &'a [u8]) -> Option<Header<'a>> {
        self.stamp = None;
        if let Some(line) = structured::version_1(priority(line)) {
            return structured::parse(line);
        }
        let (stamp, rest) = stamp(line)?;
        let rest = rest.strip_prefix(b":").unwrap_or(rest).trim_ascii_start();
        // `--- last message repeated 5 times ---` comes without a host.
        if rest.starts_with(b"--- ") {
            let rest = rest.trim_ascii();
            let inside = rest.strip_prefix(b"--- ").and_then(|rest| rest.strip_suffix(b" ---"));
            return Some(Header { stamp, program: &[], pid: None, message: inside.unwrap_or(rest) });
        }
        let host_end = memchr::memchr(b' ', rest).unwrap_or(rest.len());
        let (host, after_host) = rest.split_at(host_end);
        // Without a host the program follows the time.
        let has_host = !host.ends_with(b":");
        let tagged = if has_host { after_host.trim_ascii_start() } else { rest };
        // All of it is the message where there is no tag.
        let untagged = Header { stamp, program: &[], pid: None, message: tagged.trim_ascii() };
        let end = tagged.iter().position(|byte| matches!(byte, b'[' | b':' | b' ')).unwrap_or(tagged.len());
        let (program, after) = tagged.split_at(end);
        let program = program.rsplit(|byte| *byte == b'/').next().unwrap_or(program);
        Some(match after.split_first() {
            Some((b':', message)) => Header { stamp, program, pid: None, message: message.trim_ascii() },
            Some((b'[', after)) => {
                let Some((pid, message)) = process(after) else { return Some(untagged) };
                if has_host {
                    self.remember(&line[..line.len() - after.len()], stamp, program);
                }
                Header { stamp, program, pid, message }
            }
            _ => untagged,
        })
    }

    /// The time of a line that begins as the last one does, or as it does but for the clock in `Nov 14 06:39:01`.
    fn known(&mut self, line: &[u8]) -> Option<Stamp> {
        let stamp = self.stamp?;
        let start = line.get(..self.head.len())?;
        if start == self.head {
            return Some(stamp);
        }
        let (Stamp::Yearless(last), [day, now, rest]) = (stamp, split_clock(start)?) else { return None };
        let [last_day, _, last_rest] = split_clock(&self.head)?;
        if (day, rest) != (last_day, last_rest) {
            return None;
        }
        let (clock, _, []) = clock(now)? else { return None };
        let stamp = Stamp::Yearless(Yearless { clock, ..last });
        self.head[CLOCK].copy_from_slice(now);
        self.stamp = Some(stamp);
        Some(stamp)
    }

    /// Keeps a head, which ends with a program and `[`.
    fn remember(&mut self, head: &[u8], stamp: Stamp, program: &[u8]) {
        self.head.clear();
        self.head.extend_from_slice(head);
        self.stamp = Some(stamp);
        self.program = head.len() - 1 - program.len();
    }
}

/// Where the clock stands in `Nov 14 06:39:01 `.
const CLOCK: std::ops::Range<usize> = 7..15;

/// The day and the clock of a line that may begin as `Nov 14 06:39:01 `, and what follows, the space included.
fn split_clock(line: &[u8]) -> Option<[&[u8]; 3]> {
    let (day, rest) = line.split_at_checked(CLOCK.start)?;
    let (clock, rest) = rest.split_at_checked(CLOCK.len())?;
    (day.ends_with(b" ") && rest.starts_with(b" ")).then_some([day, clock, rest])
}

/// The number and the message in `N]: message`.
fn process(text: &[u8]) -> Option<(Option<u32>, &[u8])> {
    // Near, so that no search of many bytes at once is worth its beginning.
    let close = text.iter().position(|byte| *byte == b']')?;
    let message = &text[close + 1..];
    Some((number(&text[..close]), message.strip_prefix(b":").unwrap_or(message).trim_ascii()))
}

/// The time without a year that a line begins with, if it does: all that is needed to count years.
pub(super) fn yearless(line: &[u8]) -> Option<Yearless> {
    let line = priority(line);
    if !line.first()?.is_ascii_uppercase() {
        return None;
    }
    match rfc3164(line) {
        Some((Stamp::Yearless(stamp), _)) => Some(stamp),
        _ => None,
    }
}

fn stamp(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let line = priority(line);
    if line.first()?.is_ascii_digit() { iso(line) } else { rfc3164(line) }
}

/// Passes over the priority `<34>` that some daemons write to files too.
fn priority(line: &[u8]) -> &[u8] {
    match line.strip_prefix(b"<").and_then(|rest| Some((rest, memchr::memchr(b'>', rest.get(..4)?)?))) {
        Some((rest, close)) => &rest[close + 1..],
        None => line,
    }
}

fn rfc3164(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let month = match line.get(..4)? {
        b"Jan " => 1,
        b"Feb " => 2,
        b"Mar " => 3,
        b"Apr " => 4,
        b"May " => 5,
        b"Jun " => 6,
        b"Jul " => 7,
        b"Aug " => 8,
        b"Sep " => 9,
        b"Oct " => 10,
        b"Nov " => 11,
        b"Dec " => 12,
        _ => return None,
    };
    // The day's first digit is a space below ten; some programs write the one digit alone.
    let (day, rest) = match line.get(4..)? {
        [b' ', ones, b' ', rest @ ..] => (digit(*ones)?, rest),
        [tens, ones, b' ', rest @ ..] => (digit(*tens)? * 10 + digit(*ones)?, rest),
        [ones, b' ', rest @ ..] => (digit(*ones)?, rest),
        _ => return None,
    };
    let (clock, nanos, rest) = clock(rest)?;
    ((1..=31).contains(&day) && matches!(rest.first(), Some(b' ' | b':') | None))
        .then_some((Stamp::Yearless(Yearless { month, day, clock, nanos }), rest))
}

pub(super) fn iso(line: &[u8]) -> Option<(Stamp, &[u8])> {
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1, b'T' | b' ', rest @ ..] = line else { return None };
    let year = i16::from(two(*y0, *y1)?) * 100 + i16::from(two(*y2, *y3)?);
    let (clock, nanos, rest) = clock(rest)?;
    let local = LocalSeconds::from_civil(year, two(*m0, *m1)?, two(*d0, *d1)?, clock)?;
    let (offset, rest) = match rest {
        [b'Z', rest @ ..] => (0, rest),
        [sign @ (b'+' | b'-'), h0, h1, rest @ ..] => {
            let rest = rest.strip_prefix(b":").unwrap_or(rest);
            let [m0, m1, rest @ ..] = rest else { return None };
            let seconds = i64::from(two(*h0, *h1)?) * 3600 + i64::from(two(*m0, *m1)?) * 60;
            (if *sign == b'-' { -seconds } else { seconds }, rest)
        }
        rest => return Some((Stamp::Local(local, nanos), rest)),
    };
    Some((Stamp::Absolute(Timestamp::new(local.0 - offset, nanos)), rest))
}

type Clock<'a> = ((u8, u8, u8), u32, &'a [u8]);

/// `hh:mm:ss` with any digits of a second.
fn clock(text: &[u8]) -> Option<Clock<'_>> {
    let [h0, h1, b':', m0, m1, b':', s0, s1, rest @ ..] = text else { return None };
    let clock = (two(*h0, *h1)?, two(*m0, *m1)?, two(*s0, *s1)?);
    let in_range = clock.0 < 24 && clock.1 < 60 && clock.2 <= 60;
    let (mut nanos, mut rest) = (0, rest);
    if let [b'.' | b',', first, ..] = rest
        && first.is_ascii_digit()
    {
        let digits = rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut unit = 100_000_000;
        for byte in rest[1..=digits].iter().take(9) {
            nanos += u32::from(byte - b'0') * unit;
            unit /= 10;
        }
        rest = &rest[digits + 1..];
    }
    in_range.then_some((clock, nanos, rest))
}

fn two(tens: u8, ones: u8) -> Option<u8> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn digit(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PIECES: &[&str] = &[
        "web ",
        "--- ",
        "sshd",
        "/",
        "[",
        "77",
        "]",
        ":",
        " ",
        "\t",
        "x",
        "sshd[77]: x",
        "Nov 14 06:39:02 ",
    ];

    const TIMES: &[&str] = &[
        "Nov 14 06:39:01 ",
        "Nov 14 06:39:02 ",
        "Nov 14 16:59:60 ",
        "Nov 14 24:39:02 ",
        "Nov 14 06:39:0 2",
        "Nov 14 06:39:01.",
        "Nov 14 06:39:01:",
        "Nov  4 06:39:01 ",
        "Nov 4 06:39:01 w",
        "<1>Nov 14 06:39:02 ",
    ];

    fn yearless_of(month: u8, day: u8, clock: (u8, u8, u8), nanos: u32) -> Stamp {
        Stamp::Yearless(Yearless { month, day, clock, nanos })
    }

    #[test]
    fn both_forms() {
        for (line, stamp, program, pid, message) in [
            (
                "Nov 14 06:39:01 web CRON[1]: opened",
                yearless_of(11, 14, (6, 39, 1), 0),
                "CRON",
                Some(1),
                "opened",
            ),
            ("Jan  1 13:37:00.5 h login: x", yearless_of(1, 1, (13, 37, 0), 500_000_000), "login", None, "x"),
            (
                "<86>Mar 11 22:55:31 h sshd[3]:  two",
                yearless_of(3, 11, (22, 55, 31), 0),
                "sshd",
                Some(3),
                "two",
            ),
            (
                "Nov  9 00:00:00 sshd[12]: no host",
                yearless_of(11, 9, (0, 0, 0), 0),
                "sshd",
                Some(12),
                "no host",
            ),
            (
                "Nov  9 00:00:00 h last message repeated",
                yearless_of(11, 9, (0, 0, 0), 0),
                "",
                None,
                "last message repeated",
            ),
            (
                "2020-05-31T02:00:45.698463+02:00 h /usr/sbin/sshd[7]: z",
                Stamp::Absolute(Timestamp::new(1_590_883_245, 698_463_000)),
                "sshd",
                Some(7),
                "z",
            ),
            (
                "2020-05-31T00:00:45Z h su: z",
                Stamp::Absolute(Timestamp::new(1_590_883_245, 0)),
                "su",
                None,
                "z",
            ),
            ("2020-05-31 00:00:45 h su: z", Stamp::Local(LocalSeconds(1_590_883_245), 0), "su", None, "z"),
        ] {
            let header = parse(line.as_bytes()).unwrap();
            assert_eq!((header.stamp, header.pid), (stamp, pid), "{line}");
            assert_eq!((header.program, header.message), (program.as_bytes(), message.as_bytes()), "{line}");
        }
        for line in [
            "",
            "hello",
            "Nov 32 00:00:00 h x: y",
            "Nov 14 25:00:00 h x: y",
            "2020-13-01T00:00:00Z h x: y",
            "Nov 14",
        ] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn what_the_line_before_was_changes_nothing(
            lines in prop::collection::vec(prop::collection::vec(prop::sample::select(PIECES), 0..9), 0..9),
            cuts in prop::collection::vec(0usize..50, 9),
            times in prop::collection::vec(prop::sample::select(TIMES), 9),
        ) {
            let mut heads = Heads::default();
            for ((line, cut), time) in lines.iter().map(|pieces| pieces.concat()).zip(cuts).zip(times) {
                let line = [time.as_bytes(), line.as_bytes()].concat();
                prop_assert_eq!(heads.parse(&line), parse(&line));
                // Nearly the same again.
                let shorter = &line[..line.len() - cut.min(line.len())];
                prop_assert_eq!(heads.parse(shorter), parse(shorter));
                prop_assert_eq!(heads.parse(&line), parse(&line));
            }
        }

        #[test]
        fn any_bytes_are_taken_apart_or_not(start in 0usize..4, bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let starts: [&[u8]; 4] = [b"", b"Nov 14 06:39:01", b"2020-05-31T02:00:45", b"<86>Mar  1 00:00:00.1 h p["];
            let _ = parse(&[starts[start], &bytes].concat());
        }
    }
}
