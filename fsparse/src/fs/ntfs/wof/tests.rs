//! Against encoders written here, which know nothing of the decoders, and against chunks that other programs
//! made.

mod encode;

use super::{
    Algorithm, Unpacker, WofError,
    chunks::{Chunks, Packing},
};
use coldread_model::ByteRange;
pub(in crate::fs::ntfs) use encode::pack;
use proptest::prelude::*;

const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::Xpress4K, Algorithm::Lzx, Algorithm::Xpress8K, Algorithm::Xpress16K];

fn unpack(algorithm: Algorithm, packed: &[u8], len: usize) -> Result<Vec<u8>, WofError> {
    let mut out = Vec::new();
    Unpacker::default().unpack(algorithm, packed, len, &mut out).map(|()| out)
}

/// Feeds a packed stream piece by piece.
fn unpack_stream(packing: Packing, packed: &[u8], piece: usize) -> Result<Vec<u8>, WofError> {
    let (mut unpacker, mut room, mut found) = (Unpacker::default(), Vec::new(), Vec::new());
    let mut chunks = Chunks::new(packing)?;
    for bytes in packed.chunks(piece.max(1)) {
        chunks.feed(bytes, &mut unpacker, &mut room, |unpacked| found.extend_from_slice(unpacked))?;
    }
    if chunks.is_over() { Ok(found) } else { Err(WofError::Short) }
}

/// Bytes with runs, repeats, calls and noise.
fn mixed(parts: &[(u8, u8, u16)]) -> Vec<u8> {
    let mut data: Vec<u8> = Vec::new();
    for &(kind, byte, len) in parts {
        let len = usize::from(len);
        match kind % 4 {
            0 => data.extend(std::iter::repeat_n(byte, len)),
            1 => data.extend((0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ byte)),
            2 => {
                let from = data.len().saturating_sub(len * usize::from(byte) + 1);
                let end = data.len().min(from + len);
                data.extend_from_within(from..end);
            }
            _ => (0..len as i32 % 40).for_each(|i| {
                data.push(0xe8);
                data.extend((i * 300 - i32::from(byte) * 20).to_le_bytes());
            }),
        }
    }
    data
}

fn parts() -> impl Strategy<Value = Vec<(u8, u8, u16)>> {
    prop::collection::vec((any::<u8>(), any::<u8>(), 0u16..900), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_packed_comes_back(parts in parts(), skew in 0usize..7, which in 0usize..4) {
        let (algorithm, mut data) = (ALGORITHMS[which], mixed(&parts));
        data.truncate(algorithm.chunk_bytes() as usize);
        let packed = match algorithm {
            Algorithm::Lzx => encode::lzx(&data, skew, 1000 + skew * 3000),
            _ => encode::xpress(&data, skew),
        };
        // A chunk as long as what it holds would be taken as it is.
        prop_assume!(packed.len() != data.len());
        prop_assert!(unpack(algorithm, &packed, data.len()) == Ok(data));
    }

    #[test]
    fn streams_and_their_stretches_unpack(parts in parts(), which in 0usize..4, piece in 1usize..9000, window in 1u64..5) {
        let (algorithm, data) = (ALGORITHMS[which], mixed(&parts));
        let (packed, size) = (pack(algorithm, &data), data.len() as u64);
        let packing = Packing::new(algorithm, size, packed.len() as u64);
        prop_assert!(unpack_stream(packing, &packed, piece) == Ok(data.clone()));
        let part = |range: ByteRange| &packed[range.start as usize..range.end() as usize];
        for start in (0..size).step_by((window * algorithm.chunk_bytes()) as usize) {
            let window = ByteRange::new(start, window * algorithm.chunk_bytes());
            let (stretch, [table, data_at]) = packing.stretch(window, part(packing.entries_of(window))).unwrap();
            let bytes = [part(table), part(data_at)].concat();
            let want = data[start as usize..(window.end().min(size)) as usize].to_vec();
            prop_assert!(unpack_stream(stretch, &bytes, piece) == Ok(want));
        }
    }

    #[test]
    fn any_bytes_end_within_the_chunk(
        packed in prop::collection::vec(any::<u8>(), 0..3000), len in 0usize..32_769, which in 0usize..4,
    ) {
        let mut out = Vec::new();
        let _ = Unpacker::default().unpack(ALGORITHMS[which], &packed, len, &mut out);
        prop_assert!(out.len() <= len);
    }

    #[test]
    fn damaged_streams_end(
        parts in parts(), which in 0usize..4, at in any::<prop::sample::Index>(), byte: u8, cut in any::<prop::sample::Index>(),
    ) {
        let (algorithm, data) = (ALGORITHMS[which], mixed(&parts));
        let mut packed = pack(algorithm, &data);
        prop_assume!(!packed.is_empty());
        let place = at.index(packed.len());
        packed[place] = byte;
        packed.truncate(1 + cut.index(packed.len()));
        for size in [data.len() as u64, u64::MAX, 1] {
            let packing = Packing::new(algorithm, size, packed.len() as u64);
            if let Ok(found) = unpack_stream(packing, &packed, 1000) {
                prop_assert_eq!(found.len() as u64, size);
            }
            let window = ByteRange::new(0, 1 << 20);
            let wanted = packing.entries_of(window).intersect(ByteRange::new(0, packed.len() as u64));
            let _ = packing.stretch(window, &packed[wanted.start as usize..wanted.end() as usize]);
        }
    }
}

/// Sets some of the code lengths in front of an XPRESS chunk.
fn xpress_chunk(lengths: &[(usize, u8)], bits: &[u8]) -> Vec<u8> {
    let mut chunk = vec![0; 256];
    for &(symbol, length) in lengths {
        chunk[symbol / 2] |= length << (symbol % 2 * 4);
    }
    chunk.extend_from_slice(bits);
    chunk
}

#[test]
fn the_examples_of_the_specification_unpack() {
    // MS-XCA, section 3.2.
    let mut lengths: Vec<(usize, u8)> = (b'a'..=b'z').map(|byte| (usize::from(byte), 5)).collect();
    for short in [b'w', b'x', b'y', b'z'] {
        lengths[usize::from(short - b'a')].1 = 4;
    }
    lengths.push((256, 4));
    let bits = [
        0xd8, 0x52, 0x3e, 0xd7, 0x94, 0x11, 0x5b, 0xe9, 0x19, 0x5f, 0xf9, 0xd6, 0x7c, 0xdf, 0x8d, 0x04, 0, 0,
        0, 0,
    ];
    let alphabet = xpress_chunk(&lengths, &bits);
    assert_eq!(unpack(Algorithm::Xpress4K, &alphabet, 26).unwrap(), b"abcdefghijklmnopqrstuvwxyz");
    let lengths = [(97, 3), (98, 3), (99, 2), (256, 2), (287, 2)];
    let repeated = xpress_chunk(&lengths, &[0xa8, 0xdc, 0, 0, 0xff, 0x26, 0x01]);
    assert_eq!(unpack(Algorithm::Xpress4K, &repeated, 300).unwrap(), b"abc".repeat(100));
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

#[test]
fn chunks_that_wimlib_packed_unpack() {
    let mut data = Vec::new();
    for i in 0..90_i32 {
        data.push(0xe8);
        data.extend((if i < 60 { i * i * 97 - 500 } else { -i * 8 }).to_le_bytes());
        data.extend(format!("entry {} of the table; ", i % 9).bytes());
    }
    for (algorithm, packed) in [
        (Algorithm::Lzx, include_str!("tests/wimlib-lzx-verbatim.hex")),
        (Algorithm::Xpress4K, include_str!("tests/wimlib-xpress.hex")),
    ] {
        assert!(unpack(algorithm, &from_hex(packed.trim()), data.len()).unwrap() == data, "{algorithm:?}");
    }
}

#[test]
fn malformed_chunks_are_errors() {
    let xpress = |lengths: &[(usize, u8)], bits: &[u8]| {
        unpack(Algorithm::Xpress4K, &xpress_chunk(lengths, bits), 100).map(|_| ())
    };
    assert_eq!(unpack(Algorithm::Xpress4K, &[0; 255], 4096), Err(WofError::Short));
    assert_eq!(xpress(&[], &[0; 8]), Err(WofError::Code));
    assert_eq!(xpress(&[(1, 1), (2, 1), (3, 1)], &[0; 8]), Err(WofError::Code));
    // A match before there is anything; a length of 15 that is cut off; bytes that end too early.
    assert_eq!(xpress(&[(256, 1), (257, 1)], &[0; 8]), Err(WofError::Displaced));
    assert_eq!(xpress(&[(97, 1), (271, 1)], &[0, 0x40, 0, 0]), Err(WofError::Short));
    assert_eq!(xpress(&[(97, 1), (98, 1)], &[0; 2]), Err(WofError::Short));
    // LZX: a block of no type, one of no bytes, one past the chunk's end.
    let lzx = |bits: &[u8]| unpack(Algorithm::Lzx, bits, 4096).map(|_| ());
    assert_eq!(lzx(&[0, 0, 0, 0x08, 0, 0]), Err(WofError::Block));
    assert_eq!(lzx(&[0, 0x20, 0, 0, 0, 0]), Err(WofError::Block));
    assert_eq!(lzx(&[0, 0x30, 0, 0, 0, 0]), Err(WofError::Long));
    assert_eq!(lzx(&[]), Err(WofError::Block));
}

#[test]
fn tables_that_contradict_the_stream_are_errors() {
    let data = vec![7; 10_000];
    let packed = pack(Algorithm::Xpress4K, &data);
    let stream = |packed: &[u8], size| {
        unpack_stream(Packing::new(Algorithm::Xpress4K, size, packed.len() as u64), packed, 64).map(|_| ())
    };
    assert_eq!(stream(&packed, 10_000), Ok(()));
    assert_eq!(stream(&packed, 1 << 40), Err(WofError::Table));
    for (entry, value) in [(0, 0_u32), (0, 5000), (1, 0), (1, u32::MAX)] {
        let mut packed = packed.clone();
        packed[entry * 4..entry * 4 + 4].copy_from_slice(&value.to_le_bytes());
        assert_eq!(stream(&packed, 10_000), Err(WofError::Table), "entry {entry} {value}");
    }
    assert_eq!(stream(&[], 1), Err(WofError::Short));
    assert_eq!(stream(&[], 0), Ok(()));
}

#[test]
fn files_above_4_gib_have_wide_entries() {
    let narrow = Packing::new(Algorithm::Lzx, u64::from(u32::MAX), 1 << 30);
    let wide = Packing::new(Algorithm::Lzx, 1 << 32, 1 << 30);
    assert_eq!(narrow.table_bytes(), 4 * ((1 << 17) - 1));
    assert_eq!(wide.table_bytes(), 8 * ((1 << 17) - 1));
    let window = ByteRange::new(4 << 20, 4 << 20);
    assert_eq!(wide.entries_of(window), ByteRange::between(127 * 8, 256 * 8));
}
