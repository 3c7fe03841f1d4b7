//! Source: apk-tools 2.14, `src/version.c` (as documentation), and apk-package(5), "Version".

use super::run;
use std::cmp::Ordering;

/// The kinds of tokens, in the order in which they may follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token {
    Invalid,
    /// A number after a dot: leading zeros count.
    Fraction,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Revision,
    End,
}

/// Suffixes before the version itself, and those after it.
const BEFORE: [&str; 4] = ["alpha", "beta", "pre", "rc"];
const AFTER: [&str; 5] = ["cvs", "svn", "git", "hg", "p"];

/// The longest number: more digits are no version.
const DIGITS: usize = 17;

struct Tokens<'a> {
    rest: &'a [u8],
    next: Token,
}

impl Tokens<'_> {
    /// The value of the token that comes next.
    fn take(&mut self) -> i64 {
        let kind = self.next;
        if self.rest.is_empty() {
            self.next = Token::End;
            return 0;
        }
        let (value, rest) = match kind {
            Token::Fraction if self.rest[0] == b'0' => {
                let (zeros, rest) = run(self.rest, |byte| byte == b'0');
                (Some(-(zeros.len() as i64)), rest)
            }
            Token::Fraction | Token::Number | Token::SuffixNumber | Token::Revision => {
                let (digits, rest) = run(self.rest, |byte| byte.is_ascii_digit());
                let text = std::str::from_utf8(digits).unwrap_or_default();
                let number = if digits.is_empty() { Some(0) } else { text.parse().ok() };
                (number.filter(|_| digits.len() <= DIGITS), rest)
            }
            Token::Letter => (Some(i64::from(self.rest[0])), &self.rest[1..]),
            Token::Suffix => {
                let starts = |suffixes: &[&'static str]| {
                    suffixes.iter().position(|suffix| self.rest.starts_with(suffix.as_bytes()))
                };
                match (starts(&BEFORE), starts(&AFTER)) {
                    (Some(at), _) => (Some(at as i64 - 4), &self.rest[BEFORE[at].len()..]),
                    (None, Some(at)) => (Some(at as i64), &self.rest[AFTER[at].len()..]),
                    (None, None) => (None, self.rest),
                }
            }
            Token::Invalid | Token::End => (None, self.rest),
        };
        self.rest = rest;
        if let Some(value) = value {
            self.next = match kind {
                // The zeros before a fraction's number are a token of their own; the number follows at once.
                Token::Fraction if value < 0 && rest.first().is_some_and(u8::is_ascii_digit) => Token::Number,
                _ => self.following(kind),
            };
            value
        } else {
            self.next = Token::Invalid;
            -1
        }
    }

    /// The kind of the token after one of `kind`; what only introduces it is passed.
    fn following(&mut self, kind: Token) -> Token {
        let next = match (self.rest, kind) {
            ([], _) => return Token::End,
            ([b'a'..=b'z', ..], Token::Number | Token::Fraction) => Token::Letter,
            ([b'0'..=b'9', ..], Token::Letter) => Token::Number,
            ([b'0'..=b'9', ..], Token::Suffix) => Token::SuffixNumber,
            ([first, rest @ ..], _) => {
                self.rest = rest;
                match first {
                    b'.' => Token::Fraction,
                    b'_' => Token::Suffix,
                    b'-' if rest.first() == Some(&b'r') => {
                        self.rest = &rest[1..];
                        Token::Revision
                    }
                    _ => Token::Invalid,
                }
            }
        };
        let may_go_back = matches!(
            (next, kind),
            (Token::Fraction, Token::Number)
                | (Token::Suffix, Token::SuffixNumber)
                | (Token::Number, Token::Letter)
        );
        if next < kind && !may_go_back { Token::Invalid } else { next }
    }
}

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let mut left = Tokens { rest: left.as_bytes(), next: Token::Number };
    let mut right = Tokens { rest: right.as_bytes(), next: Token::Number };
    let mut order = Ordering::Equal;
    while left.next == right.next && !matches!(left.next, Token::End | Token::Invalid) && order.is_eq() {
        order = left.take().cmp(&right.take());
    }
    if order.is_ne() || left.next == right.next {
        return order;
    }
    // What goes on is newer, unless it goes on as a version before the version.
    if left.next == Token::Suffix && left.take() < 0 {
        return Ordering::Less;
    }
    if right.next == Token::Suffix && right.take() < 0 {
        return Ordering::Greater;
    }
    right.next.cmp(&left.next)
}
