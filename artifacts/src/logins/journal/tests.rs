use super::*;
use crate::view::{FileView, MemoryView, ViewError};
use coldread_model::{ByteRange, Findings, LoginKind};
use proptest::prelude::*;
use std::io::Write;

fn read(bytes: Vec<u8>) -> Findings {
    let mut found = Findings::default();
    let mut view = MemoryView::from(bytes);
    let path = b"/var/log/journal/0/system.journal";
    Journal.extract(&mut Input::new(path, "p1", &mut view), &Context::default(), &mut found);
    found.logins.sort();
    found
}

/// Writes journals: data objects once each, entries that refer to them.
struct Writer {
    compact: bool,
    hash: hash::HashKind,
    packing: u8,
    bytes: Vec<u8>,
    places: std::collections::HashMap<Vec<u8>, u64>,
    entries: u64,
    tail: u64,
}

const ID: [u8; 16] = *b"0123456789abcdef";

impl Writer {
    fn new(compact: bool, keyed: bool, packing: u8) -> Self {
        let hash = if keyed { hash::HashKind::Keyed(ID) } else { hash::HashKind::Jenkins };
        let (places, bytes) = (std::collections::HashMap::new(), vec![0; 256]);
        Self { compact, hash, packing, bytes, places, entries: 0, tail: 0 }
    }

    fn object(&mut self, kind: u8, flags: u8, body: &[u8]) -> u64 {
        let at = self.bytes.len() as u64;
        self.bytes.extend([kind, flags, 0, 0, 0, 0, 0, 0]);
        self.bytes.extend((16 + body.len() as u64).to_le_bytes());
        self.bytes.extend(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        self.tail = at;
        at
    }

    fn data(&mut self, text: &[u8]) -> u64 {
        if let Some(at) = self.places.get(text) {
            return *at;
        }
        let mut body = self.hash.of(text).to_le_bytes().to_vec();
        body.resize(if self.compact { 56 } else { 48 }, 0);
        let packed = match self.packing {
            2 => [&(text.len() as u64).to_le_bytes()[..], &lz4_flex::block::compress(text)].concat(),
            4 => zstd::encode_all(text, 1).unwrap(),
            1 => liblzma::encode_all(text, 0).unwrap(),
            _ => text.to_vec(),
        };
        body.extend(packed);
        let at = self.object(1, self.packing, &body);
        self.places.insert(text.to_vec(), at);
        at
    }

    fn entry(&mut self, micros: u64, fields: &[&str]) -> u64 {
        let places: Vec<u64> = fields.iter().map(|field| self.data(field.as_bytes())).collect();
        let mut body = vec![0; 48];
        body[8..16].copy_from_slice(&micros.to_le_bytes());
        for place in places {
            if self.compact {
                body.extend((place as u32).to_le_bytes());
            } else {
                body.extend(place.to_le_bytes());
                body.extend([0; 8]);
            }
        }
        self.entries += 1;
        self.object(3, 0, &body)
    }

    fn finish(mut self, state: u8) -> Vec<u8> {
        let incompatible = u32::from(self.packing & 3)
            | u32::from(matches!(self.hash, hash::HashKind::Keyed(_))) << 2
            | u32::from(self.packing & 4) << 1
            | u32::from(self.compact) << 4;
        let mut put = |at: usize, bytes: &[u8]| self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, b"LPKSHHRH");
        put(12, &incompatible.to_le_bytes());
        put(16, &[state]);
        put(24, &ID);
        put(88, &256u64.to_le_bytes());
        put(136, &self.tail.to_le_bytes());
        put(152, &self.entries.to_le_bytes());
        self.bytes.resize(self.bytes.len() + 4096, 0);
        self.bytes
    }
}

fn write(compact: bool, keyed: bool, packing: u8) -> (Vec<u8>, u64) {
    let mut writer = Writer::new(compact, keyed, packing);
    let sshd = ["SYSLOG_IDENTIFIER=sshd", "_PID=7", "_COMM=sshd", "SYSLOG_PID=77"];
    writer.entry(1_700_000_000_000_001, &["MESSAGE=Started x", "SYSLOG_IDENTIFIER=systemd", "_PID=1"]);
    let message = "MESSAGE=Failed password for root from 192.0.2.1 port 50 ssh2";
    let at = writer.entry(1_700_000_001_000_002, &[&[message][..], &sshd].concat());
    writer.entry(1_700_000_002_000_000, &[&[message][..], &sshd].concat());
    let pam = "MESSAGE=pam_unix(gdm-password:session): session opened for user al(uid=1) by (uid=0)";
    writer.entry(1_700_000_003_000_000, &[pam, "_COMM=gdm-session-wor", "_PID=9"]);
    writer.entry(1_700_000_004_000_000, &["MESSAGE=Linux version 6.1.0 (x)", "SYSLOG_IDENTIFIER=kernel"]);
    (writer.finish(2), at)
}

#[test]
fn every_layout_hash_and_packing() {
    for (compact, keyed) in [(false, false), (false, true), (true, true), (true, false)] {
        for packing in [0, 1, 2, 4] {
            let (bytes, second) = write(compact, keyed, packing);
            let found = read(bytes);
            assert_eq!(found.gaps, [], "{compact} {keyed} {packing}");
            let kinds: Vec<_> = found.logins.iter().map(|event| event.kind).collect();
            assert_eq!(kinds, [LoginKind::Failed, LoginKind::Failed, LoginKind::Login, LoginKind::Boot]);
            let failed = &found.logins[0];
            assert_eq!((failed.offset, failed.pid, failed.port), (second, Some(77), Some(50)));
            assert_eq!(failed.time, Some(Timestamp::new(1_700_000_001, 2000)));
            assert_eq!((failed.user.as_deref(), failed.from.as_deref()), (Some("root"), Some("192.0.2.1")));
            assert_eq!(found.logins[2].pid, Some(9));
            let window = &found.windows[0];
            assert_eq!(window.records, 5);
            let (first, last) = window.span.unwrap();
            assert_eq!((first.seconds, first.nanos, last.seconds), (1_700_000_000, 1000, 1_700_000_004));
        }
    }
}

#[test]
fn damage_costs_what_it_covers() {
    let (clean, second) = write(false, true, 0);
    let all = read(clean.clone()).logins.len();
    // A bit of the message that two entries share.
    let mut bytes = clean.clone();
    let at = memchr::memmem::find(&bytes, b"192.0.2.1").unwrap();
    bytes[at] ^= 1;
    let found = read(bytes);
    assert_eq!((found.logins.len(), found.gaps.len()), (all - 2, 2));
    assert!(found.gaps[0].reason.contains("does not match its hash"), "{:?}", found.gaps);
    // The header of one entry: the rest is found behind it.
    let mut bytes = clean.clone();
    bytes[second as usize] = 0xee;
    let found = read(bytes);
    assert_eq!(found.logins.len(), all - 1);
    let reasons: Vec<_> = found.gaps.iter().map(|gap| gap.reason.clone()).collect();
    assert!(reasons[0].starts_with(&format!("bytes {second}..")) && reasons.len() == 2, "{reasons:?}");
    assert_eq!(reasons[1], "4 entries found, 5 counted by the header");
    // Cut off in the middle.
    let found = read(clean[..second as usize + 20].to_vec());
    assert_eq!((found.logins.len(), found.gaps.len()), (0, 2));
    let mut unknown = clean;
    unknown[13] = 1;
    assert_eq!(read(unknown).gaps[0].kind, GapKind::Unsupported);
}

/// Packed with a dictionary or a window of 64 MiB.
fn packed_for_large_memory(packing: u8, text: &[u8]) -> Vec<u8> {
    if packing == 1 {
        let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
        options.dict_size(64 << 20);
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        let stream =
            liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32).unwrap();
        let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
        encoder.write_all(text).unwrap();
        return encoder.finish().unwrap();
    }
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(26).unwrap();
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn what_needs_too_much_memory_is_a_limit_and_the_rest_is_read() {
    for packing in [1, 4] {
        let mut writer = Writer::new(false, true, packing);
        let sshd = ["SYSLOG_IDENTIFIER=sshd", "_PID=7"];
        let large = "MESSAGE=Failed password for root from 192.0.2.9 port 50 ssh2";
        let mut body = writer.hash.of(large.as_bytes()).to_le_bytes().to_vec();
        body.resize(48, 0);
        body.extend(packed_for_large_memory(packing, large.as_bytes()));
        let at = writer.object(1, packing, &body);
        writer.places.insert(large.as_bytes().to_vec(), at);
        let entry = writer.entry(1_700_000_000_000_000, &[&[large][..], &sshd].concat());
        let small = "MESSAGE=Failed password for root from 192.0.2.1 port 50 ssh2";
        writer.entry(1_700_000_001_000_000, &[&[small][..], &sshd].concat());
        let found = read(writer.finish(2));
        let from: Vec<_> = found.logins.iter().map(|event| event.from.as_deref()).collect();
        assert_eq!(from, [Some("192.0.2.1")]);
        let told: Vec<_> = found.gaps.iter().map(|gap| (gap.kind, gap.reason.as_str())).collect();
        let form = if packing == 1 { "xz" } else { "zstd" };
        let reason = format!("{form}: needs more memory to unpack than is given");
        let places = [format!("byte {at}: {reason}"), format!("byte {entry}: a field at {at}: {reason}")];
        assert_eq!(told, places.each_ref().map(|place| (GapKind::Limit, place.as_str())));
    }
}

/// A file of an exabyte of which only the start is there.
struct Sparse(Vec<u8>, [ByteRange; 1], u64);

impl FileView for Sparse {
    fn len(&self) -> u64 {
        1 << 60
    }
    fn data_segments(&self) -> &[ByteRange] {
        &self.1
    }
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, ViewError> {
        self.2 += out.len() as u64;
        let rest = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)).unwrap_or_default();
        let len = rest.len().min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        out[len..].fill(0);
        Ok(out.len())
    }
}

/// A file of which the source cannot read some places, told in units of so many bytes.
struct Bad(Vec<u8>, [ByteRange; 1], Vec<ByteRange>, u64);

impl FileView for Bad {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn data_segments(&self) -> &[ByteRange] {
        &self.1
    }
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, ViewError> {
        let len = out.len().min(self.0.len().saturating_sub(offset as usize));
        let wanted = ByteRange::new(offset, len as u64);
        if let Some(bad) = self.2.iter().find(|bad| !bad.intersect(wanted).is_empty()) {
            let start = bad.start / self.3 * self.3;
            let range = ByteRange::between(start, bad.end().next_multiple_of(self.3));
            return Err(ViewError::Io { range, reason: "medium error".into() });
        }
        out[..len].copy_from_slice(&self.0[offset as usize..][..len]);
        Ok(len)
    }
}

fn read_bad(bytes: Vec<u8>, bad: Vec<ByteRange>, unit: u64) -> Findings {
    let whole = ByteRange::new(0, bytes.len() as u64);
    let (mut found, mut view) = (Findings::default(), Bad(bytes, [whole], bad, unit));
    let path = b"/var/log/journal/0/system.journal";
    Journal.extract(&mut Input::new(path, "p1", &mut view), &Context::default(), &mut found);
    found.logins.sort();
    found
}

#[test]
fn a_bad_place_costs_what_lies_in_it() {
    let mut writer = Writer::new(false, true, 0);
    let sshd = ["SYSLOG_IDENTIFIER=sshd", "_COMM=sshd", "_PID=7"];
    let mut places = Vec::new();
    for second in 0..2000_u64 {
        let message = format!("MESSAGE=Failed password for u{second} from 192.0.2.1 port 50 ssh2");
        places
            .push(writer.entry((1_700_000_000 + second) * 1_000_000, &[&[&message[..]][..], &sshd].concat()));
    }
    let [identifier, command] =
        ["SYSLOG_IDENTIFIER=sshd", "_COMM=sshd"].map(|field| writer.places[field.as_bytes()]);
    let bytes = writer.finish(2);
    assert_eq!(read(bytes.clone()).logins.len(), 2000);
    let unit = 4096;
    // In the middle, at the end of what follows, and two beside one another.
    for bad in [
        vec![places[1000]],
        vec![places[1990]],
        vec![places[700], places[700] + unit],
        // Of which the source tells the last first.
        vec![places[1500], places[300]],
    ] {
        let bad: Vec<ByteRange> = bad.into_iter().map(|at| ByteRange::new(at, 1)).collect();
        let found = read_bad(bytes.clone(), bad.clone(), unit);
        // Some 230 bytes an event.
        let least = 2000 - bad.len() * 20;
        assert!((least..2000).contains(&found.logins.len()), "{}: {:?}", found.logins.len(), found.gaps);
        assert!(found.logins.iter().any(|event| event.user.as_deref() == Some("u1999")));
        let told = found.gaps.iter().filter(|gap| gap.reason.starts_with("bytes ")).count();
        assert_eq!(told, bad.len(), "{:?}", found.gaps);
        assert!(found.gaps[0].reason.contains("medium error"), "{:?}", found.gaps);
        // An entry behind it whose message lies in it is told, and those that lie in it are: neither is damage.
        assert!(found.gaps.iter().all(|gap| gap.kind == GapKind::Io), "{:?}", found.gaps);
    }
    // What tells of sshd lies in it: entries that refer to it are known by what else they say.
    let found = read_bad(bytes.clone(), vec![ByteRange::new(identifier, 1)], 64);
    assert!(found.logins.len() > 1990, "{}: {:?}", found.logins.len(), found.gaps);
    // Neither of the two that tell of sshd can be read, but for their headers: each entry that refers to them is told.
    let lost = ByteRange::new(identifier + 64, 1);
    let found = read_bad(bytes.clone(), vec![lost, ByteRange::new(command + 64, 1)], 8);
    assert_eq!((found.logins.len(), found.windows[0].records), (0, 2000));
    let (last, told) = found.gaps.split_last().unwrap();
    assert!(told[2..].iter().all(|gap| gap.kind == GapKind::Io && gap.reason.contains("a field at")));
    // The places, two fields of each entry, and the first message, which lies behind the window in one page with them.
    let more = 2 + 2 * 2000 + 1 - told.len();
    assert_eq!((last.kind, &last.reason), (GapKind::Io, &format!("{more} more like those told")));
    // Nothing can be read but the header.
    let found = read_bad(bytes.clone(), vec![ByteRange::between(256, bytes.len() as u64)], unit);
    assert!(found.logins.is_empty() && found.gaps.iter().any(|gap| gap.kind == GapKind::Io));
}

#[test]
fn holes_cost_nothing() {
    let (mut bytes, _) = write(false, true, 0);
    // The last object is said to be far away, so that zeros are no end.
    bytes[136..144].copy_from_slice(&(1_u64 << 50).to_le_bytes());
    let data = ByteRange::new(0, bytes.len() as u64);
    let (mut found, mut view) = (Findings::default(), Sparse(bytes, [data], 0));
    let path = b"/var/log/journal/0/system.journal";
    Journal.extract(&mut Input::new(path, "p1", &mut view), &Context::default(), &mut found);
    assert_eq!(found.logins.len(), 4);
    let kinds: Vec<_> = found.gaps.iter().map(|gap| gap.kind).collect();
    assert_eq!(kinds, [GapKind::Limit, GapKind::Corrupt], "{:?}", found.gaps);
    assert!(view.2 < 16 << 20, "{} bytes read", view.2);
}

#[test]
fn many_entries_that_refer_to_one_long_message_are_a_limit() {
    let mut writer = Writer::new(false, true, 0);
    let message = format!("MESSAGE=Failed password for {}", "x".repeat(60_000));
    for second in 0..2000 {
        writer.entry((1_700_000_000 + second) * 1_000_000, &[&message, "SYSLOG_IDENTIFIER=sshd"]);
    }
    let found = read(writer.finish(2));
    let kinds: Vec<_> = found.gaps.iter().map(|gap| gap.kind).collect();
    assert_eq!(kinds, [GapKind::Limit], "{:?}", found.gaps);
    assert!(found.gaps[0].reason.contains("bytes of messages"), "{:?}", found.gaps);
}

proptest! {
    #[test]
    fn damaged_files_are_read(
        compact in any::<bool>(), packing in prop::sample::select(vec![0u8, 1, 2, 4]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), len in any::<prop::sample::Index>(),
    ) {
        let (mut bytes, _) = write(compact, true, packing);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read(bytes.clone());
        bytes.truncate(len.index(bytes.len()));
        read(bytes);
    }
}
