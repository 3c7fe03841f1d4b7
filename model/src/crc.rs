//! The two cyclic checksums that disks, logs and packs carry.

use crc_fast::{CrcAlgorithm, Digest};

/// CRC-32C (Castagnoli): ext4, XFS, packs of the store.
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// CRC-32C of bytes whose start has the checksum `sum`. It sets up a state of some hundred bytes, which [`crc32c`] does
/// without: for short pieces that is most of the work.
pub fn crc32c_append(sum: u32, bytes: &[u8]) -> u32 {
    let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, u64::from(!sum));
    digest.update(bytes);
    digest.finalize() as u32
}

/// CRC-32 (IEEE 802.3): GPT, Windows event logs.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, bytes) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One bit at a time, by the polynomial's definition.
    fn by_bits(polynomial: u32, bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |sum, byte| {
            (0..8).fold(sum ^ u32::from(*byte), |sum, _| sum >> 1 ^ if sum & 1 == 1 { polynomial } else { 0 })
        })
    }

    #[test]
    fn standard_check_values() {
        assert_eq!((crc32c(b"123456789"), crc32(b"123456789")), (0xE306_9283, 0xCBF4_3926));
        assert_eq!((crc32c(b""), crc32(b"")), (0, 0));
    }

    proptest! {
        #[test]
        fn every_length_and_every_cut_is_as_defined(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..600), prop::collection::vec(any::<u8>(), 4000..5000),
            ],
            cut: prop::sample::Index,
        ) {
            let (start, rest) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(crc32c_append(crc32c(start), rest), by_bits(0x82F6_3B78, &bytes));
            prop_assert_eq!(crc32(&bytes), by_bits(0xEDB8_8320, &bytes));
        }
    }
}
