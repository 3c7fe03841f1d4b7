use super::*;
use crate::{
    content::{Item, ItemEncoding, read_items},
    source::{BlockSource, memory::MemorySource},
    survey::Extent,
};
use coldread_model::ByteRange;
use proptest::prelude::*;

/// What a file with these extents holds.
fn expected(disk: &[u8], size: u64, initialized: u64, extents: &[Extent]) -> Vec<u8> {
    let mut bytes = vec![0; size as usize];
    for extent in extents.iter().filter(|extent| !extent.unwritten) {
        for i in 0..extent.len {
            let at = extent.logical + i;
            if at < size && at < initialized {
                bytes[at as usize] = disk[(extent.physical + i) as usize];
            }
        }
    }
    bytes
}

proptest! {
    #[test]
    fn files_of_any_shape_are_read_whole(
        files in prop::collection::vec(
            (0u64..3000, 0u64..3000, prop::collection::vec((1u64..200, 0u64..900, 1u64..100, any::<bool>()), 0..12)),
            0..20),
        budget in 1u64..5000,
    ) {
        let disk: Vec<u8> = (0..1000u32).map(|i| (i * 7 + i / 256) as u8).collect();
        let files: Vec<_> = files.into_iter().map(|(size, initialized, parts)| {
            let mut at = 0;
            let extents: Vec<_> = parts.into_iter().map(|(gap, physical, len, unwritten)| {
                let extent = Extent { logical: at + gap - 1, physical, len, unwritten };
                at = extent.logical + len;
                extent
            }).collect();
            (size, initialized.min(size), extents)
        }).collect();
        let source = MemorySource::new(disk.clone());
        let mut sink = DigestSink::default();
        let items = files.iter().enumerate().map(|(i, (size, initialized, extents))| {
            (i, Item { size: *size, initialized: *initialized, encoding: ItemEncoding::Plain, extents })
        });
        read_items(items, &mut *source.open_queue().unwrap(), budget, &mut sink);
        prop_assert_eq!(sink.results.len(), files.len());
        for (i, result) in sink.results {
            let (size, initialized, extents) = &files[i];
            let bytes = expected(&disk, *size, *initialized, extents);
            prop_assert_eq!(result.unwrap(), digest_of(&bytes, *size));
        }
    }
}

#[test]
fn one_bad_sector_fails_one_file() {
    let source = MemorySource::new(vec![7; 8192]).with_bad(vec![ByteRange::new(5000, 10)]);
    let good = [Extent { logical: 0, physical: 0, len: 4096, unwritten: false }];
    let bad = [Extent { logical: 0, physical: 4096, len: 4096, unwritten: false }];
    let item = |extents| Item { size: 4096, initialized: 4096, encoding: ItemEncoding::Plain, extents };
    let mut sink = DigestSink::default();
    let items = [(0, item(&bad[..])), (1, item(&good[..])), (2, item(&[]))];
    read_items(items, &mut *source.open_queue().unwrap(), 1 << 20, &mut sink);
    sink.results.sort_by_key(|result| result.0);
    let range = ByteRange::new(5000, 10);
    assert!(matches!(&sink.results[0].1, Err(ContentError::Io { range: at, .. }) if *at == range));
    assert_eq!(sink.results[1].1, Ok(digest_of(&[7; 4096], 4096)));
    assert_eq!(sink.results[2].1, Ok(digest_of(&[], 4096)));
}
