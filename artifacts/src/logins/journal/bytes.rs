//! Bytes of a journal: a window that moves over the file once, and pages behind it.

use super::JournalError;
use crate::{
    logins::bytes_at,
    view::{FileView, ViewError},
};
use coldread_model::ByteRange;

/// Bytes that the window holds.
const WINDOW: usize = 1 << 20;

/// Bytes of a page behind the window, and how many of them are kept.
const PAGE: usize = 16 << 10;
const PAGES: usize = 64;

/// Reads of pages: so many for each page of the file, and some more. A journal's entries point to few places
/// behind them again and again.
const READS_PER_PAGE: u64 = 64;

/// Reads of pages of one file, however long it is.
const MAX_READS: u64 = 1 << 20;

/// Places of one file that the source cannot read; of more it is given up.
const MAX_BAD: usize = 1024;

pub(super) struct Bytes<'a> {
    view: &'a mut dyn FileView,
    window: Vec<u8>,
    start: u64,
    pages: Vec<(u64, Vec<u8>)>,
    scratch: Vec<u8>,
    reads_left: u64,
    /// What the source could not read, in order, with its words: it is not asked for it again.
    bad: Vec<(ByteRange, String)>,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(view: &'a mut dyn FileView) -> Self {
        let reads_left =
            (view.len() / PAGE as u64).saturating_add(1).saturating_mul(READS_PER_PAGE).min(MAX_READS);
        let pages = vec![(u64::MAX, Vec::new()); PAGES];
        Self { view, window: Vec::new(), start: 0, pages, scratch: Vec::new(), reads_left, bad: Vec::new() }
    }

    pub(super) fn len(&self) -> u64 {
        self.view.len()
    }

    /// The first place from `at` on where data is, not a hole; `None` after the last.
    pub(super) fn data_from(&self, at: u64) -> Option<u64> {
        let segments = self.view.data_segments();
        let next = segments.partition_point(|segment| segment.end() <= at);
        segments.get(next).map(|segment| segment.start.max(at))
    }

    /// `len` bytes from `at`, fewer at the file's end; the window moves there if need be. At most half a
    /// window may be asked for.
    pub(super) fn ahead(&mut self, at: u64, len: usize) -> Result<&[u8], JournalError> {
        if self.held(at, len).is_none() {
            let mut window = std::mem::take(&mut self.window);
            window.resize(WINDOW, 0);
            self.start = at;
            let mut got = self.read(at, &mut window);
            // What cannot be read may lie behind what is asked for; a source may tell the last such place first.
            let wanted = at.saturating_add(len as u64);
            while let Err(JournalError::View(ViewError::Io { range, .. })) = &got
                && (wanted..at.saturating_add(window.len() as u64)).contains(&range.start)
            {
                window.truncate((range.start - at) as usize);
                got = self.read(at, &mut window);
            }
            window.truncate(got.as_ref().map_or(0, |got| *got));
            self.window = window;
            got?;
        }
        let from = (at - self.start) as usize;
        let rest = self.window.get(from..).unwrap_or_default();
        Ok(&rest[..len.min(rest.len())])
    }

    /// Fills `out` from `at`, and says how many bytes there were.
    fn read(&mut self, at: u64, out: &mut [u8]) -> Result<usize, JournalError> {
        if let Some(error) = self.known_bad(ByteRange::new(at, out.len() as u64)) {
            return Err(error.into());
        }
        let read = self.view.read_at(at, out);
        if let Err(ViewError::Io { range, reason }) = &read {
            if self.bad.len() >= MAX_BAD {
                return Err(JournalError::Full(format!("more than {MAX_BAD} places that cannot be read")));
            }
            let place = self.bad.partition_point(|(bad, _)| bad.start <= range.start);
            self.bad.insert(place, (*range, reason.clone()));
        }
        Ok(read?)
    }

    /// Why bytes cannot be had of which some could not be before.
    fn known_bad(&self, wanted: ByteRange) -> Option<ViewError> {
        let (range, reason) = self.bad.iter().find(|(bad, _)| !bad.intersect(wanted).is_empty())?;
        Some(ViewError::Io { range: *range, reason: reason.clone() })
    }

    /// Whether all could be read so far.
    pub(super) fn is_whole(&self) -> bool {
        self.bad.is_empty()
    }

    /// Whether this byte could not be read.
    pub(super) fn is_bad(&self, at: u64) -> bool {
        let before = self.bad.partition_point(|(range, _)| range.start <= at);
        before.checked_sub(1).and_then(|place| self.bad.get(place)).is_some_and(|(range, _)| at < range.end())
    }

    /// What the window holds of `len` bytes from `at`: all of them, or those up to the file's end.
    pub(super) fn held(&self, at: u64, len: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        let rest = self.window.get(from..)?;
        let reaches_end = self.start + self.window.len() as u64 >= self.view.len();
        if rest.len() >= len { Some(&rest[..len]) } else { (reaches_end && !rest.is_empty()).then_some(rest) }
    }

    /// `len` bytes from `at`, fewer at the file's end, without moving the window.
    pub(super) fn anywhere(&mut self, at: u64, len: usize) -> Result<&[u8], JournalError> {
        // Asked twice: the borrow checker does not let go of what was returned early.
        if self.held(at, len).is_some() {
            return Ok(self.held(at, len).unwrap_or_default());
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        while scratch.len() < len {
            let next = at.saturating_add(scratch.len() as u64);
            let page = self.page(next / PAGE as u64)?;
            let rest = page.get((next % PAGE as u64) as usize..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            scratch.extend_from_slice(&rest[..rest.len().min(len - scratch.len())]);
        }
        self.scratch = scratch;
        Ok(&self.scratch)
    }

    fn page(&mut self, number: u64) -> Result<&[u8], JournalError> {
        let place = (number % PAGES as u64) as usize;
        if self.pages[place].0 != number {
            let start = number.saturating_mul(PAGE as u64);
            if let Some(error) = self.known_bad(ByteRange::new(start, PAGE as u64)) {
                return Err(error.into());
            }
            let (held, bytes) = &mut self.pages[place];
            let left = self.reads_left.checked_sub(1);
            self.reads_left =
                left.ok_or_else(|| JournalError::Full("too many references to far places".into()))?;
            *held = u64::MAX;
            let mut page = std::mem::take(bytes);
            page.resize(PAGE, 0);
            let got = self.read(start, &mut page)?;
            page.truncate(got);
            self.pages[place] = (number, page);
        }
        Ok(&self.pages[place].1)
    }

    /// The number of 64 bits at `at`; zero past the end.
    pub(super) fn u64_at(&mut self, at: u64) -> Result<u64, JournalError> {
        Ok(u64::from_le_bytes(bytes_at(self.anywhere(at, 8)?, 0)))
    }
}
