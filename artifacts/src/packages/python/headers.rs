//! The headers of a package's metadata: lines `Key: value` up to the first empty one; what follows is its README.

use crate::{
    lines::{Lines, StreamError, ViewReader},
    view::FileView,
};

/// Lines that headers may have: packages with thousands of classifiers and requirements there are not.
const MAX_LINES: usize = 64 << 10;

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
    let mut lines = Lines::new(ViewReader::whole(view), 0);
    for count in 0.. {
        let Some(line) = lines.next_line()? else { break };
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
