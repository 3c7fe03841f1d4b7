//! The superblock: "XFS Algorithms & Data Structures", 3rd edition, "Superblocks"; fields that came after
//! it are those of Linux' `xfs_format.h`.

use super::{
    be::{Be, checksums},
    geometry::Geometry,
};
use crate::error::ParseError;
use coldread_model::{ByteRange, Gap, GapKind};
use std::collections::BTreeMap;

pub(super) const STRUCTURE: &str = "XFS superblock";
/// No superblock is longer: the largest sector.
pub(super) const MAX_BYTES: u64 = 32 << 10;
const MAGIC: u32 = 0x5846_5342;

// sb_features2 of version 4.
const V2_FTYPE: u32 = 0x200;
// sb_features_ro_compat.
const RO_FINOBT: u32 = 1;
const RO_RMAPBT: u32 = 1 << 1;
const RO_REFLINK: u32 = 1 << 2;
// sb_features_incompat.
const INCOMPAT_FTYPE: u32 = 1;
const INCOMPAT_SPINODES: u32 = 1 << 1;
const INCOMPAT_META_UUID: u32 = 1 << 2;
const INCOMPAT_NEEDSREPAIR: u32 = 1 << 4;
const INCOMPAT_METADIR: u32 = 1 << 8;
// sb_features_log_incompat.
const LOG_XATTRS: u32 = 1;
/// Incompatible features in the order of their bits, and whether they are read.
const INCOMPAT: [(&str, bool); 11] = [
    ("ftype", true),
    ("sparse inodes", true),
    ("meta_uuid", true),
    ("bigtime", true),
    ("needsrepair", true),
    ("nrext64", true),
    ("exchange-range", true),
    ("parent pointers", true),
    ("metadata directory", true),
    ("zoned realtime device", false),
    ("zoned realtime device with gaps", false),
];

/// What the superblock says.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    pub(super) geometry: Geometry,
    pub(super) label: Option<String>,
    /// The UUID that users see, which the log carries too.
    pub(super) uuid: [u8; 16],
    /// Metadata blocks carry another one.
    pub(super) meta_uuid: bool,
    /// The filesystem's own files are in a directory of their own, and say so themselves.
    pub(super) metadata_directory: bool,
    /// Features that only the log uses, and that are not known here (sb_features_log_incompat).
    pub(super) log_features: u32,
    /// Allocation groups of which the volume holds at least a part.
    pub(super) units: u64,
    /// Bytes of the filesystem; a volume that is cut short holds fewer.
    pub(super) size_bytes: u64,
    pub(super) gaps: Vec<Gap>,
}

/// Whether a volume starts like XFS.
pub(super) fn recognises(head: &[u8]) -> bool {
    Be(head).u32(0) == MAGIC
}

/// Whether the sector is a superblock whose checksum, if its version has one, holds.
pub(super) fn is_sound(bytes: &[u8]) -> bool {
    let fields = Be(bytes);
    let (stored, computed) = checksums(fields.slice(0, usize::from(fields.u16(102))).unwrap_or(bytes), 224);
    recognises(bytes) && (fields.u16(100) & 0xf != 5 || stored == computed)
}

/// Reads the superblock of a volume of `volume_bytes`.
pub(super) fn parse(bytes: &[u8], volume_bytes: u64) -> Result<Superblock, ParseError> {
    let found = parse_copy(bytes, volume_bytes)?;
    if found.geometry.root == 0 {
        let root = Be(bytes).u64(56);
        return Err(ParseError::corrupt(0, STRUCTURE, "a root inode in the volume", root));
    }
    Ok(found)
}

/// The same for a copy, which need not name a root directory: 0 then.
pub(super) fn parse_copy(bytes: &[u8], volume_bytes: u64) -> Result<Superblock, ParseError> {
    let fields = Be(bytes);
    let wrong = |expected: &str, actual: u64| ParseError::corrupt(0, STRUCTURE, expected.to_owned(), actual);
    let need = |holds: bool, expected: &str, actual: u64| {
        if holds { Ok(()) } else { Err(wrong(expected, actual)) }
    };
    need(fields.u32(0) == MAGIC, "magic XFSB", u64::from(fields.u32(0)))?;
    let (versionnum, features2) = (fields.u16(100), fields.u32(200));
    let v5 = versionnum & 0xf == 5;
    let sectsize = fields.u16(102);
    need(sectsize.is_power_of_two() && (512..=32768).contains(&sectsize), "a sector size", sectsize.into())?;
    if v5 {
        let sector = fields.slice(0, usize::from(sectsize)).unwrap_or(bytes);
        let (stored, computed) = checksums(sector, 224);
        need(stored == computed, &format!("checksum {computed:#010x}"), stored.into())?;
    }
    let (ro_compat, incompat) = if v5 { (fields.u32(212), fields.u32(216)) } else { (0, 0) };
    supported(versionnum, incompat)?;

    let (blocksize, blocklog) = (fields.u32(4), fields.u8(120));
    need((9..=16).contains(&blocklog) && blocksize == 1 << blocklog, "a block size", blocksize.into())?;
    need(u32::from(sectsize) <= blocksize, "sectors no longer than a block", sectsize.into())?;
    let (inodesize, inodelog) = (fields.u16(104), fields.u8(122));
    let inode_range = if v5 { 9..=11 } else { 8..=11 };
    need(
        inode_range.contains(&inodelog) && inodesize == 1 << inodelog && u32::from(inodesize) <= blocksize,
        "an inode size",
        inodesize.into(),
    )?;
    need(fields.u8(123) == blocklog - inodelog, "inodes that fill a block", fields.u8(123).into())?;
    let dirblklog = fields.u8(192);
    need(dirblklog <= 16 - blocklog, "directory blocks of at most 64 KiB", dirblklog.into())?;
    let (agblocks, agblklog) = (fields.u32(84), fields.u8(124));
    need(agblocks >= 64, "at least 64 blocks in a group", agblocks.into())?;
    let log = u8::try_from(u64::from(agblocks).next_power_of_two().trailing_zeros()).unwrap_or(u8::MAX);
    need(agblklog == log, "the logarithm of the group's size", agblklog.into())?;
    let (dblocks, agcount) = (fields.u64(8), fields.u32(88));
    let last_ag = u64::from(agcount.saturating_sub(1)) * u64::from(agblocks);
    need(
        agcount > 0
            && dblocks > last_ag
            && dblocks - last_ag <= u64::from(agblocks)
            && dblocks <= i64::MAX as u64 >> blocklog,
        "blocks that make up the groups",
        dblocks,
    )?;

    let mut gaps = Vec::new();
    if incompat & INCOMPAT_NEEDSREPAIR != 0 {
        let reason = "marked needsrepair: the kernel refuses it until xfs_repair has run";
        gaps.push(Gap::new(GapKind::Corrupt, STRUCTURE, reason).at_byte(216));
    }
    let held = (volume_bytes >> blocklog).div_ceil(u64::from(agblocks)).max(1);
    let (uuid, logstart, logblocks) = (fields.uuid(32), fields.u64(48), fields.u32(96));
    let mut geometry = Geometry {
        v5,
        block_log: blocklog,
        sector_bytes: u32::from(sectsize),
        inode_log: inodelog,
        ag_block_log: agblklog,
        dir_block_log: dirblklog,
        ag_blocks: agblocks,
        ag_count: agcount,
        groups_held: agcount,
        blocks: dblocks,
        held_blocks: dblocks.min(volume_bytes >> blocklog),
        root: fields.u64(56),
        log: ByteRange::default(),
        uuid: if incompat & INCOMPAT_META_UUID != 0 { fields.uuid(248) } else { uuid },
        ftype: if v5 { incompat & INCOMPAT_FTYPE != 0 } else { features2 & V2_FTYPE != 0 },
        sparse_inodes: incompat & INCOMPAT_SPINODES != 0,
        free_inode_tree: ro_compat & RO_FINOBT != 0,
        reverse_map: ro_compat & RO_RMAPBT != 0,
        reflink: ro_compat & RO_REFLINK != 0,
        internal: internal(fields, v5, incompat & INCOMPAT_METADIR != 0),
        freed: Vec::new(),
        remaps: Vec::new(),
        reowned: Vec::new(),
        inode_roots: BTreeMap::new(),
    };
    if logstart != 0 {
        let place = geometry.place(logstart, u64::from(logblocks));
        let block = place.ok_or_else(|| wrong("a log inside a group", logstart))?;
        geometry.log = geometry.bytes_of(block, u64::from(logblocks));
    }
    if geometry.inode_place(geometry.root, 1).is_none() {
        geometry.root = 0;
    }
    let units = held.min(u64::from(agcount));
    geometry.groups_held = u32::try_from(units).unwrap_or(agcount);
    Ok(Superblock {
        geometry,
        units,
        label: label(fields),
        uuid,
        meta_uuid: incompat & INCOMPAT_META_UUID != 0,
        metadata_directory: incompat & INCOMPAT_METADIR != 0,
        log_features: if v5 { fields.u32(220) & !LOG_XATTRS } else { 0 },
        size_bytes: dblocks << blocklog,
        gaps,
    })
}

/// Names what is not read.
fn supported(versionnum: u16, incompat: u32) -> Result<(), ParseError> {
    match versionnum & 0xf {
        4 => {
            for (bit, holds, name) in [(0x2000, true, "version 1 directories"), (0x0100, false, "shared")] {
                if (versionnum & bit != 0) != holds {
                    return Err(ParseError::unsupported(STRUCTURE, name));
                }
            }
        }
        5 => {}
        other => return Err(ParseError::unsupported(STRUCTURE, format!("version {other}"))),
    }
    for bit in 0..32 {
        if incompat & 1 << bit != 0 {
            match INCOMPAT.get(bit) {
                Some((_, true)) => {}
                Some((name, false)) => return Err(ParseError::unsupported(STRUCTURE, name)),
                None => {
                    return Err(ParseError::unsupported(
                        STRUCTURE,
                        format!("incompatible feature bit {bit}"),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// The inodes that the superblock names beside the root. With a metadata directory it names that one alone.
fn internal(fields: Be<'_>, v5: bool, metadata_directory: bool) -> Vec<u64> {
    let places: &[usize] = match (metadata_directory, v5) {
        (true, _) => &[264],
        (false, true) => &[64, 72, 160, 168, 232],
        (false, false) => &[64, 72, 160, 168],
    };
    let root = fields.u64(56);
    let numbers = places.iter().map(|&place| fields.u64(place));
    numbers.filter(|&number| number != 0 && number != u64::MAX && number != root).collect()
}

/// sb_fname up to its first zero.
fn label(fields: Be<'_>) -> Option<String> {
    let name = fields.slice(108, 12)?.split(|&byte| byte == 0).next().unwrap_or_default();
    (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
}

/// A UUID as blkid shows it.
pub(super) fn show_uuid(uuid: [u8; 16]) -> String {
    let bits = u128::from_be_bytes(uuid);
    let group = |shift: u32, mask: u128| bits >> shift & mask;
    let (first, rest) = (group(96, 0xffff_ffff), group(0, 0xffff_ffff_ffff));
    let [second, third, fourth] = [80, 64, 48].map(|shift| group(shift, 0xffff));
    format!("{first:08x}-{second:04x}-{third:04x}-{fourth:04x}-{rest:012x}")
}
