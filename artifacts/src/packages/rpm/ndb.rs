//! rpm's own database form: `Packages.db`, "NDB".
//!
//! Source: rpm's `lib/backend/ndb/rpmpkg.c` (as documentation): a header, slots of 16 bytes in the first pages,
//! blobs of whole blocks of 16 bytes, each between a head and a tail with an Adler-32. All numbers little-endian.

use super::fault::{Blob, Fault};
use crate::view::FileView;

const MAGIC: u32 = u32::from_le_bytes(*b"RpmP");
const SLOT_MAGIC: u32 = u32::from_le_bytes(*b"Slot");
const BLOB_START: u32 = u32::from_le_bytes(*b"BlbS");
const BLOB_END: u32 = u32::from_le_bytes(*b"BlbE");

const VERSION: u32 = 0;
const PAGE: u64 = 4096;
/// Size of a slot and of a block.
const BLOCK: u64 = 16;
const HEADER: u64 = 2 * BLOCK;
const HEAD: usize = 16;
const TAIL: usize = 12;

/// The longest blob that is read (rpm's own bound for a header).
const MAX_BLOB: u64 = 256 << 20;

/// Slots that are read: rpm adds a page of 256 at a time.
const MAX_SLOTS: u64 = 16 << 20;

/// Where a package's blob lies, in blocks.
struct Slot {
    package: u32,
    first: u32,
    blocks: u32,
}

/// Calls `each` with every package's blob and with every part that cannot be read, until it says `false`.
pub(super) fn each_blob(view: &mut dyn FileView, each: &mut dyn FnMut(Blob) -> bool) {
    let mut slots = match slots(view, each) {
        Ok(Some(slots)) => slots,
        Ok(None) => return,
        Err(fault) => {
            each(Err(fault));
            return;
        }
    };
    // In the order of the file: it is read through a window.
    slots.sort_unstable_by_key(|slot| slot.first);
    let mut end = 0;
    for slot in slots {
        // Blobs do not overlap, which bounds the work by the file's size.
        let found = if u64::from(slot.first) < end {
            Err(Fault::Corrupt(format!("package {}: its blob lies in another's", slot.package)))
        } else {
            end = u64::from(slot.first) + u64::from(slot.blocks);
            blob(view, &slot).map(|bytes| (slot.package, bytes))
        };
        if !each(found) {
            return;
        }
    }
}

/// The slots in use; none where `each` wants no more.
fn slots(view: &mut dyn FileView, each: &mut dyn FnMut(Blob) -> bool) -> Result<Option<Vec<Slot>>, Fault> {
    let mut header = [0; HEADER as usize];
    let got = view.read_at(0, &mut header)?;
    if got < header.len() || number(&header, 0) != MAGIC {
        return Err(Fault::Corrupt("not an NDB database".into()));
    }
    let version = number(&header, 4);
    if version != VERSION {
        return Err(Fault::Unsupported(format!("NDB version {version}")));
    }
    let claimed = u64::from(number(&header, 12)) * PAGE;
    let end = claimed.min(view.len());
    let count = end.saturating_sub(HEADER) / BLOCK;
    if count > MAX_SLOTS {
        return Err(Fault::Limit(format!("{count} slots, at most {MAX_SLOTS} are read")));
    }
    if claimed > end {
        let reason = format!("slots up to byte {claimed}, the file ends at {end}");
        if !each(Err(Fault::Corrupt(reason))) {
            return Ok(None);
        }
    }
    let mut slots = Vec::new();
    let mut page = vec![0; PAGE as usize];
    for start in (0..end).step_by(PAGE as usize) {
        let got = view.read_at(start, &mut page)?;
        let skip = if start == 0 { HEADER as usize } else { 0 };
        let page = page.get(skip..got).unwrap_or_default();
        for (index, slot) in page.chunks_exact(BLOCK as usize).enumerate() {
            let at = start + skip as u64 + index as u64 * BLOCK;
            if number(slot, 0) != SLOT_MAGIC {
                if !each(Err(Fault::Corrupt(format!("byte {at}: not a slot")))) {
                    return Ok(None);
                }
            } else if number(slot, 8) != 0 {
                let [package, first, blocks] = [4, 8, 12].map(|at| number(slot, at));
                slots.push(Slot { package, first, blocks });
            }
        }
    }
    Ok(Some(slots))
}

/// A blob's bytes after its head, tail and checksum were checked.
fn blob(view: &mut dyn FileView, slot: &Slot) -> Result<Vec<u8>, Fault> {
    let corrupt = |reason: String| Fault::Corrupt(format!("package {}: {reason}", slot.package));
    let (start, len) = (u64::from(slot.first) * BLOCK, u64::from(slot.blocks) * BLOCK);
    if len < (HEAD + TAIL) as u64 || start.saturating_add(len) > view.len() {
        let reason = format!("a blob of {len} bytes at byte {start} of {}", view.len());
        return Err(corrupt(reason));
    }
    if len > MAX_BLOB {
        let reason = format!("package {}: a blob of {len} bytes, at most {MAX_BLOB} are read", slot.package);
        return Err(Fault::Limit(reason));
    }
    let mut bytes = vec![0; len as usize];
    if view.read_at(start, &mut bytes)? < bytes.len() {
        return Err(corrupt("the file ends inside its blob".into()));
    }
    let (content, tail) = bytes.split_at(bytes.len() - TAIL);
    let blob_len = number(content, 12) as usize;
    if number(content, 0) != BLOB_START
        || number(content, 4) != slot.package
        || number(tail, 8) != BLOB_END
        || number(tail, 4) as usize != blob_len
        || (HEAD + blob_len + TAIL).div_ceil(BLOCK as usize) != slot.blocks as usize
    {
        return Err(corrupt(format!("byte {start} begins no blob of its own")));
    }
    if adler32(content) != number(tail, 0) {
        return Err(corrupt("its blob fails its checksum".into()));
    }
    bytes.truncate(HEAD + blob_len);
    bytes.drain(..HEAD);
    Ok(bytes)
}

/// The number at `at`; the callers' slices are long enough.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// RFC 1950, section 8.2.
fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    // So many additions cannot overflow.
    const CHUNK: usize = 5552;
    let (mut low, mut high) = (1, 0);
    for chunk in bytes.chunks(CHUNK) {
        for byte in chunk {
            low += u32::from(*byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::view::MemoryView;
    use proptest::prelude::*;

    /// A database of blobs, their packages numbered from 1, with a slot in between that is free.
    pub(in super::super) fn database(blobs: &[&[u8]]) -> Vec<u8> {
        let mut file = Vec::new();
        for field in [MAGIC, VERSION, 7, 1, blobs.len() as u32 + 1, 0, 0, 0] {
            file.extend(field.to_le_bytes());
        }
        let (mut slots, mut content) = (Vec::new(), Vec::new());
        for (index, blob) in blobs.iter().enumerate() {
            let package = index as u32 + 1;
            let blocks = (HEAD + blob.len() + TAIL).div_ceil(16);
            let mut bytes = [BLOB_START, package, 7, blob.len() as u32].map(u32::to_le_bytes).concat();
            bytes.extend_from_slice(blob);
            bytes.resize(blocks * 16 - TAIL, 0);
            let tail = [adler32(&bytes), blob.len() as u32, BLOB_END];
            bytes.extend(tail.map(u32::to_le_bytes).concat());
            let first = 256 + content.len() as u32 / 16;
            slots.extend([SLOT_MAGIC, package, first, blocks as u32]);
            slots.extend([SLOT_MAGIC, 0, 0, 0]);
            content.extend(bytes);
        }
        file.extend(slots.iter().flat_map(|field| field.to_le_bytes()));
        while file.len() < 4096 {
            file.extend([SLOT_MAGIC, 0, 0, 0].map(u32::to_le_bytes).concat());
        }
        file.extend(content);
        file
    }

    fn read(bytes: Vec<u8>) -> (Vec<(u32, Vec<u8>)>, Vec<Fault>) {
        let (mut blobs, mut faults) = (Vec::new(), Vec::new());
        each_blob(&mut MemoryView::from(bytes), &mut |found| {
            match found {
                Ok(blob) => blobs.push(blob),
                Err(fault) => faults.push(fault),
            }
            true
        });
        (blobs, faults)
    }

    #[test]
    fn blobs_and_lies() {
        let long = vec![0xa5; 20_000];
        let whole = database(&[b"one", &long, b""]);
        assert_eq!(read(whole.clone()), (vec![(1, b"one".to_vec()), (2, long), (3, Vec::new())], vec![]));
        // One flipped bit of the second: the others stay.
        let mut flipped = whole.clone();
        flipped[9000] ^= 1;
        let (blobs, faults) = read(flipped);
        assert_eq!(
            (blobs.len(), faults[0].to_string().as_str()),
            (2, "package 2: its blob fails its checksum")
        );
        // The second's slot leads into the first.
        let mut twice = whole.clone();
        twice.copy_within(32 + 8..32 + 16, 64 + 8);
        let (blobs, faults) = read(twice);
        assert_eq!((blobs.len(), faults.len()), (2, 1));
        let mut newer = whole;
        newer[4] = 1;
        assert_eq!(read(newer).1, [Fault::Unsupported("NDB version 1".into())]);
    }

    #[test]
    fn adler_as_the_rfc_computes_it() {
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(adler32(&vec![0xff; 100_000]), adler_slow(&vec![0xff; 100_000]));
    }

    fn adler_slow(bytes: &[u8]) -> u32 {
        let (mut low, mut high) = (1u64, 0u64);
        for byte in bytes {
            low = (low + u64::from(*byte)) % 65_521;
            high = (high + low) % 65_521;
        }
        (high << 16 | low) as u32
    }

    proptest! {
        #[test]
        fn damage_is_bounded(at in 0usize..4500, value in any::<u32>(), cut in 0usize..4600) {
            let mut bytes = database(&[b"one", b"two is longer than sixteen bytes"]);
            let at = at.min(bytes.len() - 4);
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            prop_assert!(read(bytes.clone()).0.len() <= 2);
            bytes.truncate(cut);
            read(bytes);
        }
    }
}
