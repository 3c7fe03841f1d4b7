//! The journal's own superblock, in its first block.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Journal (jbd2)",
//! "Super Block". What is refused here is what the kernel refuses to recover.

use super::{
    super::checksum::crc32c_of,
    bytes::be32,
    control::{MAGIC, MAGIC_BYTES},
};
use crate::error::ParseError;

const STRUCTURE: &str = "journal superblock";
const SUPERBLOCK_BYTES: usize = 1024;
const CHECKSUM_AT: usize = 0xFC;

const COMPAT_CHECKSUM: u32 = 0x1;
const INCOMPAT_REVOKE: u32 = 0x1;
const INCOMPAT_64BIT: u32 = 0x2;
const INCOMPAT_ASYNC_COMMIT: u32 = 0x4;
const INCOMPAT_CSUM_V2: u32 = 0x8;
const INCOMPAT_CSUM_V3: u32 = 0x10;
const INCOMPAT_FAST_COMMIT: u32 = 0x20;
const INCOMPAT_READ: u32 = INCOMPAT_REVOKE
    | INCOMPAT_64BIT
    | INCOMPAT_ASYNC_COMMIT
    | INCOMPAT_CSUM_V2
    | INCOMPAT_CSUM_V3
    | INCOMPAT_FAST_COMMIT;

/// Blocks that are left for the log even where fast commits ask for more.
const LEAST_LOG_BLOCKS: u32 = 1024;
const USUAL_FAST_BLOCKS: u32 = 256;

/// How the log's blocks are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fs::ext4) enum Checksums {
    /// Not at all.
    None,
    /// The commit block sums up its transaction's blocks.
    V1,
    /// Each block has its own sum, of which tags keep 16 bits.
    V2,
    /// Each block has its own sum.
    V3,
}

impl Checksums {
    /// Whether each block has its own sum.
    pub(super) fn each_block(self) -> bool {
        matches!(self, Self::V2 | Self::V3)
    }
}

/// What the journal's superblock says. Numbers of blocks count from the journal's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::fs::ext4) struct JournalSuperblock {
    /// Bytes of a block; the filesystem's.
    pub block_bytes: u32,
    /// Blocks of the journal, fast commits included.
    pub blocks: u32,
    /// First block of the log.
    pub first: u32,
    /// The block after the log's last.
    pub last: u32,
    /// Number of the oldest transaction in the log.
    pub sequence: u32,
    /// Its first block; 0 where the log is empty.
    pub start: u32,
    /// The filesystem was stopped by an error.
    pub failed: bool,
    /// How blocks are protected.
    pub checksums: Checksums,
    /// What sums of each block start from.
    pub seed: u32,
    /// Block numbers have 64 bits.
    pub wide: bool,
    /// Commit blocks may be written before what they commit.
    pub async_commit: bool,
    /// First block of fast commits, where there are any.
    pub fast: Option<u32>,
}

impl JournalSuperblock {
    /// Reads it from the journal's first block, which lies at byte `at` of the volume; `blocks` is how many
    /// the journal's file has.
    pub(super) fn parse(bytes: &[u8], at: u64, block_bytes: u32, blocks: u64) -> Result<Self, ParseError> {
        let corrupt = |expected: String, actual: String| ParseError::corrupt(at, STRUCTURE, expected, actual);
        let Some(bytes) = bytes.get(..SUPERBLOCK_BYTES) else {
            return Err(corrupt("1024 bytes".to_owned(), format!("{} bytes", bytes.len())));
        };
        if !bytes.starts_with(&MAGIC_BYTES) {
            return Err(corrupt(format!("magic {MAGIC:#010x}"), format!("{:#010x}", be32(bytes, 0))));
        }
        let h_blocktype = be32(bytes, 4);
        let (compat, incompat, ro_compat) = match h_blocktype {
            3 => (0, 0, 0),
            4 => (be32(bytes, 0x24), be32(bytes, 0x28), be32(bytes, 0x2C)),
            other => return Err(corrupt("block type 3 or 4".to_owned(), other.to_string())),
        };
        let s_blocksize = be32(bytes, 0x0C);
        if s_blocksize != block_bytes {
            return Err(corrupt(format!("blocks of {block_bytes} bytes"), s_blocksize.to_string()));
        }
        let unread = incompat & !INCOMPAT_READ;
        if unread != 0 || ro_compat != 0 {
            let name = format!("features {unread:#x} (incompatible), {ro_compat:#x} (read-only compatible)");
            return Err(ParseError::unsupported(STRUCTURE, name));
        }
        let has = |feature: u32| incompat & feature != 0;
        let checksums = match (compat & COMPAT_CHECKSUM != 0, has(INCOMPAT_CSUM_V2), has(INCOMPAT_CSUM_V3)) {
            (false, false, false) => Checksums::None,
            (true, false, false) => Checksums::V1,
            (false, true, false) => Checksums::V2,
            (false, false, true) => Checksums::V3,
            _ => return Err(corrupt("one kind of checksums".to_owned(), "several".to_owned())),
        };
        if checksums.each_block() {
            let s_checksum_type = bytes[0x50];
            if s_checksum_type != 4 {
                return Err(ParseError::unsupported(STRUCTURE, format!("checksum type {s_checksum_type}")));
            }
            let found = be32(bytes, CHECKSUM_AT);
            let sum = crc32c_of(!0, &[&bytes[..CHECKSUM_AT], &[0; 4], &bytes[CHECKSUM_AT + 4..]]);
            if sum != found {
                return Err(corrupt(format!("checksum {sum:#010x}"), format!("{found:#010x}")));
            }
        }
        let s_maxlen = be32(bytes, 0x10);
        if u64::from(s_maxlen) > blocks || s_maxlen == 0 {
            return Err(corrupt(format!("1 to {blocks} blocks"), s_maxlen.to_string()));
        }
        let mut last = s_maxlen;
        let mut fast = None;
        if has(INCOMPAT_FAST_COMMIT) {
            let s_num_fc_blks = match be32(bytes, 0x54) {
                0 => USUAL_FAST_BLOCKS,
                number => number,
            };
            if s_maxlen.checked_sub(s_num_fc_blks).is_some_and(|rest| rest >= LEAST_LOG_BLOCKS) {
                last = s_maxlen - s_num_fc_blks;
            }
            fast = Some(last + 1).filter(|first| *first < s_maxlen);
        }
        let (s_first, s_start) = (be32(bytes, 0x14), be32(bytes, 0x1C));
        if s_first == 0 || s_first >= last {
            return Err(corrupt(format!("a first block from 1 to {}", last - 1), s_first.to_string()));
        }
        if s_start != 0 && !(s_first..last).contains(&s_start) {
            return Err(corrupt(format!("a start from {s_first} to {}", last - 1), s_start.to_string()));
        }
        Ok(Self {
            block_bytes,
            blocks: s_maxlen,
            first: s_first,
            last,
            sequence: be32(bytes, 0x18),
            start: s_start,
            failed: be32(bytes, 0x20) != 0,
            checksums,
            seed: crc32c_of(!0, &[&bytes[0x30..0x40]]),
            wide: has(INCOMPAT_64BIT),
            async_commit: has(INCOMPAT_ASYNC_COMMIT),
            fast,
        })
    }

    /// The block that is `count` after `block` in the log, whose end joins its start.
    pub(super) fn after(&self, block: u32, count: u32) -> u32 {
        let size = u64::from(self.last - self.first);
        let from_first = u64::from(block.saturating_sub(self.first)) + u64::from(count);
        self.first + (from_first % size) as u32
    }
}
