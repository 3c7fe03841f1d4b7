//! Big-endian numbers: the journal is written in network order, whatever the filesystem around it. As in
//! the filesystem's own fields, what lies past the end reads as 0.

/// The `u16` at byte `at`.
pub(super) fn be16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |field| u16::from_be_bytes(*field))
}

/// The `u32` at byte `at`.
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |field| u32::from_be_bytes(*field))
}

/// The `u64` at byte `at`.
pub(super) fn be64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |field| u64::from_be_bytes(*field))
}
