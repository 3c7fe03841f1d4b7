//! Blocks that say what the log's other blocks are: descriptors, commits, revokes.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Journal (jbd2)",
//! "Block Header", "Descriptor Block", "Revocation Block", "Commit Block".

use super::{
    super::checksum::crc32c_of,
    bytes::{be16, be32, be64},
    superblock::{Checksums, JournalSuperblock},
};

/// What the journal's own blocks start with; data that starts with it is escaped.
pub(super) const MAGIC: u32 = 0xC03B_3998;
/// The same as it is stored.
pub(super) const MAGIC_BYTES: [u8; 4] = MAGIC.to_be_bytes();

const HEADER_BYTES: usize = 12;
const TAIL_BYTES: usize = 4;
const COMMIT_HEADER_BYTES: usize = 64;
const COMMIT_SUM_AT: usize = 16;
const REVOKE_HEADER_BYTES: usize = 16;
const UUID_BYTES: usize = 16;

const FLAG_ESCAPE: u16 = 1;
const FLAG_SAME_UUID: u16 = 2;
const FLAG_LAST_TAG: u16 = 8;

/// A block of the log that belongs to a block of the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// The block of the volume.
    pub block: u64,
    /// Its content's checksum: all of it, or the lowest 16 bits.
    pub sum: u32,
    /// It starts with the magic number, which the log holds as zeros.
    pub escaped: bool,
}

/// What a block of the log is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It says what the blocks that follow are.
    Descriptor(Vec<Tag>),
    /// It ends a transaction.
    Commit {
        /// Seconds of the clock.
        time: u64,
        /// Checksum of the first kind: type, size and value.
        sum: (u8, u8, u32),
    },
    /// It cancels writes of these blocks; `None` where it says that it is longer than it is.
    Revoke(Option<Vec<u64>>),
    /// The kernel stops at it.
    Other,
}

/// A block of the log that starts with the magic number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Control {
    /// Its transaction.
    pub sequence: u32,
    /// What it is for.
    pub kind: Kind,
    /// Its own checksum is right, or there is none.
    pub valid: bool,
}

/// The sequence number of a block that starts with the magic number.
pub(super) fn sequence_of(bytes: &[u8]) -> Option<u32> {
    bytes.starts_with(&MAGIC_BYTES).then(|| be32(bytes, 8))
}

impl Control {
    /// Reads a block that starts with the magic number.
    pub(super) fn parse(journal: &JournalSuperblock, bytes: &[u8]) -> Self {
        let each = journal.checksums.each_block();
        let usable = bytes.len().saturating_sub(if each { TAIL_BYTES } else { 0 });
        let tail_is_right = || {
            let (covered, found) = bytes.split_at(bytes.len().saturating_sub(TAIL_BYTES));
            crc32c_of(journal.seed, &[covered, &[0; TAIL_BYTES]]) == be32(found, 0)
        };
        let (kind, valid) = match be32(bytes, 4) {
            1 => (Kind::Descriptor(tags(journal, bytes, usable)), !each || tail_is_right()),
            2 => {
                let sum = (bytes[12], bytes[13], be32(bytes, COMMIT_SUM_AT));
                (Kind::Commit { time: be64(bytes, 48), sum }, !each || commit_is_right(journal, bytes))
            }
            5 => (Kind::Revoke(revoked(journal, bytes, usable)), !each || tail_is_right()),
            _ => (Kind::Other, true),
        };
        Self { sequence: be32(bytes, 8), kind, valid }
    }

    /// How many numbers it holds.
    pub(super) fn len(&self) -> usize {
        match &self.kind {
            Kind::Descriptor(tags) => tags.len(),
            Kind::Revoke(Some(blocks)) => blocks.len(),
            _ => 1,
        }
    }
}

/// A commit block's checksum covers the block; where only its first sector reached the disk, the kernel
/// takes the rest for zeros.
fn commit_is_right(journal: &JournalSuperblock, bytes: &[u8]) -> bool {
    let found = be32(bytes, COMMIT_SUM_AT);
    let (head, rest) = bytes.split_at(bytes.len().min(COMMIT_HEADER_BYTES));
    let sum = |rest: &[u8]| {
        let after = head.get(COMMIT_SUM_AT + 4..).unwrap_or_default();
        crc32c_of(journal.seed, &[&head[..COMMIT_SUM_AT.min(head.len())], &[0; 4], after, rest])
    };
    sum(rest) == found || sum(&vec![0; rest.len()]) == found
}

fn tags(journal: &JournalSuperblock, bytes: &[u8], usable: usize) -> Vec<Tag> {
    let v3 = journal.checksums == Checksums::V3;
    let tag_bytes = match (journal.checksums, journal.wide) {
        (Checksums::V3, _) => 16,
        (Checksums::V2, true) => 14,
        (Checksums::V2, false) => 10,
        (_, true) => 12,
        (_, false) => 8,
    };
    let mut tags = Vec::new();
    let mut at = HEADER_BYTES;
    while at + tag_bytes <= usable {
        let tag = bytes.get(at..at + tag_bytes).unwrap_or_default();
        let t_flags = be16(tag, 6);
        let t_blocknr_high = if journal.wide { be32(tag, 8) } else { 0 };
        tags.push(Tag {
            block: u64::from(t_blocknr_high) << 32 | u64::from(be32(tag, 0)),
            sum: if v3 { be32(tag, 12) } else { be16(tag, 4).into() },
            escaped: t_flags & FLAG_ESCAPE != 0,
        });
        at += tag_bytes + if t_flags & FLAG_SAME_UUID == 0 { UUID_BYTES } else { 0 };
        if t_flags & FLAG_LAST_TAG != 0 {
            break;
        }
    }
    tags
}

fn revoked(journal: &JournalSuperblock, bytes: &[u8], usable: usize) -> Option<Vec<u64>> {
    let r_count = be32(bytes, 12) as usize;
    if r_count > usable {
        return None;
    }
    let records = bytes.get(REVOKE_HEADER_BYTES..r_count).unwrap_or_default();
    Some(if journal.wide {
        records.chunks_exact(8).map(|record| be64(record, 0)).collect()
    } else {
        records.chunks_exact(4).map(|record| be32(record, 0).into()).collect()
    })
}
