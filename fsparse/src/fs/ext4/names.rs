//! Directories: their blocks are asked for as the map tells of them, and read in any order.

use super::{
    dir::{Directory, Name, read_names, verify_block},
    nokey::directory_name,
    open::Open,
    scan::{Job, PIECE_BYTES, Scan},
};
use crate::{
    machine::{Fetched, Requests},
    survey::{Entry, Extent},
};
use coldread_model::{ByteRange, Gap, GapKind};
use std::{borrow::Cow, sync::Arc};

impl Scan {
    /// Asks for a run of a directory's blocks.
    pub(super) fn ask_names(
        &mut self,
        directory: &Directory,
        open: &mut Open,
        piece: Extent,
        ask: &mut Requests,
    ) {
        let block = self.geometry.block();
        let end = directory.blocks.saturating_mul(block);
        let len = piece.len.min(end.saturating_sub(piece.logical));
        if piece.unwritten {
            return;
        }
        open.mapped += len;
        if !self.names {
            return;
        }
        let mut at = 0;
        while at < len {
            let count = PIECE_BYTES.min(len - at);
            let range = ByteRange::new(piece.physical + at, count);
            let job = Job::Names { directory: *directory, first: (piece.logical + at) / block };
            if !self.ask_for_inode(job, range, ask) {
                self.limit(directory.number, "directory");
                return;
            }
            at += count;
        }
    }

    pub(super) fn feed_names(&mut self, directory: &Directory, first: u64, fetched: &Fetched<'_>) {
        let size = self.geometry.block_bytes as usize;
        for (index, bytes) in fetched.bytes.chunks_exact(size).enumerate() {
            let range = ByteRange::new(fetched.range.start + (index * size) as u64, size as u64);
            if self.unreadable(directory.number, "directory block", range, fetched) {
                continue;
            }
            if let Err(wrong) = verify_block(&self.geometry, directory, first + index as u64, bytes) {
                self.corrupt(directory.number, "directory block", range, &wrong);
                continue;
            }
            self.take_names(directory, bytes, range);
        }
    }

    /// Takes the names of a directory block or of an inode's inline part.
    pub(super) fn take_names(&mut self, directory: &Directory, bytes: &[u8], range: ByteRange) {
        let hashes = directory.encrypted && directory.casefolded;
        let geometry = Arc::clone(&self.geometry);
        let stop = read_names(&geometry, bytes, hashes, |name| self.take_name(directory, name, range));
        if let Err((at, expected, found)) = stop {
            let part = ByteRange::between(range.start + at as u64, range.end());
            self.corrupt(directory.number, "directory entry", part, &(expected, found));
        }
    }

    fn take_name(&mut self, directory: &Directory, found: Name<'_>, range: ByteRange) {
        let shown = if directory.encrypted {
            directory_name(&self.geometry, directory, found).map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(found.bytes))
        };
        let Some(name) = shown else {
            let wrong = ("an encrypted name of 16 bytes or more".to_owned(), found.bytes.len().to_string());
            self.corrupt(directory.number, "directory entry", range, &wrong);
            return;
        };
        if memchr::memchr2(0, b'/', &name).is_some() {
            let gap = Gap::new(GapKind::Corrupt, "directory entry", "a name with a slash or a zero byte");
            self.gap(gap.at_inode(directory.number.into()).at_byte(range.start));
            return;
        }
        if let Some(name) = self.keep(&name) {
            let (parent, child) = (u64::from(directory.number), u64::from(found.inode));
            self.out.entries.push(Entry { parent, parent_generation: 0, child, name });
        }
    }
}
