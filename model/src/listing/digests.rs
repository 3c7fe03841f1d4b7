//! The digests of one chunk's rows, written and read: version, rows, a byte of presence a row, the digests that are
//! there.

use crate::{
    codec::{DecodeError, Reader, Writer},
    digest::Sha256Digest,
};

const VERSION: u8 = 1;

/// The digests of a chunk's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DigestColumn(pub Vec<Option<Sha256Digest>>);

impl DigestColumn {
    /// Encodes the column.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(VERSION);
        out.u32(self.0.len() as u32);
        out.u8s(self.0.iter().map(|digest| u8::from(digest.is_some())));
        for digest in self.0.iter().flatten() {
            out.raw(&digest.0);
        }
        out.bytes
    }

    /// Decodes it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("listing chunk, digests", bytes);
        let version = reader.u8()?;
        if version != VERSION {
            return Err(reader.invalid(format!("version {version} is not known")));
        }
        let rows = reader.u32()? as usize;
        let mut column = Vec::new();
        for present in reader.u8s(rows)? {
            column.push(match present {
                0 => None,
                1 => {
                    let mut digest = [0; 32];
                    digest.copy_from_slice(reader.take(32)?);
                    Some(Sha256Digest(digest))
                }
                other => return Err(reader.invalid(format!("presence byte {other}"))),
            });
        }
        reader.finish()?;
        Ok(Self(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn digests_read_back(present in prop::collection::vec(prop::option::of(any::<[u8; 32]>()), 0..50)) {
            let column = DigestColumn(present.into_iter().map(|d| d.map(Sha256Digest)).collect());
            prop_assert_eq!(DigestColumn::decode(&column.encode()).unwrap(), column);
        }

        #[test]
        fn other_bytes_are_an_error(mut bytes in prop::collection::vec(any::<u8>(), 0..200), rows in 0..8_u8) {
            bytes.splice(0..bytes.len().min(5), [VERSION, rows, 0, 0, 0]);
            if let Ok(column) = DigestColumn::decode(&bytes) {
                prop_assert_eq!(column.encode(), bytes);
            }
        }
    }
}
