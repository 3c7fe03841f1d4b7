//! Orphans of small volumes made by hand, sound and hostile.

use super::{super::super::geometry::tests::small, *};

/// A volume of which each group's inode table is at the group's fortieth block.
struct Volume {
    geometry: Geometry,
    blocks: HashMap<u64, Vec<u8>>,
    rounds: usize,
}

impl Volume {
    fn new() -> Self {
        let mut geometry = small();
        geometry.features.ro_compat = 0;
        geometry.internal[4] = 12;
        let mut volume = Self { geometry, blocks: HashMap::new(), rounds: 0 };
        for group in 0..volume.geometry.groups {
            let start = volume.geometry.descriptors_from(group).0.start;
            let place = |block: u64| (volume.geometry.first_block(group) + block) as u32;
            let fields = [place(30), place(31), place(40)].map(u32::to_le_bytes).concat();
            volume.put(start, &fields);
        }
        volume
    }

    fn put(&mut self, at: u64, bytes: &[u8]) {
        let block = self.blocks.entry(at / 1024).or_insert_with(|| vec![0; 1024]);
        block[(at % 1024) as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    /// Writes an inode in use with so many names; `next` follows it in the list.
    fn inode(&mut self, number: u32, links: u16, next: u32) {
        let (group, index) = self.geometry.place_of(number).unwrap();
        let at = (self.geometry.first_block(group) + 40) * 1024 + u64::from(index) * 256;
        self.put(at, &0o100_644_u16.to_le_bytes());
        self.put(at + 0x14, &next.to_le_bytes());
        self.put(at + 0x1A, &links.to_le_bytes());
    }

    /// Writes the orphan file's blocks, beginning with block 2000; hands back its extents.
    fn file(&mut self, numbers: &[u32]) -> Vec<Extent> {
        let mut count = 0;
        for (nth, numbers) in (0..).zip(numbers.chunks(1016 / 4)) {
            let at = (2000 + nth) * 1024;
            self.put(at, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>());
            self.put(at + 1016, &TAIL_MAGIC.to_le_bytes());
            count += 1;
        }
        self.inode(12, 1, 0);
        vec![Extent { logical: 0, physical: 2000 * 1024, len: count * 1024, unwritten: false }]
    }

    /// Searches; `bad` blocks cannot be read.
    fn search(&mut self, first: u32, extents: &[Extent], bad: &[u64]) -> (Orphans, Vec<Gap>) {
        let mut ask = Requests::default();
        let mut search = OrphanSearch::start(&self.geometry, first, extents, &mut ask);
        while !ask.is_empty() {
            self.rounds += 1;
            assert!(self.rounds < 5000, "it does not end");
            for (tag, range) in ask.take() {
                let blocks = range.start / 1024..range.end().div_ceil(1024);
                let bytes = blocks.clone().flat_map(|block| match self.blocks.get(&block) {
                    Some(bytes) => bytes.clone(),
                    None => vec![0; 1024],
                });
                let bytes: Vec<u8> =
                    bytes.skip(range.start as usize % 1024).take(range.len as usize).collect();
                let error =
                    || crate::source::SourceError::Io { context: "read".into(), reason: "bad".into() };
                let lost = bad.iter().filter(|block| blocks.contains(block));
                let bad: Vec<_> = lost.map(|&block| (ByteRange::new(block * 1024, 1024), error())).collect();
                search.feed(&Fetched { tag, range, bytes: &bytes, bad: &bad });
            }
            search.advance(&mut ask);
        }
        search.finish()
    }
}

#[test]
fn a_list_is_followed_and_its_neighbours_need_no_round() {
    let mut volume = Volume::new();
    let numbers: Vec<u32> = (100..340).collect();
    for pair in numbers.windows(2) {
        volume.inode(pair[0], (pair[0] % 2) as u16, pair[1]);
    }
    volume.inode(339, 1, 0);
    let (found, gaps) = volume.search(100, &[], &[]);
    assert_eq!((found.deleted.len(), found.truncated.len(), gaps), (120, 120, vec![]));
    assert!(volume.rounds <= 3, "{}", volume.rounds);
}

#[test]
fn a_list_whose_reads_wait_for_one_another_without_end_is_left_and_told() {
    let mut volume = Volume::new();
    // Each in another window than the one before, and more windows than are kept.
    let numbers: Vec<u32> =
        (0..8).flat_map(|nth| (0..512).map(move |window| 20 + window * 256 + nth)).collect();
    for pair in numbers.windows(2) {
        volume.inode(pair[0], 0, pair[1]);
    }
    let (found, gaps) = volume.search(numbers[0], &[], &[]);
    assert!((900..1024).contains(&found.deleted.len()), "{}", found.deleted.len());
    let next = numbers[found.deleted.len()];
    assert_eq!((gaps.len(), gaps[0].kind, gaps[0].inode), (1, GapKind::Limit, Some(next.into())));
    assert!(volume.rounds <= MAX_LIST_READS as usize, "{}", volume.rounds);
}

#[test]
fn a_list_that_bites_its_tail_ends() {
    let mut volume = Volume::new();
    volume.inode(100, 0, 5000);
    volume.inode(5000, 0, 100);
    let (found, gaps) = volume.search(100, &[], &[]);
    assert_eq!(found.deleted, [100, 5000]);
    assert_eq!((gaps.len(), gaps[0].kind, gaps[0].inode), (1, GapKind::Corrupt, Some(100)));
}

#[test]
fn orphans_of_the_file_in_many_blocks_are_read_in_a_few_rounds() {
    let mut volume = Volume::new();
    // More blocks of inode tables than are kept at once.
    let numbers: Vec<u32> = (0..8000).map(|nth| 20 + nth * 16).collect();
    for &number in &numbers {
        volume.inode(number, 0, 0);
    }
    let extents = volume.file(&numbers);
    let (found, gaps) = volume.search(0, &extents, &[]);
    assert_eq!((found.deleted.len(), gaps), (numbers.len(), vec![]));
    assert!(volume.rounds <= 6, "{}", volume.rounds);
}

#[test]
fn what_cannot_be_read_is_called_so() {
    let mut volume = Volume::new();
    for number in [100, 101, 5000] {
        volume.inode(number, 0, 0);
    }
    let extents = volume.file(&[100, 101, 5000]);
    let (found, gaps) = volume.search(0, &extents, &[1 + 40 + 99 / 4]);
    assert_eq!(found.deleted, [101, 5000]);
    assert!(gaps.iter().all(|gap| gap.kind == GapKind::Io), "{gaps:?}");
    assert!(gaps.iter().any(|gap| gap.inode == Some(100)), "{gaps:?}");
}

#[test]
fn an_orphan_file_without_measure_is_cut_and_told() {
    let mut volume = Volume::new();
    let mut extents = volume.file(&[100]);
    volume.inode(100, 0, 0);
    extents[0].len = 1 << 50;
    let (_, gaps) = volume.search(0, &extents, &[]);
    assert_eq!((gaps[0].kind, gaps[0].inode), (GapKind::Limit, Some(12)));
}
