//! /var/log/lastlog: the last login of each user, a record for each number.
//!
//! Source: lastlog(8) and glibc's `bits/utmp.h`, `struct lastlog`: 292 bytes with 32-bit times, 296 where
//! times have 64 bits (aarch64, s390x). Byte order is the machine's: it is told by the times, as no record tells it.

use super::{
    address,
    by_user::{each_record, is_big_endian, sample},
    bytes_at, text_field,
};
use crate::{
    Context, Extractor, Input, Output,
    wants::{Reading, Want},
};
use coldread_model::{LoginEvent, LoginKind, LoginSource, Text, Timestamp, text::shown};

const STRUCTURE: &str = "lastlog record";

/// Reads lastlog.
#[derive(Debug)]
pub struct Lastlog;

impl Extractor for Lastlog {
    fn name(&self) -> &'static str {
        "lastlog"
    }

    fn version(&self) -> u32 {
        3
    }

    fn finds(&self) -> coldread_model::Parts {
        coldread_model::Parts::of(coldread_model::Part::Logins)
    }

    fn wants(&self) -> &'static [Want] {
        const WANTS: &[Want] = &[Want::new("/var/log/lastlog", Reading::Ranges)];
        WANTS
    }

    fn extract(&self, input: &mut Input<'_>, context: &Context, out: &mut dyn Output) {
        let (len, path) = (input.view.len(), input.path);
        let size: u64 = if !len.is_multiple_of(292) && len.is_multiple_of(296) { 296 } else { 292 };
        let seconds = |record: &[u8], big_endian| Layout { size, big_endian }.seconds(record);
        let big_endian = is_big_endian(&sample(input, size), size, input.mtime, seconds);
        let layout = Layout { size, big_endian };
        let mut event = |record: &[u8], uid| layout.last_login(record, uid, path, context);
        each_record(input, size, (LoginSource::Lastlog, STRUCTURE), &mut event, out);
    }
}

/// How a machine wrote its records.
#[derive(Clone, Copy, Debug)]
struct Layout {
    size: u64,
    big_endian: bool,
}

impl Layout {
    fn seconds(self, record: &[u8]) -> i64 {
        match (self.size, self.big_endian) {
            (296, false) => i64::from_le_bytes(bytes_at(record, 0)),
            (296, true) => i64::from_be_bytes(bytes_at(record, 0)),
            (_, false) => i64::from(u32::from_le_bytes(bytes_at(record, 0))),
            (_, true) => i64::from(u32::from_be_bytes(bytes_at(record, 0))),
        }
    }

    fn last_login(self, record: &[u8], uid: u64, origin: &[u8], context: &Context) -> Option<LoginEvent> {
        let (seconds, line) = (self.seconds(record), if self.size == 296 { 8 } else { 4 });
        if seconds == 0 {
            return None;
        }
        let name = u32::try_from(uid).ok().and_then(|uid| context.user_name(uid)).map(Text::new);
        let time = Some(Timestamp::new(seconds, 0));
        Some(LoginEvent {
            user: Some(name.unwrap_or_else(|| shown(uid))),
            tty: record.get(line..line + 32).and_then(text_field),
            from: record
                .get(line + 32..line + 288)
                .and_then(text_field)
                .map(|from| address::canonical(from.as_bytes())),
            ..LoginEvent::new(LoginSource::Lastlog, LoginKind::Login, time, origin, uid * self.size)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        context::ContextFile,
        view::{FileView, MemoryView, ViewError},
    };
    use coldread_model::{ByteRange, Findings};
    use proptest::prelude::*;

    fn context() -> Context {
        let bytes = Some(b"root:x:0:0::/root:/bin/sh\nme:x:3:3::/:/bin/sh\n".to_vec());
        Context::from_files("p1", &[ContextFile { path: "/etc/passwd", bytes, ..ContextFile::default() }])
    }

    fn read(view: &mut dyn FileView) -> Findings {
        let mut found = Findings::default();
        Lastlog.extract(&mut Input::new(b"/var/log/lastlog", "p1", view), &context(), &mut found);
        found
    }

    fn record(size: usize, seconds: u32) -> Vec<u8> {
        let mut record = vec![0; size];
        record[..4].copy_from_slice(&seconds.to_le_bytes());
        record[size - 288..][..5].copy_from_slice(b"pts/0");
        record[size - 256..][..9].copy_from_slice(b"192.0.2.1");
        record
    }

    #[test]
    fn users_by_number() {
        for size in [292, 296] {
            let mut bytes =
                [record(size, 5), vec![0; 2 * size], record(size, 7), record(size, 4_000_000_000)].concat();
            let found = read(&mut MemoryView::from(bytes.clone()));
            let users: Vec<_> = found.logins.iter().map(|event| event.user.as_deref().unwrap()).collect();
            assert_eq!((users.as_slice(), found.gaps.len()), (&["root", "me", "4"][..], 0));
            let last = &found.logins[2];
            assert_eq!(last.time, Some(Timestamp::new(4_000_000_000, 0)));
            assert_eq!((last.tty.as_deref(), last.from.as_deref()), (Some("pts/0"), Some("192.0.2.1")));
            assert_eq!(last.offset, 4 * size as u64);
            if size == 292 {
                bytes.push(1);
                let found = read(&mut MemoryView::from(bytes));
                assert_eq!((found.logins.len(), found.gaps.len()), (3, 1));
            }
        }
    }

    /// As s390x and 64-bit PowerPC write it, the latter with 32-bit times.
    #[test]
    fn machines_of_the_other_order() {
        for size in [292, 296] {
            let time = 1_638_980_046_u64.to_be_bytes();
            let mut one = record(size, 0);
            one[..size - 288].copy_from_slice(&time[8 - (size - 288)..]);
            // One time that is none does not outweigh two that are.
            let bytes = [one.clone(), vec![0; 40 * size], one, record(size, 1_638_980_046)].concat();
            let found = read(&mut MemoryView::from(bytes));
            assert_eq!((found.logins.len(), found.gaps.len()), (3, 0));
            assert_eq!(found.logins[1].time.unwrap().to_string(), "2021-12-08T16:14:06.000000000Z");
            assert_eq!(
                (found.logins[1].user.as_deref(), found.logins[1].offset),
                (Some("41"), 41 * size as u64)
            );
        }
    }

    /// A terabyte with data for two users only.
    struct Sparse(Vec<ByteRange>, u64);
    impl FileView for Sparse {
        fn len(&self) -> u64 {
            4_294_967_294 * 292
        }
        fn data_segments(&self) -> &[ByteRange] {
            &self.0
        }
        fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, ViewError> {
            self.1 += out.len() as u64;
            for (byte, at) in out.iter_mut().zip(offset..) {
                let uid = at / 292;
                *byte = u8::from(at % 292 == 0 && matches!(uid, 0 | 1_000_000_000));
            }
            Ok(out.len())
        }
    }

    #[test]
    fn a_terabyte_of_holes_costs_a_page() {
        let far = 1_000_000_000 * 292 / 4096 * 4096;
        let mut view = Sparse(vec![ByteRange::new(0, 4096), ByteRange::new(far, 4096)], 0);
        let found = read(&mut view);
        let users: Vec<_> = found.logins.iter().map(|event| event.user.as_deref().unwrap()).collect();
        assert_eq!((users.as_slice(), found.gaps.len()), (&["root", "1000000000"][..], 0));
        assert!(view.1 < 20_000);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..1500)) {
            read(&mut MemoryView::from(bytes));
        }
    }
}
