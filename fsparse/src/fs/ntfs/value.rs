//! The few values outside the MFT that decide what a file is.

use super::{
    lznt1::{self, Lznt1Error},
    runs::{Piece, locate},
};

/// A value outside the MFT that must be known before a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// The unnamed stream of what may be a symbolic link or device of Interix.
    Data,
    /// The reparse point.
    Reparse,
    /// The extended attributes.
    Ea,
}

/// A request of a sink: the first `len` bytes of a value.
#[derive(Debug)]
pub(super) struct Need {
    /// Which value.
    pub(super) value: Value,
    /// Where it lies.
    pub(super) pieces: Vec<Piece>,
    /// How many bytes of it.
    pub(super) len: u64,
    /// Bytes from here on are zeros.
    pub(super) initialized: u64,
    /// It is compressed in units of so many bytes.
    pub(super) unit_bytes: Option<u64>,
}

/// A value that a sink asked for; zeros where nothing is allocated. `None` if it could not be read: the
/// gap is recorded.
pub(super) type Loaded = (Value, Option<Vec<u8>>);

impl Need {
    /// Makes a value of the bytes that its clusters hold.
    pub(super) fn unpack(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Lznt1Error> {
        let mut value = match self.unit_bytes {
            None => bytes,
            Some(unit_bytes) => {
                let mut value = Vec::new();
                for (start, unit) in (0..).step_by(unit_bytes as usize).zip(bytes.chunks(unit_bytes as usize))
                {
                    let end = value.len() + unit.len();
                    let allocated: u64 =
                        locate(&self.pieces, start, unit_bytes).map(|(_, range)| range.len).sum();
                    if allocated == unit_bytes {
                        value.extend_from_slice(unit);
                    } else {
                        lznt1::decompress(
                            &unit[..unit.len().min(allocated as usize)],
                            &mut value,
                            unit.len(),
                        )?;
                    }
                    value.resize(end, 0);
                }
                value
            }
        };
        value.truncate(self.len as usize);
        let initialized = value.len().min(usize::try_from(self.initialized).unwrap_or(usize::MAX));
        value[initialized..].fill(0);
        Ok(value)
    }
}

impl Value {
    /// Its attribute's name in the specification.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Data => "$DATA",
            Self::Reparse => "$REPARSE_POINT",
            Self::Ea => "$EA",
        }
    }
}
