//! Numbers of seven bits a byte, the lowest first (LEB128): small ones, as nearly all are, take one byte.

/// Appends a number.
#[inline]
pub fn put(mut number: u64, out: &mut Vec<u8>) {
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
            let mut bytes = Vec::new();
            put(number, &mut bytes);
            let whole = bytes.len();
            bytes.push(7);
            let rest = &mut &bytes[..];
            prop_assert_eq!((take(rest), *rest), (Some(number), &[7][..]));
            prop_assert_eq!(take(&mut &bytes[..cut.min(whole - 1)]), None);
            prop_assert_eq!(unzigzag(zigzag(number)), number);
            prop_assert!(zigzag(number.min(50)) <= 100 && zigzag(number.min(50).wrapping_neg()) <= 100);
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
