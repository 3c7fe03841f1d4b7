//! What is wrong with a database of rpm's own forms.

use crate::view::ViewError;
use coldread_model::GapKind;

/// Why a database or a part of it cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// The file's bytes could not be had.
    #[error("{0}")]
    View(#[from] ViewError),
    /// Bytes that contradict the format.
    #[error("{0}")]
    Corrupt(String),
    /// A variant of the format that is not read.
    #[error("{0}")]
    Unsupported(String),
    /// Encrypted pages.
    #[error("{0}")]
    Encrypted(String),
    /// A bound was reached.
    #[error("{0}")]
    Limit(String),
}

/// What a header's entry says of itself.
impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Corrupt(reason)
    }
}

impl Fault {
    /// The kind of gap that it makes.
    pub(super) const fn gap_kind(&self) -> GapKind {
        match self {
            Self::View(error) => error.gap_kind(),
            Self::Corrupt(_) => GapKind::Corrupt,
            Self::Unsupported(_) => GapKind::Unsupported,
            Self::Encrypted(_) => GapKind::Encrypted,
            Self::Limit(_) => GapKind::Limit,
        }
    }
}

/// The number of a package and its header blob, or what stands in its place.
pub(super) type Blob = Result<(u32, Vec<u8>), Fault>;
