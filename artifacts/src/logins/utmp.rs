//! utmp, wtmp and btmp.
//!
//! Sources: utmp(5); glibc's `bits/types/struct_utmp.h` of x86-64 (where 64-bit programs keep 32-bit times,
//! 384 bytes) and of aarch64 (64-bit session and times, 400 bytes).

use super::{bytes_at, text_field};
use crate::{
    Context, Extractor, Input, Output,
    compressed::streams,
    input::{EVENTS_PER_FILE, FileGaps, Place},
    lines::StreamError,
    wants::{Reading, Want},
};
use coldread_model::{GapKind, LoginEvent, LoginKind, LoginSource, Timestamp};
use std::{
    io::{ErrorKind, Read},
    net::{Ipv4Addr, Ipv6Addr},
};

const STRUCTURE: &str = "utmp record";

/// Reads utmp, wtmp and btmp, rotated and compressed ones too.
#[derive(Debug)]
pub struct Utmp;

impl Extractor for Utmp {
    fn name(&self) -> &'static str {
        "utmp"
    }

    fn version(&self) -> u32 {
        1
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Logins)
    }

    fn wants(&self) -> &'static [Want] {
        // wtmpdb keeps a database beside wtmp in some releases.
        const DATABASE: &[&str] = &[".db", ".db-wal", ".db-shm", ".db-journal"];
        const WANTS: &[Want] = &[
            Want::new("/run/utmp", Reading::Stream),
            Want::new("/var/run/utmp", Reading::Stream),
            Want { except: DATABASE, ..Want::new("/var/log/wtmp*", Reading::Stream) },
            Want { except: DATABASE, ..Want::new("/var/log/btmp*", Reading::Stream) },
        ];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, _: &Context, out: &mut dyn Output) {
        let place = input.place();
        let name = place.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let source = match name {
            name if name.starts_with(b"btmp") => LoginSource::Btmp,
            name if name.starts_with(b"wtmp") => LoginSource::Wtmp,
            _ => LoginSource::Utmp,
        };
        let mut records = Records { place, source, layout: None, gaps: place.gaps(STRUCTURE), events: 0 };
        // Both record sizes divide this: a part of a sparse file starts at a record of either layout.
        let align = (X86_64.size * AARCH64.size) as u64;
        let result = streams(input.view, align, &mut |offset, stream| records.read(offset, stream, out));
        if let Err(error) = result {
            out.gap(place.stream_gap(STRUCTURE, &error));
        }
        records.gaps.finish(out);
    }
}

/// Where the fields lie that differ between machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    size: usize,
    session: usize,
    seconds: usize,
    micros: usize,
    address: usize,
    /// Whether session and times have 64 bits.
    wide: bool,
}

const X86_64: Layout =
    Layout { size: 384, session: 336, seconds: 340, micros: 344, address: 348, wide: false };
const AARCH64: Layout =
    Layout { size: 400, session: 336, seconds: 344, micros: 352, address: 360, wide: true };

impl Layout {
    /// The layout in which more of the first records make sense; the common one in doubt.
    fn of(start: &[u8]) -> Self {
        let plausible = |layout: Self| {
            let records = start.chunks_exact(layout.size);
            let all = records.len();
            let fine = records.filter(|record| layout.is_plausible(record)).count();
            (fine, all)
        };
        let (common, _) = plausible(X86_64);
        let (wide, all) = plausible(AARCH64);
        if wide == all && wide > common { AARCH64 } else { X86_64 }
    }

    fn is_plausible(self, record: &[u8]) -> bool {
        let micros = self.number(record, self.micros);
        let kind = i16::from_le_bytes(bytes_at(record, 0));
        (0..=9).contains(&kind) && bytes_at::<2>(record, 2) == [0; 2] && (0..1_000_000).contains(&micros)
    }

    fn number(self, record: &[u8], at: usize) -> i64 {
        if self.wide {
            i64::from_le_bytes(bytes_at(record, at))
        } else {
            // Unsigned: no record is older than 1970, and some are to be younger than 2038.
            i64::from(u32::from_le_bytes(bytes_at(record, at)))
        }
    }
}

struct Records<'a> {
    place: Place<'a>,
    source: LoginSource,
    layout: Option<Layout>,
    gaps: FileGaps<'a>,
    events: u64,
}

impl Records<'_> {
    fn read(&mut self, start: u64, stream: &mut dyn Read, out: &mut dyn Output) -> Result<(), StreamError> {
        let mut buffer = vec![0; X86_64.size * AARCH64.size];
        let (mut filled, mut offset) = (0, start);
        loop {
            let result = fill(stream, &mut buffer, &mut filled);
            let layout = *self.layout.get_or_insert_with(|| Layout::of(&buffer[..filled]));
            let whole = filled / layout.size * layout.size;
            for record in buffer[..whole].chunks_exact(layout.size) {
                self.record(layout, record, offset, out)?;
                offset += layout.size as u64;
            }
            buffer.copy_within(whole..filled, 0);
            filled -= whole;
            if !result? {
                break;
            }
        }
        if filled > 0 {
            let reason = format!("byte {offset}: the last record has {filled} bytes only");
            self.gaps.push(out, GapKind::Corrupt, reason);
        }
        Ok(())
    }

    fn record(
        &mut self,
        layout: Layout,
        record: &[u8],
        offset: u64,
        out: &mut dyn Output,
    ) -> Result<(), StreamError> {
        if record.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let kind = i16::from_le_bytes(bytes_at(record, 0));
        if !(0..=9).contains(&kind) {
            self.gaps.push(out, GapKind::Corrupt, format!("byte {offset}: type {kind}, 0 to 9 are known"));
            return Ok(());
        }
        self.events += 1;
        if self.events > EVENTS_PER_FILE {
            return Err(StreamError::Limit(format!("byte {offset}: more than {EVENTS_PER_FILE} records")));
        }
        out.login(self.event(layout, record, kind, offset));
        Ok(())
    }

    fn event(&self, layout: Layout, record: &[u8], kind: i16, offset: u64) -> LoginEvent {
        let field = |at: usize, len: usize| record.get(at..at + len).and_then(text_field);
        let (line, user, host) = (field(8, 32), field(44, 32), field(76, 256));
        let micros = u32::try_from(layout.number(record, layout.micros)).unwrap_or(0).min(999_999);
        let time = Timestamp::new(layout.number(record, layout.seconds), micros * 1000);
        let session = i32::from_le_bytes(bytes_at(record, layout.session));
        let kind = match (self.source, kind) {
            (LoginSource::Btmp, _) => LoginKind::Failed,
            _ => kind_of(kind, line.as_deref(), user.as_deref()),
        };
        LoginEvent {
            user,
            from: host.or_else(|| address(bytes_at(record, layout.address))),
            tty: line,
            pid: u32::try_from(i32::from_le_bytes(bytes_at(record, 4))).ok().filter(|pid| *pid > 0),
            session: (session > 0).then(|| session.to_string()),
            ..LoginEvent::new(self.source, kind, Some(time), self.place.path, offset)
        }
    }
}

/// What a record of type `kind` tells (utmp(5), "ut_type"). Shutdown and reboot are marked by name on the
/// line `~`, whatever the type.
fn kind_of(kind: i16, line: Option<&str>, user: Option<&str>) -> LoginKind {
    if line.is_some_and(|line| line.starts_with('~')) {
        match user {
            Some("shutdown") => return LoginKind::Shutdown,
            Some("reboot") => return LoginKind::Boot,
            _ => {}
        }
    }
    match kind {
        2 => LoginKind::Boot,
        3 | 4 => LoginKind::Clock,
        7 => LoginKind::Login,
        8 => LoginKind::Logout,
        _ => LoginKind::Other,
    }
}

/// The address of `ut_addr_v6`: of version 4 in its first word alone, else of version 6.
fn address(bytes: [u8; 16]) -> Option<String> {
    let (first, rest) = bytes.split_at(4);
    if bytes == [0; 16] {
        None
    } else if rest.iter().all(|byte| *byte == 0) {
        Some(Ipv4Addr::new(first[0], first[1], first[2], first[3]).to_string())
    } else {
        let address = Ipv6Addr::from(bytes);
        Some(address.to_ipv4_mapped().map_or_else(|| address.to_string(), |address| address.to_string()))
    }
}

/// Fills what is free of `buffer`; whether the stream may go on.
fn fill(stream: &mut dyn Read, buffer: &mut [u8], filled: &mut usize) -> Result<bool, StreamError> {
    while *filled < buffer.len() {
        match stream.read(&mut buffer[*filled..]) {
            Ok(0) => return Ok(false),
            Ok(got) => *filled += got,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use coldread_model::Findings;
    use proptest::prelude::*;

    fn read(path: &str, bytes: Vec<u8>) -> Findings {
        let mut found = Findings::default();
        let mut view = MemoryView::from(bytes);
        Utmp.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
        found
    }

    fn record(layout: Layout, kind: i16, line: &str, user: &str, host: &str) -> Vec<u8> {
        let mut record = vec![0; layout.size];
        let mut put = |at: usize, bytes: &[u8]| record[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &kind.to_le_bytes());
        put(4, &4321i32.to_le_bytes());
        put(8, line.as_bytes());
        put(44, user.as_bytes());
        put(76, host.as_bytes());
        put(layout.session, &7i32.to_le_bytes());
        put(layout.seconds, &1_700_000_000u32.to_le_bytes());
        put(layout.micros, &250_000u32.to_le_bytes());
        put(layout.address, &[192, 0, 2, 7]);
        record
    }

    #[test]
    fn both_layouts_and_every_kind() {
        for layout in [X86_64, AARCH64] {
            let bytes = [
                record(layout, 2, "~", "reboot", "6.1.0"),
                record(layout, 7, "pts/0", "alice", ""),
                record(layout, 8, "pts/0", "", "gone"),
                record(layout, 1, "~", "shutdown", "6.1.0"),
                record(layout, 1, "~", "runlevel", "6.1.0"),
                record(layout, 3, "", "", ""),
                vec![0; layout.size],
                record(layout, 0, "x", "", ""),
            ];
            let found = read("/var/log/wtmp.1", bytes.concat());
            assert_eq!(found.gaps, []);
            let kinds: Vec<_> = found.logins.iter().map(|event| event.kind.name()).collect();
            assert_eq!(kinds, ["boot", "login", "logout", "shutdown", "other", "clock", "other"]);
            let login = &found.logins[1];
            assert_eq!(login.time, Some(Timestamp::new(1_700_000_000, 250_000_000)));
            assert_eq!((login.user.as_deref(), login.tty.as_deref()), (Some("alice"), Some("pts/0")));
            assert_eq!((login.from.as_deref(), login.pid), (Some("192.0.2.7"), Some(4321)));
            assert_eq!((login.session.as_deref(), login.offset), (Some("7"), layout.size as u64));
            assert_eq!(found.logins[2].from.as_deref(), Some("gone"));
            assert_eq!(found.logins[6].offset, 7 * layout.size as u64);
            assert_eq!((login.source, login.zone.name()), (LoginSource::Wtmp, "log"));
        }
    }

    #[test]
    fn a_failed_login_is_one_whatever_its_type_and_a_cut_record_is_a_gap() {
        let mut bytes =
            [record(X86_64, 6, "ssh:notty", "root", "x"), record(X86_64, 99, "", "", "")].concat();
        bytes.extend(record(X86_64, 7, "ssh:notty", "admin", "y"));
        bytes.extend([1; 50]);
        let packed = zstd::encode_all(&bytes[..], 1).unwrap();
        for bytes in [bytes, packed] {
            let found = read("/var/log/btmp-20260101.zst", bytes);
            assert!(found.logins.iter().all(|event| event.kind == LoginKind::Failed));
            assert_eq!(found.logins.len(), 2);
            let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.as_str()).collect();
            let cut = "byte 1152: the last record has 50 bytes only";
            assert_eq!(reasons, ["byte 384: type 99, 0 to 9 are known", cut]);
        }
    }

    #[test]
    fn addresses() {
        let mapped = Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().octets();
        assert_eq!(address(mapped).as_deref(), Some("10.0.0.1"));
        let six: Ipv6Addr = "2001:db8::1".parse().unwrap();
        assert_eq!(address(six.octets()).as_deref(), Some("2001:db8::1"));
        assert_eq!(address([0; 16]), None);
    }

    #[test]
    fn many_records_cross_the_buffer() {
        let found = read("/run/utmp", record(AARCH64, 7, "tty1", "a", "").repeat(1000));
        assert_eq!((found.logins.len(), found.gaps.len()), (1000, 0));
        assert_eq!(found.logins[999].offset, 999 * 400);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..2000), kind in 0u8..12) {
            let mut bytes = bytes;
            for start in (0..bytes.len()).step_by(384) {
                bytes[start] = kind;
                if let Some(high) = bytes.get_mut(start + 1) {
                    *high = 0;
                }
            }
            read("/var/log/btmp", bytes.clone());
            read("/var/log/wtmp", bytes);
        }
    }
}
