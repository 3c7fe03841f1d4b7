//! rpm's databases for fuzzing and measuring: how to make them, and how to make their checksums right again.

/// Bytes of a page, and of a slot and a block, of NDB.
const PAGE: usize = 4096;
const BLOCK: usize = 16;
/// Bytes before and behind a blob of NDB.
const HEAD: usize = 16;
const TAIL: usize = 12;

/// Bytes of the header of a page of BerkeleyDB, and of a package's key and value with their places.
const HASH_HEADER: usize = 26;
const PAIR: usize = 5 + 12 + 2 * 2;

/// A header blob of entries: tag, type, count, value.
pub fn header(entries: &[(u32, u32, u32, &[u8])]) -> Vec<u8> {
    let (mut index, mut data) = (Vec::new(), Vec::new());
    for (tag, kind, count, value) in entries {
        for field in [*tag, *kind, data.len() as u32, *count] {
            index.extend(field.to_be_bytes());
        }
        data.extend_from_slice(value);
    }
    let counts = [entries.len() as u32, data.len() as u32];
    [counts.map(u32::to_be_bytes).concat(), index, data].concat()
}

/// The header of a package with everything that is read of one.
pub fn package(name: &str) -> Vec<u8> {
    let name = format!("{name}\0");
    let trailer = [63_u32, 7, (-16_i32 * 13) as u32, 16].map(u32::to_be_bytes).concat();
    header(&[
        (63, 7, 16, &trailer),
        (1000, 6, 1, name.as_bytes()),
        (1001, 6, 1, b"5.1\0"),
        (1002, 6, 1, b"2.el9\0"),
        (1003, 4, 1, &[0, 0, 0, 2]),
        (1008, 4, 1, &[0x65, 0, 0, 0]),
        (1011, 6, 1, b"Vendor\0"),
        (1022, 6, 1, b"x86_64\0"),
        (1029, 1, 2, &[0, 0]),
        (1044, 6, 1, b"bash-5.1-2.el9.src.rpm\0"),
        (1116, 4, 2, &[0, 0, 0, 0, 0, 0, 0, 1]),
        (1117, 8, 2, b"bash\0sh\0"),
        (1118, 8, 2, b"/usr/bin/\0/bin/\0"),
    ])
}

/// An NDB database of blobs.
pub fn ndb(blobs: &[&[u8]]) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let tag = |name: &[u8; 4]| u32::from_le_bytes(*name);
    let pages = ((blobs.len() + 2) * BLOCK).div_ceil(PAGE);
    let mut file = words(&[tag(b"RpmP"), 0, 7, pages as u32, blobs.len() as u32 + 1, 0, 0, 0]);
    let mut content = Vec::new();
    for (package, blob) in (1..).zip(blobs) {
        let blocks = (HEAD + blob.len() + TAIL).div_ceil(BLOCK);
        let first = (pages * PAGE + content.len()) / BLOCK;
        file.extend(words(&[tag(b"Slot"), package, first as u32, blocks as u32]));
        let mut bytes = words(&[tag(b"BlbS"), package, 7, blob.len() as u32]);
        bytes.extend_from_slice(blob);
        bytes.resize(blocks * BLOCK - TAIL, 0);
        bytes.extend(words(&[0, blob.len() as u32, tag(b"BlbE")]));
        content.extend(bytes);
    }
    while file.len() < pages * PAGE {
        file.extend(words(&[tag(b"Slot"), 0, 0, 0]));
    }
    file.extend(content);
    repair(&mut file);
    file
}

/// Makes the checksums of an NDB database right again: without that nothing behind them would be fuzzed.
pub fn repair(file: &mut [u8]) {
    let number = |bytes: &[u8], at: usize| -> usize {
        let four = bytes.get(at..).and_then(<[u8]>::first_chunk);
        four.map_or(0, |four| u32::from_le_bytes(*four) as usize)
    };
    let pages = number(file, 12).saturating_mul(PAGE).min(file.len());
    for slot in (2 * BLOCK..pages).step_by(BLOCK) {
        let start = number(file, slot + 8).saturating_mul(BLOCK);
        let end = start.saturating_add(number(file, slot + 12).saturating_mul(BLOCK));
        let Some(blob) = file.get_mut(start..end).filter(|blob| start > 0 && blob.len() > TAIL) else {
            continue;
        };
        let (content, tail) = blob.split_at_mut(end - start - TAIL);
        tail[..4].copy_from_slice(&adler32(content).to_le_bytes());
    }
}

/// RFC 1950, section 8.2.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1_u32, 0_u32);
    for byte in bytes {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    high << 16 | low
}

/// A BerkeleyDB hash of blobs in one bucket, in either byte order: its pages in a chain, each blob on pages of its own.
pub fn hash(blobs: &[&[u8]], is_big: bool, page_bytes: usize) -> Vec<u8> {
    let four =
        |value: usize| if is_big { (value as u32).to_be_bytes() } else { (value as u32).to_le_bytes() };
    let two = |value: usize| if is_big { (value as u16).to_be_bytes() } else { (value as u16).to_le_bytes() };
    let page = |number: usize, next: usize, entries: usize, high: usize, kind: u8| {
        let mut page = vec![0; page_bytes];
        page[8..12].copy_from_slice(&four(number));
        page[16..20].copy_from_slice(&four(next));
        page[20..22].copy_from_slice(&two(entries));
        page[22..24].copy_from_slice(&two(high));
        page[25] = kind;
        page
    };
    let mut meta = page(0, 0, 0, 0, 8);
    for (at, value) in [(12, 0x0006_1561), (16, 9), (20, page_bytes), (72, 0), (96, 1), (100, 1)] {
        meta[at..at + 4].copy_from_slice(&four(value));
    }
    let on_a_page = (page_bytes - HASH_HEADER) / PAIR;
    let chain = (blobs.len() + 1).div_ceil(on_a_page);
    let mut pairs = vec![[[&[1][..], &four(0)].concat(), [&[1][..], &four(blobs.len())].concat()]];
    let mut pages = Vec::new();
    for (package, blob) in (1..).zip(blobs) {
        let first = 1 + chain + pages.len() / page_bytes;
        let parts: Vec<&[u8]> = blob.chunks(page_bytes - HASH_HEADER).collect();
        for (part, bytes) in parts.iter().enumerate() {
            let next = if part + 1 == parts.len() { 0 } else { first + part + 1 };
            let mut page = page(first + part, next, 1, bytes.len(), 7);
            page[HASH_HEADER..HASH_HEADER + bytes.len()].copy_from_slice(bytes);
            pages.extend(page);
        }
        let value = [&[3, 0, 0, 0][..], &four(first), &four(blob.len())].concat();
        pairs.push([[&[1][..], &four(package)].concat(), value]);
    }
    let mut file = meta;
    for (index, pairs) in pairs.chunks(on_a_page).enumerate() {
        let next = if index + 1 == chain { 0 } else { index + 2 };
        let mut bucket = page(index + 1, next, 2 * pairs.len(), 0, 13);
        let mut end = page_bytes;
        for (index, item) in pairs.iter().flatten().enumerate() {
            end -= item.len();
            bucket[end..end + item.len()].copy_from_slice(item);
            bucket[HASH_HEADER + 2 * index..][..2].copy_from_slice(&two(end));
        }
        file.extend(bucket);
    }
    file.extend(pages);
    file
}
