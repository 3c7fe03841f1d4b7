//! GUID partition tables (UEFI Specification 2.10, section 5.3).

use crate::error::ParseError;
use coldread_model::{ByteRange, crc};

/// Most entries that are read; every tool writes 128.
const MAX_ENTRIES: u32 = 1024;

/// A GPT header that passed its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Bytes of a sector.
    pub sector: u64,
    /// The table's own id.
    pub disk_guid: String,
    /// Where the entries lie on the disk.
    pub entries: ByteRange,
    /// Bytes of an entry.
    pub entry_bytes: u32,
    /// CRC-32 of the entries.
    pub entries_crc: u32,
}

/// An entry in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, counted from 1.
    pub number: u32,
    /// Where the partition lies on the disk.
    pub range: ByteRange,
    /// What it is said to hold.
    pub type_guid: String,
    /// The partition's own id.
    pub guid: String,
    /// Its name.
    pub name: String,
}

/// Reads the header in `bytes`, which start at byte `at` of the disk (section 5.3.2).
/// `NotFound` where there is none, `Corrupt` where there is a damaged one.
pub fn header(bytes: &[u8], at: u64, sector: u64) -> Result<Header, ParseError> {
    let missing = || ParseError::NotFound { what: "GPT header".to_owned() };
    let header = bytes.get(..92).ok_or_else(missing)?;
    if &header[..8] != b"EFI PART" {
        return Err(missing());
    }
    let corrupt = |expected: &str, actual: String| ParseError::corrupt(at, "GPT header", expected, actual);
    let u32_at = |offset: usize| le32(header, offset);
    let u64_at = |offset: usize| le64(header, offset);
    let header_size = u32_at(12) as usize;
    let Some(covered) = bytes.get(..header_size).filter(|_| header_size >= 92) else {
        return Err(corrupt("a header of 92 bytes to a sector", format!("{header_size} bytes")));
    };
    let mut zeroed = covered.to_vec();
    zeroed[16..20].fill(0);
    let (stored, computed) = (u32_at(16), crc32(&zeroed));
    if stored != computed {
        return Err(corrupt(&format!("checksum {computed:#010x}"), format!("{stored:#010x}")));
    }
    let (entry_lba, count, entry_bytes) = (u64_at(72), u32_at(80), u32_at(84));
    if !(128..=4096).contains(&entry_bytes) || entry_bytes % 8 != 0 {
        return Err(corrupt("entries of 128 to 4096 bytes", format!("{entry_bytes} bytes")));
    }
    if count > MAX_ENTRIES {
        return Err(corrupt("at most 1024 entries", count.to_string()));
    }
    let start = entry_lba
        .checked_mul(sector)
        .ok_or_else(|| corrupt("entries on the disk", format!("entries at LBA {entry_lba}")))?;
    Ok(Header {
        sector,
        disk_guid: guid(&header[56..72]),
        entries: ByteRange::new(start, u64::from(count) * u64::from(entry_bytes)),
        entry_bytes,
        entries_crc: u32_at(88),
    })
}

/// Reads the entries (section 5.3.3); those not in use are left out. The second value says whether the
/// checksum holds. An entry that ends before it starts is left out and named in the third.
pub fn entries(header: &Header, bytes: &[u8]) -> (Vec<Entry>, bool, Vec<ParseError>) {
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    for (i, entry) in bytes.chunks_exact(header.entry_bytes as usize).enumerate() {
        if entry[..16].iter().all(|byte| *byte == 0) {
            continue;
        }
        let (first, last) = (le64(entry, 32), le64(entry, 40));
        let sectors = last.checked_sub(first).and_then(|n| n.checked_add(1));
        let range = first.checked_mul(header.sector).zip(sectors.and_then(|n| n.checked_mul(header.sector)));
        let Some((start, len)) = range else {
            let at = header.entries.start + i as u64 * u64::from(header.entry_bytes);
            let expected = "a first sector before the last one";
            wrong.push(ParseError::corrupt(at, "GPT entry", expected, format!("{first} to {last}")));
            continue;
        };
        let units: Vec<u16> =
            entry[56..128].chunks_exact(2).map(|c| u16::from_le_bytes([c[0], c[1]])).collect();
        let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
        found.push(Entry {
            number: i as u32 + 1,
            range: ByteRange::new(start, len),
            type_guid: guid(&entry[..16]),
            guid: guid(&entry[16..32]),
            name: String::from_utf16_lossy(&units[..end]),
        });
    }
    (found, crc32(bytes) == header.entries_crc, wrong)
}

/// A GUID as text, lowercase: the first three fields are little-endian (appendix A).
fn guid(bytes: &[u8]) -> String {
    let le16 = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let tail = bytes[10..16].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    format!(
        "{:08x}-{:04x}-{:04x}-{:02x}{:02x}-{tail:012x}",
        le32(bytes, 0),
        le16(4),
        le16(6),
        bytes[8],
        bytes[9]
    )
}

/// What a partition type stands for, where it says that no filesystem is to be expected, or which one.
pub fn type_name(type_guid: &str) -> Option<&'static str> {
    Some(match type_guid {
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" => "EFI system partition",
        "21686148-6449-6e6f-744e-656564454649" => "BIOS boot partition",
        "e3c9e316-0b5c-4db8-817d-f92df00215ae" => "Microsoft reserved",
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7" => "Microsoft basic data",
        "de94bba4-06d1-4d40-a16a-bfd50179d6ac" => "Windows recovery",
        "e75caf8f-f680-4cee-afa3-b001e56efc2d" => "Storage Spaces",
        "0fc63daf-8483-4772-8e79-3d69d8477de4" => "Linux filesystem",
        "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f" => "Linux swap",
        "e6d6d379-f507-44c2-a23c-238f2a3df928" => "Linux LVM",
        "a19d880f-05fc-4d3b-a006-743f0f84911e" => "Linux RAID",
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" => "Linux root (x86-64)",
        "9e1a2d38-c612-4316-aa26-8b49521e5a8b" => "PowerPC PReP boot",
        "7c3457ef-0000-11aa-aa11-00306543ecac" => "APFS",
        _ => return None,
    })
}

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

pub(super) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

/// CRC-32 as UEFI uses it (ISO 3309, polynomial 0x04C11DB7, reflected).
fn crc32(bytes: &[u8]) -> u32 {
    crc::crc32(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sector: u64) -> (Vec<u8>, Vec<u8>) {
        let mut entries = vec![0; 128 * 128];
        let type_bytes =
            [0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4];
        entries[128..144].copy_from_slice(&type_bytes);
        entries[144..160].fill(0x11);
        entries[160..168].copy_from_slice(&2048u64.to_le_bytes());
        entries[168..176].copy_from_slice(&4095u64.to_le_bytes());
        entries[184..188].copy_from_slice(&[b'r', 0, b't', 0]);
        let mut header = vec![0; 512];
        header[..8].copy_from_slice(b"EFI PART");
        header[12..16].copy_from_slice(&92u32.to_le_bytes());
        header[72..80].copy_from_slice(&2u64.to_le_bytes());
        header[80..84].copy_from_slice(&128u32.to_le_bytes());
        header[84..88].copy_from_slice(&128u32.to_le_bytes());
        header[88..92].copy_from_slice(&crc32(&entries).to_le_bytes());
        let crc = crc32(&header[..92]);
        header[16..20].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(super::header(&header, sector, sector).unwrap().entries.start, 2 * sector);
        (header, entries)
    }

    #[test]
    fn entries_are_read_and_damage_is_named() {
        let (mut bytes, mut list) = table(512);
        let parsed = header(&bytes, 512, 512).unwrap();
        let (found, good, wrong) = entries(&parsed, &list);
        assert!(good && wrong.is_empty());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].number, found[0].range), (2, ByteRange::new(1 << 20, 1 << 20)));
        assert_eq!(found[0].name, "rt");
        assert_eq!(type_name(&found[0].type_guid), Some("Linux filesystem"));
        list[160..168].copy_from_slice(&u64::MAX.to_le_bytes());
        let (found, good, wrong) = entries(&parsed, &list);
        assert!(found.is_empty() && !good && wrong.len() == 1);
        bytes[80] ^= 1;
        assert!(matches!(header(&bytes, 512, 512), Err(ParseError::Corrupt { .. })));
        assert!(matches!(header(&[0; 512], 512, 512), Err(ParseError::NotFound { .. })));
        table(4096);
    }
}
