//! Source: Python Packaging User Guide, "Version specifiers" (PEP 440), "Version scheme" and "Appendix: Parsing
//! version strings with regular expressions".

use super::{numeric, run};
use std::cmp::Ordering;

/// A number of any length.
#[derive(Clone, Debug, Default)]
struct Number(Vec<u8>);

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        numeric(&self.0, &other.0)
    }
}
impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Number {}

/// A part that may be missing, which then stands before or after all there are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<T> {
    Before,
    Is(T),
    After,
}

/// A part of a local version: texts go before numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Local {
    Text(Vec<u8>),
    Number(Number),
}

/// Ordered as versions are, field by field.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    epoch: Number,
    /// Without zeros at its end.
    release: Vec<Number>,
    /// `a`, `b` or `rc` and its number.
    pre: Part<(u8, Number)>,
    post: Part<Number>,
    dev: Part<Number>,
    local: Part<Vec<Local>>,
}

/// What is no version goes before all that are.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let texts = || super::rpm::part(left.as_bytes(), right.as_bytes());
    match (parse(left), parse(right)) {
        (Some(one), Some(two)) => one.cmp(&two),
        (one, two) => one.is_some().cmp(&two.is_some()).then_with(texts),
    }
}

fn number(text: &[u8]) -> Option<(Number, &[u8])> {
    let (digits, rest) = run(text, |byte| byte.is_ascii_digit());
    (!digits.is_empty()).then(|| (Number(digits.to_vec()), rest))
}

/// `.`, `-` or `_`, if there is one.
fn separator(text: &[u8]) -> &[u8] {
    text.strip_prefix(b".")
        .or_else(|| text.strip_prefix(b"-"))
        .or_else(|| text.strip_prefix(b"_"))
        .unwrap_or(text)
}

/// One of the words with its number, separators around it; a missing number is 0. Longer words come first.
fn worded<'a>(text: &'a [u8], words: &[&str]) -> Option<(usize, Number, &'a [u8])> {
    let from = separator(text);
    let at = words.iter().position(|word| from.starts_with(word.as_bytes()))?;
    let rest = &from[words[at].len()..];
    let (number, rest) = number(separator(rest)).unwrap_or((Number::default(), rest));
    Some((at, number, rest))
}

/// Words for versions before a release: alpha, beta and candidates, two, two and four of them.
const PRE: [&str; 8] = ["alpha", "a", "beta", "b", "preview", "pre", "c", "rc"];

fn parse(text: &str) -> Option<Version> {
    let text = text.trim().to_ascii_lowercase();
    let mut rest = text.as_bytes();
    rest = rest.strip_prefix(b"v").unwrap_or(rest);
    let (mut first, mut after) = number(rest)?;
    let mut epoch = Number::default();
    if let Some(release) = after.strip_prefix(b"!") {
        epoch = first;
        (first, after) = number(release)?;
    }
    let mut release = vec![first];
    while let Some((next, more)) = after.strip_prefix(b".").and_then(number) {
        release.push(next);
        after = more;
    }
    while release.last() == Some(&Number::default()) {
        release.pop();
    }
    let mut pre = None;
    if let Some((at, number, more)) = worded(after, &PRE) {
        pre = Some((
            if at < 2 {
                b'a'
            } else if at < 4 {
                b'b'
            } else {
                b'r'
            },
            number,
        ));
        after = more;
    }
    let mut post = None;
    if let Some((number, more)) = after.strip_prefix(b"-").and_then(number) {
        (post, after) = (Some(number), more);
    } else if let Some((_, number, more)) = worded(after, &["post", "rev", "r"]) {
        (post, after) = (Some(number), more);
    }
    let mut dev = None;
    if let Some((_, number, more)) = worded(after, &["dev"]) {
        (dev, after) = (Some(number), more);
    }
    let mut local = None;
    if let Some(text) = after.strip_prefix(b"+") {
        let mut parts = Vec::new();
        for part in text.split(|byte| matches!(byte, b'.' | b'-' | b'_')) {
            if part.is_empty() || !part.iter().all(u8::is_ascii_alphanumeric) {
                return None;
            }
            parts.push(match number(part) {
                Some((number, [])) => Local::Number(number),
                _ => Local::Text(part.to_vec()),
            });
        }
        (local, after) = (Some(parts), &[]);
    }
    if !after.is_empty() {
        return None;
    }
    Some(Version {
        epoch,
        release,
        pre: match (pre, &post, &dev) {
            (Some(pre), ..) => Part::Is(pre),
            // 1.dev0 goes before 1a0.
            (None, None, Some(_)) => Part::Before,
            (None, ..) => Part::After,
        },
        post: post.map_or(Part::Before, Part::Is),
        dev: dev.map_or(Part::After, Part::Is),
        local: local.map_or(Part::Before, Part::Is),
    })
}
