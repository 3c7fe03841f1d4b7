//! What really occurs in the journal of a stopped ext3 or ext4: a walk through its log of the tests' own, which
//! knows just enough to tell.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Journal (jbd2)".

use crate::host::tool;
use std::{
    collections::BTreeSet,
    fs::{self, File},
    os::unix::fs::FileExt,
    path::Path,
};

/// A transaction in the log.
pub const TRANSACTIONS: &str = "transactions";
/// A block whose older writes are cancelled.
pub const REVOKES: &str = "revokes";
/// A log that goes over its end to its start.
pub const WRAPS: &str = "wraparound";
/// A block of data that starts with the journal's magic number.
pub const ESCAPES: &str = "escapes";
/// Fast commits that follow the log.
pub const FAST: &str = "fast commits";

const MAGIC: u32 = 0xC03B_3998;

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_be_bytes(b.try_into().unwrap()))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes(b.try_into().unwrap()))
}

/// A journal's blocks.
struct Journal {
    block_bytes: usize,
    bytes: Vec<u8>,
}

impl Journal {
    fn open(path: &Path) -> Self {
        let mut superblock = [0; 1024];
        File::open(path).unwrap().read_exact_at(&mut superblock, 1024).unwrap();
        let copy = path.with_extension("journal");
        let request = format!("dump <8> {}", copy.display());
        // What is stopped in the middle has sums that are not right yet, and bitmaps that are not read here.
        let words = ["-n", "-c", "-R", &*request].map(std::ffi::OsStr::new);
        tool("debugfs", &[&words[..], &[path.as_os_str()]].concat());
        let bytes = fs::read(&copy).unwrap();
        fs::remove_file(&copy).unwrap();
        Self { block_bytes: 1024 << le32(&superblock, 0x18), bytes }
    }

    fn block(&self, index: u32) -> &[u8] {
        self.bytes
            .get(index as usize * self.block_bytes..)
            .map_or(&[], |rest| &rest[..rest.len().min(self.block_bytes)])
    }
}

/// What occurs in the journal of an image.
pub fn facts(image: &Path) -> BTreeSet<&'static str> {
    let journal = Journal::open(image);
    let head = journal.block(0);
    let (length, first, start) = (be32(head, 0x10), be32(head, 0x14), be32(head, 0x1C));
    let incompat = if be32(head, 4) == 4 { be32(head, 0x28) } else { 0 };
    let fast_blocks = match be32(head, 0x54) {
        _ if incompat & 0x20 == 0 => 0,
        0 => 256,
        number => number,
    };
    let last = length - fast_blocks;
    let (wide, v2, v3) = (incompat & 2 != 0, incompat & 8 != 0, incompat & 0x10 != 0);
    let tag_bytes = if v3 { 16 } else { 8 + 4 * usize::from(wide) + 2 * usize::from(v2) };
    let mut facts = BTreeSet::new();
    let mut sequence = be32(head, 0x18);
    let mut at = start;
    let mut pending = BTreeSet::new();
    let mut walked = 0;
    while at != 0 && walked < last {
        let block = journal.block(at);
        if be32(block, 0) != MAGIC || be32(block, 8) != sequence {
            break;
        }
        let mut blocks = 1;
        match be32(block, 4) {
            1 => {
                let mut tag = 12;
                while tag + tag_bytes <= block.len() {
                    let flags = be32(block, tag + 4) & 0xFFFF;
                    blocks += 1;
                    if flags & 1 != 0 {
                        pending.insert(ESCAPES);
                    }
                    tag += tag_bytes + if flags & 2 == 0 { 16 } else { 0 };
                    if flags & 8 != 0 {
                        break;
                    }
                }
            }
            2 => {
                facts.append(&mut pending);
                facts.insert(TRANSACTIONS);
                sequence = sequence.wrapping_add(1);
            }
            5 if be32(block, 12) > 16 => drop(pending.insert(REVOKES)),
            5 => {}
            _ => break,
        }
        walked += blocks;
        at += blocks;
        if at >= last {
            pending.insert(WRAPS);
            at = at - last + first;
        }
    }
    // The area starts with a head that names the transaction that the log would have had next.
    let area: &[u8] = if fast_blocks == 0 { &[] } else { journal.block(last + 1) };
    if area.starts_with(&[9, 0, 8, 0]) && le32(area, 8) == sequence {
        facts.insert(FAST);
    }
    facts
}
