//! The superblock.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Super Block".

use super::{
    bytes::{u16_at, u32_at, u64_at, wide},
    checksum::crc32c,
    extent::EXTENT_MAGIC,
    features::{Features, INCOMPAT_64BIT, INCOMPAT_CSUM_SEED, INCOMPAT_EA_INODE, RO_COMPAT_BIGALLOC},
    geometry::{Geometry, Orphans},
    inode::{FLAG_EXTENTS, seal},
    scan::Scan,
};
use crate::{error::ParseError, machine::Requests};
use coldread_model::ByteRange;

/// Where the superblock lies, whatever the block size.
pub(super) const SUPERBLOCK_AT: u64 = 1024;
/// Its size.
pub(super) const SUPERBLOCK_BYTES: u64 = 1024;
/// Its magic number.
pub(super) const MAGIC: u16 = 0xEF53;
/// Where the magic number lies in the superblock.
pub(super) const MAGIC_AT: usize = 0x38;

/// The flag of s_state that says that errors were found.
const STATE_ERRORS: u16 = 2;
const STRUCTURE: &str = "superblock";

/// What the superblock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    /// Everything that later tasks need.
    pub geometry: Geometry,
    /// The label's bytes, without padding.
    pub label: Vec<u8>,
    /// The journal is not inside but on another device.
    pub external_journal: bool,
    /// The journal's inode.
    pub journal_inode: u32,
    /// The copy of its block map and size, if there is one.
    pub journal_copy: Option<Vec<u8>>,
    /// First inode of the list of orphans; 0 if there is none.
    pub last_orphan: u32,
    /// The kernel found errors, and so leaves orphans alone.
    pub failed: bool,
}

impl Superblock {
    /// Reads the 1024 bytes of a superblock of a volume of so many bytes.
    pub(super) fn parse(bytes: &[u8], volume_bytes: u64) -> Result<Self, ParseError> {
        let corrupt =
            |expected: &str, actual: String| ParseError::corrupt(SUPERBLOCK_AT, STRUCTURE, expected, actual);
        if bytes.len() < SUPERBLOCK_BYTES as usize {
            return Err(corrupt("1024 bytes", format!("{} bytes", bytes.len())));
        }
        let s_magic = u16_at(bytes, MAGIC_AT);
        if s_magic != MAGIC {
            return Err(corrupt("magic 0xef53", format!("{s_magic:#x}")));
        }
        let s_rev_level = u32_at(bytes, 0x4C);
        let dynamic = s_rev_level != 0;
        let features = if dynamic {
            Features {
                compat: u32_at(bytes, 0x5C),
                incompat: u32_at(bytes, 0x60),
                ro_compat: u32_at(bytes, 0x64),
            }
        } else {
            Features::default()
        };
        features.check()?;
        let s_checksum_type = bytes[0x175];
        if features.metadata_csum() {
            if s_checksum_type != 1 {
                return Err(ParseError::unsupported(STRUCTURE, format!("checksum type {s_checksum_type}")));
            }
            let s_checksum = u32_at(bytes, 0x3FC);
            let sum = crc32c(!0, &bytes[..0x3FC]);
            if s_checksum != sum {
                return Err(corrupt(&format!("checksum {sum:#010x}"), format!("{s_checksum:#010x}")));
            }
        }
        let s_log_block_size = u32_at(bytes, 0x18);
        if s_log_block_size > 6 {
            return Err(corrupt("a block size up to 64 KiB", format!("2^{s_log_block_size} KiB")));
        }
        let block_bytes = 1024_u32 << s_log_block_size;
        let s_log_cluster_size = u32_at(bytes, 0x1C);
        let bigalloc = features.ro_compat & RO_COMPAT_BIGALLOC != 0;
        let log_ratio = if bigalloc { s_log_cluster_size.wrapping_sub(s_log_block_size) } else { 0 };
        if log_ratio > 19 {
            return Err(corrupt(
                "a cluster size from a block to 512 MiB",
                format!("2^{s_log_cluster_size} KiB"),
            ));
        }
        let wide64 = features.incompat & INCOMPAT_64BIT != 0;
        let s_blocks_count_hi = if wide64 { u32_at(bytes, 0x150) } else { 0 };
        let blocks = wide(u32_at(bytes, 0x04), s_blocks_count_hi);
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&bytes[0x68..0x78]);
        let checksum_seed = if features.incompat & INCOMPAT_CSUM_SEED != 0 {
            u32_at(bytes, 0x270)
        } else if features.metadata_csum() || features.incompat & INCOMPAT_EA_INODE != 0 {
            crc32c(!0, &uuid)
        } else {
            0
        };
        let s_desc_size = u16_at(bytes, 0xFE);
        let s_flags = u32_at(bytes, 0x160);
        let s_journal_inum = u32_at(bytes, 0xE0);
        let s_journal_dev = u32_at(bytes, 0xE4);
        let label = &bytes[0x78..0x88];
        let label = label.split(|byte| *byte == 0).next().unwrap_or_default();
        let geometry = Geometry {
            volume_bytes,
            block_bytes,
            blocks,
            first_data_block: u32_at(bytes, 0x14),
            blocks_per_group: u32_at(bytes, 0x20),
            cluster_blocks: 1 << log_ratio,
            inodes_per_group: u32_at(bytes, 0x28),
            inodes: u32_at(bytes, 0x00),
            inode_bytes: if dynamic { u16_at(bytes, 0x58) } else { 128 },
            descriptor_bytes: if wide64 { s_desc_size } else { 32 },
            flex_groups: 1 << u32::from(bytes[0x174]).min(10),
            groups: 0,
            first_meta_group: u32_at(bytes, 0x104),
            reserved_descriptor_blocks: u16_at(bytes, 0xCE),
            backup_groups: [u32_at(bytes, 0x24C), u32_at(bytes, 0x250)],
            features,
            checksum_seed,
            uuid,
            first_inode: if dynamic { u32_at(bytes, 0x54) } else { 11 },
            internal: [
                s_journal_inum,
                u32_at(bytes, 0x240), // s_usr_quota_inum
                u32_at(bytes, 0x244), // s_grp_quota_inum
                u32_at(bytes, 0x26C), // s_prj_quota_inum
                u32_at(bytes, 0x280), // s_orphan_file_inum
            ],
            mmp_block: u64_at(bytes, 0x168),
            linux: u32_at(bytes, 0x48) == 0,
            hash_seed: [0xEC, 0xF0, 0xF4, 0xF8].map(|at| u32_at(bytes, at)),
            hash_unsigned: s_flags & 2 != 0,
            hash_version: bytes[0xFC],
            orphans: Orphans::default(),
            doubled: Vec::new(),
        };
        let geometry = Geometry { groups: geometry.count_groups(blocks), ..geometry };
        geometry.check()?;
        Ok(Self {
            geometry,
            label: label.to_vec(),
            external_journal: s_journal_inum == 0 && s_journal_dev != 0,
            journal_inode: s_journal_inum,
            journal_copy: (bytes[0xFD] == 1).then(|| bytes[0x10C..0x150].to_vec()),
            last_orphan: u32_at(bytes, 0xE8),
            failed: u16_at(bytes, 0x3A) & STATE_ERRORS != 0,
        })
    }

    /// Reads the copy of the journal's inode (s_jnl_blocks), if there is one, as if it were that.
    pub(super) fn journal_backup(&self, ask: &mut Requests) -> Option<Scan> {
        let copy = self.journal_copy.as_deref()?;
        let mut raw = vec![0; usize::from(self.geometry.inode_bytes)];
        let i_flags = if u16_at(copy, 0) == EXTENT_MAGIC { FLAG_EXTENTS } else { 0 };
        raw[..2].copy_from_slice(&0x8180_u16.to_le_bytes());
        raw[0x1A] = 1;
        raw[0x20..0x24].copy_from_slice(&i_flags.to_le_bytes());
        raw.get_mut(0x28..0x64)?.copy_from_slice(copy.get(..60)?);
        raw[0x6C..0x70].copy_from_slice(copy.get(60..64)?);
        raw[0x04..0x08].copy_from_slice(copy.get(64..68)?);
        seal(&self.geometry, self.journal_inode, &mut raw);
        let mut scan = Scan::of_inodes(self.geometry.clone(), &[]);
        let at = ByteRange::new(SUPERBLOCK_AT, SUPERBLOCK_BYTES);
        scan.take_inode(self.journal_inode, &raw, at, ask);
        Some(scan)
    }
}
