//! Crafted logs, which no kernel has to be asked for.

use super::{
    control::MAGIC_BYTES,
    crc::crc32_be,
    log::{Cause, Log, Replay},
    superblock::{Checksums, JournalSuperblock},
};
use crate::fs::ext4::checksum::{crc32c, crc32c_of};
use proptest::prelude::*;

const BLOCK: usize = 1024;

fn journal(checksums: Checksums) -> JournalSuperblock {
    JournalSuperblock {
        block_bytes: BLOCK as u32,
        blocks: 16,
        first: 1,
        last: 16,
        sequence: u32::MAX,
        start: 1,
        failed: false,
        checksums,
        seed: 0x1234,
        wide: false,
        async_commit: false,
        fast: None,
    }
}

/// A journal in memory that is written block by block.
struct Writer {
    journal: JournalSuperblock,
    blocks: Vec<Vec<u8>>,
    at: u32,
    sequence: u32,
    sum: u32,
}

impl Writer {
    fn new(journal: JournalSuperblock) -> Self {
        let (at, sequence) = (journal.start, journal.sequence);
        Self { blocks: vec![vec![0; BLOCK]; journal.blocks as usize], journal, at, sequence, sum: !0 }
    }

    fn put(&mut self, block: Vec<u8>) {
        let at = self.at as usize;
        self.blocks[at] = block;
        self.at = self.journal.after(self.at, 1);
    }

    fn header(&self, kind: u32) -> Vec<u8> {
        let mut block = MAGIC_BYTES.to_vec();
        block.extend(kind.to_be_bytes());
        block.extend(self.sequence.to_be_bytes());
        block.resize(BLOCK, 0);
        block
    }

    fn seal(&self, block: &mut [u8]) {
        if self.journal.checksums.each_block() {
            let sum = crc32c(self.journal.seed, block);
            block[BLOCK - 4..].copy_from_slice(&sum.to_be_bytes());
        }
    }

    /// Writes these blocks of the volume, filled with a byte; `escaped` ones have zeros for the magic number.
    fn write(&mut self, writes: &[(u32, u8, bool)]) -> &mut Self {
        let mut descriptor = self.header(1);
        let mut data = Vec::new();
        let mut at = 12;
        for (index, (block, fill, escaped)) in writes.iter().enumerate() {
            let mut content = vec![*fill; BLOCK];
            if *escaped {
                content[..4].fill(0);
            }
            let sum = crc32c_of(self.journal.seed, &[&self.sequence.to_be_bytes(), &content]);
            let last = if index + 1 == writes.len() { 8 } else { 0 };
            let flags = u16::from(*escaped) | 2 | last;
            let mut tag = block.to_be_bytes().to_vec();
            match self.journal.checksums {
                Checksums::V3 => {
                    tag.extend(u32::from(flags).to_be_bytes());
                    tag.extend([0; 4]);
                    tag.extend(sum.to_be_bytes());
                }
                Checksums::V2 => {
                    tag.extend((sum as u16).to_be_bytes());
                    tag.extend(flags.to_be_bytes());
                    tag.extend([0; 2]);
                }
                _ => tag.extend(u32::from(flags).to_be_bytes()),
            }
            descriptor[at..at + tag.len()].copy_from_slice(&tag);
            at += tag.len();
            data.push(content);
        }
        self.seal(&mut descriptor);
        for block in std::iter::once(descriptor).chain(data) {
            self.sum = crc32_be(self.sum, &block);
            self.put(block);
        }
        self
    }

    fn revoke(&mut self, blocks: &[u32]) -> &mut Self {
        let mut block = self.header(5);
        block[12..16].copy_from_slice(&(16 + blocks.len() as u32 * 4).to_be_bytes());
        for (place, number) in block[16..].chunks_exact_mut(4).zip(blocks) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        self.seal(&mut block);
        self.put(block);
        self
    }

    fn commit(&mut self, time: u64) -> &mut Self {
        let mut block = self.header(2);
        block[48..56].copy_from_slice(&time.to_be_bytes());
        let sum = match self.journal.checksums {
            Checksums::V1 => {
                block[12..14].copy_from_slice(&[1, 4]);
                self.sum
            }
            Checksums::None => 0,
            _ => crc32c(self.journal.seed, &block),
        };
        block[16..20].copy_from_slice(&sum.to_be_bytes());
        self.put(block);
        self.sequence = self.sequence.wrapping_add(1);
        self.sum = !0;
        self
    }

    fn replay(&self) -> Result<Replay, Cause> {
        let mut log = Log::new(self.journal.clone());
        // In any order.
        for (block, bytes) in self.blocks.iter().enumerate().rev() {
            log.take(block as u32, bytes);
        }
        log.replay().map_err(|fault| fault.cause)
    }

    /// Blocks written, and where the log holds them.
    fn written(&self) -> Vec<(u64, u32)> {
        self.replay().unwrap().writes.iter().map(|write| (write.block, write.from)).collect()
    }
}

const ALL: [Checksums; 4] = [Checksums::None, Checksums::V1, Checksums::V2, Checksums::V3];

#[test]
fn the_last_write_of_whole_transactions_stands() {
    for checksums in ALL {
        let mut log = Writer::new(journal(checksums));
        log.write(&[(50, 1, false), (60, 2, true)]).commit(1).write(&[(50, 3, false)]).commit(2);
        // The sequence numbers wrapped around; this transaction is not whole.
        assert_eq!(log.sequence, 1);
        log.write(&[(60, 4, false)]);
        let replay = log.replay().unwrap();
        assert_eq!(log.written(), [(50, 6), (60, 3)], "{checksums:?}");
        assert_eq!(replay.writes.iter().map(|write| write.escaped).collect::<Vec<_>>(), [false, true]);
        assert_eq!((replay.transactions, replay.next, replay.faults), (2, 1, vec![]));
    }
}

#[test]
fn a_revoke_cancels_its_own_and_earlier_transactions() {
    for checksums in ALL {
        let mut log = Writer::new(journal(checksums));
        log.write(&[(50, 1, false), (51, 1, false), (52, 1, false)]).commit(1);
        log.revoke(&[50, 51]).write(&[(51, 2, false)]).commit(2);
        log.write(&[(50, 3, false)]).commit(3);
        // One that is not whole revokes nothing.
        log.revoke(&[52]);
        assert_eq!(log.written(), [(50, 11), (52, 4)], "{checksums:?}");
    }
}

#[test]
fn the_log_goes_on_at_its_first_block() {
    for checksums in ALL {
        let mut log = Writer::new(JournalSuperblock { start: 13, ..journal(checksums) });
        log.write(&[(50, 1, false), (51, 1, false), (52, 1, false)]).commit(1);
        log.write(&[(53, 1, false)]).commit(1);
        assert_eq!(log.written(), [(50, 14), (51, 15), (52, 1), (53, 4)], "{checksums:?}");
    }
}

#[test]
fn a_log_that_only_goes_round_ends() {
    let mut log = Writer::new(JournalSuperblock { last: 4, ..journal(Checksums::None) });
    log.write(&[(50, 1, false), (51, 1, false)]);
    assert!(matches!(log.replay(), Err(Cause::Corrupt(..))));
}

#[test]
fn damage_ends_the_log_or_costs_a_block() {
    for checksums in [Checksums::V1, Checksums::V2, Checksums::V3] {
        let mut log = Writer::new(journal(checksums));
        log.write(&[(50, 1, false)]).commit(5);
        log.write(&[(51, 1, false)]).commit(6);
        log.blocks[5][500] ^= 1;
        let replay = log.replay().unwrap();
        assert_eq!(log.written(), [(50, 2)], "{checksums:?}");
        assert_eq!(replay.faults.len(), 1, "{checksums:?}");
    }
    // A damaged descriptor: an error, unless its clock tells that it was left behind by an older journal.
    for (time, right) in [(6, false), (4, true)] {
        let mut log = Writer::new(journal(Checksums::V3));
        log.write(&[(50, 1, false)]).commit(5);
        log.write(&[(51, 1, false)]).commit(time);
        log.blocks[4][900] ^= 1;
        assert_eq!(log.replay().is_ok_and(|replay| replay.faults.is_empty()), right);
    }
}

#[test]
fn the_superblock_is_checked() {
    let mut bytes = MAGIC_BYTES.to_vec();
    for number in [4, 0, 1024, 4096, 1, 7, 9, 0, 0, 0x12, 0] {
        bytes.extend(u32::to_be_bytes(number));
    }
    bytes.resize(BLOCK, 0);
    bytes[0x50] = 4;
    let sealed = |mut bytes: Vec<u8>| {
        let sum = crc32c_of(!0, &[&bytes[..0xFC], &[0; 4], &bytes[0x100..]]);
        bytes[0xFC..0x100].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    let parse = |bytes: &[u8], blocks| JournalSuperblock::parse(bytes, 0, 1024, blocks);
    let good = parse(&sealed(bytes.clone()), 4096).unwrap();
    assert_eq!((good.first, good.last, good.start, good.sequence), (1, 4096, 9, 7));
    assert_eq!((good.checksums, good.wide, good.fast), (Checksums::V3, true, None));
    assert!(parse(&bytes, 4096).is_err());
    assert!(parse(&sealed(bytes.clone()), 4095).is_err());
    for (at, value) in [(3, 0), (7, 9), (0x0E, 8), (0x17, 0), (0x1E, 0x20), (0x2B, 0x1A), (0x2B, 0x52)] {
        let mut bad = bytes.clone();
        bad[at] = value;
        assert!(parse(&sealed(bad), 4096).is_err(), "{at:#x}");
    }
    bytes[0x2B] |= 0x20;
    let fast = parse(&sealed(bytes), 4096).unwrap();
    assert_eq!((fast.last, fast.fast), (4096 - 256, Some(4096 - 255)));
}

proptest! {
    #[test]
    fn any_log_is_replayed_or_refused(
        kinds in prop::collection::vec((0_u32..6, any::<u16>(), 0_u32..3, any::<bool>()), 16),
        checksums in 0_usize..4,
        wide: bool,
        start in 1_u32..16,
    ) {
        let mut log = Log::new(JournalSuperblock { start, wide, ..journal(ALL[checksums]) });
        for (block, (kind, fill, ahead, noise)) in kinds.iter().enumerate() {
            let mut bytes = MAGIC_BYTES.to_vec();
            bytes.extend(kind.to_be_bytes());
            bytes.extend(u32::MAX.wrapping_add(*ahead).to_be_bytes());
            bytes.extend(fill.to_be_bytes().iter().cycle().take(BLOCK - 12));
            if *noise {
                bytes[0] = 0;
            }
            log.take(block as u32, &bytes);
        }
        if let Ok(replay) = log.replay() {
            prop_assert!(replay.writes.len() <= 16 * BLOCK / 8);
            prop_assert!(replay.writes.is_sorted_by_key(|write| write.block));
        }
    }
}
