//! Results of extractors, kept so that the same database on another disk need not be read again.

use crate::{codec, codec::DecodeError, gap::Gap, package::Package, rows::Row};
use serde::{Deserialize, Serialize};

/// Names everything that a result depends on: the extractor and its version, the file's path in its root, the digests
/// of the file and of all that belongs to it, and what of the context the extractor may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct KeptKey(pub [u8; 32]);

impl KeptKey {
    /// The key of parts that are told apart by their lengths.
    pub fn of<'p>(parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

/// What an extractor said of one file. Rows and gaps are as it gave them: without the root and the volume, which
/// are those of the disk that they are used for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Packages, in the order in which they came.
    pub packages: Vec<Package>,
    /// Gaps, in the order in which they came.
    pub gaps: Vec<Gap>,
    /// Packages and the paths of their files.
    pub owned: Vec<(String, Vec<Vec<u8>>)>,
}

impl Kept {
    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        let paths =
            |(_, paths): &(String, Vec<Vec<u8>>)| paths.iter().map(|path| path.len() + 24).sum::<usize>();
        self.packages.iter().map(Row::weight).sum::<usize>()
            + self.gaps.len() * 200
            + self.owned.iter().map(paths).sum::<usize>()
    }

    /// The object: the key, then the result.
    pub fn encode(&self, key: KeptKey) -> Vec<u8> {
        let mut bytes = key.0.to_vec();
        bytes.extend(codec::to_bytes(self));
        bytes
    }

    /// The key of an object and what is left of it.
    pub fn split(bytes: &[u8]) -> Option<(KeptKey, &[u8])> {
        let (key, rest) = bytes.split_first_chunk::<32>()?;
        Some((KeptKey(*key), rest))
    }

    /// The result in an object, if it is that of `key`.
    pub fn decode(key: KeptKey, bytes: &[u8]) -> Result<Self, DecodeError> {
        let wrong =
            || DecodeError::Invalid { structure: "kept result", reason: "it is another's".to_owned() };
        let (_, rest) = Self::split(bytes).filter(|(found, _)| *found == key).ok_or_else(wrong)?;
        codec::from_bytes("kept result", rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_read_back_under_its_own_key_alone() {
        let key = KeptKey::of([&b"ab"[..], b"c"]);
        let other = KeptKey::of([&b"a"[..], b"bc"]);
        assert_ne!(key, other);
        let kept = Kept { owned: vec![("deb:x".to_owned(), vec![b"/x".to_vec()])], ..Kept::default() };
        let bytes = kept.encode(key);
        assert_eq!(Kept::decode(key, &bytes), Ok(kept));
        assert!(Kept::decode(other, &bytes).is_err());
        assert!(Kept::decode(key, &bytes[..20]).is_err());
    }
}
