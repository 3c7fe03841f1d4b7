//! Log records: "XFS Algorithms & Data Structures", 3rd edition, "Journaling Log", "Log Records"; the
//! checksum and the larger headers of version 2 are those of Linux' `xfs_log_format.h`.
//!
//! A record is a header of one block, in version 2 one more for every further 32 KiB that its writer's
//! buffer holds, and data. The first word of every block on disk is the number of the pass that wrote it;
//! what stood there in a data block is in the header.

use super::super::be::Be;
use coldread_model::crc;

pub(super) const BLOCK: usize = 512;
const MAGIC: u32 = 0xfeed_babe;
/// Bytes of data that one header block describes, and blocks.
const HEADER_BYTES: u32 = 32 << 10;
const HEADER_BLOCKS: usize = 64;
/// No writer's buffer is larger.
const MAX_BUFFER_BYTES: u32 = 256 << 10;
/// Bytes of a header that the checksum covers; 32-bit x86 left out the last four.
const SUMMED_BYTES: [usize; 2] = [328, 324];
const SUMMED_FURTHER_BYTES: usize = 260;
const CRC: usize = 32;
/// The fields are those of a little-endian Linux.
const FORMAT_LINUX_LE: u32 = 1;
const UNMOUNT: u8 = 0x20;

/// What a record's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of data.
    len: u32,
    pub(super) lsn: u64,
    pub(super) tail_lsn: u64,
    crc: u32,
    /// Operations in the data.
    pub(super) operations: u32,
    pub(super) format: u32,
    pub(super) uuid: [u8; 16],
    /// Blocks of header.
    pub(super) leading_blocks: usize,
}

/// Whether a block starts a record. No data block has this first word, as it is no pass's number.
pub(super) fn is_header(block: &[u8]) -> bool {
    Be(block).u32(0) == MAGIC
}

/// The pass that wrote a block.
pub(super) fn cycle(block: &[u8]) -> u32 {
    let first = Be(block).u32(0);
    if first == MAGIC { Be(block).u32(4) } else { first }
}

/// The block of an LSN; its pass is above.
pub(super) fn block_of(lsn: u64) -> u64 {
    lsn & 0xffff_ffff
}

impl Header {
    /// Reads a header's first block; `None` if it is none or contradicts itself.
    pub(super) fn parse(block: &[u8]) -> Option<Self> {
        let fields = Be(block);
        let (version, len, operations) = (fields.u32(8), fields.u32(12), fields.u32(40));
        if !is_header(block) || version == 0 || version & !3 != 0 {
            return None;
        }
        let size = if version & 2 != 0 { fields.u32(320).max(1) } else { HEADER_BYTES };
        // mkfs once wrote an unmount record longer than the buffer that it names.
        let fits = len <= size || operations == 1;
        if len == 0 || len > MAX_BUFFER_BYTES || size > MAX_BUFFER_BYTES || !fits {
            return None;
        }
        Some(Self {
            len,
            lsn: fields.u64(16),
            tail_lsn: fields.u64(24),
            crc: u32::from_le_bytes(fields.slice(CRC, 4)?.try_into().ok()?),
            operations,
            format: fields.u32(300),
            uuid: fields.uuid(304),
            leading_blocks: size.div_ceil(HEADER_BYTES) as usize,
        })
    }

    /// Blocks of the whole record.
    pub(super) fn blocks(&self) -> usize {
        self.leading_blocks + (self.len as usize).div_ceil(BLOCK)
    }

    /// Whether the fields are in the byte order that is read.
    pub(super) fn is_little_endian(&self) -> bool {
        self.format == FORMAT_LINUX_LE
    }

    /// Whether the checksum holds; `None` if the record has none. `record` is the whole record.
    pub(super) fn sound(&self, record: &[u8]) -> Option<bool> {
        if self.crc == 0 {
            return None;
        }
        Some(SUMMED_BYTES.into_iter().any(|summed| self.checksum(record, summed) == Some(self.crc)))
    }

    fn checksum(&self, record: &[u8], summed: usize) -> Option<u32> {
        let mut sum = crc::crc32c(record.get(..CRC)?);
        sum = crc::crc32c_append(sum, &[0; 4]);
        sum = crc::crc32c_append(sum, record.get(CRC + 4..summed)?);
        for further in 1..self.len.div_ceil(HEADER_BYTES) as usize {
            let at = further * BLOCK;
            sum = crc::crc32c_append(sum, record.get(at..at + SUMMED_FURTHER_BYTES)?);
        }
        let data = self.leading_blocks * BLOCK;
        Some(crc::crc32c_append(sum, record.get(data..data + self.len as usize)?))
    }

    /// The data of a whole record, with the first words of its blocks put back.
    pub(super) fn data(&self, record: &[u8]) -> Option<Vec<u8>> {
        let start = self.leading_blocks * BLOCK;
        let mut data = record.get(start..start + self.len as usize)?.to_vec();
        for (number, block) in data.chunks_mut(BLOCK).enumerate() {
            let (header, place) = (number / HEADER_BLOCKS, number % HEADER_BLOCKS * 4);
            if header >= self.leading_blocks {
                break;
            }
            let at = if header == 0 { 44 + place } else { header * BLOCK + 4 + place };
            let len = block.len().min(4);
            block[..len].copy_from_slice(record.get(at..at + len)?);
        }
        Some(data)
    }

    /// Whether this is the record that an unmount leaves; `data` is its first block of data.
    pub(super) fn is_unmount(&self, data: &[u8]) -> bool {
        self.operations == 1 && Be(data).u8(9) & UNMOUNT != 0
    }
}
