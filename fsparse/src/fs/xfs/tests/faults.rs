//! Damage and bad sectors: recorded, bounded, never a panic.

use super::{super::geometry::Geometry, drive, probe, prototype_image, survey, survey_all};
use crate::fs::{Filesystem, xfs::Xfs};
use coldread_model::{ByteRange, GapKind};

/// A small generator (xorshift), so that a failure repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn thousands_of_damages_cost_gaps_and_nothing_else() {
    let variants: [(&[&str], &str, bool); 3] = [
        (&["-m", "crc=0", "-b", "size=512", "-n", "size=4096"], "t/t/t/t/t/t/t/t/t/t/t/t/t/t/t/t", false),
        (&["-m", "crc=0", "-b", "size=4096"], "x", false),
        (&["-b", "size=1024", "-m", "rmapbt=1"], "x", true),
    ];
    for (options, target, checksums) in variants {
        let Some(mut image) = prototype_image(options, 400, &target.repeat(if checksums { 1 } else { 20 }))
        else {
            return;
        };
        let (probed, clean) = survey_all(&image);
        // Where damage can matter: the first mebibyte of metadata that is not the log.
        let mut metadata: Vec<u64> = Vec::new();
        for range in clean.metadata.clone().into_ranges() {
            metadata.extend((range.start..range.end().min(range.start + (256 << 10))).step_by(1));
        }
        let mut random = Random(88_172_645_463_325_252);
        let mut with_gaps = 0;
        for _ in 0..1500 {
            let mut changed = Vec::new();
            for _ in 0..=random.below(6) {
                let at = metadata[random.below(metadata.len() as u64) as usize] as usize;
                changed.push((at, image[at]));
                image[at] = match random.below(3) {
                    0 => 0xff,
                    1 => image[at] ^ 1 << random.below(8),
                    _ => random.below(256) as u8,
                };
            }
            if let Ok(found) = probe(&image) {
                let shape = Geometry::from_opaque(&found.geometry).unwrap();
                let end = shape.bytes_of(shape.blocks, 0).start;
                let mut machine = Xfs.survey(&found.geometry, 0..found.units).unwrap();
                let requests = drive(&mut *machine, &image, &[]);
                assert!(requests < 100_000);
                let found = machine.finish();
                with_gaps += usize::from(!found.gaps.is_empty());
                assert!(found.entries.len() <= clean.entries.len() * 4);
                for extent in &found.extents {
                    assert!(extent.physical + extent.len <= end);
                }
            }
            for (at, byte) in changed.into_iter().rev() {
                image[at] = byte;
            }
        }
        assert!(with_gaps > 0);
        let again = survey(&image, &probed.geometry, 0..probed.units, &[]);
        assert_eq!(again, clean);
    }
}

#[test]
fn with_checksums_no_single_damage_to_what_is_read_goes_unnoticed() {
    let Some(mut image) = prototype_image(&["-b", "size=1024"], 300, "local") else { return };
    let (probed, clean) = survey_all(&image);
    let mut random = Random(9_876_543_210);
    let inode = |number: usize| clean.inodes[number].number;
    let geometry = Geometry::from_opaque(&probed.geometry).unwrap();
    for _ in 0..300 {
        let number = inode(random.below(clean.inodes.len() as u64) as usize);
        let place = geometry.inode_place(number, 1).unwrap();
        let at = (place.start + random.below(place.len)) as usize;
        let before = image[at];
        image[at] ^= 1 << random.below(8);
        let found = survey(&image, &probed.geometry, 0..probed.units, &[]);
        let gap = found.gaps.iter().find(|gap| gap.inode == Some(number)).unwrap();
        assert_eq!((gap.kind, gap.at), (GapKind::Corrupt, Some(place.start)));
        assert_eq!(found.inodes.len(), clean.inodes.len() - 1);
        image[at] = before;
    }
}

#[test]
fn a_bad_sector_costs_only_what_is_in_it() {
    let Some(image) = prototype_image(&["-b", "size=1024"], 500, "local") else { return };
    let (probed, clean) = survey_all(&image);
    let block = image.chunks_exact(1024).position(|block| block.starts_with(b"XDD3")).unwrap() as u64 * 1024;
    let bad = [ByteRange::new(block + 512, 512)];
    let found = survey(&image, &probed.geometry, 0..probed.units, &bad);
    assert_eq!(found.inodes.len(), clean.inodes.len());
    assert_eq!(found.gaps.len(), 1);
    assert_eq!((found.gaps[0].kind, found.gaps[0].at), (GapKind::Io, Some(block + 512)));
    assert!(found.gaps[0].inode.is_some());
    let lost = clean.entries.len() - found.entries.len();
    assert!((1..200).contains(&lost), "{lost} names lost");
    assert_eq!(found.damaged.clone().into_ranges(), [ByteRange::new(block, 4096)]);
}
