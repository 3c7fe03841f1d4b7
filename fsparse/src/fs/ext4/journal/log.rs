//! The log: what its blocks say, and what of it the kernel would write where.
//!
//! Blocks are taken in any order as they are read. Only control blocks are kept, and of the others a
//! checksum each; then the three passes walk the log as recovery does: where it ends, what was revoked,
//! what is written.
//!
//! Source: Linux kernel documentation, "ext4 Data Structures and Algorithms", section "Journal (jbd2)";
//! the order of passes and the rules by which a pass ends are those of the kernel's recovery.

use super::{
    super::checksum::crc32c,
    control::{Control, Kind, Tag, sequence_of},
    crc::{Past, crc32_be},
    superblock::{Checksums, JournalSuperblock},
};
use std::collections::HashMap;

/// Why a log cannot be replayed, or not all of it: words, and the block of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The block of the journal.
    pub block: u32,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It could not be read.
    Unreadable(String),
    /// It contradicts its format: expected and found.
    Corrupt(String, String),
    /// It says more than such a log can.
    TooMuch,
}

/// A block of the volume and where the log holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Write {
    /// The block of the volume.
    pub block: u64,
    /// Which write it is, counted from the log's start.
    pub order: u32,
    /// The block of the journal.
    pub from: u32,
    /// The magic number must be put back.
    pub escaped: bool,
}

/// What a replay does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Replay {
    /// What is written, one write a block, sorted.
    pub writes: Vec<Write>,
    /// Writes that could not be done.
    pub faults: Vec<Fault>,
    /// Transactions that were whole.
    pub transactions: u32,
    /// The number that the next transaction would have had.
    pub next: u32,
}

/// A log as far as it was read.
pub(super) struct Log {
    journal: JournalSuperblock,
    controls: HashMap<u32, Control>,
    /// Sums of each block, from 0; empty where they are not needed.
    sums: Vec<u32>,
    unreadable: HashMap<u32, String>,
    /// Numbers that control blocks may still hold.
    room: usize,
    full: bool,
}

/// What the first pass finds.
struct Scanned {
    /// Control blocks of the log, and their transactions.
    found: Vec<(u32, u32)>,
    /// The first number that is not of a whole transaction.
    end: u32,
    /// A whole transaction that is damaged; the kernel replays up to it, and then refuses the filesystem.
    fault: Option<Fault>,
}

/// Whether sequence number `a` comes before `b`; they wrap around.
fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

impl Log {
    /// An empty one.
    pub(super) fn new(journal: JournalSuperblock) -> Self {
        let sums = if journal.checksums == Checksums::None { 0 } else { journal.blocks as usize };
        let room = (journal.blocks as usize).saturating_mul(4) + (1 << 20);
        Self {
            journal,
            controls: HashMap::new(),
            sums: vec![0; sums],
            unreadable: HashMap::new(),
            room,
            full: false,
        }
    }

    /// The journal's superblock.
    pub(super) fn journal(&self) -> &JournalSuperblock {
        &self.journal
    }

    /// Takes a block.
    pub(super) fn take(&mut self, block: u32, bytes: &[u8]) {
        if let Some(sum) = self.sums.get_mut(block as usize) {
            let of = if self.journal.checksums == Checksums::V1 { crc32_be } else { crc32c };
            *sum = of(0, bytes);
        }
        let Some(sequence) = sequence_of(bytes) else { return };
        if sequence.wrapping_sub(self.journal.sequence) > self.journal.blocks {
            return;
        }
        let control = Control::parse(&self.journal, bytes);
        if let Some(room) = self.room.checked_sub(control.len()) {
            self.room = room;
            self.controls.insert(block, control);
        } else {
            self.full = true;
        }
    }

    /// Records that a block could not be read.
    pub(super) fn miss(&mut self, block: u32, reason: String) {
        self.unreadable.insert(block, reason);
    }

    /// All passes.
    pub(super) fn replay(&self) -> Result<Replay, Fault> {
        if self.journal.start == 0 {
            return Ok(Replay { next: self.journal.sequence, ..Replay::default() });
        }
        if self.full {
            return Err(Fault { block: self.journal.start, cause: Cause::TooMuch });
        }
        let Scanned { found, end, fault } = self.scan()?;
        let found: Vec<_> = found.into_iter().filter(|(_, sequence)| before(*sequence, end)).collect();
        let revoked = self.revoke(&found)?;
        let mut replay = self.write(&found, &revoked);
        replay.faults.extend(fault);
        replay.transactions = end.wrapping_sub(self.journal.sequence);
        replay.next = end;
        Ok(replay)
    }

    /// First pass.
    fn scan(&self) -> Result<Scanned, Fault> {
        let journal = &self.journal;
        let past = Past::crc32_be(journal.block_bytes);
        let v1 = journal.checksums == Checksums::V1;
        let mut found = Vec::new();
        let mut sequence = journal.sequence;
        let mut next = journal.start;
        let mut walked = 0_u64;
        let mut end = None;
        let mut fault = None;
        let mut doubtful = false;
        let mut last_time = 0;
        let mut sum = !0;
        loop {
            let block = next;
            let Some(control) = self.controls.get(&block) else {
                if let Some(reason) = self.unreadable.get(&block) {
                    return Err(Fault { block, cause: Cause::Unreadable(reason.clone()) });
                }
                break;
            };
            if control.sequence != sequence {
                break;
            }
            let ahead = if let Kind::Descriptor(tags) = &control.kind { tags.len() as u32 } else { 0 };
            walked += 1 + u64::from(ahead);
            if walked > u64::from(journal.last - journal.first) {
                let cause = Cause::Corrupt("a log that ends".to_owned(), "one longer than itself".to_owned());
                return Err(Fault { block, cause });
            }
            next = journal.after(block, 1 + ahead);
            match &control.kind {
                Kind::Descriptor(_) => {
                    doubtful |= !control.valid;
                    if v1 && !doubtful && end.is_none() {
                        for index in 0..=ahead {
                            let block = journal.after(block, index);
                            let one = self.sums.get(block as usize).copied().unwrap_or_default();
                            sum = past.then(sum, one);
                        }
                    }
                    found.push((block, sequence));
                }
                Kind::Revoke(_) => {
                    doubtful |= !control.valid;
                    found.push((block, sequence));
                }
                Kind::Commit { time, sum: said } => {
                    // A wrong checksum is either damage or what an older use of the log left behind, whose
                    // clock is behind too.
                    let stale = *time < last_time;
                    if doubtful {
                        if stale {
                            break;
                        }
                        return Err(bad_sum(block, sequence));
                    }
                    if v1 && end.is_some() {
                        fault.get_or_insert_with(|| bad_sum(block, sequence));
                        continue;
                    }
                    let right = if v1 { *said == (1, 4, sum) || *said == (0, 0, 0) } else { control.valid };
                    if !right {
                        if stale {
                            break;
                        }
                        end = Some(sequence);
                        if !journal.async_commit {
                            fault = Some(bad_sum(block, sequence));
                            continue;
                        }
                    }
                    sum = !0;
                    last_time = *time;
                    sequence = sequence.wrapping_add(1);
                }
                Kind::Other => break,
            }
        }
        Ok(Scanned { found, end: end.unwrap_or(sequence), fault })
    }

    /// Second pass: the last transaction that revokes each block.
    fn revoke(&self, found: &[(u32, u32)]) -> Result<HashMap<u64, u32>, Fault> {
        let mut revoked = HashMap::new();
        for (block, sequence) in found {
            let Some(Control { kind: Kind::Revoke(records), .. }) = self.controls.get(block) else {
                continue;
            };
            let Some(records) = records else {
                let cause = Cause::Corrupt("revoke records inside their block".to_owned(), "more".to_owned());
                return Err(Fault { block: *block, cause });
            };
            // Transactions come in order: the last one stands.
            revoked.extend(records.iter().map(|record| (*record, *sequence)));
        }
        Ok(revoked)
    }

    /// Third pass.
    fn write(&self, found: &[(u32, u32)], revoked: &HashMap<u64, u32>) -> Replay {
        let journal = &self.journal;
        let past = Past::crc32c(journal.block_bytes);
        let mut replay = Replay::default();
        for (block, sequence) in found {
            let Some(Control { kind: Kind::Descriptor(tags), .. }) = self.controls.get(block) else {
                continue;
            };
            let start = crc32c(journal.seed, &sequence.to_be_bytes());
            for (index, tag) in (1..).zip(tags) {
                let from = journal.after(*block, index);
                if revoked.get(&tag.block).is_some_and(|until| !before(*until, *sequence)) {
                    continue;
                }
                let block_sum = self.sums.get(from as usize).copied().unwrap_or_default();
                if let Some(reason) = self.unreadable.get(&from) {
                    replay.faults.push(Fault { block: from, cause: Cause::Unreadable(reason.clone()) });
                } else if journal.checksums.each_block() && !self.matches(tag, past.then(start, block_sum)) {
                    replay.faults.push(bad_sum(from, *sequence));
                } else {
                    let order = replay.writes.len() as u32;
                    replay.writes.push(Write { block: tag.block, order, from, escaped: tag.escaped });
                }
            }
        }
        replay.writes.sort_unstable_by_key(|write| (write.block, std::cmp::Reverse(write.order)));
        replay.writes.dedup_by_key(|write| write.block);
        replay
    }

    fn matches(&self, tag: &Tag, sum: u32) -> bool {
        let kept = if self.journal.checksums == Checksums::V3 { sum } else { sum & 0xFFFF };
        tag.sum == kept
    }
}

fn bad_sum(block: u32, sequence: u32) -> Fault {
    let expected = format!("the checksum that transaction {sequence} has for it");
    Fault { block, cause: Cause::Corrupt(expected, "another".to_owned()) }
}
