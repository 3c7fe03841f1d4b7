//! Lines of a text of any length, in bounded memory.

use crate::{
    Output,
    input::Place,
    view::{FileView, ViewError},
};
use coldread_model::{ByteRange, GapKind};
use std::io::Read;

/// Bytes read at a time.
const BUFFER: usize = 256 << 10;

/// The longest line that is handed on whole; of a longer one only so many bytes are.
pub const MAX_LINE: usize = 64 << 10;

/// Why a stream ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The file's bytes could not be had.
    #[error("{0}")]
    View(ViewError),
    /// What was compressed cannot be unpacked.
    #[error("{0}")]
    Corrupt(String),
    /// A compression that is not read.
    #[error("{0}")]
    Unsupported(String),
    /// A bound was reached.
    #[error("{0}")]
    Limit(String),
}

impl StreamError {
    /// The kind of gap that it makes.
    pub const fn gap_kind(&self) -> GapKind {
        match self {
            Self::View(error) => error.gap_kind(),
            Self::Corrupt(_) => GapKind::Corrupt,
            Self::Unsupported(_) => GapKind::Unsupported,
            Self::Limit(_) => GapKind::Limit,
        }
    }
}

impl From<std::io::Error> for StreamError {
    /// What a [`ViewReader`] or a bound passed through a decoder comes back as it was; all else is the decoder's word.
    fn from(error: std::io::Error) -> Self {
        let inner = error.get_ref();
        if let Some(view) = inner.and_then(|inner| inner.downcast_ref::<ViewError>()) {
            return Self::View(view.clone());
        }
        if let Some(stream) = inner.and_then(|inner| inner.downcast_ref::<Self>()) {
            return stream.clone();
        }
        if matches!(inner.and_then(|inner| inner.downcast_ref()), Some(liblzma::stream::Error::MemLimit)) {
            return Self::Limit("xz: needs more memory to unpack than is given".into());
        }
        // The decoder of zstd hands on no more than its library's words; codes of errors are their negatives.
        let text = error.to_string();
        if text == zstd::zstd_safe::get_error_name(ZSTD_WINDOW_TOO_LARGE.wrapping_neg()) {
            return Self::Limit("zstd: needs more memory to unpack than is given".into());
        }
        Self::Corrupt(text)
    }
}

/// The number of `ZSTD_error_frameParameter_windowTooLarge` in `zstd_errors.h`.
const ZSTD_WINDOW_TOO_LARGE: usize = 16;

/// A part of a file as a stream.
pub struct ViewReader<'a> {
    view: &'a mut dyn FileView,
    rest: ByteRange,
}

impl<'a> ViewReader<'a> {
    /// The bytes of `range`.
    pub fn new(view: &'a mut dyn FileView, range: ByteRange) -> Self {
        Self { view, rest: range }
    }

    /// All of it.
    pub fn whole(view: &'a mut dyn FileView) -> Self {
        let range = ByteRange::new(0, view.len());
        Self::new(view, range)
    }
}

impl Read for ViewReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let wanted = usize::try_from(self.rest.len).unwrap_or(usize::MAX).min(out.len());
        if wanted == 0 {
            return Ok(0);
        }
        let got = self.view.read_at(self.rest.start, &mut out[..wanted]).map_err(std::io::Error::other)?;
        let got = got.min(wanted);
        self.rest = ByteRange::new(self.rest.start.saturating_add(got as u64), self.rest.len - got as u64);
        Ok(got)
    }
}

/// One line, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Where it starts, in bytes from the start of the stream.
    pub offset: u64,
    /// Its bytes, at most [`MAX_LINE`]. A `\r` before the end is kept.
    pub bytes: &'a [u8],
    /// Whether more of it was left out.
    pub cut: bool,
}

/// Splits a stream into lines.
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    /// Offset in the stream of `buffer[start]`.
    offset: u64,
    ended: bool,
    /// Inside a line whose beginning was handed on.
    skipping: bool,
}

impl<R: Read> Lines<R> {
    /// The lines of `reader`, the first at `offset`.
    pub fn new(reader: R, offset: u64) -> Self {
        let buffer = vec![0; BUFFER];
        Self { reader, buffer, start: 0, filled: 0, offset, ended: false, skipping: false }
    }

    /// The next line; an error ends the stream.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, StreamError> {
        loop {
            let held = &self.buffer[self.start..self.filled];
            let newline = memchr::memchr(b'\n', held);
            let (len, taken) = match newline {
                Some(at) => (at, at + 1),
                None if self.ended && held.is_empty() => return Ok(None),
                None if self.ended || held.len() >= MAX_LINE => (held.len(), held.len()),
                None => {
                    self.fill()?;
                    continue;
                }
            };
            let (start, offset) = (self.start, self.offset);
            self.start += taken;
            self.offset = self.offset.saturating_add(taken as u64);
            let was_skipping = std::mem::replace(&mut self.skipping, newline.is_none() && !self.ended);
            if was_skipping {
                continue;
            }
            let kept = len.min(MAX_LINE);
            let bytes = &self.buffer[start..start + kept];
            return Ok(Some(Line { offset, bytes, cut: kept < len || self.skipping }));
        }
    }

    /// The next line; an error ends the stream, and is told as a gap of the file at `place`.
    pub fn next_or_gap(
        &mut self,
        place: &Place<'_>,
        structure: &str,
        out: &mut dyn Output,
    ) -> Option<Line<'_>> {
        self.next_line().unwrap_or_else(|error| {
            out.gap(place.stream_gap(structure, &error));
            None
        })
    }

    fn fill(&mut self) -> Result<(), StreamError> {
        self.buffer.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.start = 0;
        loop {
            match self.reader.read(&mut self.buffer[self.filled..]) {
                Ok(0) => self.ended = true,
                Ok(got) => self.filled += got,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MemoryView;
    use proptest::prelude::*;

    /// Gives its bytes in pieces of a fixed size.
    struct Pieces<'a>(&'a [u8], usize);
    impl Read for Pieces<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let len = self.1.min(self.0.len()).min(out.len());
            out[..len].copy_from_slice(&self.0[..len]);
            self.0 = &self.0[len..];
            Ok(len)
        }
    }

    fn all(bytes: &[u8], piece: usize) -> Vec<(u64, Vec<u8>, bool)> {
        let mut lines = Lines::new(Pieces(bytes, piece), 0);
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push((line.offset, line.bytes.to_vec(), line.cut));
        }
        found
    }

    proptest! {
        #[test]
        fn the_same_lines_as_split(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a')], 0..60), piece in 1usize..9) {
            let mut expected = Vec::new();
            let mut offset = 0;
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                expected.push((offset, line.strip_suffix(b"\n").unwrap_or(line).to_vec(), false));
                offset += line.len() as u64;
            }
            prop_assert_eq!(all(&bytes, piece), expected);
        }
    }

    #[test]
    fn of_a_line_that_is_too_long_the_start_is_kept() {
        let mut text = vec![b'x'; MAX_LINE * 9 + 5];
        text.extend(b"\nnext\n");
        text.extend(vec![b'y'; MAX_LINE]);
        text.extend(b"\nlast");
        for piece in [1 << 20, 1000] {
            let lines = all(&text, piece);
            assert_eq!(lines.len(), 4);
            assert!(lines[0].2 && lines[0].1.iter().all(|byte| *byte == b'x'));
            assert_eq!(lines[1], (MAX_LINE as u64 * 9 + 6, b"next".to_vec(), false));
            assert_eq!(lines[2].1.len(), MAX_LINE);
            assert_eq!(lines[3].1, b"last");
        }
    }

    struct Broken;
    impl FileView for Broken {
        fn len(&self) -> u64 {
            9
        }
        fn data_segments(&self) -> &[ByteRange] {
            &[]
        }
        fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<usize, ViewError> {
            Err(ViewError::Unsupported("no".into()))
        }
    }

    #[test]
    fn errors_of_the_view_stay_what_they_are() {
        let error = Lines::new(ViewReader::whole(&mut Broken), 0).next_line().unwrap_err();
        assert_eq!(error.gap_kind(), GapKind::Unsupported);
        let mut view = MemoryView::from(b"a\nb".to_vec());
        let mut lines = Lines::new(ViewReader::new(&mut view, ByteRange::new(2, 9)), 2);
        assert_eq!(lines.next_line().unwrap().map(|line| line.offset), Some(2));
        assert_eq!(lines.next_line().unwrap(), None);
    }
}
