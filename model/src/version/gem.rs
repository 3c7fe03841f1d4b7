//! Source: RubyGems, `Gem::Version` (rubygems' lib/rubygems/version.rb, as documentation).

use super::{numeric, run};
use std::cmp::Ordering;

/// A run of digits or of letters; texts go before numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segment<'a> {
    Text(&'a [u8]),
    Number(&'a [u8]),
}

impl Segment<'_> {
    fn is_zero(&self) -> bool {
        matches!(self, Self::Number(digits) if digits.iter().all(|digit| *digit == b'0'))
    }

    fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Text(left), Self::Text(right)) => left.cmp(right),
            (Self::Number(left), Self::Number(right)) => numeric(left, right),
            (Self::Text(_), Self::Number(_)) => Ordering::Less,
            (Self::Number(_), Self::Text(_)) => Ordering::Greater,
        }
    }
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    // A dash begins a version before the release.
    let (left, right) = (left.trim().replace('-', ".pre."), right.trim().replace('-', ".pre."));
    let (left, right) = (segments(left.as_bytes()), segments(right.as_bytes()));
    let zero = Segment::Number(b"0");
    (0..left.len().max(right.len()))
        .map(|index| {
            let at = |segments: &[Segment<'_>]| segments.get(index).copied().unwrap_or(zero).order(zero);
            match (left.get(index), right.get(index)) {
                (Some(left), Some(right)) => left.order(*right),
                (Some(_), None) => at(&left),
                (None, _) => at(&right).reverse(),
            }
        })
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// The segments, without zeros at the end of the numbers before the first text, nor at the very end.
fn segments(mut text: &[u8]) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut has_text = false;
    while let Some(first) = text.first() {
        let segment = match first {
            b'0'..=b'9' => {
                let (digits, rest) = run(text, |byte| byte.is_ascii_digit());
                text = rest;
                Segment::Number(digits)
            }
            b'a'..=b'z' | b'A'..=b'Z' => {
                let (letters, rest) = run(text, |byte| byte.is_ascii_alphabetic());
                text = rest;
                if !has_text {
                    drop_zeros(&mut segments);
                    has_text = true;
                }
                Segment::Text(letters)
            }
            _ => {
                text = &text[1..];
                continue;
            }
        };
        segments.push(segment);
    }
    drop_zeros(&mut segments);
    segments
}

fn drop_zeros(segments: &mut Vec<Segment<'_>>) {
    while segments.last().is_some_and(Segment::is_zero) {
        segments.pop();
    }
}
