//! A volume's bytes as the other libraries want them: synchronous, at any offset.

use coldread_fsparse::source::{Piece, SharedSource};
use coldread_model::ByteRange;
use std::io;

/// Bytes read at a time, and kept: the libraries read a few hundred at once.
const BLOCK_BYTES: u64 = 64 << 10;
/// Blocks that are kept.
const KEPT_BLOCKS: usize = 64;
/// How many times its size may be read of a volume, beside [`FREE_BYTES`]: what a library that went in circles
/// on a hostile disk would pass.
const PASSES: u64 = 64;
/// Bytes that may be read of any volume.
const FREE_BYTES: u64 = 16 << 30;

/// The bytes of one volume.
pub(in crate::tasks) struct RawVolume {
    disk: SharedSource,
    range: ByteRange,
    /// Blocks that were read, the one used last at the end.
    kept: Vec<(u64, Vec<u8>)>,
    /// Bytes that may still be asked for.
    left: u64,
    position: u64,
}

impl RawVolume {
    /// The volume in `range` of a disk.
    pub(super) fn new(disk: SharedSource, range: ByteRange) -> Self {
        let left = range.len.saturating_mul(PASSES).saturating_add(FREE_BYTES);
        Self { disk, range, kept: Vec::new(), left, position: 0 }
    }

    /// Size in bytes.
    pub(super) fn len(&self) -> u64 {
        self.range.len
    }

    /// Fills `out` from `offset` and says how many bytes there were: fewer than `out` only at the end.
    pub(super) fn read_at(&mut self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(out.len() as u64).ok_or_else(|| {
            io::Error::other("it was asked for many times the volume's bytes: the library goes in circles")
        })?;
        let mut done = 0;
        while done < out.len() {
            let at = offset.saturating_add(done as u64);
            if at >= self.range.len {
                break;
            }
            let block = self.block(at / BLOCK_BYTES)?;
            let part = block.get((at % BLOCK_BYTES) as usize..).unwrap_or_default();
            let len = part.len().min(out.len() - done);
            if len == 0 {
                break;
            }
            out[done..done + len].copy_from_slice(&part[..len]);
            done += len;
        }
        Ok(done)
    }

    fn block(&mut self, number: u64) -> io::Result<&[u8]> {
        if let Some(place) = self.kept.iter().rposition(|(one, _)| *one == number) {
            let block = self.kept.remove(place);
            self.kept.push(block);
        } else {
            let start = number * BLOCK_BYTES;
            let bytes = self.load(ByteRange::new(start, BLOCK_BYTES.min(self.range.len - start)))?;
            if self.kept.len() >= KEPT_BLOCKS {
                self.kept.remove(0);
            }
            self.kept.push((number, bytes));
        }
        Ok(self.kept.last().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default())
    }

    fn load(&self, range: ByteRange) -> io::Result<Vec<u8>> {
        let mut queue = self.disk.open_queue().map_err(io::Error::other)?;
        let start = self.range.start + range.start;
        queue.push(0, ByteRange::new(start, range.len));
        let mut bytes = vec![0; range.len as usize];
        while let Some(piece) = queue.next() {
            let at = (piece.offset - start) as usize;
            match piece.result {
                Ok(Piece::Bytes(buf)) => bytes[at..at + buf.len()].copy_from_slice(&buf),
                Ok(Piece::Zeros(_)) => {}
                Err(error) => return Err(io::Error::other(error.error)),
            }
        }
        Ok(bytes)
    }
}

impl io::Read for RawVolume {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let done = self.read_at(self.position, out)?;
        self.position += done as u64;
        Ok(done)
    }
}

impl io::Seek for RawVolume {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let position = match to {
            io::SeekFrom::Start(at) => Some(at),
            io::SeekFrom::End(by) => self.len().checked_add_signed(by),
            io::SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or_else(|| io::Error::other("a position outside any volume"))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coldread_fsparse::source::memory::MemorySource;
    use std::{
        io::{Read, Seek, SeekFrom},
        sync::Arc,
    };

    fn volume(bytes: u64, start: u64) -> RawVolume {
        let disk: Vec<u8> = (0..start + bytes).map(|at| (at / 251) as u8).collect();
        let disk = MemorySource::new(disk).with_bad(vec![ByteRange::new(start + 200_000, 512)]);
        RawVolume::new(Arc::new(disk), ByteRange::new(start, bytes))
    }

    #[test]
    fn reads_across_blocks_and_ends_where_the_volume_does() {
        let mut volume = volume(150_000, 4096);
        for at in [0, 65_530, 131_071, 149_990] {
            let mut out = [0; 20];
            let want: Vec<u8> = (at..(at + 20).min(150_000)).map(|at| ((at + 4096) / 251) as u8).collect();
            assert_eq!(volume.read_at(at, &mut out).unwrap(), want.len());
            assert_eq!(out[..want.len()], want);
        }
        let mut rest = Vec::new();
        volume.seek(SeekFrom::End(-7)).unwrap();
        assert_eq!(volume.read_to_end(&mut rest).unwrap(), 7);
        assert!(volume.seek(SeekFrom::Current(-150_001)).is_err());
    }

    #[test]
    fn a_bad_sector_and_a_library_in_circles_are_errors() {
        let mut volume = volume(300_000, 0);
        let mut out = [0; 8];
        assert!(volume.read_at(199_990, &mut out).is_err());
        assert_eq!(volume.read_at(0, &mut out).unwrap(), 8);
        volume.left = 12;
        assert_eq!(volume.read_at(0, &mut out).unwrap(), 8);
        assert!(volume.read_at(0, &mut out).unwrap_err().to_string().contains("circles"));
    }
}
