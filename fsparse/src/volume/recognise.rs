//! What a volume holds, by its first bytes: everything that is named although it is not read.
//!
//! Magic numbers as util-linux's libblkid documents them and as each format's own specification gives them.

use crate::fs::{self, Filesystem};
use coldread_model::{CoverageClass, GapKind};

/// What was recognised.
#[derive(Clone, Copy)]
pub enum Content {
    /// A filesystem with a driver.
    Filesystem(&'static dyn Filesystem),
    /// A known format that is not read.
    Named {
        /// Its name.
        name: &'static str,
        /// How its bytes are classed.
        class: CoverageClass,
        /// The kind of gap that it is; `None` where nothing is missed (swap).
        gap: Option<GapKind>,
    },
    /// Nothing known.
    Unknown,
    /// Only zeros as far as was looked.
    Blank,
}

/// Name, offset, magic.
const ENCRYPTED: &[(&str, usize, &[u8])] =
    &[("LUKS", 0, b"LUKS\xba\xbe"), ("BitLocker", 3, b"-FVE-FS-"), ("BitLocker To Go", 3, b"MSWIN4.1-FVE")];

const UNSUPPORTED: &[(&str, usize, &[u8])] = &[
    ("btrfs", 0x1_0040, b"_BHRfS_M"),
    ("exFAT", 3, b"EXFAT   "),
    ("FAT", 82, b"FAT32   "),
    ("FAT", 54, b"FAT16   "),
    ("FAT", 54, b"FAT12   "),
    ("ReFS", 3, b"ReFS\0\0\0\0"),
    // The first record of a copy of the file alone: 1 KiB (older writers, newer ones) and 4 KiB.
    ("NTFS $MFT", 0, b"FILE\x2a\0\x03\0"),
    ("NTFS $MFT", 0, b"FILE\x30\0\x03\0"),
    ("NTFS $MFT", 0, b"FILE\x30\0\x09\0"),
    ("APFS", 32, b"NXSB"),
    ("HFS+", 1024, b"H+"),
    ("HFS+", 1024, b"HX"),
    ("ISO 9660", 0x8001, b"CD001"),
    ("squashfs", 0, b"hsqs"),
    ("EROFS", 1024, b"\xe2\xe1\xf5\xe0"),
    ("F2FS", 1024, b"\x10\x20\xf5\xf2"),
    ("bcachefs", 4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca"),
    ("LVM2", 24, b"LVM2 001"),
    ("LVM2", 512 + 24, b"LVM2 001"),
    ("LVM2", 1024 + 24, b"LVM2 001"),
    ("LVM2", 1536 + 24, b"LVM2 001"),
    ("Linux RAID", 0, b"\xfc\x4e\x2b\xa9"),
    ("Linux RAID", 4096, b"\xfc\x4e\x2b\xa9"),
    ("Storage Spaces", 4096, b"SPACEDB "),
    ("ZFS", 0x2_0000, b"\x0c\xb1\xba\x00\x00\x00\x00\x00"),
    ("ZFS", 0x2_0000, b"\x00\x00\x00\x00\x00\xba\xb1\x0c"),
    ("qcow2", 0, b"QFI\xfb"),
    ("VMDK", 0, b"KDMV"),
    ("VHDX", 0, b"vhdxfile"),
    ("VHD", 0, b"conectix"),
];

/// Page sizes at whose end the swap signature may stand.
const SWAP_PAGES: [usize; 4] = [4096, 8192, 16384, 65536];

/// Every format that is named and not read, some more than once, with how its bytes are classed.
pub fn named() -> impl Iterator<Item = (&'static str, CoverageClass)> {
    let with = |class: CoverageClass| move |&(name, _, _): &(&'static str, usize, &[u8])| (name, class);
    let encrypted = ENCRYPTED.iter().map(with(CoverageClass::Encrypted));
    let unsupported = UNSUPPORTED.iter().map(with(CoverageClass::Unsupported));
    encrypted
        .chain(unsupported)
        .chain([("swap", CoverageClass::Swap), ("suspend image", CoverageClass::Swap)])
}

/// What a volume holds whose first [`fs::HEAD_BYTES`] (or fewer) are `head`.
pub fn recognise(head: &[u8]) -> Content {
    let has = |&(_, at, magic): &(&str, usize, &[u8])| head.get(at..at + magic.len()) == Some(magic);
    let named = |name, class, gap| Content::Named { name, class, gap };
    if let Some((name, _, _)) = ENCRYPTED.iter().find(|one| has(one)) {
        return named(name, CoverageClass::Encrypted, Some(GapKind::Encrypted));
    }
    if let Some(driver) = fs::recognise(head) {
        return Content::Filesystem(driver);
    }
    let swap = |magic: &'static [u8]| SWAP_PAGES.iter().any(|page| has(&("", page - 10, magic)));
    if swap(b"SWAPSPACE2") || swap(b"SWAP-SPACE") {
        return named("swap", CoverageClass::Swap, None);
    }
    if swap(b"S1SUSPEND\0") || swap(b"S2SUSPEND\0") || swap(b"LINHIB0001") {
        return named("suspend image", CoverageClass::Swap, None);
    }
    if let Some((name, _, _)) = UNSUPPORTED.iter().find(|one| has(one)) {
        return named(name, CoverageClass::Unsupported, Some(GapKind::Unsupported));
    }
    if let Some(driver) = fs::recognise_damaged(head) {
        return Content::Filesystem(driver);
    }
    if head.iter().all(|byte| *byte == 0) { Content::Blank } else { Content::Unknown }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(head: &[u8]) -> &'static str {
        match recognise(head) {
            Content::Filesystem(driver) => driver.name(),
            Content::Named { name, .. } => name,
            Content::Unknown => "unknown",
            Content::Blank => "blank",
        }
    }

    #[test]
    fn formats_are_named_and_never_called_empty() {
        for (wanted, at, magic) in ENCRYPTED.iter().chain(UNSUPPORTED) {
            let mut head = vec![1; at + magic.len() + 100];
            head[*at..at + magic.len()].copy_from_slice(magic);
            assert_eq!(name(&head), *wanted);
        }
        let mut swap = vec![0; 8192];
        swap[4086..4096].copy_from_slice(b"SWAPSPACE2");
        assert_eq!(name(&swap), "swap");
        assert_eq!(name(&[0; 4096]), "blank");
        assert_eq!(name(&[9; 100]), "unknown");
        assert_eq!(name(&[]), "blank");
    }
}
