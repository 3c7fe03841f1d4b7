use super::{
    build::{LogBuilder, Told},
    *,
};
use crate::view::MemoryView;
use coldread_model::crc;
use proptest::prelude::*;

type Read = (u64, Header, Event);

fn read(log: &[u8]) -> (Vec<Read>, Vec<EvtxError>) {
    let (mut records, mut errors) = (Vec::new(), Vec::new());
    each_record(&mut MemoryView::from(log.to_vec()), &mut |record| {
        match record.and_then(|mut record| Ok((record.number, record.header()?, record.event()?))) {
            Ok(record) => records.push(record),
            Err(error) => errors.push(error),
        }
        true
    });
    (records, errors)
}

fn told<'a>(fields: &'a [(&'a str, &'a str)]) -> Told<'a> {
    Told { provider: "Provider", id: 4624, time: 133_000_000_000_000_000, fields }
}

fn two_chunks() -> Vec<u8> {
    let mut log = LogBuilder::new();
    log.event(1, told(&[("User", "аня"), ("Empty", "-")]));
    log.event(2, told(&[("User", "b"), ("Empty", "")]));
    log.user_event(3, told(&[("User", "c"), ("Address", "10.0.0.1")]));
    log.end_chunk();
    log.event(4, told(&[("Other", "d")]));
    log.build()
}

#[test]
fn events_of_shared_templates_and_nested_values() {
    let (records, errors) = read(&two_chunks());
    assert_eq!(errors, []);
    let numbers: Vec<_> = records.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let header = Header {
        provider: "Provider".to_owned(),
        id: 4624,
        time: Timestamp::from_filetime(133_000_000_000_000_000),
        channel: "Security".to_owned(),
        computer: "PC".to_owned(),
        user: None,
    };
    assert!(records.iter().all(|(_, own, _)| *own == header));
    let field = |index: usize, name: &str| records[index].2.field(name).map(str::to_owned);
    assert_eq!((field(0, "User").as_deref(), field(0, "Empty")), (Some("аня"), None));
    assert_eq!((field(1, "User").as_deref(), field(1, "Empty")), (Some("b"), None));
    assert_eq!((field(2, "User").as_deref(), field(2, "Address").as_deref()), (Some("c"), Some("10.0.0.1")));
    assert_eq!(field(3, "Other").as_deref(), Some("d"));
}

#[test]
fn a_bad_chunk_or_record_is_one_error() {
    let whole = two_chunks();
    let mut log = whole.clone();
    log[4096] = b'X';
    let (records, errors) = read(&log);
    assert_eq!((records.len(), errors.len()), (1, 1));

    let mut log = whole.clone();
    let second =
        4096 + 512 + log[4096 + 512..].windows(4).skip(1).position(|four| four == b"**\0\0").unwrap() + 1;
    log[second + 24] = 0x77;
    let (records, errors) = read(&log);
    // The record, and the checksum of its chunk.
    assert_eq!((records.len(), errors.len()), (3, 2));
    log[120] = DIRTY as u8;
    assert_eq!(read(&log).1.len(), 1);

    let cut = &whole[..4096 + 512 + 40];
    let (records, errors) = read(cut);
    assert_eq!((records.len(), errors.len()), (0, 1));
    assert!(matches!(read(b"ElfFile").1[0], EvtxError::Corrupt { at: 0, .. }));
    let mut newer = whole;
    newer[38] = 4;
    assert!(matches!(read(&newer).1[0], EvtxError::Unsupported(_)));
}

#[test]
fn a_dirty_log_is_read_as_far_as_its_records_continue() {
    let mut log = two_chunks();
    let free = u32_at(&log, 4096 + 48).unwrap() as usize;
    let third =
        4096 + free - log[..4096 + free].windows(4).rev().position(|four| four == b"**\0\0").unwrap() - 4;
    let to_third = (third - 4096) as u32;
    log[4096 + 48..4096 + 52].copy_from_slice(&to_third.to_le_bytes());
    let sum = crc::crc32(&log[4096 + 512..third]);
    log[4096 + 52..4096 + 56].copy_from_slice(&sum.to_le_bytes());
    assert_eq!(read(&log).0.len(), 3);
    log[120] = DIRTY as u8;
    assert_eq!(read(&log).0.len(), 4);
    // A leftover with another number is not part of the chunk.
    log[third + 8] = 99;
    assert_eq!(read(&log).0.len(), 3);
    assert_eq!(read(&log).1, []);
}

#[test]
fn templates_that_contain_themselves_or_nest_without_end_are_refused() {
    let mut log = two_chunks();
    // The first record's template, where its fragment's header is: an instance of itself.
    let at = 4096 + 512 + 24 + 4;
    let definition = log[at + 6..at + 10].to_vec();
    let start = at + 10 + 24;
    log[start..start + 6].copy_from_slice(&[0x0c, 1, 0, 0, 0, 0]);
    log[start + 6..start + 10].copy_from_slice(&definition);
    log[120] = DIRTY as u8;
    let (records, errors) = read(&log);
    assert_eq!(records.len(), 2);
    assert!(errors[0].to_string().contains("inside itself"), "{errors:?}");
}

proptest! {
    #[test]
    fn damaged_logs_are_read(
        changes in prop::collection::vec((0usize..3000, any::<u8>()), 1..12), dirty in any::<bool>(), second in any::<bool>(),
    ) {
        let mut log = two_chunks();
        for (at, to) in changes {
            let at = 4096 + at + if second && at >= 600 { CHUNK - 600 } else { 0 };
            log[at] = to;
        }
        log[120] = u8::from(dirty);
        read(&log);
    }

    #[test]
    fn any_tokens_are_read(tokens in prop::collection::vec(prop_oneof![0u8..0x10, any::<u8>()], 0..300)) {
        let mut log = two_chunks();
        let at = 4096 + 512 + 24;
        log[at..at + tokens.len()].copy_from_slice(&tokens);
        read(&log);
    }
}
