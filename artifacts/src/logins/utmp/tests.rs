use super::{layout::tests::encode, *};
use crate::view::MemoryView;
use coldread_model::{Findings, Timestamp};
use proptest::prelude::*;

fn read(path: &str, bytes: Vec<u8>) -> Findings {
    let mut found = Findings::default();
    let mut view = MemoryView::from(bytes);
    Utmp.extract(&mut Input::new(path.as_bytes(), "p1", &mut view), &Context::default(), &mut found);
    found
}

fn record(layout: Layout, kind: i16, line: &str, user: &str, host: &str) -> Vec<u8> {
    encode(layout, kind, line, user, host)
}

const X86_64: Layout = layout::LAYOUTS[0];
const AARCH64: Layout = layout::LAYOUTS[1];

#[test]
fn every_layout_and_every_kind() {
    for layout in layout::LAYOUTS {
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
        let (boot, login) = (&found.logins[0], &found.logins[1]);
        assert_eq!(login.time, Some(Timestamp::new(1_700_000_000, 250_000_000)));
        assert_eq!((login.user.as_deref(), login.tty.as_deref()), (Some("alice"), Some("pts/0")));
        assert_eq!((login.from.as_deref(), login.pid), (Some("192.0.2.7"), Some(4321)));
        assert_eq!((login.session.as_deref(), login.offset), (Some("7"), layout.size as u64));
        assert_eq!(found.logins[2].from.as_deref(), Some("192.0.2.7"));
        assert_eq!(found.logins[2].host.as_deref(), Some("gone"));
        assert_eq!((boot.detail.as_deref(), &boot.from), (Some("6.1.0"), &None));
        let window = &found.windows[0];
        assert_eq!((window.records, window.span), (7, login.time.map(|time| (time, time))));
        assert_eq!(found.logins[6].offset, 7 * layout.size as u64);
        assert_eq!((login.source, login.zone.name()), (LoginSource::Wtmp, "log"));
    }
}

#[test]
fn a_failed_login_is_one_whatever_its_type_and_a_cut_record_is_a_gap() {
    let mut bytes = [record(X86_64, 6, "ssh:notty", "root", "x"), record(X86_64, 99, "", "", "")].concat();
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
