//! Source: deb-version(7), "Sorting algorithm".

use super::{numeric, run};
use std::cmp::Ordering;

/// Epoch, upstream version, revision. A version without a revision has revision 0.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let ((left_epoch, left), (right_epoch, right)) = (epoch(left.trim()), epoch(right.trim()));
    let parts = |version: &'_ str| match version.rsplit_once('-') {
        Some((upstream, revision)) => (upstream.to_owned(), revision.to_owned()),
        None => (version.to_owned(), String::new()),
    };
    let ((left, left_revision), (right, right_revision)) = (parts(left), parts(right));
    numeric(left_epoch.as_bytes(), right_epoch.as_bytes())
        .then_with(|| part(left.as_bytes(), right.as_bytes()))
        .then_with(|| part(left_revision.as_bytes(), right_revision.as_bytes()))
}

/// Unlike elsewhere, what follows the epoch's colon must be something.
fn epoch(version: &str) -> (&str, &str) {
    match super::epoch(version) {
        (_, "") => ("", version),
        split => split,
    }
}

/// Runs of other bytes and runs of digits take turns.
fn part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    while !(left.is_empty() && right.is_empty()) {
        let ((left_text, left_rest), (right_text, right_rest)) =
            (run(left, |byte| !byte.is_ascii_digit()), run(right, |byte| !byte.is_ascii_digit()));
        for index in 0..left_text.len().max(right_text.len()) {
            let order = weight(left_text.get(index)).cmp(&weight(right_text.get(index)));
            if order.is_ne() {
                return order;
            }
        }
        let ((left_number, left_rest), (right_number, right_rest)) =
            (run(left_rest, |byte| byte.is_ascii_digit()), run(right_rest, |byte| byte.is_ascii_digit()));
        let order = numeric(left_number, right_number);
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

/// A tilde goes before the end, letters after it, everything else after letters.
fn weight(byte: Option<&u8>) -> i32 {
    match byte {
        None => 0,
        Some(b'~') => -1,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(other) => i32::from(*other) + 256,
    }
}
