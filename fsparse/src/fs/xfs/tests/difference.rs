//! Logs of filesystems that the running kernel does not write, version 4 above all: what differs between two images
//! of one geometry, as a log that makes the first of them the second. Synthetic, therefore.

use super::{super::geometry::Geometry, drive, probe, survey, survey_all, writer::Writer};
use crate::{
    fs::{Filesystem, xfs::Xfs},
    survey::Survey,
};
use coldread_model::{ByteRange, GapKind, VolumeState, task::PatchContent};
use std::{collections::BTreeMap, fmt::Write as _, path::Path};

const UUID: &str = "c01d5ead-0000-4000-8000-000000000009";
const CHUNK: usize = 128;

/// An image with `files` files in a directory, and with links; those of fewer files are like those of more, less the
/// last ones.
fn image(options: &[&str], files: usize) -> Option<Vec<u8>> {
    if !super::has_tool("mkfs.xfs") {
        return None;
    }
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    std::fs::write(at("content"), b"hello".repeat(3000)).unwrap();
    let mut text = String::from("/dev/null\n0 0\nd--755 0 0\nmany d--755 3 4\n");
    for number in 0..files {
        let content =
            if number % 9 == 0 { at("content").display().to_string() } else { "/dev/null".to_owned() };
        writeln!(text, "entry-{number:05}-{} ---644 {number} 7 {content}", "n".repeat(number % 60)).unwrap();
    }
    writeln!(text, "$").unwrap();
    for number in 0..files / 10 {
        writeln!(text, "link-{number} l--777 0 0 {}", "t".repeat(1 + number % 40)).unwrap();
    }
    writeln!(text, "char c--640 0 0 5 {files}\n$").unwrap();
    std::fs::write(at("prototype"), text).unwrap();
    let uuid = format!("uuid={UUID}");
    super::mkfs(&at("image"), 64, &[options, &["-m", &uuid]].concat(), Some(Path::new(&at("prototype"))));
    Some(std::fs::read(at("image")).unwrap())
}

/// The regions of a buffer item for what differs in `range`, of which these are the bytes.
fn buffer(before: &[u8], after: &[u8], range: ByteRange) -> Vec<Vec<u8>> {
    let pairs = before.chunks(CHUNK).zip(after.chunks(CHUNK));
    let dirty: Vec<bool> = pairs.map(|(one, other)| one != other).collect();
    let words = dirty.len().div_ceil(32);
    let mut format = vec![0; 20 + 4 * words];
    for (chunk, _) in dirty.iter().enumerate().filter(|(_, dirty)| **dirty) {
        format[20 + chunk / 8] |= 1 << (chunk % 8);
    }
    let mut regions = vec![Vec::new()];
    for run in dirty.iter().enumerate().collect::<Vec<_>>().chunk_by(|one, other| one.1 == other.1) {
        if *run[0].1 {
            let from = run[0].0 * CHUNK;
            regions.push(after[from..from + run.len() * CHUNK].to_vec());
        }
    }
    format[..2].copy_from_slice(&0x123c_u16.to_le_bytes());
    format[2..4].copy_from_slice(&(regions.len() as u16).to_le_bytes());
    format[6..8].copy_from_slice(&((range.len >> 9) as u16).to_le_bytes());
    format[8..16].copy_from_slice(&(range.start >> 9).to_le_bytes());
    format[16..20].copy_from_slice(&(words as u32).to_le_bytes());
    regions[0] = format;
    regions
}

/// Lengths of the fields of an inode core of version 2 (xfs_dinode), in order: those of one byte are kept as they
/// are, the others are in the byte order of the host.
const CORE: [usize; 34] =
    [2, 2, 1, 1, 2, 4, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 2, 4, 4, 4, 4, 4, 4, 8, 8, 4, 4, 2, 1, 1, 4, 2, 2, 4];

fn core(inode: &[u8]) -> Vec<u8> {
    let mut core = Vec::new();
    for len in CORE {
        let at = core.len();
        core.extend(inode[at..at + len].iter().rev());
    }
    if inode[4] == 3 {
        // Checksum, counter of changes, LSN, flags, extent size, padding, birth, number, UUID.
        core.resize(104, 0);
        for len in [8, 8, 8, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4, 4, 8] {
            let at = core.len();
            core.extend(inode[at..at + len].iter().rev());
        }
        core.extend(&inode[160..176]);
        let bigtime = inode[127] & 8 != 0;
        for at in [32, 40, 48, 144] {
            if bigtime {
                core[at..at + 8]
                    .copy_from_slice(&inode[at..at + 8].iter().rev().copied().collect::<Vec<_>>());
            }
        }
    }
    core
}

/// The root of an extent tree in the form that it has in memory: with the header of a block.
fn root(geometry: &Geometry, fork: &[u8]) -> Vec<u8> {
    let count = usize::from(u16::from_be_bytes([fork[2], fork[3]]));
    let mut root = vec![0; if geometry.v5 { 72 } else { 24 }];
    root[4..8].copy_from_slice(&fork[..4]);
    let pointers = 4 + (fork.len() - 4) / 16 * 8;
    root.extend(&fork[4..4 + count * 8]);
    root.extend(&fork[pointers..pointers + count * 8]);
    root
}

/// The regions of an inode item.
fn inode(geometry: &Geometry, number: u64, bytes: &[u8]) -> Vec<Vec<u8>> {
    let place = geometry.inode_place(number, 1).unwrap();
    let cluster = geometry.block_bytes().max(8192);
    let literal = if geometry.v5 { 176 } else { 100 };
    let data = match (bytes[5], usize::from(bytes[82]) * 8) {
        (_, 0) => &bytes[literal..],
        (_, len) => &bytes[literal..literal + len],
    };
    let size = u64::from_be_bytes(bytes[56..64].try_into().unwrap()) as usize;
    let extents = u32::from_be_bytes(bytes[76..80].try_into().unwrap()) as usize;
    let (fields, held): (u32, Vec<u8>) = match bytes[5] {
        0 => (1 | 0x10, Vec::new()),
        1 => (1 | 2, data[..size.next_multiple_of(4)].to_vec()),
        2 if extents > 0 => (1 | 4, data[..extents * 16].to_vec()),
        3 => (1 | 8, root(geometry, data)),
        _ => (1, Vec::new()),
    };
    let mut format = vec![0; 56];
    let regions = 2 + u16::from(!held.is_empty());
    let device = u32::from_be_bytes(bytes[literal..literal + 4].try_into().unwrap());
    for (at, field) in [
        (0, &0x123b_u16.to_le_bytes()[..]),
        (2, &regions.to_le_bytes()),
        (4, &fields.to_le_bytes()),
        (10, &(held.len() as u16).to_le_bytes()),
        (16, &number.to_le_bytes()),
        (24, &device.to_le_bytes()),
        (40, &((place.start / cluster * cluster) >> 9).to_le_bytes()),
        (48, &(cluster as u32 >> 9).to_le_bytes()),
        (52, &((place.start % cluster) as u32).to_le_bytes()),
    ] {
        format[at..at + field.len()].copy_from_slice(field);
    }
    let mut all = vec![format, core(bytes)];
    all.extend((!held.is_empty()).then_some(held));
    all
}

fn bytes(range: ByteRange) -> std::ops::Range<usize> {
    range.start as usize..range.end() as usize
}

/// The first image with what the second has that is no metadata, and with a log of the rest.
fn logged(before: &[u8], after: &[u8], geometry: &Geometry, found: &Survey, version: u32) -> Vec<u8> {
    let mut volume = before.to_vec();
    for extent in &found.extents {
        let range = extent.physical as usize..(extent.physical + extent.len) as usize;
        volume[range.clone()].copy_from_slice(&after[range]);
    }
    let places: BTreeMap<u64, u64> = found
        .inodes
        .iter()
        .map(|inode| (geometry.inode_place(inode.number, 1).unwrap().start, inode.number))
        .collect();
    let size = geometry.inode_bytes();
    let (mut buffers, mut inodes) = (Vec::new(), Vec::new());
    for range in found.metadata.clone().into_ranges() {
        for start in (range.start..range.end()).step_by(geometry.block_bytes() as usize) {
            let block = ByteRange::new(start, geometry.block_bytes());
            let differs = before[bytes(block)] != after[bytes(block)];
            if !differs || !geometry.log.intersect(block).is_empty() {
                continue;
            }
            let inside: Vec<_> = places.range(start..block.end()).collect();
            if inside.is_empty() {
                // A group's headers are a buffer each.
                let group = u64::from(geometry.ag_blocks) << geometry.block_log;
                let headers = start % group < 4 * u64::from(geometry.sector_bytes);
                let unit = if headers { u64::from(geometry.sector_bytes) } else { block.len };
                for at in (start..block.end()).step_by(unit as usize) {
                    let part = ByteRange::new(at, unit);
                    let item = buffer(&before[bytes(part)], &after[bytes(part)], part);
                    buffers.extend((item.len() > 1).then_some(item));
                }
                continue;
            }
            // New inodes come into being as a buffer of unused ones, as version 4 has it.
            let mut fresh = before[bytes(block)].to_vec();
            for (old, new) in fresh.chunks_mut(size as usize).zip(after[bytes(block)].chunks(size as usize)) {
                if old[..2] != *b"IN" {
                    old.copy_from_slice(new);
                    old[2..4].fill(0);
                }
            }
            let item = buffer(&before[bytes(block)], &fresh, block);
            buffers.extend((item.len() > 1).then_some(item));
            for (&at, &number) in inside {
                let (from, to) = (at as usize, (at + size) as usize);
                if before[from..to] != after[from..to] {
                    inodes.push(inode(geometry, number, &after[from..to]));
                }
            }
        }
    }
    assert!(buffers.len() > 10 && inodes.len() > 300, "{} buffers, {} inodes", buffers.len(), inodes.len());
    let log = geometry.log;
    // mkfs wrote one record, of the unmount, in pass 1. What follows it here goes around the log's end.
    let blocks = log.len >> 9;
    let head = (7, blocks - 40);
    for (number, block) in volume[log.start as usize..log.end() as usize].chunks_exact_mut(512).enumerate() {
        let pass = if (number as u64) < head.1 { head.0 } else { head.0 - 1 };
        block[..4].copy_from_slice(&u32::to_be_bytes(pass));
    }
    let mut writer = Writer::new(&mut volume, log, version, geometry.uuid, head);
    for (number, items) in buffers.chunks(16).chain(inodes.chunks(40)).enumerate() {
        writer.transaction(number as u32 + 1, items);
    }
    writer.flush();
    volume
}

/// What of a survey does not tell when mkfs ran.
fn shown(found: &Survey) -> impl PartialEq + std::fmt::Debug + use<> {
    let inodes: Vec<_> = found
        .inodes
        .iter()
        .map(|inode| {
            let streams: Vec<_> =
                found.streams_of(inode).iter().map(|stream| found.extents_of(stream).to_vec()).collect();
            let times = (inode.mtime, inode.ctime, inode.atime, inode.crtime);
            let owner = (inode.mode, inode.uid, inode.gid, inode.nlink, inode.rdev);
            let text = (found.bytes(inode.target).to_vec(), found.bytes(inode.xattrs).to_vec());
            (inode.number, inode.kind, inode.flags, inode.size, times, owner, text, streams)
        })
        .collect();
    let mut entries: Vec<_> = found
        .entries
        .iter()
        .map(|entry| (entry.parent, found.bytes(entry.name).to_vec(), entry.child))
        .collect();
    entries.sort();
    (inodes, entries, found.free.clone().into_ranges(), found.gaps.clone())
}

#[test]
fn a_log_of_what_differs_makes_one_image_the_other() {
    let variants: [(&[&str], u32); 6] = [
        (&["-m", "crc=0", "-l", "version=1"], 1),
        (&["-m", "crc=0", "-n", "ftype=0", "-b", "size=1024"], 2),
        (&["-m", "crc=0", "-i", "size=1024,attr=1", "-b", "size=2048"], 2),
        (&["-m", "crc=0", "-b", "size=512", "-n", "size=4096", "-l", "version=1"], 1),
        (&["-m", "finobt=0,reflink=0"], 2),
        (&["-m", "bigtime=0", "-s", "size=4096"], 2),
    ];
    for (options, version) in variants {
        let (Some(before), Some(after)) = (image(options, 150), image(options, 700)) else { return };
        let (probed, want) = survey_all(&after);
        let geometry = Geometry::from_opaque(&probed.geometry).unwrap();
        let mut volume = logged(&before, &after, &geometry, &want, version);
        let probed = probe(&volume).unwrap();
        assert_eq!(probed.state, VolumeState::Replayed, "{options:?}: {}", probed.reason);
        assert_eq!(probed.gaps, [], "{options:?}");
        for patch in &probed.patches {
            let PatchContent::Bytes(bytes) = &patch.content else { panic!("bytes") };
            volume[patch.at as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        let found = survey(&volume, &probed.geometry, 0..probed.units, &[]);
        assert_eq!(found.gaps, [], "{options:?}");
        assert!(shown(&found) == shown(&want), "{options:?}");
    }
}

#[test]
fn in_version_4_an_inode_that_was_flushed_more_often_is_newer() {
    let options: &[&str] = &["-m", "crc=0"];
    let (Some(before), Some(after)) = (image(options, 150), image(options, 700)) else { return };
    let (probed, want) = survey_all(&after);
    let geometry = Geometry::from_opaque(&probed.geometry).unwrap();
    // The directory of the files is among what the log changes. The counter is at byte 30.
    let many = want.entries.iter().find(|entry| want.bytes(entry.name) == b"many").unwrap().child;
    let place = geometry.inode_place(many, 1).unwrap().start as usize;
    for (held, logged_counter, applied) in
        [(5u16, 4u16, false), (5, 5, true), (4, 5, true), (0xffff, 3, true)]
    {
        let (mut before, mut after) = (before.clone(), after.clone());
        before[place + 30..place + 32].copy_from_slice(&held.to_be_bytes());
        after[place + 30..place + 32].copy_from_slice(&logged_counter.to_be_bytes());
        let volume = logged(&before, &after, &geometry, &want, 2);
        let probed = probe(&volume).unwrap();
        assert_eq!(probed.state, VolumeState::Replayed);
        let mut patched = volume.clone();
        for patch in &probed.patches {
            let PatchContent::Bytes(bytes) = &patch.content else { panic!("bytes") };
            patched[patch.at as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        let same = patched[place + 56..place + 64] == after[place + 56..place + 64];
        assert_eq!(same, applied, "{held} {logged_counter}");
    }
}

#[test]
fn a_log_of_another_filesystem_is_not_applied() {
    let options: &[&str] = &["-m", "crc=0"];
    let (Some(before), Some(after)) = (image(options, 150), image(options, 700)) else { return };
    let (probed, want) = survey_all(&after);
    let mut geometry = Geometry::from_opaque(&probed.geometry).unwrap();
    geometry.uuid[3] ^= 1;
    let volume = logged(&before, &after, &geometry, &want, 2);
    let mut machine = Xfs.probe(volume.len() as u64);
    drive(&mut *machine, &volume, &[]);
    let probed = machine.finish().unwrap();
    assert_eq!((probed.state, probed.patches.len()), (VolumeState::Unreplayed, 0));
    assert_eq!(probed.gaps[0].kind, GapKind::Unreplayed);
}
