//! Bolt's databases, in which containerd keeps what it knows: trees of buckets, each with keys, values and more buckets.
//!
//! Sources: bbolt, `page.go`, `bucket.go`, `db.go` (as documentation): a page's header has its number, flags, the count of
//! its elements and how many pages it continues on; of the two meta pages the valid one with the later transaction
//! counts. Numbers are in the byte order of the machine, which is little-endian wherever containers run.

#[cfg(test)]
pub(crate) mod build;

use coldread_model::GapKind;
use std::cell::Cell;

const MAGIC: u32 = 0xed0c_daed;
const VERSION: u32 = 2;
const PAGE_HEADER: usize = 16;
/// Fields of a meta page before its checksum.
const META: usize = 56;
const ELEMENT: usize = 16;
/// Where a bucket begins: the page of its root and a counter. What lies in the bucket itself has no such page.
const BUCKET: usize = 16;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const IS_BUCKET: u32 = 1;
/// Levels of a tree: each of the pages holds two elements at least.
const MAX_DEPTH: usize = 32;

/// Why a database, or a part of it, was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BoltError {
    /// Bytes that contradict the format.
    #[error("{structure} at byte {at}: {reason}")]
    Corrupt {
        /// The structure.
        structure: &'static str,
        /// Its place in the file.
        at: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More is named than the file has room for: pages, keys or values are named again and again.
    #[error("pages, keys or values are named more than once")]
    Repeats,
}

impl BoltError {
    /// The kind of gap that it makes.
    pub fn gap_kind(&self) -> GapKind {
        match self {
            Self::Corrupt { .. } => GapKind::Corrupt,
            Self::Repeats => GapKind::Limit,
        }
    }
}

/// A database in memory.
#[derive(Debug)]
pub struct Bolt<'b> {
    bytes: &'b [u8],
    page_bytes: usize,
    root: u64,
    /// Bytes of pages, elements, keys and values that may still be looked at.
    left: Cell<usize>,
}

/// A bucket: where its elements are.
#[derive(Clone, Copy, Debug)]
pub enum Bucket<'b> {
    /// On pages of its own, from this one on.
    Page(u64),
    /// In a page that lies in another bucket's value: its bytes, and their place in the file.
    Inline(&'b [u8], usize),
}

/// What lies in a bucket under a key.
#[derive(Clone, Copy, Debug)]
pub enum Held<'b> {
    /// A value.
    Value(&'b [u8]),
    /// Another bucket.
    Bucket(Bucket<'b>),
}

impl<'b> Bolt<'b> {
    /// Finds the meta page that counts.
    pub fn open(bytes: &'b [u8]) -> Result<Self, BoltError> {
        // The second one lies on the second page, whose size the first one has, if it is whole.
        let sizes = (10..=16).map(|log| 1_usize << log);
        let metas = std::iter::once(0).chain(sizes).filter_map(|at| meta(bytes, at));
        let (_, root, page_bytes) =
            metas.max_by_key(|(transaction, ..)| *transaction).ok_or(BoltError::Corrupt {
                structure: "meta page",
                at: 0,
                reason: "neither of the two is whole",
            })?;
        // Whoever looks at each byte twice is still within this.
        let left = Cell::new(bytes.len().saturating_mul(2).saturating_add(1024 * ELEMENT));
        Ok(Self { bytes, page_bytes, root, left })
    }

    /// The bucket that holds all others.
    pub fn root(&self) -> Bucket<'b> {
        Bucket::Page(self.root)
    }

    /// What lies under a key of a bucket.
    pub fn get(&self, bucket: Bucket<'b>, wanted: &[u8]) -> Result<Option<Held<'b>>, BoltError> {
        let mut found = None;
        self.each(bucket, &mut |key, held| {
            if key == wanted {
                found = Some(held);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The bucket at a path of keys.
    pub fn bucket(&self, path: &[&[u8]]) -> Result<Option<Bucket<'b>>, BoltError> {
        let mut bucket = self.root();
        for key in path {
            match self.get(bucket, key)? {
                Some(Held::Bucket(within)) => bucket = within,
                _ => return Ok(None),
            }
        }
        Ok(Some(bucket))
    }

    /// Hands on every key of a bucket with what lies under it, in order.
    pub fn each(
        &self,
        bucket: Bucket<'b>,
        each: &mut dyn FnMut(&'b [u8], Held<'b>) -> Result<(), BoltError>,
    ) -> Result<(), BoltError> {
        match bucket {
            Bucket::Page(number) => self.page(number, MAX_DEPTH, each),
            Bucket::Inline(bytes, at) => self.leaf(bytes, at, each),
        }
    }

    fn page(
        &self,
        number: u64,
        depth: usize,
        each: &mut dyn FnMut(&'b [u8], Held<'b>) -> Result<(), BoltError>,
    ) -> Result<(), BoltError> {
        let at = usize::try_from(number).ok().and_then(|number| number.checked_mul(self.page_bytes));
        let at = at.filter(|at| *at < self.bytes.len());
        let corrupt = |at: usize, reason| BoltError::Corrupt { structure: "page", at, reason };
        let at = at.ok_or(corrupt(0, "a page beyond the end of the file is named"))?;
        let rest = &self.bytes[at..];
        let (Some(own), Some(pages)) = (u64_at(rest, 0), u32_at(rest, 12)) else {
            return Err(corrupt(at, "the file ends in its header"));
        };
        if own != number {
            return Err(corrupt(at, "it has another page's number"));
        }
        if depth == 0 {
            return Err(corrupt(at, "too many levels"));
        }
        let len = (pages as usize).saturating_add(1).saturating_mul(self.page_bytes);
        let page = &rest[..len.min(rest.len())];
        if u16_at(page, 8).unwrap_or_default() & BRANCH == 0 {
            return self.leaf(page, at, each);
        }
        for index in 0..self.count(page)? {
            let element = PAGE_HEADER + index * ELEMENT;
            let child = u64_at(page, element + 8).ok_or(corrupt(at, "its elements go beyond its end"))?;
            self.page(child, depth - 1, each)?;
        }
        Ok(())
    }

    /// Elements of a page.
    fn count(&self, page: &[u8]) -> Result<usize, BoltError> {
        let count = usize::from(u16_at(page, 10).unwrap_or_default());
        self.take(PAGE_HEADER + count * ELEMENT)?;
        Ok(count)
    }

    /// Takes so many bytes from those that may be looked at.
    fn take(&self, bytes: usize) -> Result<(), BoltError> {
        let left = self.left.get().checked_sub(bytes).ok_or(BoltError::Repeats)?;
        self.left.set(left);
        Ok(())
    }

    fn leaf(
        &self,
        page: &'b [u8],
        at: usize,
        each: &mut dyn FnMut(&'b [u8], Held<'b>) -> Result<(), BoltError>,
    ) -> Result<(), BoltError> {
        let corrupt = |reason| BoltError::Corrupt { structure: "leaf page", at, reason };
        if u16_at(page, 8).is_none_or(|flags| flags & LEAF == 0) {
            return Err(corrupt("no leaf where one is named"));
        }
        for index in 0..self.count(page)? {
            let element = PAGE_HEADER + index * ELEMENT;
            let field = |place: usize| u32_at(page, element + place);
            let (Some(flags), Some(place), Some(key), Some(value)) =
                (field(0), field(4), field(8), field(12))
            else {
                return Err(corrupt("its elements go beyond its end"));
            };
            let start = element.saturating_add(place as usize);
            let middle = start.saturating_add(key as usize);
            let end = middle.saturating_add(value as usize);
            let (Some(key), Some(value)) = (page.get(start..middle), page.get(middle..end)) else {
                return Err(corrupt("a key or value goes beyond its end"));
            };
            // Any number of elements may name the same long key.
            self.take(key.len())?;
            if flags & IS_BUCKET == 0 {
                self.take(value.len())?;
                each(key, Held::Value(value))?;
                continue;
            }
            let root = u64_at(value, 0).filter(|_| value.len() >= BUCKET);
            let bucket = match root.ok_or(corrupt("a bucket that is too short"))? {
                0 => Bucket::Inline(&value[BUCKET..], at + middle + BUCKET),
                number => Bucket::Page(number),
            };
            each(key, Held::Bucket(bucket))?;
        }
        Ok(())
    }
}

/// The transaction of a meta page, the root that it names, and the size of pages; none where it is not whole.
fn meta(bytes: &[u8], at: usize) -> Option<(u64, u64, usize)> {
    let meta = bytes.get(at..)?.get(PAGE_HEADER..PAGE_HEADER + META + 8)?;
    let page_bytes = u32_at(meta, 8)? as usize;
    let is_whole =
        u32_at(meta, 0)? == MAGIC && u32_at(meta, 4)? == VERSION && u64_at(meta, META)? == fnv(&meta[..META]);
    let fits = page_bytes.is_power_of_two()
        && (1024..=1 << 16).contains(&page_bytes)
        && (at == 0 || at == page_bytes);
    (is_whole && fits).then_some((u64_at(meta, 48)?, u64_at(meta, 16)?, page_bytes))
}

/// FNV-1a of 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{build::*, *};
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let value = |text: &str| Node::Value(text.as_bytes().to_vec());
        let within =
            Node::Bucket(vec![(b"x".to_vec(), value("1")), (b"y".to_vec(), Node::Bucket(Vec::new()))]);
        database(vec![
            (b"a".to_vec(), value(&"long".repeat(2000))),
            (b"b".to_vec(), within),
            (b"c".to_vec(), value("")),
        ])
    }

    fn shown(bolt: &Bolt<'_>, bucket: Bucket<'_>, depth: usize) -> Result<Vec<String>, BoltError> {
        let mut lines = Vec::new();
        let bolt_each = |lines: &mut Vec<String>| {
            bolt.each(bucket, &mut |key, held| {
                let key = String::from_utf8_lossy(key).into_owned();
                match held {
                    Held::Value(value) => lines.push(format!("{key}={}", value.len())),
                    Held::Bucket(_) if depth == 0 => {}
                    Held::Bucket(within) => {
                        lines.extend(
                            shown(bolt, within, depth - 1)?.into_iter().map(|line| format!("{key}/{line}")),
                        );
                    }
                }
                Ok(())
            })
        };
        bolt_each(&mut lines)?;
        Ok(lines)
    }

    #[test]
    fn keys_values_and_buckets() {
        let bytes = sample();
        let bolt = Bolt::open(&bytes).unwrap();
        assert_eq!(shown(&bolt, bolt.root(), 9).unwrap(), ["a=8000", "b/x=1", "c=0"]);
        assert!(bolt.bucket(&[b"b", b"y"]).unwrap().is_some());
        assert!(bolt.bucket(&[b"b", b"z"]).unwrap().is_none());
        assert!(bolt.bucket(&[b"a"]).unwrap().is_none());
        // The first meta page is not whole: the second one counts, and names a page beyond the end.
        let mut damaged = bytes.clone();
        damaged[PAGE_HEADER + 48] ^= 1;
        let bolt = Bolt::open(&damaged).unwrap();
        assert!(matches!(bolt.bucket(&[b"a"]), Err(BoltError::Corrupt { structure: "page", .. })));
        damaged[4096 + PAGE_HEADER] ^= 1;
        assert!(matches!(Bolt::open(&damaged), Err(BoltError::Corrupt { structure: "meta page", .. })));
        assert!(Bolt::open(b"").is_err());
    }

    #[test]
    fn pages_that_name_each_other_have_an_end() {
        let mut bytes = sample();
        // The branch names itself, in both of its elements.
        for element in 0..2 {
            let at = 3 * 4096 + PAGE_HEADER + element * ELEMENT + 8;
            bytes[at..at + 8].copy_from_slice(&3_u64.to_le_bytes());
        }
        let bolt = Bolt::open(&bytes).unwrap();
        assert!(bolt.bucket(&[b"a"]).is_err());
    }

    #[test]
    fn keys_and_values_that_lie_over_one_another_have_an_end() {
        const LEAF_AT: usize = 5 * 4096;
        let text = |number: usize| format!("{number:03}").into_bytes();
        let elements = || (0..500).map(|number| (text(number), Node::Value(vec![7; 100]))).collect();
        let whole = database(elements());
        let bolt = Bolt::open(&whole).unwrap();
        assert_eq!(shown(&bolt, bolt.root(), 0).map(|lines| lines.len()), Ok(500));
        // Each key, or each value, goes on to the end of the page.
        for is_key in [true, false] {
            let mut bytes = whole.clone();
            for element in 0..499 {
                let at = LEAF_AT + PAGE_HEADER + element * ELEMENT;
                let start = at + u32_at(&bytes, at + 4).unwrap() as usize;
                let rest = (bytes.len() - start) as u32;
                let lens = if is_key { [rest, 0] } else { [0, rest] };
                bytes[at + 8..at + 16].copy_from_slice(&lens.map(u32::to_le_bytes).concat());
            }
            let bolt = Bolt::open(&bytes).unwrap();
            assert_eq!(bolt.each(bolt.root(), &mut |_, _| Ok(())), Err(BoltError::Repeats), "{is_key}");
        }
    }

    proptest! {
        #[test]
        fn any_database_is_read(flips in prop::collection::vec((12288usize..24000, any::<u8>()), 0..12), len in 0usize..40000) {
            let mut bytes = sample();
            for (at, value) in flips {
                let at = at % bytes.len();
                bytes[at] = value;
            }
            bytes.truncate(len.max(4096));
            if let Ok(bolt) = Bolt::open(&bytes) {
                let _ = shown(&bolt, bolt.root(), 4);
            }
        }
    }
}
