//! Damaged superblocks: what their copies tell instead.

use super::{super::be::checksums, drive, probe, prototype_image, survey, survey_all};
use crate::{
    fs::{Filesystem, Probed, xfs::Xfs},
    volume::recognise::{Content, recognise},
};
use coldread_model::{ByteRange, GapKind, VolumeState};

fn probe_with(image: &[u8], bad: &[ByteRange]) -> Probed {
    let mut machine = Xfs.probe(image.len() as u64);
    assert!(drive(&mut *machine, image, bad) < 2000);
    machine.finish().unwrap()
}

#[test]
fn a_damaged_superblock_is_read_from_its_copies() {
    let variants: [&[&str]; 4] = [
        &[],
        &["-m", "crc=0", "-b", "size=1024"],
        &["-d", "agcount=3"],
        &["-s", "size=4096", "-d", "agcount=2"],
    ];
    for options in variants {
        let Some(image) = prototype_image(options, 50, "local") else { return };
        let (sound, clean) = survey_all(&image);
        let damages: [fn(&mut [u8]); 4] = [
            |sector| sector[..4].fill(0),
            |sector| sector.fill(0x77),
            |sector| sector[4..8].fill(0xff),
            |sector| sector[84..92].fill(0),
        ];
        for (number, damage) in damages.into_iter().enumerate() {
            let mut image = image.clone();
            damage(&mut image[..512]);
            let Content::Filesystem(driver) = recognise(&image[..192 << 10]) else {
                panic!("{options:?} {number}: not recognised")
            };
            assert_eq!(driver.name(), "xfs");
            let probed = probe_with(&image, &[]);
            assert_eq!(probed.state, VolumeState::Partial, "{options:?} {number}");
            assert_eq!((probed.uuid, probed.units), (sound.uuid.clone(), sound.units));
            let [gap] = &probed.gaps[..] else { panic!("{:?}", probed.gaps) };
            assert_eq!((gap.kind, gap.at), (GapKind::Corrupt, Some(0)));
            assert!(gap.reason.contains("copies"), "{}", gap.reason);
            let found = survey(&image, &probed.geometry, 0..probed.units, &[]);
            assert!(found == clean, "{options:?} {number}");
        }
        let probed = probe_with(&image, &[ByteRange::new(0, 512)]);
        assert_eq!((probed.gaps[0].kind, probed.gaps[0].at), (GapKind::Io, Some(0)));
        let found = survey(&image, &probed.geometry, 0..probed.units, &[]);
        assert_eq!(found.inodes.len(), clean.inodes.len());
    }
}

/// Changes the label of the copy that starts at byte `at`.
fn relabel(image: &mut [u8], at: usize, label: u8) {
    image[at + 108] = label;
    let (_, computed) = checksums(&image[at..at + 512], 224);
    image[at + 224..at + 228].copy_from_slice(&computed.to_le_bytes());
}

#[test]
fn copies_vote_and_without_most_of_them_the_damage_stands() {
    let Some(mut image) = prototype_image(&["-d", "agcount=4"], 5, "local") else { return };
    let group = image.len() / 4;
    image[130] ^= 1;
    relabel(&mut image, 3 * group, b'x');
    let probed = probe_with(&image, &[]);
    assert!(probed.gaps[0].reason.contains("2 of 3 agree"), "{}", probed.gaps[0].reason);
    assert_eq!(probed.label, None);
    relabel(&mut image, 2 * group, b'y');
    let error = probe(&image).unwrap_err().to_string();
    assert!(error.contains("checksum"), "{error}");
    let Some(mut single) = prototype_image(&["-d", "agcount=1"], 5, "local") else { return };
    single[130] ^= 1;
    assert!(probe(&single).unwrap_err().to_string().contains("checksum"));
}

#[test]
fn a_stale_header_does_not_hide_what_came_later() {
    let Some(mut image) = prototype_image(&[], 5, "local") else { return };
    image.truncate(192 << 10);
    image[..4].fill(0);
    image[0x1_0040..0x1_0048].copy_from_slice(b"_BHRfS_M");
    assert!(matches!(recognise(&image), Content::Named { name: "btrfs", .. }));
}

#[test]
fn features_of_the_log_that_are_unknown_prevent_its_replay_alone() {
    let Some(mut image) = prototype_image(&[], 5, "local") else { return };
    image[220..224].copy_from_slice(&0x10u32.to_be_bytes());
    let (_, computed) = checksums(&image[..512], 224);
    image[224..228].copy_from_slice(&computed.to_le_bytes());
    assert_eq!(probe(&image).unwrap().state, VolumeState::Clean);
    let unmount =
        image.chunks_exact(512).position(|block| block.starts_with(&[0xfe, 0xed, 0xba, 0xbe])).unwrap() * 512;
    image[unmount + 512 + 9] = 0x01;
    let probed = probe(&image).unwrap();
    assert_eq!((probed.state, probed.gaps[0].kind), (VolumeState::Unreplayed, GapKind::Unsupported));
}
