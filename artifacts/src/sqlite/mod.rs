//! SQLite databases, read only, by bounded code: pages of a hostile disk never reach a C library.
//!
//! Source: "Database File Format" (sqlite.org/fileformat2.html), the section named at each structure.
//! Tables are walked by their b-trees; indexes, free pages and WITHOUT ROWID tables are not looked at.

mod record;
mod wal;

use crate::view::{FileView, ViewError};
use coldread_model::GapKind;
use std::collections::HashSet;

pub use record::Value;

/// The longest row that is read.
const MAX_ROW: u64 = 64 << 20;

/// B-tree levels: 20 of them hold more rows than a file can.
const MAX_DEPTH: usize = 20;

/// The root page of the table that lists the tables (section 2.6).
const SCHEMA_ROOT: u32 = 1;

/// Why a database or a part of it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqliteError {
    /// The file's bytes could not be had.
    #[error("{0}")]
    View(#[from] ViewError),
    /// Bytes that contradict the format.
    #[error("page {page}: {reason}")]
    Corrupt {
        /// The page's number, from 1; 0 for the write-ahead log.
        page: u32,
        /// What is wrong.
        reason: String,
    },
    /// A bound was reached.
    #[error("{0}")]
    Limit(String),
}

impl SqliteError {
    /// The kind of gap that it makes.
    pub const fn gap_kind(&self) -> GapKind {
        match self {
            Self::View(error) => error.gap_kind(),
            Self::Corrupt { .. } => GapKind::Corrupt,
            Self::Limit(_) => GapKind::Limit,
        }
    }

    fn corrupt(page: u32, reason: impl Into<String>) -> Self {
        Self::Corrupt { page, reason: reason.into() }
    }
}

/// How texts are stored (section 1.3.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16Le,
    Utf16Be,
}

/// An open database.
pub struct Database<'a> {
    view: &'a mut dyn FileView,
    wal: Option<wal::Wal<'a>>,
    page_size: u32,
    /// Bytes of each page that hold content.
    usable: u32,
    pages: u32,
    encoding: Encoding,
}

/// One row of a table.
#[derive(Clone, Debug)]
pub struct Row {
    /// The row's number.
    pub id: i64,
    payload: Vec<u8>,
    page: u32,
    encoding: Encoding,
}

impl Row {
    /// The row's columns in order. A column that is the row's number is stored as NULL.
    pub fn values(&self) -> Result<Vec<Value<'_>>, SqliteError> {
        record::values(&self.payload, self.encoding).map_err(|reason| SqliteError::corrupt(self.page, reason))
    }
}

impl<'a> Database<'a> {
    /// Opens a database with its write-ahead log, if there is one; `None` for an empty file, which is a
    /// database without tables. Of the log, what was committed is seen. A log that is not this database's or
    /// whose header is damaged is left aside, and `unapplied` is told why: what the database itself holds is
    /// still good, if not the newest.
    pub fn open(
        view: &'a mut dyn FileView,
        log: Option<&'a mut dyn FileView>,
        unapplied: &mut dyn FnMut(SqliteError),
    ) -> Result<Option<Self>, SqliteError> {
        let mut header = [0; 100];
        let got = view.read_at(0, &mut header)?;
        let mut database =
            Database { view, wal: None, page_size: 512, usable: 512, pages: 1, encoding: Encoding::Utf8 };
        match log.map(wal::Wal::open).transpose() {
            Ok(Some(Some(wal))) => match database.apply(wal, header) {
                Ok(()) => return Ok(Some(database)),
                Err(error) => unapplied(error),
            },
            Ok(_) => {}
            Err(error) => unapplied(error),
        }
        database.wal = None;
        if got == 0 {
            return Ok(None);
        }
        database.read_header(&header)?;
        Ok(Some(database))
    }

    /// Takes a log in; `header` is that of the file.
    fn apply(&mut self, mut wal: wal::Wal<'a>, mut header: [u8; 100]) -> Result<(), SqliteError> {
        self.page_size = wal.page_size;
        if wal.holds(1) {
            wal.read(1, &mut header)?;
        }
        self.wal = Some(wal);
        self.read_header(&header)
    }

    /// Section 1.3, "The Database Header".
    fn read_header(&mut self, header: &[u8; 100]) -> Result<(), SqliteError> {
        if !header.starts_with(b"SQLite format 3\0") {
            return Err(SqliteError::corrupt(1, "not a SQLite 3 database"));
        }
        let page_size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size if size >= 512 && size.is_power_of_two() => u32::from(size),
            size => return Err(SqliteError::corrupt(1, format!("page size {size}"))),
        };
        if self.wal.as_ref().is_some_and(|wal| wal.page_size != page_size) {
            return Err(SqliteError::corrupt(0, "the write-ahead log has another page size"));
        }
        let usable = page_size - u32::from(header[20]);
        if usable < 480 {
            return Err(SqliteError::corrupt(1, format!("{usable} usable bytes a page")));
        }
        self.encoding = match u32_at(header, 56) {
            Some(0 | 1) => Encoding::Utf8,
            Some(2) => Encoding::Utf16Le,
            Some(3) => Encoding::Utf16Be,
            other => return Err(SqliteError::corrupt(1, format!("text encoding {other:?}"))),
        };
        let in_file = u32::try_from(self.view.len().div_ceil(u64::from(page_size))).unwrap_or(u32::MAX);
        self.pages = self.wal.as_ref().and_then(wal::Wal::database_pages).unwrap_or(in_file);
        self.page_size = page_size;
        self.usable = usable;
        Ok(())
    }

    fn page(&mut self, number: u32) -> Result<Vec<u8>, SqliteError> {
        if number == 0 || number > self.pages {
            return Err(SqliteError::corrupt(number, format!("no such page, the last is {}", self.pages)));
        }
        let mut page = vec![0; self.page_size as usize];
        if let Some(wal) = self.wal.as_mut().filter(|wal| wal.holds(number)) {
            wal.read(number, &mut page)?;
            return Ok(page);
        }
        let got = self.view.read_at(u64::from(number - 1) * u64::from(self.page_size), &mut page)?;
        if got < page.len() {
            return Err(SqliteError::corrupt(number, "the file ends inside it"));
        }
        Ok(page)
    }

    /// The root page of a table, by its name (section 2.6, "Storage Of The SQL Database Schema").
    pub fn table(&mut self, name: &str) -> Result<Option<u32>, SqliteError> {
        let mut root = None;
        let mut first_error = None;
        self.each_row(SCHEMA_ROOT, &mut |row| {
            match row.and_then(|row| schema_entry(&row, name)) {
                Ok(Some(found)) => root = Some(found),
                Ok(None) => {}
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
            true
        });
        match (root, first_error) {
            (None, Some(error)) => Err(error),
            (root, _) => Ok(root),
        }
    }

    /// Calls `each` with every row of the table at `root`, in order, and with every part of it that cannot
    /// be read, until it says `false`. No page is read twice, so that a cycle ends and work is bounded.
    pub fn each_row(&mut self, root: u32, each: &mut dyn FnMut(Result<Row, SqliteError>) -> bool) {
        let mut seen = HashSet::new();
        let mut stack = vec![(root, 0)];
        while let Some((number, depth)) = stack.pop() {
            let going_on = match self.btree_page(number, depth, &mut seen) {
                Ok((page, Kind::Interior)) => {
                    let children = children(number, &page);
                    let errors = children.iter().filter_map(|child| child.clone().err());
                    let going_on = errors.into_iter().all(|error| each(Err(error)));
                    stack.extend(children.into_iter().rev().flatten().map(|child| (child, depth + 1)));
                    going_on
                }
                Ok((page, Kind::Leaf)) => {
                    // Cells do not overlap: a page of many that did would be many times its size.
                    let mut room = self.usable as usize;
                    cells(number, &page, 8).into_iter().all(|cell| {
                        let row = cell.and_then(|at| self.row(number, &page, at, &mut room, &mut seen));
                        each(row)
                    })
                }
                Err(error) => each(Err(error)),
            };
            if !going_on {
                return;
            }
        }
    }

    /// Section 1.6, "B-tree Pages".
    fn btree_page(
        &mut self,
        number: u32,
        depth: usize,
        seen: &mut HashSet<u32>,
    ) -> Result<(Vec<u8>, Kind), SqliteError> {
        if depth > MAX_DEPTH {
            return Err(SqliteError::corrupt(number, format!("more than {MAX_DEPTH} levels")));
        }
        if !seen.insert(number) {
            return Err(SqliteError::corrupt(number, "is used twice"));
        }
        let page = self.page(number)?;
        match page.get(start_of(number)) {
            Some(0x05) => Ok((page, Kind::Interior)),
            Some(0x0d) => Ok((page, Kind::Leaf)),
            other => Err(SqliteError::corrupt(number, format!("b-tree type {other:?}, 5 or 13 for a table"))),
        }
    }

    /// The row whose cell starts at `at`; takes its bytes from the `room` that the page's cells have.
    fn row(
        &mut self,
        number: u32,
        page: &[u8],
        at: usize,
        room: &mut usize,
        seen: &mut HashSet<u32>,
    ) -> Result<Row, SqliteError> {
        let short = || SqliteError::corrupt(number, format!("the cell at {at} passes the page's end"));
        let content = page.get(..self.usable as usize).ok_or_else(short)?;
        let cell = content.get(at..).ok_or_else(short)?;
        let (len, rest) = record::varint(cell).ok_or_else(short)?;
        let (id, rest) = record::varint(rest).ok_or_else(short)?;
        if len > MAX_ROW {
            return Err(SqliteError::Limit(format!(
                "page {number}: a row of {len} bytes, at most {MAX_ROW} are read"
            )));
        }
        let local = self.local(len) as usize;
        let local_bytes = rest.get(..local).ok_or_else(short)?;
        *room = room
            .checked_sub(local)
            .ok_or_else(|| SqliteError::corrupt(number, format!("the cell at {at} lies in others")))?;
        let mut payload = local_bytes.to_vec();
        let mut left = len as usize - local;
        let mut next = if left > 0 { u32_at(rest, local).ok_or_else(short)? } else { 0 };
        // Section 1.6.1, "Cell Payload Overflow Pages".
        while left > 0 {
            if !seen.insert(next) {
                return Err(SqliteError::corrupt(number, format!("overflow page {next} is used twice")));
            }
            let page = self.page(next)?;
            let part = page.get(4..self.usable as usize).unwrap_or_default();
            let part = &part[..part.len().min(left)];
            payload.extend_from_slice(part);
            left -= part.len();
            next = u32_at(&page, 0).unwrap_or(0);
        }
        Ok(Row { id: id as i64, payload, page: number, encoding: self.encoding })
    }

    /// Bytes of a row of `len` that its cell holds itself (section 1.6, "the amount of payload …").
    fn local(&self, len: u64) -> u64 {
        let usable = u64::from(self.usable);
        let most = usable - 35;
        if len <= most {
            return len;
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let fitting = least + (len - least) % (usable - 4);
        if fitting <= most { fitting } else { least }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Interior,
    Leaf,
}

/// Where a page's b-tree header starts: page 1 begins with the database's.
fn start_of(number: u32) -> usize {
    if number == 1 { 100 } else { 0 }
}

/// Where the cells of a page start, from the array after a header of `header` bytes.
fn cells(number: u32, page: &[u8], header: usize) -> Vec<Result<usize, SqliteError>> {
    let start = start_of(number);
    let count = u16_at(page, start + 3).unwrap_or(0);
    (0..usize::from(count))
        .map(|index| {
            let at = u16_at(page, start + header + 2 * index).map(usize::from);
            at.ok_or_else(|| SqliteError::corrupt(number, format!("{count} cells pass the page's end")))
        })
        // One error tells of a count that cannot be.
        .scan(false, |failed, cell| {
            let before = std::mem::replace(failed, cell.is_err());
            (!before).then_some(cell)
        })
        .collect()
}

fn children(number: u32, page: &[u8]) -> Vec<Result<u32, SqliteError>> {
    let child = |at: usize| {
        u32_at(page, at)
            .ok_or_else(|| SqliteError::corrupt(number, format!("the cell at {at} passes the page's end")))
    };
    let mut children: Vec<_> = cells(number, page, 12).into_iter().map(|cell| cell.and_then(child)).collect();
    children.push(child(start_of(number) + 8));
    children
}

/// The root page that a row of the schema gives for the table `name`.
fn schema_entry(row: &Row, name: &str) -> Result<Option<u32>, SqliteError> {
    let values = row.values()?;
    let [kind, own, _, root, ..] = values.as_slice() else {
        return Err(SqliteError::corrupt(row.page, "a schema row with too few columns"));
    };
    // Names of tables are compared without regard to case.
    let is =
        |value: &Value<'_>, text: &str| value.text().is_some_and(|value| value.eq_ignore_ascii_case(text));
    if !is(kind, "table") || !is(own, name) {
        return Ok(None);
    }
    let root = root.integer().and_then(|root| u32::try_from(root).ok());
    root.map(Some).ok_or_else(|| SqliteError::corrupt(row.page, format!("table {name} has no root page")))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
