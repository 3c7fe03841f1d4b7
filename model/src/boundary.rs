//! Where a run of rows is cut: a hash of the row alone decides, so that equal rows are cut alike on every disk.
//!
//! It is the same on every machine and in every version: else the chunks of one scan would end elsewhere than those of
//! the next, and share nothing.

/// A hash of bytes, eight at a time.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let hash = words.iter().fold(bytes.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    mix(mix(hash, u64::from_le_bytes(last)), 0)
}

/// Takes a word into a hash; the high bits of the product are mixed with the low ones, its weakest.
pub(crate) fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_every_version() {
        for (bytes, wanted) in [
            (&b""[..], 0),
            (b"a", 0x27d1_3417_8074_a30c),
            (b"passwd", 0x673d_60d4_6af8_2e98),
            (b"12345678", 0xa254_6508_c996_8afb),
            (b"sources.list.d", 0x0c7c_1517_b900_9661),
        ] {
            assert_eq!(hash(bytes), wanted, "{bytes:?}");
        }
    }
}
