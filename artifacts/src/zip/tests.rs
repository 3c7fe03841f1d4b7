use super::{
    build::{Form, deflate, zip, zip_as},
    *,
};
use coldread_model::ByteRange;
use proptest::prelude::*;

/// The members of an archive, read as its directory says.
fn members(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let found = directory(bytes, bytes.len() as u64).unwrap().unwrap();
    let mut rest = &bytes[found.range.start as usize..found.range.end() as usize];
    let mut members = Vec::new();
    while let Some((one, len)) = entry(rest).unwrap() {
        rest = &rest[len..];
        let local = &bytes[(one.offset + found.shift) as usize..];
        let data = &local[data_start(local).unwrap() as usize..][..one.packed as usize];
        let mut unpacker = Unpacker::new(one.method, one.unpacked as usize).unwrap();
        // In pieces, as long members come.
        for piece in data.chunks(7) {
            unpacker.feed(piece).unwrap();
        }
        members.push((one.name.to_vec(), unpacker.finish(one.crc).unwrap()));
    }
    assert!(rest.is_empty());
    members
}

#[test]
fn every_form_is_read() {
    let long = b"abc".repeat(70_000);
    for form in [
        Form::default(),
        Form { before: 1000, ..Form::default() },
        Form { comment: u16::MAX, ..Form::default() },
        Form { before: 3, comment: 9, is_wide: true },
    ] {
        let bytes = zip_as(form, &[("a", b"one", false), ("dir/b", &long, true), ("empty", b"", true)]);
        let expected = [("a", &b"one"[..]), ("dir/b", &long[..]), ("empty", b"")];
        let expected: Vec<_> =
            expected.iter().map(|(name, held)| (name.as_bytes().to_vec(), held.to_vec())).collect();
        assert_eq!(members(&bytes), expected, "{form:?}");
    }
    assert_eq!(members(&zip(&[])), []);
}

#[test]
fn how_much_of_the_end_is_needed() {
    let bytes = zip_as(Form { comment: 5000, ..Form::default() }, &[("a", b"one", false)]);
    let size = bytes.len() as u64;
    let tail = |len: usize| directory(&bytes[bytes.len() - len..], size).unwrap();
    assert_eq!(tail(4096), None);
    assert_eq!(tail(5000 + END_BYTES - 1), None);
    assert!(tail(5000 + END_BYTES).is_some());
    assert_eq!(directory(b"PK\x05\x06", 4), Ok(None));
    assert_eq!(directory(b"", 0), Ok(None));
    // What the magic is part of another record.
    let noted = [&bytes[..], b"PK\x05\x06"].concat();
    assert_eq!(directory(&noted, noted.len() as u64).unwrap().unwrap().range.len, 47);
}

const END_BYTES: usize = 22;

#[test]
fn ends_that_lie_are_refused() {
    let bytes = zip(&[("a", b"one", false)]);
    let changed = |back: usize, value: u8| {
        let mut bytes = bytes.clone();
        let at = bytes.len() - back;
        bytes[at] = value;
        directory(&bytes, bytes.len() as u64)
    };
    // Its length (12), its offset (16), its disk (4).
    assert!(changed(22 - 14, 1).is_err());
    assert!(changed(22 - 18, 1).is_err());
    assert!(changed(22 - 4, 1).is_err());
    let mut wide = zip_as(Form { is_wide: true, ..Form::default() }, &[]);
    let at = wide.len() - 22 - 20 - 56;
    wide[at] = 0;
    assert!(directory(&wide, wide.len() as u64).is_err());
    assert!(entry(&[0; 46]).is_err());
    assert_eq!(entry(b"PK\x01\x02"), Ok(None));
    assert!(data_start(&[0; 30]).is_err());
}

#[test]
fn members_are_held_to_their_bounds_and_checksums() {
    let packed = deflate(&vec![b'x'; 100_000]);
    let mut short = Unpacker::new(8, 1000).unwrap();
    assert_eq!(short.feed(&packed), Err(UnpackError::TooLarge));
    assert_eq!(short.unpacked().len(), 1000);
    let mut plain = Unpacker::new(0, 2).unwrap();
    assert_eq!(plain.feed(b"abc"), Err(UnpackError::TooLarge));
    assert_eq!(plain.unpacked(), b"ab");
    let mut cut = Unpacker::new(8, 1 << 20).unwrap();
    cut.feed(&packed[..packed.len() - 1]).unwrap();
    assert!(matches!(cut.finish(0), Err(UnpackError::Corrupt(_))));
    let mut wrong = Unpacker::new(8, 1 << 20).unwrap();
    wrong.feed(&packed).unwrap();
    assert!(matches!(wrong.finish(0), Err(UnpackError::Corrupt(_))));
    assert!(Unpacker::new(8, 9).unwrap().feed(&[0xff; 9]).is_err());
    assert_eq!(Unpacker::new(93, 9).err(), Some(UnpackError::Unsupported(93)));
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200), magic in 0usize..4) {
        let start: [&[u8]; 4] = [b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04", b""];
        let bytes = [start[magic], &bytes].concat();
        if let Ok(Some(found)) = directory(&bytes, 1 << 40) {
            prop_assert!(found.range.end() <= 1 << 40);
            prop_assert!(found.range != ByteRange::new(0, u64::MAX));
        }
        let _ = entry(&bytes);
        let _ = data_start(&bytes);
        let mut unpacker = Unpacker::new(8, 1000).unwrap();
        let _ = unpacker.feed(&bytes);
        let _ = unpacker.finish(0);
    }
}
