//! Master boot records and the chain of extended ones (Microsoft, "Basic Disks and Volumes Technical
//! Reference", "Master Boot Record"; sectors count in units of 512 bytes, or the disk's sector).

use super::gpt::le32;
use coldread_model::ByteRange;

/// Bytes of a sector on a disk with this table.
pub const SECTOR: u64 = 512;
/// Most logical partitions that are followed.
pub const MAX_LOGICAL: u32 = 128;

/// An entry in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// 0 to 3, its place in the table.
    pub slot: u32,
    /// The type byte.
    pub kind: u8,
    /// First sector, as the entry counts.
    pub first: u32,
    /// Number of sectors.
    pub sectors: u32,
}

impl Entry {
    /// Where it lies, counted from the sector `base`.
    pub fn range(&self, base: u64) -> ByteRange {
        ByteRange::new((base + u64::from(self.first)) * SECTOR, u64::from(self.sectors) * SECTOR)
    }

    /// Whether it is an extended partition.
    pub fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }
}

/// The table's four entries, those in use; `None` where the sector carries no signature or its entries
/// cannot be partitions (a boot sector's code stands there).
pub fn entries(sector: &[u8], disk_bytes: u64) -> Option<Vec<Entry>> {
    let found = record(sector)?;
    let status = |slot: usize| sector[446 + 16 * slot];
    let lies_on_disk = |entry: &Entry| {
        (entry.first > 0 || entry.kind == 0xee) && u64::from(entry.first) * SECTOR < disk_bytes.max(SECTOR)
    };
    ((0..4).all(|slot| status(slot) & 0x7f == 0) && found.iter().all(lies_on_disk)).then_some(found)
}

/// The entries in use of a master or an extended boot record; `None` without the signature.
pub fn record(sector: &[u8]) -> Option<Vec<Entry>> {
    let sector = sector.get(..512)?;
    if sector[510..] != [0x55, 0xaa] {
        return None;
    }
    let mut found = Vec::new();
    for slot in 0..4 {
        let entry = &sector[446 + 16 * slot..462 + 16 * slot];
        let (kind, first, sectors) = (entry[4], le32(entry, 8), le32(entry, 12));
        if kind == 0 || sectors == 0 {
            continue;
        }
        found.push(Entry { slot: slot as u32, kind, first, sectors });
    }
    Some(found)
}

/// The disk's signature, as PARTUUIDs are made from it; `None` where it is zero.
pub fn signature(sector: &[u8]) -> Option<u32> {
    Some(le32(sector, 440)).filter(|id| *id != 0)
}

/// What a type byte stands for, by the names of fdisk's list.
pub fn type_name(kind: u8) -> &'static str {
    match kind {
        0x01 | 0x04 | 0x06 | 0x0b | 0x0c | 0x0e => "FAT",
        0x05 | 0x0f | 0x85 => "extended",
        0x07 => "HPFS/NTFS/exFAT",
        0x27 => "Windows recovery",
        0x41 => "PowerPC PReP boot",
        0x42 => "Windows dynamic disk",
        0x82 => "Linux swap",
        0x83 => "Linux",
        0x8e => "Linux LVM",
        0xa5 => "FreeBSD",
        0xee => "GPT protective",
        0xef => "EFI system partition",
        0xfb => "VMware VMFS",
        0xfd => "Linux RAID",
        _ => "unknown type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sector(entries: &[(u8, u8, u32, u32)]) -> Vec<u8> {
        let mut sector = vec![0; 512];
        for (slot, (status, kind, first, sectors)) in entries.iter().enumerate() {
            let at = 446 + 16 * slot;
            sector[at] = *status;
            sector[at + 4] = *kind;
            sector[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
            sector[at + 12..at + 16].copy_from_slice(&sectors.to_le_bytes());
        }
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }

    #[test]
    fn entries_are_read_and_boot_code_is_not_a_table() {
        let found =
            entries(&sector(&[(0x80, 0x83, 2048, 100), (0, 0, 0, 0), (0, 5, 4096, 9)]), 1 << 30).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].range(0), ByteRange::new(1 << 20, 51200));
        assert!(found[1].is_extended() && found[1].slot == 2);
        assert_eq!(entries(&sector(&[(0x33, 0x83, 2048, 100)]), 1 << 30), None);
        assert_eq!(entries(&sector(&[(0, 0x83, 0, 100)]), 1 << 30), None);
        assert_eq!(entries(&sector(&[(0, 0x83, 99_999_999, 100)]), 1 << 30), None);
        assert_eq!(entries(&[0; 512], 1 << 30), None);
    }

    proptest! {
        #[test]
        fn any_sector_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..600), size: u64) {
            if let Some(found) = entries(&bytes, size) {
                for entry in found { entry.range(u64::from(u32::MAX)); }
            }
            signature(&bytes);
        }
    }
}
