//! Every byte of a pack flipped, and every end of it cut off: an error or the right answer, never another.

use crate::{
    Error, Packed,
    disk::OsDisk,
    pack::{PackRecord, pack_path, reader::Pack, writer::PackFile},
    packs::Packs,
};
use coldread_model::{ObjectId, ObjectKind};
use std::{fs, path::Path, sync::Arc};

fn objects() -> Vec<(Packed, Vec<u8>)> {
    let raws = (0..5_u8).map(|i| vec![i; usize::from(i) * 13]);
    raws.map(|raw| (Packed::new(ObjectKind::Gaps, &raw).unwrap(), raw)).collect()
}

fn write_pack(dir: &Path) -> PackRecord {
    let mut pack = PackFile::create(Arc::new(OsDisk), dir, 1).unwrap();
    for (object, _) in objects() {
        pack.put(&object).unwrap();
    }
    pack.finish().unwrap()
}

/// Asks for every object; gives the number of errors, which must all be of damage.
fn errors(pack: Pack) -> usize {
    let packs = Packs::default();
    packs.add(pack);
    let absent = ObjectId([7; 32]);
    let answer = packs.get_many(&[absent]);
    assert!(matches!(answer, Err(Error::Missing(_) | Error::Corrupt { .. })), "{answer:?}");
    let mut errors = 0;
    for (object, raw) in objects() {
        match packs.get_many(&[object.id()]) {
            Ok(found) => assert_eq!(found[0].bytes, raw),
            Err(Error::Corrupt { .. }) => errors += 1,
            Err(other) => panic!("{other}"),
        }
        packs.has(&[object.id(), absent]).unwrap();
    }
    errors
}

#[test]
fn flipped_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let record = write_pack(dir.path());
    let path = pack_path(dir.path(), 1, "pack");
    let whole = fs::read(&path).unwrap();
    assert_eq!(errors(Pack::new(dir.path(), 1, record)), 0);
    for at in 0..whole.len() {
        for flip in [1, 0x80] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            fs::write(&path, &bytes).unwrap();
            assert!(errors(Pack::new(dir.path(), 1, record)) > 0, "nobody noticed byte {at}");
            match Pack::discover(dir.path(), 1) {
                Ok((pack, ..)) => assert!(errors(pack) > 0, "nobody noticed byte {at}"),
                Err(Error::Corrupt { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn cut_and_lengthened() {
    let dir = tempfile::tempdir().unwrap();
    let record = write_pack(dir.path());
    let path = pack_path(dir.path(), 1, "pack");
    let whole = fs::read(&path).unwrap();
    let longer = [&whole[..], b"x"].concat();
    for bytes in (0..whole.len()).map(|len| &whole[..len]).chain([&longer[..]]) {
        fs::write(&path, bytes).unwrap();
        assert_eq!(errors(Pack::new(dir.path(), 1, record)), objects().len());
        assert!(matches!(Pack::discover(dir.path(), 1), Err(Error::Corrupt { .. })));
    }
    fs::remove_file(&path).unwrap();
    assert_eq!(errors(Pack::new(dir.path(), 1, record)), objects().len());
}

#[test]
fn an_object_under_a_wrong_name_is_found_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut pack = PackFile::create(Arc::new(OsDisk), dir.path(), 1).unwrap();
    let (object, raw) = objects().remove(3);
    let name = ObjectId([9; 32]);
    let lie = Packed::trusted(name, object.kind(), raw.len() as u32, object.bytes().to_vec()).unwrap();
    pack.put(&lie).unwrap();
    let record = pack.finish().unwrap();
    let packs = Packs::default();
    packs.add(Pack::new(dir.path(), 1, record));
    assert!(matches!(packs.get_many(&[name]), Err(Error::Corrupt { .. })));
}
