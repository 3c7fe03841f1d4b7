//! Names of NTFS are any 16-bit units; here they become bytes.

/// Appends UTF-16 (little-endian bytes; an odd last byte is ignored) to `out` as WTF-8: UTF-8 in which a
/// surrogate without its partner is encoded as if it were a character of its own.
///
/// Source: "The WTF-8 encoding", section 3.6 (Converting between WTF-8 and potentially ill-formed UTF-16).
pub(super) fn push_wtf8(utf16: &[u8], out: &mut Vec<u8>) {
    let mut units = utf16.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).peekable();
    while let Some(unit) = units.next() {
        let mut point = u32::from(unit);
        if point < 0x80 {
            out.push(point as u8);
            continue;
        }
        if (0xd800..0xdc00).contains(&point)
            && let Some(low) = units.next_if(|low| (0xdc00..0xe000).contains(low))
        {
            point = 0x1_0000 + ((point - 0xd800) << 10) + (u32::from(low) - 0xdc00);
        }
        let tail = |shift: u32| 0x80 | (point >> shift & 0x3f) as u8;
        match point {
            ..0x800 => out.extend_from_slice(&[0xc0 | (point >> 6) as u8, tail(0)]),
            0x800..0x1_0000 => out.extend_from_slice(&[0xe0 | (point >> 12) as u8, tail(6), tail(0)]),
            _ => out.extend_from_slice(&[0xf0 | (point >> 18) as u8, tail(12), tail(6), tail(0)]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wtf8(units: &[u16]) -> Vec<u8> {
        let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let mut out = Vec::new();
        push_wtf8(&bytes, &mut out);
        out
    }

    proptest! {
        #[test]
        fn well_formed_names_are_utf8(text in any::<String>()) {
            let units: Vec<u16> = text.encode_utf16().collect();
            prop_assert_eq!(wtf8(&units), text.into_bytes());
        }

        #[test]
        fn different_names_stay_different(a in prop::collection::vec(0xd700u16..0xe100, 0..6), b in prop::collection::vec(0xd700u16..0xe100, 0..6)) {
            prop_assert_eq!(wtf8(&a) == wtf8(&b), a == b);
        }
    }

    #[test]
    fn lone_surrogates_are_kept() {
        assert_eq!(wtf8(&[0xd800]), [0xed, 0xa0, 0x80]);
        assert_eq!(wtf8(&[0xdc00, 0xd800]), [0xed, 0xb0, 0x80, 0xed, 0xa0, 0x80]);
        assert_eq!(wtf8(&[0xd83d, 0xde00]), "😀".as_bytes());
    }
}
