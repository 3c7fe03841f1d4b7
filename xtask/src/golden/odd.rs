//! Structures of NTFS that no tool at hand makes, put into a volume that mkntfs and ntfs-3g made: a valid size
//! below the size, EFS, reparse points of deduplication and of a cloud, a file of system compression, and an `$MFT`
//! whose map takes an attribute list. What Windows would make of them is not known here: they are synthetic.
//!
//! Offsets are those of Flatcap's NTFS documentation: "File Record", "Attribute Header", "$ATTRIBUTE_LIST".

use crate::host::{Failure, at, run};
use std::{collections::BTreeMap, ffi::OsStr, fs, os::unix::fs::MetadataExt, path::Path};

/// The image's name.
pub(super) const NAME: &str = "ntfs-odd";

const DATA: u32 = 0x80;
/// The record of `$UpCase`.
const UPCASE: u64 = 10;
const STRIDE: usize = 512;

/// Record numbers of the files to change, by name.
pub(super) type Numbers = BTreeMap<&'static str, u64>;

/// The content of a file: bytes that tell their place.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 7 + at / 256) as u8).collect()
}

/// Fills a mounted volume with the files that [`patch`] changes.
pub(super) fn fill(root: &Path) -> Result<Numbers, Failure> {
    let mut numbers = Numbers::new();
    for (name, len) in [
        ("initialized", 9000),
        ("encrypted", 3000),
        ("cloud-away", 700),
        ("cloud-here", 700),
        ("plain", 3000),
    ] {
        let path = root.join(name);
        at(&path, fs::write(&path, content(len)))?;
        numbers.insert(name, at(&path, fs::metadata(&path))?.ino());
    }
    for name in ["dedup", "packed"] {
        let path = root.join(name);
        at(&path, fs::File::create(&path).and_then(|file| file.set_len(4096)))?;
    }
    // One chunk that does not shrink is stored as it is, without a table.
    let stream = root.join("packed:WofCompressedData");
    at(&stream, fs::write(&stream, content(4096)))?;
    for (name, tag, data) in [
        ("dedup", 0x8000_0013_u32, &[0; 16][..]),
        ("cloud-away", 0x9000_601a, &[0; 16]),
        ("cloud-here", 0x9000_601a, &[0; 16]),
        // Version 1 of provider 2 (files), version 1, XPRESS in chunks of 4 KiB.
        ("packed", 0x8000_0017, &[1, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        let point = [&tag.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), &[0, 0], data].concat();
        let hex = point.iter().fold("0x".to_owned(), |hex, byte| format!("{hex}{byte:02x}"));
        let words = ["-h", "-n", "system.ntfs_reparse_data", "-v", &hex].map(OsStr::new);
        run("setfattr", &[&words[..], &[root.join(name).as_os_str()]].concat())?;
    }
    // Deleted last, so that nothing takes their place.
    for (name, len) in [("deleted-small", 100), ("deleted-large", 5000)] {
        let path = root.join(name);
        at(&path, fs::write(&path, content(len)))?;
    }
    for name in ["deleted-small", "deleted-large"] {
        let path = root.join(name);
        at(&path, fs::remove_file(&path))?;
    }
    Ok(numbers)
}

/// Changes the files, and splits the map of the `$MFT`.
pub(super) fn patch(image: &mut [u8], numbers: &Numbers) -> Result<(), Failure> {
    let volume = Volume::of(image)?;
    volume.change(image, numbers["initialized"], |record| {
        let data = find(record, DATA)?;
        put(record, data + 56, &3000_u64.to_le_bytes())
    })?;
    volume.change(image, numbers["encrypted"], |record| {
        let data = find(record, DATA)?;
        put(record, data + 12, &0x4000_u16.to_le_bytes())?;
        set_attributes(record, 0x4000)
    })?;
    // Its content is fetched when it is opened.
    volume.change(image, numbers["cloud-away"], |record| set_attributes(record, 0x40_0000))?;
    volume.blank_upcase(image)?;
    volume.split_mft(image)
}

/// Adds file attributes to `$STANDARD_INFORMATION`.
fn set_attributes(record: &mut [u8], more: u32) -> Result<(), Failure> {
    let value = find(record, 0x10)? + 24;
    let have = u32_at(record, value + 32)?;
    put(record, value + 32, &(have | more).to_le_bytes())
}

struct Volume {
    cluster_bytes: usize,
    record_bytes: usize,
    mft: usize,
}

impl Volume {
    fn of(image: &[u8]) -> Result<Self, Failure> {
        let cluster_bytes = usize::from(u16_at(image, 11)?) * usize::from(image[13]);
        let mft = u32_at(image, 48)? as usize * cluster_bytes;
        Ok(Self { cluster_bytes, record_bytes: 1024, mft })
    }

    /// Changes one record; `with` sees it without its fixups. The `$MFT` is in one piece.
    fn change(
        &self,
        image: &mut [u8],
        number: u64,
        with: impl FnOnce(&mut Vec<u8>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let start = self.mft + number as usize * self.record_bytes;
        let missing = || Failure(format!("record {number} is not in the image"));
        let mut record = image.get(start..start + self.record_bytes).ok_or_else(missing)?.to_vec();
        if !record.starts_with(b"FILE") {
            return Err(missing());
        }
        let array = usize::from(u16_at(&record, 4)?);
        let places: Vec<_> = (1..=self.record_bytes / STRIDE)
            .map(|stride| (stride * STRIDE - 2, array + 2 * stride))
            .collect();
        for &(place, kept) in &places {
            record.copy_within(kept..kept + 2, place);
        }
        with(&mut record)?;
        for &(place, kept) in &places {
            record.copy_within(place..place + 2, kept);
            record.copy_within(array..array + 2, place);
        }
        image[start..start + self.record_bytes].copy_from_slice(&record);
        Ok(())
    }

    /// Blanks the table of capital letters, which nothing of ours reads and which hardly shrinks. A test that
    /// mounts the volume puts one back.
    fn blank_upcase(&self, image: &mut [u8]) -> Result<(), Failure> {
        let mut table = 0..0;
        self.change(image, UPCASE, |record| {
            let data = find(record, DATA)?;
            let runs = data + usize::from(u16_at(record, data + 32)?);
            let (lcn, clusters) = only_run(record.get(runs..).unwrap_or_default())?;
            table = lcn * self.cluster_bytes..(lcn + clusters) * self.cluster_bytes;
            Ok(())
        })?;
        let missing = || Failure("$UpCase is not in the image".to_owned());
        image.get_mut(table).ok_or_else(missing)?.fill(0);
        Ok(())
    }

    /// Moves the second half of the `$MFT`'s map to record 15, which is kept for that, and lists where its
    /// attributes are. The mirror keeps a copy of record 0.
    fn split_mft(&self, image: &mut [u8]) -> Result<(), Failure> {
        let (mut half, mut first, mut after) = (Vec::new(), 0, 0);
        self.change(image, 0, |record| {
            let data = find(record, DATA)?;
            let size = u32_at(record, data + 4)? as usize;
            let mut attribute = record[data..data + size].to_vec();
            let (runs, clusters) =
                (usize::from(u16_at(&attribute, 32)?), u32_at(&attribute, 24)? as usize + 1);
            only_run(&attribute[runs..])?;
            // The records of the filesystem's own stay in the first part.
            first = (32 * self.record_bytes).div_ceil(self.cluster_bytes);
            after = clusters
                .checked_sub(first)
                .filter(|rest| *rest > 0)
                .ok_or(Failure("the $MFT is too short".to_owned()))?;
            let lcn = self.mft / self.cluster_bytes;
            let mapped = |len: usize, lcn: usize| {
                [&[0x42][..], &(len as u16).to_le_bytes(), &(lcn as u32).to_le_bytes(), &[0; 9]].concat()
            };
            half.clone_from(&attribute);
            half.truncate(64);
            half.extend(mapped(after, lcn + first));
            half[16..24].copy_from_slice(&(first as u64).to_le_bytes());
            half[40..64].fill(0);
            attribute.truncate(64);
            attribute.extend(mapped(first, lcn));
            attribute[24..32].copy_from_slice(&(first as u64 - 1).to_le_bytes());
            for part in [&mut half, &mut attribute] {
                part.resize(80, 0);
                part[4..8].copy_from_slice(&80_u32.to_le_bytes());
                part[32..34].copy_from_slice(&64_u16.to_le_bytes());
            }
            half[14..16].copy_from_slice(&[0, 0]);
            record.splice(data..data + size, attribute);
            let mut list = Vec::new();
            let mut place = usize::from(u16_at(record, 20)?);
            let mut listed: Vec<(u32, u16, u64, u64)> = Vec::new();
            while u32_at(record, place)? != u32::MAX {
                let kind = u32_at(record, place)?;
                listed.push((kind, u16_at(record, place + 14)?, 0, 1 << 48));
                if kind == DATA {
                    listed.push((DATA, 0, first as u64, 15 | 15 << 48));
                }
                place += u32_at(record, place + 4)? as usize;
            }
            for (kind, id, lowest, reference) in listed {
                let mut entry = [0; 32];
                entry[..4].copy_from_slice(&kind.to_le_bytes());
                (entry[4], entry[7]) = (32, 26);
                entry[8..16].copy_from_slice(&lowest.to_le_bytes());
                entry[16..24].copy_from_slice(&reference.to_le_bytes());
                entry[24..26].copy_from_slice(&id.to_le_bytes());
                list.extend(entry);
            }
            let mut attribute = vec![0; 24];
            attribute.extend(&list);
            attribute[..4].copy_from_slice(&0x20_u32.to_le_bytes());
            let len = attribute.len() as u32;
            attribute[4..8].copy_from_slice(&len.to_le_bytes());
            attribute[14..16].copy_from_slice(&u16_at(record, 40)?.to_le_bytes());
            let next = u16_at(record, 40)? + 1;
            put(record, 40, &next.to_le_bytes())?;
            attribute[16..20].copy_from_slice(&(list.len() as u32).to_le_bytes());
            attribute[20] = 24;
            let names = find(record, 0x30)?;
            record.splice(names..names, attribute);
            self.finish(record)
        })?;
        self.change(image, 15, |record| {
            let start = usize::from(u16_at(record, 20)?);
            record.truncate(start);
            record.extend(&half);
            record.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
            // It extends record 0, has no name and is no file of its own.
            put(record, 18, &[0, 0])?;
            put(record, 32, &(1_u64 << 48).to_le_bytes())?;
            self.finish(record)
        })?;
        let mirror = u32_at(image, 56)? as usize * self.cluster_bytes;
        image.copy_within(self.mft..self.mft + self.record_bytes, mirror);
        Ok(())
    }

    /// Sets the bytes in use behind the last attribute, and the record's length.
    fn finish(&self, record: &mut Vec<u8>) -> Result<(), Failure> {
        let mut end = usize::from(u16_at(record, 20)?);
        while u32_at(record, end)? != u32::MAX {
            end += u32_at(record, end + 4)? as usize;
        }
        if end + 8 > self.record_bytes {
            return Err(Failure("the record is full".to_owned()));
        }
        record.truncate(end + 8);
        record.resize(self.record_bytes, 0);
        put(record, 24, &(end as u32 + 8).to_le_bytes())
    }
}

/// First cluster and number of clusters of a map of one run.
fn only_run(runs: &[u8]) -> Result<(usize, usize), Failure> {
    let several = || Failure("a file of the filesystem's is in more than one piece".to_owned());
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte));
    let (header, rest) = runs.split_first().ok_or_else(several)?;
    let (length, rest) = rest.split_at_checked(usize::from(header & 15)).ok_or_else(several)?;
    let (place, rest) = rest.split_at_checked(usize::from(header >> 4)).ok_or_else(several)?;
    if length.is_empty() || place.is_empty() || rest.first() != Some(&0) {
        return Err(several());
    }
    Ok((number(place), number(length)))
}

/// The place of the first attribute of a type.
fn find(record: &[u8], kind: u32) -> Result<usize, Failure> {
    let mut at = usize::from(u16_at(record, 20)?);
    while u32_at(record, at)? != kind {
        if u32_at(record, at)? == u32::MAX {
            return Err(Failure(format!("a record lacks attribute {kind:#x}")));
        }
        at += u32_at(record, at + 4)? as usize;
    }
    Ok(at)
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) -> Result<(), Failure> {
    let place = bytes.get_mut(at..at + value.len()).ok_or(Failure("a record is cut short".to_owned()))?;
    place.copy_from_slice(value);
    Ok(())
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Failure> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map(|bytes| u16::from_le_bytes(*bytes)).ok_or(Failure("a record is cut short".to_owned()))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Failure> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.map(|bytes| u32::from_le_bytes(*bytes)).ok_or(Failure("a record is cut short".to_owned()))
}
