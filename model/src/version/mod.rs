//! The order of versions, as each ecosystem's own tools have it.
//!
//! One file an ecosystem. None of them refuses a text: what is no version of its ecosystem still has a place, so that
//! rows of a damaged database can be sorted and filtered.

mod apk;
mod deb;
mod filter;
mod gem;
mod maven;
mod pacman;
mod pep440;
mod rpm;
mod semver;

pub use filter::{FilterError, VersionFilter};

use crate::package::PackageType;
use std::cmp::Ordering;

/// Compares two versions of packages of one type. Types whose tools have no order of their own (Windows' programs,
/// revisions of snaps and the like) are compared as rpm would: digits as numbers, letters as letters.
pub fn compare(kind: PackageType, left: &str, right: &str) -> Ordering {
    match kind {
        PackageType::Deb | PackageType::Opkg => deb::compare(left, right),
        PackageType::Apk => apk::compare(left, right),
        PackageType::Pacman => pacman::compare(left, right),
        PackageType::Npm | PackageType::Cargo | PackageType::Golang | PackageType::Composer => {
            semver::compare(left, right)
        }
        PackageType::Nuget => semver::compare_nuget(left, right),
        PackageType::Pypi => pep440::compare(left, right),
        PackageType::Gem => gem::compare(left, right),
        PackageType::Maven => maven::compare(left, right),
        _ => rpm::compare(left, right),
    }
}

/// Compares runs of ASCII digits of any length as numbers.
fn numeric(left: &[u8], right: &[u8]) -> Ordering {
    let significant = |digits: &[u8]| digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    let (left, right) = (&left[significant(left)..], &right[significant(right)..]);
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// The longest start of `text` whose bytes are all so, and the rest.
fn run(text: &[u8], is: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    text.split_at(text.iter().position(|byte| !is(*byte)).unwrap_or(text.len()))
}

/// `epoch:` before a version, if what stands before the first colon is a number; none is an epoch of zero.
fn epoch(version: &str) -> (&str, &str) {
    match version.split_once(':') {
        Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch, rest),
        _ => ("", version),
    }
}

#[cfg(test)]
mod tests;
