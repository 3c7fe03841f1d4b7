//! The two checksums of ext4's metadata.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Checksums".

use coldread_model::crc;

/// CRC32C as ext4 chains it: the running value goes in and out without the final inversion.
pub(super) fn crc32c(seed: u32, bytes: &[u8]) -> u32 {
    !crc::crc32c_append(!seed, bytes)
}

/// CRC32C over several pieces in a row.
pub(super) fn crc32c_of(seed: u32, pieces: &[&[u8]]) -> u32 {
    pieces.iter().fold(seed, |sum, piece| crc32c(sum, piece))
}

/// CRC-16 with the polynomial 0x8005, bits reflected: group descriptors before metadata_csum.
pub(super) fn crc16(seed: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(seed, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xA001 } else { sum >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_check_values() {
        assert_eq!(!crc32c(!0, b"123456789"), 0xE306_9283);
        assert_eq!(crc16(0, b"123456789"), 0xBB3D);
        assert_eq!(crc32c_of(!0, &[b"1234", b"", b"56789"]), crc32c(!0, b"123456789"));
    }
}
