//! LZNT1, the compression of NTFS' compressed attributes.
//!
//! Source: MS-XCA "Xpress Compression Algorithm", section 2.5 (LZNT1 Algorithm Details).

/// Bytes that one chunk unpacks to at most.
const CHUNK_BYTES: usize = 4096;

/// Why a compression unit cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lznt1Error {
    /// A chunk announces more bytes than the unit holds.
    #[error("an LZNT1 chunk is cut short")]
    Short,
    /// A match refers to bytes before its chunk's start.
    #[error("an LZNT1 match reaches back past its chunk's start")]
    Displaced,
    /// A chunk unpacks to more than 4096 bytes.
    #[error("an LZNT1 chunk unpacks to more than 4096 bytes")]
    Long,
}

/// Unpacks one compression unit and appends at most `limit` bytes to `out`.
///
/// `unit` holds the unit's allocated bytes; chunks end at a header of zero or at its end. A chunk that
/// unpacks to less than 4096 bytes is filled up with zeros where another one follows, so that every chunk
/// starts at a multiple of 4096. What was unpacked before an error stays in `out`.
pub fn decompress(unit: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), Lznt1Error> {
    let base = out.len();
    let end = base.saturating_add(limit);
    let mut rest = unit;
    let mut chunk_start = base;
    while let Some((header, body)) = rest.split_first_chunk::<2>() {
        let header = u16::from_le_bytes(*header);
        if header == 0 || chunk_start >= end {
            break;
        }
        let size = usize::from(header & 0x0fff) + 1;
        let (data, after) = body.split_at_checked(size).ok_or(Lznt1Error::Short)?;
        rest = after;
        out.resize(chunk_start, 0);
        let result = if header & 0x8000 == 0 {
            out.extend_from_slice(data);
            Ok(())
        } else {
            unpack_chunk(data, out)
        };
        out.truncate(end);
        result?;
        chunk_start += CHUNK_BYTES;
    }
    Ok(())
}

/// Unpacks a compressed chunk's tokens, eight to a flag byte.
fn unpack_chunk(mut data: &[u8], out: &mut Vec<u8>) -> Result<(), Lznt1Error> {
    let start = out.len();
    while let Some((&flags, mut tokens)) = data.split_first() {
        for bit in 0..8 {
            let Some((&first, after)) = tokens.split_first() else { break };
            let done = out.len() - start;
            if flags >> bit & 1 == 0 {
                if done >= CHUNK_BYTES {
                    return Err(Lznt1Error::Long);
                }
                out.push(first);
                tokens = after;
                continue;
            }
            let (&second, after) = after.split_first().ok_or(Lznt1Error::Short)?;
            tokens = after;
            let token = usize::from(u16::from_le_bytes([first, second]));
            let length_bits = 16 - displacement_bits(done);
            let displacement = (token >> length_bits) + 1;
            let length = (token & ((1 << length_bits) - 1)) + 3;
            if displacement > done {
                return Err(Lznt1Error::Displaced);
            }
            if done + length > CHUNK_BYTES {
                return Err(Lznt1Error::Long);
            }
            let from = out.len() - displacement;
            if displacement >= length {
                out.extend_from_within(from..from + length);
            } else {
                // The match overlaps what it writes: its bytes repeat.
                for at in from..from + length {
                    let byte = out[at];
                    out.push(byte);
                }
            }
        }
        data = tokens;
    }
    Ok(())
}

/// How many bits of a token are the displacement, `done` bytes into a chunk: as many as are needed to count
/// to `done - 1`, at least four.
fn displacement_bits(done: usize) -> u32 {
    (usize::BITS - done.saturating_sub(1).leading_zeros()).clamp(4, 12)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unpacked(unit: &[u8]) -> Result<Vec<u8>, Lznt1Error> {
        let mut out = Vec::new();
        decompress(unit, &mut out, 65_536).map(|()| out)
    }

    /// A plain greedy compressor, so that the tests do not depend on the code they test.
    fn compress(data: &[u8]) -> Vec<u8> {
        let mut unit = Vec::new();
        for chunk in data.chunks(4096) {
            let mut body = Vec::new();
            let mut at = 0;
            while at < chunk.len() {
                let flags_at = body.len();
                body.push(0);
                for bit in 0..8 {
                    if at >= chunk.len() {
                        break;
                    }
                    let mut split = 4;
                    while at > 1 << split {
                        split += 1;
                    }
                    let longest = (1usize << (16 - split)) + 2;
                    let mut best = (0, 0);
                    for back in 1..=at.min(1 << split).min(64) {
                        let len = (0..longest.min(chunk.len() - at))
                            .take_while(|&i| chunk[at + i] == chunk[at + i - back])
                            .count();
                        if len > best.0 {
                            best = (len, back);
                        }
                    }
                    if best.0 >= 3 {
                        body[flags_at] |= 1 << bit;
                        let token = ((best.1 - 1) << (16 - split)) | (best.0 - 3);
                        body.extend_from_slice(&(token as u16).to_le_bytes());
                        at += best.0;
                    } else {
                        body.push(chunk[at]);
                        at += 1;
                    }
                }
            }
            if body.len() >= chunk.len() {
                unit.extend_from_slice(&(0x3000 | (chunk.len() - 1) as u16).to_le_bytes());
                unit.extend_from_slice(chunk);
            } else {
                unit.extend_from_slice(&(0xb000 | (body.len() - 1) as u16).to_le_bytes());
                unit.extend_from_slice(&body);
            }
        }
        unit.extend_from_slice(&[0, 0]);
        unit
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(
            seeds in prop::collection::vec((any::<u8>(), 1usize..700), 0..40),
            noise in prop::collection::vec(any::<u8>(), 0..5000),
        ) {
            let mut data: Vec<u8> = seeds.iter().flat_map(|&(byte, run)| vec![byte; run]).collect();
            data.extend(noise);
            prop_assert_eq!(unpacked(&compress(&data)), Ok(data.clone()));
            let mut cut = Vec::new();
            prop_assert_eq!(decompress(&compress(&data), &mut cut, 100), Ok(()));
            prop_assert_eq!(&cut[..], &data[..data.len().min(100)]);
        }

        #[test]
        fn any_bytes_end_within_the_limit(unit in prop::collection::vec(any::<u8>(), 0..9000), limit in 0usize..20_000) {
            let mut out = vec![1, 2, 3];
            let _ = decompress(&unit, &mut out, limit);
            prop_assert!(out.len() <= limit + 3);
            prop_assert_eq!(&out[..3], &[1, 2, 3]);
        }

        #[test]
        fn a_cut_unit_is_an_error_or_a_prefix(len in 0usize..4000) {
            let data: Vec<u8> = (0..3000u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
            let unit = compress(&data);
            let mut out = Vec::new();
            let cut = len.min(unit.len() - 3);
            let _ = decompress(&unit[..cut], &mut out, 65_536);
            prop_assert!(data.starts_with(&out));
        }
    }

    #[test]
    fn the_example_of_the_specification_unpacks() {
        // MS-XCA, section 3.3.
        let unit = [
            0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xa2, 0x47, 0x01,
            0xa0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xc0, 0x45, 0x20, 0x05, 0x24,
            0x13, 0x88, 0x05, 0xb4, 0x02, 0x4a, 0x44, 0xef, 0x03, 0x58, 0x02, 0x8c, 0x09, 0x16, 0x01, 0x48,
            0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00, 0x04, 0x01, 0x18, 0x90, 0x00,
        ];
        let text = b"F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D E F# G F# E D E A F# F# G A A G F# E D D E F# E D D\0";
        assert_eq!(
            unpacked(&unit).map(|out| String::from_utf8_lossy(&out).into_owned()),
            Ok(String::from_utf8_lossy(text).into_owned())
        );
    }

    #[test]
    fn displaced_matches_and_short_chunks_are_errors() {
        assert_eq!(unpacked(&[0x02, 0xb0, 0x01, 0x00, 0x00]), Err(Lznt1Error::Displaced));
        assert_eq!(unpacked(&[0x03, 0xb0, 0x02, b'a', 0x00, 0x10]), Err(Lznt1Error::Displaced));
        assert_eq!(unpacked(&[0x10, 0xb0, 0x00, b'a']), Err(Lznt1Error::Short));
        assert_eq!(unpacked(&[0x01, 0xb0, 0x01, 0x00]), Err(Lznt1Error::Short));
        assert_eq!(unpacked(&[0x05, 0xb0, 0x02, b'a', 0xff, 0x0f, 0xff, 0x0f]), Err(Lznt1Error::Long));
        assert_eq!(unpacked(&[]), Ok(vec![]));
    }

    #[test]
    fn an_uncompressed_chunk_is_copied_and_a_short_one_is_filled_up() {
        let unit = [0x02, 0x30, b'a', b'b', b'c', 0x00, 0x30, b'd'];
        let out = unpacked(&unit).unwrap();
        assert_eq!(out.len(), 4097);
        assert_eq!((&out[..3], out[3], out[4096]), (&b"abc"[..], 0, b'd'));
    }
}
