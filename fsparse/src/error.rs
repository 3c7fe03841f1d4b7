//! Why a filesystem, a volume or a structure cannot be read. The kinds never become each other.

use coldread_model::{Gap, GapKind};
use std::fmt::Display;

/// An error of a parser, with the place and the structure it concerns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The source could not be read.
    #[error("{structure} at byte {at}: {reason}")]
    Io {
        /// Byte offset in the volume.
        at: u64,
        /// The structure that should be there.
        structure: &'static str,
        /// The source's error in words.
        reason: String,
    },
    /// A feature or format that is not read.
    #[error("{structure}: {feature} is not supported")]
    Unsupported {
        /// The structure that asks for it.
        structure: &'static str,
        /// The feature, by the name its specification has for it.
        feature: String,
    },
    /// Bytes that contradict their format.
    #[error("{structure} at byte {at}: expected {expected}, found {actual}")]
    Corrupt {
        /// Byte offset in the volume.
        at: u64,
        /// The structure.
        structure: &'static str,
        /// What the format allows.
        expected: String,
        /// What is there.
        actual: String,
    },
    /// Something that the disk refers to and does not hold.
    #[error("{what} was not found")]
    NotFound {
        /// The thing.
        what: String,
    },
}

impl ParseError {
    #[allow(clippy::needless_pass_by_value)] // literals and formatted text alike are handed over
    /// A [`ParseError::Corrupt`] from anything that can be shown.
    pub fn corrupt(at: u64, structure: &'static str, expected: impl Display, actual: impl Display) -> Self {
        Self::Corrupt { at, structure, expected: expected.to_string(), actual: actual.to_string() }
    }

    #[allow(clippy::needless_pass_by_value)]
    /// A [`ParseError::Unsupported`].
    pub fn unsupported(structure: &'static str, feature: impl Display) -> Self {
        Self::Unsupported { structure, feature: feature.to_string() }
    }

    /// The gap that records it; the caller adds volume, path and inode.
    pub fn to_gap(&self) -> Gap {
        match self {
            Self::Io { at, structure, reason } => {
                Gap::new(GapKind::Io, *structure, reason.clone()).at_byte(*at)
            }
            Self::Unsupported { structure, feature } => {
                Gap::new(GapKind::Unsupported, *structure, format!("{feature} is not supported"))
            }
            Self::Corrupt { at, structure, expected, actual } => {
                Gap::new(GapKind::Corrupt, *structure, format!("expected {expected}, found {actual}"))
                    .at_byte(*at)
            }
            Self::NotFound { what } => Gap::new(GapKind::NotFound, what.clone(), "not found"),
        }
    }
}
