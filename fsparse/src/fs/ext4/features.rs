//! Feature words of the superblock.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Super Block", tables
//! of s_feature_compat, s_feature_incompat and s_feature_ro_compat.

use crate::error::ParseError;
use serde::{Deserialize, Serialize};

pub(super) const COMPAT_HAS_JOURNAL: u32 = 0x4;
pub(super) const COMPAT_DIR_INDEX: u32 = 0x20;
pub(super) const COMPAT_SPARSE_SUPER2: u32 = 0x200;
pub(super) const COMPAT_ORPHAN_FILE: u32 = 0x1000;

pub(super) const INCOMPAT_FILETYPE: u32 = 0x2;
pub(super) const INCOMPAT_RECOVER: u32 = 0x4;
pub(super) const INCOMPAT_META_BG: u32 = 0x10;
pub(super) const INCOMPAT_64BIT: u32 = 0x80;
pub(super) const INCOMPAT_EA_INODE: u32 = 0x400;
pub(super) const INCOMPAT_CSUM_SEED: u32 = 0x2000;
pub(super) const INCOMPAT_LARGEDIR: u32 = 0x4000;

pub(super) const RO_COMPAT_SPARSE_SUPER: u32 = 0x1;
pub(super) const RO_COMPAT_LARGE_FILE: u32 = 0x2;
pub(super) const RO_COMPAT_BTREE_DIR: u32 = 0x4;
pub(super) const RO_COMPAT_GDT_CSUM: u32 = 0x10;
pub(super) const RO_COMPAT_BIGALLOC: u32 = 0x200;
pub(super) const RO_COMPAT_METADATA_CSUM: u32 = 0x400;
pub(super) const RO_COMPAT_ORPHAN_PRESENT: u32 = 0x10000;

/// Every incompatible feature that this driver reads.
const INCOMPAT_READ: u32 = INCOMPAT_FILETYPE
    | INCOMPAT_RECOVER
    | INCOMPAT_META_BG
    | 0x40 // extents
    | INCOMPAT_64BIT
    | 0x100 // mmp
    | 0x200 // flex_bg
    | INCOMPAT_EA_INODE
    | INCOMPAT_CSUM_SEED
    | INCOMPAT_LARGEDIR
    | 0x8000 // inline_data
    | 0x1_0000 // encrypt
    | 0x2_0000; // casefold

/// Names of incompatible features that it does not.
const INCOMPAT_UNREAD: &[(u32, &str)] = &[(0x1, "compression"), (0x8, "journal_dev"), (0x1000, "dirdata")];

/// The three feature words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Features {
    /// What may be ignored.
    pub compat: u32,
    /// What must be known to read.
    pub incompat: u32,
    /// What must be known to write.
    pub ro_compat: u32,
}

impl Features {
    /// That nothing incompatible is unknown; else the first such feature by name.
    pub(super) fn check(self) -> Result<(), ParseError> {
        let unread = self.incompat & !INCOMPAT_READ;
        if unread == 0 {
            return Ok(());
        }
        let bit = unread & unread.wrapping_neg();
        let name =
            INCOMPAT_UNREAD.iter().find(|(known, _)| *known == bit).map(|(_, name)| (*name).to_owned());
        let name = name.unwrap_or_else(|| format!("incompatible feature {bit:#x}"));
        Err(ParseError::unsupported("superblock", name))
    }

    /// Whether metadata carries CRC32C checksums.
    pub(super) fn metadata_csum(self) -> bool {
        self.ro_compat & RO_COMPAT_METADATA_CSUM != 0
    }

    /// Whether group descriptors carry a checksum of either kind, without which their "uninitialised" flags
    /// and counts of unused inodes mean nothing.
    pub(super) fn descriptor_csum(self) -> bool {
        self.ro_compat & (RO_COMPAT_METADATA_CSUM | RO_COMPAT_GDT_CSUM) != 0
    }

    /// ext2, ext3 or ext4, by the rules of blkid: ext4 has a feature that ext3 does not know, ext3 a journal.
    pub(super) fn flavour(self) -> &'static str {
        let old_ro = RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE | RO_COMPAT_BTREE_DIR;
        let old = INCOMPAT_FILETYPE | INCOMPAT_RECOVER | INCOMPAT_META_BG;
        if self.ro_compat & !old_ro != 0 || self.incompat & !old != 0 {
            "ext4"
        } else if self.compat & COMPAT_HAS_JOURNAL != 0 {
            "ext3"
        } else {
            "ext2"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_features_are_named() {
        let with = |incompat| Features { incompat, ..Features::default() }.check();
        assert_eq!(with(INCOMPAT_READ), Ok(()));
        for (bit, name) in
            [(0x1, "compression"), (0x8, "journal_dev"), (0x1000, "dirdata"), (1 << 30, "0x40000000")]
        {
            let error = with(INCOMPAT_READ | bit).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn names_as_blkid_gives_them() {
        let of = |compat, incompat, ro_compat| Features { compat, incompat, ro_compat }.flavour();
        assert_eq!(of(0x38, 0x2, 0x3), "ext2");
        assert_eq!(of(0x3c, 0x6, 0x3), "ext3");
        assert_eq!(of(0x3c, 0x2c2, 0x46b), "ext4");
        assert_eq!(of(0x38, 0x2c2, 0x46b), "ext4");
    }
}
