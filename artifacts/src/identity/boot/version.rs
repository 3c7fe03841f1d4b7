//! The order of versions by which menus of boot loaders are sorted.
//!
//! Source: UAPI.10 "Version Format Specification", section "Version Comparison".

use std::cmp::Ordering;

/// Compares two versions, of which an absent one is empty.
pub fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        (one, other) = (meaning(one), meaning(other));
        if let Some(order) = marked(b'~', &mut one, &mut other) {
            return order;
        }
        if one.is_empty() || other.is_empty() {
            return one.len().min(1).cmp(&other.len().min(1));
        }
        for mark in [b'-', b'^', b'.'] {
            if let Some(order) = marked(mark, &mut one, &mut other) {
                return order;
            }
        }
        let is_digit = |text: &[u8]| text.first().is_some_and(u8::is_ascii_digit);
        let order = if is_digit(one) || is_digit(other) {
            let (left, right) = (taken(&mut one, u8::is_ascii_digit), taken(&mut other, u8::is_ascii_digit));
            // None at all is less than nought.
            (!left.is_empty()).cmp(&!right.is_empty()).then_with(|| number(left).cmp(&number(right)))
        } else {
            taken(&mut one, u8::is_ascii_alphabetic).cmp(taken(&mut other, u8::is_ascii_alphabetic))
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// What follows characters that only part others.
fn meaning(text: &[u8]) -> &[u8] {
    let means = |byte: &u8| byte.is_ascii_alphanumeric() || b"-.~^".contains(byte);
    &text[text.iter().position(means).unwrap_or(text.len())..]
}

/// Passes over a mark in both; the one that alone has it is less.
fn marked(mark: u8, one: &mut &[u8], other: &mut &[u8]) -> Option<Ordering> {
    match (one.strip_prefix(&[mark]), other.strip_prefix(&[mark])) {
        (None, None) => None,
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (Some(left), Some(right)) => {
            (*one, *other) = (left, right);
            None
        }
    }
}

/// Takes the characters of a kind from the start.
fn taken<'t>(text: &mut &'t [u8], is: impl Fn(&u8) -> bool) -> &'t [u8] {
    let (start, rest) = text.split_at(text.iter().position(|byte| !is(byte)).unwrap_or(text.len()));
    *text = rest;
    start
}

/// What compares as the number does, of any length.
fn number(digits: &[u8]) -> (usize, &[u8]) {
    let digits = &digits[digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len())..];
    (digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_in_their_order() {
        // As the specification lists them.
        let sorted = [
            "122.1",
            "123~rc1-1",
            "123",
            "123-a",
            "123-a.1",
            "123-1",
            "123-1.1",
            "123^post1",
            "123.a-1",
            "123.1-1",
            "123a-1",
            "124-1",
        ];
        for (place, one) in sorted.iter().enumerate() {
            for (index, other) in sorted.iter().enumerate() {
                assert_eq!(compare(one, other), place.cmp(&index), "{one} {other}");
            }
        }
        for (one, other, expected) in [
            ("", "~", Ordering::Greater),
            ("01", "1", Ordering::Equal),
            ("1+2_3", "1_2é3", Ordering::Equal),
            ("1.a", "1.0a", Ordering::Less),
            ("~~", "~", Ordering::Greater),
            ("1-_1", "1-1", Ordering::Less),
            ("a", "A", Ordering::Greater),
            ("99999999999999999999999999", "100000000000000000000000000", Ordering::Less),
        ] {
            assert_eq!(compare(one, other), expected, "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn turned_round_the_order_is_the_reverse(one in "[0-2aB~^._é-]{0,8}", other in "[0-2aB~^._é-]{0,8}") {
            prop_assert_eq!(compare(&one, &other), compare(&other, &one).reverse());
            prop_assert_eq!(compare(&one, &one), Ordering::Equal);
        }
    }
}
