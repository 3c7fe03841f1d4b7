//! Taking messages apart. Messages are short: setting up a search of many bytes would take longer than the search.

/// A whole number of digits alone.
pub(in crate::logins) fn number(text: &[u8]) -> Option<u32> {
    let digit = |number: u32, byte: &u8| {
        number.checked_mul(10)?.checked_add(byte.is_ascii_digit().then(|| byte - b'0')?.into())
    };
    if text.is_empty() { None } else { text.iter().try_fold(0, digit) }
}

/// What follows `key`, up to a space, a comma or a semicolon; nothing where the key is missing.
pub(super) fn value<'a>(text: &'a [u8], key: &[u8]) -> &'a [u8] {
    let Some((_, rest)) = split(text, key) else { return &[] };
    let end = rest.iter().position(|byte| matches!(byte, b' ' | b',' | b';')).unwrap_or(rest.len());
    &rest[..end]
}

/// `text` up to the first space.
pub(super) fn word(text: &[u8]) -> &[u8] {
    until(text, b' ')
}

/// `text` up to the first `end`, or all of it.
pub(super) fn until(text: &[u8], end: u8) -> &[u8] {
    &text[..memchr::memchr(end, text).unwrap_or(text.len())]
}

/// `'text'` without its quotes; text without quotes as it is.
pub(super) fn unquote(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"'").map_or(text, |rest| until(rest, b'\''))
}

/// What stands before and after the first `mark`.
pub(super) fn split<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let first = *mark.first()?;
    let at = memchr::memchr_iter(first, text).find(|at| text[*at..].starts_with(mark))?;
    Some((&text[..at], &text[at + mark.len()..]))
}

/// What stands before and after the last `mark`, which is no more than a word in spaces.
#[inline]
pub(super) fn rsplit<'a, const N: usize>(text: &'a [u8], mark: &[u8; N]) -> Option<(&'a [u8], &'a [u8])> {
    // Spaces are everywhere: the word's last letter is looked for.
    let last = const { N.saturating_sub(2) };
    let letter = *mark.get(last)?;
    let is_there = |at: &usize| text.get(at - last..).is_some_and(|rest| rest.starts_with(mark));
    let at = memchr::memrchr_iter(letter, text).filter(|at| *at >= last).find(is_there)? - last;
    Some((&text[..at], &text[at + N..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_last_mark_parts_a_text(text in "[ byx:]{0,12}") {
            fn check<const N: usize>(text: &[u8], mark: &[u8; N]) {
                let at = text.windows(N).rposition(|part| part == mark);
                assert_eq!(rsplit(text, mark), at.map(|at| (&text[..at], &text[at + N..])));
            }
            check(text.as_bytes(), b" by ");
            check(text.as_bytes(), b" ");
            check(text.as_bytes(), b":");
            check(text.as_bytes(), b"y ");
        }
    }
}
