//! Big-endian fields, and the checksum that version 5 metadata carries.

use coldread_model::crc;

/// A structure's bytes. What lies past their end reads as zero, so that no offset can panic; callers check
/// lengths where a zero would mean something.
#[derive(Clone, Copy)]
pub(super) struct Be<'a>(pub(super) &'a [u8]);

impl<'a> Be<'a> {
    fn array<const N: usize>(self, at: usize) -> [u8; N] {
        let bytes = self.0.get(at..).and_then(<[u8]>::first_chunk::<N>);
        bytes.copied().unwrap_or([0; N])
    }

    pub(super) fn u8(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or_default()
    }

    pub(super) fn u16(self, at: usize) -> u16 {
        u16::from_be_bytes(self.array(at))
    }

    pub(super) fn u32(self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    pub(super) fn u64(self, at: usize) -> u64 {
        u64::from_be_bytes(self.array(at))
    }

    pub(super) fn uuid(self, at: usize) -> [u8; 16] {
        self.array(at)
    }

    /// `len` bytes at `at`; `None` where they reach past the end.
    pub(super) fn slice(self, at: usize, len: usize) -> Option<&'a [u8]> {
        self.0.get(at..at.checked_add(len)?)
    }
}

/// The checksum stored at `at` (little-endian, unlike all else) and the one computed over `bytes` with
/// that field as zeros.
pub(super) fn checksums(bytes: &[u8], at: usize) -> (u32, u32) {
    let Some((before, rest)) = bytes.split_at_checked(at) else { return (0, 1) };
    let Some((stored, after)) = rest.split_first_chunk::<4>() else { return (0, 1) };
    // Up to the next whole word behind the field as one aligned piece: short and crooked ones take the
    // processor several times as long.
    let mut head = Head([0; HEAD_BYTES]);
    let end = (at + 4).next_multiple_of(8);
    let computed = match (head.0.get_mut(..end), bytes.split_at_checked(end)) {
        (Some(head), Some((first, after))) => {
            head.copy_from_slice(first);
            head[at..at + 4].fill(0);
            crc::crc32c_append(crc::crc32c(head), after)
        }
        _ => crc::crc32c_append(crc::crc32c_append(crc::crc32c(before), &[0; 4]), after),
    };
    (u32::from_le_bytes(*stored), computed)
}

/// Checksums of inodes and blocks lie this near to their start.
const HEAD_BYTES: usize = 128;

#[repr(align(8))]
struct Head([u8; HEAD_BYTES]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_past_the_end_are_zero_and_short_blocks_have_no_valid_checksum() {
        let be = Be(&[1, 2, 3]);
        assert_eq!((be.u16(0), be.u16(2), be.u64(0), be.u8(9)), (0x0102, 0, 0, 0));
        assert_eq!(be.slice(1, usize::MAX), None);
        let (stored, computed) = checksums(&[0; 6], 4);
        assert_ne!(stored, computed);
    }

    #[test]
    fn a_checksum_is_the_same_wherever_the_field_lies() {
        let block: Vec<u8> = (0..600_u32).map(|i| (i * 5) as u8).collect();
        for at in [0, 4, 12, 56, 100, 120, 124, 200, 590, 596] {
            let mut blank = block.clone();
            blank[at..at + 4].fill(0);
            let stored = u32::from_le_bytes(block[at..at + 4].try_into().unwrap());
            assert_eq!(checksums(&block, at), (stored, crc::crc32c(&blank)), "{at}");
        }
        assert_eq!(checksums(&block, 597), (0, 1));
    }

    #[test]
    fn a_checksum_covers_everything_but_itself() {
        let mut block = vec![7; 64];
        let (_, computed) = checksums(&block, 12);
        block[12..16].copy_from_slice(&computed.to_le_bytes());
        let (stored, again) = checksums(&block, 12);
        assert_eq!(stored, again);
        block[63] ^= 1;
        let (stored, again) = checksums(&block, 12);
        assert_ne!(stored, again);
    }
}
