//! Single structures from crafted and from arbitrary bytes.

use super::super::{
    btree, dir, extent, extent::Mapping, fork_image::ForkImage, geometry::Geometry, inode, superblock,
    survey::Surveyor, xattr::Xattrs,
};
use crate::fs::SurveyMachine as _;
use coldread_model::{ByteRange, GapKind, Timestamp};
use proptest::prelude::*;

pub(super) fn geometry(v5: bool) -> Geometry {
    Geometry {
        v5,
        block_log: 12,
        sector_bytes: 512,
        inode_log: 9,
        ag_block_log: 15,
        dir_block_log: 0,
        ag_blocks: 25_600,
        ag_count: 4,
        groups_held: 4,
        blocks: 102_000,
        held_blocks: 102_000,
        root: 128,
        log: ByteRange::default(),
        uuid: [0; 16],
        ftype: true,
        sparse_inodes: true,
        free_inode_tree: true,
        reverse_map: true,
        reflink: true,
        internal: vec![129, 130],
        freed: Vec::new(),
        remaps: Vec::new(),
        reowned: Vec::new(),
        inode_roots: std::collections::BTreeMap::new(),
    }
}

/// A version 4 inode of 512 bytes: a regular file with one extent.
fn plain_inode() -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..6].copy_from_slice(&[b'I', b'N', 0, 0, 2, 2]);
    bytes[2..4].copy_from_slice(&0o100_644u16.to_be_bytes());
    bytes[16..20].copy_from_slice(&1u32.to_be_bytes());
    bytes[40..44].copy_from_slice(&(-5i32).to_be_bytes());
    bytes[44..48].copy_from_slice(&7u32.to_be_bytes());
    bytes[56..64].copy_from_slice(&4096u64.to_be_bytes());
    bytes[76..80].copy_from_slice(&1u32.to_be_bytes());
    bytes
}

#[test]
fn an_inode_of_version_4_has_no_birth_and_signed_seconds() {
    let bytes = plain_inode();
    let inode = inode::parse(&geometry(false), 131, &bytes, 0).unwrap().unwrap();
    assert_eq!(inode.mtime, Timestamp::new(-5, 7));
    assert_eq!((inode.crtime, inode.nlink, inode.size, inode.mode), (None, 1, 4096, 0o644));
    assert_eq!(inode.data.extents, 1);
    let mut wrong = bytes.clone();
    wrong[82] = 200;
    assert!(inode::parse(&geometry(false), 131, &wrong, 0).is_err(), "a fork outside the inode");
    let mut version_1 = bytes;
    version_1[4] = 1;
    version_1[6..8].copy_from_slice(&3u16.to_be_bytes());
    assert_eq!(inode::parse(&geometry(false), 131, &version_1, 0).unwrap().unwrap().nlink, 3);
}

/// A node or leaf of an extent tree of version 4: its keys or records are zeros, but for what `body` has.
fn fork_block(level: u16, count: u16, body: &[u8], at: usize) -> Vec<u8> {
    let mut block = vec![0; 4096];
    block[..4].copy_from_slice(b"BMAP");
    block[4..6].copy_from_slice(&level.to_be_bytes());
    block[6..8].copy_from_slice(&count.to_be_bytes());
    block[8..24].fill(0xff);
    block[at..at + body.len()].copy_from_slice(body);
    block
}

#[test]
fn a_tree_that_leads_to_the_same_blocks_over_and_over_is_gone_through_once() {
    let mut image = vec![0; 1 << 20];
    // 25 times the node in block 20, which has 254 times the leaf in block 21, with one extent of one block.
    let mut inode = plain_inode();
    inode[5] = 3;
    inode[100..104].copy_from_slice(&[0, 2, 0, 25]);
    inode[104 + 25 * 8..104 + 50 * 8].copy_from_slice(&20_u64.to_be_bytes().repeat(25));
    let (place, pointers) = (128 * 512, 21_u64.to_be_bytes().repeat(254));
    image[place..place + 512].copy_from_slice(&inode);
    image[20 << 12..21 << 12].copy_from_slice(&fork_block(1, 254, &pointers, 24 + 254 * 8));
    let record = [0_u64.to_be_bytes(), (30_u64 << 21 | 1).to_be_bytes()].concat();
    image[21 << 12..22 << 12].copy_from_slice(&fork_block(0, 1, &record, 24));
    let mut machine = Box::new(Surveyor::of_inodes(geometry(false), &[128]));
    assert_eq!(super::drive(&mut *machine, &image, &[]), 3);
    let found = machine.finish();
    assert_eq!((found.inodes.len(), found.extents.len(), found.gaps.len()), (1, 1, 24 + 253));
    assert!(found.gaps.iter().all(|gap| gap.kind == GapKind::Corrupt && gap.inode == Some(128)));
}

#[test]
fn an_unfinished_change_of_what_is_no_file_is_told() {
    let mut image = vec![0; 1 << 20];
    let mut directory = plain_inode();
    directory[2..4].copy_from_slice(&0o040_755u16.to_be_bytes());
    directory[5] = 1;
    directory[56..64].copy_from_slice(&6u64.to_be_bytes());
    directory[76..80].fill(0);
    directory[100..106].copy_from_slice(&[0, 0, 0, 0, 0, 128]);
    image[128 * 512..129 * 512].copy_from_slice(&directory);
    let remap = extent::Remap { inode: 128, offset: 0, count: 1, block: Some(40), unwritten: false };
    let geometry = Geometry { remaps: vec![remap], ..geometry(false) };
    let mut machine = Box::new(Surveyor::of_inodes(geometry, &[128]));
    super::drive(&mut *machine, &image, &[]);
    let gaps: Vec<_> = machine.finish().gaps.iter().map(|gap| (gap.kind, gap.inode)).collect();
    assert_eq!(gaps, [(GapKind::Unreplayed, Some(128))]);
}

#[test]
fn trees_that_all_inodes_share_take_bounded_work_and_memory() {
    let mut image = vec![0; 1 << 20];
    let geometry = Geometry { held_blocks: 256, reflink: false, ..geometry(false) };
    let numbers: Vec<u64> = (128..428).collect();
    // Each inode's tree is a node, whose blocks are those of all others' trees.
    let mut inode = plain_inode();
    inode[5] = 3;
    inode[76..80].copy_from_slice(&254_u32.to_be_bytes());
    inode[100..104].copy_from_slice(&[0, 1, 0, 1]);
    inode[104 + 25 * 8..104 + 26 * 8].copy_from_slice(&60_u64.to_be_bytes());
    for number in &numbers {
        image[*number as usize * 512..][..512].copy_from_slice(&inode);
    }
    let extent = |nth: u64| [(nth << 9).to_be_bytes(), ((100 + nth) << 21 | 1).to_be_bytes()].concat();
    let leaf = fork_block(0, 254, &(0..254).flat_map(extent).collect::<Vec<_>>(), 24);
    image[60 << 12..61 << 12].copy_from_slice(&leaf);
    let limited = |image: &[u8]| {
        let mut machine = Box::new(Surveyor::of_inodes(geometry.clone(), &numbers));
        super::drive(&mut *machine, image, &[]);
        let found = machine.finish();
        assert_eq!(found.inodes.len(), numbers.len());
        let limits = found.gaps.iter().filter(|gap| gap.kind == GapKind::Limit).count();
        (limits, found.extents.len() as u64)
    };
    let (limits, extents) = limited(&image);
    assert!(limits > 0 && extents <= geometry.most_extents(), "{limits}, {extents}");
    // The same with a level more, and no leaf that is one.
    for number in &numbers {
        image[*number as usize * 512 + 101] = 2;
    }
    let pointers: Vec<u8> = (2..256_u64).flat_map(u64::to_be_bytes).collect();
    image[60 << 12..61 << 12].copy_from_slice(&fork_block(1, 254, &pointers, 24 + 254 * 8));
    let (limits, extents) = limited(&image);
    assert!(limits > 0 && extents == 0, "{limits}, {extents}");
}

#[test]
fn an_opaque_geometry_reads_back_and_a_changed_one_is_refused() {
    let good = geometry(true);
    assert_eq!(Geometry::from_opaque(&good.to_opaque()), Ok(good.clone()));
    for wrong in [
        Geometry { block_log: 60, ..good.clone() },
        Geometry { inode_log: 13, ..good.clone() },
        Geometry { ag_count: 0, ..good.clone() },
        Geometry { held_blocks: good.blocks + 1, ..good.clone() },
        Geometry { ag_blocks: u32::MAX, ..good.clone() },
        Geometry { dir_block_log: 9, ..good },
    ] {
        assert!(Geometry::from_opaque(&wrong.to_opaque()).is_err());
    }
    assert!(Geometry::from_opaque(b"other bytes").is_err());
}

#[test]
fn extents_outside_a_group_and_overlapping_ones_are_corrupt() {
    let geometry = geometry(false);
    let record = |offset: u64, block: u64, count: u64, unwritten: bool| {
        let high = u64::from(unwritten) << 63 | offset << 9 | block >> 43;
        [high.to_be_bytes(), (block << 21 | count).to_be_bytes()].concat()
    };
    let mut out = Vec::new();
    extent::decode(&geometry, &record(5, (1 << 15) + 100, 7, true), 0, &mut out).unwrap();
    assert_eq!(out, [Mapping { offset: 5, block: 25_700, count: 7, unwritten: true }]);
    for (block, count) in [(25_599, 2), (0, 1), (4 << 15, 1), (100, 0), (1 << 51, 1), ((3 << 15) + 25_199, 2)]
    {
        assert!(extent::decode(&geometry, &record(0, block, count, false), 0, &mut out).is_err(), "{block}");
    }
    let mapping = |offset, count| Mapping { offset, block: 100, count, unwritten: false };
    assert!(extent::settle(&mut [mapping(9, 2), mapping(0, 9)], 0).is_ok());
    assert!(extent::settle(&mut [mapping(9, 2), mapping(0, 10)], 0).is_err());
}

#[test]
fn a_short_form_directory_gives_its_names() {
    let mut fork = vec![2, 0, 0, 0, 0, 128];
    for (name, number) in [(b"one".as_slice(), 131u32), (b"two-two", 132)] {
        fork.extend([name.len() as u8, 0, 0]);
        fork.extend(name);
        fork.push(1);
        fork.extend(number.to_be_bytes());
    }
    let mut names = Vec::new();
    dir::short_form(&geometry(true), &fork, 0, &mut |name, child| names.push((name.to_vec(), child)))
        .unwrap();
    assert_eq!(names, [(b"one".to_vec(), 131), (b"two-two".to_vec(), 132)]);
    assert!(dir::short_form(&geometry(true), &fork[..fork.len() - 1], 0, &mut |_, _| ()).is_err());
    fork[9] = b'/';
    assert!(dir::short_form(&geometry(true), &fork, 0, &mut |_, _| ()).is_err());
}

#[test]
fn attributes_are_sorted_and_private_ones_hidden() {
    let mut fork = vec![0, 0, 4, 0];
    for (flags, name, value) in [(0, "b", "2"), (8, "parent", "3"), (4, "selinux", "4"), (0x80, "half", "5")]
    {
        fork.extend([name.len() as u8, value.len() as u8, flags]);
        fork.extend(name.bytes().chain(value.bytes()));
    }
    let mut xattrs = Xattrs::default();
    xattrs.short_form(&fork, 0).unwrap();
    let mut out = Vec::new();
    xattrs.encode(&mut out);
    let list: Vec<_> = coldread_model::listing::Xattrs(&out).collect();
    assert_eq!(list, [(b"security.selinux".as_slice(), b"4".as_slice()), (b"user.b", b"2")]);
}

proptest! {
    /// Whatever the bytes, parsing ends, without a panic, having handed over no more than they can hold.
    #[test]
    fn arbitrary_bytes_are_survived(
        mut bytes in prop::collection::vec(any::<u8>(), 0..4200),
        magic in prop::sample::select(vec![*b"XD2B", *b"XD2D", *b"ABTB", *b"IABT", *b"BMAP", *b"XFSB"]),
        level in 0u32..3,
    ) {
        let geometry = geometry(false);
        let mut names = 0;
        let _ = dir::short_form(&geometry, &bytes, 0, &mut |_, _| names += 1);
        if bytes.len() > 4 {
            bytes[..4].copy_from_slice(&magic);
        }
        let _ = dir::data_block(&geometry, 5, &bytes, 0, &mut |_, _| names += 1);
        prop_assert!(names <= bytes.len());
        for tree in [btree::Tree::FreeByBlock, btree::Tree::Inode] {
            let _ = btree::short(&geometry, tree, 0, level, &bytes, 0);
        }
        let _ = btree::long(&geometry, 5, level, &bytes, 0);
        let _ = btree::fork_root(&bytes);
        let _ = superblock::parse(&bytes, 1 << 30);
        let _ = inode::parse(&geometry, 131, &bytes, 0);
        let mut xattrs = Xattrs::default();
        let _ = xattrs.short_form(&bytes, 0);
    }

    /// Attribute blocks of arbitrary content, with the magic of a leaf or a node.
    #[test]
    fn arbitrary_attribute_forks_are_survived(
        seed in prop::collection::vec(any::<u8>(), 64..512),
        leaf: bool,
        count in 0u16..600,
        blocks in 1u64..4,
    ) {
        let geometry = geometry(false);
        let mapping = Mapping { offset: 0, block: 100, count: blocks, unwritten: false };
        let mut image = ForkImage::new(&geometry, vec![mapping]);
        let mut bytes: Vec<u8> = seed.iter().copied().cycle().take(4096).collect();
        bytes[8..10].copy_from_slice(&if leaf { 0xfbeeu16 } else { 0xfebe }.to_be_bytes());
        bytes[12..14].copy_from_slice(&count.to_be_bytes());
        for block in 0..blocks {
            image.fill(block as usize * 4096, &bytes, &[]);
        }
        let mut xattrs = Xattrs::default();
        let mut errors = Vec::new();
        xattrs.walk(&geometry, 131, &image, &mut errors);
        let mut out = Vec::new();
        xattrs.encode(&mut out);
        prop_assert!(out.len() <= 64 * blocks as usize * 4096);
    }
}
