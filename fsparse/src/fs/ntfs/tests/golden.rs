//! The golden image `ntfs-odd` (`cargo run -p xtask -- golden`): structures that no tool at hand makes, and what
//! ntfs-3g shows of those that it reads.

use super::{facts, in_units, mounted::Mount, probe, survey};
use crate::{
    content::{
        Item,
        digest::{DigestSink, digest_of},
        intact, read_items,
    },
    source::{BlockSource, memory::MemorySource},
    survey::{Encoding, Inode, Survey},
};
use coldread_model::{FileKind, GapKind, RowFlags, VolumeState};
use std::fs;

const IMAGE: &[u8] = include_bytes!("../../../../tests/golden/ntfs-odd.img.zst");

/// What the recipe writes into a file.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 7 + at / 256) as u8).collect()
}

fn image() -> Vec<u8> {
    zstd::decode_all(IMAGE).unwrap()
}

fn named<'s>(survey: &'s Survey, name: &str) -> &'s Inode {
    let entry = survey.entries.iter().find(|entry| survey.bytes(entry.name) == name.as_bytes()).unwrap();
    super::inode(survey, entry.child)
}

#[test]
fn the_odd_volume_reads_as_its_recipe_says() {
    let source = MemorySource::new(image());
    let probed = probe(&source).unwrap();
    assert_eq!((probed.state, &probed.gaps[..]), (VolumeState::Clean, &[][..]));
    let found = survey(&source, &probed.geometry, 0..probed.units);
    assert_eq!(facts(&in_units(&source, &probed)), facts(&found));
    let number = |name| Some(named(&found, name).number);
    let mut told: Vec<_> = found.gaps.iter().map(|gap| (gap.inode, gap.kind)).collect();
    told.sort_unstable();
    let mut want = [number("dedup"), number("cloud-away")].map(|number| (number, GapKind::Unsupported));
    want.sort_unstable();
    assert_eq!(told, want);

    let mut sink = DigestSink::default();
    let items =
        found.streams.iter().enumerate().filter_map(|(index, one)| Some((index, Item::of(&found, one)?)));
    read_items(items, &mut *source.open_queue().unwrap(), 1 << 20, &mut sink);
    let results = sink.results;
    let digest = |name: &str| {
        let at = named(&found, name).streams.first as usize;
        let stream = &found.streams[at];
        match stream.encoding {
            Encoding::Inline(span) => digest_of(found.bytes(span), stream.size),
            _ => results.iter().find(|one| one.0 == at).unwrap().1.clone().unwrap(),
        }
    };
    let mut cut = content(3000);
    cut.resize(9000, 0);
    for (name, want) in [
        ("initialized", cut),
        ("plain", content(3000)),
        ("packed", content(4096)),
        ("cloud-here", content(700)),
        ("deleted-small", content(100)),
        ("deleted-large", content(5000)),
    ] {
        assert_eq!(digest(name), digest_of(&want, want.len() as u64), "{name}");
    }
    let encrypted = named(&found, "encrypted");
    assert!(encrypted.flags.contains(RowFlags::ENCRYPTED) && encrypted.size == 3000);
    for (name, target) in [("dedup", "0x80000013"), ("cloud-away", "0x9000601a")] {
        let inode = named(&found, name);
        assert_eq!((inode.kind, found.bytes(inode.target)), (FileKind::Reparse, target.as_bytes()));
    }
    let intact = intact(&found);
    for name in ["deleted-small", "deleted-large"] {
        let inode = named(&found, name);
        assert!(inode.flags.contains(RowFlags::DELETED) && intact.contains(&(inode.streams.first as usize)));
    }
}

#[test]
fn without_its_attribute_list_the_mft_ends_early_and_the_gap_says_so() {
    let mut bytes = image();
    let mft = u64::from_le_bytes(*bytes[48..].first_chunk().unwrap()) as usize * 512;
    bytes[mft + 15 * 1024 + 510] ^= 1;
    let probed = probe(&MemorySource::new(bytes)).unwrap();
    assert_eq!(probed.state, VolumeState::Partial);
    assert!(probed.gaps.iter().any(|gap| gap.inode == Some(0)), "{:?}", probed.gaps);
}

/// Writes a table of capital letters into `$UpCase`, which the recipe blanks: that of ASCII.
fn put_upcase(bytes: &mut [u8]) {
    let source = MemorySource::new(bytes.to_vec());
    let probed = probe(&source).unwrap();
    let found = survey(&source, &probed.geometry, 0..1);
    let table = &found.streams_of(super::inode(&found, 10))[0];
    let extent = found.extents_of(table)[0];
    let units = bytes[extent.physical as usize..].as_chunks_mut::<2>().0.iter_mut();
    for (unit, place) in (0..=u16::MAX).zip(units) {
        let capital = if (0x61..=0x7a).contains(&unit) { unit - 0x20 } else { unit };
        *place = capital.to_le_bytes();
    }
}

#[test]
fn ntfs_3g_shows_the_same_of_the_odd_volume() {
    let folder = tempfile::tempdir().unwrap();
    let (path, point) = (folder.path().join("image"), folder.path().join("point"));
    fs::create_dir(&point).unwrap();
    let mut bytes = image();
    put_upcase(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let Some(_mount) = Mount::new(&path, &point, "ro") else {
        println!("skipped: needs root and ntfs-3g");
        return;
    };
    // That ntfs-3g finds the files at all shows that it follows the list of the $MFT.
    let mut cut = content(3000);
    cut.resize(9000, 0);
    assert!(fs::read(point.join("initialized")).unwrap() == cut);
    assert!(fs::read(point.join("plain")).unwrap() == content(3000));
    assert!(!point.join("deleted-small").exists());
}
