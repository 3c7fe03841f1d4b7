//! The area of fast commits behind the log: what it says, up to its last tail that is right.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Journal (jbd2)",
//! "Fast commits"; the rules by which the reading ends are those of the kernel's recovery.

use super::super::super::{
    bytes::{u16_at, u32_at, wide},
    checksum::crc32c,
};

const TAG_ADD_RANGE: u16 = 1;
const TAG_DEL_RANGE: u16 = 2;
const TAG_CREAT: u16 = 3;
const TAG_LINK: u16 = 4;
const TAG_UNLINK: u16 = 5;
const TAG_INODE: u16 = 6;
const TAG_PAD: u16 = 7;
const TAG_TAIL: u16 = 8;
const TAG_HEAD: u16 = 9;

const BASE_BYTES: usize = 4;
const NAME_HEADER_BYTES: usize = 8;
const MAX_NAME_BYTES: usize = 255;
const BASE_INODE_BYTES: usize = 128;
const INIT_MAX_LEN: u16 = 32768;

/// What happens to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::fs::ext4) enum NameChange {
    /// The inode is new, and this is its first name.
    Create,
    /// Another name.
    Link,
    /// The name goes.
    Unlink,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::fs::ext4) enum Change {
    /// Blocks of a file are here now.
    AddRange {
        /// The file.
        inode: u32,
        /// First logical block.
        logical: u32,
        /// First block of the volume.
        physical: u64,
        /// How many.
        count: u32,
        /// They were never written.
        unwritten: bool,
    },
    /// Blocks of a file are nowhere any more.
    DelRange {
        /// The file.
        inode: u32,
        /// First logical block.
        logical: u32,
        /// How many.
        count: u32,
    },
    /// A name in a directory.
    Name {
        /// What happens to it.
        change: NameChange,
        /// The directory.
        parent: u32,
        /// The inode named.
        inode: u32,
        /// Its bytes.
        name: Vec<u8>,
    },
    /// An inode as it is now, its block map aside.
    Inode {
        /// Its number.
        number: u32,
        /// Its bytes, without what behind them did not change.
        raw: Vec<u8>,
    },
}

/// Reads the area's blocks one after the other. What follows the last right tail does not count; an area
/// that starts with something else than fast commits of transaction `sequence` is empty. The error is what
/// makes the kernel refuse the filesystem.
pub(in crate::fs::ext4) fn read(
    area: &[&[u8]],
    sequence: u32,
    inode_bytes: usize,
) -> Result<Vec<Change>, String> {
    let mut changes = Vec::new();
    // What counts: changes up to the last right tail, of which there was one.
    let mut whole: Option<usize> = None;
    let mut sum = 0;
    if area.first().is_none_or(|block| u16_at(block, 0) != TAG_HEAD) {
        return Ok(changes);
    }
    'area: for block in area {
        let mut at = 0;
        while at + BASE_BYTES <= block.len() {
            let (tag, len) = (u16_at(block, at), usize::from(u16_at(block, at + 2)));
            let end = at + BASE_BYTES + len;
            let value = block.get(at + BASE_BYTES..end).filter(|_| is_valid(tag, len, inode_bytes));
            let Some(value) = value else {
                if whole.is_none() {
                    return Err(format!("a fast commit has tag {tag} of {len} bytes"));
                }
                break 'area;
            };
            match tag {
                TAG_HEAD => {
                    let (fc_features, fc_tid) = (u32_at(value, 0), u32_at(value, 4));
                    if fc_features != 0 {
                        return Err(format!("fast commits have features {fc_features:#x}"));
                    }
                    if fc_tid != sequence {
                        break 'area;
                    }
                }
                TAG_TAIL => {
                    let right = crc32c(sum, &block[at..at + BASE_BYTES + 4]);
                    if u32_at(value, 0) == sequence && u32_at(value, 4) == right {
                        whole = Some(changes.len());
                    } else if whole.is_some() {
                        break 'area;
                    } else {
                        return Err("the first fast commit has a wrong checksum or transaction".to_owned());
                    }
                }
                _ => changes.extend(change(tag, value)),
            }
            sum = if tag == TAG_TAIL { 0 } else { crc32c(sum, &block[at..end]) };
            at = end;
        }
    }
    changes.truncate(whole.unwrap_or(0));
    Ok(changes)
}

fn is_valid(tag: u16, len: usize, inode_bytes: usize) -> bool {
    match tag {
        TAG_ADD_RANGE => len == 16,
        TAG_DEL_RANGE => len == 12,
        TAG_CREAT | TAG_LINK | TAG_UNLINK => {
            (NAME_HEADER_BYTES + 1..=NAME_HEADER_BYTES + MAX_NAME_BYTES).contains(&len)
        }
        TAG_INODE => (BASE_INODE_BYTES + 4..=inode_bytes + 4).contains(&len),
        TAG_PAD => true,
        TAG_TAIL => len >= 8,
        TAG_HEAD => len == 8,
        _ => false,
    }
}

fn change(tag: u16, value: &[u8]) -> Option<Change> {
    let inode = u32_at(value, 0);
    let name = |change| Change::Name {
        change,
        parent: inode,
        inode: u32_at(value, 4),
        name: value.get(NAME_HEADER_BYTES..).unwrap_or_default().to_vec(),
    };
    Some(match tag {
        TAG_ADD_RANGE => {
            let ee_len = u16_at(value, 8);
            let unwritten = ee_len > INIT_MAX_LEN;
            Change::AddRange {
                inode,
                logical: u32_at(value, 4),
                physical: wide(u32_at(value, 12), u16_at(value, 10).into()),
                count: u32::from(if unwritten { ee_len - INIT_MAX_LEN } else { ee_len }),
                unwritten,
            }
        }
        TAG_DEL_RANGE => Change::DelRange { inode, logical: u32_at(value, 4), count: u32_at(value, 8) },
        TAG_CREAT => name(NameChange::Create),
        TAG_LINK => name(NameChange::Link),
        TAG_UNLINK => name(NameChange::Unlink),
        TAG_INODE => Change::Inode { number: inode, raw: value.get(4..).unwrap_or_default().to_vec() },
        _ => return None,
    })
}
