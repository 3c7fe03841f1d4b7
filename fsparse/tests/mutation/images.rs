//! The small images of `tests/golden` (made by `cargo run -p xtask -- golden`), and ways to damage them.

use crate::{
    journals,
    repair::{self, Spot},
};

/// Images whose journal or log holds changes: only that is damaged.
const DIRTY: [&str; 4] = ["ext4-dirty", "ext4-fast", "ext3-dirty", "xfs-dirty"];

/// Every image with its name.
pub(crate) const GOLDEN: [(&str, &[u8]); 14] = [
    ("ext2", include_bytes!("../golden/ext2.img.zst")),
    ("ext3", include_bytes!("../golden/ext3.img.zst")),
    ("ext4", include_bytes!("../golden/ext4.img.zst")),
    ("ext4-inline", include_bytes!("../golden/ext4-inline.img.zst")),
    ("xfs", include_bytes!("../golden/xfs.img.zst")),
    ("xfs-4k", include_bytes!("../golden/xfs-4k.img.zst")),
    ("ntfs", include_bytes!("../golden/ntfs.img.zst")),
    ("ntfs-odd", include_bytes!("../golden/ntfs-odd.img.zst")),
    ("ext4-dirty", include_bytes!("../golden/ext4-dirty.img.zst")),
    ("ext4-fast", include_bytes!("../golden/ext4-fast.img.zst")),
    ("ext3-dirty", include_bytes!("../golden/ext3-dirty.img.zst")),
    ("xfs-dirty", include_bytes!("../golden/xfs-dirty.img.zst")),
    ("gpt", include_bytes!("../golden/gpt.img.zst")),
    ("mbr", include_bytes!("../golden/mbr.img.zst")),
];

/// An image, unpacked, with what is worth damaging in it.
pub(crate) struct Image {
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// Sectors of 512 bytes that are not empty, by their first byte.
    pub(crate) sectors: Vec<usize>,
    spots: Vec<Spot>,
}

impl Image {
    /// Unpacks the image with this name.
    pub(crate) fn golden(name: &str) -> Self {
        let packed = GOLDEN.iter().find(|golden| golden.0 == name).expect("a golden image").1;
        let bytes = zstd::decode_all(packed).expect("a whole golden image");
        let blocks = bytes.chunks(512).enumerate();
        // Runs of the same text are file data, which nothing parses.
        let varied = |sector: &[u8]| sector.iter().any(|b| *b != 0) && sector.iter().any(|b| *b != sector[0]);
        let within =
            if DIRTY.contains(&name) { journals::place(&bytes).expect("a journal") } else { 0..bytes.len() };
        let sectors = blocks.filter(|(_, sector)| varied(sector)).map(|(i, _)| i * 512);
        let sectors = sectors.filter(|at| within.contains(at)).collect();
        let spots = repair::spots(&bytes);
        Self { bytes, sectors, spots }
    }

    /// How many checksums can be repaired.
    #[allow(dead_code)] // the fuzz targets share this file
    pub(crate) fn checksums(&self) -> usize {
        self.spots.len()
    }

    /// A byte's place in the sectors that are not empty.
    pub(crate) fn place(&self, sector: usize, offset: usize) -> usize {
        self.sectors.get(sector % self.sectors.len().max(1)).copied().unwrap_or(0) + offset % 512
    }

    /// Makes all checksums right, in the order in which the ones cover the others.
    pub(crate) fn repair(&self, damaged: &mut [u8]) {
        for spot in &self.spots {
            spot.repair(damaged);
        }
    }
}
