//! Where an image's journal or log lies, and its checksums.

use crate::repair::{Spot, crc, le16, le32};
use std::ops::Range;

const MAGIC: u32 = 0xC03B_3998;

fn be32(image: &[u8], at: usize) -> u32 {
    le32(image, at).swap_bytes()
}

/// The bytes of an image's journal or log, if it has one inside.
pub(crate) fn place(image: &[u8]) -> Option<Range<usize>> {
    if image.get(..4) == Some(b"XFSB") {
        let block = be32(image, 4) as usize;
        // One allocation group: numbers of blocks are places.
        let (start, len) = (be32(image, 52) as usize * block, be32(image, 96) as usize * block);
        return (start > 0).then_some(start..start + len);
    }
    let block = 1024_usize << le32(image, 1024 + 0x18).min(6);
    let first = (0..image.len())
        .step_by(block)
        .find(|&at| be32(image, at) == MAGIC && matches!(be32(image, at + 4), 3 | 4))?;
    // Blocks of a block map lie in between.
    let blocks = be32(image, first + 0x10) as usize + 8;
    Some(first..(first + blocks * block).min(image.len()))
}

/// The checksums of an ext journal, fast commits included.
pub(crate) fn jbd2(image: &[u8]) -> Vec<Spot> {
    let Some(place) = place(image).filter(|_| le16(image, 1024 + 0x38) == 0xEF53) else {
        return Vec::new();
    };
    let base = place.start;
    let incompat = be32(image, base + 0x28);
    let (v2, v3) = (incompat & 8 != 0, incompat & 0x10 != 0);
    if be32(image, base + 4) != 4 || !(v2 || v3) {
        return Vec::new();
    }
    let block = be32(image, base + 0x0C) as usize;
    let (length, first) = (be32(image, base + 0x10) as usize, be32(image, base + 0x14) as usize);
    let fast = match be32(image, base + 0x54) as usize {
        _ if incompat & 0x20 == 0 => 0,
        0 => 256,
        blocks => blocks,
    };
    let last = length - fast;
    let seed = crc(!0, &image[base + 0x30..base + 0x40]);
    let sum = |part: Range<usize>, sum_at, seed| Spot::Parts {
        parts: std::iter::once(part).collect(),
        sum_at,
        seed,
        inverted: false,
        big: true,
    };
    let mut found = Vec::new();
    for index in first..last {
        let at = base + index * block;
        if be32(image, at) != MAGIC {
            continue;
        }
        match be32(image, at + 4) {
            1 => {
                let mut tag = at + 12;
                let mut data = index;
                while tag + 16 <= at + block - 4 {
                    data = if data + 1 == last { first } else { data + 1 };
                    let start = base + data * block;
                    let own = crc(seed, &image[at + 8..at + 12]);
                    if v3 {
                        found.push(sum(start..start + block, tag + 12, own));
                    }
                    let flags = be32(image, tag + 4) & 0xFFFF;
                    tag += if flags & 2 == 0 { 32 } else { 16 };
                    if flags & 8 != 0 {
                        break;
                    }
                }
                found.push(sum(at..at + block, at + block - 4, seed));
            }
            2 => found.push(sum(at..at + block, at + 16, seed)),
            5 => found.push(sum(at..at + block, at + block - 4, seed)),
            _ => {}
        }
    }
    found.push(sum(base..base + 1024, base + 0xFC, !0));
    if fast > 0 {
        found.extend(fast_commits(image, base + (last + 1) * block..base + length * block, block));
    }
    found
}

/// Tails of fast commits: each sums up what came since the one before.
fn fast_commits(image: &[u8], area: Range<usize>, block: usize) -> Vec<Spot> {
    let mut found = Vec::new();
    let mut parts: Vec<Range<usize>> = Vec::new();
    for start in area.step_by(block) {
        let (mut from, mut at) = (start, start);
        while at + 4 <= start + block {
            let (tag, len) = (le16(image, at), le16(image, at + 2));
            let end = at + 4 + len;
            if !(1..=9).contains(&tag) || end > start + block {
                return found;
            }
            if tag == 8 {
                parts.push(from..at + 8);
                let parts = std::mem::take(&mut parts);
                found.push(Spot::Parts { parts, sum_at: at + 8, seed: 0, inverted: false, big: false });
                from = end;
            }
            at = end;
        }
        parts.push(from..at);
    }
    found
}

/// The checksums of the records of an XFS log.
pub(crate) fn xfs_log(image: &[u8]) -> Vec<Spot> {
    let Some(place) = place(image).filter(|_| image.get(..4) == Some(b"XFSB")) else { return Vec::new() };
    let mut found = Vec::new();
    for at in place.clone().step_by(512).filter(|&at| be32(image, at) == 0xFEED_BABE) {
        let headers = (be32(image, at + 320).max(1) as usize).div_ceil(32 << 10);
        let mut parts: Vec<Range<usize>> = std::iter::once(at..at + 328).collect();
        let further = (be32(image, at + 12) as usize).div_ceil(32 << 10).min(8);
        parts.extend((1..further).map(|nth| at + nth * 512..at + nth * 512 + 260));
        let data = at + headers * 512;
        parts.push(data..data + be32(image, at + 12) as usize);
        if parts.iter().all(|part| part.end <= place.end) {
            found.push(Spot::Parts { parts, sum_at: at + 32, seed: !0, inverted: true, big: false });
        }
    }
    found
}
