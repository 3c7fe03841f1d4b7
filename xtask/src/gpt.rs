//! Writes GUID partition tables.
//!
//! Source: UEFI Specification 2.10, section 5.2.3 (protective MBR), 5.3.2 (GPT header), 5.3.3 (entries).

use std::{fs::File, io, os::unix::fs::FileExt};

/// Bytes of a sector.
pub(crate) const SECTOR: u64 = 512;
/// Sectors before the first partition: 1 MiB, as partitioning tools align.
pub(crate) const FIRST: u64 = 2048;
/// Sectors of the table behind the last partition: entries and header.
pub(crate) const TAIL: u64 = 33;

const ENTRY_COUNT: u32 = 128;
const ENTRY_BYTES: u32 = 128;

/// A GUID as it is written in text, e.g. `0FC63DAF-8483-4772-8E79-3D69D8477DE4`.
pub(crate) type GuidText = &'static str;

/// Partition type: Linux filesystem data.
pub(crate) const LINUX: GuidText = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
/// Partition type: Microsoft basic data.
pub(crate) const BASIC_DATA: GuidText = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";

/// A partition to be written.
#[derive(Clone, Debug)]
pub(crate) struct Partition {
    /// Its type.
    pub(crate) kind: GuidText,
    /// Its own GUID (PARTUUID).
    pub(crate) guid: GuidText,
    /// Its name (PARTLABEL).
    pub(crate) name: &'static str,
    /// First sector.
    pub(crate) first: u64,
    /// Number of sectors.
    pub(crate) sectors: u64,
}

/// The 16 bytes of a GUID: the first three groups little-endian, the rest as written.
fn guid_bytes(text: &str) -> [u8; 16] {
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte =
            digits.get(at * 2..at * 2 + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0);
    }
    bytes[0..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn entries(partitions: &[Partition]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for partition in partitions {
        let start = bytes.len();
        bytes.extend(guid_bytes(partition.kind));
        bytes.extend(guid_bytes(partition.guid));
        bytes.extend(partition.first.to_le_bytes());
        bytes.extend((partition.first + partition.sectors - 1).to_le_bytes());
        bytes.extend(0u64.to_le_bytes());
        bytes.extend(partition.name.encode_utf16().take(36).flat_map(u16::to_le_bytes));
        bytes.resize(start + ENTRY_BYTES as usize, 0);
    }
    bytes.resize((ENTRY_COUNT * ENTRY_BYTES) as usize, 0);
    bytes
}

/// One of the two headers: its own sector, the other's, where its entries start.
fn header(disk: GuidText, sectors: u64, own: u64, other: u64, entries_at: u64, entries: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(b"EFI PART");
    bytes.extend(0x0001_0000u32.to_le_bytes());
    bytes.extend(92u32.to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(own.to_le_bytes());
    bytes.extend(other.to_le_bytes());
    bytes.extend((2 + TAIL - 1).to_le_bytes());
    bytes.extend((sectors - 1 - TAIL).to_le_bytes());
    bytes.extend(guid_bytes(disk));
    bytes.extend(entries_at.to_le_bytes());
    bytes.extend(ENTRY_COUNT.to_le_bytes());
    bytes.extend(ENTRY_BYTES.to_le_bytes());
    bytes.extend(crc32(entries).to_le_bytes());
    let crc = crc32(&bytes);
    bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    bytes.resize(SECTOR as usize, 0);
    bytes
}

/// The protective MBR: one partition of type 0xEE over everything.
fn protective_mbr(sectors: u64) -> Vec<u8> {
    let mut bytes = vec![0; SECTOR as usize];
    let covered = u32::try_from(sectors - 1).unwrap_or(u32::MAX);
    bytes[446..454].copy_from_slice(&[0, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF]);
    bytes[454..458].copy_from_slice(&1u32.to_le_bytes());
    bytes[458..462].copy_from_slice(&covered.to_le_bytes());
    bytes[510..].copy_from_slice(&[0x55, 0xAA]);
    bytes
}

/// Writes both tables of a disk of `sectors` sectors.
pub(crate) fn write(file: &File, disk: GuidText, sectors: u64, partitions: &[Partition]) -> io::Result<()> {
    let entries = entries(partitions);
    let last = sectors - 1;
    file.write_all_at(&protective_mbr(sectors), 0)?;
    file.write_all_at(&header(disk, sectors, 1, last, 2, &entries), SECTOR)?;
    file.write_all_at(&entries, 2 * SECTOR)?;
    file.write_all_at(&entries, (sectors - TAIL) * SECTOR)?;
    file.write_all_at(&header(disk, sectors, last, 1, sectors - TAIL, &entries), last * SECTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guid_is_mixed_endian() {
        let bytes = guid_bytes("00112233-4455-6677-8899-AABBCCDDEEFF");
        assert_eq!(bytes[..8], [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66]);
        assert_eq!(bytes[8..], [0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF]);
    }

    #[test]
    fn both_headers_carry_their_place_and_a_valid_checksum() {
        let file = tempfile::tempfile().unwrap();
        let sectors = 8192;
        file.set_len(sectors * SECTOR).unwrap();
        let part = Partition { kind: LINUX, guid: BASIC_DATA, name: "root", first: FIRST, sectors: 4096 };
        write(&file, LINUX, sectors, &[part]).unwrap();
        for (own, entries_at) in [(1, 2), (sectors - 1, sectors - TAIL)] {
            let mut header = vec![0; SECTOR as usize];
            file.read_exact_at(&mut header, own * SECTOR).unwrap();
            let stored = u32::from_le_bytes(header[16..20].try_into().unwrap());
            header[16..20].fill(0);
            assert_eq!(crc32(&header[..92]), stored);
            assert_eq!(u64::from_le_bytes(header[24..32].try_into().unwrap()), own);
            assert_eq!(u64::from_le_bytes(header[72..80].try_into().unwrap()), entries_at);
            let mut entry = [0; ENTRY_BYTES as usize];
            file.read_exact_at(&mut entry, entries_at * SECTOR).unwrap();
            assert_eq!(u64::from_le_bytes(entry[40..48].try_into().unwrap()), FIRST + 4095);
            assert_eq!(&entry[56..64], b"r\0o\0o\0t\0");
        }
    }
}
