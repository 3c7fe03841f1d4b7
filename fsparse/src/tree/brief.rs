//! What joining asks of every inode, in one byte each: rows are so long that looking into them in the order of names
//! costs a cache miss each time, and bytes of a whole volume fit the cache.

use crate::survey::Survey;
use coldread_model::{FileKind, RowFlags};

/// Facts of one inode.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brief(u8);

const DIRECTORY: u8 = 1;
const INTERNAL: u8 = 2;
const DELETED: u8 = 4;

impl Brief {
    /// Whether it is a directory.
    pub(super) fn is_directory(self) -> bool {
        self.0 & DIRECTORY != 0
    }

    /// Whether it is the filesystem's own.
    pub(super) fn is_internal(self) -> bool {
        self.0 & INTERNAL != 0
    }

    /// Whether it is deleted.
    pub(super) fn is_deleted(self) -> bool {
        self.0 & DELETED != 0
    }
}

/// The numbers and the facts of a survey's inodes, read in one pass.
pub(super) fn of(survey: &Survey) -> (Vec<u64>, Vec<Brief>) {
    let facts = survey.inodes.iter().map(|inode| {
        let bit = |fact: bool, bit: u8| if fact { bit } else { 0 };
        let brief = bit(inode.kind == FileKind::Dir, DIRECTORY)
            | bit(inode.flags.contains(RowFlags::INTERNAL), INTERNAL)
            | bit(inode.flags.contains(RowFlags::DELETED), DELETED);
        (inode.number, Brief(brief))
    });
    facts.unzip()
}
