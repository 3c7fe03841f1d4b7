//! Checksums over chains of journal blocks, computed from a sum of each block alone.
//!
//! Both checksums are linear: the sum of a block that starts from `before` is the sum that starts from 0,
//! combined with `before` moved past the block. So blocks may arrive in any order and need not be kept.

use super::super::checksum::crc32c;

/// CRC-32 with the polynomial 0x04C11DB7, highest bit first, not inverted: checksums of the first kind.
pub(super) fn crc32_be(seed: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(seed, |sum, byte| sum << 8 ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)])
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut sum = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum >> 31 == 1 { sum << 1 ^ 0x04C1_1DB7 } else { sum << 1 };
            bit += 1;
        }
        table[index] = sum;
        index += 1;
    }
    table
};

/// Moves a checksum past a block: what the running sum becomes by a block of zeros.
#[derive(Clone, Debug)]
pub(super) struct Past([u32; 32]);

impl Past {
    fn new(block_bytes: u32, sum: fn(u32, &[u8]) -> u32) -> Self {
        let zeros = vec![0; block_bytes as usize];
        Self(std::array::from_fn(|bit| sum(1 << bit, &zeros)))
    }

    /// For [`crc32c`].
    pub(super) fn crc32c(block_bytes: u32) -> Self {
        Self::new(block_bytes, crc32c)
    }

    /// For [`crc32_be`].
    pub(super) fn crc32_be(block_bytes: u32) -> Self {
        Self::new(block_bytes, crc32_be)
    }

    /// The sum that starts from `before`, of a block whose sum that starts from 0 is `block`.
    pub(super) fn then(&self, before: u32, block: u32) -> u32 {
        (0..32).filter(|bit| before >> bit & 1 == 1).fold(block, |sum, bit| sum ^ self.0[bit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_blocks_combine_to_the_sum_of_the_chain() {
        assert_eq!(!crc32_be(!0, b"123456789"), 0xFC89_1918);
        let chain: Vec<u8> = (0..3 * 1024_u32).map(|n| (n * 7 % 251) as u8).collect();
        for (past, sum) in [
            (Past::crc32c(1024), crc32c as fn(u32, &[u8]) -> u32),
            (Past::crc32_be(1024), crc32_be as fn(u32, &[u8]) -> u32),
        ] {
            let combined =
                chain.chunks(1024).fold(0x1234_5678, |before, block| past.then(before, sum(0, block)));
            assert_eq!(combined, sum(0x1234_5678, &chain));
        }
    }
}
