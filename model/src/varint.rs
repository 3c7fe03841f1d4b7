//! Numbers of seven bits a byte, the lowest first (LEB128): small ones, as nearly all are, take one byte.

/// Bits of eight bytes behind which more bytes follow.
const MORE: u64 = 0x8080_8080_8080_8080;

/// Appends a number.
#[inline]
pub fn put(number: u64, out: &mut Vec<u8>) {
    if number < 0x80 { out.push(number as u8) } else { put_long(number, out) }
}

/// Of more than seven bits, up to 56: eight bytes are written at once, and those that are not of the number taken back.
fn put_long(number: u64, out: &mut Vec<u8>) {
    if number >= 1 << 56 {
        return put_longest(number, out);
    }
    let len = number.ilog2() as usize / 7 + 1;
    let more = MORE & ((1 << (8 * len - 8)) - 1);
    out.extend_from_slice(&(spread(number) | more).to_le_bytes());
    out.truncate(out.len() - (8 - len));
}

#[cold]
fn put_longest(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front; none where the bytes end within it, or it has more than 64 bits.
#[inline]
pub fn take(rest: &mut &[u8]) -> Option<u64> {
    if let [byte @ ..0x80, after @ ..] = *rest {
        *rest = after;
        return Some(u64::from(*byte));
    }
    take_long(rest)
}

fn take_long(rest: &mut &[u8]) -> Option<u64> {
    let Some(first) = rest.first_chunk() else { return take_slowly(rest) };
    let word = u64::from_le_bytes(*first);
    let ends = !word & MORE;
    if ends == 0 {
        return take_slowly(rest);
    }
    let len = ends.trailing_zeros() / 8 + 1;
    *rest = &rest[len as usize..];
    Some(gather(word << (64 - 8 * len) >> (64 - 8 * len)))
}

/// Seven bits a byte of a number of 56.
const fn spread(number: u64) -> u64 {
    let number = number & 0xfff_ffff | (number & 0xff_ffff_f000_0000) << 4;
    let number = number & 0x3fff_0000_3fff | (number & 0xfff_c000_0fff_c000) << 2;
    number & 0x7f_007f_007f_007f | (number & 0x3f80_3f80_3f80_3f80) << 1
}

/// The number of seven bits of each byte.
const fn gather(word: u64) -> u64 {
    let word = word & 0x7f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1;
    let word = word & 0x3fff_0000_3fff | (word & 0x3fff_0000_3fff_0000) >> 2;
    word & 0xfff_ffff | (word & 0xfff_ffff_0000_0000) >> 4
}

/// Near the end of the bytes, or of more than 56 bits.
fn take_slowly(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// A small difference as a small number, whichever way it goes.
pub const fn zigzag(difference: u64) -> u64 {
    difference << 1 ^ (difference as i64 >> 63) as u64
}

/// The difference of such a number.
pub const fn unzigzag(number: u64) -> u64 {
    number >> 1 ^ (number & 1).wrapping_neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_come_back(number in prop_oneof![any::<u64>(), 0u64..300, any::<u64>().prop_map(|bits| bits >> (bits % 64))], cut in 0usize..10) {
            let (mut bytes, mut same) = (Vec::new(), Vec::new());
            put(number, &mut bytes);
            put_longest(number, &mut same);
            prop_assert_eq!(&bytes, &same);
            let whole = bytes.len();
            bytes.extend([7; 9]);
            prop_assert_eq!(take(&mut &bytes[..]), Some(number));
            bytes.truncate(whole + 1);
            let rest = &mut &bytes[..];
            prop_assert_eq!((take(rest), *rest), (Some(number), &[7][..]));
            prop_assert_eq!(take(&mut &bytes[..cut.min(whole - 1)]), None);
            prop_assert_eq!(unzigzag(zigzag(number)), number);
            prop_assert!(zigzag(number.min(50)) <= 100 && zigzag(number.min(50).wrapping_neg()) <= 100);
        }
    }

    proptest! {
        #[test]
        fn many_bytes_at_once_are_taken_as_one_by_one(bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x80), Just(0xff)], 0..20)) {
            let (mut fast, mut slow) = (&bytes[..], &bytes[..]);
            prop_assert_eq!(take(&mut fast), take_slowly(&mut slow));
            prop_assert!(fast == slow || take_slowly(&mut &bytes[..]).is_none());
        }
    }

    #[test]
    fn more_than_64_bits_are_no_number() {
        for bytes in [&[0xff; 10][..], &[0xff; 9], &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2]]
        {
            assert_eq!(take(&mut &bytes[..]), None);
        }
        let most = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(take(&mut &most[..]), Some(u64::MAX));
    }
}
