//! Pages of a BerkeleyDB hash database.

use super::super::fault::Fault;

/// Bytes of the first page that describe the database (`HMETA33`).
pub(super) const META_BYTES: usize = 512;

/// Bytes before a page's items (`PAGE`).
pub(super) const HEADER_BYTES: usize = 26;

/// `DB_HASHMAGIC`.
const MAGIC: u32 = 0x0006_1561;

/// Versions whose pages are as below: `DB_HASHOLDVER` to `DB_HASHVERSION` of 5.3.
const VERSIONS: std::ops::RangeInclusive<u32> = 7..=9;

/// `DBMETA_CHKSUM`: a checksum follows the header of each page, which makes it longer.
const CHECKSUMS: u8 = 1;
const HEADER_WITH_CHECKSUM: usize = 32;

const TYPE_HASH_UNSORTED: u8 = 2;
const TYPE_OVERFLOW: u8 = 7;
const TYPE_HASHMETA: u8 = 8;
const TYPE_HASH: u8 = 13;

const ITEM_KEYDATA: u8 = 1;
const ITEM_DUPLICATE: u8 = 2;
const ITEM_OFFPAGE: u8 = 3;
const ITEM_OFFDUP: u8 = 4;

/// The byte order of the machine that made the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    pub(super) const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    pub(super) const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        bytes.get(at..)?.first_chunk().map(|bytes| self.u16(*bytes))
    }

    fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        bytes.get(at..)?.first_chunk().map(|bytes| self.u32(*bytes))
    }
}

/// What the first page says.
pub(super) struct Meta {
    pub(super) order: Order,
    pub(super) page_size: u32,
    pub(super) header_bytes: usize,
    pub(super) max_bucket: u32,
    /// For each doubling of the table, what to add to a bucket's number for its page's.
    spares: [u32; 32],
}

impl Meta {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let magic: [u8; 4] = bytes.get(12..16).and_then(|magic| magic.try_into().ok()).unwrap_or_default();
        let order = [Order::Little, Order::Big].into_iter().find(|order| order.u32(magic) == MAGIC);
        let order = order.ok_or_else(|| Fault::Corrupt("not a BerkeleyDB hash database".into()))?;
        let bytes = bytes
            .get(..META_BYTES)
            .ok_or_else(|| Fault::Corrupt("the file ends inside its first page".into()))?;
        let field = |at| order.u32_at(bytes, at).unwrap_or(0);
        let version = field(16);
        if !VERSIONS.contains(&version) {
            return Err(Fault::Unsupported(format!("BerkeleyDB hash version {version}")));
        }
        if bytes[24] != 0 {
            return Err(Fault::Encrypted(format!("BerkeleyDB pages encrypted by algorithm {}", bytes[24])));
        }
        let page_size = field(20);
        if !(512..=65_536).contains(&page_size) || !page_size.is_power_of_two() || bytes[25] != TYPE_HASHMETA
        {
            let reason = format!("a first page of type {} and {page_size} bytes", bytes[25]);
            return Err(Fault::Corrupt(reason));
        }
        let header_bytes = if bytes[26] & CHECKSUMS == 0 { HEADER_BYTES } else { HEADER_WITH_CHECKSUM };
        let spares = std::array::from_fn(|index| field(96 + 4 * index));
        Ok(Self { order, page_size, header_bytes, max_bucket: field(72), spares })
    }

    /// The first page of a bucket (`BUCKET_TO_PAGE`).
    pub(super) fn page_of_bucket(&self, bucket: u32) -> Option<u32> {
        // The exponent of the smallest power of two that is at least bucket + 1.
        let doubling = 32 - bucket.leading_zeros();
        bucket.checked_add(*self.spares.get(doubling as usize)?).filter(|page| *page != 0)
    }
}

/// A key or a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// Its bytes.
    Here(&'a [u8]),
    /// It fills a chain of pages.
    Pages { first: u32, len: u32 },
    /// Several values of one key, which rpm never writes.
    Duplicates,
}

/// One page.
pub(super) struct Page {
    bytes: Vec<u8>,
    order: Order,
    header_bytes: usize,
    pub(super) number: u32,
}

impl Page {
    pub(super) const fn new(bytes: Vec<u8>, order: Order, header_bytes: usize, number: u32) -> Self {
        Self { bytes, order, header_bytes, number }
    }

    pub(super) fn kind(&self) -> u8 {
        self.bytes.get(25).copied().unwrap_or(0)
    }

    pub(super) fn is_hash(&self) -> bool {
        matches!(self.kind(), TYPE_HASH | TYPE_HASH_UNSORTED)
    }

    pub(super) fn is_blank(&self) -> bool {
        self.bytes.iter().all(|byte| *byte == 0)
    }

    /// The next page of its chain; 0 at the end.
    pub(super) fn next(&self) -> u32 {
        self.order.u32_at(&self.bytes, 16).unwrap_or(0)
    }

    /// The part of a long value that it holds.
    pub(super) fn overflow(&self) -> Option<&[u8]> {
        let len = self.order.u16_at(&self.bytes, 22)?;
        let from = self.header_bytes;
        (self.kind() == TYPE_OVERFLOW).then(|| self.bytes.get(from..from + usize::from(len)))?
    }

    /// Its keys and values. They lie from the page's end towards its start, each up to where the one before began.
    pub(super) fn items(&self) -> Vec<Result<Item<'_>, Fault>> {
        let count = usize::from(self.order.u16_at(&self.bytes, 20).unwrap_or(0));
        let mut end = self.bytes.len();
        let mut items = Vec::new();
        for index in 0..count {
            let place = self.order.u16_at(&self.bytes, self.header_bytes + 2 * index).map(usize::from);
            let bytes = place.filter(|at| *at >= self.header_bytes + 2 * count);
            let Some(bytes) = bytes.and_then(|at| self.bytes.get(at..end).filter(|bytes| !bytes.is_empty()))
            else {
                let reason = format!("page {}: item {index} of {count} at {place:?}", self.number);
                items.push(Err(Fault::Corrupt(reason)));
                // Where one item is a lie, the ends of the rest are not known.
                break;
            };
            end -= bytes.len();
            items.push(self.item(bytes));
        }
        items
    }

    fn item<'a>(&self, bytes: &'a [u8]) -> Result<Item<'a>, Fault> {
        let number = self.number;
        match bytes[0] {
            ITEM_KEYDATA => Ok(Item::Here(&bytes[1..])),
            ITEM_OFFPAGE => match (self.order.u32_at(bytes, 4), self.order.u32_at(bytes, 8)) {
                (Some(first), Some(len)) => Ok(Item::Pages { first, len }),
                _ => Err(Fault::Corrupt(format!("page {number}: a reference of {} bytes", bytes.len()))),
            },
            ITEM_DUPLICATE | ITEM_OFFDUP => Ok(Item::Duplicates),
            kind => Err(Fault::Corrupt(format!("page {number}: an item of type {kind}"))),
        }
    }
}

/// Whether a page with this header holds records.
pub(super) fn is_hash_with_records(header: &[u8], order: Order) -> bool {
    matches!(header.get(25), Some(&(TYPE_HASH | TYPE_HASH_UNSORTED)))
        && order.u16_at(header, 20).is_some_and(|count| count > 0)
}
