//! Blocks of directories.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", sections "Directory Entries",
//! "Linear (Classic) Directories", "Hash Tree Directories". Blocks of the hash tree look like one or two
//! empty entries, so that every directory can be read block by block.

use super::{
    bytes::{u16_at, u32_at},
    checksum::{crc32c, crc32c_of},
    features::COMPAT_DIR_INDEX,
    geometry::Geometry,
};

const HEADER_BYTES: usize = 8;
/// The entry at a leaf's end that holds the checksum.
const TAIL_BYTES: usize = 12;

/// What is needed of a directory to read its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    /// Its inode.
    pub number: u32,
    /// What checksums of its blocks start from.
    pub seed: u32,
    /// Number of blocks by its size.
    pub blocks: u64,
    /// It has an index.
    pub indexed: bool,
    /// Its names are encrypted.
    pub encrypted: bool,
    /// It ignores case; with encryption, each entry carries its hash.
    pub casefolded: bool,
    /// The kernel walks it by hash (it has an index, or is one block or less).
    pub hashed: bool,
}

/// A name in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// The inode named.
    pub inode: u32,
    /// The name as stored.
    pub bytes: &'a [u8],
    /// Where the name's entry continues with a hash, if it does.
    pub rest: &'a [u8],
}

/// A place in a block where reading stops: offset, expected and found.
pub(super) type Stop = (usize, String, String);

/// Length of an entry: where blocks have 64 KiB, the two lowest bits extend it.
pub(super) fn record_len(block: usize, stored: u16) -> usize {
    let stored = usize::from(stored);
    if block < 65536 {
        stored
    } else if stored == 65535 || stored == 0 {
        block
    } else {
        stored & 0xFFFC | (stored & 3) << 16
    }
}

/// Calls `take` for each name in a block (or in an inode's inline part), `.` and `..` left out, up to the
/// first entry that is wrong; the kernel too skips the rest of such a block.
pub(super) fn read_names<'a>(
    geometry: &Geometry,
    bytes: &'a [u8],
    hashes: bool,
    mut take: impl FnMut(Name<'a>),
) -> Result<(), Stop> {
    let mut at = 0;
    let extra = if hashes { 8 } else { 0 };
    while at + HEADER_BYTES <= bytes.len() {
        let entry = &bytes[at..];
        let inode = u32_at(entry, 0);
        let len = record_len(geometry.block_bytes as usize, u16_at(entry, 4));
        let name_len = usize::from(entry[6]);
        let needed = (HEADER_BYTES + name_len + if inode == 0 { 0 } else { extra }).next_multiple_of(4);
        let left = bytes.len() - at;
        if len < 12 || !len.is_multiple_of(4) || len < needed || len > left {
            return Err((at, format!("a record of {needed} to {left} bytes"), len.to_string()));
        }
        if inode > geometry.inodes {
            return Err((at, format!("an inode up to {}", geometry.inodes), inode.to_string()));
        }
        if inode != 0 {
            let name = &entry[HEADER_BYTES..HEADER_BYTES + name_len];
            let rest = entry.get((HEADER_BYTES + name_len).next_multiple_of(4)..len).unwrap_or_default();
            if name.is_empty() {
                return Err((at, "a name".to_owned(), "none".to_owned()));
            }
            if name != b"." && name != b".." {
                take(Name { inode, bytes: name, rest });
            }
        }
        at += len;
    }
    Ok(())
}

/// That the checksum of a directory block is right, or that there is none: expected and found, else.
pub(super) fn verify_block(
    geometry: &Geometry,
    directory: &Directory,
    logical: u64,
    bytes: &[u8],
) -> Result<(), (String, String)> {
    if !geometry.features.metadata_csum() {
        return Ok(());
    }
    let indexed = directory.indexed && geometry.features.compat & COMPAT_DIR_INDEX != 0;
    let (sum, found) = if indexed && logical == 0 {
        index_sum(directory.seed, bytes, 32)
    } else if indexed && record_len(bytes.len(), u16_at(bytes, 4)) == bytes.len() {
        index_sum(directory.seed, bytes, 8)
    } else {
        leaf_sum(directory.seed, bytes)
    }
    .ok_or_else(|| ("a checksum".to_owned(), "none".to_owned()))?;
    if sum == found { Ok(()) } else { Err((format!("checksum {sum:#010x}"), format!("{found:#010x}"))) }
}

/// Checksum of a leaf: computed and stored.
fn leaf_sum(seed: u32, bytes: &[u8]) -> Option<(u32, u32)> {
    let at = bytes.len().checked_sub(TAIL_BYTES)?;
    let (covered, tail) = bytes.split_at(at);
    let is_tail = u32_at(tail, 0) == 0 && u16_at(tail, 4) == 12 && tail[6] == 0 && tail[7] == 0xDE;
    is_tail.then(|| (crc32c(seed, covered), u32_at(tail, 8)))
}

/// Makes the checksum of a leaf right, if it has one.
pub(super) fn seal_leaf(geometry: &Geometry, seed: u32, bytes: &mut [u8]) {
    if geometry.features.metadata_csum()
        && let Some((sum, _)) = leaf_sum(seed, bytes)
    {
        let at = bytes.len() - 4;
        bytes[at..].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Checksum of a block of the hash tree, whose limit and count lie at byte `at`: computed and stored.
fn index_sum(seed: u32, bytes: &[u8], at: usize) -> Option<(u32, u32)> {
    let (limit, count) = (usize::from(u16_at(bytes, at)), usize::from(u16_at(bytes, at + 2)));
    let tail = bytes.get(at + limit * 8..)?.get(..8)?;
    let covered = bytes.get(..at + count * 8).filter(|_| count <= limit)?;
    Some((crc32c_of(seed, &[covered, &tail[..4], &[0; 4]]), u32_at(tail, 4)))
}

#[cfg(test)]
mod tests {
    use super::{super::geometry::tests::small, *};
    use proptest::prelude::*;

    fn put(block: &mut Vec<u8>, inode: u32, len: u16, name: &[u8]) {
        let start = block.len();
        block.extend_from_slice(&inode.to_le_bytes());
        block.extend_from_slice(&len.to_le_bytes());
        block.extend_from_slice(&[name.len() as u8, 1]);
        block.extend_from_slice(name);
        block.resize(start + usize::from(len), 0xA5);
    }

    fn names(bytes: &[u8]) -> (Vec<(u32, Vec<u8>)>, Option<usize>) {
        let mut found = Vec::new();
        let stop = read_names(&small(), bytes, false, |name| found.push((name.inode, name.bytes.to_vec())));
        (found, stop.err().map(|stop| stop.0))
    }

    #[test]
    fn unused_entries_and_dots_are_passed_over() {
        let mut block = Vec::new();
        put(&mut block, 12, 12, b".");
        put(&mut block, 2, 12, b"..");
        put(&mut block, 0, 20, b"deleted");
        put(&mut block, 77, 16, b"kept");
        put(&mut block, 78, 964, "漢字".as_bytes());
        assert_eq!(names(&block), (vec![(77, b"kept".to_vec()), (78, "漢字".as_bytes().to_vec())], None));
    }

    #[test]
    fn names_before_a_wrong_entry_are_kept() {
        for (inode, len, name) in [
            (5, 8, &b""[..]),
            (5, 14, b"a"),
            (5, 12, b"longer than that"),
            (1 << 30, 16, b"x"),
            (5, 2000, b"x"),
        ] {
            let mut block = Vec::new();
            put(&mut block, 77, 16, b"kept");
            put(&mut block, inode, len, name);
            block.resize(1024, 0);
            assert_eq!(names(&block), (vec![(77, b"kept".to_vec())], Some(16)), "{inode} {len}");
        }
    }

    #[test]
    fn long_records_of_64_kib_blocks() {
        assert_eq!(record_len(65536, 65535), 65536);
        assert_eq!(record_len(65536, 0), 65536);
        assert_eq!(record_len(65536, 12), 12);
        assert_eq!(record_len(4096, 4096), 4096);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), indexed: bool) {
            let (found, _) = names(&bytes);
            prop_assert!(found.len() <= bytes.len() / 12 + 1);
            let directory = Directory {
                number: 2, seed: 1, blocks: 1, indexed, encrypted: false, casefolded: false, hashed: true,
            };
            let mut geometry = small();
            geometry.features.compat |= COMPAT_DIR_INDEX;
            let _ = verify_block(&geometry, &directory, u64::from(!indexed), &bytes);
        }
    }
}
