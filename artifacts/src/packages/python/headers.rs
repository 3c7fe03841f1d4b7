//! The headers of a package's metadata: lines `Key: value` up to the first empty one; what follows is its README.

use crate::{
    lines::{Lines, StreamError, ViewReader},
    view::FileView,
};
use coldread_model::ByteRange;

/// Lines that headers may have: packages with thousands of classifiers and requirements there are not.
const MAX_LINES: usize = 64 << 10;
/// Bytes of a file among which they are: a line has no bound of its own, and a hole has no line.
const MAX_BYTES: u64 = 16 << 20;

/// What is read of them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Headers {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) author: Option<String>,
}

/// Reads the headers. Of a key that comes twice the first counts, as for Python's `email` module.
pub(super) fn read(view: &mut dyn FileView) -> Result<Headers, StreamError> {
    let mut headers = Headers::default();
    let mut author_email = None;
    let size = view.len();
    let mut lines = Lines::new(ViewReader::new(view, ByteRange::new(0, size.min(MAX_BYTES))), 0);
    for count in 0.. {
        let Some(line) = lines.next_line()? else {
            if size > MAX_BYTES {
                return Err(StreamError::Limit(format!("more than {MAX_BYTES} bytes of headers")));
            }
            break;
        };
        if count >= MAX_LINES {
            return Err(StreamError::Limit(format!("more than {MAX_LINES} lines of headers")));
        }
        let text = line.bytes.trim_ascii_end();
        if text.is_empty() {
            break;
        }
        let Some(colon) = memchr::memchr(b':', text) else { continue };
        let place = match &text[..colon].to_ascii_lowercase()[..] {
            b"name" => &mut headers.name,
            b"version" => &mut headers.version,
            b"author" => &mut headers.author,
            b"author-email" => &mut author_email,
            _ => continue,
        };
        let value = String::from_utf8_lossy(text[colon + 1..].trim_ascii()).into_owned();
        // setuptools wrote this where it knew nothing.
        let known = Some(value).filter(|value| !value.is_empty() && value != "UNKNOWN");
        *place = place.take().or(known);
    }
    headers.author = headers.author.or(author_email);
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::ViewError;
    use coldread_model::GapKind;

    /// A file of an exabyte in one line.
    struct Endless(u64);
    impl FileView for Endless {
        fn len(&self) -> u64 {
            1 << 60
        }
        fn data_segments(&self) -> &[ByteRange] {
            &[]
        }
        fn read_at(&mut self, _: u64, out: &mut [u8]) -> Result<usize, ViewError> {
            self.0 += out.len() as u64;
            out.fill(0);
            Ok(out.len())
        }
    }

    #[test]
    fn a_line_without_an_end_has_one() {
        let mut view = Endless(0);
        assert_eq!(read(&mut view).unwrap_err().gap_kind(), GapKind::Limit);
        assert!(view.0 <= MAX_BYTES, "{} bytes read", view.0);
    }
}
