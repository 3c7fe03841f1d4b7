//! Which versions are asked for: `< 3.0.2`, `>= 1.1, != 1.5`.

use super::compare;
use crate::package::PackageType;
use std::{cmp::Ordering, fmt, str::FromStr};

/// How a version must stand to a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

/// Longer words first, as they are tried in this order.
const RELATIONS: [(&str, Relation); 8] = [
    ("<=", Relation::LessOrEqual),
    (">=", Relation::GreaterOrEqual),
    ("!=", Relation::NotEqual),
    ("==", Relation::Equal),
    ("<<", Relation::Less),
    (">>", Relation::Greater),
    ("<", Relation::Less),
    (">", Relation::Greater),
];

/// Conditions that must all hold. Each package's version is compared as its own ecosystem does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionFilter {
    conditions: Vec<(Relation, String)>,
}

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{condition:?} is no condition on versions such as '< 3.0.2' or '>= 1.1, != 1.5'")]
pub struct FilterError {
    /// The part that is not understood.
    pub condition: String,
}

impl FromStr for VersionFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let conditions = text.split(',').map(|condition| {
            let condition = condition.trim();
            let found = RELATIONS
                .iter()
                .find_map(|(word, relation)| Some((*relation, condition.strip_prefix(word)?)));
            let (relation, bound) = match found {
                Some(found) => found,
                None => (Relation::Equal, condition.strip_prefix('=').unwrap_or(condition)),
            };
            let bound = bound.trim();
            if bound.is_empty()
                || bound.starts_with(['<', '>', '=', '!'])
                || bound.contains(char::is_whitespace)
            {
                return Err(FilterError { condition: condition.to_owned() });
            }
            Ok((relation, bound.to_owned()))
        });
        Ok(Self { conditions: conditions.collect::<Result<_, _>>()? })
    }
}

impl fmt::Display for VersionFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (relation, bound)) in self.conditions.iter().enumerate() {
            let word = RELATIONS.iter().find(|(_, other)| other == relation).map_or("=", |(word, _)| word);
            write!(f, "{}{word} {bound}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl VersionFilter {
    /// Whether a package of this type and version is meant. A package without a version never is. A bound for an rpm
    /// that names no release leaves the release open, as in rpm's own dependencies.
    pub fn takes(&self, kind: PackageType, version: &str) -> bool {
        !version.is_empty()
            && self.conditions.iter().all(|(relation, bound)| {
                let open = kind == PackageType::Rpm && !bound.contains('-');
                let version = if open {
                    version.rsplit_once('-').map_or(version, |(version, _)| version)
                } else {
                    version
                };
                let order = compare(kind, version, bound);
                match relation {
                    Relation::Less => order == Ordering::Less,
                    Relation::LessOrEqual => order != Ordering::Greater,
                    Relation::Equal => order == Ordering::Equal,
                    Relation::NotEqual => order != Ordering::Equal,
                    Relation::GreaterOrEqual => order != Ordering::Less,
                    Relation::Greater => order == Ordering::Greater,
                }
            })
    }
}
