//! Repairing an image's checksums after it was damaged, so that the damage gets past them.
//!
//! Where the checksums are is learnt from the whole image: a place counts as one when the checksum that
//! stands there is right. What is known of each format is only which bytes a checksum may cover.

use crate::journals;
use coldread_model::crc;
use std::{collections::BTreeSet, ops::Range};

/// A checksum of an image, or bytes that must stay as they were.
#[derive(Clone, Debug)]
pub(crate) enum Spot {
    /// CRC32C from `seed` over `len` bytes at `at`, its own four bytes at `sum_at` taken as zero.
    Crc32c { at: usize, len: usize, sum_at: usize, seed: u32, inverted: bool },
    /// CRC32C over several ranges, little- or big-endian, its own four bytes taken as zero.
    Parts { parts: Vec<Range<usize>>, sum_at: usize, seed: u32, inverted: bool, big: bool },
    /// An ext4 group descriptor: the low half of a CRC32C.
    Descriptor { at: usize, len: usize, seed: u32 },
    /// An ext4 inode: seeded with its number and generation, its two halves in two places.
    Inode { at: usize, len: usize, seed: u32 },
    /// The bytes that NTFS' update sequence stands on.
    Kept { at: usize, bytes: Vec<u8> },
    /// CRC-32 as GPT has it, over `len` bytes at `at`, stored at `sum_at`.
    Crc32 { at: usize, len: usize, sum_at: usize },
}

pub(crate) fn crc(seed: u32, bytes: &[u8]) -> u32 {
    !crc::crc32c_append(!seed, bytes)
}

pub(crate) fn le16(image: &[u8], at: usize) -> usize {
    image.get(at..at + 2).map_or(0, |b| usize::from(u16::from_le_bytes([b[0], b[1]])))
}

pub(crate) fn le32(image: &[u8], at: usize) -> u32 {
    image.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

impl Spot {
    /// The bytes that repairing may change.
    fn changes(&self) -> Range<usize> {
        match self {
            Self::Crc32c { sum_at, .. } | Self::Crc32 { sum_at, .. } | Self::Parts { sum_at, .. } => {
                *sum_at..sum_at + 4
            }
            Self::Descriptor { at, len, .. } | Self::Inode { at, len, .. } => *at..at + len,
            Self::Kept { at, bytes } => *at..at + bytes.len(),
        }
    }

    /// Makes the checksum right.
    pub(crate) fn repair(&self, image: &mut [u8]) {
        match self {
            Self::Crc32c { at, len, sum_at, seed, inverted } => {
                let Some(sum) = covered(image, *at, *len, *sum_at, |part, seed| crc(seed, part), *seed)
                else {
                    return;
                };
                put(image, *sum_at, &(if *inverted { !sum } else { sum }).to_le_bytes());
            }
            Self::Parts { parts, sum_at, seed, inverted, big } => {
                put(image, *sum_at, &[0; 4]);
                let covered = parts.iter().map(|part| image.get(part.clone()).unwrap_or_default());
                let sum = covered.fold(*seed, crc);
                let sum = if *inverted { !sum } else { sum };
                put(image, *sum_at, &if *big { sum.to_be_bytes() } else { sum.to_le_bytes() });
            }
            Self::Descriptor { at, len, seed } => {
                let mut copy = image.get(*at..at + len).unwrap_or_default().to_vec();
                if let Some(field) = copy.get_mut(0x1E..0x20) {
                    field.fill(0);
                    put(image, at + 0x1E, &(crc(*seed, &copy) as u16).to_le_bytes());
                }
            }
            Self::Inode { at, len, seed } => {
                let Some(raw) = image.get(*at..at + len) else { return };
                let mut copy = raw.to_vec();
                let wide = *len > 128 && le16(raw, 0x80) >= 4;
                copy[0x7C..0x7E].fill(0);
                if wide {
                    copy[0x82..0x84].fill(0);
                }
                let sum = crc(crc(*seed, &copy[0x64..0x68]), &copy);
                put(image, at + 0x7C, &(sum as u16).to_le_bytes());
                if wide {
                    put(image, at + 0x82, &((sum >> 16) as u16).to_le_bytes());
                }
            }
            Self::Kept { at, bytes } => put(image, *at, bytes),
            Self::Crc32 { at, len, sum_at } => {
                let sum = covered(image, *at, *len, *sum_at, |part, _| crc::crc32(part), 0);
                if let Some(sum) = sum {
                    put(image, *sum_at, &sum.to_le_bytes());
                }
            }
        }
    }
}

fn covered(
    image: &[u8],
    at: usize,
    len: usize,
    sum_at: usize,
    sum: impl Fn(&[u8], u32) -> u32,
    seed: u32,
) -> Option<u32> {
    let mut copy = image.get(at..at + len)?.to_vec();
    if let Some(field) = sum_at.checked_sub(at).and_then(|at| copy.get_mut(at..at + 4)) {
        field.fill(0);
    }
    Some(sum(&copy, seed))
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = image.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// The checksums of an undamaged image.
pub(crate) fn spots(image: &[u8]) -> Vec<Spot> {
    let mut candidates = ntfs(image);
    candidates.extend(ext4(image));
    candidates.extend(xfs(image));
    candidates.extend(gpt(image));
    candidates.extend(journals::jbd2(image));
    candidates.extend(journals::xfs_log(image));
    // Only what is right as it stands is a checksum.
    let mut copy = image.to_vec();
    candidates.retain(|spot| {
        spot.repair(&mut copy);
        let changed = spot.changes();
        let right = copy.get(changed.clone()) == image.get(changed.clone());
        put(&mut copy, changed.start, image.get(changed).unwrap_or_default());
        right
    });
    candidates
}

/// Offsets of XFS' checksums in its structures (V5): AGFL, remote blocks and leaves, short and long B-tree
/// blocks, inodes, AGF, superblock, AGI.
fn xfs(image: &[u8]) -> Vec<Spot> {
    if image.get(..4) != Some(b"XFSB") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for at in (0..image.len()).step_by(512) {
        for len in [512, 1024, 4096] {
            let Some(bytes) = image.get(at..at + len).filter(|bytes| bytes[..64].iter().any(|b| *b != 0))
            else {
                continue;
            };
            for offset in [4, 12, 32, 52, 64, 100, 216, 224, 312] {
                let sum = crc::crc32c_append(
                    crc::crc32c_append(crc::crc32c(&bytes[..offset]), &[0; 4]),
                    &bytes[offset + 4..],
                );
                if sum == le32(bytes, offset) {
                    found.push(Spot::Crc32c { at, len, sum_at: at + offset, seed: !0, inverted: true });
                }
            }
        }
    }
    found
}

fn ext4(image: &[u8]) -> Vec<Spot> {
    const SUPERBLOCK: usize = 1024;
    let field = |at: usize| le32(image, SUPERBLOCK + at);
    if le16(image, SUPERBLOCK + 0x38) != 0xEF53 || field(0x64) & 0x400 == 0 {
        return Vec::new();
    }
    let block = 1024_usize << field(0x18);
    let seed = if field(0x60) & 0x2000 == 0 {
        crc(!0, &image[SUPERBLOCK + 0x68..SUPERBLOCK + 0x78])
    } else {
        field(0x270)
    };
    let sum_at = SUPERBLOCK + 1020;
    let mut found = vec![Spot::Crc32c { at: SUPERBLOCK, len: 1020, sum_at, seed: !0, inverted: false }];
    let wide = field(0x60) & 0x80 != 0;
    let descriptor = if wide { le16(image, SUPERBLOCK + 0xFE) } else { 32 };
    let (inode_bytes, each) = (le16(image, SUPERBLOCK + 0x58), field(0x28) as usize);
    let groups = (field(0) as usize).div_ceil(each.max(1));
    let mut owners = Vec::new();
    for group in 0..groups {
        let at = (field(0x14) as usize + 1) * block + group * descriptor;
        let group_seed = crc(seed, &(group as u32).to_le_bytes());
        found.push(Spot::Descriptor { at, len: descriptor, seed: group_seed });
        let table = le32(image, at + 8) as usize * block;
        for slot in 0..each {
            let at = table + slot * inode_bytes;
            let Some(raw) = image.get(at..at + inode_bytes) else { continue };
            let own = crc(seed, &((group * each + slot + 1) as u32).to_le_bytes());
            found.push(Spot::Inode { at, len: inode_bytes, seed: own });
            if raw.iter().any(|byte| *byte != 0) {
                owners.push(crc(own, &raw[0x64..0x68]));
            }
        }
    }
    let owners: BTreeSet<u32> = owners.into_iter().collect();
    for at in (0..image.len()).step_by(block) {
        let Some(bytes) = image.get(at..at + block) else { continue };
        let number = ((at / block) as u64).to_le_bytes();
        if le32(bytes, 0) == 0xEA02_0000 {
            let seed = crc(seed, &number);
            found.push(Spot::Crc32c { at, len: block, sum_at: at + 16, seed, inverted: false });
        }
        // Which inode a block belongs to is tried out.
        let leaf = bytes[block - 12..block - 4] == [0, 0, 0, 0, 12, 0, 0, 0xDE];
        let node = le16(bytes, 0) == 0xF30A;
        let len = if leaf { block - 12 } else { 12 + 12 * le16(bytes, 4) };
        let sum_at = if leaf { block - 4 } else { len };
        if (leaf || node) && sum_at + 4 <= block {
            let owner = owners.iter().find(|&&seed| crc(seed, &bytes[..len]) == le32(bytes, sum_at));
            found.extend(owner.map(|&seed| Spot::Crc32c {
                at,
                len,
                sum_at: at + sum_at,
                seed,
                inverted: false,
            }));
        }
    }
    found
}

fn ntfs(image: &[u8]) -> Vec<Spot> {
    if image.get(3..7) != Some(b"NTFS") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for at in (0..image.len()).step_by(512) {
        if !matches!(image.get(at..at + 4), Some(b"FILE" | b"INDX")) {
            continue;
        }
        let (sequence, count) = (le16(image, at + 4), le16(image, at + 6));
        let keep = |at: usize, len: usize| {
            image.get(at..at + len).map(|bytes| Spot::Kept { at, bytes: bytes.to_vec() })
        };
        found.extend(keep(at + 4, 4));
        found.extend(keep(at + sequence, 2));
        found.extend((1..count).filter_map(|sector| keep(at + sector * 512 - 2, 2)));
    }
    found
}

fn gpt(image: &[u8]) -> Vec<Spot> {
    let mut found = Vec::new();
    for at in (512..image.len()).step_by(512) {
        if image.get(at..at + 8) == Some(b"EFI PART") {
            let entries = le32(image, at + 72) as usize * 512;
            let len = le32(image, at + 80) as usize * le32(image, at + 84) as usize;
            found.push(Spot::Crc32 { at: entries, len, sum_at: at + 88 });
            found.push(Spot::Crc32 { at, len: 92, sum_at: at + 16 });
        }
    }
    found
}
