//! The boot sector.

use crate::error::ParseError;

/// Bytes of the boot sector that carry the geometry.
pub(super) const BOOT_BYTES: u64 = 512;

const STRUCTURE: &str = "NTFS boot sector";

/// Where the volume's parts lie.
///
/// Source: Flatcap NTFS documentation, "$Boot"; cluster sizes above 64 KiB: "NTFS overview", Microsoft Learn
/// (the byte is then a negative power of two).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BootSector {
    /// Bytes of a cluster, 256 to 2 MiB.
    pub(super) cluster_bytes: u32,
    /// Bytes of an MFT record.
    pub(super) record_bytes: u32,
    /// Whole clusters of the volume.
    pub(super) clusters: u64,
    /// Bytes of the volume with the last sector, which holds the copy of the boot sector.
    pub(super) size_bytes: u64,
    /// Cluster where the MFT starts.
    pub(super) mft_lcn: u64,
    /// Cluster of the copy of the MFT's first records.
    pub(super) mft_mirror_lcn: u64,
    /// The volume's serial number.
    pub(super) serial: u64,
}

/// Whether these are the first bytes of an NTFS volume.
pub(super) fn is_ntfs(head: &[u8]) -> bool {
    head.get(3..11) == Some(b"NTFS    ") && head.get(510..512) == Some(&[0x55, 0xaa])
}

/// Whether a volume that starts like this was NTFS before its first sector was lost: behind that sector the bootstrap code
/// of Windows keeps, with its number of characters before it, the name of the loader (`BOOTMGR`, `NTLDR`), and then that
/// of the index in which it looks for it.
///
/// Source: Daniel B. Sedory, "An Examination of the Windows 7 VBR", "An Examination of the Windows 2000/XP OS Boot Record".
pub(super) fn starts_without_its_boot_sector(head: &[u8]) -> bool {
    let code = head.get(512..).unwrap_or_default();
    let length = usize::from(u16_at(code, 0).unwrap_or(0));
    let index = code.get(2 + length * 2..).unwrap_or_default();
    (1..=16).contains(&length) && index.starts_with(b"\x04\0$\0I\x003\x000\0")
}

/// 16 bits at an offset.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// 32 bits at an offset.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// 64 bits at an offset.
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl BootSector {
    /// Reads it from the sector at byte `at` of the volume.
    pub(super) fn parse(bytes: &[u8], at: u64) -> Result<Self, ParseError> {
        let wrong = |expected: &str, actual: String| ParseError::corrupt(at, STRUCTURE, expected, actual);
        if !is_ntfs(bytes) {
            return Err(wrong("the signature \"NTFS    \" and the mark 55 AA", "something else".to_owned()));
        }
        let short = || wrong("512 bytes", format!("{}", bytes.len()));
        let bytes_per_sector = u16_at(bytes, 11).ok_or_else(short)?;
        let sectors_per_cluster = bytes[13];
        let number_of_sectors = u64_at(bytes, 40).ok_or_else(short)?;
        let mft_lcn = u64_at(bytes, 48).ok_or_else(short)?;
        let mftmirr_lcn = u64_at(bytes, 56).ok_or_else(short)?;
        let clusters_per_mft_record = bytes[64] as i8;
        let volume_serial_number = u64_at(bytes, 72).ok_or_else(short)?;

        if !bytes_per_sector.is_power_of_two() || !(256..=4096).contains(&bytes_per_sector) {
            return Err(wrong("256 to 4096 bytes a sector", bytes_per_sector.to_string()));
        }
        let per_cluster = match sectors_per_cluster {
            0..=128 => u32::from(sectors_per_cluster),
            exponent => 1u32.checked_shl(256 - u32::from(exponent)).unwrap_or(0),
        };
        let cluster_bytes = u64::from(per_cluster) * u64::from(bytes_per_sector);
        if !per_cluster.is_power_of_two() || cluster_bytes > 2 << 20 {
            return Err(wrong("clusters of at most 2 MiB, a power of two", sectors_per_cluster.to_string()));
        }
        let record_bytes = match clusters_per_mft_record {
            0 => 0,
            1.. => cluster_bytes * clusters_per_mft_record as u64,
            _ => 1u64.checked_shl(u32::from(clusters_per_mft_record.unsigned_abs())).unwrap_or(0),
        };
        if !record_bytes.is_power_of_two() || !(512..=65_536).contains(&record_bytes) {
            return Err(wrong("MFT records of 512 bytes to 64 KiB", clusters_per_mft_record.to_string()));
        }
        let clusters = number_of_sectors / u64::from(per_cluster);
        let size_bytes = number_of_sectors
            .checked_add(1)
            .and_then(|sectors| sectors.checked_mul(u64::from(bytes_per_sector)))
            .filter(|&size| clusters > 0 && i64::try_from(size).is_ok())
            .ok_or_else(|| wrong("a size below 8 EiB", format!("{number_of_sectors} sectors")))?;
        if mft_lcn >= clusters || mftmirr_lcn >= clusters {
            return Err(wrong(
                "an MFT and its mirror inside the volume",
                format!("clusters {mft_lcn} and {mftmirr_lcn} of {clusters}"),
            ));
        }
        Ok(Self {
            cluster_bytes: cluster_bytes as u32,
            record_bytes: record_bytes as u32,
            clusters,
            size_bytes,
            mft_lcn,
            mft_mirror_lcn: mftmirr_lcn,
            serial: volume_serial_number,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A boot sector as mkntfs writes one.
    pub(in crate::fs::ntfs) fn sample(sectors_per_cluster: u8, record: i8, sectors: u64) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[3..11].copy_from_slice(b"NTFS    ");
        bytes[11..13].copy_from_slice(&512u16.to_le_bytes());
        bytes[13] = sectors_per_cluster;
        bytes[40..48].copy_from_slice(&sectors.to_le_bytes());
        bytes[48..56].copy_from_slice(&4u64.to_le_bytes());
        bytes[56..64].copy_from_slice(&2u64.to_le_bytes());
        bytes[64] = record as u8;
        bytes[72..80].copy_from_slice(&0x1234_5678_9abc_def0u64.to_le_bytes());
        bytes[510..].copy_from_slice(&[0x55, 0xaa]);
        bytes
    }

    #[test]
    fn cluster_sizes_from_512_bytes_to_2_mib() {
        for (byte, size) in [(1, 512), (8, 4096), (128, 65_536), (0xf8, 131_072), (0xf4, 2 << 20)] {
            let boot = BootSector::parse(&sample(byte, -10, 1 << 20), 0).unwrap();
            assert_eq!((boot.cluster_bytes, boot.record_bytes), (size, 1024));
        }
        assert_eq!(BootSector::parse(&sample(8, 1, 1 << 20), 0).unwrap().record_bytes, 4096);
        for (byte, record) in
            [(0, -10), (3, -10), (0xf3, -10), (0x90, -10), (8, 0), (8, -31), (8, -128), (8, 3)]
        {
            assert!(BootSector::parse(&sample(byte, record, 1 << 20), 0).is_err());
        }
        assert!(BootSector::parse(&sample(8, -10, 8), 0).is_err());
        assert!(BootSector::parse(&sample(8, -10, u64::MAX), 0).is_err());
    }

    #[test]
    fn the_bootstrap_code_tells_ntfs_without_a_boot_sector() {
        for loader in ["BOOTMGR", "NTLDR"] {
            let mut head = vec![0; 512];
            for name in [loader, "$I30"] {
                head.extend((name.len() as u16).to_le_bytes());
                head.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
            }
            assert!(starts_without_its_boot_sector(&head));
            assert!((0..head.len()).all(|end| !starts_without_its_boot_sector(&head[..end])));
            head[512] += 1;
            assert!(!starts_without_its_boot_sector(&head));
        }
        assert!(
            !starts_without_its_boot_sector(&[0xff; 2000]) && !starts_without_its_boot_sector(&[0; 2000])
        );
    }

    proptest! {
        #[test]
        fn no_bytes_do_harm(tail in prop::collection::vec(any::<u8>(), 0..600)) {
            let mut bytes = sample(8, -10, 1 << 20);
            for (at, byte) in tail.into_iter().enumerate().filter(|(at, _)| (11..510).contains(at)) {
                bytes[at] = byte;
            }
            let _ = BootSector::parse(&bytes, 0);
            let _ = BootSector::parse(&bytes[..100], 0);
        }
    }
}
