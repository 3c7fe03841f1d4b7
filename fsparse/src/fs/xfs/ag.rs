//! Headers of an allocation group: AGF (free space), AGI (inodes), AGFL (blocks kept for the trees).
//!
//! "XFS Algorithms & Data Structures", 3rd edition, "Allocation Groups"; one sector each, after the
//! superblock's copy.

use super::{
    be::Be,
    btree::Tree,
    geometry::{Geometry, SelfCheck},
};
use crate::error::ParseError;

const AGF_MAGIC: u32 = 0x5841_4746;
const AGI_MAGIC: u32 = 0x5841_4749;
const AGFL_MAGIC: u32 = 0x5841_464c;

/// Whether a volume's first bytes hold the headers of group 0, whatever its superblock is: they follow it in sectors
/// of an unknown size.
pub(super) fn start_a_group(head: &[u8]) -> bool {
    let fields = Be(head);
    let places = (9..=15).map(|log| 1usize << log);
    places.into_iter().any(|sector| {
        let headers = [(sector, AGF_MAGIC), (2 * sector, AGI_MAGIC)];
        headers.into_iter().all(|(at, magic)| fields.u32(at) == magic && fields.u32(at + 8) == 0)
    })
}

/// A tree's root block in its group and the number of its levels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    pub(super) tree: Tree,
    pub(super) block: u32,
    pub(super) levels: u32,
}

/// The trees that the AGF roots, and which entries of the AGFL are in use.
pub(super) struct FreeSpace {
    pub(super) roots: Vec<Root>,
    first: u32,
    count: u32,
}

fn check_place(
    at: u64,
    structure: &'static str,
    fields: Be<'_>,
    magic: u32,
    ag: u32,
) -> Result<(), ParseError> {
    let (found, seqno) = (fields.u32(0), fields.u32(8));
    if found != magic {
        return Err(ParseError::corrupt(
            at,
            structure,
            format!("magic {magic:#010x}"),
            format!("{found:#010x}"),
        ));
    }
    if seqno != ag {
        return Err(ParseError::corrupt(at, structure, format!("group {ag}"), seqno));
    }
    Ok(())
}

/// Reads the AGF of group `ag` from its sector at byte `at`.
pub(super) fn agf(geometry: &Geometry, ag: u32, bytes: &[u8], at: u64) -> Result<FreeSpace, ParseError> {
    let fields = Be(bytes);
    check_place(at, "AGF", fields, AGF_MAGIC, ag)?;
    geometry.check(
        bytes,
        at,
        SelfCheck { structure: "AGF", crc: 216, address: None, uuid: 64, owner: None },
    )?;
    let root =
        |tree, block: usize, level: usize| Root { tree, block: fields.u32(block), levels: fields.u32(level) };
    let mut roots = vec![root(Tree::FreeByBlock, 16, 28), root(Tree::FreeBySize, 20, 32)];
    if geometry.reverse_map {
        roots.push(root(Tree::ReverseMap, 24, 36));
    }
    if geometry.reflink {
        roots.push(root(Tree::Refcount, 88, 92));
    }
    Ok(FreeSpace { roots, first: fields.u32(40), count: fields.u32(48) })
}

/// Reads the AGI of group `ag` from its sector at byte `at`: the roots of the inode trees.
pub(super) fn agi(geometry: &Geometry, ag: u32, bytes: &[u8], at: u64) -> Result<Vec<Root>, ParseError> {
    let fields = Be(bytes);
    check_place(at, "AGI", fields, AGI_MAGIC, ag)?;
    geometry.check(
        bytes,
        at,
        SelfCheck { structure: "AGI", crc: 312, address: None, uuid: 296, owner: None },
    )?;
    let mut roots = vec![Root { tree: Tree::Inode, block: fields.u32(20), levels: fields.u32(24) }];
    if geometry.free_inode_tree {
        roots.push(Root { tree: Tree::FreeInode, block: fields.u32(328), levels: fields.u32(332) });
    }
    Ok(roots)
}

/// The blocks of group `ag` that its AGFL, the sector at byte `at`, keeps for the trees.
pub(super) fn agfl(
    geometry: &Geometry,
    ag: u32,
    space: &FreeSpace,
    bytes: &[u8],
    at: u64,
) -> Result<Vec<u32>, ParseError> {
    let fields = Be(bytes);
    let header = if geometry.v5 {
        let (magic, seqno) = (fields.u32(0), fields.u32(4));
        if (magic, seqno) != (AGFL_MAGIC, ag) {
            return Err(ParseError::corrupt(at, "AGFL", format!("magic XAFL of group {ag}"), seqno));
        }
        let with = SelfCheck { structure: "AGFL", crc: 32, address: None, uuid: 8, owner: None };
        geometry.check(bytes, at, with)?;
        36
    } else {
        0
    };
    let slots = (bytes.len().saturating_sub(header) / 4) as u32;
    if space.count > slots || (space.count > 0 && space.first >= slots) {
        return Err(ParseError::corrupt(at, "AGFL", format!("at most {slots} entries"), space.count));
    }
    let slot = |number: u32| fields.u32(header + ((space.first + number) % slots) as usize * 4);
    Ok((0..space.count).map(slot).collect())
}
