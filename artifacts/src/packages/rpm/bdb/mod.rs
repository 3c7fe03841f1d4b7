//! rpm's database in BerkeleyDB's hash form: `Packages`, keyed by package number, one header blob a record.
//!
//! Source: Berkeley DB 4.8 and 5.3, `src/dbinc/db_page.h` (as documentation of the pages: `HMETA33`, `PAGE`,
//! `HKEYDATA`, `HOFFPAGE`, `HOFFDUP`) and `src/dbinc/hash.h` (from a bucket to its page). Numbers are in the byte
//! order of the machine that made the file.

mod page;

use super::fault::{Blob, Fault};
use crate::view::FileView;
use page::{Item, Meta, Page};

/// The longest header blob that is read (rpm's own bound for a header).
const MAX_BLOB: u32 = 256 << 20;

/// Package 0 is no package: its record holds the highest number given so far.
const COUNTER: u32 = 0;

/// An open database.
struct Hash<'a> {
    view: &'a mut dyn FileView,
    meta: Meta,
    /// Pages that belong to something, by number.
    seen: Vec<bool>,
}

/// A record whose value fills pages of its own.
#[derive(Clone, Copy)]
struct Long {
    package: u32,
    first: u32,
    len: u32,
}

/// Calls `each` with every package's blob and with every part that cannot be read, until it says `false`. No page
/// is read twice for a chain, so that a cycle ends and the work is bounded by the file's size.
pub(super) fn each_blob(view: &mut dyn FileView, each: &mut dyn FnMut(Blob) -> bool) {
    let mut hash = match Hash::open(view) {
        Ok(hash) => hash,
        Err(fault) => {
            each(Err(fault));
            return;
        }
    };
    let mut long = Vec::new();
    if !hash.buckets(&mut long, each) || !hash.left_over(&mut long, each) {
        return;
    }
    // In the order of the file: it is read through a window.
    long.sort_unstable_by_key(|record| record.first);
    for record in long {
        let blob = hash.long(record).map(|bytes| (record.package, bytes));
        if !each(blob) {
            return;
        }
    }
}

impl<'a> Hash<'a> {
    fn open(view: &'a mut dyn FileView) -> Result<Self, Fault> {
        let mut start = [0; page::META_BYTES];
        let got = view.read_at(0, &mut start)?;
        let meta = Meta::parse(start.get(..got).unwrap_or_default())?;
        let pages = view.len().div_ceil(u64::from(meta.page_size));
        // 2^32 pages of 512 bytes are 2 TiB; the bound keeps what is remembered of them small.
        let pages = usize::try_from(pages).ok().filter(|pages| *pages <= 1 << 26);
        let pages = pages.ok_or_else(|| Fault::Limit(format!("{} bytes of pages", view.len())))?;
        let mut seen = vec![false; pages];
        if let Some(first) = seen.first_mut() {
            *first = true;
        }
        Ok(Self { view, meta, seen })
    }

    /// Reads a page that belongs to nothing yet.
    fn take(&mut self, number: u32, what: &str) -> Result<Page, Fault> {
        let pages = self.seen.len();
        match self.seen.get_mut(number as usize) {
            None => return Err(Fault::Corrupt(format!("{what}: page {number} of {pages}"))),
            Some(true) => return Err(Fault::Corrupt(format!("{what}: page {number} is used twice"))),
            Some(seen) => *seen = true,
        }
        self.read(number)
    }

    fn read(&mut self, number: u32) -> Result<Page, Fault> {
        let size = self.meta.page_size;
        let mut bytes = vec![0; size as usize];
        let got = self.view.read_at(u64::from(number) * u64::from(size), &mut bytes)?;
        if got < bytes.len() {
            return Err(Fault::Corrupt(format!("page {number}: the file ends inside it")));
        }
        Ok(Page::new(bytes, self.meta.order, self.meta.header_bytes, number))
    }

    /// The chains of pages that hang from the buckets.
    fn buckets(&mut self, long: &mut Vec<Long>, each: &mut dyn FnMut(Blob) -> bool) -> bool {
        for bucket in 0..=self.meta.max_bucket {
            let Some(mut next) = self.meta.page_of_bucket(bucket) else {
                return each(Err(Fault::Corrupt(format!("bucket {bucket} has no page"))));
            };
            if next as usize >= self.seen.len() {
                // All later ones lie behind the end, too, or are no buckets.
                let reason = format!("bucket {bucket} of {} at page {next}", self.meta.max_bucket);
                if !each(Err(Fault::Corrupt(format!("{reason}: the file has {} pages", self.seen.len())))) {
                    return false;
                }
                break;
            }
            let what = format!("bucket {bucket}");
            while next != 0 {
                let page = match self.take(next, &what) {
                    Ok(page) => page,
                    Err(fault) => {
                        if !each(Err(fault)) {
                            return false;
                        }
                        break;
                    }
                };
                // A bucket's page that was set aside and never written is all zeros.
                if page.is_blank() {
                    break;
                }
                if !page.is_hash() {
                    let reason = format!("{what}: page {next} has type {}", page.kind());
                    if !each(Err(Fault::Corrupt(reason))) {
                        return false;
                    }
                    break;
                }
                next = page.next();
                if !self.page(&page, long, each) {
                    return false;
                }
            }
        }
        true
    }

    /// Hash pages with records that no bucket leads to: a damaged chain or table. They are read all the same.
    fn left_over(&mut self, long: &mut Vec<Long>, each: &mut dyn FnMut(Blob) -> bool) -> bool {
        let mut found = 0u32;
        for number in 0..self.seen.len() {
            if self.seen[number] {
                continue;
            }
            let mut header = [0; page::HEADER_BYTES];
            let at = number as u64 * u64::from(self.meta.page_size);
            let is_hash = match self.view.read_at(at, &mut header) {
                Ok(got) => page::is_hash_with_records(header.get(..got).unwrap_or_default(), self.meta.order),
                Err(error) => {
                    if !each(Err(error.into())) {
                        return false;
                    }
                    false
                }
            };
            if !is_hash {
                continue;
            }
            found += 1;
            let going_on = match self.take(number as u32, "a page of no bucket") {
                Ok(page) => self.page(&page, long, each),
                Err(fault) => each(Err(fault)),
            };
            if !going_on {
                return false;
            }
        }
        let reason = format!("{found} pages with records belong to no bucket; they were read all the same");
        found == 0 || each(Err(Fault::Corrupt(reason)))
    }

    /// The records of one page: keys and values take turns.
    fn page(&mut self, page: &Page, long: &mut Vec<Long>, each: &mut dyn FnMut(Blob) -> bool) -> bool {
        let items = page.items();
        if !items.len().is_multiple_of(2) {
            let reason = format!("page {}: a key without a value", page.number);
            if !each(Err(Fault::Corrupt(reason))) {
                return false;
            }
        }
        for pair in items.chunks_exact(2) {
            let found = match (&pair[0], &pair[1]) {
                (Err(fault), _) | (_, Err(fault)) => Err(fault.clone()),
                (Ok(key), Ok(value)) => self.record(page, *key, *value, long),
            };
            if let Some(found) = found.transpose()
                && !each(found)
            {
                return false;
            }
        }
        true
    }

    /// The record's blob if it is at hand; a long one is put aside.
    fn record(
        &mut self,
        page: &Page,
        key: Item<'_>,
        value: Item<'_>,
        long: &mut Vec<Long>,
    ) -> Result<Option<(u32, Vec<u8>)>, Fault> {
        let number = page.number;
        let key = match key {
            Item::Here(bytes) => bytes.try_into().ok().map(|bytes| self.meta.order.u32(bytes)),
            _ => None,
        };
        let Some(package) = key else {
            return Err(Fault::Corrupt(format!("page {number}: a key that is no package number")));
        };
        match value {
            _ if package == COUNTER => Ok(None),
            Item::Here(bytes) => Ok(Some((package, bytes.to_vec()))),
            Item::Pages { first, len } => {
                long.push(Long { package, first, len });
                Ok(None)
            }
            Item::Duplicates => {
                Err(Fault::Unsupported(format!("page {number}: package {package} has several records")))
            }
        }
    }

    /// A value that fills a chain of pages.
    fn long(&mut self, record: Long) -> Result<Vec<u8>, Fault> {
        let Long { package, first, len } = record;
        let what = format!("package {package}");
        if len > MAX_BLOB {
            let reason = format!("{what}: a header of {len} bytes, at most {MAX_BLOB} are read");
            return Err(Fault::Limit(reason));
        }
        let mut bytes = Vec::new();
        let mut next = first;
        while bytes.len() < len as usize {
            if next == 0 {
                let reason = format!("{what}: its pages hold {} of {len} bytes", bytes.len());
                return Err(Fault::Corrupt(reason));
            }
            let page = self.take(next, &what)?;
            let part = page.overflow().ok_or_else(|| {
                Fault::Corrupt(format!("{what}: page {next} of type {} is no part of it", page.kind()))
            })?;
            if part.is_empty() {
                return Err(Fault::Corrupt(format!("{what}: page {next} holds nothing of it")));
            }
            bytes.extend_from_slice(part);
            next = page.next();
        }
        if bytes.len() > len as usize || next != 0 {
            return Err(Fault::Corrupt(format!("{what}: its pages hold more than its {len} bytes")));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
pub(super) mod tests;
