//! Objects in the form that packs hold them: zstd frames with the name of what is inside.

use crate::error::{Error, Result};
use coldread_model::{ObjectId, ObjectKind};
use std::cell::RefCell;
use zstd::bulk::{Compressor, Decompressor};

/// No object is larger than this before compression.
pub const MAX_OBJECT_BYTES: usize = 64 << 20;
/// No object is larger than this in a pack: zstd's bound for incompressible input is 1/256 more, and headers.
pub(crate) const MAX_STORED_BYTES: usize = MAX_OBJECT_BYTES + (MAX_OBJECT_BYTES >> 7);
/// Level 1 compresses columns nearly as well as level 3 in half the time.
const LEVEL: i32 = 1;

/// A compressed object whose name is known to fit its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    pub(crate) id: ObjectId,
    pub(crate) kind: ObjectKind,
    pub(crate) raw_len: u32,
    pub(crate) bytes: Vec<u8>,
}

thread_local! {
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

impl Packed {
    /// Names and compresses `raw`. Each thread keeps one compressor, so any number of threads may do this.
    pub fn new(kind: ObjectKind, raw: &[u8]) -> Result<Self> {
        let id = ObjectId::of(kind, raw);
        let refused = |reason: String| Error::Refused { id, reason };
        if raw.len() > MAX_OBJECT_BYTES {
            return Err(refused(format!("{} bytes are more than {MAX_OBJECT_BYTES}", raw.len())));
        }
        let bytes = COMPRESSOR.with_borrow_mut(|slot| {
            let mut compressor = match slot.take() {
                Some(compressor) => compressor,
                None => Compressor::new(LEVEL)?,
            };
            let bytes = compressor.compress(raw);
            *slot = Some(compressor);
            bytes
        });
        let bytes = bytes.map_err(|error| refused(error.to_string()))?;
        Ok(Self { id, kind, raw_len: raw.len() as u32, bytes })
    }

    /// An object that came from elsewhere, as zstd `bytes` that should unfold to `raw_len` bytes with the name
    /// `id`. All of that is verified, with memory bounded by [`MAX_OBJECT_BYTES`]: about 0.1 ms for 64 KiB.
    pub fn received(id: ObjectId, kind: ObjectKind, raw_len: u32, bytes: Vec<u8>) -> Result<Self> {
        let packed = Self::trusted(id, kind, raw_len, bytes)?;
        let refused = |reason| Error::Refused { id, reason };
        let raw = decompress(&packed.bytes, raw_len).map_err(refused)?;
        if ObjectId::of(kind, &raw) != id {
            return Err(refused("its content has another name".to_owned()));
        }
        Ok(packed)
    }

    /// Like [`Packed::received`] from a thread of this process: only the sizes are checked. An object with a
    /// wrong name would be found out when it is read.
    pub fn trusted(id: ObjectId, kind: ObjectKind, raw_len: u32, bytes: Vec<u8>) -> Result<Self> {
        if raw_len as usize > MAX_OBJECT_BYTES || bytes.len() > MAX_STORED_BYTES {
            let reason = format!("{raw_len} bytes, {} compressed, are too many", bytes.len());
            return Err(Error::Refused { id, reason });
        }
        Ok(Self { id, kind, raw_len, bytes })
    }

    /// Its name.
    pub fn id(&self) -> ObjectId {
        self.id
    }

    /// What it holds.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// Number of bytes before compression.
    pub fn raw_len(&self) -> u32 {
        self.raw_len
    }

    /// The zstd frame.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Unfolds `bytes` to exactly `raw_len` bytes; never allocates more, whatever the frame announces.
pub(crate) fn decompress(bytes: &[u8], raw_len: u32) -> Result<Vec<u8>, String> {
    let raw = DECOMPRESSOR.with_borrow_mut(|slot| {
        let mut decompressor = match slot.take() {
            Some(decompressor) => decompressor,
            None => Decompressor::new()?,
        };
        let raw = decompressor.decompress(bytes, raw_len as usize);
        *slot = Some(decompressor);
        raw
    });
    let raw = raw.map_err(|error| format!("cannot be decompressed: {error}"))?;
    if raw.len() != raw_len as usize {
        return Err(format!("{} bytes after decompression, {raw_len} announced", raw.len()));
    }
    Ok(raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_is_what_it_says_or_is_refused() {
        let raw = b"abc".repeat(500);
        let sent = Packed::new(ObjectKind::Gaps, &raw).unwrap();
        let receive = |id, kind, len, bytes: &[u8]| Packed::received(id, kind, len, bytes.to_vec());
        assert_eq!(receive(sent.id, sent.kind, sent.raw_len, &sent.bytes).unwrap(), sent);
        assert!(receive(sent.id, ObjectKind::Coverage, sent.raw_len, &sent.bytes).is_err());
        assert!(receive(ObjectId([1; 32]), sent.kind, sent.raw_len, &sent.bytes).is_err());
        assert!(receive(sent.id, sent.kind, sent.raw_len - 1, &sent.bytes).is_err());
        assert!(receive(sent.id, sent.kind, sent.raw_len + 1, &sent.bytes).is_err());
        assert!(receive(sent.id, sent.kind, u32::MAX, &sent.bytes).is_err());
        assert!(receive(sent.id, sent.kind, sent.raw_len, &sent.bytes[1..]).is_err());
        // A bomb: 64 MiB of zeros in a few KiB, announced as one KiB.
        let bomb = Packed::new(ObjectKind::Gaps, &vec![0; MAX_OBJECT_BYTES]).unwrap();
        assert!(receive(bomb.id, bomb.kind, 1024, &bomb.bytes).is_err());
        assert!(receive(bomb.id, bomb.kind, bomb.raw_len, &bomb.bytes).is_ok());
        assert!(Packed::new(ObjectKind::Gaps, &vec![0; MAX_OBJECT_BYTES + 1]).is_err());
    }

    #[test]
    fn an_empty_object_is_one_too() {
        let empty = Packed::new(ObjectKind::Gaps, &[]).unwrap();
        assert_eq!(decompress(&empty.bytes, 0), Ok(Vec::new()));
    }
}
