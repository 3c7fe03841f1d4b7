//! Source: rpm's manual, "RPM version comparison" (docs/man/rpm-version.7), and `rpmio/rpmvercmp.cc` (as
//! documentation).

use super::{epoch, numeric, run};
use std::cmp::Ordering;

/// Epoch, version, release. A version without a release goes before the same with one.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let ((left_epoch, left), (right_epoch, right)) = (epoch(left), epoch(right));
    let release = |version: &'_ str| match version.rsplit_once('-') {
        Some((version, release)) => (version.to_owned(), Some(release.to_owned())),
        None => (version.to_owned(), None),
    };
    let ((left, left_release), (right, right_release)) = (release(left), release(right));
    numeric(left_epoch.as_bytes(), right_epoch.as_bytes())
        .then_with(|| part(left.as_bytes(), right.as_bytes()))
        .then_with(|| match (&left_release, &right_release) {
            (Some(left), Some(right)) => part(left.as_bytes(), right.as_bytes()),
            (left, right) => left.is_some().cmp(&right.is_some()),
        })
}

/// Segments of digits or of letters; `~` goes before everything, `^` after the end and before everything else.
pub(super) fn part(mut left: &[u8], mut right: &[u8]) -> Ordering {
    let separates = |byte: u8| !byte.is_ascii_alphanumeric() && byte != b'~' && byte != b'^';
    while !(left.is_empty() && right.is_empty()) {
        (left, right) = (run(left, separates).1, run(right, separates).1);
        match (left.first(), right.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (left, right) = (&left[1..], &right[1..]);
                continue;
            }
            (Some(b'~'), _) | (None, Some(b'^')) => return Ordering::Less,
            (_, Some(b'~')) | (Some(b'^'), None) => return Ordering::Greater,
            (Some(b'^'), _) => return Ordering::Less,
            (_, Some(b'^')) => return Ordering::Greater,
            (None, _) | (_, None) => break,
            _ => {}
        }
        let is_number = left[0].is_ascii_digit();
        let is = |byte: u8| if is_number { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
        let ((left_segment, left_rest), (right_segment, right_rest)) = (run(left, is), run(right, is));
        if right_segment.is_empty() {
            // A number goes after letters.
            return if is_number { Ordering::Greater } else { Ordering::Less };
        }
        let order =
            if is_number { numeric(left_segment, right_segment) } else { left_segment.cmp(right_segment) };
        if order.is_ne() {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    left.is_empty().cmp(&right.is_empty()).reverse()
}
