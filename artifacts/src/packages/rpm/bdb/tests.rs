use super::*;
use crate::view::MemoryView;
use proptest::prelude::*;

const PAGE: usize = 512;
const ROOM: usize = PAGE - page::HEADER_BYTES;

/// Numbers in a byte order.
#[derive(Clone, Copy)]
struct Writer(bool);

impl Writer {
    fn u16(self, value: usize) -> [u8; 2] {
        let value = value as u16;
        if self.0 { value.to_be_bytes() } else { value.to_le_bytes() }
    }
    fn u32(self, value: usize) -> [u8; 4] {
        let value = value as u32;
        if self.0 { value.to_be_bytes() } else { value.to_le_bytes() }
    }

    fn page(self, number: usize, next: usize, entries: usize, high: usize, kind: u8) -> Vec<u8> {
        let mut page = vec![0; PAGE];
        page[8..12].copy_from_slice(&self.u32(number));
        page[16..20].copy_from_slice(&self.u32(next));
        page[20..22].copy_from_slice(&self.u16(entries));
        page[22..24].copy_from_slice(&self.u16(high));
        page[25] = kind;
        page
    }

    /// A hash page of items.
    fn hash(self, number: usize, next: usize, items: &[Vec<u8>]) -> Vec<u8> {
        let mut page = self.page(number, next, items.len(), 0, 13);
        let mut end = PAGE;
        for (index, item) in items.iter().enumerate() {
            page[end - item.len()..end].copy_from_slice(item);
            end -= item.len();
            let place = page::HEADER_BYTES + 2 * index;
            page[place..place + 2].copy_from_slice(&self.u16(end));
        }
        page
    }

    /// A database of two buckets, the second's chain of two pages, a blob on pages of its own each.
    fn database(self, blobs: &[&[u8]]) -> Vec<u8> {
        let buckets = 3;
        let mut pages: Vec<Vec<u8>> = Vec::new();
        let mut records: Vec<[Vec<u8>; 2]> = vec![[self.key(0), self.key(blobs.len())]];
        for (index, blob) in blobs.iter().enumerate() {
            let value = if blob.len() < 40 {
                [&[1], *blob].concat()
            } else {
                let first = 1 + buckets + pages.len();
                let parts: Vec<&[u8]> = blob.chunks(ROOM).collect();
                for (part, bytes) in parts.iter().enumerate() {
                    let next = if part + 1 == parts.len() { 0 } else { first + part + 1 };
                    let mut page = self.page(first + part, next, 1, bytes.len(), 7);
                    page[page::HEADER_BYTES..page::HEADER_BYTES + bytes.len()].copy_from_slice(bytes);
                    pages.push(page);
                }
                [&[3, 0, 0, 0][..], &self.u32(first), &self.u32(blob.len())].concat()
            };
            records.push([self.key(index + 1), value]);
        }
        let mut meta = self.page(0, 0, 0, 0, 8);
        for (at, value) in [(12, 0x0006_1561), (16, 9), (20, PAGE), (72, 1), (96, 1), (100, 1)] {
            meta[at..at + 4].copy_from_slice(&self.u32(value));
        }
        let half = records.len() / 2;
        let items = |records: &[[Vec<u8>; 2]]| records.concat();
        let second = usize::midpoint(half, records.len());
        let chain = [
            self.hash(1, 0, &items(&records[..half])),
            self.hash(2, 3, &items(&records[half..second])),
            self.hash(3, 0, &items(&records[second..])),
        ];
        [meta, chain.concat(), pages.concat()].concat()
    }

    fn key(self, package: usize) -> Vec<u8> {
        [&[1][..], &self.u32(package)].concat()
    }
}

/// A little-endian database of these blobs.
pub(in super::super) fn database(blobs: &[&[u8]]) -> Vec<u8> {
    Writer(false).database(blobs)
}

fn read(bytes: Vec<u8>) -> (Vec<(u32, Vec<u8>)>, Vec<String>) {
    let (mut blobs, mut faults) = (Vec::new(), Vec::new());
    each_blob(&mut MemoryView::from(bytes), &mut |found| {
        match found {
            Ok(blob) => blobs.push(blob),
            Err(fault) => faults.push(fault.to_string()),
        }
        true
    });
    blobs.sort();
    (blobs, faults)
}

#[test]
fn both_byte_orders_short_and_long() {
    let long = [vec![7; 3 * ROOM], vec![8; 5]].concat();
    let blobs: [&[u8]; 4] = [b"short", &long, &[9; ROOM], b"last"];
    let expected: Vec<_> = (1..).zip(blobs.map(<[u8]>::to_vec)).collect();
    for order in [Writer(false), Writer(true)] {
        assert_eq!(read(order.database(&blobs)), (expected.clone(), vec![]));
    }
}

#[test]
fn cycles_and_lies_cost_their_record() {
    let long = vec![7; 3 * ROOM];
    let whole = database(&[b"short", &long, b"last"]);
    let chain = 4 * PAGE;
    // The long value's last page leads back to its first.
    let mut cycle = whole.clone();
    cycle[chain + 2 * PAGE + 16] = 4;
    let (blobs, faults) = read(cycle);
    assert_eq!(
        (blobs.len(), faults),
        (2, vec!["package 2: its pages hold more than its 1458 bytes".to_owned()])
    );
    let mut cycle = whole.clone();
    cycle[chain + PAGE + 16] = 4;
    assert_eq!(read(cycle).1, ["package 2: page 4 is used twice"]);
    // The second bucket's chain ends before its last page, whose record is read all the same.
    let mut orphan = whole.clone();
    orphan[2 * PAGE + 16] = 0;
    let (blobs, faults) = read(orphan);
    assert_eq!(blobs.len(), 3);
    assert_eq!(faults, ["1 pages with records belong to no bucket; they were read all the same"]);
    let mut hole = whole.clone();
    hole[chain + PAGE..chain + 2 * PAGE].fill(0);
    assert_eq!(read(hole).1, ["package 2: page 5 of type 0 is no part of it"]);
    let mut encrypted = whole.clone();
    encrypted[24] = 1;
    assert_eq!(read(encrypted).1, ["BerkeleyDB pages encrypted by algorithm 1"]);
    let mut many = whole;
    many[72..76].fill(0xff);
    assert!(read(many).1.len() < 10);
}

proptest! {
    #[test]
    fn damage_is_bounded(changes in prop::collection::vec((0usize..3600, any::<u8>()), 1..6), cut in 0usize..4000) {
        let mut bytes = database(&[b"short", &[7; 3 * ROOM], b"last"]);
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        prop_assert!(read(bytes.clone()).0.len() < 40);
        bytes.truncate(cut);
        read(bytes);
    }
}
