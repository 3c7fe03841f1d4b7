//! A file of what memory should not hold: blocks of bytes, each compressed for itself.
//!
//! The file is unlinked before the first byte is written, in `TMPDIR` or /tmp, as that of unpacked images is.

use crate::tasks::TaskError;
use std::{fs::File, os::unix::fs::FileExt, sync::Arc};
use zstd::bulk::{Compressor, Decompressor};

/// What is spilled is read once or twice: speed counts. Levels below zero are faster than 1.
const ZSTD_LEVEL: i32 = -3;

/// A compressed block's place in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    at: u64,
    stored: u32,
    raw: u32,
}

/// The file, at whose end blocks are written.
pub(super) struct Spill {
    file: Arc<File>,
    end: u64,
    packer: Compressor<'static>,
}

/// That the file failed.
pub(super) fn failed(error: impl std::fmt::Display) -> TaskError {
    TaskError::Connection(format!(
        "findings cannot be spilled to {}: {error}",
        std::env::temp_dir().display()
    ))
}

impl Spill {
    pub(super) fn new() -> Result<Self, TaskError> {
        let file = Arc::new(tempfile::tempfile().map_err(failed)?);
        Ok(Self { file, end: 0, packer: Compressor::new(ZSTD_LEVEL).map_err(failed)? })
    }

    /// Writes one block.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<Block, TaskError> {
        let packed = self.packer.compress(bytes).map_err(failed)?;
        self.file.write_all_at(&packed, self.end).map_err(failed)?;
        let size = |len: usize| u32::try_from(len).map_err(failed);
        let block = Block { at: self.end, stored: size(packed.len())?, raw: size(bytes.len())? };
        self.end += packed.len() as u64;
        Ok(block)
    }

    /// What reads blocks back.
    pub(super) fn reader(&self) -> Result<BlockReader, TaskError> {
        let unpacker = Decompressor::new().map_err(failed)?;
        Ok(BlockReader { file: Arc::clone(&self.file), packed: Vec::new(), unpacker })
    }
}

/// Reads blocks of a [`Spill`].
pub(super) struct BlockReader {
    file: Arc<File>,
    packed: Vec<u8>,
    unpacker: Decompressor<'static>,
}

impl BlockReader {
    /// The bytes of a block.
    pub(super) fn read(&mut self, block: Block) -> Result<Vec<u8>, TaskError> {
        self.packed.resize(block.stored as usize, 0);
        self.file.read_exact_at(&mut self.packed, block.at).map_err(failed)?;
        self.unpacker.decompress(&self.packed, block.raw as usize).map_err(failed)
    }
}
