//! Source: vercmp(8), and pacman's `lib/libalpm/version.c` (as documentation).

use super::{epoch, numeric, run};
use std::cmp::Ordering;

/// Epoch, version, release; the release counts only where both have one.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let ((left_epoch, left), (right_epoch, right)) = (epoch(left), epoch(right));
    let (left, left_release) = split(left);
    let (right, right_release) = split(right);
    let zero = |epoch: &'_ str| if epoch.is_empty() { "0".to_owned() } else { epoch.to_owned() };
    numeric(zero(left_epoch).as_bytes(), zero(right_epoch).as_bytes())
        .then_with(|| part(left.as_bytes(), right.as_bytes()))
        .then_with(|| match (left_release, right_release) {
            (Some(left), Some(right)) => part(left.as_bytes(), right.as_bytes()),
            _ => Ordering::Equal,
        })
}

/// The version and, after the last dash, the release.
fn split(version: &str) -> (&str, Option<&str>) {
    version.rsplit_once('-').map_or((version, None), |(version, release)| (version, Some(release)))
}

fn part(left: &[u8], right: &[u8]) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    let (mut one, mut two) = (left, right);
    while !one.is_empty() && !two.is_empty() {
        let separates = |byte: u8| !byte.is_ascii_alphanumeric();
        let ((one_gap, one_rest), (two_gap, two_rest)) = (run(one, separates), run(two, separates));
        (one, two) = (one_rest, two_rest);
        if one.is_empty() || two.is_empty() {
            break;
        }
        if one_gap.len() != two_gap.len() {
            return one_gap.len().cmp(&two_gap.len());
        }
        let is_number = one[0].is_ascii_digit();
        let is = |byte: u8| if is_number { byte.is_ascii_digit() } else { byte.is_ascii_alphabetic() };
        let ((one_segment, one_rest), (two_segment, two_rest)) = (run(one, is), run(two, is));
        if two_segment.is_empty() {
            return if is_number { Ordering::Greater } else { Ordering::Less };
        }
        let order = if is_number { numeric(one_segment, two_segment) } else { one_segment.cmp(two_segment) };
        if order.is_ne() {
            return order;
        }
        (one, two) = (one_rest, two_rest);
    }
    // Letters that are left over make a version older: 1.0beta comes before 1.0.
    let letter = |rest: &[u8]| rest.first().is_some_and(u8::is_ascii_alphabetic);
    match (one.is_empty(), two.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) if !letter(two) => Ordering::Less,
        _ if letter(one) => Ordering::Less,
        _ => Ordering::Greater,
    }
}
