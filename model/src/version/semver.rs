//! Sources: "Semantic Versioning 2.0.0", section 11; Microsoft Learn, "NuGet package versioning", "Version basics".

use super::numeric;
use std::cmp::Ordering;

/// A version's numbers and its labels before a release; what follows a `+` does not count.
fn split(version: &str) -> (&str, Option<&str>) {
    let version = version.trim().trim_start_matches(['v', 'V', '=']).trim_start();
    let version = version.split_once('+').map_or(version, |(version, _)| version);
    version.split_once('-').map_or((version, None), |(numbers, labels)| (numbers, Some(labels)))
}

/// As npm, cargo and go have it. Numbers that are missing are zeros.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    by(left, right, std::cmp::Ord::cmp)
}

/// As NuGet has it: labels without regard to case, up to four numbers.
pub(super) fn compare_nuget(left: &str, right: &str) -> Ordering {
    by(left, right, |left, right| left.to_ascii_uppercase().cmp(&right.to_ascii_uppercase()))
}

fn by(left: &str, right: &str, texts: fn(&str, &str) -> Ordering) -> Ordering {
    let ((left, left_labels), (right, right_labels)) = (split(left), split(right));
    let mut numbers = (left.split('.'), right.split('.'));
    loop {
        match (numbers.0.next(), numbers.1.next()) {
            (None, None) => break,
            (left, right) => {
                let order = identifiers(left.unwrap_or("0"), right.unwrap_or("0"), texts);
                if order.is_ne() {
                    return order;
                }
            }
        }
    }
    let (Some(left), Some(right)) = (left_labels, right_labels) else {
        // A release goes after everything before it.
        return left_labels.is_none().cmp(&right_labels.is_none());
    };
    let mut labels = (left.split('.'), right.split('.'));
    loop {
        match (labels.0.next(), labels.1.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => {
                let order = identifiers(left, right, texts);
                if order.is_ne() {
                    return order;
                }
            }
        }
    }
}

/// Numbers as numbers, before all texts.
fn identifiers(left: &str, right: &str, texts: fn(&str, &str) -> Ordering) -> Ordering {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match (is_number(left), is_number(right)) {
        (true, true) => numeric(left.as_bytes(), right.as_bytes()),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => texts(left, right),
    }
}
