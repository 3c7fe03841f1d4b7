//! Logs made by hand: what is applied, what is not, and that no bytes are too strange.

use super::super::{
    be::checksums,
    geometry::Geometry,
    log::{Outcome, Replay, Shape},
};
use crate::machine::{Fetched, Machine, Requests};
use coldread_model::{ByteRange, GapKind, VolumeState, crc, task::PatchContent};
use proptest::prelude::*;

const LOG: usize = 4 << 20;
const BLOCKS: usize = 1024;
const START: u8 = 1;
const COMMIT: u8 = 2;
const CONTINUES: u8 = 4;
const CONTINUED: u8 = 8;
const END: u8 = 16;

/// The replay alone as a machine.
struct Alone(Replay);

impl Machine for Alone {
    fn start(&mut self, ask: &mut Requests) {
        self.0.start(ask);
    }

    fn feed(&mut self, fetched: Fetched<'_>, ask: &mut Requests) {
        self.0.feed(&fetched, ask);
    }
}

fn shape(v5: bool) -> Shape {
    let log = ByteRange::new(LOG as u64, (BLOCKS * 512) as u64);
    let geometry = Geometry { log, uuid: [9; 16], ..super::structures::geometry(v5) };
    Shape { geometry, volume_bytes: 8 << 20, uuid: [9; 16], meta_uuid: false }
}

/// A volume of 8 MiB with a log that was never written.
fn volume() -> Vec<u8> {
    vec![0; 8 << 20]
}

fn replay(volume: &[u8], v5: bool, bad: &[ByteRange]) -> Outcome {
    let mut machine = Alone(Replay::new(shape(v5)));
    assert!(super::drive(&mut machine, volume, bad) < 10_000);
    machine.0.finish()
}

/// An operation: transaction, flags, region.
type Operation = (u32, u8, Vec<u8>);

/// Writes a record from block `at` of the log on; hands back the block after it.
fn write(volume: &mut [u8], cycle: u32, at: usize, tail: u64, operations: &[Operation]) -> usize {
    let mut data = Vec::new();
    for (tid, flags, region) in operations {
        data.extend(tid.to_be_bytes());
        data.extend((region.len() as u32).to_be_bytes());
        data.extend([0x69, *flags, 0, 0]);
        data.extend(region);
    }
    data.resize(data.len().next_multiple_of(512), 0);
    let mut header = vec![0; 512];
    let lsn = u64::from(cycle) << 32 | at as u64;
    for (place, bytes) in [
        (0, &0xfeed_babe_u32.to_be_bytes()[..]),
        (4, &cycle.to_be_bytes()),
        (8, &2u32.to_be_bytes()),
        (12, &(data.len() as u32).to_be_bytes()),
        (16, &lsn.to_be_bytes()),
        (24, &tail.to_be_bytes()),
        (40, &(operations.len() as u32).to_be_bytes()),
        (300, &1u32.to_be_bytes()),
        (304, &[9; 16]),
        (320, &32768u32.to_be_bytes()),
    ] {
        header[place..place + bytes.len()].copy_from_slice(bytes);
    }
    for (number, block) in data.chunks_exact_mut(512).enumerate() {
        header[44 + number * 4..48 + number * 4].copy_from_slice(&block[..4]);
        let pass = cycle + u32::from(at + 1 + number >= BLOCKS);
        block[..4].copy_from_slice(&pass.to_be_bytes());
    }
    let sum = crc::crc32c_append(crc::crc32c(&header[..328]), &data);
    header[32..36].copy_from_slice(&sum.to_le_bytes());
    let record = [header, data].concat();
    for (number, block) in record.chunks_exact(512).enumerate() {
        let place = LOG + (at + number) % BLOCKS * 512;
        volume[place..place + 512].copy_from_slice(block);
    }
    at + record.len() / 512
}

fn transaction_header() -> Vec<u8> {
    [0x5452_414e_u32, 40, 0, 1].iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The regions of a buffer item of 4096 bytes at `sector` whose chunks `dirty` are all `fill`.
fn buffer(sector: u64, flags: u16, dirty: std::ops::Range<usize>, fill: u8) -> Vec<Vec<u8>> {
    let mut format = vec![0; 24];
    format[..2].copy_from_slice(&0x123c_u16.to_le_bytes());
    format[2..4].copy_from_slice(&(1 + u16::from(!dirty.is_empty())).to_le_bytes());
    format[4..6].copy_from_slice(&flags.to_le_bytes());
    format[6..8].copy_from_slice(&8u16.to_le_bytes());
    format[8..16].copy_from_slice(&sector.to_le_bytes());
    format[16..20].copy_from_slice(&1u32.to_le_bytes());
    let map = dirty.clone().fold(0u32, |map, chunk| map | 1 << chunk);
    format[20..24].copy_from_slice(&map.to_le_bytes());
    if dirty.is_empty() { vec![format] } else { vec![format, vec![fill; dirty.len() * 128]] }
}

/// A whole transaction of items.
fn transaction(tid: u32, items: Vec<Vec<Vec<u8>>>) -> Vec<Operation> {
    let mut operations = vec![(tid, START, Vec::new()), (tid, 0, transaction_header())];
    operations.extend(items.into_iter().flatten().map(|region| (tid, 0, region)));
    operations.push((tid, COMMIT, Vec::new()));
    operations
}

/// What the volume is with the patches.
fn patched(volume: &[u8], outcome: &Outcome) -> Vec<u8> {
    let mut volume = volume.to_vec();
    let mut end = 0;
    for patch in &outcome.patches {
        assert!(patch.at >= end, "sorted, without overlap");
        end = patch.at + patch.len;
        let PatchContent::Bytes(bytes) = &patch.content else { panic!("bytes") };
        volume[patch.at as usize..end as usize].copy_from_slice(bytes);
    }
    volume
}

#[test]
fn only_what_is_committed_is_applied_and_only_where_it_is_dirty() {
    let mut volume = volume();
    let mut operations = transaction(1, vec![buffer(800, 0, 2..4, 0xaa)]);
    let open = transaction(2, vec![buffer(1600, 0, 0..1, 0xbb)]);
    operations.extend(open.into_iter().take(4));
    write(&mut volume, 1, 0, 1 << 32, &operations);
    let outcome = replay(&volume, true, &[]);
    assert_eq!((outcome.state, outcome.patches.len()), (VolumeState::Replayed, 1), "{outcome:?}");
    let after = patched(&volume, &outcome);
    assert!(after[800 * 512 + 256..800 * 512 + 512].iter().all(|&byte| byte == 0xaa));
    assert_eq!((after[800 * 512 + 255], after[800 * 512 + 512], after[1600 * 512]), (0, 0, 0));
}

#[test]
fn a_record_around_the_logs_end_and_regions_that_go_on_are_put_together() {
    let mut volume = volume();
    for block in volume[LOG..LOG + BLOCKS * 512].chunks_exact_mut(512) {
        block[..4].copy_from_slice(&5u32.to_be_bytes());
    }
    let mut item = buffer(800, 0, 0..16, 0xcc);
    let rest = item[1].split_off(700);
    let first = vec![
        (7, START, Vec::new()),
        (7, 0, transaction_header()),
        (7, 0, item.remove(0)),
        (7, CONTINUES, item.remove(0)),
    ];
    let tail = 5 << 32 | 0x3fa;
    let next = write(&mut volume, 5, 1018, tail, &first);
    let second = vec![(7, CONTINUED | END, rest), (7, COMMIT, Vec::new())];
    let next = write(&mut volume, 5, next, tail, &second);
    assert!(next > BLOCKS);
    let outcome = replay(&volume, true, &[]);
    assert_eq!(outcome.state, VolumeState::Replayed, "{outcome:?}");
    let after = patched(&volume, &outcome);
    assert!(after[800 * 512..800 * 512 + 2048].iter().all(|&byte| byte == 0xcc));
    assert_eq!(after[800 * 512 + 2048], 0);
}

#[test]
fn a_torn_record_and_what_follows_it_do_not_count() {
    for torn in 0..3 {
        let mut volume = volume();
        let mut at = 0;
        let mut starts = Vec::new();
        for number in 0..3u8 {
            starts.push(at);
            let item = buffer(800 + 8 * u64::from(number), 0, 0..1, 0x10 + number);
            at = write(&mut volume, 1, at, 1 << 32, &transaction(u32::from(number), vec![item]));
        }
        volume[LOG + (starts[torn] + 1) * 512 + 100] ^= 1;
        let outcome = replay(&volume, true, &[]);
        if torn == 0 {
            assert_eq!(outcome.state, VolumeState::Unreplayed);
            assert_eq!(outcome.gaps[0].kind, GapKind::Corrupt);
        } else {
            assert_eq!((outcome.state, outcome.patches.len()), (VolumeState::Replayed, 1));
            assert_eq!(outcome.patches[0].len, 4096 * torn as u64);
        }
    }
}

#[test]
fn a_block_that_never_arrived_ends_the_log() {
    let mut volume = volume();
    let mut at = 0;
    let mut starts = Vec::new();
    for number in 0..4u64 {
        starts.push(at);
        let item = buffer(800 + 16 * number, 0, 0..8, 0x10);
        at = write(&mut volume, 1, at, 1 << 32, &transaction(1, vec![item]));
    }
    let hole = LOG + (starts[2] + 1) * 512;
    volume[hole..hole + 512].fill(0);
    let outcome = replay(&volume, true, &[]);
    assert_eq!((outcome.state, outcome.patches.len()), (VolumeState::Replayed, 2));
}

#[test]
fn a_cancelled_buffer_is_left_alone_until_it_is_used_again() {
    let cancel = || buffer(800, 2, 0..0, 0);
    let used = |fill| buffer(800, 0, 0..1, fill);
    for (order, expected) in [
        (vec![used(1), cancel()], 0),
        (vec![cancel(), used(1)], 1),
        (vec![used(1), cancel(), used(2)], 2),
        (vec![used(1), used(2)], 2),
    ] {
        let mut volume = volume();
        let mut at = 0;
        for item in order {
            at = write(&mut volume, 1, at, 1 << 32, &transaction(1, vec![item]));
        }
        let outcome = replay(&volume, true, &[]);
        assert_eq!(outcome.state, VolumeState::Replayed);
        assert_eq!(patched(&volume, &outcome)[800 * 512], expected);
    }
}

/// A directory block of the filesystem with an LSN.
fn directory_block(lsn: u64, uuid: u8) -> Vec<u8> {
    let mut block = vec![0; 4096];
    block[..4].copy_from_slice(b"XDD3");
    block[16..24].copy_from_slice(&lsn.to_be_bytes());
    block[24..40].fill(uuid);
    block
}

#[test]
fn a_newer_block_of_this_filesystem_keeps_what_it_has() {
    let record = 1 << 32 | 2;
    for (lsn, uuid, v5, applied) in [
        (record, 9, true, false),
        (record + 1, 9, true, false),
        (record - 1, 9, true, true),
        (u64::MAX, 9, true, true),
        (record + 1, 8, true, true),
        (record + 1, 9, false, true),
    ] {
        let mut volume = volume();
        volume[800 * 512..800 * 512 + 4096].copy_from_slice(&directory_block(lsn, uuid));
        let next = write(&mut volume, 1, 0, 1 << 32, &transaction(1, vec![buffer(1600, 0, 0..1, 3)]));
        assert_eq!(next, 2);
        write(&mut volume, 1, next, 1 << 32, &transaction(2, vec![buffer(800, 0, 31..32, 3)]));
        let outcome = replay(&volume, v5, &[]);
        let after = patched(&volume, &outcome);
        let block = &after[800 * 512..800 * 512 + 4096];
        assert_eq!(block[4095] == 3, applied, "{lsn:#x} {uuid}");
        if applied && v5 {
            assert_eq!(block[16..24], record.to_be_bytes());
            let (stored, computed) = checksums(block, 4);
            assert_eq!(stored, computed);
        }
    }
}

/// An intent or done item.
fn intent(kind: u16, id: u64, body: &[u8]) -> Vec<Vec<u8>> {
    let mut region = [kind.to_le_bytes(), 1u16.to_le_bytes()].concat();
    region.extend(1u32.to_le_bytes());
    region.extend(id.to_le_bytes());
    region.extend(body);
    vec![region]
}

#[test]
fn what_is_begun_and_visible_is_partial_and_what_would_become_free_is_free() {
    let map = [131u64.to_le_bytes(), [0; 8], [0; 8], [0; 8]].concat();
    let free = [300u64.to_le_bytes(), 2u64.to_le_bytes()].concat();
    let items = |done: bool| {
        let mut items = vec![intent(0x1244, 1, &map), intent(0x1236, 2, &free), intent(0x1240, 3, &map)];
        if done {
            items.extend([intent(0x1245, 1, &[]), intent(0x1237, 2, &[])]);
        }
        items
    };
    for done in [false, true] {
        let mut volume = volume();
        write(&mut volume, 1, 0, 1 << 32, &transaction(1, items(done)));
        let outcome = replay(&volume, true, &[]);
        if done {
            assert_eq!((outcome.state, outcome.gaps.len()), (VolumeState::Replayed, 0));
            assert_eq!(outcome.unfinished.freed, []);
        } else {
            assert_eq!(outcome.state, VolumeState::Partial);
            assert_eq!((outcome.gaps[0].kind, outcome.gaps[0].inode), (GapKind::Unreplayed, Some(131)));
            assert_eq!(outcome.unfinished.freed, [ByteRange::new(300 * 4096, 8192)]);
        }
    }
}

#[test]
fn quotas_and_the_lists_of_unlinked_inodes_are_left_alone() {
    let mut volume = volume();
    // Buffers of quotas of users, projects and groups, and of inodes; items of quotas and of their end.
    let mut items: Vec<_> = [1, 4, 8, 16].map(|flag| buffer(800 + 8 * u64::from(flag), flag, 0..1, 9)).into();
    items.extend([intent(0x123d, 1, &[7; 32]), intent(0x123e, 2, &[])]);
    items.push(buffer(1600, 0, 0..1, 9));
    write(&mut volume, 1, 0, 1 << 32, &transaction(1, items));
    let outcome = replay(&volume, true, &[]);
    assert_eq!((outcome.state, &outcome.gaps[..]), (VolumeState::Replayed, &[][..]));
    assert_eq!(outcome.patches.iter().map(|patch| patch.at).collect::<Vec<_>>(), [1600 * 512]);
}

#[test]
fn other_byte_orders_strange_items_and_bad_sectors_are_refused() {
    let mut volume = volume();
    write(&mut volume, 1, 0, 1 << 32, &transaction(1, vec![intent(0x7777, 1, &[])]));
    let outcome = replay(&volume, true, &[]);
    assert_eq!((outcome.state, outcome.gaps[0].kind), (VolumeState::Unreplayed, GapKind::Unsupported));
    write(&mut volume, 1, 0, 1 << 32, &transaction(1, vec![buffer(800, 0, 0..1, 1)]));
    volume[LOG + 303] = 2;
    let sum = crc::crc32c_append(crc::crc32c(&volume[LOG..LOG + 32]), &[0; 4]);
    let sum = crc::crc32c_append(sum, &volume[LOG + 36..LOG + 328]);
    let sum = crc::crc32c_append(sum, &volume[LOG + 512..LOG + 1024]);
    volume[LOG + 32..LOG + 36].copy_from_slice(&sum.to_le_bytes());
    let outcome = replay(&volume, true, &[]);
    assert!(outcome.reason.contains("byte order"), "{}", outcome.reason);
    assert_eq!(outcome.gaps[0].kind, GapKind::Unreplayed);
    let bad = ByteRange::new(LOG as u64 + 512, 512);
    let outcome = replay(&volume, true, &[bad]);
    assert_eq!((outcome.gaps[0].kind, outcome.gaps[0].at), (GapKind::Io, Some(bad.start)));
}

#[test]
fn a_bad_sector_under_a_change_costs_that_change() {
    let mut volume = volume();
    let items = vec![buffer(800, 0, 0..1, 1), buffer(816, 0, 0..32, 2), buffer(1600, 0, 0..1, 3)];
    write(&mut volume, 1, 0, 1 << 32, &transaction(1, items));
    let bad = [ByteRange::new(801 * 512, 512), ByteRange::new(817 * 512, 512)];
    let outcome = replay(&volume, true, &bad);
    assert_eq!((outcome.state, outcome.gaps.len()), (VolumeState::Partial, 1));
    assert_eq!((outcome.gaps[0].kind, outcome.gaps[0].at), (GapKind::Io, Some(801 * 512)));
    let after = patched(&volume, &outcome);
    assert_eq!((after[800 * 512], after[818 * 512], after[1600 * 512]), (0, 2, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Damage anywhere in a log, with checksums (and without, so that it goes deep), is never a panic.
    #[test]
    fn damaged_logs_are_bounded(
        damage in proptest::collection::vec((0usize..40 * 512, any::<u8>()), 1..12),
        v5: bool,
        last in 1usize..4,
    ) {
        let mut volume = volume();
        let mut at = 0;
        for number in 0..=last as u32 {
            let items = vec![
                buffer(800 + 8 * u64::from(number), 0, 3..9, 7),
                buffer(800, 2, 0..0, 0),
                intent(0x1236, 5, &[1; 16]),
            ];
            at = write(&mut volume, 1, at, 1 << 32, &transaction(number, items));
        }
        for (place, byte) in damage {
            volume[LOG + place % (at * 512)] = byte;
        }
        let outcome = replay(&volume, v5, &[]);
        patched(&volume, &outcome);
    }

    /// An unmount record makes a log of any fill clean, in few rounds.
    #[test]
    fn the_head_of_a_log_is_found(blocks in 600u64..9000, head in 0u64..9000, cycle in 2u32..9) {
        let head = head % blocks;
        let mut image = vec![0; (blocks * 512) as usize];
        for block in 0..blocks {
            let stamp = if block < head { cycle } else { cycle - 1 };
            image[block as usize * 512..][..4].copy_from_slice(&stamp.to_be_bytes());
        }
        // The unmount record: a header and one block, around the end of the log if need be.
        let header = ((head + blocks - 2) % blocks) as usize * 512;
        let data = ((head + blocks - 1) % blocks) as usize * 512;
        let stamp = image[header..header + 4].to_vec();
        image[header..header + 4].copy_from_slice(&0xfeed_babeu32.to_be_bytes());
        image[header + 4..header + 8].copy_from_slice(&stamp);
        image[header + 8..header + 16].copy_from_slice(&[0, 0, 0, 2, 0, 0, 2, 0]);
        image[header + 40..header + 44].copy_from_slice(&1u32.to_be_bytes());
        image[data + 9] = 0x20;
        let log = ByteRange::new(0, blocks * 512);
        let geometry = Geometry { log, ..super::structures::geometry(true) };
        let shape = Shape { geometry, volume_bytes: log.len, uuid: [0; 16], meta_uuid: false };
        let mut machine = Alone(Replay::new(shape));
        let source = crate::source::memory::MemorySource::new(image);
        let mut queue = crate::source::BlockSource::open_queue(&source).unwrap();
        let stats = crate::machine::run(&mut machine, &mut *queue);
        prop_assert_eq!(machine.0.finish().state, VolumeState::Clean);
        prop_assert!(stats.rounds <= 4);
    }
}
