//! Inodes.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Index Nodes"
//! (with "Inode Timestamps" and "Inode Size").

use super::{
    bytes::{u16_at, u32_at, wide},
    checksum::{crc32c, crc32c_of},
    features::{INCOMPAT_64BIT, INCOMPAT_LARGEDIR},
    geometry::Geometry,
};
use coldread_model::{FileKind, Timestamp, crc};

/// Bytes of an inode without its extra part.
pub(super) const BASE_BYTES: usize = 128;
/// Where i_block lies.
const BLOCK_AT: usize = 0x28;
/// Bytes of i_block: 15 block numbers, the root of an extent tree, or content.
pub(super) const BLOCK_BYTES: usize = 60;

pub(super) const FLAG_ENCRYPT: u32 = 0x800;
pub(super) const FLAG_INDEX: u32 = 0x1000;
pub(super) const FLAG_EXTENTS: u32 = 0x8_0000;
const FLAG_EA_INODE: u32 = 0x20_0000;
pub(super) const FLAG_INLINE_DATA: u32 = 0x1000_0000;
const FLAG_CASEFOLD: u32 = 0x4000_0000;

/// Number of links, which is 0 for an inode that is not in use.
pub(super) fn links_of(raw: &[u8]) -> u16 {
    u16_at(raw, 0x1A)
}

/// An inode in use.
#[derive(Clone, Debug)]
pub(super) struct RawInode<'a> {
    /// What it is.
    pub kind: FileKind,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Number of names.
    pub links: u16,
    /// Size in bytes.
    pub size: u64,
    /// Access, change, modification.
    pub atime: Timestamp,
    /// Last change of metadata.
    pub ctime: Timestamp,
    /// Last change of content.
    pub mtime: Timestamp,
    /// Birth, where the inode has room for it.
    pub crtime: Option<Timestamp>,
    /// i_block.
    pub block: &'a [u8],
    /// The block of further attributes; 0 if there is none.
    pub attribute_block: u64,
    /// Units of 512 bytes that it allocates, or more of them with huge_file; 0 says: none at all.
    pub sectors: u64,
    /// i_block is the root of an extent tree.
    pub extents: bool,
    /// i_block and the attribute system.data are the content.
    pub inline: bool,
    /// A directory with an index.
    pub indexed: bool,
    /// Encrypted names or content.
    pub encrypted: bool,
    /// A directory that ignores case.
    pub casefolded: bool,
    /// It holds an attribute's value.
    pub attribute_value: bool,
    /// The words that hold an attribute value's hash (i_atime).
    pub value_hash: u32,
    /// The bytes after the fixed part, where attributes may lie.
    pub tail: &'a [u8],
    /// Tells it from another one that has its number (i_generation).
    pub generation: u32,
}

/// Why an inode cannot be used: what is expected and what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadInode {
    /// What the format allows.
    pub expected: String,
    /// What is there.
    pub actual: String,
}

impl BadInode {
    fn new(expected: &str, actual: String) -> Self {
        Self { expected: expected.to_owned(), actual }
    }
}

/// How many bytes the extra part takes, as the kernel counts it: the full known part where it says 0.
fn extra_bytes(raw: &[u8]) -> Result<(usize, bool), BadInode> {
    if raw.len() <= BASE_BYTES {
        return Ok((0, false));
    }
    let i_extra_isize = usize::from(u16_at(raw, 0x80));
    if BASE_BYTES + i_extra_isize > raw.len() || !i_extra_isize.is_multiple_of(4) {
        return Err(BadInode::new("i_extra_isize inside the inode", i_extra_isize.to_string()));
    }
    Ok(if i_extra_isize == 0 { (32, false) } else { (i_extra_isize, true) })
}

/// Whether a field that ends at byte `end` of the inode is there.
fn fits(extra: usize, end: usize) -> bool {
    end <= BASE_BYTES + extra
}

/// What checksums of an inode's blocks start from.
pub(super) fn seed_of(geometry: &Geometry, number: u32, generation: u32) -> u32 {
    let both = u64::from(number) | u64::from(generation) << 32;
    crc32c(geometry.checksum_seed, &both.to_le_bytes())
}

/// The generation of the inode with these bytes.
pub(super) fn generation_of(raw: &[u8]) -> u32 {
    u32_at(raw, 0x64)
}

/// The largest inode whose checksum is computed in one go; nearly all have 256 bytes.
const USUAL_BYTES: usize = 256;

/// What the checksum of a usual inode covers, in a row and aligned: short and crooked pieces take the
/// processor several times as long.
#[repr(align(8))]
struct Covered([u8; 8 + USUAL_BYTES]);

/// The inode's checksum: computed, stored, and whether it has room for its upper half.
fn sums(geometry: &Geometry, number: u32, raw: &[u8]) -> Result<(u32, u32, bool), BadInode> {
    let (extra, _) = extra_bytes(raw)?;
    let whole = raw.len() > BASE_BYTES && fits(extra, 0x84);
    let low = u32::from(u16_at(raw, 0x7C));
    let high = if whole { u32::from(u16_at(raw, 0x82)) << 16 } else { 0 };
    let sum = if (BASE_BYTES..=USUAL_BYTES).contains(&raw.len()) {
        let mut covered = Covered([0; 8 + USUAL_BYTES]);
        let bytes = &mut covered.0[..8 + raw.len()];
        // What a checksum starts from is added to the first four bytes: so it may start from all ones as any other.
        bytes[..4].copy_from_slice(&(number ^ !geometry.checksum_seed).to_le_bytes());
        bytes[4..8].copy_from_slice(&raw[0x64..0x68]);
        bytes[8..].copy_from_slice(raw);
        bytes[8 + 0x7C..8 + 0x7E].fill(0);
        if whole {
            bytes[8 + 0x82..8 + 0x84].fill(0);
        }
        !crc::crc32c(bytes)
    } else {
        let part = |from: usize, to: usize| raw.get(from..to.min(raw.len())).unwrap_or_default();
        let seed = seed_of(geometry, number, generation_of(raw));
        let sum = crc32c_of(seed, &[part(0, 0x7C), &[0, 0], part(0x7E, 0x82)]);
        let upper = [0, 0];
        crc32c_of(sum, &[if whole { &upper } else { part(0x82, 0x84) }, part(0x84, raw.len())])
    };
    Ok((if whole { sum } else { sum & 0xFFFF }, low | high, whole))
}

/// That the inode's checksum is right, or that there is none.
pub(super) fn verify(geometry: &Geometry, number: u32, raw: &[u8]) -> Result<(), BadInode> {
    if !geometry.features.metadata_csum() || !geometry.linux {
        return Ok(());
    }
    let (sum, found, _) = sums(geometry, number, raw)?;
    if sum == found {
        Ok(())
    } else {
        Err(BadInode::new(&format!("checksum {sum:#010x}"), format!("{found:#010x}")))
    }
}

/// Makes the inode's checksum right, if it has one.
pub(super) fn seal(geometry: &Geometry, number: u32, raw: &mut [u8]) {
    if !geometry.features.metadata_csum() || raw.len() < BASE_BYTES {
        return;
    }
    let Ok((sum, _, whole)) = sums(geometry, number, raw) else { return };
    raw[0x7C..0x7E].copy_from_slice(&(sum as u16).to_le_bytes());
    if whole {
        raw[0x82..0x84].copy_from_slice(&((sum >> 16) as u16).to_le_bytes());
    }
}

/// A time: seconds are signed, two bits of the extra word extend them, the rest of it is nanoseconds.
fn time(seconds: u32, extra: Option<u32>) -> Timestamp {
    let seconds = i64::from(seconds as i32);
    match extra {
        Some(extra) => Timestamp::new(seconds + (i64::from(extra & 3) << 32), extra >> 2),
        None => Timestamp::new(seconds, 0),
    }
}

impl<'a> RawInode<'a> {
    /// Reads an inode whose checksum was verified.
    pub(super) fn parse(geometry: &Geometry, raw: &'a [u8]) -> Result<Self, BadInode> {
        let i_mode = u16_at(raw, 0x00);
        let kind = match i_mode >> 12 {
            0x8 => FileKind::File,
            0x4 => FileKind::Dir,
            0xA => FileKind::Symlink,
            0x2 => FileKind::Char,
            0x6 => FileKind::Block,
            0x1 => FileKind::Fifo,
            0xC => FileKind::Socket,
            _ => return Err(BadInode::new("a mode with a file type", format!("{i_mode:#o}"))),
        };
        let (extra, described) = extra_bytes(raw)?;
        let stamp = |at: usize, extra_at: usize| {
            time(u32_at(raw, at), fits(extra, extra_at + 4).then(|| u32_at(raw, extra_at)))
        };
        let wide64 = geometry.features.incompat & INCOMPAT_64BIT != 0;
        let i_file_acl_high = if wide64 { u32::from(u16_at(raw, 0x76)) } else { 0 };
        let i_size_high = u32_at(raw, 0x6C);
        let long = kind == FileKind::File || geometry.features.incompat & INCOMPAT_LARGEDIR != 0;
        let size = wide(u32_at(raw, 0x04), if long { i_size_high } else { 0 });
        if size > i64::MAX as u64 {
            return Err(BadInode::new("a size below 2^63", size.to_string()));
        }
        let i_flags = u32_at(raw, 0x20);
        let has = |flag: u32| i_flags & flag != 0;
        let low_high =
            |low: usize, high: usize| u32::from(u16_at(raw, low)) | u32::from(u16_at(raw, high)) << 16;
        Ok(Self {
            kind,
            mode: i_mode & 0o7777,
            uid: low_high(0x02, 0x78),
            gid: low_high(0x18, 0x7A),
            links: links_of(raw),
            size,
            atime: stamp(0x08, 0x8C),
            ctime: stamp(0x0C, 0x84),
            mtime: stamp(0x10, 0x88),
            crtime: fits(extra, 0x94).then(|| stamp(0x90, 0x94)),
            block: raw.get(BLOCK_AT..BLOCK_AT + BLOCK_BYTES).unwrap_or_default(),
            attribute_block: wide(u32_at(raw, 0x68), i_file_acl_high),
            sectors: wide(u32_at(raw, 0x1C), u32::from(u16_at(raw, 0x74))),
            extents: has(FLAG_EXTENTS),
            inline: has(FLAG_INLINE_DATA),
            indexed: has(FLAG_INDEX),
            encrypted: has(FLAG_ENCRYPT),
            casefolded: has(FLAG_CASEFOLD),
            attribute_value: has(FLAG_EA_INODE),
            value_hash: u32_at(raw, 0x08),
            tail: if described { raw.get(BASE_BYTES + extra..).unwrap_or_default() } else { &[] },
            generation: generation_of(raw),
        })
    }

    /// Device numbers in either of the two encodings.
    pub(super) fn device(&self) -> (u32, u32) {
        match u32_at(self.block, 0) {
            0 => {
                let new = u32_at(self.block, 4);
                ((new & 0xF_FF00) >> 8, new & 0xFF | new >> 12 & 0xF_FF00)
            }
            old => (old >> 8 & 0xFF, old & 0xFF),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_past_2038_and_before_1970() {
        assert_eq!(time(0xFFFF_FFFF, None), Timestamp::new(-1, 0));
        assert_eq!(time(0xFFFF_FFFF, Some(7 << 2)), Timestamp::new(-1, 7));
        assert_eq!(time(0x8000_0004, Some(1)), Timestamp::new((1 << 31) + 4, 0));
        assert_eq!(time(7, Some(1 | 999_999_999 << 2)), Timestamp::new((1 << 32) + 7, 999_999_999));
        assert_eq!(time(0x7FFF_FFFF, Some(3)), Timestamp::new((3 << 32) + 0x7FFF_FFFF, 0));
    }

    #[test]
    fn a_checksum_covers_all_but_itself_whatever_the_inode_s_size() {
        let geometry = super::super::geometry::tests::small();
        for size in [128, 132, 160, 256, 260, 512, 4096] {
            for extra in [0_u16, 28, 32] {
                let mut raw: Vec<u8> = (0..size).map(|i| (i * 7 + i / 256) as u8).collect();
                if let Some(field) = raw.get_mut(0x80..0x82) {
                    field.copy_from_slice(&extra.to_le_bytes());
                }
                let Ok((sum, found, whole)) = sums(&geometry, 12, &raw) else { continue };
                assert_eq!(whole, size >= 132);
                let mut blank = raw.clone();
                blank[0x7C..0x7E].fill(0);
                if whole {
                    blank[0x82..0x84].fill(0);
                }
                let mut wanted = crc32c(seed_of(&geometry, 12, generation_of(&raw)), &blank);
                let mut stored = u32::from(u16_at(&raw, 0x7C));
                if whole {
                    stored |= u32::from(u16_at(&raw, 0x82)) << 16;
                } else {
                    wanted &= 0xFFFF;
                }
                assert_eq!((sum, found), (wanted, stored), "{size} {extra}");
            }
        }
    }
}
