//! Patterns on the names of entries, as systemd-boot reads them.
//!
//! Source: loader.conf(5), `default`: the syntax of glob(7) with `?`, `*` and `[…]` (with ranges), and neither negated
//! sets nor classes; a backslash takes the next character as it is (`efi_fnmatch`, as documentation).

/// A pattern, in small letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// Any characters.
    Star,
    /// One character.
    Any,
    /// This one.
    Literal(char),
    /// One within these ranges.
    Set(Vec<(char, char)>),
}

impl Pattern {
    /// Reads a pattern; none where nothing can fit it: a set that is not closed, a backslash with nothing behind it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text: Vec<char> = text.chars().map(|one| one.to_ascii_lowercase()).collect();
        let (mut tokens, mut at) = (Vec::new(), 0);
        while let Some(&one) = text.get(at) {
            at += 1;
            tokens.push(match one {
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => {
                    at += 1;
                    Token::Literal(*text.get(at - 1)?)
                }
                '[' => {
                    let (set, end) = set(&text, at)?;
                    at = end;
                    Token::Set(set)
                }
                one => Token::Literal(one),
            });
        }
        Some(Self(tokens))
    }

    /// Whether a name in small letters fits.
    pub(super) fn fits(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut place, mut star) = (0, 0, None);
        while place < name.len() {
            match self.0.get(at) {
                Some(Token::Star) => {
                    at += 1;
                    star = Some((at, place));
                }
                Some(token) if token.takes(name[place]) => {
                    at += 1;
                    place += 1;
                }
                // The last `*` takes one character more.
                _ => match &mut star {
                    Some((after, taken)) => {
                        *taken += 1;
                        (at, place) = (*after, *taken);
                    }
                    None => return false,
                },
            }
        }
        self.0[at..].iter().all(|rest| *rest == Token::Star)
    }
}

impl Token {
    fn takes(&self, one: char) -> bool {
        match self {
            Self::Star | Self::Any => true,
            Self::Literal(literal) => *literal == one,
            Self::Set(ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&one)),
        }
    }
}

/// The ranges of a set whose `[` stands before `at`, and the place behind its `]`.
fn set(text: &[char], mut at: usize) -> Option<(Vec<(char, char)>, usize)> {
    let (first, mut ranges, mut may_range) = (at, Vec::new(), false);
    loop {
        match *text.get(at)? {
            // The first one stands for itself.
            ']' if at > first => return Some((ranges, at + 1)),
            // Between two characters, of which the second is not the end of a range before it.
            '-' if may_range && *text.get(at + 1)? != ']' => {
                let low = text[at - 1];
                at += 1;
                if *text.get(at)? == '\\' {
                    at += 1;
                }
                ranges.push((low, *text.get(at)?));
                may_range = false;
            }
            one => {
                let one = if one == '\\' {
                    at += 1;
                    *text.get(at)?
                } else {
                    one
                };
                ranges.push((one, one));
                may_range = true;
            }
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, name: &str) -> bool {
        Pattern::parse(pattern).is_some_and(|pattern| pattern.fits(name))
    }

    #[test]
    fn names_and_patterns() {
        for (pattern, name, expected) in [
            ("debian-*", "debian-6.1.conf", true),
            ("Debian-6.?.1*", "debian-6.9.1.conf", true),
            ("debian-6.9", "debian-6.9.conf", false),
            ("*6*9*1*", "debian-6.9.1.conf", true),
            ("*.conf", "a.conf.conf", true),
            ("a-[0-9].conf", "a-7.conf", true),
            ("a-[0-9].conf", "a-x.conf", false),
            ("a-[xyz]*", "a-y.conf", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            ("[a-c-f]", "e", false),
            ("[a-c-f]", "-", true),
            ("[a-c-f]", "f", true),
            // Neither negation nor classes.
            ("[!a]", "b", false),
            ("[!a]", "!", true),
            ("[\\]x]", "]", true),
            ("[+-\\-]", ",", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("[a", "a", false),
            ("[", "[", false),
            ("a\\", "a\\", false),
            ("", "", true),
            ("**", "", true),
            ("?", "é", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_is_read(pattern in r"[a-c*?\[\]\\-]{0,12}", name in r"[a-c\[\]\\-]{0,12}") {
            fits(&pattern, &name);
            let escaped: String = name.chars().flat_map(|one| ['\\', one]).collect();
            prop_assert!(fits(&escaped, &name));
            let (longer, around) = (format!("*{escaped}?*"), format!("x{name}yz"));
            prop_assert!(fits(&longer, &around));
        }
    }
}
