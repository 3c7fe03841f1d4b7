//! One member's bytes.

use super::{Malformed, long, short};
use flate2::{Crc, Decompress, FlushDecompress, Status};

/// Bytes of a local header before the name (4.3.7).
pub const LOCAL: u64 = 30;
const LOCAL_MAGIC: u32 = 0x0403_4b50;

/// Bytes that are made room for at a time.
const ROOM: usize = 64 << 10;

/// How far behind a member's local header, of which `header` is the start, its bytes begin.
pub fn data_start(header: &[u8]) -> Result<u64, Malformed> {
    if header.len() < LOCAL as usize || long(header, 0) != LOCAL_MAGIC {
        return Err(Malformed("its local header is not where the directory says"));
    }
    Ok(LOCAL + u64::from(short(header, 26)) + u64::from(short(header, 28)))
}

/// Why a member cannot be unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// It has more bytes than were asked for; those are held.
    #[error("it has more bytes than are read")]
    TooLarge,
    /// It is damaged.
    #[error("{0}")]
    Corrupt(&'static str),
    /// It is packed in a way that is not read.
    #[error("it is packed by method {0}")]
    Unsupported(u16),
}

/// Unpacks one member, piece by piece, up to a bound.
#[derive(Debug)]
pub struct Unpacker {
    /// None: it is not packed.
    inflate: Option<Box<Decompress>>,
    out: Vec<u8>,
    limit: usize,
    has_ended: bool,
}

impl Unpacker {
    /// For a member packed by `method`, of which at most `limit` bytes are wanted.
    pub fn new(method: u16, limit: usize) -> Result<Self, UnpackError> {
        let inflate = match method {
            0 => None,
            8 => Some(Box::new(Decompress::new(false))),
            _ => return Err(UnpackError::Unsupported(method)),
        };
        Ok(Self { inflate, out: Vec::new(), limit, has_ended: false })
    }

    /// What has been unpacked.
    pub fn unpacked(&self) -> &[u8] {
        &self.out
    }

    /// Takes the next packed bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), UnpackError> {
        let Some(inflate) = &mut self.inflate else {
            let room = self.limit - self.out.len();
            self.out.extend_from_slice(&bytes[..bytes.len().min(room)]);
            return if bytes.len() > room { Err(UnpackError::TooLarge) } else { Ok(()) };
        };
        while !self.has_ended {
            // One byte more than is wanted tells whether there is more.
            self.out.reserve(ROOM.min(self.limit + 1 - self.out.len()));
            let (before, len) = (inflate.total_in(), self.out.len());
            let status = inflate.decompress_vec(bytes, &mut self.out, FlushDecompress::None);
            let status = status.map_err(|_| UnpackError::Corrupt("its deflate stream is damaged"))?;
            let taken = usize::try_from(inflate.total_in() - before).unwrap_or(usize::MAX);
            bytes = bytes.get(taken..).unwrap_or_default();
            self.has_ended = status == Status::StreamEnd;
            if self.out.len() > self.limit {
                self.out.truncate(self.limit);
                self.has_ended = true;
                return Err(UnpackError::TooLarge);
            }
            if taken == 0 && self.out.len() == len {
                break;
            }
        }
        Ok(())
    }

    /// All of it, if it is what the directory says.
    pub fn finish(self, crc: u32) -> Result<Vec<u8>, UnpackError> {
        if self.inflate.is_some() && !self.has_ended {
            return Err(UnpackError::Corrupt("its deflate stream is cut short"));
        }
        let mut sum = Crc::new();
        sum.update(&self.out);
        if sum.sum() != crc {
            return Err(UnpackError::Corrupt("its checksum is wrong"));
        }
        Ok(self.out)
    }
}
